//! Files below a folder, by name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Error, FileError};

/// Extensions of images. Names without them are kept whole, since UIDs contain dots.
const ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "tif", "tiff", "npy", "dcm", "ima", "bmp"];

/// A path without the ending of an image file.
pub(super) fn without_ending(path: &Path) -> String {
    let known = |e: &std::ffi::OsStr| ENDINGS.iter().any(|k| e.eq_ignore_ascii_case(k));
    match path.extension() {
        Some(e) if known(e) => path.with_extension("").display().to_string(),
        _ => path.display().to_string(),
    }
}

/// The files below a folder, hidden ones left aside. Links are followed, loops of links are not.
pub(super) fn walk(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let hidden = |e: &walkdir::DirEntry| e.depth() > 0 && e.file_name().to_string_lossy().starts_with('.');
    let entries = walkdir::WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    entries
        .filter_entry(move |e| !hidden(e))
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
}

/// The images of a folder, found by path below it or, where only one has it, by file name; without endings.
#[derive(Clone, Debug, Default)]
pub struct Named {
    folder: PathBuf,
    paths: BTreeMap<String, Vec<PathBuf>>,
    stems: BTreeMap<String, Vec<PathBuf>>,
}

impl Named {
    /// Lists a folder.
    ///
    /// # Errors
    /// [`Error::File`] when it holds no file.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let mut out = Self { folder: folder.to_owned(), ..Self::default() };
        for path in walk(folder) {
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let stem = below.file_name().map(|n| without_ending(Path::new(n))).unwrap_or_default();
            out.paths.entry(without_ending(below)).or_default().push(path.clone());
            out.stems.entry(stem).or_default().push(path);
        }
        if out.paths.is_empty() {
            return Err(Error::File { path: folder.display().to_string(), source: FileError::Empty });
        }
        Ok(out)
    }

    /// The images by path below the folder.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.paths.iter().flat_map(|(key, paths)| paths.iter().map(|p| (key.as_str(), p.as_path())))
    }

    /// The image of the first of these names that exists.
    ///
    /// # Errors
    /// [`Error::File`] when several files have the name, since any choice might be the wrong one.
    pub fn find(&self, names: &[String]) -> Result<Option<&Path>, Error> {
        let stem = |name: &String| name.rsplit('/').next().unwrap_or(name).to_owned();
        let by_path = names.iter().find_map(|name| self.paths.get(name));
        match by_path.or_else(|| names.iter().find_map(|name| self.stems.get(&stem(name)))).map(Vec::as_slice) {
            None => Ok(None),
            Some([one]) => Ok(Some(one)),
            Some([one, other, ..]) => {
                let below = |path: &Path| path.strip_prefix(&self.folder).unwrap_or(path).display().to_string();
                let source = FileError::SameName { one: below(one), other: below(other) };
                Err(Error::File { path: self.folder.display().to_string(), source })
            }
            Some([]) => Ok(None),
        }
    }

    /// The same, unless it is the image of another key: its path below the folder is a key itself, and not this one.
    ///
    /// # Errors
    /// As of [`Named::find`].
    pub fn find_own(&self, key: &str, names: &[String], is_key: impl Fn(&str) -> bool) -> Result<Option<&Path>, Error> {
        let is_of_another = |path: &Path| {
            let own = without_ending(path.strip_prefix(&self.folder).unwrap_or(path));
            own != key && is_key(&own)
        };
        Ok(self.find(names)?.filter(|path| !is_of_another(path)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder with empty files.
    pub(crate) fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn find(named: &Named, name: &str) -> Option<String> {
        let found = named.find(&[name.to_owned()]).ok()??;
        Some(found.file_name().unwrap().to_string_lossy().into_owned())
    }

    #[test]
    fn paths_come_before_names_and_nothing_is_guessed() {
        let dir = tree(&["x/1.png", "y/1.png", "y/2.jpg", "1.2.840.0", "1.2.840.1", ".hidden"]);
        let named = Named::new(dir.path()).unwrap();
        assert_eq!(named.paths().count(), 5);
        assert_eq!(named.find(&["y/1".to_owned()]).unwrap().unwrap(), dir.path().join("y/1.png"));
        assert_eq!(find(&named, "2").unwrap(), "2.jpg");
        assert_eq!(find(&named, "1.2.840.1").unwrap(), "1.2.840.1");
        let both = named.find(&["1".to_owned()]).unwrap_err().to_string();
        assert!(both.contains("x/1.png and y/1.png"), "{both}");
        assert!(named.find(&["3".to_owned()]).unwrap().is_none());
        let own = |key: &str| named.find_own(key, &[key.to_owned()], |other| other == "y/2").unwrap();
        assert_eq!(own("y/2").unwrap(), dir.path().join("y/2.jpg"));
        assert!(own("x/2").is_none(), "that of y/2");
        assert_eq!(own("z/1.2.840.1").unwrap(), dir.path().join("1.2.840.1"));
    }

    #[cfg(unix)]
    #[test]
    fn loops_of_links_end() {
        let dir = tree(&["in/a.png"]);
        std::os::unix::fs::symlink("..", dir.path().join("in/up")).unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("self")).unwrap();
        assert_eq!(walk(dir.path()).count(), 1);
    }
}
