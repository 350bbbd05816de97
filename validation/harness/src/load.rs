//! Reading images of all supported formats.

use std::{
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use artir_dicom::{Decoder, PhysicalSlice};
use image::DynamicImage;
use ndarray::{Array2, Array3, Axis};

use super::{Error, FileError, npy};

/// The unit of an image's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Display values 0 to 1, and the number of stored bits.
    Display(u8),
    /// CT in Hounsfield units.
    Hounsfield,
    /// PET in SUV by body weight.
    Suv,
    /// Values of a file that does not name their unit.
    Plain,
}

impl std::fmt::Display for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Display(bits) => write!(f, "{bits} bits"),
            Self::Hounsfield => f.write_str("HU"),
            Self::Suv => f.write_str("SUV"),
            Self::Plain => f.write_str("plain numbers"),
        }
    }
}

impl Values {
    /// Whether images of these two kinds can be compared.
    pub fn fits(self, other: Self) -> bool {
        self == other || self == Self::Plain || other == Self::Plain
    }
}

/// An image in the form that protocols and networks use.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `[channel, row, column]`.
    pub data: Array3<f32>,
    /// False where a CT slice has padding: the network does not see it, but protocols measure it as they measure all.
    pub valid: Option<Array2<bool>>,
    /// Unit of the values.
    pub values: Values,
}

/// Reads images of all supported formats, each within a memory limit.
#[derive(Debug)]
pub struct Reader {
    memory: u64,
    codec_process: Option<(PathBuf, Vec<OsString>)>,
    /// Decoders that wait for their next file. Each thread that reads takes one.
    idle: Mutex<Vec<Decoder>>,
}

impl Default for Reader {
    /// Reads files of one's own: up to 2 GiB, decoded in this process.
    fn default() -> Self {
        Self::new(2 << 30, None)
    }
}

impl Reader {
    /// `memory` limits the bytes of one image while it is read. `codec_process` has the program and the arguments that
    /// run [`artir_dicom::serve`], which files from outside need: with none, DICOM's codecs run in this process.
    pub fn new(memory: u64, codec_process: Option<(PathBuf, Vec<OsString>)>) -> Self {
        Self { memory, codec_process, idle: Mutex::default() }
    }

    /// Reads PNG, JPEG, TIFF (8 and 16 bit, opacity left aside), NPY and single-frame CT or PET DICOM.
    ///
    /// NPY arrays are `[H, W]`, `[C, H, W]` or `[H, W, C]` with C of 1 or 3. Unsigned 8 and 16-bit ones are display values;
    /// floats are HU, SUV, or display values 0 to 1.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn read(&self, path: &Path) -> Result<Loaded, Error> {
        self.read_file(path).map_err(|source| Error::File { path: path.display().to_string(), source })
    }

    fn read_file(&self, path: &Path) -> Result<Loaded, FileError> {
        // Devices and pipes have no length to check anything against, and opening a pipe may wait for ever.
        if !std::fs::metadata(path)?.is_file() {
            return Err(FileError::NotAFile);
        }
        let mut start = Vec::new();
        File::open(path)?.take(132).read_to_end(&mut start)?;
        if start.starts_with(b"\x93NUMPY") {
            let (data, values) = npy::read(path, self.memory)?;
            return Ok(Loaded { data, valid: None, values });
        }
        if start.starts_with(b"\x89PNG") || image::guess_format(&start).is_ok() || artir_photo::is_big_tiff(&start) {
            return picture(path, self.memory);
        }
        match self.slice(path) {
            Ok(slice) => Ok(Loaded {
                values: if slice.modality == artir_dicom::Modality::Pet { Values::Suv } else { Values::Hounsfield },
                data: slice.data.insert_axis(Axis(0)),
                valid: slice.valid,
            }),
            // A file with the preamble is DICOM, so return DICOM's reason. Any other file is not an image.
            Err(e) if start.ends_with(b"DICM") && start.len() == 132 => Err(e.into()),
            Err(_) => Err(FileError::Format),
        }
    }

    /// Reads a CT or PET slice.
    pub(super) fn slice(&self, path: &Path) -> Result<PhysicalSlice, artir_dicom::Error> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let mut decoder = waiting.unwrap_or_else(|| match &self.codec_process {
            Some((program, arguments)) => Decoder::isolated(program.clone(), arguments.clone()),
            None => Decoder::in_process(),
        });
        let slice = artir_dicom::read_slice(path, &mut decoder);
        idle().push(decoder);
        slice
    }
}

/// Bytes per sample in addition to the decoder's: as f32 in the order of the file, and in the order of planes.
const WORKING: u64 = 4 + 4;

fn picture(path: &Path, memory: u64) -> Result<Loaded, FileError> {
    let image = artir_photo::decode(path, memory, WORKING)?.image;
    let values = match image {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => Values::Display(8),
        // Floats may be anything, as those of NPY.
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => Values::Plain,
        _ => Values::Display(16),
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, samples) = match image.color().channel_count() {
        1 | 2 => (1, image.to_luma32f().into_raw()),
        _ => (3, image.into_rgb32f().into_raw()),
    };
    let interleaved = Array3::from_shape_vec((height, width, channels), samples)?;
    let data = interleaved.permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    Ok(Loaded { data, valid: None, values })
}
