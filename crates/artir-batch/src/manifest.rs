//! A manifest: a file with one job a line.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use crate::{Error, Fault, Job, Shard, Survey, shard::digest};

/// The longest line, MiB: a job that names each of some 100,000 files.
const LONGEST: u64 = 16;
/// Some programs begin a text of UTF-8 with this mark.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The jobs of one shard. Only their places in the file are held in memory.
#[derive(Debug)]
pub struct Manifest {
    path: PathBuf,
    base: PathBuf,
    file: BufReader<File>,
    places: Vec<Place>,
    total: u64,
    survey: Option<Survey>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    line: u64,
}

/// A hash that is long enough never to be that of two of a billion texts.
type Short = [u8; 12];

impl Manifest {
    /// Reads and checks a whole manifest, and keeps the places of the jobs of a shard. Blank lines are skipped.
    ///
    /// # Errors
    /// [`Error::Line`] for the first line that is no job, or that shares its id or output with an earlier one.
    pub fn open(path: &Path, shard: Shard) -> Result<Self, Error> {
        let fail = |e| Error::read(path, e);
        let file = File::open(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(Error::source(path, "not a file: a manifest is read more than once"));
        }
        let base = artir_files::resolve(path).parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        let mut out = Self {
            path: path.to_owned(),
            base,
            file: BufReader::with_capacity(1 << 20, file),
            places: Vec::new(),
            total: 0,
            survey: None,
        };
        let (mut ids, mut taken) = (HashSet::new(), Taken::default());
        let (mut buffer, mut offset, mut line) = (Vec::new(), 0, 0);
        while out.read_line(&mut buffer, line + 1)? {
            line += 1;
            if line == 1 && buffer.starts_with(BYTE_ORDER_MARK) {
                buffer.drain(..BYTE_ORDER_MARK.len());
                offset += BYTE_ORDER_MARK.len() as u64;
            }
            let place = Place { offset, line };
            offset += buffer.len() as u64;
            if buffer.trim_ascii().is_empty() {
                continue;
            }
            let job = Job::parse(&buffer).map_err(|fault| out.fault(line, fault))?;
            let hash = digest(&job.id);
            if !ids.insert(short(&hash)) {
                return Err(out.fault(line, Fault::Twice(job.id)));
            }
            let output = job.output();
            if !taken.add(&output) {
                return Err(out.fault(line, Fault::Shared(output)));
            }
            out.total += 1;
            if shard.holds_digest(&hash) {
                out.places.push(place);
            }
        }
        Ok(out)
    }

    fn fault(&self, line: u64, fault: Fault) -> Error {
        Error::Line { path: self.path.clone(), line, fault }
    }

    /// Reads the line at the file's position; `false` at its end.
    fn read_line(&mut self, buffer: &mut Vec<u8>, line: u64) -> Result<bool, Error> {
        buffer.clear();
        let most = LONGEST << 20;
        let read = (&mut self.file).take(most + 1).read_until(b'\n', buffer);
        let read = read.map_err(|e| Error::read(&self.path, e))?;
        if read as u64 > most { Err(self.fault(line, Fault::Long(LONGEST))) } else { Ok(read > 0) }
    }

    /// The folder where relative inputs begin.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Gives the scenes of mosaics the ranges of a survey.
    pub fn with_survey(mut self, survey: Survey) -> Self {
        self.survey = Some(survey);
        self
    }

    /// Jobs of the shard.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the shard has no job.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Jobs of all shards.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// A job of the shard, in the order of the file.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Line`] when the file was changed since it was opened.
    pub fn job(&mut self, index: usize) -> Result<Job, Error> {
        let Place { offset, line } = self.places[index];
        let mut buffer = Vec::new();
        // A job that follows the one before is in the buffer already.
        let now = self.file.stream_position().map_err(|e| Error::read(&self.path, e))?;
        let step = offset as i64 - now as i64;
        self.file.seek_relative(step).map_err(|e| Error::read(&self.path, e))?;
        self.read_line(&mut buffer, line)?;
        let job = Job::parse(&buffer).and_then(|job| match &self.survey {
            Some(survey) => survey.apply(job),
            None => Ok(job),
        });
        job.map_err(|fault| self.fault(line, fault))
    }
}

fn short(hash: &[u8; 32]) -> Short {
    let mut out = Short::default();
    out.copy_from_slice(&hash[..12]);
    out
}

/// Outputs, and the folders that they lie in.
#[derive(Default)]
struct Taken {
    outputs: HashSet<Short>,
    folders: HashSet<Short>,
}

impl Taken {
    /// Adds an output; `false` when it is one already, or when one lies in the other. Case counts for nothing, as on some
    /// file systems.
    fn add(&mut self, output: &str) -> bool {
        let output = output.to_lowercase();
        let hash = |text: &str| short(&digest(text));
        let mut free = self.outputs.insert(hash(&output)) && !self.folders.contains(&hash(&output));
        for (end, _) in output.match_indices('/') {
            let folder = hash(&output[..end]);
            free &= !self.outputs.contains(&folder);
            self.folders.insert(folder);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(lines: &str, shard: &str) -> Result<Manifest, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.jsonl");
        fs::write(&path, lines).unwrap();
        Manifest::open(&path, shard.parse().unwrap())
    }

    fn line(id: &str, output: &str) -> String {
        format!("{{\"id\":\"{id}\",\"command\":\"ct\",\"input\":\"in\",\"output\":\"{output}\"}}\n")
    }

    #[test]
    fn jobs_are_found_again_in_any_order() {
        let all: String = (0..50).map(|n| line(&format!("j{n}"), &format!("o{n}")) + "\n").collect();
        let mut seen = Vec::new();
        for shard in ["0/3", "1/3", "2/3"] {
            let mut manifest = open(all.trim_end(), shard).unwrap();
            assert_eq!(manifest.total(), 50);
            for index in (0..manifest.len()).rev() {
                let job = manifest.job(index).unwrap();
                assert!(shard.parse::<Shard>().unwrap().holds(&job.id));
                seen.push(job.id);
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 50);
    }

    #[test]
    fn a_mark_of_the_byte_order_is_no_part_of_the_first_job() {
        let lines = format!("\u{feff}{}{}", line("a", "x").replace('\n', "\r\n"), line("b", "y"));
        let mut manifest = open(&lines, "0/1").unwrap();
        let ids: Vec<_> = (0..manifest.len()).rev().map(|index| manifest.job(index).unwrap().id).collect();
        assert_eq!(ids, ["b", "a"]);
    }

    #[test]
    fn lines_that_meet_are_refused_by_their_number() {
        let refused = |lines: String| open(&lines, "0/1").unwrap_err().to_string();
        assert!(refused(line("a", "x") + &line("a", "y")).contains("jsonl:2: id 'a'"));
        for (one, other) in [("x", "x"), ("x", "x/y"), ("x/y", "x"), ("X", "x"), ("a/b/c", "a/b")] {
            let text = refused(line("a", one) + "\n" + &line("b", other));
            assert!(text.contains("jsonl:3: output"), "{one} {other}: {text}");
        }
        open(&(line("a", "x/y") + &line("b", "x/z") + &line("c", "xx")), "0/1").unwrap();
        let broken = refused(line("a", "x") + "{\"id\":\"b\"}");
        assert!(broken.contains("jsonl:2: not a job"), "{broken}");
    }
}
