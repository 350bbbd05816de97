//! Archives of studies: unpacked to a temporary folder, within limits that no study reaches. They are ZIP, tar, tar under gzip,
//! single objects under gzip, and saved bodies of DICOMweb responses.

mod multipart;
mod tape;

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Component, Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use tempfile::TempDir;

use self::{
    multipart::{Multipart, is_multipart},
    tape::{is_tar, tar},
};
use crate::{Error, Reason};

/// The most entries of an archive.
const MAX_ENTRIES: usize = 1_000_000;
/// The most bytes for each byte of the archive. Lossless images shrink to a tenth at most.
const MAX_RATIO: u64 = 100;
/// Bytes that an archive may have in any case: small ones may hold empty images.
const SMALL: u64 = 64 << 20;

/// The kinds of archives that are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zip,
    Tar,
    TarGzip,
    /// One object.
    Gzip,
    Multipart,
}

/// Bytes that show what a file is.
const HEAD: u64 = 2048;

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

fn kind(path: &Path) -> Option<Kind> {
    let head = head(path).ok()?;
    let is_object = |head: &[u8]| head.get(128..132) == Some(b"DICM");
    match () {
        // A preamble may hold anything.
        () if is_object(&head) => None,
        () if head.starts_with(b"PK\x03\x04") => Some(Kind::Zip),
        () if is_tar(&head) => Some(Kind::Tar),
        () if head.starts_with(&[0x1f, 0x8b]) => {
            let mut inside = Vec::new();
            // What comes before an error counts.
            drop(MultiGzDecoder::new(File::open(path).ok()?).take(512).read_to_end(&mut inside));
            let kind = if is_object(&inside) { Kind::Gzip } else { Kind::TarGzip };
            (kind == Kind::Gzip || is_tar(&inside)).then_some(kind)
        }
        () if is_multipart(&head) => Some(Kind::Multipart),
        () => None,
    }
}

/// Whether a file is an archive that a search would unpack.
pub fn is_archive(path: &Path) -> bool {
    path.is_file() && kind(path).is_some()
}

/// Whether a file is the metadata that DICOMweb gives of objects, as JSON or XML (PS3.18, F; PS3.19, A.1).
pub(super) fn is_metadata(path: &Path) -> bool {
    let Ok(head) = head(path) else { return false };
    let is_tag = |key: &[u8]| key.len() == 8 && key.iter().all(u8::is_ascii_hexdigit);
    match head.trim_ascii_start() {
        json @ [b'[' | b'{', ..] => {
            // Strings, and what follows each of them: a colon after a key.
            let parts: Vec<&[u8]> = json.split(|b| *b == b'"').skip(1).collect();
            parts.chunks_exact(2).any(|pair| is_tag(pair[0]) && pair[1].trim_ascii_start().starts_with(b":"))
        }
        [b'<', xml @ ..] => String::from_utf8_lossy(xml).contains("NativeDicomModel"),
        _ => false,
    }
}

/// Unpacks a file that is an archive; `None` for one that is not.
///
/// # Errors
/// [`Error::File`] for an archive that is damaged, or beyond the limits.
pub(super) fn unpack(path: &Path) -> Result<Option<TempDir>, Error> {
    let Some(kind) = kind(path) else { return Ok(None) };
    let unpack = || -> Result<TempDir, Reason> {
        let file = BufReader::new(File::open(path)?);
        let allowed = fs::metadata(path)?.len().saturating_mul(MAX_RATIO).max(SMALL);
        let folder = tempfile::Builder::new().prefix("artir-archive-").tempdir()?;
        let mut room = Room { folder: folder.path(), allowed, entries: 0 };
        match kind {
            Kind::Zip => zip(file, &mut room)?,
            Kind::Tar => tar(file, &mut room)?,
            Kind::TarGzip => tar(MultiGzDecoder::new(file), &mut room)?,
            // `1.dcm.gz` holds `1.dcm`.
            Kind::Gzip => room.take(Path::new(path.file_stem().unwrap_or_default()), &mut MultiGzDecoder::new(file))?,
            Kind::Multipart => multipart(file, &mut room)?,
        }
        Ok(folder)
    };
    unpack().map(Some).map_err(|reason| Error::file(path, reason))
}

