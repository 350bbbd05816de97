//! What is written down about a job.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Command, Sources};

/// Version of the schema of records and journals. It grows when a field changes its meaning or is removed.
pub(crate) const SCHEMA: u32 = 1;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The result is whole.
    Done,
    /// Something of the input was left out, such as one of several series.
    Partial,
    /// The input or an option cannot be used: it is tried again only when one of them changes.
    Unusable,
    /// It may work another time: a full disk, a device that is busy.
    Failed,
}

impl State {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Unusable => "unusable",
            Self::Failed => "failed",
        }
    }

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Partial, Self::Unusable, Self::Failed];
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The job.
    pub id: String,
    /// Its command.
    pub command: Command,
    /// How it ended.
    pub state: State,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began, in seconds since 1970.
    pub begun: f64,
    /// How long it took, from the beginning to the record, seconds.
    pub seconds: f64,
    /// How long the process waited before it until its input was read, seconds.
    pub waited: f64,
    /// The shard of the process.
    pub shard: String,
    /// Bytes of its input.
    pub bytes: u64,
    /// Measured on it.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What a command measures on a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Restored pixels, as far as the command counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<u64>,
    /// Slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<u64>,
    /// Noise of CT before, HU: the median over slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_before_hu: Option<f64>,
    /// Noise of CT after, HU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_after_hu: Option<f64>,
}

/// A model in a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelName {
    /// Name and version of its card.
    pub name: String,
    /// SHA-256 of its file up to its checksum.
    pub sha256: String,
}

/// The size of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// `OUT/.artir/done/ID.json`: a job that ended, and all that decides whether it is done again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the schema.
    pub schema: u32,
    /// Version of artir.
    pub artir: String,
    /// How it went.
    #[serde(flatten)]
    pub entry: Entry,
    /// Salted hash of the command, its options, the model, the output and the version of the algorithm.
    pub key: String,
    /// What was read.
    pub sources: Sources,
    /// What was written; nothing for an unusable job.
    pub results: Results,
    /// Options of the job. Values that may name a file or a person are withheld.
    pub settings: Map<String, Value>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Runtime and device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The report of the command, as its `--report` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
    /// With `--show-paths`: what was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<String>,
    /// With `--show-paths`: where the result lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl Record {
    /// Whether the job stays as it ended while its files have the same names, sizes and times. One that gave something up because
    /// a file could not be read (no permission, a server that did not answer) is looked at again: no time of a file changes when
    /// that is mended.
    pub(crate) fn was_read(&self) -> bool {
        self.entry.state == State::Done || self.sources.sha256.is_some()
    }
}
