//! Publishes results by renaming: a folder, or a file with sidecar files.
//!
//! A folder, or a file alone, takes one rename. A file with sidecar files takes several, and a kill may happen between
//! them. So a list of them is written to the disk first (`publish` in the hidden folder), and the next run completes the
//! list. In between, the main file is missing. Without it no program reads the sidecar files, so that no reader ever sees
//! new files with old ones.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
};

use crate::{
    HiddenFolder,
    encoding::hex,
    hidden::OLD,
    place::{exchange, exists, parent, remove, rename_new, sync_folder},
    sidecar::belongs,
};

/// The list of a publication in progress.
const LIST: &str = "publish";
const FORM: &str = "artir-publish 1";
/// The longest list that is read.
const LONGEST_LIST: u64 = 1 << 20;

/// A complete file in its hidden folder, with its sidecar files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSet {
    /// The path in the hidden folder of the file that becomes the result.
    pub main: String,
    /// Files that belong to it: path in the hidden folder, and name in the result's folder.
    pub beside: Vec<(String, OsString)>,
    /// Sidecar names that would be read as parts of the result and are removed.
    pub gone: Vec<OsString>,
}

impl FileSet {
    /// A name that a publication of this result has no business with.
    fn foreign(&self, target: &Path) -> Option<&OsStr> {
        let names = self.beside.iter().map(|(_, name)| name).chain(&self.gone);
        names.map(OsString::as_os_str).find(|name| !belongs(target, Path::new(name)))
    }
}

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
        let result = apply(self, set, &mut |from, to| {
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
        let mut text = format!("{FORM}\nmain {}\n", hex(set.main.as_bytes()));
        for (from, to) in &set.beside {
            text += &format!("beside {} {}\n", hex(from.as_bytes()), hex(to.as_bytes()));
        }
        for name in &set.gone {
            text += &format!("gone {}\n", hex(name.as_bytes()));
        }
        text += "end\n";
        let mut file = self.create("publish.new")?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(self.path().join("publish.new"), self.path().join(LIST))?;
        sync_folder(self.path())
    }
}

/// Completes what a killed run had begun to publish.
pub(crate) fn complete(folder: &HiddenFolder) -> io::Result<()> {
    let mut text = String::new();
    match folder.open_file(LIST) {
        Ok(file) => file.take(LONGEST_LIST).read_to_string(&mut text)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    // A list that names other files than a publication can have made is not artir's.
    if let Some(set) = read_list(&text).filter(|set| set.foreign(folder.target()).is_none())
        && exists(&folder.path().join(&set.main))
    {
        tracing::info!("{}: completing the publication that an interrupted run had begun", folder.target().display());
        apply(folder, &set, &mut |from, to| fs::rename(from, to))?;
    }
    remove(&folder.path().join(LIST))
}

/// How a file is renamed.
type Rename<'a> = &'a mut dyn FnMut(&Path, &Path) -> io::Result<()>;

/// Goes through the list. The main file goes first and comes last. Every step may have been done by an earlier run.
fn apply(folder: &HiddenFolder, set: &FileSet, rename: Rename<'_>) -> io::Result<()> {
    let target = folder.target();
    let beside = parent(target);
    let mut step = |from: &Path, to: &Path| if exists(from) { rename(from, to) } else { Ok(()) };
    step(target, &folder.path().join("old-main"))?;
    for (i, name) in set.gone.iter().enumerate() {
        step(&beside.join(name), &folder.path().join(format!("old-gone-{i}")))?;
    }
    for (i, (from, to)) in set.beside.iter().enumerate() {
        let staged = folder.path().join(from);
        if exists(&staged) {
            step(&beside.join(to), &folder.path().join(format!("old-beside-{i}")))?;
            step(&staged, &beside.join(to))?;
        }
    }
    step(&folder.path().join(&set.main), target)?;
    sync_folder(beside)?;
    remove(&folder.path().join(LIST))
}

fn read_list(text: &str) -> Option<FileSet> {
    let mut lines = text.strip_suffix("end\n")?.lines();
    if lines.next()? != FORM {
        return None;
    }
    let mut set = FileSet::default();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["main", main] => set.main = within(main)?,
            ["beside", from, to] => set.beside.push((within(from)?, name(to)?)),
            ["gone", gone] => set.gone.push(name(gone)?),
            _ => return None,
        }
    }
    (!set.main.is_empty()).then_some(set)
}

fn text(digits: &str) -> Option<OsString> {
    let byte = |i: usize| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok();
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()?;
    Some(OsString::from_vec(bytes))
}

/// A path that does not leave the hidden folder.
fn within(digits: &str) -> Option<String> {
    let path = text(digits)?.into_string().ok()?;
    Path::new(&path).components().all(|c| matches!(c, Component::Normal(_))).then_some(path)
}

/// A file's name, and never a path.
fn name(digits: &str) -> Option<OsString> {
    let name = text(digits)?;
    (Path::new(&name).file_name() == Some(OsStr::new(&name))).then_some(name)
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
