//! A volume that was found: its header, and where its voxels are.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use crate::{
    Error, Finding, Reason,
    form::Form,
    grid::Grid,
    nifti,
    nrrd::{self, Packing},
};

/// Endings of files that hold volumes, in small letters.
const ENDINGS: [&str; 4] = [".nii", ".nii.gz", ".nrrd", ".nhdr"];
/// Endings of MetaImage, a format of volumes that is not read.
const META_IMAGE: [&str; 2] = [".mha", ".mhd"];

/// A header, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Header {
    Nifti(nifti::Header),
    Nrrd(nrrd::Header),
}

/// A CT or PET volume. Its voxels are read when it is restored.
#[derive(Clone, Debug)]
pub struct Volume {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    pub(crate) form: Form,
    pub(crate) grid: Grid,
    place: Place,
}

/// Where the voxels are.
#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    /// Where the file's part with the voxels begins.
    start: u64,
    packing: Packing,
    /// Lines, then bytes of what is unpacked, before the voxels; -1 for all that is before the last ones.
    skip: (usize, i64),
}

/// What a listing shows of a volume.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// `NIfTI-1`, `NIfTI-2` or `NRRD`.
    pub format: &'static str,
    /// Such as `int16`.
    pub datatype: &'static str,
    /// Rows of an axial slice.
    pub rows: usize,
    /// Columns of an axial slice.
    pub columns: usize,
    /// Axial slices of a frame.
    pub slices: usize,
    /// Frames, such as those of a dynamic scan.
    pub frames: usize,
    /// Distance of rows, of columns and of slices, mm.
    pub spacing_mm: [f64; 3],
    /// Findings for a reader of the volume.
    pub findings: Vec<Finding>,
}

/// Whether a file is a volume, by its first bytes or its name: also one of a format that [`Volume::open`] refuses by its name.
pub fn is_volume(path: &Path) -> bool {
    if path.is_dir() {
        return false;
    }
    let known = || head(path).is_ok_and(|(head, _)| is_known(&head));
    ends_with_any(path, &ENDINGS) || ends_with_any(path, &META_IMAGE) || known() || is_voxels_of_pair(path)
}

