//! One process: the jobs of its shard, one after the other.
//!
//! A second thread looks ahead: it skips what is done, and reads the input of the next job while the network restores the one
//! before. Reading hashes the bytes for the record, and leaves them in the memory of the system.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Instant, SystemTime},
};

use artir_files::Encoding;
use serde_json::Value;
use walkdir::WalkDir;

use crate::{
    Entry, Error, Figures, Job, Manifest, ModelName, Record, Results, Shard, Sources, State, Store,
    fetch::{self, Fetched, Network},
    orthanc::Miss,
    record::SCHEMA,
    sources,
    store::{Claim, Journal},
};

/// A job that has ended so many processes is not begun again.
const MOST_ENDS: u32 = 10;
/// So many failures in a row are a full disk or a lost device, and no matter of a job.
const MOST_FAILED: u32 = 10;

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

/// A job that is to be run, and its input.
struct Ready {
    job: Job,
    key: Result<String, String>,
    sources: Sources,
    ends: u32,
    fetched: Result<Option<Fetched>, Miss>,
}

/// What a look at a job shows.
enum Seen {
    /// It ended before, and nothing has changed.
    Before(State),
    Ready(Box<Ready>),
    Stopped,
}

struct Ahead<'a, L: Look> {
    manifest: &'a mut Manifest,
    store: &'a Store,
    look: &'a L,
    network: Network,
    stops: &'a dyn Fn() -> bool,
    before: BTreeMap<State, u64>,
    give: SyncSender<Box<Ready>>,
}

