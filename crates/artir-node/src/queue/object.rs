//! Objects on the disk: those of the queue and those that artir derives have the same header.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
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
/// kept. A file that cannot be read now, for whatever reason, is none of them: it may be whole.
pub(crate) fn torn(queue: &Queue, key: &Key) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(queue.path(key, State::In).join(SOURCE))? {
        let path = entry?.path();
        let is_whole = |name: &str| {
            content(queue.salt(), &path).is_ok_and(|content| name == names::object(names::instance_of(name), &content))
        };
        if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_whole) && can_be_read(&path) {
            out.push(path);
        }
    }
    Ok(out)
}

fn can_be_read(path: &Path) -> bool {
    File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink())).is_ok()
}

/// The part of an object's file name that its bytes give.
fn content(salt: &Salt, path: &Path) -> io::Result<String> {
    let found = artir_dicom::identify(path).map_err(io::Error::other)?;
    let mut hash = salt.hasher();
    sha2::Digest::update(&mut hash, &found.transfer_syntax);
    io::copy(&mut data_set(path)?.0, &mut hash)?;
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
        assert_eq!(torn(&queue, &key).unwrap(), [source.join("a-b.dcm")]);
    }
}
