//! `artir bench`: speed and memory use of the network on this machine, compared with the processor's peak.

mod paper;

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use artir_core::{
    Device, Error, Model, Precision, Progress, Session, multiply_adds_per_second, precision_name, resident, zoo,
};
use artir_files::is_taken;
use artir_metrics::median;
use ndarray::Array4;
use serde::Serialize;

use crate::{
    outcome::Failure,
    outputs::{Kind, Outputs, publish_text},
    progress::Terminal,
    values::{self, Extent},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Models by name, or files ending in .onnx
    #[arg(long, value_name = "NAME|FILE", default_values = ["ct-ldct-t", "geo-haze-t"])]
    model: Vec<String>,
    /// Image sizes in pixels, rows x columns
    #[arg(long, value_name = "HxW", value_parser = values::extent, default_values = ["256x256", "512x512", "1024x1024"])]
    size: Vec<Extent>,
    /// Numbers of threads [default: 1 and every core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Vec<u16>,
    /// f32, fast, or both
    #[arg(long, value_name = "PRECISION", value_parser = values::precision, default_values = ["f32", "fast"])]
    precision: Vec<Precision>,
    /// Measured runs of each combination; the median is reported
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Measure the paper's networks T, S and B at its sizes, beside its tables of complexity and speed
    #[arg(long, conflicts_with_all = ["model", "size", "precision"])]
    paper: bool,
    /// Write the figures to a file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    model: String,
    rows: usize,
    columns: usize,
    threads: usize,
    /// f32 or bf16.
    precision: &'static str,
    /// Median of the runs.
    seconds: f64,
    fastest_seconds: f64,
    runs: u16,
    /// Multiply-adds as the network's definition counts them, by 1e9.
    gmacs_per_second: f64,
    /// Peak multiply-adds per second of the same threads and instructions, measured between the runs, by 1e9.
    peak_gmacs_per_second: f64,
    share_of_peak: f64,
    /// Largest resident size of the process during a run of a session that is alone in it.
    peak_memory_bytes: Option<u64>,
}

/// The machine and the software that figures were measured on.
#[derive(Debug, Serialize)]
struct Machine {
    artir: &'static str,
    runtime: String,
    processor: String,
    cores: usize,
}

impl Machine {
    fn this() -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = artir_core::runtime_version()?;
        Ok(Self { artir: artir_core::VERSION, runtime, processor: processor(), cores })
    }
}

/// The figures, and the machine that they were measured on.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    machine: Machine,
    lines: Vec<Line>,
}

