//! The queue: folders on a disk, which are the only state that the node has.
//!
//! ```text
//! FOLDER/lock, salt, drain, journal.jsonl
//! FOLDER/ROUTE/in/SERIES/source/OBJECT.dcm       is being received
//! FOLDER/ROUTE/work/SERIES/...                   is to be restored, or is being restored
//! FOLDER/ROUTE/out/SERIES/restored/series-.../   is to be sent, or was sent
//! FOLDER/ROUTE/failed/SERIES/...
//! ```
//!
//! A series changes its state by one rename of its folder. Its record (`record.json`) holds what a state does not say: attempts,
//! reasons, times. Whatever ends the node, the folders say what is left to do.

pub(crate) mod arrivals;
pub(crate) mod claims;
pub(crate) mod names;
pub(crate) mod object;
pub(crate) mod record;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use artir_files::sync_folder;

use self::names::Salt;
pub(crate) use self::{arrivals::Arrivals, claims::Claims, record::Record};
use crate::Error;

/// The place of a series on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    In,
    Work,
    Out,
    Failed,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::In, Self::Work, Self::Out, Self::Failed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Work => "work",
            Self::Out => "out",
            Self::Failed => "failed",
        }
    }
}

/// A series of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) route: String,
    /// The salted hash of its SeriesInstanceUID.
    pub(crate) series: String,
}

pub(crate) const LOCK: &str = "lock";
const SALT: &str = "salt";
pub(crate) const DRAIN: &str = "drain";
/// Files of the node's folder whose names a route could have.
pub(crate) const FILES: [&str; 3] = [LOCK, SALT, DRAIN];
/// How long a start waits for the lock: `artir node status` and `drain` hold it for a moment when they look whether a node runs.
const LOCK_TIME: Duration = Duration::from_millis(500);

/// Folder of objects that are being received.
const RECEIVING: &str = ".receiving";
/// Folder of series that are being deleted.
const GONE: &str = ".gone";
/// Folder of a series' objects as they came.
pub(crate) const SOURCE: &str = "source";
/// Folder of its derived series.
pub(crate) const RESTORED: &str = "restored";
/// Folder of what targets have got of it.
pub(crate) const TARGETS: &str = "targets";
/// A file in a series' folder: an administrator wants another attempt.
pub(crate) const RETRY: &str = "retry";
/// The same, with the newest of objects that share their SOPInstanceUID.
pub(crate) const RETRY_NEWEST: &str = "retry-newest";

/// The folders of a node, held by one process.
pub(crate) struct Queue {
    folder: PathBuf,
    salt: Salt,
    counter: AtomicU64,
    pub(crate) arrivals: Arrivals,
    pub(crate) claims: Claims,
    _lock: File,
}

