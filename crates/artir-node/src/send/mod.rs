//! Sending: one thread for each target takes what is restored there, repeats what fails, and waits for the target's word that
//! it keeps the objects.

pub(crate) mod commitment;
mod dicom;
mod implicit;
mod objects;
mod response;
mod stow;
mod target;

use std::{io, path::Path, sync::Arc, time::Duration};

pub(crate) use self::target::forget_failures;
use self::{
    objects::{Object, objects},
    target::{Sent, TargetRecord},
};
use crate::{
    config::{Config, Retry, Route, Target},
    queue::{Key, Record, State, record::now},
    report::journal::Line,
    retry::delay,
    state::Node,
};

/// The longest time until the folders are looked at again.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends to a target until the node stops or the target leaves the configuration.
pub(crate) fn work(node: &Arc<Node>, name: &str) {
    let mut seen = 0;
    while !node.stops() {
        let config = node.config();
        let Some(target) = config.target(name) else { return };
        let begun = std::time::Instant::now();
        let mut worked = false;
        for route in config.routes.iter().filter(|route| route.targets.contains(&target.name)) {
            for key in node.queue.series(&route.name, State::Out).unwrap_or_default() {
                if node.stops() {
                    return;
                }
                worked |= turn(node, &config, target, &key);
            }
        }
        if worked {
            node.wake();
        } else {
            node.wait(&mut seen, PAUSE.max(begun.elapsed() * 20));
        }
    }
}

/// Does for a series what is due. Whether anything was.
fn turn(node: &Node, config: &Config, target: &Target, key: &Key) -> bool {
    let Some(_claim) = node.queue.claims.shared(key) else { return false };
    let series = node.queue.path(key, State::Out);
    let record = Record::read(&series);
    // Without derived series its record is damaged: it is restored again.
    if record.ended.is_some() || record.derived.is_empty() || !series.exists() {
        return false;
    }
    let mut state = TargetRecord::read(&series, &target.name, record.generation);
    if !state.is_due(&config.retry, &series, target) {
        return false;
    }
    let sending = Sending { node, config, target, key, series: &series };
    let mut attempt = sending.attempt(&record, &mut state);
    if node.stops() && attempt.is_err() {
        // The attempt counts for nothing, as the node ended it.
        return false;
    }
    if let Ok(Progress::Done) = attempt {
        state.done = Some(now());
        state.error = None;
    }
    if let Err(reason) = &mut attempt {
        sending.failed(&config.retry, &mut state, std::mem::take(reason));
    }
    if let Err(e) = state.write(&series, &target.name) {
        tracing::error!(target = target.name, series = key.series, "cannot write what was sent: {}", e.kind());
        std::thread::sleep(PAUSE);
    }
    if matches!(attempt, Ok(Progress::Done)) {
        node.metrics.sent(&key.route, &target.name);
        tracing::info!(route = key.route, series = key.series, target = target.name, "sent");
        let text = state.warnings_in_words();
        node.journal.write(Line { target: Some(target.name.clone()), text, ..Line::new(key, "sent to") });
    }
    true
}

/// How far an attempt got without an error.
enum Progress {
    Done,
    /// Everything is there, and the target's report is awaited.
    Awaited,
}

/// A series on its way to a target.
struct Sending<'a> {
    node: &'a Node,
    config: &'a Config,
    target: &'a Target,
    key: &'a Key,
    series: &'a Path,
}

impl Sending<'_> {
    fn attempt(&self, record: &Record, state: &mut TargetRecord) -> Result<Progress, String> {
        let fail = |e: io::Error| format!("the derived series cannot be read: {e}");
        let mut sent = Sent::read(self.series, &self.target.name).map_err(fail)?;
        let all = objects(self.series, record).map_err(fail)?;
        let todo: Vec<&Object> = all.iter().filter(|object| !sent.contains(object)).collect();
        if self.target.url.is_some() {
            stow::send(self, &todo, &mut sent, state)?;
            return Ok(Progress::Done);
        }
        if !todo.is_empty() {
            return dicom::send(self, &all, &todo, &mut sent, state);
        }
        if !self.target.commitment {
            return Ok(Progress::Done);
        }
        if let Some(report) = commitment::report(self.series, &self.target.name, state) {
            return commitment::apply(self, &report, &all, &mut sent, state);
        }
        if state.commitment.is_some() {
            let minutes = self.target.commitment_seconds / 60.0;
            state.commitment = None;
            return Err(format!(
                "the target has not reported within {minutes:.1} minutes whether it keeps the objects"
            ));
        }
        dicom::send(self, &all, &[], &mut sent, state)
    }

    /// Writes down a failed attempt.
    fn failed(&self, retry: &Retry, state: &mut TargetRecord, reason: String) {
        state.attempts += 1;
        state.failed = state.attempts >= retry.attempts;
        state.next = now() + delay(retry, state.attempts);
        let (route, series, target) = (&self.key.route, &self.key.series, &self.target.name);
        tracing::warn!(route, series, target, attempt = state.attempts, "not sent: {reason}");
        state.error = Some(reason);
        self.node.metrics.retried(route, target);
    }

    /// Writes down that the target has accepted an object.
    fn accepted(&self, object: &Object, status: u16, sent: &mut Sent, state: &mut TargetRecord) -> Result<(), String> {
        if status != 0 {
            *state.warnings.entry(format!("{status:04X}")).or_default() += 1;
        }
        self.node.metrics.sent_object(&self.key.route, &self.target.name, object.bytes, status != 0);
        sent.add(object).map_err(|e| format!("cannot write what was sent: {}", e.kind()))
    }
}

/// How far the targets of a series are.
pub(crate) struct SeriesProgress {
    /// Targets that have not got it yet.
    pub(crate) waiting: usize,
    /// Targets that will not get it, with the reason.
    pub(crate) failed: Vec<String>,
    pub(crate) warnings: Option<String>,
}

/// Looks at what the targets of a route have got of a series.
pub(crate) fn progress(series: &Path, route: &Route, record: &Record) -> SeriesProgress {
    let mut out = SeriesProgress { waiting: 0, failed: Vec::new(), warnings: None };
    let mut warnings = Vec::new();
    for name in &route.targets {
        let state = TargetRecord::read(series, name, record.generation);
        if state.failed {
            out.failed.push(format!("{name}: {}", state.error.as_deref().unwrap_or("not sent")));
        } else if state.done.is_none() {
            out.waiting += 1;
        }
        warnings.extend(state.warnings_in_words().map(|text| format!("{name}: {text}")));
    }
    out.warnings = (!warnings.is_empty()).then(|| warnings.join("; "));
    out
}

/// Why a series is not sent yet, if an attempt has failed.
pub(crate) fn problem(series: &Path, route: &Route) -> Option<String> {
    let record = Record::read(series);
    let errors = route.targets.iter().filter_map(|name| {
        let state = TargetRecord::read(series, name, record.generation);
        state.error.filter(|_| state.done.is_none()).map(|error| format!("{name}: {error}"))
    });
    let errors: Vec<String> = errors.collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}
