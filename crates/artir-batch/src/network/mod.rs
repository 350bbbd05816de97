//! Inputs and results on a network: versions of inputs, and copies of them for the time of a job.

pub(crate) mod address;
mod agent;
pub(crate) mod bucket;
pub(crate) mod orthanc;
mod transport;
pub(crate) mod upload;

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    fs,
    path::PathBuf,
    rc::Rc,
};

use object_store::ObjectMeta;
use tempfile::TempDir;

use self::{
    address::{Place, file_name, is_encrypted},
    bucket::{Bucket, Stops},
    orthanc::Orthanc,
};
use crate::{Command, Error, Job, State};

/// Why something was not fetched or put, and whether another try may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    pub(crate) state: State,
    pub(crate) reason: String,
}

impl Miss {
    pub(crate) fn later(reason: impl Into<String>) -> Self {
        Self { state: State::Failed, reason: reason.into() }
    }

    pub(crate) fn never(reason: impl Into<String>) -> Self {
        Self { state: State::Unusable, reason: reason.into() }
    }

    fn of_status(who: &str, status: u16) -> Self {
        let reason = format!("{who} answered with HTTP {status}");
        match status {
            401 | 403 | 408 | 429 | 500.. => Self::later(reason),
            _ => Self::never(reason),
        }
    }

    /// As an error of a whole command.
    pub(crate) fn of(self, address: &str) -> Error {
        let address = address::shown(address);
        match self.state {
            State::Failed => Error::Network { address, reason: self.reason },
            _ => Error::Archive { address, reason: self.reason },
        }
    }
}

/// Copies of the inputs of a job. They are removed with it.
#[derive(Debug)]
pub(crate) struct Fetched {
    _folder: TempDir,
    /// By the places of the inputs in the job.
    inputs: Vec<(usize, PathBuf)>,
}