impl Queue {
    /// Makes the folders of routes, and holds the queue until it is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`], and errors of the file system.
    pub(crate) fn open<'a>(folder: &Path, routes: impl Iterator<Item = &'a str>) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|e| Error::folder(folder, e))?;
        let (lock_path, salt_path) = (folder.join(LOCK), folder.join(SALT));
        let opened = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = opened.map_err(|e| Error::folder(&lock_path, e))?;
        match lock_within(&lock, LOCK_TIME) {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Busy { path: folder.to_owned() }),
            Err(fs::TryLockError::Error(e)) => return Err(Error::folder(&lock_path, e)),
        }
        let queue = Self {
            folder: folder.to_owned(),
            salt: Salt::open(&salt_path).map_err(|e| Error::folder(&salt_path, e))?,
            counter: AtomicU64::new(0),
            arrivals: Arrivals::default(),
            claims: Claims::default(),
            _lock: lock,
        };
        for route in routes {
            queue.add_route(route)?;
        }
        Ok(queue)
    }

    /// Makes the folders of a route, and tidies up what a node that was killed left in them.
    pub(crate) fn add_route(&self, route: &str) -> Result<(), Error> {
        let folder = self.folder.join(route);
        let make = || -> io::Result<()> {
            for state in State::ALL {
                fs::create_dir_all(folder.join(state.name()))?;
                let gone = folder.join(state.name()).join(GONE);
                remove_all(&gone)?;
                // Made now: on a full disk, what is to be deleted could not be moved to a new folder.
                fs::create_dir(&gone)?;
            }
            let receiving = folder.join(State::In.name()).join(RECEIVING);
            remove_all(&receiving)?;
            fs::create_dir(&receiving)?;
            sync_folder(&folder)?;
            sync_folder(&self.folder)
        };
        make().map_err(|e| Error::folder(&folder, e))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of a series, which tells nothing of its UID to whoever does not know the salt.
    pub(crate) fn key(&self, route: &str, series_uid: &str) -> Key {
        Key { route: route.to_owned(), series: self.salt.name(series_uid.as_bytes()) }
    }

    pub(crate) fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The folder of a series.
    pub(crate) fn path(&self, key: &Key, state: State) -> PathBuf {
        self.folder.join(&key.route).join(state.name()).join(&key.series)
    }

    /// A path for an object that is being received.
    pub(crate) fn receiving(&self, route: &str) -> PathBuf {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        self.folder.join(route).join(State::In.name()).join(RECEIVING).join(number.to_string())
    }

    /// The series of a route in a state, in the order of their names.
    pub(crate) fn series(&self, route: &str, state: State) -> io::Result<Vec<Key>> {
        folders_in(&self.folder.join(route).join(state.name()))
            .map(|names| names.into_iter().map(|series| Key { route: route.to_owned(), series }).collect())
    }

    /// Where a series is, of all states but `in`.
    pub(crate) fn place(&self, key: &Key) -> Option<State> {
        [State::Work, State::Out, State::Failed].into_iter().find(|state| self.path(key, *state).exists())
    }

    /// Moves a series to another state, on the disk when this returns.
    pub(crate) fn shift(&self, key: &Key, from: State, to: State) -> io::Result<()> {
        let (old, new) = (self.path(key, from), self.path(key, to));
        fs::rename(&old, &new)?;
        sync_parent(&new)?;
        sync_parent(&old)
    }

    /// Moves the objects that came late to those that are there, and the series to where it is restored again.
    pub(crate) fn merge(&self, key: &Key, place: State) -> io::Result<()> {
        if place != State::Work {
            self.shift(key, place, State::Work)?;
        }
        let late = self.path(key, State::In);
        let source = self.path(key, State::Work).join(SOURCE);
        fs::create_dir_all(&source)?;
        for entry in fs::read_dir(late.join(SOURCE))? {
            let name = entry?.file_name();
            fs::rename(late.join(SOURCE).join(&name), source.join(&name))?;
        }
        sync_folder(&source)?;
        fs::remove_dir_all(&late)?;
        sync_parent(&late)
    }

    /// Deletes a series.
    pub(crate) fn remove(&self, key: &Key, state: State) -> io::Result<()> {
        let path = self.path(key, state);
        let gone = self.folder.join(&key.route).join(state.name()).join(GONE);
        // Renamed first, so that a series is never seen half deleted.
        let gone = gone.join(self.counter.fetch_add(1, Ordering::Relaxed).to_string());
        remove_all(&gone)?;
        fs::rename(&path, &gone)?;
        remove_all(&gone)
    }
}

