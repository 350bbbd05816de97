//! The files under the inputs: folders are searched, links are followed, and each file and folder is visited once.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use artir_files::Manifest;
use walkdir::{DirEntry, WalkDir};

use super::dicomdir;
use super::{Scan, SetAside};
use crate::{Error, Modality, Reason};

/// Prefix of the folders in which artir makes a result.
const WORKING_FOLDER: &str = artir_files::PREFIX;

/// Lists the files to read. Unreachable files below an input are skipped; a missing input is an error.
pub(super) fn files(inputs: &[PathBuf], modality: Modality, found: &mut Scan) -> Result<Vec<PathBuf>, Error> {
    let mut walk = Walk { found, files: Vec::new(), seen: HashSet::new() };
    for input in inputs {
        // Check the link itself, not its target: a broken link is skipped, as within a folder.
        fs::symlink_metadata(input).map_err(|e| Error::file(input, e))?;
        if input.is_file() && dicomdir::is_dicomdir(input) {
            for path in dicomdir::files(input, modality, walk.found)? {
                walk.file(path);
            }
        } else {
            walk.folder(input);
        }
    }
    Ok(walk.files)
}

struct Walk<'a> {
    found: &'a mut Scan,
    files: Vec<PathBuf>,
    /// Files and folders that were visited, with all links resolved.
    seen: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, input: &Path) {
        let mut entries = WalkDir::new(input).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    if !self.enter(&entry) {
                        entries.skip_current_dir();
                    }
                }
                // artir's own manifest in a series' folder is not a slice.
                Ok(entry) if entry.file_type().is_file() && entry.file_name() == Manifest::NAME => {}
                Ok(entry) if entry.file_type().is_file() => self.file(entry.into_path()),
                Ok(entry) => self.set_aside(entry.path(), "neither a file nor a folder"),
                Err(e) => self.unreachable(&e, input),
            }
        }
    }

    /// Adds a file, unless it was reached by another name.
    fn file(&mut self, path: PathBuf) {
        if self.is_new(&path) {
            self.files.push(path);
        }
    }

    /// Whether a folder is to be searched. Links can reach one folder by a number of paths that a search would never finish.
    fn enter(&mut self, folder: &DirEntry) -> bool {
        let working = folder.file_name().to_str().is_some_and(|name| name.starts_with(WORKING_FOLDER));
        if working && folder.depth() > 0 {
            self.set_aside(folder.path(), "a folder in which artir makes, or made, a result");
            return false;
        }
        let new = self.is_new(folder.path());
        if !new && folder.path_is_symlink() {
            self.set_aside(folder.path(), "a link to a folder that is searched under another name");
        }
        new
    }

    fn is_new(&mut self, path: &Path) -> bool {
        self.seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// Broken or circular links and folders without read permission are skipped. Any other failure counts as damage: the
    /// folder's listing may be incomplete, and slices of a series could be missing unnoticed.
    fn unreachable(&mut self, error: &walkdir::Error, input: &Path) {
        let path = error.path().unwrap_or(input);
        if error.loop_ancestor().is_some() {
            return self.set_aside(path, "a link to a folder that holds it");
        }
        let Some(io_error) = error.io_error() else {
            return self.set_aside(path, "cannot be read");
        };
        let is_link = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
        match (io_error.kind(), is_link) {
            (io::ErrorKind::NotFound, true) => self.set_aside(path, "a broken link"),
            (io::ErrorKind::PermissionDenied, _) => {
                self.set_aside(path, "a folder without read permission");
            }
            // A link to itself; its error kind has no stable name.
            (_, true) => self.set_aside(path, "a link that cannot be followed"),
            _ => {
                let copy = io_error.raw_os_error().map_or_else(|| io_error.kind().into(), io::Error::from_raw_os_error);
                self.found.damaged.push(Error::file(path, copy));
            }
        }
    }

    fn set_aside(&mut self, path: &Path, reason: &'static str) {
        self.found.set_aside.push(SetAside { path: path.to_owned(), reason: Reason::NotSearched(reason) });
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn walked(inputs: &[PathBuf]) -> (Vec<PathBuf>, Vec<SetAside>) {
        let mut found = Scan::default();
        let files = files(inputs, Modality::Ct, &mut found).unwrap();
        assert!(found.damaged.is_empty(), "{:?}", found.damaged);
        (files, found.set_aside)
    }

    #[test]
    fn links_that_lead_nowhere_or_back_are_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("a")).unwrap();
        fs::write(at("a/1"), "x").unwrap();
        fs::write(at("2"), "x").unwrap();
        symlink("/nowhere/at/all", at("dangling")).unwrap();
        symlink(dir.path(), at("a/back")).unwrap();
        symlink("itself", at("itself")).unwrap();
        symlink("one", at("other")).unwrap();
        symlink("other", at("one")).unwrap();
        symlink(at("a"), at("z")).unwrap();
        symlink(at("a/1"), at("z1")).unwrap();
        let (files, set_aside) = walked(&[dir.path().to_owned()]);
        assert_eq!(files, [at("2"), at("a/1")]);
        let mut names: Vec<_> = set_aside.iter().map(|s| s.path.strip_prefix(dir.path()).unwrap()).collect();
        names.sort();
        assert_eq!(names, ["a/back", "dangling", "itself", "one", "other", "z"].map(Path::new));
        // As inputs of their own, as a shell's pattern names them.
        let (files, set_aside) = walked(&[at("2"), at("dangling"), at("itself")]);
        assert_eq!((files.len(), set_aside.len()), (1, 2));
    }

    #[test]
    fn folders_linked_over_and_over_are_searched_once() {
        let dir = tempfile::tempdir().unwrap();
        // Two ways from each folder to the next: 2^40 ways to the last.
        for i in 0..40 {
            fs::create_dir(dir.path().join(i.to_string())).unwrap();
            fs::write(dir.path().join(format!("{i}/file")), "x").unwrap();
        }
        for i in 0..39 {
            for link in ["a", "b"] {
                symlink(dir.path().join((i + 1).to_string()), dir.path().join(format!("{i}/{link}"))).unwrap();
            }
        }
        assert_eq!(walked(&[dir.path().to_owned()]).0.len(), 40);
    }

    #[test]
    fn inputs_that_overlap_are_read_once_and_lost_ones_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("a")).unwrap();
        fs::write(at("a/1"), "x").unwrap();
        let (files, set_aside) = walked(&[at("a"), dir.path().to_owned(), at("a/1"), at("a/../a")]);
        assert_eq!((files, set_aside.len()), (vec![at("a/1")], 0));
        assert!(super::files(&[at("b")], Modality::Ct, &mut Scan::default()).is_err());
    }

    #[test]
    fn working_folders_and_sockets_are_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".artir-series-1")).unwrap();
        fs::write(dir.path().join(".artir-series-1/0001.dcm"), "x").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let (files, set_aside) = walked(&[dir.path().to_owned()]);
        assert_eq!((files.len(), set_aside.len()), (0, 2));
    }
}
