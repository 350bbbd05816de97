//! The frames of a video: pictures of a folder, in the order of their numbers, and a journal of those that are restored.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, Write},
    path::{Path, PathBuf},
};

use artir_files::{Encoding, append_to, hash_file, is_taken, open_regular, write_file};

use crate::Format;

/// The frames of a folder: files with the ending of a format, in natural order, in which `f2.png` comes before `f10.png`. Hidden
/// files are left aside. A link is a frame, also one that leads nowhere: a frame that cannot be read must be named.
///
/// # Errors
/// Errors of the file system, and names that a journal of lines cannot hold.
pub fn frames(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && Format::of(&path).is_ok() && (path.is_file() || path.is_symlink() && !path.exists()) {
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_none_or(|name| name.contains('\n')) {
                let reason =
                    format!("the name {:?} is not UTF-8 or has a line break", path.file_name().unwrap_or_default());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            out.push(path);
        }
    }
    // Names that differ in nothing but leading zeros are equal to the natural order.
    out.sort_by(|a, b| alphanumeric_sort::compare_path(a, b).then_with(|| a.cmp(b)));
    Ok(out)
}

/// What a frame's result is made from: the frame's bytes, and all settings that decide over pixels. Links are followed, since
/// programs choose and number frames by links.
///
/// # Errors
/// Errors of the file system.
pub fn frame_key(frame: &Path, settings: &Encoding) -> io::Result<String> {
    // Opening a pipe may wait for ever.
    if !fs::metadata(frame)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let input = hash_file(File::open(frame)?)?;
    Ok(Encoding::new("artir-frame", 1).text("input", &input).nested("settings", settings).hash())
}

/// The restored frames of a folder, one a line: a hash of what it was made from, its own hash, and its name. A line is on the disk
/// before its frame gets its name, so that a frame of that name and that hash is always known as one of artir's.
#[derive(Debug)]
pub struct FrameJournal {
    folder: PathBuf,
    file: File,
    /// All keys and hashes by name: after a kill between a line and its frame's name, the file is still that of the line before.
    frames: BTreeMap<String, Vec<(String, String)>>,
}

/// The reason why a journal cannot be continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Its frames were made with other settings.
    #[error("its frames were made with another model or other settings")]
    OtherRun,
    /// It is not a journal of this version.
    #[error("{} is not a journal of frames", FrameJournal::NAME)]
    Damaged,
    /// Another run writes it.
    #[error("another run writes into it")]
    Busy,
    /// The file system refuses it.
    #[error("{0}")]
    File(#[from] io::Error),
}

/// The state of a frame's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameState {
    /// It is there, and was made from the same.
    Done,
    /// It is not there, or was made by artir from something else.
    Open,
    /// A file of its name was not made by this run.
    Foreign,
}

impl FrameJournal {
    /// Its name in the folder of results.
    pub const NAME: &str = ".artir-frames";
    const FORM: &str = "artir-frames 1 ";

    /// Begins a journal, in place of an older one.
    ///
    /// # Errors
    /// [`JournalError::Busy`], and errors of the file system.
    pub fn create(folder: &Path, settings: &Encoding) -> Result<Self, JournalError> {
        Self::create_in(Self::open(folder)?, settings)
    }

