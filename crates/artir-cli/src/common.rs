//! Flags that several subcommands share.

use std::{ffi::OsString, path::PathBuf, sync::OnceLock};

#[cfg(feature = "geo")]
use artir_core::Card;
use artir_core::{Device, MOST_THREADS, Model, Precision, Restorer, Settings, Task, zoo};
use clap::Args;
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use crate::{outcome::Failure, progress::Form};

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
    let own = ["artir_cli", "artir_core", "artir_dicom", "artir_geo", "artir_ops", "artir_photo", "artir_harness"];
    let filter = own.map(|name| format!("{name}={level}")).join(",");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
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
#[derive(Debug, Args)]
pub(crate) struct Inference {
    /// Model by name, or a file ending in .onnx
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<String>,
    /// auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N, where N is the number of the GPU
    #[arg(long, default_value_t)]
    device: Device,
    /// Threads; 0 uses every core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_threads, allow_negative_numbers = true)]
    threads: usize,
    /// f32, or fast: bfloat16 products with f32 sums where the processor has them
    #[arg(long, value_name = "PRECISION", value_parser = parse_precision, default_value = "f32")]
    precision: Precision,
    /// Tile edge in pixels, which must fit --memory [default: the whole image if it fits, else the model's or less]
    #[arg(long, value_name = "N", value_parser = parse_pixels, allow_negative_numbers = true)]
    tile: Option<usize>,
    /// Overlap of tiles in pixels, at most half a tile [default: the model's, or less in small tiles]
    #[arg(long, value_name = "N", value_parser = parse_pixels, allow_negative_numbers = true)]
    overlap: Option<usize>,
    /// Memory that inference may use, such as 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_memory, allow_negative_numbers = true)]
    memory: u64,
    /// Share of the restoration that is applied, 0 to 1 [default: the model's, or 1]
    #[arg(long, value_name = "0..1", value_parser = parse_strength, allow_hyphen_values = true)]
    strength: Option<f32>,
}

impl Inference {
    /// Loads the requested model, or the task's default.
    pub(crate) fn restorer(&self, task: Task) -> Result<Restorer, Failure> {
        let model = self.open(task)?;
        let strength = self.strength.or(model.card().strength).unwrap_or(1.0);
        let settings = Settings {
            device: self.device,
            threads: self.threads,
            precision: self.precision,
            tile: self.tile,
            overlap: self.overlap,
            memory: self.memory,
            strength,
        };
        Ok(Restorer::new(model, settings)?)
    }

    /// The model's file, if `--model` names a file.
    pub(crate) fn model_file(&self) -> Option<PathBuf> {
        self.model.as_ref().filter(|name| name.ends_with(".onnx")).map(PathBuf::from)
    }

    /// The card of the requested model, or of the task's default, without creating a session.
    #[cfg(feature = "geo")]
    pub(crate) fn card(&self, task: Task) -> Result<Card, Failure> {
        Ok(self.open(task)?.card().clone())
    }

    fn open(&self, task: Task) -> Result<Model, Failure> {
        let name = match (&self.model, zoo::default_for(task)) {
            (Some(name), _) => name.as_str(),
            (None, Some(name)) => name,
            (None, None) => {
                return Err(Failure::usage(format!("no model for {} is built in: name one with --model", task.name())));
            }
        };
        Ok(zoo::open(name)?)
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

pub(crate) fn parse_precision(text: &str) -> Result<Precision, String> {
    match text {
        "f32" => Ok(Precision::F32),
        "fast" => Ok(Precision::Fast),
        _ => Err("must be f32 or fast".into()),
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    whole_number(text, MOST_THREADS)
}

/// No image has a longer edge than a tile may have.
const LONGEST_EDGE: usize = 1 << 20;

fn parse_pixels(text: &str) -> Result<usize, String> {
    whole_number(text, LONGEST_EDGE)
}

fn whole_number(text: &str, most: usize) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= most).ok_or_else(|| format!("must be a whole number from 0 to {most}"))
}

fn parse_strength(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|n: &f32| (0.0..=1.0).contains(n));
    // -0 means 0, and must not lead to another derived UID.
    number.map(|n| n + 0.0).ok_or_else(|| "must be a number from 0 to 1".into())
}

pub(crate) fn parse_memory(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is not a size such as 512MiB"))?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(format!("'{unit}' is not one of KiB, MiB, GiB, kB, MB, GB")),
    };
    let bytes = number * factor;
    match bytes {
        _ if bytes < 1.0 => Err(format!("'{text}' is less than one byte")),
        _ if bytes < MOST_MEMORY => Ok(bytes as u64),
        _ => Err(format!("'{text}' is not below 1 PiB, the largest limit")),
    }
}

/// 1 PiB.
const MOST_MEMORY: f64 = (1u64 << 50) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_are_written() {
        assert_eq!(parse_memory("2GiB").unwrap(), 2 << 30);
        assert_eq!(parse_memory("512 MiB").unwrap(), 512 << 20);
        assert_eq!(parse_memory("1.5GB").unwrap(), 1_500_000_000);
        assert_eq!(parse_memory("4096").unwrap(), 4096);
        for bad in
            ["", "0", "0.5B", "GiB", "2 parsecs", "-1GiB", "nan", "inf", "1.2.3", "9999999999999GiB", &"9".repeat(400)]
        {
            assert!(parse_memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!((parse_threads("0"), parse_threads("1024")), (Ok(0), Ok(1024)));
        assert_eq!((parse_pixels("0"), parse_pixels("512")), (Ok(0), Ok(512)));
        for bad in ["-1", "1025", "9223372036854775808", "18446744073709551616", "1e3", "nan", "inf", "", "0x10"] {
            assert!(parse_threads(bad).is_err(), "{bad}");
        }
        assert!(parse_pixels("9223372036854775807").is_err());
        assert_eq!((parse_strength("0.5"), parse_strength("1")), (Ok(0.5), Ok(1.0)));
        assert!(parse_strength("-0").is_ok_and(|zero| zero.is_sign_positive()));
        for bad in ["nan", "inf", "-inf", "-0.1", "1.0001", "1e40", "", "half"] {
            assert!(parse_strength(bad).is_err(), "{bad}");
        }
    }
}
