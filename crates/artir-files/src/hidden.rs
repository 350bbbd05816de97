//! Hidden folders in which results are made.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, TryLockError},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use sha2::{Digest, Sha256};

use crate::{
    PREFIX,
    encoding::hex,
    list::{self, LIST},
    place::{exists, parent, remove, sync_folder},
};

const LOCK: &str = "lock";
/// Name of an old result during its replacement, on file systems that cannot swap names.
pub(crate) const OLD: &str = "old";

/// Attempts to enter the folder while other runs leave it.
const TRIES: usize = 100;

/// A hidden folder next to a result's path, in which one run at a time makes it. No other user may enter it, so files in it
/// are made with the mode that the result is to have. When dropped, it is removed with its contents, unless it is kept
/// for a later run to continue.
///
/// Links are never followed: neither at the folder's own name, nor at those of the files that [`HiddenFolder::create`] and
/// [`HiddenFolder::open_file`] are asked for.
#[derive(Debug)]
pub struct HiddenFolder {
    path: PathBuf,
    target: PathBuf,
    keep: bool,
    folder: File,
    _lock: File,
}

impl HiddenFolder {
    /// Enters the hidden folder of a result, and completes what a killed run had begun to publish: afterwards
    /// `target` is whole, old or new, or was never there.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another run works in it, [`io::ErrorKind::PermissionDenied`] when it is another
    /// user's, [`io::ErrorKind::NotADirectory`] when a file or a link has its name, or an error of the file system.
    pub fn open(target: &Path) -> io::Result<Self> {
        let name =
            target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no file name"))?;
        let path = parent(target).join(hidden_name(name));
        for _ in 0..TRIES {
            if let Some((folder, lock)) = enter(&path)? {
                // Kept until it is in order: it may hold the only copy of a result.
                let mut entered = Self { path, target: target.to_owned(), keep: true, folder, _lock: lock };
                list::complete(entered.open_file(LIST), &entered.path, &entered.target)?;
                entered.put_back(&entered.path.join(OLD))?;
                entered.keep = false;
                return Ok(entered);
            }
        }
        Err(busy())
    }

    /// Whether a run left the hidden folder of a result, or works in it.
    pub fn is_left(target: &Path) -> bool {
        target.file_name().is_some_and(|name| exists(&parent(target).join(hidden_name(name))))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the result.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Creates an empty file and replaces any file of that name.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn create(&self, name: &str) -> io::Result<File> {
        remove(&self.path.join(name))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.folder, name, flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] also for a link, a folder and the like; errors of the file system.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(io::ErrorKind::NotFound.into()),
            Err(e) => return Err(e.into()),
        };
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Creates a folder in it and replaces anything of that name.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn create_folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        remove(&path)?;
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// Removes its contents, except for names for which `stays` is true.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn clear(&self, stays: impl Fn(&OsStr) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if name != LOCK && !stays(&name) {
                remove(&self.path.join(name))?;
            }
        }
        Ok(())
    }

    /// Keeps the folder when dropped.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Gives the result back its old form, which a killed run had moved to `old`, unless a new one has its place.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn put_back(&self, old: &Path) -> io::Result<()> {
        if !exists(old) {
            return Ok(());
        }
        if exists(&self.target) {
            return remove(old);
        }
        tracing::info!("{}: restoring the result that an interrupted run had moved away", self.target.display());
        fs::rename(old, &self.target)?;
        sync_folder(parent(&self.target))
    }
}

impl Drop for HiddenFolder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // Best effort: whatever ended the run is reported already. The lock goes last, so that no other run enters a folder
        // that is on its way out.
        if self.clear(|_| false).is_ok() {
            drop(fs::remove_file(self.path.join(LOCK)));
            drop(fs::remove_dir(&self.path));
        }
    }
}

fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "another run is writing it")
}

