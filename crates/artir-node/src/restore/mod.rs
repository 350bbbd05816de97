//! Restoring: one thread takes the series that are complete, by priority and age, and restores one at a time with all cores.

pub(crate) mod models;
mod outcome;
mod series;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub(crate) use self::models::Models;
use self::{outcome::Outcome, series::restore};
use crate::{
    config::{Config, Route},
    queue::{Key, Record, State, record::now},
    report::journal::Line,
    retry::{delay, is_due},
    state::Node,
};

/// Attempts after which a series that ends the node each time has failed.
const MOST_CRASHES: u32 = 3;
/// The longest time until the folders are looked at again.
const PAUSE: Duration = Duration::from_secs(2);

/// A program and its arguments that decode frames, as of [`artir_dicom::RestoreOptions::codec_process`].
pub(crate) type Decoder = (PathBuf, Vec<std::ffi::OsString>);

/// Restores series until the node stops.
pub(crate) fn work(node: &Arc<Node>, mut models: Models, decoder: &Decoder) {
    let mut seen = 0;
    while !node.stops() {
        let config = node.config();
        match next(node, &config) {
            Some((key, route)) => attempt(node, &config, route, &key, &mut models, decoder),
            None => node.wait(&mut seen, PAUSE),
        }
    }
}

/// The series to restore next: of the route with the highest priority, the one that waits longest.
fn next<'a>(node: &Node, config: &'a Config) -> Option<(Key, &'a Route)> {
    let mut routes: Vec<&Route> = config.routes.iter().collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.priority));
    let mut best: Option<(Key, &Route, std::time::SystemTime)> = None;
    for route in routes {
        if best.as_ref().is_some_and(|(_, other, _)| other.priority > route.priority) {
            break;
        }
        for key in node.queue.series(&route.name, State::Work).unwrap_or_default() {
            let path = node.queue.path(&key, State::Work);
            let Ok(since) = path.join(crate::queue::SOURCE).metadata().and_then(|meta| meta.modified()) else {
                continue;
            };
            let older = best.as_ref().is_none_or(|(_, _, other)| since < *other);
            if older && is_due(&config.retry, Record::read(&path).next) {
                best = Some((key, route, since));
            }
        }
    }
    best.map(|(key, route, _)| (key, route))
}

/// One attempt at one series. Whatever becomes of it, the next series gets its turn.
fn attempt(node: &Node, config: &Config, route: &Route, key: &Key, models: &mut Models, decoder: &Decoder) {
    let Some(_claim) = node.queue.claims.alone(key) else {
        // Late objects are being put to it.
        return std::thread::sleep(Duration::from_millis(20));
    };
    let path = node.queue.path(key, State::Work);
    let mut record = Record::read(&path);
    let begun = std::time::Instant::now();
    // Written before the work: a series that ends the node would otherwise do so for ever.
    record.attempts += 1;
    let outcome = if record.attempts > MOST_CRASHES {
        Outcome::failed(format!("the node has ended {MOST_CRASHES} times while it restored this series"))
    } else if let Err(e) = record.write(&path) {
        Outcome::Later(format!("cannot write: {e}"))
    } else {
        let restore = || restore(node, config, route, &path, &record, models, decoder);
        catch_unwind(AssertUnwindSafe(restore))
            .unwrap_or_else(|_| Outcome::failed("artir has an error in it: a thread panicked"))
    };
    record.attempts = 0;
    let settled = settle(node, config, key, record, outcome, begun.elapsed().as_secs_f64());
    if let Err(e) = settled {
        tracing::error!(route = key.route, series = key.series, "cannot write the outcome of a series: {e}");
        // A full disk: the series is restored again when there is room.
        std::thread::sleep(PAUSE);
    }
    node.wake();
}

/// Writes down what became of a series, and moves it on.
fn settle(
    node: &Node,
    config: &Config,
    key: &Key,
    mut record: Record,
    outcome: Outcome,
    seconds: f64,
) -> std::io::Result<()> {
    let path = node.queue.path(key, State::Work);
    let line = |event: &str| Line { seconds: Some((seconds * 1000.0).round() / 1000.0), ..Line::new(key, event) };
    let (route, series) = (key.route.as_str(), key.series.as_str());
    match outcome {
        Outcome::Interrupted => return record.write(&path),
        Outcome::Later(reason) => {
            record.postponed += 1;
            if record.postponed < config.retry.attempts {
                tracing::warn!(route, series, "not restored yet: {reason}");
                record.next = now() + delay(&config.retry, record.postponed);
                record.reason = Some(reason);
                return record.write(&path);
            }
            return settle(node, config, key, record, Outcome::failed(reason), seconds);
        }
        Outcome::Restored(done) => {
            let slices = done.derived.iter().map(|derived| derived.slices).sum();
            record = Record {
                generation: record.generation + 1,
                restored: done.sources,
                derived: done.derived,
                refused: done.refused,
                ..Record::default()
            };
            record.write(&path)?;
            node.queue.shift(key, State::Work, State::Out)?;
            tracing::info!(route, series, slices, seconds, "restored");
            node.metrics.restored(route, slices, seconds);
            let text = (!record.refused.is_empty()).then(|| record.refused.join("; "));
            node.journal.write(Line { slices: Some(slices), text, ..line("restored") });
        }
        Outcome::Skipped(reason) => {
            tracing::info!(route, series, "skipped: {reason}");
            node.queue.remove(key, State::Work)?;
            node.metrics.ended(route, "skipped");
            node.journal.write(Line { text: Some(reason), ..line("skipped") });
        }
        Outcome::Failed(reason) => {
            tracing::warn!(route, series, "failed: {reason}");
            record.reason = Some(reason.clone());
            record.ended = Some(now());
            record.postponed = 0;
            record.next = 0.0;
            record.write(&path)?;
            node.queue.shift(key, State::Work, State::Failed)?;
            node.metrics.ended(route, "failed");
            node.journal.write(Line { text: Some(reason), ..line("failed") });
        }
    }
    Ok(())
}
