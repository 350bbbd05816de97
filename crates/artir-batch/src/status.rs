//! How far a batch is, from the journals of all its processes.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Command, Error, FOLDER, State, shard::digest, store::Header};

/// Slowest jobs that are shown.
const SLOWEST: usize = 10;
/// The rate is that of the last hour.
const WINDOW: f64 = 3600.0;

/// How far a batch is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Jobs of the manifest, as the last process that did something read it.
    pub total: u64,
    /// Jobs by the state of their last end.
    pub states: BTreeMap<State, u64>,
    /// Jobs that are not begun, or that failed and may work another time.
    pub left: u64,
    /// Jobs that a process works on, or was killed over.
    pub running: u64,
    /// Jobs whose work has ended several processes, and how many.
    pub ended_processes: BTreeMap<String, u32>,
    /// Jobs an hour, over the last hour of work.
    pub rate_per_hour: f64,
    /// Seconds until all is done at this rate.
    pub seconds_left: Option<f64>,
    /// Sum of the times of all jobs, seconds.
    pub work_seconds: f64,
    /// Sum of the times that processes waited for input, seconds.
    pub waited_seconds: f64,
    /// Bytes of all inputs.
    pub bytes: u64,
    /// Restored pixels.
    pub pixels: u64,
    /// Restored slices.
    pub slices: u64,
    /// Reasons of jobs that did not end well, the most frequent first.
    pub reasons: Vec<Why>,
    /// The slowest jobs.
    pub slowest: Vec<Slow>,
}

/// A reason, and how many jobs have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The state of these jobs.
    pub state: State,
    /// The reason.
    pub reason: String,
    /// Their number.
    pub jobs: u64,
}

/// A slow job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slow {
    /// The job.
    pub id: String,
    /// Its command.
    pub command: Command,
    /// Its time.
    pub seconds: f64,
}

/// A line of a journal, as far as the status needs it. Without `serde(flatten)`, which would take most of the time.
#[derive(Deserialize)]
struct Line<'a> {
    id: &'a str,
    command: Command,
    state: State,
    // It may hold escaped characters.
    reason: Option<String>,
    begun: f64,
    seconds: f64,
    waited: f64,
    bytes: u64,
    pixels: Option<u64>,
    slices: Option<u64>,
}

/// The last end of a job.
struct Last {
    begun: f64,
    seconds: f64,
    waited: f64,
    state: State,
    reason: Option<u32>,
    bytes: u64,
    pixels: u64,
    slices: u64,
}

/// The journals of a batch, in the order of their names.
pub(crate) fn journals(out: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = out.join(FOLDER).join("journal");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Error::NoBatch { path: out.to_owned() }),
        Err(e) => return Err(Error::read(&folder, e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::read(&folder, e))?.path();
        if path.extension().is_some_and(|e| e == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads the lines of a journal. The last line of a process that was killed may be cut off, and is left out.
pub(crate) fn lines(path: &Path, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
    let fail = |e| Error::read(path, e);
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(fail)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line).map_err(fail)? == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        each(&line);
    }
}

/// Reads the journals of a folder of results.
///
/// # Errors
/// [`Error::NoBatch`] for a folder that no batch has written into, and [`Error::Read`].
pub fn status(out: &Path) -> Result<Status, Error> {
    let mut last: HashMap<[u8; 32], Last> = HashMap::new();
    let mut reasons: HashMap<String, u32> = HashMap::new();
    let mut slow: Vec<(f64, Slow)> = Vec::new();
    let mut newest: Option<Header> = None;
    for path in journals(out)? {
        lines(&path, |line| {
            let Ok(entry) = serde_json::from_slice::<Line<'_>>(line) else {
                if let Ok(header) = serde_json::from_slice::<Header>(line)
                    && newest.as_ref().is_none_or(|newest| newest.begun < header.begun)
                {
                    newest = Some(header);
                }
                return;
            };
            let reason = entry.reason.map(|reason| {
                let next = reasons.len() as u32;
                *reasons.entry(reason).or_insert(next)
            });
            let Line { begun, seconds, waited, state, bytes, .. } = entry;
            let (pixels, slices) = (entry.pixels.unwrap_or(0), entry.slices.unwrap_or(0));
            let place = last.entry(digest(entry.id));
            let new = Last { begun, seconds, waited, state, reason, bytes, pixels, slices };
            let old = place.or_insert_with(|| Last { begun: f64::NEG_INFINITY, ..new });
            if begun + seconds >= old.begun + old.seconds {
                *old = Last { begun, seconds, waited, state, reason, bytes, pixels, slices };
                if slow.len() < SLOWEST || slow.last().is_some_and(|(_, slowest)| slowest.seconds < seconds) {
                    keep(&mut slow, begun, Slow { id: entry.id.to_owned(), command: entry.command, seconds });
                }
            }
        })?;
    }
    let mut out_status = sums(&last, &reasons);
    // Of a job that was done again, the last time counts.
    slow.retain(|(begun, slow)| last.get(&digest(&slow.id)).is_some_and(|last| last.begun == *begun));
    out_status.slowest = slow.into_iter().map(|(_, slow)| slow).collect();
    let settled = last.len() as u64 - out_status.states.get(&State::Failed).copied().unwrap_or(0);
    out_status.total = newest.map_or(0, |header| header.total).max(last.len() as u64);
    out_status.left = out_status.total - settled;
    let rate = out_status.rate_per_hour;
    out_status.seconds_left = (rate > 0.0).then(|| (3600.0 * out_status.left as f64 / rate).round());
    running(out, &mut out_status);
    Ok(out_status)
}

