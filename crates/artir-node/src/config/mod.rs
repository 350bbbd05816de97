//! The configuration: one TOML file, every key of which is checked before the node starts.

mod address;
mod check;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use artir_core::{Device, Task, zoo};
use artir_dicom::{Modality, OutputSyntax, PetUnits, Selection};
use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::address::Network;
use crate::Error;

/// The configuration of a node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of the queue. A relative path is relative to the file.
    pub folder: PathBuf,
    /// Where the node listens.
    #[serde(default)]
    pub listen: Listen,
    /// Where status and metrics are served.
    #[serde(default)]
    pub http: Http,
    /// What is kept, and how much of the disk is left free.
    #[serde(default)]
    pub disk: Disk,
    /// How the network is run.
    #[serde(default)]
    pub restore: Restore,
    /// When a failed attempt is repeated.
    #[serde(default)]
    pub retry: Retry,
    /// Where results go.
    #[serde(default, rename = "target")]
    pub targets: Vec<Target>,
    /// What is done with what is received.
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
}

/// Where and how associations are accepted.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// The title by which the node calls targets, and by which they report storage commitment.
    pub ae_title: String,
    /// Associations at one time; more are rejected as transient.
    pub associations: usize,
    /// The same from one address.
    pub associations_per_address: usize,
    /// Seconds from the connection to the end of the association request.
    pub request_seconds: f64,
    /// Seconds without a message after which an association is aborted.
    pub idle_seconds: f64,
    /// Largest object, MiB.
    pub object_mib: u64,
    /// Encryption; none without it.
    pub tls: Option<ListenTls>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 11112)),
            ae_title: "ARTIR".into(),
            associations: 64,
            associations_per_address: 32,
            request_seconds: 30.0,
            idle_seconds: 60.0,
            object_mib: 4096,
            tls: None,
        }
    }
}

/// Encryption of the associations that are accepted.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ListenTls {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Authorities of client certificates, PEM. With it, a client needs a certificate.
    pub client_authorities: Option<PathBuf>,
}

/// Where status and metrics are served.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port.
    pub address: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 11180)) }
    }
}

/// What is kept, and how much of the disk is left free.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disk {
    /// Free space below which no object is stored, MiB.
    pub reserve_mib: u64,
    /// Free space below which no new association is accepted, MiB.
    pub watermark_mib: u64,
    /// Series in a route's queue above which no object of a new series is stored.
    pub series: usize,
    /// Seconds that a series stays on the disk after it was sent.
    pub keep_sent_seconds: f64,
    /// Days after which a failed series is deleted; without it, an administrator deletes it.
    pub keep_failed_days: Option<f64>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { reserve_mib: 2048, watermark_mib: 4096, series: 5000, keep_sent_seconds: 3600.0, keep_failed_days: None }
    }
}

/// How the network is run.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restore {
    /// The device.
    #[serde(deserialize_with = "from_text")]
    pub device: Device,
    /// Threads; 0 takes every core.
    pub threads: usize,
    /// Memory of inference, MiB.
    pub memory_mib: u64,
}

impl Default for Restore {
    fn default() -> Self {
        Self { device: Device::Auto, threads: 0, memory_mib: 2048 }
    }
}

/// When a failed attempt is repeated: after a time that doubles with each, give or take a quarter.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts before a series has failed.
    pub attempts: u32,
    /// Seconds to the second attempt.
    pub first_seconds: f64,
    /// Longest time between two attempts, seconds.
    pub longest_seconds: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 20, first_seconds: 10.0, longest_seconds: 3600.0 }
    }
}

/// Where results go: by DICOM's own protocol (`address`), or to a web service (`url`).
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in routes, logs and metrics.
    pub name: String,
    /// Host and port of a DICOM node.
    pub address: Option<String>,
    /// The node's title.
    pub ae_title: Option<String>,
    /// Whether the node must confirm that it keeps the objects.
    #[serde(default)]
    pub commitment: bool,
    /// Seconds to wait for this confirmation before it is asked for again.
    #[serde(default = "commitment_seconds")]
    pub commitment_seconds: f64,
    /// The studies resource of a web service: `https://HOST/dicom-web/studies`.
    pub url: Option<String>,
    /// File with the value of the Authorization header.
    pub authorization: Option<PathBuf>,
    /// Seconds for one answer.
    #[serde(default = "answer_seconds")]
    pub answer_seconds: f64,
    /// Encryption of a DICOM association, or authorities and certificate for a web service.
    pub tls: Option<TargetTls>,
}

fn commitment_seconds() -> f64 {
    3600.0
}

fn answer_seconds() -> f64 {
    60.0
}

/// Encryption towards a target.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TargetTls {
    /// Authorities of the target's certificate, PEM.
    pub authorities: PathBuf,
    /// The node's own certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The name in the target's certificate, if it is not the host's.
    pub server_name: Option<String>,
}

/// What is done with the series that arrive under some titles.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name in the folder, logs and metrics.
    pub name: String,
    /// Called AE titles that choose the route.
    pub called: Vec<String>,
    /// Calling AE titles that may use it; empty allows all.
    #[serde(default)]
    pub calling: Vec<String>,
    /// Addresses that may use it, such as 10.1.0.0/16; empty allows all.
    #[serde(default)]
    pub addresses: Vec<Network>,
    /// Names of targets.
    pub targets: Vec<String>,
    /// Series of a route with a higher priority are restored first.
    #[serde(default)]
    pub priority: i32,
    /// Seconds without a new object after which a series is complete.
    #[serde(default = "quiet_seconds")]
    pub quiet_seconds: f64,
    /// Transfer syntax of the results.
    #[serde(default)]
    pub transfer_syntax: Syntax,
    /// What happens if several objects of one series share their SOPInstanceUID.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// Restores CT series.
    pub ct: Option<Work>,
    /// Restores PET series.
    pub pet: Option<Work>,
}

