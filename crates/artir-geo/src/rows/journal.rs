//! The journal for `--resume`: the restored rows of an interrupted scene, strip by strip, in a hidden folder.
//!
//! A truncated TIFF cannot be continued, and its bytes would differ from those of an uninterrupted run. Therefore the
//! rows are kept in a separate file, compressed, and a resumed run writes them into a new TIFF before it continues.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use artir_files::{HiddenFolder, hex, resolve};
use sha2::{Digest, Sha256};
use zstd::stream::{read::Decoder, write::Encoder};

const JOURNAL: &str = "journal";
const ROWS: &str = "rows";
/// Files of the journal, and the lock of the folder that they are in.
pub(crate) const FILES: [&str; 3] = [JOURNAL, ROWS, "lock"];
/// Start of the first line. The number is the version of the journal's format.
const FORM: &str = "artir-rows 3";
/// Level of Zstandard's compression, the fastest that still makes pixels smaller.
const LEVEL: i32 = 1;

/// The hidden folder for the journal of a result, in a folder of the user's choice. Results of one name in different
/// folders have different ones.
pub(crate) fn folder_in(work: &Path, out: &Path) -> io::Result<HiddenFolder> {
    let digest = hex(&Sha256::digest(resolve(out).as_os_str().as_bytes())[..8]);
    let mut name = OsString::from(out.file_name().unwrap_or_default());
    name.push(format!("-{digest}"));
    HiddenFolder::open(&work.join(name))
}

/// A strip of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Done {
    rows: usize,
    /// Compressed bytes; 0 for a strip without data, of which nothing is kept.
    bytes: u64,
    /// SHA-256 of these bytes.
    digest: String,
}

/// The journal of one scene. The first line identifies settings and sources. Each other line is a strip: its number of rows,
/// the number of its compressed bytes, and their SHA-256.
pub(crate) struct Journal {
    lines: File,
    rows: File,
    /// Strips of an earlier run, from the top.
    done: Vec<Done>,
    /// The next of them to be read, and where its bytes begin.
    next: (usize, u64),
    row_bytes: usize,
    planes: usize,
}

impl Journal {
    /// Continues the folder's journal if it has the same `identity` (one line), else starts over. `row_bytes` are the bytes of a
    /// row of one plane.
    pub(crate) fn open(
        folder: &HiddenFolder,
        identity: &str,
        resume: bool,
        planes: usize,
        row_bytes: usize,
    ) -> io::Result<Self> {
        let entries = if resume { read(folder, identity) } else { Vec::new() };
        let mut rows = match folder.open_file(ROWS) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => folder.create(ROWS)?,
            other => other?,
        };
        let mut whole = 0u64;
        let mut done = Vec::new();
        for entry in entries {
            let mut hash = Sha256::new();
            let copied = io::copy(&mut (&mut rows).take(entry.bytes), &mut hash)?;
            if copied != entry.bytes || hex(&hash.finalize()) != entry.digest {
                break;
            }
            whole += copied;
            done.push(entry);
        }
        rows.set_len(whole)?;
        rows.seek(SeekFrom::End(0))?;
        // Rewrite the journal without an incomplete last line.
        let mut text = format!("{FORM} {identity}\n");
        for Done { rows, bytes, digest } in &done {
            text.push_str(&format!("{rows} {bytes} {digest}\n"));
        }
        let mut lines = folder.create("journal.new")?;
        lines.write_all(text.as_bytes())?;
        std::fs::rename(folder.path().join("journal.new"), folder.path().join(JOURNAL))?;
        Ok(Self { lines, rows, done, next: (0, 0), row_bytes, planes })
    }

    /// Rows that an earlier run restored.
    pub(crate) fn rows_done(&self) -> usize {
        self.done.iter().map(|done| done.rows).sum()
    }

    /// The next strip of an earlier run: its number of rows, and its planes; no planes are a strip without data. `None` after
    /// the last one. Read all of them before adding any.
    pub(crate) fn next(&mut self) -> io::Result<Option<(usize, Vec<Vec<u8>>)>> {
        let (index, at) = self.next;
        let Some(Done { rows, bytes, .. }) = self.done.get(index).cloned() else { return Ok(None) };
        self.next = (index + 1, at + bytes);
        if bytes == 0 {
            return Ok(Some((rows, Vec::new())));
        }
        let too_large = || io::Error::new(io::ErrorKind::InvalidData, "its journal has strips of another size");
        let length = rows.checked_mul(self.row_bytes).ok_or_else(too_large)?;
        self.rows.seek(SeekFrom::Start(at))?;
        let mut from = Decoder::new((&mut self.rows).take(bytes))?;
        let mut planes = Vec::new();
        for _ in 0..self.planes {
            let mut plane = vec![0; length];
            from.read_exact(&mut plane)?;
            planes.push(plane);
        }
        self.rows.seek(SeekFrom::End(0))?;
        Ok(Some((rows, planes)))
    }

    /// Records a restored strip; no planes are one without data.
    pub(crate) fn add(&mut self, rows: usize, planes: &[Vec<u8>]) -> io::Result<()> {
        if planes.is_empty() {
            return self.line(rows, 0, Sha256::new());
        }
        let mut to = Encoder::new(Counted { to: &mut self.rows, hash: Sha256::new(), bytes: 0 }, LEVEL)?;
        for plane in planes {
            to.write_all(plane)?;
        }
        let Counted { hash, bytes, .. } = to.finish()?;
        self.line(rows, bytes, hash)
    }

    fn line(&mut self, rows: usize, bytes: u64, hash: Sha256) -> io::Result<()> {
        self.lines.write_all(format!("{rows} {bytes} {}\n", hex(&hash.finalize())).as_bytes())
    }
}

