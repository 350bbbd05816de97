//! Errors of the harness. They name no flag of the command line, which adds what to change.

use std::io;

use artir_core::ErrorKind;

/// The reason why a suite cannot be run, or a pair not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core failed.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
    /// A file cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file, as it was found.
        path: String,
        /// The reason.
        source: FileError,
    },
    /// A suite's definition is wrong, or there is none of that name.
    #[error("suite {name}: {source}")]
    Suite {
        /// Its name or file.
        name: String,
        /// The reason.
        source: SuiteError,
    },
    /// Two methods have one name.
    #[error("another method is already named '{0}'")]
    Method(String),
    /// The data set is missing, or has another layout.
    #[error("{folder}: {source}; expected: {layout}")]
    Data {
        /// The folder.
        folder: String,
        /// The reason.
        source: Box<DataError>,
        /// The layout that the suite expects.
        layout: String,
    },
    /// The journal cannot be used.
    #[error("{path}: {source}")]
    Journal {
        /// The journal.
        path: String,
        /// The reason.
        source: JournalError,
    },
    /// The threads that read and measure cannot be started.
    #[error("cannot start the threads that measure: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Two images cannot be measured against each other.
    #[error("{0}")]
    Metrics(#[from] artir_metrics::MetricsError),
    /// LPIPS cannot be measured.
    #[error(transparent)]
    Lpips(#[from] artir_metrics::LpipsError),
    /// A picture of the page cannot be encoded.
    #[error("the page cannot be made: {0}")]
    Page(#[source] io::Error),
    /// Result and reference were stored with different depths.
    #[error("{result} against {reference}")]
    Depth {
        /// Of the result.
        result: String,
        /// Of the reference.
        reference: String,
    },
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::Lpips(e) => e.kind(),
            Self::Page(_) | Self::Threads(_) => ErrorKind::Failed,
            Self::Suite { .. } | Self::Journal { .. } | Self::Method(_) => ErrorKind::Usage,
            _ => ErrorKind::Input,
        }
    }
}

/// The reason why a file cannot be used, as the end of a sentence that begins with the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file system refuses it.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A folder, a device or a pipe.
    #[error("not a file")]
    NotAFile,
    /// A folder without images.
    #[error("holds no file")]
    Empty,
    /// Another format.
    #[error("not a PNG, JPEG, TIFF, NPY or DICOM image")]
    Format,
    /// An NPY array that is no image.
    #[error("{0}")]
    Npy(#[from] NpyError),
    /// A picture that cannot be decoded.
    #[error("{0}")]
    Picture(#[from] artir_photo::PictureError),
    /// A DICOM file that cannot be read.
    #[error("{}", without_path(.0))]
    Dicom(#[from] artir_dicom::Error),
    /// Samples that do not fill their size.
    #[error("{0}")]
    Shape(#[from] ndarray::ShapeError),
    /// Two files of a folder have the name that is looked for.
    #[error("{one} and {other} have the same name")]
    SameName {
        /// The one.
        one: String,
        /// The other.
        other: String,
    },
    /// The suite has no second image for this one.
    #[error("the suite gives it neither an input nor noise")]
    NoInput,
    /// Another method has no image of this name.
    #[error("has no result in this folder")]
    NoResult,
    /// The values have a unit that the protocol does not measure.
    #[error("holds {values}, which the protocol {protocol} does not measure")]
    Unit {
        /// The unit of the values.
        values: String,
        /// The protocol.
        protocol: String,
    },
}

/// A DICOM error without the path, which the caller adds.
pub(crate) fn without_path(error: &artir_dicom::Error) -> String {
    match error {
        artir_dicom::Error::File { reason, .. } => reason.to_string(),
        other => other.to_string(),
    }
}

/// The reason why an NPY array is not an image that artir reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file system refuses it.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// Its header ends before its length.
    #[error("its NPY header is cut short")]
    Short,
    /// An entry of the header is missing or makes no sense.
    #[error("its NPY header has no usable '{0}'")]
    Entry(&'static str),
    /// The file is shorter or longer than the array.
    #[error("holds {length} bytes, but an array {shape:?} of {kind} has another size")]
    Length {
        /// Length of the file, bytes.
        length: u64,
        /// Shape of the array.
        shape: Vec<u64>,
        /// Type of its values.
        kind: String,
    },
    /// The array exceeds the memory limit.
    #[error("an array {shape:?} of {kind} needs {needed_mib} MiB, but {allowed_mib} MiB are allowed")]
    Memory {
        /// Shape of the array.
        shape: Vec<u64>,
        /// Type of its values.
        kind: String,
        /// Needed, in MiB.
        needed_mib: u64,
        /// Allowed, in MiB.
        allowed_mib: u64,
    },
    /// Values of a type that images do not have.
    #[error("holds {0}, not float32, float64, int16, uint8 or uint16")]
    Kind(String),
    /// An array of another number of dimensions or channels.
    #[error("an NPY array {0:?} is not an image: [H, W], [C, H, W] or [H, W, C]")]
    Shape(Vec<usize>),
    /// The values do not parse.
    #[error("{0}")]
    Values(#[from] ndarray_npy::ReadNpyError),
    /// The values do not fill the shape.
    #[error("{0}")]
    Array(#[from] ndarray::ShapeError),
}

/// The reason why a suite is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// Its file cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// No suite has this name.
    #[error("is not one of {}, nor a file that ends in .toml", .0.join(", "))]
    Unknown(Vec<&'static str>),
    /// It is no TOML, or has other fields.
    #[error("{}", .0.to_string().trim().replace('\n', " "))]
    Parse(#[from] toml::de::Error),
    /// Another version of the form.
    #[error("its schema is {0}, this version reads 1")]
    Schema(u32),
    /// No protocol has this name.
    #[error("the protocol '{0}' is not one of {known}", known = artir_metrics::Protocol::names().join(", "))]
    Protocol(String),
    /// Both input files and noise, or neither.
    #[error("it needs either input files or noise")]
    InputOrNoise,
    /// Noise with a protocol that has none.
    #[error("noise needs one of the rgb-noise protocols, not {0}")]
    NoiseProtocol(String),
}

/// The reason why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is no such folder.
    #[error("is not a folder")]
    NotAFolder,
    /// A pattern of the suite is wrong.
    #[error("the pattern {pattern}: {source}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The reason.
        source: glob::PatternError,
    },
    /// No file matches a pattern.
    #[error("holds no file {0}")]
    NoFile(String),
    /// Files match a pattern, and none of them can be read.
    #[error("no file {pattern} can be read; {file}: {reason}")]
    Unreadable {
        /// The pattern.
        pattern: String,
        /// The first file.
        file: String,
        /// The reason why it cannot be read.
        reason: String,
    },
    /// Two references have one key.
    #[error("two references have the key '{0}'")]
    References(String),
    /// Two files of one side have one key.
    #[error("{one} and {other} have the same key '{key}'")]
    SameKey {
        /// The one.
        one: String,
        /// The other.
        other: String,
        /// Their key.
        key: String,
    },
    /// No input has a reference.
    #[error("no input has a reference")]
    NoPair,
}

/// The reason why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It belongs to another model, suite, data set or to other settings.
    #[error("belongs to another run (model, suite, data or settings differ)")]
    OtherRun,
    /// The file system refuses it.
    #[error("{0}")]
    Write(#[from] io::Error),
    /// A result cannot be written as JSON.
    #[error("{0}")]
    Encode(#[from] serde_json::Error),
}
