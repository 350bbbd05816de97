//! Publishing a series only when complete, and continuing it after an interruption.
//!
//! A series is made in a hidden folder next to its final path, with a journal of the objects that are complete. Objects
//! are known by their key, a hash of all that decides their bytes, so that `--resume` keeps every object that is still valid:
//! from the journal of a killed run, and from a published series, whose manifest lists the same keys. The rest is made
//! anew, and the series is published as a whole.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

use artir_files::{Entry, HiddenFolder, Manifest, OutputFolder, hash_file, hex, is_taken};
use sha2::{Digest, Sha256};

use crate::Error;

const JOURNAL: &str = "journal";
/// The first line of a journal. The number is the version of its format.
const FORM: &str = "artir-journal 1";
/// The folder that becomes the series.
const SERIES: &str = "series";

/// Hashes of the inputs of a series other than its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Source series, model and settings of the pixels: as long as they stay, so does the derived UID.
    pub(crate) series: String,
    /// Other settings that determine the bytes of objects.
    pub(crate) settings: String,
}

/// A series in the making.
#[derive(Debug)]
pub(crate) struct Staging {
    // Dropped in this order: a parent that was made for it goes once the folder in it is gone.
    part: HiddenFolder,
    parent: OutputFolder,
    target: PathBuf,
    identity: Identity,
    journal: File,
    /// Objects that are complete: key and SHA-256.
    done: BTreeMap<String, String>,
}

impl Staging {
    /// Enters the hidden folder of `target`. With `resume`, the unfinished result of an earlier run with the same identity
    /// is continued; without, it is deleted.
    ///
    /// # Errors
    /// [`Error::Exists`] when the target is there, and is neither to be replaced nor the same series to be brought up to
    /// date; [`Error::Foreign`] for a file that somebody else put there; errors of the file system.
    pub(crate) fn open(target: PathBuf, identity: &Identity, overwrite: bool, resume: bool) -> Result<Self, Error> {
        let in_the_way = |target: &Path| {
            if overwrite || !is_taken(target) {
                return None;
            }
            match Manifest::read(target).filter(|m| resume && m.series == identity.series) {
                Some(manifest) => foreign_file(target, &manifest).map(|path| Error::Foreign { path }),
                None => Some(Error::Exists { path: target.to_owned() }),
            }
        };
        if let Some(error) = in_the_way(&target) {
            return Err(error);
        }
        let fail = |e: io::Error| Error::write(&target, e);
        let parent = OutputFolder::create(target.parent().unwrap_or(Path::new("."))).map_err(fail)?;
        let part = HiddenFolder::open(&target).map_err(fail)?;
        put_back(&part).map_err(fail)?;
        // Entering the folder may have brought back a series that a killed run had moved away.
        if let Some(error) = in_the_way(&target) {
            return Err(error);
        }
        let listed = if resume { read_journal(&part, identity) } else { BTreeMap::new() };
        let done: BTreeMap<_, _> = listed.into_iter().filter(|(key, sha256)| is_whole(&part, key, sha256)).collect();
        part.clear(|name| name.to_str().is_some_and(|name| name == JOURNAL || done.contains_key(name)))
            .map_err(fail)?;
        // Rewrite the journal without an incomplete last line.
        let mut journal = part.create("journal.new").map_err(fail)?;
        let mut text = head(identity);
        for (key, sha256) in &done {
            text.push_str(&format!("{key} {sha256}\n"));
        }
        journal.write_all(text.as_bytes()).map_err(fail)?;
        fs::rename(part.path().join("journal.new"), part.path().join(JOURNAL)).map_err(fail)?;
        Ok(Self { part, parent, target, identity: identity.clone(), journal, done })
    }

    /// The series' final place.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Whether an object is complete.
    pub(crate) fn is_done(&self, key: &str) -> bool {
        self.done.contains_key(key)
    }

    /// Copies the objects of a published series that are still right.
    pub(crate) fn take_over(&mut self, published: &Manifest, wanted: &[&str]) -> Result<(), Error> {
        if published.settings != self.identity.settings {
            return Ok(());
        }
        for entry in &published.entries {
            if !wanted.contains(&entry.key.as_str()) || self.is_done(&entry.key) {
                continue;
            }
            if let Some(mut file) = Manifest::open(&self.target, entry) {
                let mut copy = self.create(&entry.key)?;
                io::copy(&mut file, &mut copy).map_err(|e| Error::write(&self.target, e))?;
                self.complete(&entry.key, copy)?;
            }
        }
        Ok(())
    }

    /// Starts an object.
    pub(crate) fn create(&self, key: &str) -> Result<StagedFile, Error> {
        let file = self.part.create(&format!("{key}.new")).map_err(|e| Error::write(&self.target, e))?;
        Ok(StagedFile { file: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new() })
    }

    /// Path of an object until it is completed.
    pub(crate) fn unfinished(&self, key: &str) -> PathBuf {
        self.part.path().join(format!("{key}.new"))
    }

    /// Path of a completed object.
    pub(crate) fn completed(&self, key: &str) -> PathBuf {
        self.part.path().join(key)
    }

