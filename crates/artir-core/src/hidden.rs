//! Folders in which results are made out of sight.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

const LOCK: &str = "lock";

/// A hidden folder that one run at a time works in. Dropped, it goes with all that is in it, unless it is to be kept for a
/// later run to take up.
#[derive(Debug)]
pub struct HiddenFolder {
    path: PathBuf,
    keep: bool,
    _lock: File,
}

impl HiddenFolder {
    /// Makes the folder, for its owner alone, or takes up one that an earlier run left.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another run works in it, or what the file system reports.
    pub fn open(path: &Path) -> io::Result<Self> {
        make_private(path)?;
        let lock = private_file(&path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), keep: false, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, "another run is writing it"))
            }
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what is in it.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name() == LOCK {
                continue;
            }
            if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
        }
        Ok(())
    }

    /// Leaves it where it is.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Takes the lock's file away, before the folder gets another name.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn remove_lock(&self) -> io::Result<()> {
        fs::remove_file(self.path.join(LOCK))
    }
}

impl Drop for HiddenFolder {
    fn drop(&mut self) {
        if !self.keep {
            // Best effort: whatever ended the run is reported already.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// An empty file for its owner alone.
///
/// # Errors
/// What the file system reports.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_and_nothing_left_but_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".part");
        let mut first = HiddenFolder::open(&path).unwrap();
        assert_eq!(HiddenFolder::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        fs::write(path.join("a"), "a").unwrap();
        fs::create_dir(path.join("b")).unwrap();
        first.keep();
        drop(first);
        let second = HiddenFolder::open(&path).unwrap();
        assert!(path.join("a").exists());
        second.clear().unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        drop(second);
        assert!(!path.exists());
    }
}
