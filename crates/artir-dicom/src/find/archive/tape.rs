//! Tars: also several that are joined.

use std::{
    io::{self, Read},
    ops::Range,
};

use super::Room;
use crate::Reason;

/// Bytes of a header, and of each part of a file.
const BLOCK: u64 = 512;
/// The checksum in the header of a tar's entry.
const CHECKSUM: Range<usize> = 148..156;

/// Whether a file begins with the header of a tar's entry. The oldest form has no name of its own, and is known by its checksum.
pub(super) fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..512) else { return false };
    let stated = || {
        let digits = header[CHECKSUM].split(|byte| [b' ', 0].contains(byte)).find(|digits| !digits.is_empty())?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
    };
    // The checksum's own bytes count as blanks.
    let counted = |(at, byte): (usize, &u8)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { *byte });
    let sum: u32 = header.iter().enumerate().map(counted).sum();
    header[257..262] == *b"ustar" || header[0] != 0 && stated() == Some(sum)
}

/// Unpacks a tar, and others that follow it, as `cat` joins them.
pub(super) fn tar(mut from: impl Read, room: &mut Room<'_>) -> Result<(), Reason> {
    let mut header: Vec<u8> = Vec::new();
    loop {
        let mut part = Watched { from: header.as_slice().chain(&mut from), at_end: false };
        take_all(&mut part, room)?;
        // The first block of the end mark stops the search for entries, so that the stream's end is met only where there is none.
        if part.at_end {
            return Err(Reason::Damaged("the tar ends without its end mark, so that files may be missing".into()));
        }
        match next_header(&mut from)? {
            Some(next) => header = next,
            None => return Ok(()),
        }
    }
}

/// The header behind a tar's end mark, where another tar begins. Writers fill up the last record, mostly with zeros. Without one, the
/// stream is read to its end: there, gzip has the sum of what it holds.
fn next_header(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut block = Vec::new();
        (&mut *from).take(BLOCK).read_to_end(&mut block)?;
        if is_tar(&block) {
            return Ok(Some(block));
        }
        if (block.len() as u64) < BLOCK || block.iter().any(|byte| *byte != 0) {
            io::copy(from, &mut io::sink())?;
            return Ok(None);
        }
    }
}

fn take_all(from: impl Read, room: &mut Room<'_>) -> Result<(), Reason> {
    let mut archive = tar::Archive::new(from);
    let mut linked = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        // The oldest form has no type for folders.
        let is_folder = entry.path_bytes().ends_with(b"/");
        if (kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) && !is_folder {
            if is_packed(&mut entry)? {
                return Err(Reason::unsupported(
                    "the tar holds sparse files in the form of POSIX, which are not read: make it without --sparse",
                ));
            }
            let name = entry.path()?.into_owned();
            room.take(&name, &mut entry)?;
        } else if kind.is_hard_link() {
            linked.extend(entry.link_name()?.map(|name| name.into_owned()));
        } else if kind.is_symlink() {
            // Nothing outside the archive is read. As in a ZIP, the link is a file with the name that it leads to.
            let name = entry.path()?.into_owned();
            let leads_to = entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
            room.take(&name, &mut leads_to.as_slice())?;
        }
    }
    // Another name of a file that the archive holds is a copy of it.
    if linked.iter().any(|name| !room.place(name).exists()) {
        return Err(Reason::Damaged("the tar has a hard link to a file that it does not hold".into()));
    }
    Ok(())
}

/// Whether an entry is a sparse file that begins with a map of its own, which the reader of the archive does not expand.
fn is_packed<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    Ok(extensions.filter_map(Result::ok).any(|extension| extension.key_bytes().starts_with(b"GNU.sparse.")))
}

/// A reader that is watched for the end of its stream.
struct Watched<R> {
    from: R,
    at_end: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.at_end |= n == 0 && !into.is_empty();
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::super::{unpack, unpack_tar};

    /// A tar of one file of three bytes.
    fn of(name: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, [7u8; 3].as_slice()).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn tars_that_are_joined_are_one() {
        let joined = [of("a/1"), vec![0; 16 * 512], of("a/2"), of("b/1")].concat();
        let folder = unpack_tar(joined.as_slice()).unwrap();
        for name in ["a/1", "a/2", "b/1"] {
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), [7; 3], "{name}");
        }
        // The last one has lost its end.
        let cut = unpack_tar(&joined[..joined.len() - 1024]).unwrap_err().to_string();
        assert!(cut.contains("ends without its end mark"), "{cut}");
        // What some writers fill the last record with is no tar.
        let filled = [of("a/1"), vec![9; 700]].concat();
        assert!(unpack_tar(filled.as_slice()).unwrap().path().join("a/1").exists());
    }

    #[test]
    fn the_sum_of_a_tar_under_gzip_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tgz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&of("a/1")).unwrap();
        let mut packed = encoder.finish().unwrap();
        fs::write(&path, &packed).unwrap();
        assert!(unpack(&path).unwrap().is_some());
        // One bit of the file, which is stored as it is.
        let at = packed.windows(3).position(|bytes| bytes == [7; 3]).unwrap();
        packed[at] ^= 1;
        fs::write(&path, &packed).unwrap();
        let refused = unpack(&path).unwrap_err().to_string();
        assert!(refused.contains("checksum"), "{refused}");
    }
}