fn quiet_seconds() -> f64 {
    30.0
}

/// How the series of one modality are restored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Work {
    /// Model by name, or a file ending in .onnx; without it, the default of the modality.
    pub model: Option<String>,
    /// Share of the restoration that is applied; without it, the model's.
    pub strength: Option<f32>,
    /// Conditions on attributes, as of `artir ct --select`.
    #[serde(deserialize_with = "from_text")]
    pub select: Selection,
    /// The unit of PET values for the network.
    pub units: Units,
}

/// Transfer syntax of results.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Syntax {
    /// Explicit VR Little Endian.
    #[default]
    Explicit,
    /// JPEG-LS Lossless.
    JpeglsLossless,
    /// RLE Lossless.
    Rle,
}

impl From<Syntax> for OutputSyntax {
    fn from(syntax: Syntax) -> Self {
        match syntax {
            Syntax::Explicit => Self::Native,
            Syntax::JpeglsLossless => Self::JpegLsLossless,
            Syntax::Rle => Self::RleLossless,
        }
    }
}

/// What happens if several objects of one series share their SOPInstanceUID and differ, before the series was restored.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// The series fails.
    #[default]
    Refuse,
    /// The one that came last is used.
    Newest,
}

/// The unit of PET values for the network.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// SUV by body weight.
    #[default]
    Suv,
    /// SUV by lean body mass.
    Suvlbm,
    /// SUV by ideal body weight.
    Suvibw,
    /// The series' own unit.
    Native,
}

impl From<Units> for PetUnits {
    fn from(units: Units) -> Self {
        match units {
            Units::Suv => Self::Suv,
            Units::Suvlbm => Self::SuvLbm,
            Units::Suvibw => Self::SuvIbw,
            Units::Native => Self::Native,
        }
    }
}

/// A value that is written as text.
fn from_text<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// Seconds as a duration. The configuration was checked: they are finite and not negative.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

impl Config {
    /// Reads and checks a file. Models, certificates and folders are looked at by [`crate::check`].
    ///
    /// # Errors
    /// [`Error::Config`] names the key and what is wrong with its value.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Config { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
        let mut config: Self = toml::from_str(&text).map_err(|e| {
            let before = e.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count() + 1;
            fail(format!("line {line}: {}", e.message()))
        })?;
        if config.folder.as_os_str().is_empty() {
            return Err(fail("folder: must not be empty".into()));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        config.paths().into_iter().for_each(|path| *path = folder.join(&path));
        for model in config.model_files() {
            let path = folder.join(&*model).into_os_string();
            *model = path.into_string().map_err(|_| fail("the path of a model is no Unicode".into()))?;
        }
        config.check().map_err(fail)?;
        Ok(config)
    }

    /// Every path in the file.
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut out = vec![&mut self.folder];
        if let Some(tls) = &mut self.listen.tls {
            out.extend([&mut tls.certificate, &mut tls.key]);
            out.extend(&mut tls.client_authorities);
        }
        for target in &mut self.targets {
            out.extend(&mut target.authorization);
            if let Some(tls) = &mut target.tls {
                out.push(&mut tls.authorities);
                out.extend(tls.certificate.iter_mut().chain(&mut tls.key));
            }
        }
        out
    }

    /// The models that are files.
    fn model_files(&mut self) -> impl Iterator<Item = &mut String> {
        let works = self.routes.iter_mut().flat_map(|route| route.ct.iter_mut().chain(&mut route.pet));
        let models = works.filter_map(|work| work.model.as_mut());
        models.filter(|model| zoo::is_path(model))
    }

    /// A route by its name.
    pub(crate) fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.name == name)
    }

    /// A target by its name.
    pub(crate) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }
}

impl Target {
    /// The value of its Authorization header, as the file has it now.
    pub(crate) fn authorization(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.authorization else { return Ok(None) };
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {}", path.display(), e.kind()))?;
        let value = text.trim();
        if value.is_empty() || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(format!("{}: must hold one line of ASCII, such as `Bearer TOKEN`", path.display()));
        }
        Ok(Some(value.to_owned()))
    }
}

impl Route {
    /// The modalities that it restores.
    pub(crate) fn work(&self) -> impl Iterator<Item = (Modality, &Work)> {
        let ct = self.ct.iter().map(|work| (Modality::Ct, work));
        ct.chain(self.pet.iter().map(|work| (Modality::Pet, work)))
    }
}

/// A configuration with one target and one route, in a file of this folder.
#[cfg(test)]
pub(crate) fn example(folder: &Path) -> PathBuf {
    let path = folder.join("node.toml");
    fs::write(&path, EXAMPLE).unwrap();
    path
}

#[cfg(test)]
pub(crate) const EXAMPLE: &str = "folder = 'queue'\n\
    [[target]]\nname = 'pacs'\naddress = 'pacs:104'\nae_title = 'PACS'\n\
    [[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\n[route.ct]\n";

/// The task of a modality's models.
pub(crate) fn task(modality: Modality) -> Task {
    if modality == Modality::Pet { Task::PetEnhance } else { Task::CtDenoise }
}
