//! Flags that several subcommands share.

use std::{ffi::OsString, path::PathBuf, sync::OnceLock};

#[cfg(feature = "geo")]
use artir_core::Card;
use artir_core::{Device, Model, Precision, Restorer, Settings, Task, zoo};
use clap::Args;
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use crate::{
    outcome::Failure,
    progress::{Form, Terminal},
    values,
};

/// Options that control the log.
#[derive(Debug, Args)]
pub(crate) struct Verbosity {
    /// Verbose output (-v: steps; -vv: details)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Format of log lines on standard error
    #[arg(long, value_name = "FORM", value_parser = ["text", "json"], default_value = "text", global = true)]
    pub(crate) log_format: String,
    /// Progress on standard error: a bar on a terminal, one JSON object a line, or none
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Bar, global = true)]
    pub(crate) progress: Form,
}

/// Sends log lines to standard error.
pub(crate) fn start_logging(verbosity: &Verbosity) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    // Codecs and GDAL log at debug level and above, and their lines can hold header values.
    // Therefore only artir's own lines pass the filter.
    let own = [
        "artir_batch",
        "artir_cli",
        "artir_core",
        "artir_dicom",
        "artir_geo",
        "artir_inspect",
        "artir_ops",
        "artir_photo",
        "artir_harness",
        "artir_volume",
    ];
    let filter = own.map(|name| format!("{name}={level}")).join(",");
    // A node's log is its diary: nobody watches it run.
    let filter = format!("{filter},artir_node={}", if level == "warn" { "info" } else { level });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        // They would go to standard error as well, and panic.
        .log_internal_errors(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .without_time();
    if verbosity.log_format == "json" { builder.json().init() } else { builder.init() }
}

/// The program that starts this command line, when it is not the running executable.
static PROGRAM: OnceLock<(PathBuf, Vec<OsString>)> = OnceLock::new();

/// Keeps the program that starts this command line.
pub(crate) fn remember_program(program: Option<(PathBuf, Vec<OsString>)>) {
    if let Some(program) = program {
        // A process runs one command line, so nothing is there yet.
        let _ = PROGRAM.set(program);
    }
}

/// Program and arguments that decode frames in a separate process. Codecs in C and C++ run there: a damaged frame can
/// crash that process, but not this one.
pub(crate) fn codec_process() -> Result<(PathBuf, Vec<OsString>), Failure> {
    let (program, mut arguments) = match PROGRAM.get() {
        Some(program) => program.clone(),
        None => {
            let fail = |e| Failure::failed(format!("cannot find the path of the running program: {e}"));
            (std::env::current_exe().map_err(fail)?, Vec::new())
        }
    };
    arguments.push("decode-frames".into());
    Ok((program, arguments))
}

/// How the network is run.
#[derive(Clone, Debug, PartialEq, Args)]
pub(crate) struct Inference {
    /// Model by name, or a file ending in .onnx
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<String>,
    /// auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N, where N is the number of the GPU
    #[arg(long, default_value_t)]
    device: Device,
    /// Threads; 0 uses every core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::threads, allow_negative_numbers = true)]
    threads: usize,
    /// f32, or fast: bfloat16 products with f32 sums where the processor has them
    #[arg(long, value_name = "PRECISION", value_parser = values::precision, default_value = "f32")]
    precision: Precision,
    /// Tile edge in pixels, which must fit --memory [default: the whole image if it fits, else the model's or less]
    #[arg(long, value_name = "N", value_parser = values::pixels, allow_negative_numbers = true)]
    tile: Option<usize>,
    /// Overlap of tiles in pixels, at most half a tile [default: the model's, or less in small tiles]
    #[arg(long, value_name = "N", value_parser = values::pixels, allow_negative_numbers = true)]
    overlap: Option<usize>,
    /// Memory that inference may use, such as 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = values::memory, allow_negative_numbers = true)]
    memory: u64,
    /// Share of the restoration that is applied, 0 to 1 [default: the model's, or 1]
    #[arg(long, value_name = "0..1", value_parser = values::strength, allow_hyphen_values = true)]
    strength: Option<f32>,
    /// Average the results of the eight flips and rotations of the input: eight times the work for a slightly better result
    #[arg(long)]
    ensemble: bool,
}

