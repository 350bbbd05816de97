//! Progress and interruption of work that runs without the interpreter's lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use artir_core::{ErrorKind, Progress};
use pyo3::prelude::*;

use crate::errors::Failure;

/// Counts what workers have done, and tells them to stop.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    done: AtomicU64,
    total: AtomicU64,
    stop: AtomicBool,
}

impl Counter {
    pub(crate) fn of(total: u64) -> Arc<Self> {
        Arc::new(Self { total: total.into(), ..Self::default() })
    }

    /// Asks the workers to stop at the next tile.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Progress for Counter {
    fn start(&self, _: &str, pixels: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(pixels, Ordering::Relaxed);
    }

    fn advance(&self, pixels: u64) {
        self.done.fetch_add(pixels, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Time between two looks at signals: Ctrl-C is noticed within it.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// Time between two calls of the user's function.
const REPORT: Duration = Duration::from_millis(100);

/// Handles signals and calls the user's function `progress(done, total)`, on the thread that called artir.
pub(crate) struct Watch<'py> {
    py: Python<'py>,
    progress: Option<Bound<'py, PyAny>>,
    counter: Arc<Counter>,
    reported: Option<(Instant, u64)>,
}

impl<'py> Watch<'py> {
    pub(crate) fn new(py: Python<'py>, progress: Option<Bound<'py, PyAny>>, counter: Arc<Counter>) -> Self {
        Self { py, progress, counter, reported: None }
    }

    /// # Errors
    /// `KeyboardInterrupt`, and what the user's function raises.
    pub(crate) fn look(&mut self) -> PyResult<()> {
        self.py.check_signals()?;
        if self.reported.is_none_or(|(at, _)| at.elapsed() >= REPORT) { self.report() } else { Ok(()) }
    }

    /// Calls the function if there is anything new.
    ///
    /// # Errors
    /// What the function raises.
    pub(crate) fn report(&mut self) -> PyResult<()> {
        let Some(progress) = &self.progress else { return Ok(()) };
        let total = self.counter.total.load(Ordering::Relaxed);
        let done = self.counter.done.load(Ordering::Relaxed).min(total);
        if total > 0 && self.reported.is_none_or(|(_, before)| before != done) {
            self.reported = Some((Instant::now(), done));
            progress.call1((done, total))?;
        }
        Ok(())
    }
}

/// Runs work that only reads, on a thread of its own. Ctrl-C ends the call at once and sets the flag that the work is given; the
/// thread ends by itself.
///
/// # Errors
/// `KeyboardInterrupt`, and the exception of the work's failure.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let (to, mut from) = sync_channel(1);
    let flag = Arc::clone(&stop);
    thread::spawn(move || {
        // Nobody takes the result of an interrupted call.
        let _ = to.send(work(&flag));
    });
    loop {
        let from = &mut from;
        match py.detach(move || from.recv_timeout(LOOK)) {
            Ok(done) => return done.map_err(|e| e.raise(py)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the reading thread ended without a result: an internal fault";
                return Err(Failure::new(ErrorKind::Failed, None, reason).raise(py));
            }
        }
        if let Err(interruption) = py.check_signals() {
            stop.store(true, Ordering::Relaxed);
            return Err(interruption);
        }
    }
}
