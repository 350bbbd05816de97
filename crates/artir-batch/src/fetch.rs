//! Inputs on a network: their versions, and copies of them for the time of a job.

use std::{cell::OnceCell, path::PathBuf};

use tempfile::TempDir;

use crate::{
    Job, State,
    orthanc::{Miss, Orthanc, is_address, is_encrypted},
};

/// Copies of the inputs of a job. They are removed with it.
#[derive(Debug)]
pub(crate) struct Fetched {
    _folder: TempDir,
    /// By the places of the inputs in the job.
    files: Vec<(usize, PathBuf)>,
    bytes: u64,
}

impl Fetched {
    pub(crate) fn files(&self) -> u64 {
        self.files.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The job with the copies as its inputs.
    pub(crate) fn job(&self, job: &Job) -> Job {
        let mut job = job.clone();
        for (place, path) in &self.files {
            job.input[*place] = path.to_string_lossy().into_owned();
        }
        job
    }
}

/// What a look for inputs on a network gives.
pub(crate) enum Got {
    /// There are none.
    Nothing,
    All(Fetched),
    Stopped,
}

/// The clients of a process, each made when the first address needs it: one for http, and one for https, whose authorities
/// are read once.
#[derive(Debug, Default)]
pub(crate) struct Network {
    plain: OnceCell<Orthanc>,
    encrypted: OnceCell<Orthanc>,
}

impl Network {
    fn client(&self, address: &str) -> Result<&Orthanc, Miss> {
        let cell = if is_encrypted(address) { &self.encrypted } else { &self.plain };
        match cell.get() {
            Some(client) => Ok(client),
            None => {
                let client = Orthanc::new(address)?;
                Ok(cell.get_or_init(|| client))
            }
        }
    }

    /// The versions of the inputs on a network, without reading them.
    pub(crate) fn versions(&self, job: &Job) -> Result<Vec<String>, Miss> {
        job.addresses().into_iter().map(|address| self.client(address)?.version(address)).collect()
    }

    /// Copies the inputs on a network into the temporary folder of the system, which only this user can read.
    pub(crate) fn fetch(&self, job: &Job, stops: &dyn Fn() -> bool) -> Result<Got, Miss> {
        if job.addresses().is_empty() {
            return Ok(Got::Nothing);
        }
        let fail = |e: std::io::Error| Miss {
            state: State::Failed,
            reason: format!("no temporary folder for the archives of series: {}", e.kind()),
        };
        let folder = tempfile::Builder::new().prefix("artir-batch-").tempdir().map_err(fail)?;
        let (mut files, mut bytes) = (Vec::new(), 0);
        for (place, address) in job.input.iter().enumerate().filter(|(_, input)| is_address(input)) {
            let path = folder.path().join(format!("{place}.zip"));
            match self.client(address)?.fetch(address, &path, stops)? {
                Some(length) => bytes += length,
                None => return Ok(Got::Stopped),
            }
            files.push((place, path));
        }
        Ok(Got::All(Fetched { _folder: folder, files, bytes }))
    }
}
