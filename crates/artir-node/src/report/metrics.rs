//! Counts, in the text format of Prometheus.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::queue::State;

/// A metric: its name, its kind and what it is.
type Description = (&'static str, &'static str, &'static str);

const RECEIVED: Description = ("artir_received_objects_total", "counter", "Objects that were stored.");
const REPEATED: Description = ("artir_repeated_objects_total", "counter", "Objects that were there already.");
const RECEIVED_BYTES: Description = ("artir_received_bytes_total", "counter", "Bytes of data sets that were stored.");
const REFUSED: Description = ("artir_refused_objects_total", "counter", "Objects that were refused, by DIMSE status.");
const REJECTED: Description = ("artir_rejected_associations_total", "counter", "Associations that were not accepted.");
const ABORTED: Description =
    ("artir_aborted_associations_total", "counter", "Associations that ended before their time.");
const OPEN: Description = ("artir_associations", "gauge", "Associations that are open.");
const RESTORED: Description = ("artir_restored_series_total", "counter", "Source series that were restored.");
const RESTORED_SLICES: Description = ("artir_restored_slices_total", "counter", "Slices of them.");
const SECONDS: Description = ("artir_restore_seconds_total", "counter", "Time spent restoring.");
const SENT: Description = ("artir_sent_series_total", "counter", "Series that a target has got.");
const SENT_OBJECTS: Description = ("artir_sent_objects_total", "counter", "Objects that a target has accepted.");
const SENT_BYTES: Description = ("artir_sent_bytes_total", "counter", "Bytes of them.");
const WARNINGS: Description =
    ("artir_send_warnings_total", "counter", "Objects that a target accepted with a warning.");
const RETRIES: Description = ("artir_send_retries_total", "counter", "Attempts to send that failed and are repeated.");
const ENDED: Description =
    ("artir_ended_series_total", "counter", "Series by how they ended: sent, skipped or failed.");
const QUEUE: Description = ("artir_queue_series", "gauge", "Series in the queue by state.");
const FREE: Description = ("artir_disk_free_bytes", "gauge", "Free space of the queue's disk.");

/// Labels in the form in which they are written.
fn labels(pairs: &[(&str, &str)]) -> String {
    // Names of routes and targets are plain, statuses are hexadecimal, and reasons are the node's own words.
    pairs.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(",")
}

/// Counts since the node was started.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<Description, BTreeMap<String, f64>>>);

/// An association that counts as open until this is dropped.
pub(crate) struct OpenAssociation<'a>(&'a Metrics);

impl Drop for OpenAssociation<'_> {
    fn drop(&mut self) {
        self.0.add(OPEN, &[], -1.0);
    }
}

impl Metrics {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Description, BTreeMap<String, f64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, what: Description, pairs: &[(&str, &str)], number: f64) {
        *self.all().entry(what).or_default().entry(labels(pairs)).or_default() += number;
    }

    pub(crate) fn association(&self) -> OpenAssociation<'_> {
        self.add(OPEN, &[], 1.0);
        OpenAssociation(self)
    }

    /// Associations that are open.
    pub(crate) fn open(&self) -> usize {
        self.all().get(&OPEN).and_then(|open| open.get("")).copied().unwrap_or(0.0) as usize
    }

    pub(crate) fn rejected(&self, reason: &str) {
        self.add(REJECTED, &[("reason", reason)], 1.0);
    }

    pub(crate) fn aborted(&self) {
        self.add(ABORTED, &[], 1.0);
    }

    pub(crate) fn received(&self, route: &str, bytes: u64, new: bool) {
        self.add(if new { RECEIVED } else { REPEATED }, &[("route", route)], 1.0);
        if new {
            self.add(RECEIVED_BYTES, &[("route", route)], bytes as f64);
        }
    }

    pub(crate) fn refused(&self, route: &str, status: u16) {
        self.add(REFUSED, &[("route", route), ("status", &format!("{status:04X}"))], 1.0);
    }

    pub(crate) fn restored(&self, route: &str, slices: usize, seconds: f64) {
        self.add(RESTORED, &[("route", route)], 1.0);
        self.add(RESTORED_SLICES, &[("route", route)], slices as f64);
        self.add(SECONDS, &[("route", route)], seconds);
    }

    pub(crate) fn sent_object(&self, route: &str, target: &str, bytes: u64, warning: bool) {
        let pairs = [("route", route), ("target", target)];
        self.add(SENT_OBJECTS, &pairs, 1.0);
        self.add(SENT_BYTES, &pairs, bytes as f64);
        if warning {
            self.add(WARNINGS, &pairs, 1.0);
        }
    }

    pub(crate) fn sent(&self, route: &str, target: &str) {
        self.add(SENT, &[("route", route), ("target", target)], 1.0);
    }

    pub(crate) fn retried(&self, route: &str, target: &str) {
        self.add(RETRIES, &[("route", route), ("target", target)], 1.0);
    }

    pub(crate) fn ended(&self, route: &str, how: &str) {
        self.add(ENDED, &[("route", route), ("outcome", how)], 1.0);
    }

    /// How many series of a route are in a state.
    pub(crate) fn queue(&self, route: &str, state: State, series: usize) {
        let pairs = labels(&[("route", route), ("state", state.name())]);
        self.all().entry(QUEUE).or_default().insert(pairs, series as f64);
    }

    /// The series of a route that are to be restored or sent, when they were last counted.
    pub(crate) fn waiting(&self, route: &str) -> usize {
        let all = self.all();
        let of = |state: State| {
            let pairs = labels(&[("route", route), ("state", state.name())]);
            all.get(&QUEUE).and_then(|queue| queue.get(&pairs)).copied().unwrap_or(0.0) as usize
        };
        of(State::Work) + of(State::Out)
    }

    /// Every metric as text.
    pub(crate) fn text(&self, free_bytes: u64) -> String {
        let mut all = self.all().clone();
        all.entry(FREE).or_default().insert(String::new(), free_bytes as f64);
        let mut out = String::new();
        for ((name, kind, help), values) in all {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in values {
                let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.received("ct", 512, true);
        metrics.received("ct", 512, true);
        metrics.received("ct", 512, false);
        metrics.refused("ct", 0xa700);
        metrics.queue("ct", State::Work, 3);
        metrics.queue("ct", State::Out, 2);
        let open = metrics.association();
        assert_eq!(metrics.open(), 1);
        drop(open);
        assert_eq!(metrics.open(), 0);
        let text = metrics.text(1024);
        for line in [
            "# TYPE artir_received_objects_total counter",
            "artir_received_objects_total{route=\"ct\"} 2",
            "artir_received_bytes_total{route=\"ct\"} 1024",
            "artir_repeated_objects_total{route=\"ct\"} 1",
            "artir_refused_objects_total{route=\"ct\",status=\"A700\"} 1",
            "artir_queue_series{route=\"ct\",state=\"work\"} 3",
            "artir_associations 0",
            "artir_disk_free_bytes 1024",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!((metrics.waiting("ct"), metrics.waiting("pet")), (5, 0));
    }
}