fn keep(slow: &mut Vec<(f64, Slow)>, begun: f64, new: Slow) {
    slow.retain(|(_, old)| old.id != new.id);
    let place = slow.partition_point(|(_, old)| old.seconds >= new.seconds);
    slow.insert(place, (begun, new));
    slow.truncate(SLOWEST);
}

fn sums(last: &HashMap<[u8; 32], Last>, reasons: &HashMap<String, u32>) -> Status {
    let mut out = Status::default();
    let mut by_reason: BTreeMap<(State, u32), u64> = BTreeMap::new();
    let (mut first, mut end) = (f64::INFINITY, f64::NEG_INFINITY);
    for job in last.values() {
        *out.states.entry(job.state).or_default() += 1;
        if let Some(reason) = job.reason {
            *by_reason.entry((job.state, reason)).or_default() += 1;
        }
        first = first.min(job.begun);
        end = end.max(job.begun + job.seconds);
        out.work_seconds += job.seconds;
        out.waited_seconds += job.waited;
        out.bytes += job.bytes;
        out.pixels += job.pixels;
        out.slices += job.slices;
    }
    if end > first {
        let from = first.max(end - WINDOW);
        let count = last.values().filter(|job| job.begun + job.seconds >= from).count();
        out.rate_per_hour = count as f64 / (end - from) * 3600.0;
    }
    let names: HashMap<u32, &String> = reasons.iter().map(|(text, number)| (*number, text)).collect();
    out.reasons = by_reason
        .into_iter()
        .map(|((state, reason), jobs)| Why { state, reason: names[&reason].clone(), jobs })
        .collect();
    out.reasons.sort_by(|a, b| b.jobs.cmp(&a.jobs).then_with(|| a.reason.cmp(&b.reason)));
    out
}

/// Adds what processes work on. A folder that cannot be read shows nothing.
fn running(out: &Path, status: &mut Status) {
    for entry in fs::read_dir(out.join(FOLDER).join("running")).into_iter().flatten().flatten() {
        status.running += 1;
        let begun = fs::read_to_string(entry.path()).ok().and_then(|text| text.trim().parse::<u32>().ok());
        if let Some(begun) = begun.filter(|begun| *begun > 1) {
            status.ended_processes.insert(entry.file_name().to_string_lossy().into_owned(), begun - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(journals: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER).join("journal");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(dir.path().join(FOLDER).join("running")).unwrap();
        for (n, text) in journals.iter().enumerate() {
            fs::write(folder.join(format!("{n}.jsonl")), text).unwrap();
        }
        dir
    }

    fn line(id: &str, state: &str, begun: f64, seconds: f64, reason: &str) -> String {
        let reason = if reason.is_empty() { String::new() } else { format!(",\"reason\":\"{reason}\"") };
        format!(
            "{{\"id\":\"{id}\",\"command\":\"ct\",\"state\":\"{state}\"{reason},\"begun\":{begun:?},\"seconds\":{seconds:?},\
             \"waited\":0.5,\"shard\":\"0/1\",\"bytes\":10,\"slices\":2}}\n"
        )
    }

    #[test]
    fn the_last_end_of_a_job_counts_and_a_cut_line_does_not() {
        let header = "{\"journal\":1,\"shard\":\"0/2\",\"total\":6,\"begun\":0.0}\n";
        let one = header.to_owned()
            + &line("a", "failed", 0.0, 50.0, "the disk is full")
            + &line("b", "unusable", 60.0, 2.0, "no")
            + "{\"id\":\"cut";
        let two = line("a", "done", 100.0, 20.0, "") + &line("c", "failed", 130.0, 1.0, "no \\\"device\\\"");
        let dir = batch(&[&one, &two]);
        fs::write(dir.path().join(".artir/running/d"), "3").unwrap();
        let status = status(dir.path()).unwrap();
        let states: Vec<_> = status.states.iter().map(|(state, n)| (state.name(), *n)).collect();
        assert_eq!(states, [("done", 1), ("unusable", 1), ("failed", 1)]);
        assert_eq!((status.total, status.left, status.running), (6, 4, 1));
        assert_eq!(status.ended_processes, BTreeMap::from([("d".to_owned(), 2)]));
        let slowest: Vec<_> = status.slowest.iter().map(|slow| slow.id.as_str()).collect();
        assert_eq!(slowest, ["a", "b", "c"]);
        assert_eq!(status.reasons.len(), 2);
        assert!(status.reasons.iter().any(|why| why.reason == "no \"device\"" && why.jobs == 1));
        // Three jobs in 71 s.
        assert!((status.rate_per_hour - 3.0 * 3600.0 / 71.0).abs() < 1e-6, "{}", status.rate_per_hour);
        assert_eq!((status.bytes, status.slices), (30, 6));
    }

    #[test]
    fn a_folder_without_a_batch_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(status(dir.path()), Err(Error::NoBatch { .. })));
    }
}