/// The name of a result's hidden folder. Long names are cut: most file systems take 255 bytes.
fn hidden_name(name: &OsStr) -> OsString {
    let mut out = OsString::from(PREFIX);
    if name.len() <= 200 {
        out.push(name);
    } else {
        out.push(OsStr::from_bytes(&name.as_bytes()[..100]));
        out.push(hex(&Sha256::digest(name.as_bytes())[..16]));
    }
    out
}

/// Makes or enters the folder and takes its lock; `None` when the folder was removed on the way.
fn enter(path: &Path) -> io::Result<Option<(File, File)>> {
    let made = match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(e.into()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => File::from(folder),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let reason = format!("{} is in the way: it is a link or a file, and not artir's folder", path.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, reason));
        }
        Err(e) => return Err(e.into()),
    };
    let entered = folder.metadata()?;
    if !made && entered.uid() != rustix::process::geteuid().as_raw() {
        let reason = format!("{} is in the way: it belongs to another user", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    if entered.mode() & 0o077 != 0 {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lock = match rustix::fs::openat(&folder, LOCK, flags, Mode::RUSR | Mode::WUSR) {
        Ok(lock) => File::from(lock),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => {
            remove(&path.join(LOCK))?;
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    let locked = lock.metadata()?;
    if !locked.is_file() {
        remove(&path.join(LOCK))?;
        return Ok(None);
    }
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    // The run that held the lock before may have removed the folder since it was opened.
    let is = |path: &Path, meta: &fs::Metadata| path.symlink_metadata().is_ok_and(|named| named.ino() == meta.ino());
    Ok((is(&path.join(LOCK), &locked) && is(path, &entered)).then_some((folder, lock)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_run_at_a_time_and_nothing_left_but_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("result");
        let path = dir.path().join(".artir-result");
        let mut first = HiddenFolder::open(&target).unwrap();
        assert_eq!(HiddenFolder::open(&target).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        fs::write(path.join("a"), "a").unwrap();
        fs::create_dir(path.join("b")).unwrap();
        first.keep();
        drop(first);
        let second = HiddenFolder::open(&target).unwrap();
        assert!(path.join("a").exists());
        second.clear(|name| name == "a").unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let target = dir.path().join("result");
        let path = dir.path().join(".artir-result");
        fs::create_dir(&path).unwrap();
        for name in ["lock", "journal", "rows"] {
            symlink(&victim, path.join(name)).unwrap();
        }
        let folder = HiddenFolder::open(&target).unwrap();
        assert_eq!(folder.open_file("rows").unwrap_err().kind(), io::ErrorKind::NotFound);
        io::Write::write_all(&mut folder.create("journal").unwrap(), b"x").unwrap();
        drop(folder);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        // The folder itself as a link: artir works in no folder that it did not make.
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        let refused = HiddenFolder::open(&target).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::NotADirectory);
        assert!(refused.to_string().contains(".artir-result"), "{refused}");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_closed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".artir-x");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let _folder = HiddenFolder::open(&dir.path().join("x")).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn runs_that_come_and_go_never_work_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("result");
        let mark = dir.path().join("mark");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        match HiddenFolder::open(&target) {
                            Ok(_folder) => {
                                drop(File::create_new(&mark).expect("another run is at work"));
                                fs::remove_file(&mark).unwrap();
                            }
                            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}"),
                        }
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_moved_away_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("result");
        let hidden = dir.path().join(".artir-result");
        let place = hidden.join(OLD);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("a"), "old").unwrap();
        drop(HiddenFolder::open(&target).unwrap());
        assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "old");
        // With the new result in place, it is of no use.
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("a"), "older").unwrap();
        drop(HiddenFolder::open(&target).unwrap());
        assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn long_names_have_a_hidden_folder_too() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x".repeat(250));
        drop(HiddenFolder::open(&target).unwrap());
        assert_ne!(hidden_name(OsStr::new(&"x".repeat(250))), hidden_name(OsStr::new(&"x".repeat(251))));
    }
}
