//! The journal for `--resume`: the restored rows of an interrupted scene, strip by strip, next to the unfinished file.
//!
//! A truncated TIFF cannot be continued, and its bytes would differ from those of an uninterrupted run. Therefore the
//! rows are kept in a separate file, and a resumed run writes them into a new TIFF before it continues.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
};

use artir_files::{HiddenFolder, hex};
use sha2::{Digest, Sha256};

const JOURNAL: &str = "journal";
const ROWS: &str = "rows";
/// Start of the first line. The number is the version of the journal's format.
const FORM: &str = "artir-rows 1";

/// The journal of one scene. The first line identifies settings and sources. Each other line is a strip: its number of rows
/// and the SHA-256 of their bytes.
pub(crate) struct Journal {
    lines: File,
    rows: File,
    /// Strips of an earlier run, from the top.
    done: Vec<usize>,
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
        let mut entries = if resume { read(folder, identity) } else { Vec::new() };
        let mut rows = match folder.open_file(ROWS) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => folder.create(ROWS)?,
            other => other?,
        };
        let mut whole = 0u64;
        let mut kept = Vec::new();
        for (count, digest) in entries.drain(..) {
            let Some(length) = count.checked_mul(row_bytes).and_then(|n| n.checked_mul(planes)) else { break };
            let mut hash = Sha256::new();
            let copied = io::copy(&mut (&mut rows).take(length as u64), &mut hash)?;
            if copied != length as u64 || hex(&hash.finalize()) != digest {
                break;
            }
            whole += copied;
            kept.push((count, digest));
        }
        rows.set_len(whole)?;
        rows.seek(SeekFrom::Start(0))?;
        // Rewrite the journal without an incomplete last line.
        let mut text = format!("{FORM} {identity}\n");
        for (count, digest) in &kept {
            text.push_str(&format!("{count} {digest}\n"));
        }
        let mut lines = folder.create("journal.new")?;
        lines.write_all(text.as_bytes())?;
        std::fs::rename(folder.path().join("journal.new"), folder.path().join(JOURNAL))?;
        Ok(Self { lines, rows, done: kept.into_iter().map(|(count, _)| count).collect(), row_bytes, planes })
    }

    /// Rows that an earlier run restored.
    pub(crate) fn rows_done(&self) -> usize {
        self.done.iter().sum()
    }

    /// Strips of an earlier run.
    pub(crate) fn strips(&self) -> &[usize] {
        &self.done
    }

    /// The next strip of an earlier run, its planes one after another. Call it once for each strip, before adding any.
    pub(crate) fn next(&mut self, rows: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut planes = Vec::new();
        for _ in 0..self.planes {
            let mut plane = vec![0; rows * self.row_bytes];
            self.rows.read_exact(&mut plane)?;
            planes.push(plane);
        }
        Ok(planes)
    }

    /// Records a restored strip.
    pub(crate) fn add(&mut self, rows: usize, planes: &[Vec<u8>]) -> io::Result<()> {
        let mut hash = Sha256::new();
        for plane in planes {
            self.rows.write_all(plane)?;
            hash.update(plane);
        }
        self.lines.write_all(format!("{rows} {}\n", hex(&hash.finalize())).as_bytes())
    }
}

fn read(folder: &HiddenFolder, identity: &str) -> Vec<(usize, String)> {
    let Ok(file) = folder.open_file(JOURNAL) else { return Vec::new() };
    let mut lines = BufReader::new(file).lines().map_while(Result::ok);
    if lines.next().as_deref() != Some(&*format!("{FORM} {identity}")) {
        tracing::info!("the unfinished result of an earlier run has other settings or sources: starting over");
        return Vec::new();
    }
    let entry = |line: String| {
        let (rows, digest) = line.split_once(' ')?;
        Some((rows.parse().ok()?, digest.to_owned()))
    };
    lines.map_while(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &HiddenFolder, identity: &str) -> Journal {
        Journal::open(folder, identity, true, 2, 4).unwrap()
    }

    #[test]
    fn whole_strips_are_taken_up_and_torn_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = HiddenFolder::open(&dir.path().join("out.tif")).unwrap();
        let mut first = open(&folder, "a");
        first.add(1, &[vec![1; 4], vec![2; 4]]).unwrap();
        first.add(2, &[vec![3; 8], vec![4; 8]]).unwrap();
        drop(first);
        let mut again = open(&folder, "a");
        assert_eq!((again.rows_done(), again.strips()), (3, &[1, 2][..]));
        assert_eq!(again.next(1).unwrap(), [vec![1; 4], vec![2; 4]]);
        assert_eq!(again.next(2).unwrap(), [vec![3; 8], vec![4; 8]]);
        again.add(1, &[vec![5; 4], vec![6; 4]]).unwrap();
        drop(again);
        let rows = folder.path().join(ROWS);
        let length = std::fs::metadata(&rows).unwrap().len();
        File::options().write(true).open(&rows).unwrap().set_len(length - 1).unwrap();
        assert_eq!(open(&folder, "a").strips(), [1, 2]);
        let mut bytes = std::fs::read(&rows).unwrap();
        bytes[10] ^= 1;
        std::fs::write(&rows, bytes).unwrap();
        assert_eq!(open(&folder, "a").strips(), [1], "a strip that was changed, and all after it, are made again");
        assert_eq!(open(&folder, "b").rows_done(), 0, "other settings start anew");
    }
}
