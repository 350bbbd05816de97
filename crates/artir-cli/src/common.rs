//! Flags that several subcommands share.

use std::path::PathBuf;

#[cfg(feature = "geo")]
use artir_core::Card;
use artir_core::{Device, Model, Precision, Restorer, Settings, Task, zoo};
use clap::Args;
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use crate::outcome::Failure;

/// How much is said.
#[derive(Debug, Args)]
pub(crate) struct Verbosity {
    /// Say more (-v: what is done; -vv: how)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Form of log lines on standard error
    #[arg(long, value_name = "FORM", value_parser = ["text", "json"], default_value = "text", global = true)]
    pub(crate) log_format: String,
}

/// Sends log lines to standard error.
pub(crate) fn start_logging(verbosity: &Verbosity) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    // Codecs and GDAL have their own say at debug level and above; what they say can hold header
    // values, so only artir's own lines are let through.
    let own = ["artir", "artir_core", "artir_dicom", "artir_geo", "artir_ops", "artir_validation"];
    let filter = own.map(|name| format!("{name}={level}")).join(",");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .without_time();
    if verbosity.log_format == "json" { builder.json().init() } else { builder.init() }
}

/// How the network is run.
#[derive(Debug, Args)]
pub(crate) struct Inference {
    /// Model by name, or a file ending in .onnx
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<String>,
    /// auto, cpu, cuda[:N] or tensorrt[:N]
    #[arg(long, default_value_t)]
    device: Device,
    /// Threads; 0 takes every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// f32, or fast: bfloat16 products with f32 sums where the processor has them
    #[arg(long, value_name = "PRECISION", value_parser = parse_precision, default_value = "f32")]
    precision: Precision,
    /// Tile edge in pixels [default: the whole image if it fits --memory, else the model's]
    #[arg(long, value_name = "N")]
    tile: Option<usize>,
    /// Overlap of tiles in pixels [default: the model's]
    #[arg(long, value_name = "N")]
    overlap: Option<usize>,
    /// Memory that inference may use, such as 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_memory)]
    memory: u64,
    /// Share of the restoration that is applied, 0 to 1
    #[arg(long, value_name = "0..1", default_value_t = 1.0)]
    strength: f32,
}

impl Inference {
    /// Loads the model that was asked for, or the task's own.
    pub(crate) fn restorer(&self, task: Task) -> Result<Restorer, Failure> {
        let model = self.open(task)?;
        let settings = Settings {
            device: self.device,
            threads: self.threads,
            precision: self.precision,
            tile: self.tile,
            overlap: self.overlap,
            memory: self.memory,
            strength: self.strength,
        };
        Ok(Restorer::new(model, settings)?)
    }

    /// The model's file, where it was named by one.
    pub(crate) fn model_file(&self) -> Option<PathBuf> {
        self.model.as_ref().filter(|name| name.ends_with(".onnx")).map(PathBuf::from)
    }

    /// The card of the model that was asked for, or of the task's own; no session is made.
    #[cfg(feature = "geo")]
    pub(crate) fn card(&self, task: Task) -> Result<Card, Failure> {
        Ok(self.open(task)?.card().clone())
    }

    fn open(&self, task: Task) -> Result<Model, Failure> {
        let name = match (&self.model, zoo::default_for(task)) {
            (Some(name), _) => name.as_str(),
            (None, Some(name)) => name,
            (None, None) => {
                return Err(Failure::usage(format!(
                    "no model for {} is built in yet: name one with --model",
                    task.name()
                )));
            }
        };
        Ok(zoo::open(name)?)
    }

    /// Threads; 0 takes every core.
    #[cfg(feature = "geo")]
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Refuses a model that was made for something else.
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
    /// Replace what is there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Say what would be done, and do nothing
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

fn parse_memory(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no size"))?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(format!("'{unit}' is none of KiB, MiB, GiB, kB, MB, GB")),
    };
    Ok((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_are_written() {
        assert_eq!(parse_memory("2GiB").unwrap(), 2 << 30);
        assert_eq!(parse_memory("512 MiB").unwrap(), 512 << 20);
        assert_eq!(parse_memory("1.5GB").unwrap(), 1_500_000_000);
        assert_eq!(parse_memory("4096").unwrap(), 4096);
        for bad in ["", "GiB", "2 parsecs", "-1GiB"] {
            assert!(parse_memory(bad).is_err(), "{bad}");
        }
    }
}