/// Where an archive is unpacked to, and what may still come.
struct Room<'a> {
    folder: &'a Path,
    allowed: u64,
    entries: usize,
}

impl Room<'_> {
    /// The place of an entry. Names that lead out of the folder are not followed.
    fn place(&self, name: &Path) -> PathBuf {
        let inside: PathBuf = name.components().filter(|c| matches!(c, Component::Normal(_))).collect();
        if inside.as_os_str().is_empty() { self.folder.to_owned() } else { self.folder.join(inside) }
    }

    fn take(&mut self, name: &Path, from: &mut dyn Read) -> Result<(), Reason> {
        let beyond = || Reason::Damaged("the archive holds more than a study can have".into());
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(beyond());
        }
        let mut target = self.place(name);
        if target == self.folder || target.exists() {
            target = self.folder.join(format!("entry-{}", self.entries));
        }
        fs::create_dir_all(target.parent().unwrap_or(self.folder))?;
        let mut file = File::create_new(&target)?;
        let copied = io::copy(&mut from.take(self.allowed.saturating_add(1)), &mut file)?;
        self.allowed = self.allowed.checked_sub(copied).ok_or_else(beyond)?;
        Ok(())
    }
}

/// Unpacks a tar that comes as a stream, such as on standard input.
///
/// # Errors
/// [`Error::File`] for a stream that is no tar.
pub fn unpack_tar(from: impl Read) -> Result<TempDir, Error> {
    let unpack = || -> Result<TempDir, Reason> {
        let folder = tempfile::Builder::new().prefix("artir-archive-").tempdir()?;
        // The stream is as long as what it holds.
        let mut room = Room { folder: folder.path(), allowed: u64::MAX - 1, entries: 0 };
        tar(from, &mut room)?;
        Ok(folder)
    };
    unpack().map_err(|reason| Error::file(Path::new("-"), reason))
}

fn zip(file: BufReader<File>, room: &mut Room<'_>) -> Result<(), Reason> {
    let damaged = |e: zip::result::ZipError| Reason::Damaged(format!("the ZIP cannot be read: {e}"));
    let mut archive = zip::ZipArchive::new(file).map_err(damaged)?;
    // Of entries with one name, the reader gives the last.
    if archive.has_duplicate_names() {
        return Err(Reason::unsupported("several entries of the ZIP have one name, and all but one would be lost"));
    }
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(damaged)?;
        if !entry.is_dir() {
            // A link is a file with the name that it leads to, which is counted among what is no DICOM. An entry without a
            // readable name gets one from its number.
            let name = entry.name().map(|name| PathBuf::from(name.as_ref())).unwrap_or_default();
            room.take(&name, &mut entry)?;
        }
    }
    Ok(())
}

