//! The files that a job reads: whether they are as they were.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use artir_files::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::FOLDER;

/// What is known of the files of a job, without their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Salted hash of their names, sizes and times of change. While it is the same, nothing is read.
    pub state: String,
    /// SHA-256 over the files' bytes, in the order of their names. Absent when they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The files of a job, in the order of their names.
#[derive(Debug)]
pub(crate) struct Listed {
    files: Vec<PathBuf>,
    /// Without the hash of the bytes.
    pub(crate) sources: Sources,
}

/// Lists files and the contents of folders. What is missing is left out: the job itself says so. So are artir's own folders, and
/// the result of the job, where they lie in a folder that it reads: they would change the input that they were made of.
pub(crate) fn list(paths: &[PathBuf], result: &Path, salt: &str) -> Listed {
    let place = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    let result = result.metadata().ok().map(|meta| place(&meta));
    let is_own = |entry: &walkdir::DirEntry| {
        let named = || entry.file_name().as_encoded_bytes();
        entry.depth() > 0
            && entry.file_type().is_dir()
            && (named() == FOLDER.as_bytes()
                || named().starts_with(artir_files::PREFIX.as_bytes())
                || result.is_some() && entry.metadata().ok().map(|meta| place(&meta)) == result)
    };
    let mut found: Vec<(PathBuf, fs::Metadata)> = Vec::new();
    for path in paths {
        let below = WalkDir::new(path).follow_links(true).into_iter().filter_entry(|entry| !is_own(entry));
        let below = below.filter_map(Result::ok);
        let files = below.filter_map(|entry| Some((entry.path().to_owned(), entry.metadata().ok()?)));
        found.extend(files.filter(|(_, meta)| meta.is_file()));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|a, b| a.0 == b.0);
    let mut hash = Sha256::new_with_prefix(format!("artir-sources 1\n{salt}\n"));
    let mut sources = Sources::default();
    for (path, meta) in &found {
        let name = path.as_os_str().as_encoded_bytes();
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        for number in [meta.len() as i64, meta.mtime(), meta.mtime_nsec()] {
            hash.update(number.to_be_bytes());
        }
        sources.files += 1;
        sources.bytes += meta.len();
    }
    sources.state = hex(&hash.finalize());
    Listed { files: found.into_iter().map(|(path, _)| path).collect(), sources }
}

impl Listed {
    /// Adds copies of inputs, whose names and times say nothing.
    pub(crate) fn add_copies(&mut self, paths: &[PathBuf]) {
        let copies = list(paths, Path::new(""), "");
        self.sources.files += copies.sources.files;
        self.sources.bytes += copies.sources.bytes;
        self.files.extend(copies.files);
    }

    /// Adds what stands for the versions of inputs on a network.
    pub(crate) fn add(&mut self, versions: &[String], salt: &str) {
        if versions.is_empty() {
            return;
        }
        let mut hash = Sha256::new_with_prefix(format!("artir-fetched 1\n{salt}\n{}\n", self.sources.state));
        for version in versions {
            hash.update((version.len() as u64).to_be_bytes());
            hash.update(version);
        }
        self.sources.state = hex(&hash.finalize());
    }

    /// Adds the hash of the bytes. Reading them also brings them into the memory of the system, where the restoration finds
    /// them. `None` when `stops` says so.
    pub(crate) fn read(mut self, stops: &dyn Fn() -> bool) -> Option<Sources> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        for path in &self.files {
            match hash_into(&mut hash, path, &mut buffer, stops) {
                Ok(true) => {}
                Ok(false) => return None,
                // The restoration reports what cannot be read.
                Err(_) => return Some(self.sources),
            }
        }
        self.sources.sha256 = Some(hex(&hash.finalize()));
        Some(self.sources)
    }
}

fn hash_into(hash: &mut Sha256, path: &Path, buffer: &mut [u8], stops: &dyn Fn() -> bool) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut length: u64 = 0;
    while !stops() {
        match file.read(buffer) {
            Ok(0) => {
                // Bytes that move from one file to the next give another hash.
                hash.update(length.to_be_bytes());
                return Ok(true);
            }
            Ok(n) => {
                hash.update(&buffer[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folder: &Path, salt: &str) -> Sources {
        list(&[folder.to_owned()], Path::new(""), salt).read(&|| false).unwrap()
    }

    #[test]
    fn what_a_job_has_made_within_its_input_is_no_part_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("one"), "12").unwrap();
        let listed = |result: &str| list(&[dir.path().to_owned()], &at(result), "s").sources;
        let first = listed("out/a");
        for folder in ["out/a/series-1", ".artir/done", "out/.artir-b"] {
            fs::create_dir_all(at(folder)).unwrap();
            fs::write(at(folder).join("made"), "x").unwrap();
        }
        assert_eq!(listed("out/a"), first);
        assert_eq!(
            (listed("out/b").files, listed("").files),
            (2, 2),
            "and all else is, with the folder of the input itself"
        );
    }

    #[test]
    fn a_change_of_a_file_shows() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("b")).unwrap();
        fs::write(at("b/one"), "12").unwrap();
        fs::write(at("two"), "3").unwrap();
        let first = sources(dir.path(), "s");
        assert_eq!((first.files, first.bytes), (2, 3));
        assert_eq!(sources(dir.path(), "s"), first);
        // Another salt hides the names behind another hash, and the bytes keep theirs.
        let salted = sources(dir.path(), "t");
        assert!(salted.state != first.state && salted.sha256 == first.sha256);
        fs::write(at("two"), "4").unwrap();
        let second = sources(dir.path(), "s");
        assert!(second.state != first.state && second.sha256 != first.sha256);
        fs::write(at("b/one"), "1").unwrap();
        fs::write(at("two"), "24").unwrap();
        assert!(sources(dir.path(), "s").sha256 != second.sha256);
    }

    #[test]
    fn what_is_missing_is_no_error_and_reading_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(sources(&dir.path().join("none"), "s").files, 0);
        fs::write(dir.path().join("a"), "1").unwrap();
        assert!(list(&[dir.path().to_owned()], Path::new(""), "s").read(&|| true).is_none());
    }
}