impl Inference {
    /// Loads the requested model, or the task's default.
    pub(crate) fn restorer(&self, task: Task) -> Result<Restorer, Failure> {
        let model = self.open(task)?;
        let settings = Settings::default()
            .device(self.device)
            .threads(self.threads)?
            .precision(self.precision)
            .tile(self.tile)
            .overlap(self.overlap)
            .memory(self.memory)
            .ensemble(self.ensemble);
        let settings = match self.strength {
            Some(strength) => settings.strength(strength)?,
            None => settings,
        };
        Ok(Restorer::new(model, settings)?)
    }

    /// The task of the model that `--model` names.
    pub(crate) fn task_of_model(&self) -> Result<Option<Task>, Failure> {
        Ok(self.model.as_ref().map(|name| zoo::open(name)).transpose()?.map(|model| model.card().task))
    }

    /// The file of the model that `--model` names, if it is not built in.
    pub(crate) fn model_file(&self) -> Option<PathBuf> {
        self.model.as_deref().and_then(zoo::file)
    }

    /// The card of the requested model, or of the task's default, without creating a session.
    #[cfg(feature = "geo")]
    pub(crate) fn card(&self, task: Task) -> Result<Card, Failure> {
        Ok(self.open(task)?.card().clone())
    }

    /// Reads the requested model, or the task's default.
    pub(crate) fn open(&self, task: Task) -> Result<Model, Failure> {
        Ok(match &self.model {
            Some(name) => zoo::open(name)?,
            None => zoo::open_default(task)?,
        })
    }

    /// Threads; 0 uses every core.
    #[cfg(feature = "geo")]
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes that inference may use.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// Loads the model and refuses one whose card names another task.
    pub(crate) fn restorer_for(&self, task: Task) -> Result<Restorer, Failure> {
        let restorer = self.restorer(task)?;
        let found = restorer.card().task;
        if found != task {
            return Err(Failure::usage(format!(
                "model '{}' is for {}, not for {}",
                restorer.card().name,
                found.name(),
                task.name()
            )));
        }
        Ok(restorer)
    }
}

/// So many models stay loaded. The jobs of a batch seldom use more.
const MOST_MODELS: usize = 4;

/// What a command needs of the process that runs it: progress, and the models that are loaded. A process that runs many jobs
/// loads each model once.
pub(crate) struct Host {
    pub(crate) progress: Terminal,
    loaded: Vec<Loaded>,
    /// Failures are kept for the job that they belong to, and not printed.
    pub(crate) silent: bool,
}

struct Loaded {
    /// Without the strength, which is changed for each use.
    inference: Inference,
    task: Task,
    restorer: Restorer,
    /// The strength of the model's card.
    usual: f32,
}

impl Host {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { progress: Terminal::new(quiet), loaded: Vec::new(), silent: false }
    }

    /// Progress, and the model of a request for a task: [`Inference::restorer_for`] where it is not loaded yet.
    pub(crate) fn parts(&mut self, inference: &Inference, task: Task) -> Result<(&Terminal, &mut Restorer), Failure> {
        let wanted = Inference { strength: None, ..inference.clone() };
        let place = self.loaded.iter().position(|loaded| loaded.inference == wanted && loaded.task == task);
        let mut loaded = match place {
            Some(place) => self.loaded.remove(place),
            None => {
                let restorer = wanted.restorer_for(task)?;
                Loaded { usual: restorer.strength(), inference: wanted, task, restorer }
            }
        };
        loaded.restorer.set_strength(inference.strength.unwrap_or(loaded.usual))?;
        self.loaded.truncate(MOST_MODELS - 1);
        // The one that was used last comes first.
        self.loaded.insert(0, loaded);
        Ok((&self.progress, &mut self.loaded[0].restorer))
    }

    /// The model that was used last.
    pub(crate) fn last(&self) -> Option<&Restorer> {
        self.loaded.first().map(|loaded| &loaded.restorer)
    }
}

/// Where results go.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Output file or folder
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Overwrite existing results
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Print the planned work and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