fn ends_with_any(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file holds the voxels of a NIfTI or Analyze header beside it: nothing in such a file shows that it does.
fn is_voxels_of_pair(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [(".img", ".hdr"), (".img.gz", ".hdr.gz")].iter().any(|(voxels, header)| {
        let stem = name.strip_suffix(*voxels);
        let header = stem.map(|stem| path.with_file_name(format!("{stem}{header}")));
        header.is_some_and(|header| head(&header).is_ok_and(|(head, _)| nifti::is_nifti(&head)))
    })
}

fn is_known(head: &[u8]) -> bool {
    nifti::is_nifti(head) || nrrd::is_nrrd(head)
}

/// The first bytes of a file, unpacked, and whether they were packed.
fn head(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    // Opening a pipe may block.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut file = BufReader::new(File::open(path)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut head = Vec::new();
    if packed {
        // What comes before damage counts.
        drop(MultiGzDecoder::new(file).take(nifti::HEAD as u64).read_to_end(&mut head));
    } else {
        file.take(nifti::HEAD as u64).read_to_end(&mut head)?;
    }
    Ok((head, packed))
}

impl Volume {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is no volume of numbers with axial slices, or that cannot hold the voxels which its
    /// header claims.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::read_header(path).map_err(|reason| Error::file(path, reason))
    }

    fn read_header(path: &Path) -> Result<Self, Reason> {
        let (head, packed) = head(path)?;
        if is_voxels_of_pair(path) {
            return Err(nifti::pair());
        }
        if ends_with_any(path, &META_IMAGE) && !is_known(&head) {
            return Err(Reason::unsupported("MetaImage (.mha, .mhd) is not read: convert it to NIfTI or NRRD"));
        }
        let file = BufReader::new(File::open(path)?);
        let mut unpacked: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let (header, form, place) = if nrrd::is_nrrd(&head) && !packed {
            let (header, start) = nrrd::Header::read(&mut unpacked)?;
            let (packing, skip) = (header.packing()?, header.skips()?);
            let place = match header.data_file(path)? {
                Some(data) => Place { path: data, start: 0, packing, skip },
                None => Place { path: path.to_owned(), start, packing, skip },
            };
            (Header::Nrrd(header.clone()), header.form()?, place)
        } else {
            let header = nifti::Header::read(&mut unpacked)?;
            let packing = if packed { Packing::Gzip } else { Packing::Raw };
            let length = header.bytes().len();
            let place = match packing {
                Packing::Raw => Place { path: path.to_owned(), start: length as u64, packing, skip: (0, 0) },
                Packing::Gzip => Place { path: path.to_owned(), start: 0, packing, skip: (0, length as i64) },
            };
            (Header::Nifti(header.clone()), header.form()?, place)
        };
        let data = std::fs::metadata(&place.path).map_err(|e| Reason::Damaged(format!("its data file: {e}")))?;
        if !data.is_file() {
            return Err(Reason::damaged("its data file is no file"));
        }
        form.check_size(data.len().saturating_sub(place.start), place.packing == Packing::Gzip)?;
        let grid = Grid::of(&form)?;
        Ok(Self { path: path.to_owned(), header, form, grid, place })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that it is read from.
    pub fn files(&self) -> [&Path; 2] {
        [&self.path, &self.place.path]
    }

    /// What a listing shows of it.
    pub fn summary(&self) -> Summary {
        let mut findings = self.grid.findings(&self.form);
        findings.extend(self.form.restored.then_some(Finding::Restored));
        Summary {
            format: match &self.header {
                Header::Nifti(header) => header.name(),
                Header::Nrrd(_) => "NRRD",
            },
            datatype: self.form.storage.sample.name(),
            rows: self.grid.rows,
            columns: self.grid.columns,
            slices: self.grid.slices,
            frames: self.grid.frames,
            spacing_mm: self.grid.spacing,
            findings,
        }
    }

    /// Bytes of its voxels.
    pub fn size(&self) -> u64 {
        self.form.bytes() as u64
    }

    /// How its voxels are packed.
    pub(crate) fn packing(&self) -> Packing {
        self.place.packing
    }

    /// Reads the voxels, and whether bytes come after them.
    pub(crate) fn voxels(&self) -> Result<(Vec<u8>, bool), Reason> {
        let length = self.form.bytes() as u64;
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.place.path)?);
        file.seek(SeekFrom::Start(self.place.start))?;
        let (lines, bytes) = self.place.skip;
        for _ in 0..lines {
            file.skip_until(b'\n')?;
        }
        let mut from: Box<dyn Read> = match self.place.packing {
            Packing::Raw if bytes == -1 => {
                // The voxels are the last bytes of the file.
                let end = file.seek(SeekFrom::End(0))?;
                file.seek(SeekFrom::Start(end.saturating_sub(length)))?;
                Box::new(file)
            }
            Packing::Raw => Box::new(file),
            Packing::Gzip => Box::new(MultiGzDecoder::new(file)),
        };
        let damaged = |e: io::Error| Reason::Damaged(format!("its voxels cannot be read: {e}"));
        io::copy(&mut from.by_ref().take(u64::try_from(bytes).unwrap_or(0)), &mut io::sink()).map_err(damaged)?;
        let mut voxels = Vec::new();
        from.by_ref().take(length).read_to_end(&mut voxels).map_err(damaged)?;
        if voxels.len() as u64 != length {
            return Err(Reason::Damaged(format!("{} bytes of voxels, but {length} are needed", voxels.len())));
        }
        let more = match self.place.packing {
            Packing::Raw => from.read(&mut [0]).map_err(damaged)? > 0,
            // The sum at the end of a gzip file is checked when all of it was read.
            Packing::Gzip => io::copy(&mut from, &mut io::sink()).map_err(damaged)? > 0,
        };
        Ok((voxels, more))
    }
}