/// Counts and hashes what is written.
struct Counted<'a> {
    to: &'a mut File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.to.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn read(folder: &HiddenFolder, identity: &str) -> Vec<Done> {
    let Ok(file) = folder.open_file(JOURNAL) else { return Vec::new() };
    let mut lines = BufReader::new(file).lines().map_while(Result::ok);
    if lines.next().as_deref() != Some(&*format!("{FORM} {identity}")) {
        tracing::info!("the unfinished result of an earlier run has other settings or sources: starting over");
        return Vec::new();
    }
    let entry = |line: String| {
        let mut words = line.split(' ');
        let (rows, bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Done { rows, bytes, digest: words.next()?.to_owned() })
    };
    lines.map_while(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &HiddenFolder, identity: &str) -> Journal {
        Journal::open(folder, identity, true, 2, 4).unwrap()
    }

    fn strips(journal: &Journal) -> Vec<usize> {
        journal.done.iter().map(|done| done.rows).collect()
    }

    #[test]
    fn whole_strips_are_taken_up_and_torn_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = HiddenFolder::open(&dir.path().join("out.tif")).unwrap();
        let mut first = open(&folder, "a");
        first.add(1, &[vec![1; 4], vec![2; 4]]).unwrap();
        first.add(5, &[]).unwrap();
        first.add(2, &[vec![3; 8], vec![4; 8]]).unwrap();
        drop(first);
        let mut again = open(&folder, "a");
        assert_eq!((again.rows_done(), strips(&again)), (8, vec![1, 5, 2]));
        assert_eq!(again.next().unwrap(), Some((1, vec![vec![1; 4], vec![2; 4]])));
        assert_eq!(again.next().unwrap(), Some((5, Vec::new())));
        assert_eq!(again.next().unwrap(), Some((2, vec![vec![3; 8], vec![4; 8]])));
        assert_eq!(again.next().unwrap(), None);
        again.add(1, &[vec![5; 4], vec![6; 4]]).unwrap();
        drop(again);
        let rows = folder.path().join(ROWS);
        let length = std::fs::metadata(&rows).unwrap().len();
        File::options().write(true).open(&rows).unwrap().set_len(length - 1).unwrap();
        assert_eq!(strips(&open(&folder, "a")), [1, 5, 2]);
        let mut bytes = std::fs::read(&rows).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&rows, bytes).unwrap();
        assert_eq!(strips(&open(&folder, "a")), [1, 5], "a strip that was changed, and all after it, are made again");
        assert_eq!(open(&folder, "b").rows_done(), 0, "other settings start anew");
    }

    #[test]
    fn rows_are_kept_compressed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = HiddenFolder::open(&dir.path().join("out.tif")).unwrap();
        let mut journal = Journal::open(&folder, "a", false, 1, 50_000).unwrap();
        journal.add(2, &[(0..100_000u32).map(|i| (i / 300) as u8).collect()]).unwrap();
        assert!(std::fs::metadata(folder.path().join(ROWS)).unwrap().len() < 10_000);
    }

    #[test]
    fn results_of_one_name_have_journals_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (folder_in(dir.path(), Path::new("a/o.tif")), folder_in(dir.path(), Path::new("b/o.tif")));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.path() != b.path() && a.path().parent() == Some(dir.path()), "{a:?}");
        assert!(a.path().display().to_string().contains("o.tif"), "{a:?}");
    }
}
