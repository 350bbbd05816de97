//! Publishes results by renaming: a folder, or a file with sidecar files.
//!
//! A folder, or a file alone, takes one rename. A file with sidecar files takes several, and a kill may happen between
//! them. So a list of them is written to the disk first (`publish` in the hidden folder), and the next run completes the
//! list. In between, the main file is missing. Without it no program reads the sidecar files, so that no reader ever sees
//! new files with old ones.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    FileSet, HiddenFolder,
    hidden::OLD,
    list::{LIST, Rename, apply, to_lines},
    place::{exchange, exists, parent, remove, rename_new, sync_folder},
};

impl HiddenFolder {
    /// Writes a folder's files to the disk and gives the folder the result's name. Where an old result has it, the two
    /// change places in one step, and the old one goes with this hidden folder.
    ///
    /// # Errors
    /// What the file system reports; the old result is then where it was.
    pub fn publish_folder(self, name: &str) -> io::Result<PathBuf> {
        let staged = self.path().join(name);
        for entry in fs::read_dir(&staged)? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync_folder(&staged)?;
        replace(&staged, self.target(), &self.path().join(OLD), exchange, &mut |from, to| fs::rename(from, to))?;
        sync_folder(parent(self.target()))?;
        Ok(self.target().to_owned())
    }

    /// Gives a file the result's name, and its sidecar files theirs. All of them are written to the disk before.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when the result's name, or that of a sidecar file, is taken and may not be replaced;
    /// [`io::ErrorKind::IsADirectory`] when a folder has one of the names; [`io::ErrorKind::InvalidInput`] for a name that is
    /// not that of a sidecar file; errors of the file system. An older result is then unchanged.
    pub fn publish_set(&mut self, set: &FileSet, overwrite: bool) -> io::Result<()> {
        let target = self.target().to_owned();
        let folder = parent(&target).to_owned();
        let main = self.path().join(&set.main);
        if let Some(name) = set.foreign(&target) {
            let reason = format!("{} is not the name of one of its sidecar files", Path::new(name).display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        for name in std::iter::once(&set.main).chain(set.beside.iter().map(|(from, _)| from)) {
            File::open(self.path().join(name))?.sync_all()?;
        }
        let others = set.beside.iter().map(|(_, to)| to).chain(&set.gone);
        let taken: Vec<PathBuf> = others.map(|name| folder.join(name)).filter(|path| exists(path)).collect();
        for path in taken.iter().chain([&target]) {
            if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, format!("{} is a folder", path.display())));
            }
        }
        if !overwrite && (exists(&target) || !taken.is_empty()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if set.beside.is_empty() && taken.is_empty() {
            if overwrite { fs::rename(&main, &target) } else { rename_new(&main, &target) }?;
            return sync_folder(&folder);
        }
        self.write_list(set)?;
        let mut done: Vec<(PathBuf, PathBuf)> = Vec::new();
        let result = apply(self.path(), &target, set, &mut |from, to| {
            fs::rename(from, to)?;
            done.push((from.to_owned(), to.to_owned()));
            Ok(())
        });
        if result.is_err() {
            // Undo the moves in reverse order.
            match done.iter().rev().try_for_each(|(from, to)| fs::rename(to, from)) {
                Ok(()) => remove(&self.path().join(LIST))?,
                // The next run completes it.
                Err(_) => self.keep(),
            }
        }
        result
    }

    fn write_list(&self, set: &FileSet) -> io::Result<()> {
        let mut file = self.create("publish.new")?;
        file.write_all(to_lines(set).as_bytes())?;
        file.sync_all()?;
        fs::rename(self.path().join("publish.new"), self.path().join(LIST))?;
        sync_folder(self.path())
    }
}

/// Gives a folder its name. `swap` is [`exchange`], which some file systems do not have. Without it the old result is
/// moved to `old` first; a kill after that leaves it there, and the next run puts it back.
fn replace(
    staged: &Path,
    target: &Path,
    old: &Path,
    swap: impl Fn(&Path, &Path) -> Option<io::Result<()>>,
    rename: Rename<'_>,
) -> io::Result<()> {
    if !exists(target) {
        return rename_new(staged, target);
    }
    if let Some(result) = swap(staged, target) {
        return result;
    }
    remove(old)?;
    rename(target, old)?;
    rename(staged, target).inspect_err(|_| {
        // Best effort: the first error is the one that matters.
        drop(rename(old, target));
    })
}

#[cfg(test)]
mod tests;
