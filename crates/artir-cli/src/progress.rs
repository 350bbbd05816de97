//! Progress on standard error, as a bar or as JSON, and the handling of Ctrl-C.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use artir_core::Progress;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// The form of progress on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A bar, on a terminal only
    #[default]
    Bar,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

static FORM: OnceLock<Form> = OnceLock::new();

/// Chooses the form for the process.
pub(crate) fn choose(form: Form) {
    // A process runs one command line, so nothing is there yet.
    let _ = FORM.set(form);
}

/// Shows the pipeline's progress and requests cancellation on Ctrl-C.
pub(crate) struct Terminal {
    shown: Option<Mutex<Shown>>,
    phase: &'static str,
    unit: &'static str,
}

enum Shown {
    Bar(ProgressBar),
    Lines(Lines<Box<dyn Write + Send>>),
}

static CANCELLED: AtomicBool = AtomicBool::new(false);

impl Terminal {
    /// Counts restored pixels.
    pub(crate) fn new(quiet: bool) -> Self {
        static HANDLER: OnceLock<()> = OnceLock::new();
        HANDLER.get_or_init(|| {
            if let Err(e) = listen() {
                tracing::warn!("Ctrl-C will not be handled: {e}");
            }
        });
        let shown = match FORM.get().copied().unwrap_or_default() {
            Form::Bar if !quiet && std::io::stderr().is_terminal() => Some(Shown::Bar(ProgressBar::hidden())),
            // Whoever asks for JSON reads it by a program, so that --quiet does not switch it off.
            Form::Json => Some(Shown::Lines(Lines::new(Box::new(std::io::stderr())))),
            Form::Bar | Form::None => None,
        };
        Self { shown: shown.map(Mutex::new), phase: "restore", unit: "pixels" }
    }

    /// The same for another kind of work, which counts in another unit.
    pub(crate) fn counting(mut self, phase: &'static str, unit: &'static str) -> Self {
        (self.phase, self.unit) = (phase, unit);
        self
    }

    /// Begins work of unknown length before the counted work, such as a search of folders.
    pub(crate) fn begin(&self, phase: &'static str, item: &str) {
        self.show(|shown| match shown {
            Shown::Bar(bar) => replace(bar, ProgressBar::new_spinner().with_message(format!("{phase} {item}"))),
            Shown::Lines(lines) => lines.start(phase, item, None, "files", Instant::now()),
        });
    }

    /// Whether the process has been asked to stop.
    pub(crate) fn is_stopped() -> bool {
        CANCELLED.load(Ordering::Relaxed)
    }

