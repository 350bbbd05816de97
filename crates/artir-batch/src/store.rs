//! What the processes of a batch share: files in `OUT/.artir`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use artir_files::{NewFile, hex, open_regular, write_file};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Entry, Error, FOLDER, Job, Record, Shard, Upload, record::SCHEMA};

/// A longer record is none of artir's.
const LONGEST: u64 = 64 << 20;
/// Attempts to read a salt that another process is writing.
const TRIES: u32 = 200;
/// Results that are put into a store.
const STAGED: &str = "staged";

/// The folder of results of a batch.
#[derive(Debug)]
pub struct Store {
    out: PathBuf,
    folder: PathBuf,
    salt: String,
    upload: Option<Upload>,
}

/// The folder that a job writes its result into, by the folder of results: that folder, or one of the job's own where results
/// are put into a store from it.
pub fn folder_of(out: &Path, job: &Job, uploads: bool) -> PathBuf {
    if uploads { out.join(FOLDER).join(STAGED).join(&job.id) } else { out.to_owned() }
}

/// The first line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Version of the schema of the journal.
    pub(crate) journal: u32,
    pub(crate) shard: String,
    /// Jobs of all shards.
    pub(crate) total: u64,
    /// Seconds since 1970.
    pub(crate) begun: f64,
}

impl Store {
    /// Opens the folder of results, and makes what is missing.
    ///
    /// # Errors
    /// [`Error::Write`] when it cannot be written.
    pub fn open(out: &Path) -> Result<Self, Error> {
        let folder = out.join(FOLDER);
        for name in ["done", "running", "journal", "places", "previews", STAGED] {
            let place = folder.join(name);
            fs::create_dir_all(&place).map_err(|e| Error::write(&place, e))?;
        }
        let place = folder.join("salt");
        let salt = salt(&place).map_err(|e| Error::write(&place, e))?;
        Ok(Self { out: out.to_owned(), folder, salt, upload: None })
    }

    /// With a store that results are put into.
    pub fn with_upload(mut self, upload: Option<Upload>) -> Self {
        self.upload = upload;
        self
    }

    pub(crate) fn upload(&self) -> Option<&Upload> {
        self.upload.as_ref()
    }

    /// Where a job writes its result.
    pub fn place(&self, job: &Job) -> PathBuf {
        folder_of(&self.out, job, self.upload.is_some()).join(job.output())
    }

    /// The folder of results.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Random text that all processes of the batch share, and that only their user can read.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The record of a job that ended; `None` where there is none that can be used.
    pub fn record(&self, id: &str) -> Option<Record> {
        read_record(&self.record_path(id))
    }

    /// The record of a result that is whole and not yet in its store.
    pub(crate) fn staged(&self, id: &str) -> Option<Record> {
        self.upload.as_ref().and_then(|_| read_record(&self.staged_path(id)))
    }

    fn staged_path(&self, id: &str) -> PathBuf {
        self.folder.join(STAGED).join(format!("{id}.json"))
    }

    /// Notes that a result is whole: it need not be made again to be put into its store.
    pub(crate) fn stage(&self, record: &Record) -> Result<(), Error> {
        write_record(&self.staged_path(&record.entry.id), record)
    }

