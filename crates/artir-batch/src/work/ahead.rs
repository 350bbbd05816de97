//! The thread that looks ahead: what is done is skipped, and the input of the next job is read.

use std::{collections::BTreeMap, sync::mpsc::SyncSender};

use artir_files::Encoding;

use super::{
    Look,
    results::{are_there, results},
};
use crate::{
    Error, Job, Manifest, Record, Sources, State, Store,
    network::{Fetched, Got, Held, Miss, Network, bucket::Stops},
    sources,
};

/// A job that is to be run, and its input.
pub(super) struct Ready {
    pub(super) job: Job,
    pub(super) key: Result<String, String>,
    pub(super) sources: Sources,
    pub(super) ends: u32,
    pub(super) input: Input,
}

/// What there is to begin with.
pub(super) enum Input {
    /// Files, and objects that are read where they are.
    There,
    Fetched(Fetched),
    /// The network did not give it. With `known`, the job was done before, and nothing shows that it changed.
    Missed {
        miss: Miss,
        known: bool,
    },
    /// The result is whole, and not yet in its store.
    Staged(Box<Record>),
}

/// What a look at a job shows.
enum Seen {
    /// It ended before, and nothing has changed.
    Before(State),
    Ready(Box<Ready>),
    Stopped,
}

pub(super) struct Ahead<'a, L: Look> {
    pub(super) manifest: &'a mut Manifest,
    pub(super) store: &'a Store,
    pub(super) look: &'a L,
    pub(super) network: Network,
    pub(super) stops: Stops<'a>,
    pub(super) before: BTreeMap<State, u64>,
    pub(super) give: SyncSender<Box<Ready>>,
}

impl<L: Look> Ahead<'_, L> {
    /// Looks at all jobs. Those that have ended a process come last, so that they keep no other from being done.
    pub(super) fn all(&mut self) -> Result<(), Error> {
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
                    self.store.unstage(&id)?;
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
        let mut listed = sources::list(&self.look.files(&job), &self.store.place(&job), self.store.salt());
        let held = self.network.look(&job);
        if let Ok(held) = &held {
            listed.add(&held.iter().map(Held::version).collect::<Vec<_>>(), self.store.salt());
        }
        let key = self.look.decides(&job).map(|decides| key(self.store, &job, &decides));
        let record = self.store.record(&job.id).filter(|record| key.as_ref() == Ok(&record.key));
        let there = record.as_ref().map_or(Ok(false), |record| are_there(self.store, &job, record));
        let ready =
            |sources, input| Seen::Ready(Box::new(Ready { job: job.clone(), key: key.clone(), sources, ends, input }));
        let (held, there) = match (held, there) {
            (Ok(held), Ok(there)) => (held, there),
            // Without the network, nothing shows that the job changed.
            (Err(miss), _) | (_, Err(miss)) => {
                let known = record.is_some() && miss.state == State::Failed;
                return Ok(ready(listed.sources, Input::Missed { miss, known }));
            }
        };
        let record = record.filter(|_| there);
        if let Some(record) = &record
            && record.sources.state == listed.sources.state
            && (record.was_read() || !held.is_empty())
        {
            return Ok(Seen::Before(record.entry.state));
        }
        if let Some(staged) = self.store.staged(&job.id)
            && key.as_ref() == Ok(&staged.key)
            && staged.sources.state == listed.sources.state
            && results(&self.store.place(&job)) == staged.results
        {
            return Ok(ready(staged.sources.clone(), Input::Staged(Box::new(staged))));
        }
        let input = match self.network.fetch(&job, &held, self.stops) {
            Ok(Got::Stopped) => return Ok(Seen::Stopped),
            Ok(Got::Nothing) => Input::There,
            Ok(Got::All(fetched)) => Input::Fetched(fetched),
            Err(miss) => return Ok(ready(listed.sources, Input::Missed { miss, known: false })),
        };
        if let Input::Fetched(fetched) = &input {
            listed.add_copies(&fetched.paths());
        }
        let Some(mut sources) = listed.read(self.stops) else { return Ok(Seen::Stopped) };
        if held.iter().any(|held| !held.has_own_bytes(&job)) {
            sources.sha256 = None;
        }
        if let Some(record) = &record
            && record.sources == sources
        {
            // It could not be read, and still cannot.
            return Ok(Seen::Before(record.entry.state));
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
        Ok(ready(sources, input))
    }
}

fn key(store: &Store, job: &Job, decides: &Encoding) -> String {
    Encoding::new("artir-batch-job", 1)
        .text("salt", store.salt())
        .text("output", &job.output())
        .nested("decides", decides)
        .hash()
}
