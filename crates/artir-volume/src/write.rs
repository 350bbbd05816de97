//! Writing a result: the header of the source with what has changed, and the voxels.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use artir_files::{FileSet, HiddenFolder, NewFile, OutputFolder};
use flate2::{Compression, GzBuilder};

use crate::{Error, Plan, Reason, Volume, nrrd::Packing, volume::Header};

/// Caution in every result.
const CAUTION: &str = "Research use only. Not for diagnosis.";

/// How a result is packed, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Nifti(Packing),
    Attached,
    /// A header, with its voxels in a file beside it.
    Detached,
}

/// A result in the making.
pub(crate) struct Output<'a> {
    volume: &'a Volume,
    plan: &'a Plan,
    path: &'a Path,
    packed: Packed,
}

fn ends(path: &Path, ending: &str) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase().ends_with(ending)
}

/// The name of the voxels' file beside a detached header.
fn data_name(header: &Path, packing: Packing) -> OsString {
    let mut name = header.file_stem().unwrap_or_default().to_owned();
    name.push(if packing == Packing::Gzip { ".raw.gz" } else { ".raw" });
    name
}

impl Volume {
    /// The files that a result of this name is written to.
    ///
    /// # Errors
    /// [`Reason::OtherForm`] for the name of another format.
    pub fn results(&self, out: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut files = vec![out.to_owned()];
        if self.packed(out)? == Packed::Detached {
            files.push(out.with_file_name(data_name(out, self.packing())));
        }
        Ok(files)
    }

    fn packed(&self, out: &Path) -> Result<Packed, Error> {
        let found = match &self.header {
            Header::Nifti(_) if ends(out, ".nii") => Ok(Packed::Nifti(Packing::Raw)),
            Header::Nifti(_) if ends(out, ".nii.gz") => Ok(Packed::Nifti(Packing::Gzip)),
            Header::Nrrd(_) if ends(out, ".nrrd") => Ok(Packed::Attached),
            Header::Nrrd(_) if ends(out, ".nhdr") => Ok(Packed::Detached),
            Header::Nifti(_) => Err(Reason::OtherForm("NIfTI", ".nii or .nii.gz")),
            Header::Nrrd(_) => Err(Reason::OtherForm("NRRD", ".nrrd or .nhdr")),
        };
        found.map_err(|reason| Error::file(out, reason))
    }
}

impl<'a> Output<'a> {
    pub(crate) fn of(volume: &'a Volume, plan: &'a Plan, path: &'a Path) -> Result<Self, Error> {
        Ok(Self { volume, plan, path, packed: volume.packed(path)? })
    }

    /// Writes and publishes the result.
    pub(crate) fn write(&self, voxels: &[u8], provenance: &str) -> Result<(), Error> {
        self.try_write(voxels, provenance).map_err(|e| Error::write(self.path, e))
    }

    fn try_write(&self, voxels: &[u8], provenance: &str) -> io::Result<()> {
        let header = self.header(provenance);
        let voxel_packing = self.volume.packing();
        if self.packed != Packed::Detached {
            let mut file = NewFile::create(self.path)?;
            match self.packed {
                Packed::Nifti(packing) => pack(file.file(), packing, &[&header, voxels])?,
                _ => {
                    file.file().write_all(&header)?;
                    pack(file.file(), voxel_packing, &[voxels])?;
                }
            }
            return file.publish(self.plan.overwrite);
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let _made = OutputFolder::create(parent.unwrap_or(Path::new(".")))?;
        let mut hidden = HiddenFolder::open(self.path)?;
        hidden.clear(|_| false)?;
        hidden.create("header")?.write_all(&header)?;
        pack(&mut hidden.create("voxels")?, voxel_packing, &[voxels])?;
        let beside = vec![("voxels".to_owned(), data_name(self.path, voxel_packing))];
        let set = FileSet { main: "header".into(), beside, ..FileSet::default() };
        hidden.publish_set(&set, self.plan.overwrite)
    }

    fn header(&self, provenance: &str) -> Vec<u8> {
        let Plan { rescaled, float, slope, intercept, .. } = *self.plan;
        let remark = format!("{provenance}. {CAUTION}").replace(['\n', '\r'], " ");
        match &self.volume.header {
            Header::Nifti(header) => {
                let mut header = header.clone();
                if rescaled {
                    let form = &self.volume.form;
                    header.carry_display_range((form.slope, form.intercept), (slope, intercept));
                }
                if float {
                    header.set_float();
                } else if rescaled {
                    header.set_rescale(slope, intercept);
                }
                header.add_comment(&remark);
                header.bytes().to_vec()
            }
            Header::Nrrd(header) => {
                let data = data_name(self.path, self.volume.packing());
                let data = (self.packed == Packed::Detached).then(|| data.to_string_lossy().into_owned());
                // The format has no rescale: only values that are written as they are have the unit.
                let unit = (float && rescaled).then_some("HU");
                header.derived(data.as_deref(), float, unit, &remark)
            }
        }
    }
}

/// Writes parts, one after the other. The same parts give the same bytes: a gzip file has neither name nor time.
fn pack(file: &mut File, packing: Packing, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    match packing {
        Packing::Raw => parts.iter().try_for_each(|part| file.write_all(part))?,
        Packing::Gzip => {
            let mut encoder = GzBuilder::new().write(&mut file, Compression::default());
            parts.iter().try_for_each(|part| encoder.write_all(part))?;
            encoder.finish()?;
        }
    }
    file.flush()
}
