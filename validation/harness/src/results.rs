//! The results of a run, per image and in summary, as JSON of schema 1.
//!
//! ```text
//! schema            1
//! suite             title
//! protocol          name, unit (of the RMSE), words
//! model             name, version, sha256; null when none was run
//! strength          share of the residual that was applied
//! methods[]         name; images; for psnr (dB), ssim, rmse, lpips, suv_max (PET: SUVmax of hot spots as a
//!                   share of the reference's): mean, sd (of a sample), count; left_out
//! published         source, rows[]: method, psnr, ssim, rmse, lpips; figures that are not legible are absent
//! images[]          index, name, methods: {method: {psnr, ssim, rmse, lpips, suv_max, left_out} or {error}}
//! failures[]        name, reason: files that have no partner, pairs that could not be read
//! ```
//!
//! Numbers are doubles; the PSNR of identical images is the string "inf" and does not enter means. The file contains no
//! time: the same run gives the same bytes, interrupted or not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::suite::PublishedRow;

/// A number, or infinity, which JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value(pub f64);

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { s.serialize_f64(self.0) } else { s.serialize_str("inf") }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(d)? {
            Either::Number(v) => Ok(Self(v)),
            Either::Text(t) if t == "inf" => Ok(Self(f64::INFINITY)),
            Either::Text(t) => Err(serde::de::Error::custom(format!("'{t}' is no figure"))),
        }
    }
}

/// One method's figures on one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodFigures {
    /// dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr: Option<Value>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssim: Option<f64>,
    /// In the protocol's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// Learned perceptual distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lpips: Option<f64>,
    /// PET: SUVmax of the hot spots as a share of the reference's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suv_max: Option<f64>,
    /// Excluded pixels.
    #[serde(default)]
    pub left_out: usize,
    /// The reason why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageResult {
    /// Its place in the run.
    pub index: usize,
    /// Its key, or a hash of it.
    pub name: String,
    /// Figures by method.
    pub methods: BTreeMap<String, MethodFigures>,
    /// Seconds that the network took; kept in the journal, not among the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// A figure over a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Statistic {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of a sample; 0 for one image.
    pub sd: f64,
    /// Images that enter it.
    pub count: usize,
}

impl Statistic {
    fn new(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        Some(Self { mean, sd: (squares / (n - 1.0).max(1.0)).sqrt(), count: values.len() })
    }
}

/// One method over a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodSummary {
    /// Its name.
    pub name: String,
    /// Images with figures.
    pub images: usize,
    /// Identical images, whose PSNR is infinite and left out of the mean.
    pub identical: usize,
    /// Pixels that do not count, over all images.
    pub left_out: usize,
    /// dB.
    pub psnr: Option<Statistic>,
    /// 0 to 1.
    pub ssim: Option<Statistic>,
    /// In the protocol's unit.
    pub rmse: Option<Statistic>,
    /// Learned perceptual distance.
    pub lpips: Option<Statistic>,
    /// SUVmax of the hot spots as a share of the reference's, over the images that have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suv_max: Option<Statistic>,
}

impl MethodSummary {
    /// Sums a method up.
    pub fn new(name: &str, images: &[ImageResult]) -> Self {
        let all: Vec<&MethodFigures> =
            images.iter().filter_map(|i| i.methods.get(name)).filter(|m| m.error.is_none()).collect();
        let over = |f: &dyn Fn(&MethodFigures) -> Option<f64>| Statistic::new(all.iter().filter_map(|m| f(m)));
        Self {
            name: name.to_owned(),
            images: all.len(),
            identical: all.iter().filter(|m| m.psnr.is_some_and(|p| p.0.is_infinite())).count(),
            left_out: all.iter().map(|m| m.left_out).sum(),
            psnr: over(&|m| m.psnr.map(|p| p.0)),
            ssim: over(&|m| m.ssim),
            rmse: over(&|m| m.rmse),
            lpips: over(&|m| m.lpips),
            suv_max: over(&|m| m.suv_max),
        }
    }
}

/// The protocol that everything was measured by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProtocolInfo {
    /// Its name.
    pub name: String,
    /// Unit of the RMSE.
    pub unit: String,
    /// In words.
    pub words: String,
}

/// The model that was run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its hash.
    pub sha256: String,
}

/// Published figures.
#[derive(Clone, Debug, Serialize)]
pub struct PublishedInfo {
    /// Where.
    pub source: String,
    /// One row for each method.
    pub rows: Vec<PublishedRow>,
}

/// A file or pair that could not be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// Which.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Version of this format; 1.
    pub schema: u32,
    /// The suite's title.
    pub suite: String,
    /// The protocol.
    pub protocol: ProtocolInfo,
    /// The model.
    pub model: Option<ModelInfo>,
    /// Share of the residual that was applied.
    pub strength: f32,
    /// Summary.
    pub methods: Vec<MethodSummary>,
    /// From the literature.
    pub published: Option<PublishedInfo>,
    /// Image by image.
    pub images: Vec<ImageResult>,
    /// Unusable files and pairs.
    pub failures: Vec<Failed>,
}

impl Results {
    /// Sums images up, in the order of `methods`.
    pub(super) fn summarise(methods: &[String], images: &[ImageResult]) -> Vec<MethodSummary> {
        methods.iter().map(|name| MethodSummary::new(name, images)).collect()
    }

    /// The file's text.
    ///
    /// # Errors
    /// None: every part can be written.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut timeless = self.clone();
        for image in &mut timeless.images {
            image.seconds = None;
        }
        serde_json::to_string_pretty(&timeless).map(|text| text + "\n")
    }
}