impl Fetched {
    /// The files and folders that hold the copies.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.inputs.iter().map(|(_, path)| path.clone()).collect()
    }

    /// The job with the copies as its inputs.
    pub(crate) fn job(&self, job: &Job) -> Job {
        let mut job = job.clone();
        for (place, path) in &self.inputs {
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

/// What an address holds now.
pub(crate) enum Held {
    /// A series of an archive, and its version.
    Series(String),
    /// Objects of a bucket.
    Objects(Rc<Bucket>, Vec<ObjectMeta>),
}

impl Held {
    /// What changes when the input does.
    pub(crate) fn version(&self) -> String {
        match self {
            Self::Series(version) => version.clone(),
            Self::Objects(bucket, objects) => objects.iter().map(|object| bucket.version(object) + "\n").collect(),
        }
    }
}

/// The clients of a process, each made when the first address needs it: one for http, one for https, whose authorities are read
/// once, and one for each bucket.
#[derive(Debug, Default)]
pub(crate) struct Network {
    plain: OnceCell<Orthanc>,
    encrypted: OnceCell<Orthanc>,
    buckets: RefCell<HashMap<String, Rc<Bucket>>>,
}

impl Network {
    fn archive(&self, address: &str) -> Result<&Orthanc, Miss> {
        let cell = if is_encrypted(address) { &self.encrypted } else { &self.plain };
        match cell.get() {
            Some(client) => Ok(client),
            None => {
                let client = Orthanc::new(address)?;
                Ok(cell.get_or_init(|| client))
            }
        }
    }

    fn bucket(&self, name: &str) -> Result<Rc<Bucket>, Miss> {
        if let Some(bucket) = self.buckets.borrow().get(name) {
            return Ok(Rc::clone(bucket));
        }
        let bucket = Rc::new(Bucket::new(name)?);
        self.buckets.borrow_mut().insert(name.to_owned(), Rc::clone(&bucket));
        Ok(bucket)
    }

    /// What the inputs on a network are, without reading them.
    pub(crate) fn look(&self, job: &Job) -> Result<Vec<Held>, Miss> {
        job.addresses().into_iter().map(|address| self.look_at(job.command, address)).collect()
    }

    fn look_at(&self, command: Command, address: &str) -> Result<Held, Miss> {
        let Some(place) = Place::of(address) else {
            return self.archive(address)?.version(address).map(Held::Series);
        };
        let Place { bucket, key } = place.map_err(Miss::never)?;
        let bucket = self.bucket(bucket)?;
        let found = match command {
            _ if key.ends_with('/') => bucket.folder(key)?,
            Command::Geo => bucket.with_sidecars(key)?,
            Command::Image => bucket.object(key)?.into_iter().collect(),
            Command::Ct | Command::Pet => match bucket.object(key)? {
                Some(object) => vec![object],
                None => bucket.folder(key)?,
            },
        };
        if found.is_empty() {
            return Err(Miss::never("the store has no such object, and none below it"));
        }
        Ok(Held::Objects(bucket, found))
    }

    /// Copies the inputs on a network into the temporary folder of the system, which only this user can read. `held` is what
    /// was found at the addresses of the job.
    pub(crate) fn fetch(&self, job: &Job, held: &[Held], stops: Stops<'_>) -> Result<Got, Miss> {
        let asked = job.input.iter().enumerate().filter(|(_, input)| job.is_asked_for(input));
        let fetched: Vec<_> = asked.zip(held).filter(|((_, input), _)| job.is_fetched(input)).collect();
        if fetched.is_empty() {
            return Ok(Got::Nothing);
        }
        let fail = |e: std::io::Error| Miss::later(format!("no temporary folder for copies of inputs: {}", e.kind()));
        let folder = tempfile::Builder::new().prefix("artir-batch-").tempdir().map_err(fail)?;
        let needed: u64 = fetched.iter().map(|(_, held)| held.bytes()).sum();
        let free = artir_files::free_space(folder.path()).map_err(fail)?.1;
        if needed > free {
            return Err(Miss::later("the temporary folder (TMPDIR) has no room for the copies of the inputs"));
        }
        let mut inputs = Vec::new();
        for ((place, address), held) in fetched {
            let own = folder.path().join(place.to_string());
            let copied = match held {
                Held::Series(_) => {
                    let path = own.with_extension("zip");
                    self.archive(address)?.fetch(address, &path, stops)?.then_some(path)
                }
                Held::Objects(bucket, objects) => copy(bucket, objects, address, own, stops)?,
            };
            let Some(path) = copied else { return Ok(Got::Stopped) };
            inputs.push((place, path));
        }
        Ok(Got::All(Fetched { _folder: folder, inputs }))
    }
}

impl Held {
    /// Whether the bytes of a copy are those of the input: archives of series are packed anew each time, and of objects that are
    /// read where they are there is no copy.
    pub(crate) fn has_own_bytes(&self, job: &Job) -> bool {
        matches!(self, Self::Objects(..)) && !job.reads_in_place()
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Series(_) => 0,
            Self::Objects(_, objects) => objects.iter().map(|object| object.size).sum(),
        }
    }
}

/// Copies the objects of an address below a folder; returns the input that they are, or `None` when `stops` says so.
fn copy(
    bucket: &Bucket,
    objects: &[ObjectMeta],
    address: &str,
    own: PathBuf,
    stops: Stops<'_>,
) -> Result<Option<PathBuf>, Miss> {
    let fail = |e: std::io::Error| Miss::later(format!("the copies of the inputs cannot be stored: {}", e.kind()));
    let Place { key, .. } = Place::required(address).map_err(Miss::never)?;
    let is_file = objects.iter().any(|object| object.location.as_ref() == key);
    // Files beside a scene keep their names, as do files below a folder.
    let start = if is_file { key.rfind('/').map_or(0, |slash| slash + 1) } else { key.trim_end_matches('/').len() + 1 };
    let paths: Vec<PathBuf> =
        objects.iter().map(|object| own.join(object.location.as_ref().get(start..).unwrap_or("object"))).collect();
    for folder in paths.iter().filter_map(|path| path.parent()) {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let both: Vec<_> = objects.iter().zip(&paths).map(|(object, path)| (object, path.as_path())).collect();
    let input = if is_file { own.join(file_name(key)) } else { own };
    Ok(bucket.get(&both, stops)?.then_some(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_try_may_change_is_tried_again() {
        let states = [404, 410, 429, 500, 503].map(|status| Miss::of_status("it", status).state);
        use State::{Failed, Unusable};
        assert_eq!(states, [Unusable, Unusable, Failed, Failed, Failed]);
    }
}