impl<L: Look> Ahead<'_, L> {
    /// Looks at all jobs. Those that have ended a process come last, so that they keep no other from being done.
    fn all(&mut self) -> Result<(), Error> {
        let mut late = Vec::new();
        for index in 0..self.manifest.len() {
            if (self.stops)() {
                return Ok(());
            }
            let job = self.manifest.job(index)?;
            match self.store.ends(&job.id) {
                0 => {
                    if !self.one(job, 0)? {
                        return Ok(());
                    }
                }
                ends => late.push((ends, index)),
            }
        }
        late.sort_unstable();
        for (ends, index) in late {
            let job = self.manifest.job(index)?;
            if (self.stops)() || !self.one(job, ends)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at one job and hands it on; `false` when nobody takes it.
    fn one(&mut self, job: Job, ends: u32) -> Result<bool, Error> {
        let id = job.id.clone();
        match self.see(job, ends)? {
            Seen::Before(state) => {
                // A process was killed between the record and the end of its claim.
                if ends > 0
                    && let Some(claim) = self.store.claim(&id)?
                {
                    claim.end()?;
                }
                *self.before.entry(state).or_default() += 1;
                Ok(true)
            }
            Seen::Ready(ready) => Ok(self.give.send(ready).is_ok()),
            Seen::Stopped => Ok(false),
        }
    }

    fn see(&self, job: Job, ends: u32) -> Result<Seen, Error> {
        let mut listed = sources::list(&self.look.files(&job), self.store.salt());
        let versions = self.network.versions(&job);
        if let Ok(versions) = &versions {
            listed.add(versions, self.store.salt());
        }
        let key = self.look.decides(&job).map(|decides| key(self.store, &job, &decides));
        let record = self
            .store
            .record(&job.id)
            .filter(|record| key.as_ref() == Ok(&record.key) && results_are_there(self.store, &job, record));
        if let Some(record) = &record
            && versions.is_ok()
            && record.sources.state == listed.sources.state
        {
            return Ok(Seen::Before(record.entry.state));
        }
        let fetched = match versions.and_then(|_| self.network.fetch(&job, self.stops)) {
            Ok(fetch::Got::Stopped) => return Ok(Seen::Stopped),
            Ok(fetch::Got::Nothing) => Ok(None),
            Ok(fetch::Got::All(fetched)) => Ok(Some(fetched)),
            Err(miss) => Err(miss),
        };
        let Some(mut sources) = listed.read(self.stops) else { return Ok(Seen::Stopped) };
        if let Ok(Some(fetched)) = &fetched {
            sources.files += fetched.files();
            sources.bytes += fetched.bytes();
        }
        if !job.addresses().is_empty() {
            // Archives are packed anew each time: their bytes are no sign of a change.
            sources.sha256 = None;
        }
        if let Some(mut record) = record
            && record.sources.sha256.is_some()
            && record.sources.sha256 == sources.sha256
        {
            // The files were copied or touched. With their new state in the record, the next run need not read them.
            record.sources = sources;
            self.store.write_record(&record)?;
            return Ok(Seen::Before(record.entry.state));
        }
        Ok(Seen::Ready(Box::new(Ready { job, key, sources, ends, fetched })))
    }
}

fn key(store: &Store, job: &Job, decides: &Encoding) -> String {
    Encoding::new("artir-batch-job", 1)
        .text("salt", store.salt())
        .text("output", &job.output())
        .nested("decides", decides)
        .hash()
}

fn results_are_there(store: &Store, job: &Job, record: &Record) -> bool {
    let needed = matches!(record.entry.state, State::Done | State::Partial);
    !needed || results(&store.out().join(job.output())) == record.results
}

/// The size of a result. Hidden files, such as the manifest of a series, belong to it; hidden folders of interrupted runs do
/// not.
fn results(path: &Path) -> Results {
    let work = |entry: &walkdir::DirEntry| {
        entry.depth() > 0
            && entry.file_type().is_dir()
            && entry.file_name().to_string_lossy().starts_with(artir_files::PREFIX)
    };
    let below = WalkDir::new(path).into_iter().filter_entry(|entry| !work(entry)).filter_map(Result::ok);
    let files = below.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.fold(Results::default(), |sum, meta| Results { files: sum.files + 1, bytes: sum.bytes + meta.len() })
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
        let Ready { job, key, sources, ends, fetched } = ready;
        let Some(claim) = self.store.claim(&job.id)? else {
            tracing::info!(job = job.id, "another process works on it");
            self.ran.busy += 1;
            return Ok(true);
        };
        // Another process may have ended it since it was looked at.
        if let Some(record) = self.store.record(&job.id)
            && key.as_ref() == Ok(&record.key)
            && record.sources.state == sources.state
            && results_are_there(self.store, &job, &record)
        {
            claim.end()?;
            *self.ran.before.entry(record.entry.state).or_default() += 1;
            return Ok(true);
        }
        self.store.remove_record(&job.id)?;
        let (begun, clock) = (now(), Instant::now());
        let end = match (&key, &fetched) {
            (Err(reason), _) => End::without_result(State::Failed, reason.clone()),
            (_, Err(miss)) => {
                eprintln!("artir: job {}: {}: {}", job.id, miss.state.name(), miss.reason);
                End::without_result(miss.state, miss.reason.clone())
            }
            _ if ends >= MOST_ENDS => {
                let reason =
                    format!("{ends} processes ended while they worked on it: killed, out of memory, or a crash");
                End::without_result(State::Unusable, reason)
            }
            (_, Ok(Some(fetched))) => self.attempt(&fetched.job(&job), restore),
            (_, Ok(None)) => self.attempt(&job, restore),
        };
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
            seconds: thousandths(clock.elapsed().as_secs_f64()),
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
                State::Done | State::Partial => results(&self.store.out().join(job.output())),
                State::Unusable | State::Failed => Results::default(),
            },
            settings: job.shown_options(show),
            model,
            runtime,
            report,
            input: if show { job.input.clone() } else { Vec::new() },
            output: show.then(|| job.output()),
        };
        self.write(&record, claim)?;
        *self.ran.ended.entry(state).or_default() += 1;
        self.failed = if state == State::Failed { self.failed + 1 } else { 0 };
        self.ran.gave_up = self.failed >= MOST_FAILED;
        Ok(!self.ran.gave_up)
    }

    fn attempt(&self, job: &Job, restore: &mut impl FnMut(&Job) -> End) -> End {
        let place = self.store.out().join(job.output());
        // Processes that make and remove a folder for their results at the same time would be in each other's way.
        if let Some(folder) = place.parent()
            && let Err(e) = fs::create_dir_all(folder)
        {
            return End::without_result(
                State::Failed,
                format!("the folder of the result cannot be made: {}", e.kind()),
            );
        }
        let attempt = catch_unwind(AssertUnwindSafe(|| restore(job)));
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
        }
        claim.end()
    }
}

fn thousandths(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| thousandths(since.as_secs_f64()))
}
