//! A suite: paths, pairing and protocol of a data set, and the published figures.

use std::path::Path;

use artir_core::Task;
use artir_metrics::Protocol;
use serde::Deserialize;

use super::{Error, SuiteError};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../suites/", $name, ".toml")))),*]
    };
}

/// The suites that are built in.
const BUILT_IN: &[(&str, &str)] = built_in![
    "aapm-ct",
    "aio-bsd68-25",
    "aio-gopro",
    "aio-lolv1",
    "aio-rain100l",
    "aio-sots",
    "bsd68-15",
    "bsd68-25",
    "bsd68-50",
    "cdd11-h",
    "cdd11-hr",
    "cdd11-hs",
    "cdd11-l",
    "cdd11-lh",
    "cdd11-lhr",
    "cdd11-lhs",
    "cdd11-lr",
    "cdd11-ls",
    "cdd11-r",
    "cdd11-s",
    "csd",
    "did",
    "haze4k",
    "kodak24-15",
    "kodak24-25",
    "kodak24-50",
    "mcmaster18-15",
    "mcmaster18-25",
    "mcmaster18-50",
    "polarstar-pet",
    "rice1",
    "satehaze1k-moderate",
    "satehaze1k-thick",
    "satehaze1k-thin",
    "snow100k",
    "sots-indoor",
    "spa",
    "uhd-blur",
    "uhd-haze",
    "urban100-15",
    "urban100-25",
    "urban100-50",
];

/// A suite file to start from.
pub const TEMPLATE: &str = include_str!("../../suites/TEMPLATE.toml");

/// A data set, its protocol, and published figures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Version of the file format; 1.
    pub schema: u32,
    /// The data set in words.
    pub title: String,
    /// The default model.
    pub task: Task,
    /// The protocol's name.
    pub protocol: String,
    /// The folders that are expected, in words.
    pub layout: String,
    /// Whether that layout is the one that the data set is distributed in.
    pub layout_is_certain: bool,
    /// Degraded images; absent when noise is added to the references.
    pub input: Option<Side>,
    /// The reference images.
    pub reference: Side,
    /// Noise to add.
    pub noise: Option<Noise>,
    /// Figures from the literature.
    pub published: Option<Published>,
}

/// One side of the pairs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Pattern of paths below the data folder, with `*` and `**`.
    pub files: String,
    /// The key that makes two files a pair: their paths below the pattern's fixed part without extension, or their
    /// position along the normal (DICOM).
    #[serde(default)]
    pub key: KeyKind,
    /// Keeps the key's file name up to this text.
    pub until: Option<String>,
    /// Replaces the first text by the second in the key.
    pub replace: Option<(String, String)>,
}

/// The source of a key.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// The path.
    #[default]
    Path,
    /// The position along the normal of the slice, to a hundredth of a millimetre.
    Position,
}

/// Gaussian noise that is part of a protocol.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation, of 255.
    pub sigma: u32,
    /// Levels that the protocol's one generator makes first, over all images.
    #[serde(default)]
    pub after: Vec<u32>,
}

/// Figures from the literature.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Their source.
    pub source: String,
    /// One row for each method.
    pub rows: Vec<PublishedRow>,
}

/// One method's published figures; figures that are not legible are absent.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedRow {
    /// The method's name.
    pub method: String,
    /// dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psnr: Option<f64>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssim: Option<f64>,
    /// In the protocol's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// Learned perceptual distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lpips: Option<f64>,
}

impl Suite {
    /// Names of the built-in suites.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// A built-in suite by name, or a file that ends in `.toml`; with its text, which identifies it.
    pub fn open(name: &str) -> Result<(Self, String), Error> {
        let wrong = |source| Error::Suite { name: name.to_owned(), source };
        let text = match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (*text).to_owned(),
            None if name.ends_with(".toml") => std::fs::read_to_string(Path::new(name)).map_err(|e| wrong(e.into()))?,
            None => return Err(wrong(SuiteError::Unknown(Self::names().collect()))),
        };
        Self::parse(&text).map(|suite| (suite, text)).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, SuiteError> {
        let suite: Self = toml::from_str(text)?;
        if suite.schema != 1 {
            return Err(SuiteError::Schema(suite.schema));
        }
        let Some(protocol) = Protocol::by_name(&suite.protocol) else {
            return Err(SuiteError::Protocol(suite.protocol));
        };
        if suite.input.is_some() == suite.noise.is_some() {
            return Err(SuiteError::InputOrNoise);
        }
        if suite.noise.is_some() && !protocol.name().starts_with("rgb-noise-") {
            return Err(SuiteError::NoiseProtocol(protocol.name().to_string()));
        }
        Ok(suite)
    }

    /// The protocol.
    ///
    /// # Errors
    /// None for a suite that was opened.
    pub fn protocol(&self) -> Result<Protocol, Error> {
        let unknown = || SuiteError::Protocol(self.protocol.clone());
        Protocol::by_name(&self.protocol).ok_or_else(|| Error::Suite { name: self.title.clone(), source: unknown() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_can_be_read_and_the_template_too() {
        for name in Suite::names() {
            let (suite, _) = Suite::open(name).unwrap();
            for row in suite.published.iter().flat_map(|p| &p.rows) {
                assert!(row.psnr.is_none_or(|v| (5.0..60.0).contains(&v)), "{name} {}", row.method);
                assert!(row.ssim.is_none_or(|v| (0.3..=1.0).contains(&v)), "{name} {}", row.method);
            }
        }
        Suite::parse(TEMPLATE).unwrap();
    }

    #[test]
    fn wrong_suites_say_what_is_wrong() {
        for (from, to, said) in [
            ("schema = 1", "schema = 2", "schema"),
            ("protocol = \"rgb\"", "protocol = \"best\"", "protocol"),
            ("schema = 1", "schema = 1\ncolour = 3", "colour"),
            ("[input]", "[noise]\nsigma = 25\n[input]", "either"),
        ] {
            let text = TEMPLATE.replace(from, to);
            assert_ne!(text, TEMPLATE);
            let error = Suite::parse(&text).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{error}");
        }
    }
}
