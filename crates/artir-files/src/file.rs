//! Single files.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::{FileSet, HiddenFolder, OutputFolder, place::parent};

const NEW: &str = "new";

/// A file that gets its name when it is complete. Dropped before that, it leaves nothing. Its mode follows the umask.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    // Dropped in this order: a folder that was made for the file goes once the hidden folder in it is gone.
    hidden: HiddenFolder,
    _made: OutputFolder,
}

impl NewFile {
    /// Begins a file. Folders that are missing are made.
    ///
    /// # Errors
    /// As [`HiddenFolder::open`].
    pub fn create(target: &Path) -> io::Result<Self> {
        let made = OutputFolder::create(parent(target))?;
        let hidden = HiddenFolder::open(target)?;
        hidden.clear(|_| false)?;
        Ok(Self { file: hidden.create(NEW)?, hidden, _made: made })
    }

    /// The file, open for reading and writing.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Its temporary path, for libraries that open files themselves.
    pub fn path(&self) -> PathBuf {
        self.hidden.path().join(NEW)
    }

    /// Writes the file to the disk and gives it its name.
    ///
    /// # Errors
    /// As [`HiddenFolder::publish_set`].
    pub fn publish(mut self, overwrite: bool) -> io::Result<()> {
        self.hidden.publish_set(&FileSet { main: NEW.into(), ..FileSet::default() }, overwrite)
    }
}

/// Writes a whole file.
///
/// # Errors
/// As [`NewFile::create`] and [`NewFile::publish`].
pub fn write_file(target: &Path, overwrite: bool, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(target)?;
    io::Write::write_all(file.file(), bytes)?;
    file.publish(overwrite)
}

/// Opens a file for writing at its end, when it is a file and no link to one.
///
/// # Errors
/// As [`open_regular`].
pub fn append_to(path: &Path) -> io::Result<File> {
    open_as(path, fs::OpenOptions::new().append(true))
}

/// Opens a file for reading that is a file, and no link to one.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] for anything else, and errors of the file system.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_as(path, fs::OpenOptions::new().read(true))
}

fn open_as(path: &Path, options: &mut fs::OpenOptions) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    if !path.symlink_metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = options.custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_appears_whole_with_the_mode_of_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("made/for/it.json");
        drop(NewFile::create(&target).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut file = NewFile::create(&target).unwrap();
        assert_eq!(NewFile::create(&target).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        io::Write::write_all(file.file(), b"one").unwrap();
        assert!(!target.exists());
        file.publish(false).unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&target), mode(&plain));
        assert_eq!(write_file(&target, false, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).unwrap(), b"one");
        write_file(&target, true, b"two").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, target) = (dir.path().join("victim"), dir.path().join("out"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &target).unwrap();
        assert!(write_file(&target, false, b"x").is_err());
        assert!(open_regular(&target).is_err());
        assert!(append_to(&target).is_err());
        write_file(&target, true, b"x").unwrap();
        io::Write::write_all(&mut append_to(&target).unwrap(), b"y").unwrap();
        assert_eq!(io::read_to_string(open_regular(&target).unwrap()).unwrap(), "xy");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