    fn show(&self, act: impl FnOnce(&mut Shown)) {
        if let Some(shown) = &self.shown {
            act(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Listens to requests to stop. The pipeline checks the flag between tiles, and stops without publishing. Folder searches do not
/// check it: a second Ctrl-C ends the process immediately.
fn listen() -> std::io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut wanted = vec![SIGINT, SIGTERM];
    // With `nohup`, work goes on when its terminal closes.
    if !ignores(&status, SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    let stop = move || {
        for _ in signals.forever() {
            if CANCELLED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(stop).map(drop)
}

/// Whether a process of this status ignores a signal: it was started so.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
}

/// Takes another bar in place of the one before.
fn replace(bar: &mut ProgressBar, new: ProgressBar) {
    std::mem::replace(bar, new).finish_and_clear();
}

impl Progress for Terminal {
    fn start(&self, what: &str, pixels: u64) {
        self.show(|shown| match shown {
            Shown::Bar(bar) => {
                let new = ProgressBar::new(pixels).with_message(what.to_owned());
                if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {percent:>3}% {eta}") {
                    new.set_style(style);
                }
                replace(bar, new);
            }
            Shown::Lines(lines) => lines.start(self.phase, what, Some(pixels), self.unit, Instant::now()),
        });
    }

    fn advance(&self, pixels: u64) {
        self.show(|shown| match shown {
            Shown::Bar(bar) => bar.inc(pixels),
            Shown::Lines(lines) => lines.advance(pixels, Instant::now()),
        });
    }

    fn is_cancelled(&self) -> bool {
        Self::is_stopped()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.show(|shown| {
            if let Shown::Bar(bar) = shown {
                bar.finish_and_clear();
            }
        });
    }
}

/// Time between two lines about one item.
const INTERVAL: Duration = Duration::from_millis(250);

/// Writes progress as lines of JSON. `docs/guide/progress.md` describes them for programs that read them.
struct Lines<W> {
    to: W,
    state: State,
    begun: Instant,
    written: Instant,
}

/// One line. Fields may be added, but these stay.
#[derive(Clone, Debug, Serialize)]
struct State {
    /// What is done: `scan`, `restore`, `measure`.
    phase: &'static str,
    done: u64,
    total: Option<u64>,
    unit: &'static str,
    /// Seconds until the item is done, if that can be known.
    eta: Option<f64>,
    item: String,
}

impl<W: Write> Lines<W> {
    fn new(to: W) -> Self {
        let state = State { phase: "", done: 0, total: None, unit: "", eta: None, item: String::new() };
        let now = Instant::now();
        Self { to, state, begun: now, written: now }
    }

    fn start(&mut self, phase: &'static str, item: &str, total: Option<u64>, unit: &'static str, now: Instant) {
        self.state = State { phase, done: 0, total, unit, eta: None, item: item.to_owned() };
        self.begun = now;
        self.write(now);
    }

    fn advance(&mut self, count: u64, now: Instant) {
        let state = &mut self.state;
        let before = state.done;
        state.done = state.total.map_or(before + count, |total| total.min(before + count));
        let ended = state.total == Some(state.done);
        if (ended && before != state.done) || now.duration_since(self.written) >= INTERVAL {
            let seconds = now.duration_since(self.begun).as_secs_f64();
            let rest = state.total.filter(|_| state.done > 0).map(|total| (total - state.done) as f64);
            // Tenths: more digits would only claim an accuracy that an estimate does not have.
            state.eta = rest.map(|rest| (10.0 * seconds * rest / state.done as f64).round() / 10.0);
            self.write(now);
        }
    }

    fn write(&mut self, now: Instant) {
        self.written = now;
        // A reader that has gone away does not end the work.
        if let Ok(line) = serde_json::to_string(&self.state) {
            let _ = writeln!(self.to, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &Lines<Vec<u8>>) -> Vec<serde_json::Value> {
        let text = String::from_utf8(lines.to.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn ignored_signals_are_those_of_the_mask() {
        let status = "Name:\tartir\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001002\nSigCgt:\t0000000000000000\n";
        let ignored: Vec<i32> = (1..20).filter(|signal| ignores(status, *signal)).collect();
        assert_eq!(ignored, [SIGINT, 13]);
        assert!(!ignores("", SIGHUP) && ignores("SigIgn:\t0000000000000001", SIGHUP));
    }

    #[test]
    fn an_item_has_a_first_line_a_few_between_and_a_last_one() {
        let mut lines = Lines::new(Vec::new());
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        lines.start("restore", "series-1", Some(100), "pixels", begun);
        lines.advance(10, at(100));
        lines.advance(10, at(1000));
        lines.advance(10, at(1001));
        lines.advance(90, at(2000));
        let lines = written(&lines);
        let done: Vec<_> = lines.iter().map(|line| line["done"].as_u64().unwrap()).collect();
        assert_eq!(done, [0, 20, 100], "too soon after another, or beyond the total");
        let eta: Vec<_> = lines.iter().map(|line| line["eta"].as_f64()).collect();
        assert_eq!(eta, [None, Some(4.0), Some(0.0)]);
        for line in &lines {
            let keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["done", "eta", "item", "phase", "total", "unit"]);
            assert_eq!(
                (&line["phase"], &line["item"], &line["unit"]),
                (&"restore".into(), &"series-1".into(), &"pixels".into())
            );
        }
    }

    #[test]
    fn work_of_unknown_length_has_no_total_and_an_empty_item_ends_at_once() {
        let mut lines = Lines::new(Vec::new());
        let begun = Instant::now();
        lines.start("scan", "a\nb", None, "files", begun);
        lines.advance(7, begun + Duration::from_secs(1));
        let seen = written(&lines);
        assert_eq!(seen.len(), 2, "a line break in a name stays inside its line");
        assert!(seen[1]["total"].is_null() && seen[1]["eta"].is_null() && seen[1]["done"] == 7);
    }
}
