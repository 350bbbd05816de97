//! Checks of outputs before any work.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::Access;

use crate::place::{exists, parent};

/// Whether this name exists, even as a broken link.
pub fn is_taken(path: &Path) -> bool {
    exists(path)
}

/// A path without links and `..`, even if its last parts do not exist yet.
pub fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), absolute.strip_prefix(ancestor)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    absolute
}

/// Whether two paths lead to the same file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => resolve(a) == resolve(b),
    }
}

/// Whether a path is `folder` or inside it.
pub fn is_within(path: &Path, folder: &Path) -> bool {
    resolve(path).starts_with(resolve(folder))
}

/// The nearest folder above a path that exists.
fn ground(path: &Path) -> PathBuf {
    let resolved = resolve(parent(path));
    resolved.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Checks that a file or folder can be created at a path: the nearest existing folder above it is writable.
///
/// # Errors
/// [`io::ErrorKind::NotADirectory`] when a file is in the way, and errors of the file system.
pub fn writable(path: &Path) -> io::Result<()> {
    let folder = ground(path);
    if !folder.is_dir() {
        let reason = format!("{} is not a folder", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, reason));
    }
    Ok(rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The file system that a path lies on, by its number, and the bytes that are free there.
///
/// # Errors
/// Errors of the file system.
pub fn free_space(path: &Path) -> io::Result<(u64, u64)> {
    let folder = ground(path);
    let stat = rustix::fs::statvfs(&folder)?;
    Ok((fs::metadata(&folder)?.dev(), stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_the_same_by_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        fs::create_dir(at.join("a")).unwrap();
        symlink(at.join("a"), at.join("b")).unwrap();
        assert!(same_file(&at.join("a/new.json"), &at.join("b/../b/new.json")));
        assert!(!same_file(&at.join("a/new.json"), &at.join("a/other.json")));
        assert!(is_within(&at.join("b/x/y"), &at.join("a")) && is_within(&at.join("a"), &at.join("b")));
        assert!(!is_within(&at.join("ab"), &at.join("a")));
        fs::write(at.join("one"), "").unwrap();
        fs::hard_link(at.join("one"), at.join("two")).unwrap();
        assert!(same_file(&at.join("one"), &at.join("two")));
        symlink(at.join("nowhere"), at.join("dangling")).unwrap();
        assert!(is_taken(&at.join("dangling")) && !is_taken(&at.join("nowhere")));
    }

    #[test]
    fn places_that_take_no_file_are_known_before() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        writable(&at.join("new/folders/file")).unwrap();
        fs::write(at.join("file"), "").unwrap();
        assert!(writable(&at.join("file/below")).unwrap_err().to_string().contains("file is not a folder"));
        let (device, free) = free_space(&at.join("new/file")).unwrap();
        assert_eq!(device, at.metadata().unwrap().dev());
        assert!(free > 0);
    }
}
