//! What is written down about a series.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use artir_files::write_file;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const FILE: &str = "record.json";

/// A derived series of a source series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Derived {
    /// Name of its folder.
    pub(crate) folder: String,
    pub(crate) slices: usize,
}

/// What a series' folder does not show. It holds no text of a patient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// How often it was restored: late objects start it again.
    pub(crate) generation: u32,
    /// Attempts to restore it that a crash of the node may have ended.
    pub(crate) attempts: u32,
    /// Attempts that failed for want of disk space or a device, and are repeated.
    pub(crate) postponed: u32,
    /// Not before this time, in seconds since 1970.
    pub(crate) next: f64,
    /// Names of the objects that the derived series are made of.
    pub(crate) restored: Vec<String>,
    pub(crate) derived: Vec<Derived>,
    /// Why parts of it were not restored.
    pub(crate) refused: Vec<String>,
    /// Why it has failed.
    pub(crate) reason: Option<String>,
    /// When it was sent to all targets, or failed, in seconds since 1970.
    pub(crate) ended: Option<f64>,
}

impl Record {
    /// The record in a series' folder; a new one where there is none.
    pub(crate) fn read(series: &Path) -> Self {
        read(&series.join(FILE)).unwrap_or_default()
    }

    /// Writes the record. It is on the disk when this returns.
    pub(crate) fn write(&self, series: &Path) -> io::Result<()> {
        write(&series.join(FILE), self)
    }
}

/// A file of JSON; `None` where there is none that can be used.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes JSON whole or not at all.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_file(path, true, &serde_json::to_vec_pretty(value).map_err(io::Error::other)?)
}

/// Opens a file of lines to add more, or makes it. A last line that a power cut has torn is ended, so that it takes no other with
/// it.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    let mut file = match artir_files::append_to(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            File::options().append(true).create_new(true).open(path).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => io::Error::new(e.kind(), "it is no regular file"),
                _ => e,
            })?
        }
        file => file?,
    };
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        let mut reader = File::open(path)?;
        reader.seek(SeekFrom::End(-1))?;
        reader.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> f64 {
    chrono::Utc::now().timestamp_micros() as f64 / 1e6
}