/// Takes the lock, and waits a time for whoever holds it.
fn lock_within(file: &File, time: Duration) -> Result<(), fs::TryLockError> {
    let until = Instant::now() + time;
    loop {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}

/// The names in a folder, without hidden ones.
pub(crate) fn series_in(folder: &Path) -> io::Result<Vec<String>> {
    names_in(folder, |_| true)
}

/// The names of series in the folder of a state. A file that somebody has put there is none.
pub(crate) fn folders_in(folder: &Path) -> io::Result<Vec<String>> {
    names_in(folder, |entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

fn names_in(folder: &Path, counts: impl Fn(&fs::DirEntry) -> bool) -> io::Result<Vec<String>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.') && counts(&entry)) {
            out.push(name.to_owned());
        }
    }
    out.sort();
    Ok(out)
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_comes_late_joins_the_one_that_is_there_whatever_its_state() {
        let dir = tempfile::tempdir().unwrap();
        let queue = Queue::open(dir.path(), ["ct"].into_iter()).unwrap();
        assert!(matches!(Queue::open(dir.path(), ["ct"].into_iter()), Err(Error::Busy { .. })));
        let key = queue.key("ct", "1.2.3");
        assert!(!key.series.contains("1.2.3") && key == queue.key("ct", "1.2.3") && key != queue.key("ct", "1.2.4"));
        let put = |state, name: &str| {
            fs::create_dir_all(queue.path(&key, state).join(SOURCE)).unwrap();
            fs::write(queue.path(&key, state).join(SOURCE).join(name), name).unwrap();
        };
        for place in [State::Work, State::Out, State::Failed] {
            put(place, "a");
            put(State::In, "a");
            put(State::In, "b");
            queue.merge(&key, place).unwrap();
            assert_eq!(queue.place(&key), Some(State::Work));
            assert_eq!(series_in(&queue.path(&key, State::Work).join(SOURCE)).unwrap(), ["a", "b"]);
            assert!(queue.series("ct", State::In).unwrap().is_empty());
            queue.remove(&key, State::Work).unwrap();
            assert_eq!(queue.place(&key), None);
        }
    }

    #[test]
    fn what_a_killed_node_left_is_tidied_up_and_the_rest_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let key = {
            let queue = Queue::open(dir.path(), ["ct"].into_iter()).unwrap();
            fs::write(queue.receiving("ct"), "half").unwrap();
            let key = queue.key("ct", "1.2.3");
            fs::create_dir_all(queue.path(&key, State::In).join(SOURCE)).unwrap();
            fs::create_dir_all(dir.path().join("ct/out/.gone/3/source")).unwrap();
            key
        };
        let queue = Queue::open(dir.path(), ["ct"].into_iter()).unwrap();
        assert_eq!(queue.series("ct", State::In).unwrap(), std::slice::from_ref(&key));
        assert_eq!(queue.key("ct", "1.2.3"), key, "the salt stays");
        assert!(!queue.receiving("ct").exists());
        let left = |folder: &str| fs::read_dir(dir.path().join(folder)).unwrap().count();
        assert_eq!((left("ct/in/.receiving"), left("ct/out/.gone")), (0, 0));
        fs::write(dir.path().join("ct/in/README"), "of an administrator").unwrap();
        assert_eq!(queue.series("ct", State::In).unwrap(), [key], "a file is no series");
    }

    #[test]
    fn a_look_at_the_lock_keeps_no_node_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        drop(Queue::open(dir.path(), ["ct"].into_iter()).unwrap());
        let looks = File::open(dir.path().join(LOCK)).unwrap();
        looks.lock().unwrap();
        let ends = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            drop(looks);
        });
        Queue::open(dir.path(), ["ct"].into_iter()).unwrap();
        ends.join().unwrap();
    }

    #[test]
    fn a_damaged_file_of_the_node_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = || Queue::open(dir.path(), ["ct"].into_iter()).map(|_| ()).unwrap_err().to_string();
        fs::write(dir.path().join(SALT), "").unwrap();
        assert!(refused().contains("salt: it is shorter than 32 bytes"), "{}", refused());
        fs::remove_file(dir.path().join(SALT)).unwrap();
        fs::create_dir(dir.path().join(SALT)).unwrap();
        assert!(refused().ends_with("salt: it is no regular file"), "{}", refused());
        fs::create_dir(dir.path().join("other")).unwrap();
        fs::create_dir(dir.path().join("other/lock")).unwrap();
        let lock = Queue::open(&dir.path().join("other"), ["ct"].into_iter()).map(|_| ()).unwrap_err().to_string();
        assert!(lock.contains("other/lock: "), "{lock}");
    }
}