fn multipart(from: impl Read, room: &mut Room<'_>) -> Result<(), Reason> {
    let mut body = Multipart::new(from)?;
    body.first_part()?;
    for part in 1.. {
        room.take(Path::new(&format!("part-{part}")), &mut body)?;
        if !body.next_part()? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zipped(entries: &[(&str, Vec<u8>)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        file
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
        all.filter(|e| e.file_type().is_file()).map(|e| e.path().strip_prefix(folder).unwrap().to_owned()).collect()
    }

    #[test]
    fn entries_stay_within_the_folder_and_its_limits() {
        let zip = zipped(&[("a/1", vec![1; 5]), ("../../out", vec![2]), ("/abs", vec![3])]);
        let folder = unpack(zip.path()).unwrap().unwrap();
        assert_eq!(files(folder.path()), ["a/1", "abs", "out"].map(PathBuf::from));
        assert_eq!(fs::read(folder.path().join("a/1")).unwrap(), [1; 5]);
        let bomb = zipped(&[("zeros", vec![0; (SMALL + 1) as usize])]);
        let refused = unpack(bomb.path()).unwrap_err().to_string();
        assert!(refused.contains("more than a study can have"), "{refused}");
        let plain = tempfile::NamedTempFile::new().unwrap();
        fs::write(plain.path(), "text").unwrap();
        assert!(unpack(plain.path()).unwrap().is_none());
        fs::write(plain.path(), b"PK\x03\x04 and nothing else").unwrap();
        assert!(unpack(plain.path()).unwrap_err().to_string().contains("the ZIP cannot be read"));
    }

    #[test]
    fn entries_of_one_name_are_not_lost() {
        let zip = zipped(&[("slice.one", vec![1]), ("slice.two", vec![2])]);
        let mut bytes = fs::read(zip.path()).unwrap();
        // In the entry's own header and in the directory.
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"slice.two")).collect();
        assert_eq!(places.len(), 2);
        for at in places {
            bytes[at..at + 9].copy_from_slice(b"slice.one");
        }
        fs::write(zip.path(), bytes).unwrap();
        let refused = unpack(zip.path()).unwrap_err().to_string();
        assert!(refused.contains("several entries of the ZIP have one name"), "{refused}");
    }

    #[test]
    fn a_link_of_a_zip_is_a_file_that_is_counted_when_it_is_skipped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        zip.add_symlink("2.dcm", "/elsewhere/9", zip::write::SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap();
        let folder = unpack(file.path()).unwrap().unwrap();
        assert_eq!(fs::read(folder.path().join("2.dcm")).unwrap(), b"/elsewhere/9");
    }

    #[test]
    fn a_tar_is_unpacked_from_a_file_and_from_a_stream() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        header.set_mode(0o600);
        builder.append_data(&mut header, "study/1", [7u8; 3].as_slice()).unwrap();
        let bytes = builder.into_inner().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let gzip = tempfile::NamedTempFile::new().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(gzip.reopen().unwrap(), flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
        let [plain, packed] = [&file, &gzip].map(|file| unpack(file.path()).unwrap().unwrap());
        for folder in [plain, packed, unpack_tar(bytes.as_slice()).unwrap()] {
            assert_eq!(fs::read(folder.path().join("study/1")).unwrap(), [7; 3]);
        }
        // Cut off between two files, and with half of its end mark.
        let cut = |at: usize| unpack_tar(&bytes[..at]).map(|_| ()).map_err(|e| e.to_string());
        assert!(cut(1024).unwrap_err().contains("ends without its end mark"));
        assert_eq!((cut(1536), bytes.len()), (Ok(()), 2048));
        // The zeros at the end of an image are no end mark.
        let mut builder = tar::Builder::new(Vec::new());
        header.set_size(1024);
        builder.append_data(&mut header, "study/1", [0u8; 1024].as_slice()).unwrap();
        let bytes = builder.into_inner().unwrap();
        assert!(unpack_tar(&bytes[..1536]).unwrap_err().to_string().contains("ends without its end mark"));
        assert!(unpack_tar(bytes.as_slice()).is_ok());
        assert!(is_archive(gzip.path()) && !is_archive(Path::new("nowhere")));
        assert!(unpack_tar([1u8; 600].as_slice()).is_err());
    }

    #[test]
    fn an_object_under_gzip_is_unpacked_and_no_other_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let pack = |bytes: &[u8]| {
            let path = dir.path().join("1.dcm.gz");
            let mut encoder = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap();
            path
        };
        let object = [[0; 128].as_slice(), b"DICM", &[7; 5000]].concat();
        let path = pack(&object);
        let folder = unpack(&path).unwrap().unwrap();
        assert_eq!(fs::read(folder.path().join("1.dcm")).unwrap(), object);
        // A copy that broke off is an error.
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 8]).unwrap();
        assert!(unpack(&path).is_err());
        for other in [b"text".as_slice(), &[0; 1000]] {
            assert!(unpack(&pack(other)).unwrap().is_none());
        }
    }

    /// A tar of entries: type, name, bytes, and what else is put into the header.
    type Entry<'a> = (tar::EntryType, &'a str, &'a [u8], &'a dyn Fn(&mut tar::Header));

    fn tarred(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, bytes, change) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_path(name).unwrap();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_entry_type(*kind);
            change(&mut header);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn sparse_files_of_a_tar_are_whole_or_refused() {
        // 512 bytes at 1024, of 2048.
        let blocks = [[b"00000002000\0", b"00000001000\0"], [b"00000004000\0", b"00000000000\0"]];
        let sparse = |header: &mut tar::Header| {
            let gnu = header.as_gnu_mut().unwrap();
            for (block, [offset, length]) in gnu.sparse.iter_mut().zip(blocks) {
                block.offset.copy_from_slice(offset);
                block.numbytes.copy_from_slice(length);
            }
            gnu.realsize.copy_from_slice(b"00000004000\0");
        };
        let data = [7; 512];
        let folder = unpack_tar(tarred(&[(tar::EntryType::GNUSparse, "s/1", &data, &sparse)]).as_slice()).unwrap();
        let whole = [[0; 512], [0; 512], data, [0; 512]].concat();
        assert_eq!(fs::read(folder.path().join("s/1")).unwrap(), whole);
        let packed = tarred(&[
            (tar::EntryType::XHeader, "s/PaxHeaders/1", b"22 GNU.sparse.major=1\n", &|_| {}),
            (tar::EntryType::Regular, "s/1", b"1\n0\n5\n", &|_| {}),
        ]);
        assert!(unpack_tar(packed.as_slice()).unwrap_err().to_string().contains("without --sparse"));
    }

    /// Makes an entry a link.
    fn link_to(target: &str) -> impl Fn(&mut tar::Header) {
        move |header| header.set_link_name(target).unwrap()
    }

    #[test]
    fn links_of_a_tar_are_copies_or_named() {
        let unpacked = |kind: tar::EntryType, name: &str, target: &str| {
            let file: Entry<'_> = (tar::EntryType::Regular, "s/1", b"file", &|_| {});
            unpack_tar(tarred(&[file, (kind, name, b"", &link_to(target))]).as_slice())
        };
        let folder = unpacked(tar::EntryType::Link, "s/2", "s/1").unwrap();
        assert_eq!(files(folder.path()), [PathBuf::from("s/1")]);
        assert!(unpacked(tar::EntryType::Link, "s/2", "s/9").unwrap_err().to_string().contains("hard link"));
        // A file that is counted when it is skipped.
        let folder = unpacked(tar::EntryType::Symlink, "s/2.dcm", "/elsewhere/9").unwrap();
        assert_eq!(fs::read(folder.path().join("s/2.dcm")).unwrap(), b"/elsewhere/9");
    }

    #[test]
    fn the_oldest_form_of_a_tar_is_known_by_its_checksum() {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in [("study/", &[0u8; 0][..]), ("study/1", &[7; 3][..])] {
            let mut header = tar::Header::new_old();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            builder.append(&header, bytes).unwrap();
        }
        let mut bytes = builder.into_inner().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let folder = unpack(file.path()).unwrap().unwrap();
        assert_eq!(files(folder.path()), [PathBuf::from("study/1")]);
        bytes[0] ^= 1;
        assert!(!is_tar(&bytes) && !is_tar(&[0; 512]) && !is_tar(b"short"));
    }

    #[test]
    fn a_saved_response_is_unpacked_and_its_metadata_known() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let part = "--b\r\nContent-Type: application/dicom\r\n\r\n";
        fs::write(file.path(), format!("{part}one\r\n{part}two\r\n--b--\r\n")).unwrap();
        let folder = unpack(file.path()).unwrap().unwrap();
        for (name, text) in [("part-1", "one"), ("part-2", "two")] {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text);
        }
        for (text, is) in [
            (r#"[{"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}]"#, true),
            ("\n {\"00080016\":{}}", true),
            ("<?xml version=\"1.0\"?><NativeDicomModel>", true),
            (r#"{"notes": "00080005"}"#, false),
            ("plain", false),
        ] {
            fs::write(file.path(), text).unwrap();
            assert_eq!(is_metadata(file.path()), is, "{text}");
        }
    }
}
