//! The list of a publication in progress: the files that change their names, and how far that is.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path},
};

use crate::{
    encoding::hex,
    place::{exists, parent, remove, sync_folder},
    sidecar::belongs,
};

/// The list of a publication in progress.
pub(crate) const LIST: &str = "publish";
pub(crate) const FORM: &str = "artir-publish 1";
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
    pub(crate) fn foreign(&self, target: &Path) -> Option<&OsStr> {
        let names = self.beside.iter().map(|(_, name)| name).chain(&self.gone);
        names.map(OsString::as_os_str).find(|name| !belongs(target, Path::new(name)))
    }
}

/// The text of a list.
pub(crate) fn to_lines(set: &FileSet) -> String {
    let mut text = format!("{FORM}\nmain {}\n", hex(set.main.as_bytes()));
    for (from, to) in &set.beside {
        text += &format!("beside {} {}\n", hex(from.as_bytes()), hex(to.as_bytes()));
    }
    for name in &set.gone {
        text += &format!("gone {}\n", hex(name.as_bytes()));
    }
    text + "end\n"
}

/// Completes what a killed run had begun to publish. `list` is the list of the hidden folder, if it has one.
pub(crate) fn complete(list: io::Result<File>, hidden: &Path, target: &Path) -> io::Result<()> {
    let mut text = String::new();
    match list {
        Ok(file) => file.take(LONGEST_LIST).read_to_string(&mut text)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    // A list that names other files than a publication can have made is not artir's.
    if let Some(set) = read_list(&text).filter(|set| set.foreign(target).is_none())
        && exists(&hidden.join(&set.main))
    {
        tracing::info!("{}: completing the publication that an interrupted run had begun", target.display());
        apply(hidden, target, &set, &mut |from, to| fs::rename(from, to))?;
    }
    remove(&hidden.join(LIST))
}

/// How a file is renamed.
pub(crate) type Rename<'a> = &'a mut dyn FnMut(&Path, &Path) -> io::Result<()>;

/// Goes through the list. The main file goes first and comes last. Every step may have been done by an earlier run.
pub(crate) fn apply(hidden: &Path, target: &Path, set: &FileSet, rename: Rename<'_>) -> io::Result<()> {
    let beside = parent(target);
    let mut step = |from: &Path, to: &Path| if exists(from) { rename(from, to) } else { Ok(()) };
    step(target, &hidden.join("old-main"))?;
    for (i, name) in set.gone.iter().enumerate() {
        step(&beside.join(name), &hidden.join(format!("old-gone-{i}")))?;
    }
    for (i, (from, to)) in set.beside.iter().enumerate() {
        let staged = hidden.join(from);
        if exists(&staged) {
            step(&beside.join(to), &hidden.join(format!("old-beside-{i}")))?;
            step(&staged, &beside.join(to))?;
        }
    }
    step(&hidden.join(&set.main), target)?;
    sync_folder(beside)?;
    remove(&hidden.join(LIST))
}

pub(crate) fn read_list(text: &str) -> Option<FileSet> {
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
