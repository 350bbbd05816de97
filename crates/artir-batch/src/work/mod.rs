//! One process: the jobs of its shard, one after the other.
//!
//! A second thread looks ahead: it skips what is done, and reads the input of the next job while the network restores the one
//! before. Reading hashes the bytes for the record, and leaves them in the memory of the system.

mod ahead;
mod results;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Instant,
};

use artir_files::Encoding;
use serde_json::Value;

pub(crate) use self::results::files_of;
use self::{
    ahead::{Ahead, Input, Ready},
    results::{are_there, results},
};
use crate::{
    Entry, Error, Figures, Job, Manifest, ModelName, Record, Results, Shard, State, Store, Upload,
    network::{Miss, Network},
    record::SCHEMA,
    store::{Claim, Journal, folder_of},
};

/// A job that has ended so many processes is not begun again.
const MOST_ENDS: u32 = 10;
/// So many failures in a row are a full disk or a lost device, and no matter of a job.
const MOST_FAILED: u32 = 10;
/// Why a result is not written: it would replace or remove what the batch has not made.
const TAKEN: &str = "what lies in its place is no result of this job: choose another output, or remove what lies there";

/// What the batch must know of jobs before they are run. It is asked from a second thread.
pub trait Look: Sync {
    /// The local files and folders that a job reads.
    fn files(&self, job: &Job) -> Vec<PathBuf>;
    /// All that decides the result except the files: the command with its options, and the model by its hash.
    ///
    /// # Errors
    /// The reason why it cannot be known, such as a model that is missing.
    fn decides(&self, job: &Job) -> Result<Encoding, String>;
    /// Whether the process has been asked to stop.
    fn stops(&self) -> bool;
    /// Whether records name paths.
    fn shows_paths(&self) -> bool;
}

/// How the work on a job ended.
#[derive(Debug)]
pub enum End {
    /// It was interrupted. It is continued another time.
    Stopped,
    /// It came to an end.
    Ended {
        /// How.
        state: State,
        /// Why not well.
        reason: Option<String>,
        /// Measured on it.
        figures: Figures,
        /// The model.
        model: Option<ModelName>,
        /// Runtime and device.
        runtime: Option<String>,
        /// The report of the command.
        report: Option<Value>,
    },
}

impl End {
    /// A job that ended without a result.
    pub fn without_result(state: State, reason: impl Into<String>) -> Self {
        let (figures, model, runtime, report) = (Figures::default(), None, None, None);
        Self::Ended { state, reason: Some(reason.into()), figures, model, runtime, report }
    }
}

/// What a process has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Jobs that ended, by their state.
    pub ended: BTreeMap<State, u64>,
    /// Jobs that had ended before, and were skipped, by their state.
    pub before: BTreeMap<State, u64>,
    /// Jobs that other processes work on.
    pub busy: u64,
    /// The process was asked to stop.
    pub stopped: bool,
    /// Too many jobs failed in a row.
    pub gave_up: bool,
}

impl Ran {
    /// Jobs of a state, ended now or before.
    pub fn all(&self, state: State) -> u64 {
        [&self.ended, &self.before].iter().filter_map(|counts| counts.get(&state)).sum()
    }
}

/// Runs the jobs of a shard that are not done. `restore` runs one of them.
///
/// # Errors
/// [`Error::Line`] and [`Error::Read`] when the manifest changes, [`Error::Write`] when records cannot be written.
pub fn run(
    mut manifest: Manifest,
    shard: Shard,
    store: &Store,
    look: &impl Look,
    mut restore: impl FnMut(&Job) -> End,
) -> Result<Ran, Error> {
    let total = manifest.total();
    let ended = AtomicBool::new(false);
    let stops = || look.stops() || ended.load(Ordering::Relaxed);
    thread::scope(|scope| {
        // Without a place in between: one job is read ahead, and no more.
        let (give, take) = sync_channel(0);
        let ahead = scope.spawn(|| {
            let (network, before) = (Network::default(), BTreeMap::new());
            let mut ahead = Ahead { manifest: &mut manifest, store, look, network, stops: &stops, before, give };
            ahead.all().map(|()| ahead.before)
        });
        let mut worker = Worker { shard, store, look, total, journal: None, failed: 0, ran: Ran::default() };
        let worked = worker.all(&take, &mut restore);
        ended.store(true, Ordering::Relaxed);
        drop(take);
        let before = ahead.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        worked?;
        for (state, count) in before? {
            *worker.ran.before.entry(state).or_default() += count;
        }
        worker.ran.stopped |= look.stops();
        Ok(worker.ran)
    })
}

struct Worker<'a, L: Look> {
    shard: Shard,
    store: &'a Store,
    look: &'a L,
    total: u64,
    journal: Option<Journal>,
    /// Failures in a row.
    failed: u32,
    ran: Ran,
}