    /// Path of a temporary file.
    pub(crate) fn scratch(&self) -> Result<File, Error> {
        tempfile::tempfile_in(self.part.path()).map_err(|e| Error::write(&self.target, e))
    }

    /// Completes an object and records it in the journal.
    pub(crate) fn complete(&mut self, key: &str, staged: StagedFile) -> Result<(), Error> {
        let fail = |e: io::Error| Error::write(&self.target, e);
        let StagedFile { file, hash } = staged;
        file.into_inner().map_err(|e| fail(e.into_error()))?;
        fs::rename(self.unfinished(key), self.part.path().join(key)).map_err(fail)?;
        let digest = hex(&hash.finalize());
        self.journal.write_all(format!("{key} {digest}\n").as_bytes()).map_err(fail)?;
        self.done.insert(key.to_owned(), digest);
        Ok(())
    }

    /// Keeps the completed objects for a later run.
    pub(crate) fn suspend(mut self) {
        self.part.keep();
    }

    /// The manifest of a series of these objects, by name and key. Objects that are not complete are left out.
    pub(crate) fn manifest(&self, objects: &[(String, String)]) -> Manifest {
        let entry = |(name, key): &(String, String)| {
            let sha256 = self.done.get(key)?.clone();
            Some(Entry { key: key.clone(), sha256, name: name.clone() })
        };
        let Identity { series, settings } = self.identity.clone();
        Manifest { series, settings, entries: objects.iter().filter_map(entry).collect() }
    }

    /// Gives the objects of a manifest their names and the folder its own, with the manifest in it. An older series is
    /// removed only after the new one is in place.
    pub(crate) fn publish(self, manifest: &Manifest) -> Result<PathBuf, Error> {
        let Self { part, parent: _parent, target, .. } = self;
        let publish = || -> io::Result<PathBuf> {
            let folder = part.create_folder(SERIES)?;
            for entry in &manifest.entries {
                fs::rename(part.path().join(&entry.key), folder.join(&entry.name))?;
            }
            part.create("manifest.new")?.write_all(manifest.to_text().as_bytes())?;
            fs::rename(part.path().join("manifest.new"), folder.join(Manifest::NAME))?;
            part.publish_folder(SERIES)
        };
        publish().map_err(|e| Error::write(&target, e))
    }
}

/// The first file in a published series that artir did not make, by name: it would go with the old series. What systems put
/// into folders that are looked at does not count.
fn foreign_file(target: &Path, published: &Manifest) -> Option<PathBuf> {
    let own: HashSet<&str> = published.entries.iter().map(|entry| entry.name.as_str()).collect();
    let is_own = |name: &str| {
        own.contains(name) || name.starts_with('.') || ["thumbs.db", "desktop.ini"].contains(&&*name.to_lowercase())
    };
    let paths = fs::read_dir(target).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.file_name().is_none_or(|name| !is_own(&name.to_string_lossy()))).min()
}

/// Where artir kept the old series while it published the new one, before results had manifests.
fn old_place(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".artir-{name}.old"))
}

fn put_back(part: &HiddenFolder) -> io::Result<()> {
    let old = old_place(part.target());
    // The hidden folder of a result that ends in .old has a lock.
    if old.join("lock").exists() { Ok(()) } else { part.put_back(&old) }
}

/// Brings a series back that a killed run had moved away. With `tidy`, whatever else runs left of it goes, since it is
/// complete.
pub(crate) fn recover(target: &Path, tidy: bool) -> Result<(), Error> {
    if !HiddenFolder::is_left(target) && !is_taken(&old_place(target)) {
        return Ok(());
    }
    let recover = || {
        let mut part = HiddenFolder::open(target)?;
        put_back(&part)?;
        if !tidy {
            part.keep();
        }
        Ok(())
    };
    recover().map_err(|e: io::Error| Error::write(target, e))
}

/// An object that is being written, hashed as it goes by.
pub(crate) struct StagedFile {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn head(identity: &Identity) -> String {
    format!("{FORM}\n{} {}\n", identity.series, identity.settings)
}

/// The objects that a journal of this identity lists.
fn read_journal(part: &HiddenFolder, identity: &Identity) -> BTreeMap<String, String> {
    let Ok(file) = part.open_file(JOURNAL) else { return BTreeMap::new() };
    let mut lines = BufReader::new(file).lines().map_while(Result::ok);
    let found: String = lines.by_ref().take(2).map(|line| line + "\n").collect();
    if found != head(identity) {
        tracing::info!("the unfinished result of an earlier run has other settings: starting over");
        return BTreeMap::new();
    }
    // The last line of a killed run may be torn; its object is then made again.
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let entry = |line: String| {
        let (key, sha256) = line.split_once(' ')?;
        (is_hash(key) && is_hash(sha256)).then(|| (key.to_owned(), sha256.to_owned()))
    };
    lines.filter_map(entry).collect()
}

fn is_whole(part: &HiddenFolder, key: &str, sha256: &str) -> bool {
    let Ok(mut file) = part.open_file(key) else { return false };
    file.rewind().is_ok() && hash_file(file).is_ok_and(|found| found == sha256)
}

#[cfg(test)]
mod tests;
