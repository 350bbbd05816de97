//! Series published whole or not at all, and continued after an interruption.
//!
//! A series is written to a folder of its own beside its final place, `.artir-NAME`, with a journal of the objects that
//! are complete; the folder gets its name once all of them are. What a killed run leaves behind is taken up again by
//! `--resume`, when model, settings and sources are the same, and thrown away otherwise.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use artir_core::{HiddenFolder, OutputFolder, private_file};
use sha2::{Digest, Sha256};

use crate::Error;

const JOURNAL: &str = "journal";

/// A folder that is filled out of sight and given its name when it is complete.
#[derive(Debug)]
pub(crate) struct Staging {
    // Dropped in this order: a parent that was made for it goes once the folder in it is gone.
    part: HiddenFolder,
    parent: OutputFolder,
    target: PathBuf,
    journal: File,
    /// Objects that an earlier run completed: name and SHA-256.
    done: Vec<(String, String)>,
}

impl Staging {
    /// Opens the hidden folder beside `target`. `identity` is a hash of all that decides the output; a folder of another
    /// identity is thrown away, and any is without `resume`.
    pub(crate) fn open(target: PathBuf, identity: &str, overwrite: bool, resume: bool) -> Result<Self, Error> {
        if target.exists() && !overwrite {
            return Err(Error::Exists { path: target });
        }
        let parent = target.parent().unwrap_or(Path::new("."));
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = parent.join(format!(".artir-{name}"));
        let fail = |e: std::io::Error| Error::write(&target, e);
        let made = OutputFolder::create(parent).map_err(fail)?;
        let part = HiddenFolder::open(&path).map_err(fail)?;
        let journal_path = part.path().join(JOURNAL);
        let done = if resume { read_journal(&journal_path, identity) } else { None };
        let done = match done {
            Some(done) => done.into_iter().filter(|(name, sha256)| is_whole(&part.path().join(name), sha256)).collect(),
            None => {
                part.clear().map_err(fail)?;
                Vec::new()
            }
        };
        // Written anew, so that a torn last line is gone.
        let temporary = part.path().join("journal.new");
        let mut journal = private_file(&temporary).map_err(fail)?;
        let mut text = format!("{identity}\n");
        for (name, sha256) in &done {
            text.push_str(&format!("{name} {sha256}\n"));
        }
        journal.write_all(text.as_bytes()).map_err(fail)?;
        fs::rename(&temporary, &journal_path).map_err(fail)?;
        Ok(Self { part, parent: made, target, journal, done })
    }

    /// Whether an earlier run completed an object.
    pub(crate) fn is_done(&self, name: &str) -> bool {
        self.done.iter().any(|(done, _)| done == name)
    }

    /// Starts an object.
    pub(crate) fn create(&self, name: &str) -> Result<StagedFile, Error> {
        let path = self.unfinished(name);
        let file = private_file(&path).map_err(|e| Error::write(&self.target.join(name), e))?;
        Ok(StagedFile { file: std::io::BufWriter::with_capacity(1 << 20, file), hash: Sha256::new() })
    }

    /// Where an object lies between its start and its completion.
    pub(crate) fn unfinished(&self, name: &str) -> PathBuf {
        self.part.path().join(format!("{name}.new"))
    }

    /// A place for bytes that are needed for a while.
    pub(crate) fn scratch(&self) -> Result<File, Error> {
        tempfile::tempfile_in(self.part.path()).map_err(|e| Error::write(&self.target, e))
    }

    /// Completes an object, and notes that it is.
    pub(crate) fn complete(&mut self, name: &str, staged: StagedFile) -> Result<(), Error> {
        let fail = |e: std::io::Error| Error::write(&self.target.join(name), e);
        let StagedFile { file, hash } = staged;
        file.into_inner().map_err(|e| fail(e.into_error()))?;
        let path = self.part.path().join(name);
        fs::rename(self.unfinished(name), &path).map_err(fail)?;
        let digest = hex(&hash.finalize());
        self.journal.write_all(format!("{name} {digest}\n").as_bytes()).map_err(fail)
    }

    /// Leaves what is done for a later run to take up.
    pub(crate) fn suspend(mut self) {
        self.part.keep();
    }