    /// Removes a result that is in its store, or that is made again.
    pub(crate) fn unstage(&self, id: &str) -> Result<(), Error> {
        if self.upload.is_none() {
            return Ok(());
        }
        let (record, folder) = (self.staged_path(id), self.folder.join(STAGED).join(id));
        let gone = |path: &Path, removed: io::Result<()>| match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(path, e)),
            _ => Ok(()),
        };
        gone(&record, fs::remove_file(&record))?;
        gone(&folder, fs::remove_dir_all(&folder))
    }

    fn record_path(&self, id: &str) -> PathBuf {
        self.folder.join("done").join(format!("{id}.json"))
    }

    pub(crate) fn write_record(&self, record: &Record) -> Result<(), Error> {
        write_record(&self.record_path(&record.entry.id), record)
    }

    /// Forgets the record of a job that is done again.
    pub(crate) fn remove_record(&self, id: &str) -> Result<(), Error> {
        let path = self.record_path(id);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(&path, e)),
            _ => Ok(()),
        }
    }

    /// Whether [`Store::note_place`] has noted that this place of its result is the job's own.
    pub(crate) fn knows_place(&self, job: &Job) -> bool {
        fs::read_to_string(self.noted_path(&job.id)).is_ok_and(|noted| noted == self.place_hash(job))
    }

    /// Notes that what lies at the place of a job's result may be replaced, though no record says that it is one.
    pub(crate) fn note_place(&self, job: &Job) -> Result<(), Error> {
        let path = self.noted_path(&job.id);
        write_file(&path, true, self.place_hash(job).as_bytes()).map_err(|e| Error::write(&path, e))
    }

    fn noted_path(&self, id: &str) -> PathBuf {
        self.folder.join("places").join(id)
    }

    fn place_hash(&self, job: &Job) -> String {
        let output = job.output();
        let place = self.upload.as_ref().map_or_else(|| output.clone(), |upload| upload.place(&output));
        hex(&Sha256::digest(format!("{}\n{place}", self.salt)))
    }

    /// The place of the small picture of a result.
    pub fn preview(&self, id: &str) -> PathBuf {
        self.folder.join("previews").join(format!("{id}.png"))
    }

    /// How often processes have begun a job and not come to its end.
    pub(crate) fn ends(&self, id: &str) -> u32 {
        fs::read_to_string(self.running_path(id)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn running_path(&self, id: &str) -> PathBuf {
        self.folder.join("running").join(id)
    }

    /// Takes a job for this process; `None` while another works on it.
    pub(crate) fn claim(&self, id: &str) -> Result<Option<Claim>, Error> {
        let path = self.running_path(id);
        let fail = |e| Error::write(&path, e);
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(&path).map_err(fail)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(fail(e)),
            }
            // The process that had it may have ended the job and removed the file since it was opened.
            if file.metadata().map_err(fail)?.nlink() == 0 {
                continue;
            }
            let ends = self.ends(id);
            let begun = ends + 1;
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{begun}")).map_err(fail)?;
            return Ok(Some(Claim { path, ends, _lock: file }));
        }
    }

    /// Begins a journal of this process.
    pub(crate) fn journal(&self, shard: Shard, total: u64, begun: f64) -> Result<Journal, Error> {
        let folder = self.folder.join("journal");
        let fail = |e| Error::write(&folder, e);
        let prefix = format!("{}-", shard.to_string().replace('/', "-"));
        let file = tempfile::Builder::new().prefix(&prefix).suffix(".jsonl").rand_bytes(12).tempfile_in(&folder);
        let (file, path) = file.and_then(|file| file.keep().map_err(|e| e.error)).map_err(fail)?;
        // Whoever may read the folder of results may read the status.
        file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(fail)?;
        let mut journal = Journal { file, path };
        journal.write(&Header { journal: SCHEMA, shard: shard.to_string(), total, begun })?;
        Ok(journal)
    }
}

fn read_record(path: &Path) -> Option<Record> {
    let mut text = Vec::new();
    open_regular(path).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice::<Record>(&text).ok().filter(|record| record.schema == SCHEMA)
}

fn write_record(path: &Path, record: &Record) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(record).map_err(io::Error::from).map_err(|e| Error::write(path, e))?;
    write_file(path, true, (text + "\n").as_bytes()).map_err(|e| Error::write(path, e))
}

/// The salt of the folder: the one that is there, or a new one. The first process of several wins.
fn salt(path: &Path) -> io::Result<String> {
    for _ in 0..TRIES {
        let mut text = String::new();
        match open_regular(path).and_then(|file| file.take(1024).read_to_string(&mut text)) {
            Ok(_) if text.trim().len() >= 32 => return Ok(text.trim().to_owned()),
            Ok(_) => return Err(io::Error::other("it is too short to be a salt of artir")),
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Err(_) => {}
        }
        let written = NewFile::create(path).and_then(|mut file| {
            file.file().set_permissions(fs::Permissions::from_mode(0o600))?;
            writeln!(file.file(), "{}", random()?)?;
            file.publish(false)
        });
        match written {
            Err(e) if ![io::ErrorKind::AlreadyExists, io::ErrorKind::WouldBlock].contains(&e.kind()) => return Err(e),
            Err(_) => std::thread::sleep(Duration::from_millis(25)),
            Ok(()) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another process is writing it"))
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex(&bytes))
}

/// A job that this process works on. A process that is killed leaves the file, which counts how often the job was begun.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    /// How often processes had begun it before and not come to its end.
    pub(crate) ends: u32,
    _lock: File,
}

impl Claim {
    /// Ends it: the job has a record, or is left for another time in good order.
    pub(crate) fn end(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|e| Error::write(&self.path, e))
    }
}

/// The journal of one process.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Adds a line in one write, and puts it on the disk.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        self.write(entry)?;
        self.file.sync_data().map_err(|e| Error::write(&self.path, e))
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_string(line)? + "\n";
            (&self.file).write_all(text.as_bytes())
        };
        write().map_err(|e| Error::write(&self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_processes_share_one_salt_that_only_their_user_reads() {
        let dir = tempfile::tempdir().unwrap();
        let salts: Vec<String> = std::thread::scope(|scope| {
            let open = || Store::open(dir.path()).unwrap().salt().to_owned();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(salts.iter().all(|salt| *salt == salts[0] && salt.len() == 32), "{salts:?}");
        let mode = dir.path().join(".artir/salt").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_job_has_one_process_and_its_beginnings_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let first = store.claim("a").unwrap().unwrap();
        assert!(store.claim("a").unwrap().is_none());
        // As a process that is killed.
        drop(first);
        assert_eq!(store.ends("a"), 1);
        let second = store.claim("a").unwrap().unwrap();
        assert_eq!(store.ends("a"), 2);
        second.end().unwrap();
        assert_eq!(store.ends("a"), 0);
        assert!(store.claim("a").unwrap().is_some());
    }
}
