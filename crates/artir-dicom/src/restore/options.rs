//! Options of a derived series.

use std::{ffi::OsString, fmt, path::PathBuf};

use dicom_core::chrono::NaiveDateTime;

use super::names::FileNames;
use crate::{
    PetUnits, Rescale,
    read::worker::Decoder,
    write::{derive::SeriesDescription, encode::OutputSyntax},
};

/// Options of a derived series. Each method sets one of them:
///
/// ```
/// use artir_dicom::{OutputSyntax, RestoreOptions};
///
/// let options = RestoreOptions::default().overwrite(true).syntax(OutputSyntax::JpegLsLossless);
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreOptions {
    pub(crate) overwrite: bool,
    pub(crate) resume: bool,
    pub(crate) allow_partial: bool,
    pub(crate) suffix: Description,
    pub(crate) series_description: Option<Description>,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) syntax: OutputSyntax,
    pub(crate) names: FileNames,
    pub(crate) units: PetUnits,
    pub(crate) rescale: Option<Rescale>,
    pub(crate) codec_process: Option<(PathBuf, Vec<OsString>)>,
    pub(crate) decoders: Option<usize>,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            overwrite: false,
            resume: false,
            allow_partial: false,
            suffix: Description("artir".into()),
            series_description: None,
            timestamp: None,
            syntax: OutputSyntax::Native,
            names: FileNames::default(),
            units: PetUnits::Suv,
            rescale: None,
            codec_process: None,
            decoders: None,
        }
    }
}

impl RestoreOptions {
    /// Replace an existing derived series.
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Continue an interrupted run, or update a published series of the same model and settings: objects of unchanged
    /// sources are kept, the rest is made again.
    pub fn resume(self, resume: bool) -> Self {
        Self { resume, ..self }
    }

    /// Publish a series without the slices that failed.
    pub fn allow_partial(self, allow_partial: bool) -> Self {
        Self { allow_partial, ..self }
    }

    /// Text appended to SeriesDescription, as far as VR LO holds both. The default is `artir`.
    pub fn suffix(self, suffix: Description) -> Self {
        Self { suffix, ..self }
    }

    /// SeriesDescription in full, in place of the source's with its suffix.
    pub fn series_description(self, series_description: Option<Description>) -> Self {
        Self { series_description, ..self }
    }

    /// Creation time. The default is to write none, so that outputs are reproducible.
    pub fn timestamp(self, timestamp: Option<Timestamp>) -> Self {
        Self { timestamp, ..self }
    }

    /// Transfer syntax of the derived pixels.
    pub fn syntax(self, syntax: OutputSyntax) -> Self {
        Self { syntax, ..self }
    }

    /// Names of the files.
    pub fn file_names(self, names: FileNames) -> Self {
        Self { names, ..self }
    }

    /// Unit of PET values for the network.
    pub fn units(self, units: PetUnits) -> Self {
        Self { units, ..self }
    }

    /// Rescale of CT values, in place of the header's.
    pub fn rescale(self, rescale: Option<Rescale>) -> Self {
        Self { rescale, ..self }
    }

    /// Program and arguments that run [`crate::serve`], to decode in. The default is to decode in this process, which a
    /// damaged file can crash.
    pub fn codec_process(self, program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { codec_process: Some((program, arguments)), ..self }
    }

    /// Decoders that work side by side. The default is one for every core, as far as slices are compressed.
    pub fn decoders(self, decoders: Option<usize>) -> Self {
        Self { decoders, ..self }
    }

    pub(crate) fn decoder(&self) -> Decoder {
        match &self.codec_process {
            Some((program, arguments)) => Decoder::isolated(program.clone(), arguments.clone()),
            None => Decoder::in_process(),
        }
    }

    pub(super) fn description(&self) -> SeriesDescription<'_> {
        match &self.series_description {
            Some(text) => SeriesDescription::Full(text.as_str()),
            None => SeriesDescription::Suffix(self.suffix.as_str()),
        }
    }
}

/// The reason why a text cannot be an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// A description that VR LO cannot hold.
    #[error("must be 1 to 64 ASCII characters without a backslash")]
    Description,
    /// A time that is none.
    #[error("must be YYYYMMDDHHMMSS")]
    Timestamp,
}

/// A series description, as VR LO holds it in every character set: 1 to 64 characters of ASCII without backslashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Checks a text.
    ///
    /// # Errors
    /// [`OptionError::Description`].
    pub fn new(text: impl Into<String>) -> Result<Self, OptionError> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= 64;
        let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\');
        if fits && plain { Ok(Self(text)) } else { Err(OptionError::Description) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A time to the second, as VR DT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp(String);

impl Timestamp {
    /// Checks a time of the form `YYYYMMDDHHMMSS`.
    ///
    /// # Errors
    /// [`OptionError::Timestamp`].
    pub fn new(text: impl Into<String>) -> Result<Self, OptionError> {
        let text = text.into();
        let is_time = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%S").is_ok();
        let digits = text.len() == 14 && text.bytes().all(|b| b.is_ascii_digit());
        if is_time && digits { Ok(Self(text)) } else { Err(OptionError::Timestamp) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_and_times_are_checked() {
        assert!(Description::new("Abdomen, restored").is_ok());
        for bad in ["", "a\\b", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(Description::new(bad), Err(OptionError::Description), "{bad}");
        }
        assert_eq!(Timestamp::new("20240229235959").unwrap().as_str(), "20240229235959");
        for bad in ["20230229235959", "2024", "", "20240229235960x", "2024022923595\u{e9}"] {
            assert_eq!(Timestamp::new(bad), Err(OptionError::Timestamp), "{bad}");
        }
    }
}