    /// Gives the folder its name; what stood there goes only once the new one is complete.
    pub(crate) fn publish(self) -> Result<PathBuf, Error> {
        let Self { mut part, parent: _parent, target, .. } = self;
        let fail = |e: std::io::Error| Error::write(&target, e);
        let staged = part.path().to_owned();
        (|| {
            publish_modes(&staged)?;
            fs::remove_file(staged.join(JOURNAL))?;
            part.remove_lock()?;
            if target.exists() {
                let old = staged.with_extension("old");
                fs::rename(&target, &old)?;
                fs::rename(&staged, &target)?;
                fs::remove_dir_all(old)
            } else {
                fs::rename(&staged, &target)
            }
        })()
        .map_err(fail)?;
        part.keep();
        Ok(target)
    }
}

/// An object that is being written, hashed as it goes by.
pub(crate) struct StagedFile {
    file: std::io::BufWriter<File>,
    hash: Sha256,
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The objects that a journal of this identity lists; `None` for another's, or none.
fn read_journal(path: &Path, identity: &str) -> Option<Vec<(String, String)>> {
    let mut lines = BufReader::new(File::open(path).ok()?).lines();
    if lines.next()?.ok()? != identity {
        tracing::info!("what an earlier run left was made with other settings or sources: starting anew");
        return None;
    }
    let mut done = Vec::new();
    for line in lines {
        let line = line.ok()?;
        // The last line of a killed run may be torn; its object is then made again.
        let Some((name, sha256)) = line.split_once(' ') else { continue };
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if plain && sha256.len() == 64 {
            done.push((name.to_owned(), sha256.to_owned()));
        }
    }
    Some(done)
}

fn is_whole(path: &Path, sha256: &str) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).is_ok() && hex(&hash.finalize()) == sha256
}

/// A result is as readable as the user's umask says, which a folder and a file made here show.
#[cfg(unix)]
fn publish_modes(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join("probe");
    fs::create_dir(&probe)?;
    let mode = fs::metadata(&probe)?.permissions();
    fs::remove_dir(&probe)?;
    File::create(&probe)?;
    let file_mode = fs::metadata(&probe)?.permissions();
    fs::remove_file(&probe)?;
    for entry in fs::read_dir(folder)? {
        fs::set_permissions(entry?.path(), file_mode.clone())?;
    }
    fs::set_permissions(folder, mode)
}

#[cfg(not(unix))]
fn publish_modes(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(staging: &mut Staging, name: &str, text: &str) {
        let mut file = staging.create(name).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        staging.complete(name, file).unwrap();
    }

    #[test]
    fn what_is_complete_is_taken_up_and_what_is_not_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out/series-1");
        let mut first = Staging::open(target.clone(), "id", false, false).unwrap();
        write(&mut first, "0001.dcm", "one");
        write(&mut first, "0002.dcm", "two");
        let mut torn = first.create("0003.dcm").unwrap();
        torn.write_all(b"thr").unwrap();
        torn.flush().unwrap();
        assert!(matches!(Staging::open(target.clone(), "id", false, true), Err(Error::Write { .. })), "locked");
        first.suspend();
        fs::write(dir.path().join("out/.artir-series-1/0002.dcm"), "changed").unwrap();
        assert!(!target.exists());
        let mut second = Staging::open(target.clone(), "id", false, true).unwrap();
        assert_eq!(["0001.dcm", "0002.dcm", "0003.dcm"].map(|n| second.is_done(n)), [true, false, false]);
        write(&mut second, "0002.dcm", "two");
        write(&mut second, "0003.dcm", "three");
        second.publish().unwrap();
        let mut names: Vec<_> = fs::read_dir(&target).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["0001.dcm", "0002.dcm", "0003.dcm"]);
        assert_eq!(fs::read(target.join("0003.dcm")).unwrap(), b"three");
        assert!(matches!(Staging::open(target, "id", false, true), Err(Error::Exists { .. })));
    }

    #[test]
    fn other_settings_start_anew_and_a_failure_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out/series-1");
        let mut first = Staging::open(target.clone(), "id", false, true).unwrap();
        write(&mut first, "0001.dcm", "one");
        first.suspend();
        let second = Staging::open(target.clone(), "other", false, true).unwrap();
        assert!(!second.is_done("0001.dcm"));
        drop(second);
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 0);
    }
}
