//! How a command ends: messages and exit codes.

use std::{fmt::Display, io::Write, process::ExitCode};

use artir_core::ErrorKind;

use crate::flags;

/// Prints a line.
macro_rules! say {
    ($($what:tt)*) => {
        $crate::outcome::line(format_args!($($what)*))
    };
}

/// Prints a line to standard error. `eprintln!` would panic where nobody can read it: a closed pipe, or a log on a full disk.
macro_rules! say_error {
    ($($what:tt)*) => {
        $crate::outcome::error_line(format_args!($($what)*))
    };
}

/// Prints a line. If the reader has closed the pipe (`| head`), the work goes on without it: results that are not yet made would be
/// missing, and the exit code would not say so. Any other write error, such as a full disk, is a failure.
pub(crate) fn line(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(e) = writeln!(out, "{text}").and_then(|()| out.flush())
        && e.kind() != std::io::ErrorKind::BrokenPipe
    {
        say_error!("artir: standard output: {e}");
        std::process::exit(1);
    }
}

/// Prints a line to standard error, if it can.
pub(crate) fn error_line(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Why a command, or one of its inputs, failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// One line: what failed, on which file or flag, why, what to do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Display) -> Self {
        Self { kind, message: message.to_string().replace(['\n', '\r'], " ") }
    }

    pub(crate) fn input(message: impl Display) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// The failure of something named.
    pub(crate) fn about(self, what: &str) -> Self {
        Self::new(self.kind, format!("{what}: {}", self.message))
    }

    /// The stable exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            ErrorKind::Usage => 2,
            ErrorKind::Input | ErrorKind::Output => 3,
            ErrorKind::Device => 5,
            ErrorKind::Interrupted => 130,
            _ => 1,
        })
    }
}

impl From<artir_core::Error> for Failure {
    fn from(e: artir_core::Error) -> Self {
        Self::new(e.kind(), flags::core(&e))
    }
}

impl From<artir_core::SettingError> for Failure {
    fn from(e: artir_core::SettingError) -> Self {
        artir_core::Error::from(e).into()
    }
}

impl From<artir_harness::Error> for Failure {
    fn from(e: artir_harness::Error) -> Self {
        Self::new(e.kind(), flags::harness(&e))
    }
}

impl From<artir_inspect::Error> for Failure {
    fn from(e: artir_inspect::Error) -> Self {
        let text = match &e {
            artir_inspect::Error::Core(core) => flags::core(core),
            artir_inspect::Error::Window { .. } => format!("--window: {e}"),
            _ => e.to_string(),
        };
        Self::new(e.kind(), text)
    }
}

impl From<artir_photo::Error> for Failure {
    fn from(e: artir_photo::Error) -> Self {
        Self::new(e.kind(), flags::photo(&e))
    }
}

impl From<artir_metrics::LpipsError> for Failure {
    fn from(e: artir_metrics::LpipsError) -> Self {
        Self::new(e.kind(), e)
    }
}

/// Counts of written and failed inputs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) written: usize,
    failures: Vec<Failure>,
    /// Failures are kept and not printed: in a batch they belong to a job.
    silent: bool,
}

impl Tally {
    pub(crate) fn new(silent: bool) -> Self {
        Self { silent, ..Self::default() }
    }

    /// All failures, in the order in which they came.
    pub(crate) fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Records a failure and prints it immediately. An interruption ends the whole command.
    pub(crate) fn fail(&mut self, failure: Failure) -> Result<(), Failure> {
        if failure.kind == ErrorKind::Interrupted {
            return Err(failure);
        }
        if !self.silent {
            say_error!("artir: {}", failure.message);
        }
        self.failures.push(failure);
        Ok(())
    }

    /// 0 if nothing failed, 4 if some inputs were written despite failures, else the first failure's code.
    pub(crate) fn code(&self) -> ExitCode {
        match self.failures.first() {
            None => ExitCode::SUCCESS,
            Some(_) if self.written > 0 => ExitCode::from(4),
            Some(first) => first.code(),
        }
    }
}