    /// Continues a journal, or begins one where there is none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn resume(folder: &Path, settings: &Encoding) -> Result<Self, JournalError> {
        let mut journal = Self::open(folder)?;
        let mut lines = Vec::new();
        let mut whole = 0;
        let mut reader = BufReader::new(File::open(folder.join(Self::NAME))?);
        loop {
            let mut line = Vec::new();
            let length = reader.read_until(b'\n', &mut line)?;
            // A kill can leave a part of the last line.
            if line.pop() != Some(b'\n') {
                break;
            }
            whole += length as u64;
            lines.push(String::from_utf8(line).map_err(|_| JournalError::Damaged)?);
        }
        let Some((first, rest)) = lines.split_first() else { return Self::create_in(journal, settings) };
        let found = first.strip_prefix(Self::FORM).ok_or(JournalError::Damaged)?;
        if found != settings.hash() {
            return Err(JournalError::OtherRun);
        }
        for line in rest {
            let mut words = line.splitn(3, ' ');
            let (Some(key), Some(hash), Some(name)) = (words.next(), words.next(), words.next()) else {
                return Err(JournalError::Damaged);
            };
            journal.frames.entry(name.to_owned()).or_default().push((key.to_owned(), hash.to_owned()));
        }
        journal.file.set_len(whole)?;
        Ok(journal)
    }

    fn create_in(mut journal: Self, settings: &Encoding) -> Result<Self, JournalError> {
        journal.file.set_len(0)?;
        journal.write(&format!("{}{}", Self::FORM, settings.hash()))?;
        Ok(journal)
    }

    fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(Self::NAME);
        if !is_taken(&path) {
            write_file(&path, false, b"")?;
        }
        let file = append_to(&path)?;
        // Held until the journal is dropped.
        file.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => JournalError::Busy,
            fs::TryLockError::Error(e) => e.into(),
        })?;
        Ok(Self { folder: folder.to_owned(), file, frames: BTreeMap::new() })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()
    }

    /// The state of a frame's result, for a frame of this key.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn state(&self, name: &str, key: &str) -> io::Result<FrameState> {
        let file = match open_regular(&self.folder.join(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !is_taken(&self.folder.join(name)) => {
                return Ok(FrameState::Open);
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FrameState::Foreign),
            Err(e) => return Err(e),
        };
        let Some(lines) = self.frames.get(name) else { return Ok(FrameState::Foreign) };
        let found = hash_file(file)?;
        let mut made_from = lines.iter().filter(|(_, hash)| *hash == found).map(|(key, _)| key).peekable();
        Ok(if made_from.peek().is_none() {
            FrameState::Foreign
        } else if made_from.any(|from| from == key) {
            FrameState::Done
        } else {
            FrameState::Open
        })
    }

    /// Adds a frame whose result is written to a file, and is about to get its name.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn add(&mut self, name: &str, key: &str, result: &mut File) -> io::Result<()> {
        result.rewind()?;
        let hash = hash_file(result)?;
        self.write(&format!("{key} {hash} {name}"))?;
        self.frames.entry(name.to_owned()).or_default().push((key.to_owned(), hash));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn settings(text: &str) -> Encoding {
        Encoding::new("test", 1).text("t", text)
    }

    #[test]
    fn frames_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["f10.png", "f2.PNG", "f1.jpg", "f02.png", ".f3.png", "notes.txt", "f100.tif"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("f4.png")).unwrap();
        let found = frames(dir.path()).unwrap();
        let names: Vec<_> = found.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names[0], "f1.jpg");
        assert_eq!(names[3..], ["f10.png", "f100.tif"]);
        assert_eq!(names.len(), 5);
        assert!(frames(&dir.path().join("missing")).is_err());
        fs::write(dir.path().join("f\n5.png"), "").unwrap();
        assert_eq!(frames(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn links_are_frames() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("shot.dat"), "frame").unwrap();
        fs::create_dir(at("folder")).unwrap();
        for (name, to) in [("f1.png", "shot.dat"), ("f2.png", "nowhere"), ("f3.png", "folder")] {
            symlink(at(to), at(name)).unwrap();
        }
        assert_eq!(frames(dir.path()).unwrap(), [at("f1.png"), at("f2.png")]);
        let key = |name: &str| frame_key(&at(name), &settings("a"));
        assert_eq!(key("f1.png").unwrap(), key("shot.dat").unwrap());
        assert_eq!(key("f2.png").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(key("folder").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_journal_knows_what_is_done_after_any_end() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("in"), "frame").unwrap();
        let key = frame_key(&at("in"), &settings("a")).unwrap();
        assert_ne!(key, frame_key(&at("in"), &settings("b")).unwrap());
        let add = |journal: &mut FrameJournal, name: &str, text: &str| {
            fs::write(at(name), text).unwrap();
            journal.add(name, &key, &mut File::open(at(name)).unwrap()).unwrap();
        };
        let mut journal = FrameJournal::create(dir.path(), &settings("a")).unwrap();
        assert!(matches!(FrameJournal::resume(dir.path(), &settings("a")), Err(JournalError::Busy)));
        for name in ["1 a.png", "2.png", "3.png"] {
            add(&mut journal, name, name);
        }
        add(&mut journal, "2.png", "again");
        drop(journal);
        let text = fs::read_to_string(at(FrameJournal::NAME)).unwrap();
        let state = |journal: &FrameJournal, name: &str| journal.state(name, &key).unwrap();
        // The last line is cut anywhere: its frame is then not known as one of artir's, the others are.
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        for cut in [text.len(), text.len() - 1, last + 70, last + 1, last] {
            fs::write(at(FrameJournal::NAME), &text[..cut]).unwrap();
            let journal = FrameJournal::resume(dir.path(), &settings("a")).unwrap();
            let second = if cut == text.len() { FrameState::Done } else { FrameState::Foreign };
            let found = ["1 a.png", "2.png", "3.png", "4.png"].map(|name| state(&journal, name));
            assert_eq!(found, [FrameState::Done, second, FrameState::Done, FrameState::Open], "{cut}");
        }
        assert_eq!(fs::read_to_string(at(FrameJournal::NAME)).unwrap(), text[..last]);
        let mut journal = FrameJournal::resume(dir.path(), &settings("a")).unwrap();
        // Another input asks for the same frame again, and a changed or foreign file is not artir's.
        assert_eq!(journal.state("3.png", "other key").unwrap(), FrameState::Open);
        fs::write(at("3.png"), "changed").unwrap();
        fs::write(at("5.png"), "foreign").unwrap();
        fs::create_dir(at("6.png")).unwrap();
        assert_eq!(["3.png", "5.png", "6.png"].map(|name| state(&journal, name)), [FrameState::Foreign; 3]);
        // A kill came between the line of a new frame and its name: the old file is still artir's, and is made again.
        let new = fs::File::create_new(at("new")).unwrap();
        drop(new);
        journal.add("1 a.png", "new key", &mut File::open(at("new")).unwrap()).unwrap();
        assert_eq!(journal.state("1 a.png", "new key").unwrap(), FrameState::Open);
        assert_eq!(state(&journal, "1 a.png"), FrameState::Done);
        fs::remove_file(at("3.png")).unwrap();
        assert_eq!(state(&journal, "3.png"), FrameState::Open);
        add(&mut journal, "3.png", "new");
        drop(journal);
        let journal = FrameJournal::resume(dir.path(), &settings("a")).unwrap();
        assert_eq!(state(&journal, "3.png"), FrameState::Done);
        drop(journal);
        let other = FrameJournal::resume(dir.path(), &settings("b"));
        assert!(matches!(other, Err(JournalError::OtherRun)));
        drop(other);
        fs::write(at(FrameJournal::NAME), "something else\n").unwrap();
        assert!(matches!(FrameJournal::resume(dir.path(), &settings("a")), Err(JournalError::Damaged)));
        drop(FrameJournal::create(dir.path(), &settings("b")).unwrap());
        let journal = FrameJournal::resume(dir.path(), &settings("b")).unwrap();
        assert_eq!(state(&journal, "1 a.png"), FrameState::Foreign);
    }
}
