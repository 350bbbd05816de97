//! Objects on the disk: those of the queue and those that artir derives have the same header.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    Key, Queue, SOURCE, State,
    names::{self, Salt},
};

/// Preamble, prefix, and the element with the length of the rest of the file meta information (PS3.10, 7.1).
const START: usize = 144;

/// An object's file at its data set, and the length of it.
pub(crate) fn data_set(path: &Path) -> io::Result<(File, u64)> {
    let mut file = File::open(path)?;
    let mut start = [0; START];
    file.read_exact(&mut start)?;
    let meta = u32::from_le_bytes([start[140], start[141], start[142], start[143]]);
    let at = START as u64 + u64::from(meta);
    let length = file.metadata()?.len().checked_sub(at);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is truncated"))?;
    file.seek(SeekFrom::Start(at))?;
    Ok((file, length))
}

/// The files of a series that is being received that are not whole: a power cut came before anyone was told that they are
/// kept. A file that cannot be read now, for whatever reason, is none of them: it may be whole. Neither is one that is not looked at,
/// since the node stops.
pub(crate) fn torn(queue: &Queue, key: &Key, stop: &AtomicBool) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(queue.path(key, State::In).join(SOURCE))? {
        let path = entry?.path();
        let is_whole = |name: &str| fits(queue, key, &path, name, stop).unwrap_or(false);
        if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_whole) && can_be_read(&path, stop) {
            out.push(path);
        }
    }
    Ok(out)
}

/// Whether an object's bytes give its file this name. Where the folder of its series was named with another salt, nobody can tell:
/// a queue that was moved without its salt keeps what it holds.
fn fits(queue: &Queue, key: &Key, path: &Path, name: &str, stop: &AtomicBool) -> io::Result<bool> {
    let found = artir_dicom::identify(path).map_err(io::Error::other)?;
    if queue.key(&key.route, &found.series_instance_uid) != *key {
        return Ok(true);
    }
    let content = content(queue.salt(), path, &found.transfer_syntax, stop)?;
    Ok(name == names::object(names::instance_of(name), &content))
}

/// A file that cannot be read any further when the node stops.
struct Stoppable<'a> {
    file: File,
    stop: &'a AtomicBool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            self.file.read(buffer)
        }
    }
}

fn can_be_read(path: &Path, stop: &AtomicBool) -> bool {
    File::open(path).and_then(|file| io::copy(&mut Stoppable { file, stop }, &mut io::sink())).is_ok()
}

/// The part of an object's file name that its bytes give.
fn content(salt: &Salt, path: &Path, syntax: &str, stop: &AtomicBool) -> io::Result<String> {
    let mut hash = salt.hasher();
    sha2::Digest::update(&mut hash, syntax);
    io::copy(&mut Stoppable { file: data_set(path)?.0, stop }, &mut hash)?;
    Ok(names::name(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_taken_for_torn() {
        let dir = tempfile::tempdir().unwrap();
        let queue = Queue::open(dir.path(), ["ct"].into_iter()).unwrap();
        let key = queue.key("ct", "1.2.3");
        let source = queue.path(&key, State::In).join(SOURCE);
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("a-b.dcm"), "half of an object").unwrap();
        // Reading a folder as a file is an error for the superuser, too.
        fs::create_dir(source.join("c-d.dcm")).unwrap();
        let stop = AtomicBool::new(true);
        assert!(torn(&queue, &key, &stop).unwrap().is_empty(), "nothing was looked at");
        stop.store(false, Ordering::Relaxed);
        assert_eq!(torn(&queue, &key, &stop).unwrap(), [source.join("a-b.dcm")]);
    }
}
