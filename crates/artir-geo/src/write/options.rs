//! Options for writing a restored scene.

/// The format of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// GeoTIFF, laid out like its source.
    #[default]
    GeoTiff,
    /// Cloud optimized GeoTIFF.
    Cog,
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

    /// Sets the number of threads that compress; 0 takes every core.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}
