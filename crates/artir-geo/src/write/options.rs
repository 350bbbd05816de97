//! Options for writing a restored scene.

use std::path::{Path, PathBuf};

use gdal_sys::GDALDataType;

use crate::{error::Reason, scene::Scene};

/// The format of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Cloud optimized GeoTIFF where the source is one, else GeoTIFF.
    #[default]
    LikeSource,
    /// GeoTIFF, laid out like its source.
    GeoTiff,
    /// Cloud optimized GeoTIFF.
    Cog,
    /// JPEG 2000, without loss.
    Jp2,
    /// The codestream of JPEG 2000 alone, without the boxes that state colours and place.
    J2k,
    /// PNG: 8 or 16 bits, up to four bands.
    Png,
    /// ERDAS Imagine.
    Imagine,
}

impl Format {
    /// The format that a file's ending stands for; `None` for an ending that no result can have. A virtual raster's is that of
    /// the TIFF under it.
    pub fn of_name(name: &Path) -> Option<Self> {
        let ending = name.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        Some(match ending.as_str() {
            "" | "tif" | "tiff" | "gtiff" | "vrt" => Self::LikeSource,
            "jp2" => Self::Jp2,
            "j2k" => Self::J2k,
            "png" => Self::Png,
            "img" => Self::Imagine,
            _ => return None,
        })
    }

    /// GDAL's driver.
    pub(crate) fn driver(self) -> &'static str {
        match self {
            Self::LikeSource | Self::GeoTiff => "GTiff",
            Self::Cog => "COG",
            Self::Jp2 | Self::J2k => "JP2OpenJPEG",
            Self::Png => "PNG",
            Self::Imagine => "HFA",
        }
    }

    /// Refuses a scene whose stored 0 is white if the result could not state that, and would be read as a negative: a GeoTIFF
    /// states it in its photometric interpretation, other files by a colour table.
    pub(crate) fn check_white(self, scene: &Scene, is_virtual: bool) -> Result<(), Reason> {
        let first = &scene.info.description.bands[0];
        if !first.white_is_zero {
            return Ok(());
        }
        let bytes = first.kind == GDALDataType::GDT_Byte;
        let has_table = first.bits.is_none() && (bytes || first.kind == GDALDataType::GDT_UInt16);
        let (name, fine) = match self {
            Self::LikeSource | Self::GeoTiff => ("a virtual raster", !is_virtual || has_table),
            Self::Cog => ("a cloud optimized GeoTIFF", has_table),
            Self::Imagine => ("an ERDAS Imagine file", has_table),
            Self::Png => ("a PNG", has_table && bytes),
            Self::Jp2 | Self::J2k => ("a JPEG 2000 file", false),
        };
        if fine {
            return Ok(());
        }
        let advice = if bytes { ", or make 0 black first (gdal_translate -expand gray)" } else { "" };
        Err(format!("its 0 is white, which {name} cannot state: write a GeoTIFF (.tif, --format gtiff){advice}").into())
    }

    /// Whether the result is copied from a finished GeoTIFF.
    pub(crate) fn is_copied(self) -> bool {
        !matches!(self, Self::LikeSource | Self::GeoTiff)
    }
}

/// A creation option of GDAL's driver, such as `COMPRESS=ZSTD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreationOption {
    key: String,
    value: String,
}

impl CreationOption {
    /// `None` for a key that is empty or holds an equals sign, and for texts with a NUL, which GDAL cannot take.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Option<Self> {
        let (key, value) = (key.into().to_ascii_uppercase(), value.into());
        let fine = !key.is_empty() && !key.contains(['=', '\0']) && !value.contains('\0');
        fine.then_some(Self { key, value })
    }

    /// The option's name, in upper case.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The option's value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Options for writing a restored scene.
///
/// ```
/// use artir_geo::{CreationOption, Format, WriteOptions};
///
/// let zstd = CreationOption::new("COMPRESS", "ZSTD").expect("a name and a value");
/// let options = WriteOptions::default().with_format(Format::Cog).with_creation([zstd]).with_overwrite(true);
/// assert_eq!(options.creation[0].key(), "COMPRESS");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Overwrite an existing result.
    pub overwrite: bool,
    /// Continue an interrupted run.
    pub resume: bool,
    /// The format.
    pub format: Format,
    /// Creation options of GDAL's driver, over those that follow from the source.
    pub creation: Vec<CreationOption>,
    /// Threads that compress; 0 takes every core.
    pub threads: usize,
    /// Remove haze from the other reflective bands as well, by what the network removes from red, green and blue.
    pub all_bands: bool,
    /// What the result states of how it was made, in its `ARTIR` domain: names and values.
    pub(crate) provenance: Vec<(String, String)>,
    /// Refuse a scene if the result cannot hold something that the scene states.
    pub strict: bool,
    /// The folder in which an interrupted run leaves the rows that it has restored; `None` for a hidden folder next to the
    /// result.
    pub work: Option<PathBuf>,
    /// Write one file: no `.aux.xml`, and refuse a scene if another part of its result would be a file beside it.
    pub one_file: bool,
}

impl WriteOptions {
    /// Whether an existing result is overwritten.
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Whether an interrupted run is continued.
    pub fn with_resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Sets the format.
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets creation options.
    pub fn with_creation(mut self, creation: impl Into<Vec<CreationOption>>) -> Self {
        self.creation = creation.into();
        self
    }

    /// Whether haze is removed from the other reflective bands as well, by what the network removes from red, green and blue.
    pub fn with_all_bands(mut self, all_bands: bool) -> Self {
        self.all_bands = all_bands;
        self
    }

    /// Whether a scene is refused if the result cannot hold something that the scene states. Otherwise that is left out, and
    /// [`SceneReport::lost`](crate::SceneReport::lost) names it.
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Sets the folder in which an interrupted run leaves the rows that it has restored, and in which a resumed one looks for
    /// them. It is made where it is missing.
    pub fn with_work(mut self, work: impl Into<PathBuf>) -> Self {
        self.work = Some(work.into());
        self
    }

    /// Whether the result is one file, as a stream carries it: what only `.aux.xml` could hold counts as what a result cannot hold,
    /// and a scene is refused if another part of the result would be a file beside it (`.ovr`, `.msk`, `.tfw`).
    pub fn with_one_file(mut self, one_file: bool) -> Self {
        self.one_file = one_file;
        self
    }

    /// Sets the number of threads that compress; 0 takes every core.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}