/// A model on some threads in one precision, and its measurements at one size.
struct Subject {
    session: Session,
    threads: usize,
    macs_256: u64,
    name: String,
    channels: usize,
    seconds: Vec<f64>,
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let progress = Terminal::new(quiet).counting("measure", "runs");
    if let Some(path) = &args.json {
        check_output(path, &args.model)?;
    }
    if args.paper {
        return paper::run(args, &progress).map(|()| ExitCode::SUCCESS);
    }
    let machine = Machine::this()?;
    let mut threads: Vec<usize> = args.threads.iter().map(|n| usize::from(*n)).collect();
    if threads.is_empty() {
        threads = vec![1, machine.cores];
    }
    threads.dedup();
    let Machine { artir, runtime, processor, cores } = &machine;
    say!("{processor}, {cores} core(s); artir {artir}, ONNX Runtime {runtime}");
    say!(
        "{:<14} {:>11} {:>7} {:>9} {:>9} {:>9} {:>7} {:>9}",
        "model",
        "pixels",
        "threads",
        "precision",
        "seconds",
        "G MAC/s",
        "of peak",
        "peak MiB"
    );
    let mut lines = Vec::new();
    for name in &args.model {
        let model = zoo::open(name)?;
        let mut memory = Vec::new();
        for &size in &args.size {
            for subject in subjects(&model, &threads, &args.precision) {
                memory.push(peak_memory(&subject?, size)?);
            }
        }
        let mut memory = memory.into_iter();
        let mut subjects = subjects(&model, &threads, &args.precision).collect::<Result<Vec<_>, _>>()?;
        for &size in &args.size {
            let item = format!("{name} {}x{}", size.rows, size.columns);
            progress.start(&item, u64::from(args.runs) * subjects.len() as u64);
            for mut line in measure(&mut subjects, size, args.runs, &progress)? {
                line.peak_memory_bytes = memory.next().flatten();
                print(&line);
                lines.push(line);
            }
        }
    }
    say!(
        "\nG MAC: 10^9 multiply-adds as the network's definition counts them. Peak: the same threads and instructions at"
    );
    say!("nothing but multiply-adds, measured between the runs. Medians of {} run(s) each, taken in turn.", args.runs);
    if let Some(path) = &args.json {
        let report = Report { machine, lines };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
        publish_text(path, true, &(text + "\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that the figures' file can be written, and replaces neither a model nor anything but older figures.
fn check_output(path: &Path, models: &[String]) -> Result<(), Failure> {
    let models = models.iter().filter_map(|name| zoo::file(name));
    Outputs::new(models).add("the figures", path, Kind::File, true)?;
    if is_taken(path) && !is_replaceable(path) {
        let reason = "exists, and holds no figures of artir bench: choose another path";
        return Err(Failure::usage(format!("{}: {reason}", path.display())));
    }
    Ok(())
}

/// Whether a file holds figures that this command wrote, or nothing: scripts reserve a name with an empty file, as `mktemp` does.
fn is_replaceable(path: &Path) -> bool {
    let read = || {
        let file = File::open(path).ok()?;
        if file.metadata().ok()?.len() == 0 {
            return Some(true);
        }
        let found: serde_json::Value = serde_json::from_reader(BufReader::new(file)).ok()?;
        Some(found.get("artir")?.is_string() && found.get("lines")?.is_array())
    };
    read() == Some(true)
}

/// Sessions of a model, opened one by one.
fn subjects<'a>(
    model: &'a Model,
    threads: &'a [usize],
    precisions: &'a [Precision],
) -> impl Iterator<Item = Result<Subject, Failure>> + 'a {
    let card = model.card();
    let kinds = threads.iter().flat_map(|threads| precisions.iter().map(|precision| (*threads, *precision)));
    kinds.map(|(threads, precision)| {
        Ok(Subject {
            session: Session::new(model, Device::Cpu, threads, precision)?,
            threads,
            macs_256: card.macs_256,
            name: card.name.clone(),
            channels: card.input.channels,
            seconds: Vec::new(),
        })
    })
}

fn image(channels: usize, size: Extent) -> Array4<f32> {
    Array4::from_shape_fn((1, channels, size.rows, size.columns), |(_, c, y, x)| picture(c, y, x))
}

/// The largest resident size during a run.
fn peak_memory(subject: &Subject, size: Extent) -> Result<Option<u64>, Failure> {
    let input = image(subject.channels, size);
    let counts = resident::forget_peak();
    subject.session.run(input.view())?;
    Ok(resident::peak().filter(|_| counts))
}

/// Duration of the measurement of the processor's peak.
const PEAK_TIME: Duration = Duration::from_millis(60);

/// Runs the subjects in turn, so that a machine that slows down slows all of them.
fn measure(subjects: &mut [Subject], size: Extent, runs: u16, progress: &dyn Progress) -> Result<Vec<Line>, Failure> {
    let mut peaks = vec![0.0f64; subjects.len()];
    for subject in subjects.iter_mut() {
        subject.seconds.clear();
        // The first run of a size allocates the maps, which later runs reuse.
        subject.session.run(image(subject.channels, size).view())?;
    }
    for _ in 0..runs {
        for (subject, peak) in subjects.iter_mut().zip(&mut peaks) {
            if progress.is_cancelled() {
                return Err(Error::Interrupted.into());
            }
            let input = image(subject.channels, size);
            let begun = Instant::now();
            subject.session.run(input.view())?;
            subject.seconds.push(begun.elapsed().as_secs_f64());
            let precision = subject.session.precision();
            *peak = peak.max(multiply_adds_per_second(subject.threads, precision, PEAK_TIME));
            progress.advance(1);
        }
    }
    let line = |(subject, peak): (&mut Subject, f64)| {
        let fastest = subject.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let seconds = median(subject.seconds.clone()).unwrap_or(f64::NAN);
        let macs = subject.macs_256 as f64 * (size.rows * size.columns) as f64 / (256.0 * 256.0);
        Line {
            model: subject.name.clone(),
            rows: size.rows,
            columns: size.columns,
            threads: subject.threads,
            precision: precision_name(subject.session.precision()),
            seconds,
            fastest_seconds: fastest,
            runs,
            gmacs_per_second: macs / seconds / 1e9,
            peak_gmacs_per_second: peak / 1e9,
            share_of_peak: macs / seconds / peak,
            peak_memory_bytes: None,
        }
    };
    Ok(subjects.iter_mut().zip(peaks).map(line).collect())
}

/// An image with smooth parts and edges. The network's speed does not depend on its content.
fn picture(channel: usize, row: usize, column: usize) -> f32 {
    let wave = (0.05 * column as f32 + channel as f32).sin() * (0.03 * row as f32).cos();
    0.5 + 0.3 * wave + 0.1 * f32::from(u8::from((row / 9 + column / 7).is_multiple_of(3)))
}

fn print(line: &Line) {
    say!(
        "{:<14} {:>11} {:>7} {:>9} {:>9.4} {:>9.1} {:>6.0}% {:>9}",
        line.model,
        format!("{}x{}", line.rows, line.columns),
        line.threads,
        line.precision,
        line.seconds,
        line.gmacs_per_second,
        100.0 * line.share_of_peak,
        line.peak_memory_bytes.map_or("unknown".into(), |b| (b >> 20).to_string()),
    );
}

/// The processor's name as Linux reports it, or the architecture.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or(std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use artir_core::ErrorKind;

    use super::*;

    #[test]
    fn only_older_figures_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("figures.json");
        let models = [dir.path().join("model.onnx"), dir.path().join("model")].map(|path| path.display().to_string());
        check_output(&path, &models).unwrap();
        for text in [r#"{"artir": "0.2.0", "lines": []}"#, ""] {
            fs::write(&path, text).unwrap();
            check_output(&path, &models).unwrap();
        }
        for model in &models {
            fs::write(model, r#"{"artir": "0.2.0", "lines": []}"#).unwrap();
            let refused = check_output(Path::new(model), &models).unwrap_err();
            assert!(refused.kind == ErrorKind::Usage && refused.message.contains("an input"), "{}", refused.message);
        }
        for text in ["notes", "{}", r#"{"artir": 1, "lines": []}"#] {
            fs::write(&path, text).unwrap();
            let refused = check_output(&path, &models).unwrap_err();
            assert!(refused.kind == ErrorKind::Usage && refused.message.contains("holds no figures"), "{text}");
        }
    }
}
