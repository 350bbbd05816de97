//! Reading images of every kind that results are stored in.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use image::{DynamicImage, ImageReader, Limits};
use ndarray::{Array2, Array3, Axis};

use super::{Error, npy};

/// What the numbers of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Display values 0 to 1, stored with so many bits.
    Display(u8),
    /// CT in Hounsfield units.
    Hounsfield,
    /// PET in SUV by body weight.
    Suv,
    /// Numbers of a file that does not say what they are.
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

/// An image as protocols and networks see it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `[channel, row, column]`.
    pub data: Array3<f32>,
    /// False where a CT slice has padding: the network does not see it, but protocols measure it as they measure all.
    pub valid: Option<Array2<bool>>,
    /// What the values are.
    pub values: Values,
}

/// Reads PNG, JPEG, TIFF (8 and 16 bit, opacity left aside), NPY and single-frame CT or PET DICOM.
///
/// NPY arrays are `[H, W]`, `[C, H, W]` or `[H, W, C]` with C of 1 or 3. Unsigned 8 and 16-bit ones are display values;
/// floats are what they are: HU, SUV, or display values 0 to 1.
pub fn read(path: &Path) -> Result<Loaded, Error> {
    let fail = |reason: String| Error::File { path: path.display().to_string(), reason };
    let mut start = [0; 132];
    let mut file = File::open(path).map_err(|e| fail(e.to_string()))?;
    let mut length = 0;
    while length < start.len() {
        match file.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) => return Err(fail(e.to_string())),
        }
    }
    if start.starts_with(b"\x93NUMPY") {
        let (data, values) = npy::read(path).map_err(fail)?;
        return Ok(Loaded { data, valid: None, values });
    }
    if start.starts_with(b"\x89PNG") || image::guess_format(&start[..length]).is_ok() {
        return picture(path).map_err(fail);
    }
    match artir_dicom::read_slice(path) {
        Ok(slice) => Ok(Loaded {
            values: if slice.modality == artir_dicom::Modality::Pet { Values::Suv } else { Values::Hounsfield },
            data: slice.data.insert_axis(Axis(0)),
            valid: slice.valid,
        }),
        // With the preamble it is DICOM, and its reason counts; anything else is simply not an image.
        Err(e) if &start[128..] == b"DICM" => Err(fail(reason_of(&e))),
        Err(_) => Err(fail("not a PNG, JPEG, TIFF, NPY or DICOM image".into())),
    }
}

/// A DICOM error without the path, which is said already.
pub(super) fn reason_of(error: &artir_dicom::Error) -> String {
    match error {
        artir_dicom::Error::File { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

fn picture(path: &Path) -> Result<Loaded, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(4 << 30);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| e.to_string())?;
    let bits = match image {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => 8,
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => 32,
        _ => 16,
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, samples) = match image.color().channel_count() {
        1 | 2 => (1, image.to_luma32f().into_raw()),
        _ => (3, image.into_rgb32f().into_raw()),
    };
    let interleaved = Array3::from_shape_vec((height, width, channels), samples).map_err(|e| e.to_string())?;
    let data = interleaved.permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    Ok(Loaded { data, valid: None, values: Values::Display(bits) })
}
