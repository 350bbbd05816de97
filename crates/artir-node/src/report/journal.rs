//! The journal: what became of each series, one JSON object a line. Series go by the salted hashes that name their folders.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::queue::{Key, record::append_to};

/// A journal of this size becomes `journal.1.jsonl`, and so on. The oldest of the four is deleted.
const LONGEST: u64 = 8 << 20;
const KEPT: usize = 3;
/// Lines that the status page shows.
const SHOWN: usize = 50;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    /// UTC, to the second.
    pub(crate) time: String,
    pub(crate) route: String,
    pub(crate) series: String,
    /// `complete`, `late objects`, `restored`, `sent to` (a target), `sent` (to all), `skipped`, `failed` or `retried`.
    pub(crate) event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slices: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

impl Line {
    pub(crate) fn new(key: &Key, event: &str) -> Self {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        Self { time, route: key.route.clone(), series: key.series.clone(), event: event.to_owned(), ..Self::default() }
    }
}

/// The journal of a node.
pub(crate) struct Journal {
    path: PathBuf,
    state: Mutex<(File, VecDeque<Line>)>,
}

impl Journal {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        let mut last = VecDeque::new();
        for line in BufReader::new(File::open(path)?).lines().map_while(Result::ok) {
            // A power cut may have torn a line.
            if let Ok(line) = serde_json::from_str(&line) {
                remember(&mut last, line);
            }
        }
        Ok(Self { path: path.to_owned(), state: Mutex::new((file, last)) })
    }

    /// Writes a line. The work does not depend on it, so that an error is logged and no more.
    pub(crate) fn write(&self, line: Line) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_string(&line).map_err(io::Error::other).and_then(|text| {
            if state.0.metadata()?.len() > LONGEST {
                state.0 = self.rotate()?;
            }
            state.0.write_all((text + "\n").as_bytes())
        });
        if let Err(e) = written {
            tracing::error!("{}: cannot write: {e}", self.path.display());
        }
        remember(&mut state.1, line);
    }

    fn rotate(&self) -> io::Result<File> {
        let name = |n: usize| self.path.with_extension(format!("{n}.jsonl"));
        for n in (1..KEPT).rev() {
            match fs::rename(name(n), name(n + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::rename(&self.path, name(1))?;
        append_to(&self.path)
    }

    /// The last lines, the newest first.
    pub(crate) fn last(&self) -> Vec<Line> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.iter().rev().cloned().collect()
    }
}

fn remember(last: &mut VecDeque<Line>, line: Line) {
    if last.len() == SHOWN {
        last.pop_front();
    }
    last.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_again_and_old_files_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let key = Key { route: "ct".into(), series: "abc".into() };
        let journal = Journal::open(&path).unwrap();
        journal.write(Line::new(&key, "complete"));
        journal.write(Line { slices: Some(3), ..Line::new(&key, "restored") });
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"time\": \"torn").unwrap();
        Journal::open(&path).unwrap().write(Line::new(&key, "sent"));
        let last = Journal::open(&path).unwrap().last();
        assert_eq!(last.iter().map(|line| line.event.as_str()).collect::<Vec<_>>(), ["sent", "restored", "complete"]);
        assert_eq!((last[1].slices, last[1].series.as_str()), (Some(3), "abc"));
        for n in 0..6 {
            File::options().write(true).open(&path).unwrap().set_len(LONGEST + 1).unwrap();
            journal_again(&path, &key, n);
        }
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["journal.1.jsonl", "journal.2.jsonl", "journal.3.jsonl", "journal.jsonl"]);
    }

    #[test]
    fn a_journal_that_is_a_link_is_not_followed_and_the_error_says_so() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("journal.jsonl")).unwrap();
        let refused = Journal::open(&dir.path().join("journal.jsonl")).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), "it is no regular file");
        assert!(!dir.path().join("elsewhere").exists());
    }

    fn journal_again(path: &Path, key: &Key, n: usize) {
        let journal = Journal::open(path).unwrap();
        journal.write(Line { slices: Some(n), ..Line::new(key, "sent") });
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
    }
}