impl<L: Look> Worker<'_, L> {
    fn all(&mut self, take: &Receiver<Box<Ready>>, restore: &mut impl FnMut(&Job) -> End) -> Result<(), Error> {
        loop {
            let begun = Instant::now();
            let Ok(ready) = take.recv() else { return Ok(()) };
            if self.look.stops() {
                self.ran.stopped = true;
                return Ok(());
            }
            let waited = begun.elapsed().as_secs_f64();
            if !self.one(*ready, waited, restore)? {
                return Ok(());
            }
        }
    }

    /// Runs one job; `false` to end the process.
    fn one(&mut self, ready: Ready, waited: f64, restore: &mut impl FnMut(&Job) -> End) -> Result<bool, Error> {
        let Ready { job, key, sources, ends, input } = ready;
        let Some(claim) = self.store.claim(&job.id)? else {
            tracing::info!(job = job.id, "another process works on it");
            self.ran.busy += 1;
            return Ok(true);
        };
        if let Input::Missed { miss, .. } = &input {
            say_end(&job.id, miss.state, &miss.reason);
        }
        if let Input::Missed { known: true, .. } = &input {
            // Its record stays, and the journals keep saying that it is done.
            claim.end()?;
            return Ok(self.count(State::Failed, false));
        }
        // Another process may have ended it since it was looked at.
        if let Some(record) = self.store.record(&job.id)
            && key.as_ref() == Ok(&record.key)
            && record.sources.state == sources.state
            && record.sources.sha256 == sources.sha256
            && are_there(self.store, &job, &record) == Ok(true)
        {
            claim.end()?;
            *self.ran.before.entry(record.entry.state).or_default() += 1;
            return Ok(true);
        }
        let (begun, clock) = (now(), Instant::now());
        let (mut record, is_new) = match input {
            Input::Staged(record) => (*record, false),
            input => {
                let end = self.restored(&job, &key, input, ends.max(claim.ends), restore)?;
                let End::Ended { state, reason, figures, model, runtime, report } = end else {
                    // In good order: this beginning counts for nothing.
                    claim.end()?;
                    self.ran.stopped = true;
                    return Ok(false);
                };
                let entry = Entry {
                    id: job.id.clone(),
                    command: job.command,
                    state,
                    reason,
                    begun,
                    seconds: 0.0,
                    waited: thousandths(waited),
                    shard: self.shard.to_string(),
                    bytes: sources.bytes,
                    figures,
                };
                let show = self.look.shows_paths();
                let record = Record {
                    schema: SCHEMA,
                    artir: artir_core::VERSION.into(),
                    entry,
                    key: key.unwrap_or_default(),
                    sources,
                    results: match state {
                        State::Done | State::Partial => results(&self.store.place(&job)),
                        State::Unusable | State::Failed => Results::default(),
                    },
                    settings: job.shown_options(show),
                    model,
                    runtime,
                    report,
                    input: if show { job.input.clone() } else { Vec::new() },
                    output: show.then(|| job.output()),
                };
                (record, true)
            }
        };
        record.entry.seconds = thousandths(clock.elapsed().as_secs_f64());
        if matches!(record.entry.state, State::Done | State::Partial)
            && !self.uploaded(&job, &mut record, is_new, clock)?
        {
            claim.end()?;
            self.ran.stopped = true;
            return Ok(false);
        }
        // The store's record would go on to say that an earlier input of this job is done.
        if record.entry.state == State::Unusable
            && let Some(upload) = self.store.upload()
            && let Err(miss) = upload.remove_record(&job.id)
        {
            not_stored(&mut record, &miss);
        }
        let (state, taken) = (record.entry.state, record.entry.reason.as_ref().is_some_and(|why| why.ends_with(TAKEN)));
        self.write(&record, claim)?;
        Ok(self.count(state, taken))
    }

    /// Counts the end of a job; `false` to end the process. A place that is taken is a matter of the job alone.
    fn count(&mut self, state: State, taken: bool) -> bool {
        *self.ran.ended.entry(state).or_default() += 1;
        if !taken {
            self.failed = if state == State::Failed { self.failed + 1 } else { 0 };
        }
        self.ran.gave_up = self.failed >= MOST_FAILED;
        !self.ran.gave_up
    }

    /// The end of the work on a job whose result is not there.
    fn restored(
        &self,
        job: &Job,
        key: &Result<String, String>,
        input: Input,
        ends: u32,
        restore: &mut impl FnMut(&Job) -> End,
    ) -> Result<End, Error> {
        if let Err(reason) = key {
            return Ok(End::without_result(State::Failed, reason.clone()));
        }
        if let Input::Missed { miss, .. } = input {
            return Ok(End::without_result(miss.state, miss.reason));
        }
        if ends >= MOST_ENDS {
            let reason = format!("{ends} processes ended while they worked on it: killed, out of memory, or a crash");
            return Ok(End::without_result(State::Unusable, reason));
        }
        if self.is_taken(job, key, ends) {
            let reason = format!("output: {TAKEN}");
            say_end(&job.id, State::Failed, &reason);
            return Ok(End::without_result(State::Failed, reason));
        }
        self.store.remove_record(&job.id)?;
        // A staged result of other settings or inputs is removed. What an interrupted run left has no record, and stays.
        if self.store.staged(&job.id).is_some() {
            self.store.unstage(&job.id)?;
        }
        let end = match input {
            Input::Fetched(fetched) => self.attempt(job, &fetched.job(job), restore),
            _ => self.attempt(job, job, restore),
        };
        // An earlier result may still be there, and no record will say whose it is.
        let has_result = matches!(end, End::Ended { state: State::Done | State::Partial, .. });
        if !has_result && self.has_file(job) {
            self.store.note_place(job)?;
        }
        Ok(end)
    }

    /// Whether a file lies where a job writes one. Results that are put into a store are made in a folder of their own.
    fn has_file(&self, job: &Job) -> bool {
        self.store.upload().is_none() && job.files_at(&self.store.place(job)).iter().any(|file| file.is_file())
    }

    /// Whether that file is none that the job has made.
    fn is_taken(&self, job: &Job, key: &Result<String, String>, ends: u32) -> bool {
        if ends > 0 || !self.has_file(job) || self.store.knows_place(job) {
            return false;
        }
        let is_own =
            |record: Record| key.as_ref() == Ok(&record.key) || record.results == results(&self.store.place(job));
        !self.store.record(&job.id).is_some_and(is_own)
    }

    /// Makes sure that the store holds nothing else where the result of a job goes.
    fn own_place(&self, upload: &Upload, job: &Job, folder: &Path) -> Result<Result<(), Miss>, Error> {
        if self.store.knows_place(job) {
            return Ok(Ok(()));
        }
        match upload.meets_others(job, folder) {
            Ok(false) => self.store.note_place(job).map(Ok),
            Ok(true) => Ok(Err(Miss::later(TAKEN))),
            Err(miss) => Ok(Err(miss)),
        }
    }

    /// Puts a result into its store, if there is one: the record comes last; `false` when the process is asked to stop.
    fn uploaded(&self, job: &Job, record: &mut Record, is_new: bool, clock: Instant) -> Result<bool, Error> {
        let Some(upload) = self.store.upload() else { return Ok(true) };
        if is_new {
            self.store.stage(record)?;
        }
        let stops = || self.look.stops();
        let folder = folder_of(self.store.out(), job, true);
        let own = self.own_place(upload, job, &folder)?;
        let put = own.and_then(|()| upload.remove_record(&job.id)).and_then(|()| {
            if !upload.put(&folder, &job.output(), &stops)? {
                return Ok(false);
            }
            record.entry.seconds = thousandths(clock.elapsed().as_secs_f64());
            upload.put_record(record).map(|()| true)
        });
        put.or_else(|miss| {
            not_stored(record, &miss);
            Ok(true)
        })
    }

    /// Runs a job; `copied` has the copies of its inputs.
    fn attempt(&self, job: &Job, copied: &Job, restore: &mut impl FnMut(&Job) -> End) -> End {
        let place = self.store.place(job);
        // Processes that make and remove a folder for their results at the same time would be in each other's way.
        if let Some(folder) = place.parent()
            && let Err(e) = fs::create_dir_all(folder)
        {
            return End::without_result(
                State::Failed,
                format!("the folder of the result cannot be made: {}", e.kind()),
            );
        }
        let attempt = catch_unwind(AssertUnwindSafe(|| restore(copied)));
        attempt.unwrap_or_else(|_| End::without_result(State::Unusable, "artir has an error in it: a thread panicked"))
    }

    /// The journal has the job before its record: a process that is killed between the two does the job again, and no job
    /// that is done is missing from the journals.
    fn write(&mut self, record: &Record, claim: Claim) -> Result<(), Error> {
        if self.journal.is_none() {
            self.journal = Some(self.store.journal(self.shard, self.total, record.entry.begun)?);
        }
        if let Some(journal) = &mut self.journal {
            journal.add(&record.entry)?;
        }
        if record.entry.state != State::Failed {
            self.store.write_record(record)?;
            self.store.unstage(&record.entry.id)?;
        }
        claim.end()
    }
}

/// Prints how a job ended. `eprintln!` would panic where nobody can read it: a closed pipe, or a log on a full disk.
pub fn say_end(id: &str, state: State, reason: &str) {
    let _ = writeln!(io::stderr().lock(), "artir: job {id}: {}: {reason}", state.name());
}

fn thousandths(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Seconds since 1970.
fn now() -> f64 {
    chrono::Utc::now().timestamp_millis() as f64 / 1000.0
}

/// A job whose store does not answer has failed: whatever the reason, the input is not to blame.
fn not_stored(record: &mut Record, miss: &Miss) {
    let reason = format!("the result is not in its store: {}", miss.reason);
    say_end(&record.entry.id, State::Failed, &reason);
    record.entry.state = State::Failed;
    record.entry.reason = Some(reason);
    record.results = Results::default();
}
