//! A progress bar on terminals, and the handling of Ctrl-C.

use std::{
    io::IsTerminal,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use artir_core::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows the pipeline's progress and requests cancellation on Ctrl-C.
pub(crate) struct Terminal {
    bar: Mutex<ProgressBar>,
    visible: bool,
}

static CANCELLED: AtomicBool = AtomicBool::new(false);

impl Terminal {
    pub(crate) fn new(quiet: bool) -> Self {
        static HANDLER: OnceLock<()> = OnceLock::new();
        HANDLER.get_or_init(|| {
            // The pipeline checks the flag between tiles, and stops without publishing. Folder searches do not check it:
            // a second Ctrl-C ends the process immediately.
            let stop = || {
                if CANCELLED.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            };
            if let Err(e) = ctrlc::set_handler(stop) {
                tracing::warn!("Ctrl-C will not be handled: {e}");
            }
        });
        Self { bar: Mutex::new(ProgressBar::hidden()), visible: !quiet && std::io::stderr().is_terminal() }
    }

    fn bar(&self) -> ProgressBar {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Progress for Terminal {
    fn start(&self, what: &str, pixels: u64) {
        if !self.visible {
            return;
        }
        let bar = ProgressBar::new(pixels).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {percent:>3}% {eta}") {
            bar.set_style(style);
        }
        let old = std::mem::replace(&mut *self.bar.lock().unwrap_or_else(PoisonError::into_inner), bar);
        old.finish_and_clear();
    }

    fn advance(&self, pixels: u64) {
        self.bar().inc(pixels);
    }

    fn is_cancelled(&self) -> bool {
        CANCELLED.load(Ordering::Relaxed)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar().finish_and_clear();
    }
}
