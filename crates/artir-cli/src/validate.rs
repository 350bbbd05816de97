//! `artir validate`: measures a model on a data set and compares it with published figures.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::ErrorKind;
use artir_harness::{self as harness, Context, Options, Reader, Run, Suite, TEMPLATE};
use artir_metrics::Lpips;

use crate::{
    common::{Inference, codec_process},
    outcome::Failure,
    outputs::{Kind, Outputs, publish_text},
    progress::Terminal,
    values,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A built-in suite (see --list), or a suite file ending in .toml
    #[arg(required_unless_present_any = ["list", "init"])]
    suite: Option<String>,
    /// The data set's folder
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list", "init"])]
    data: Option<PathBuf>,
    /// Folder for results.json, results.csv and report.html [default: validate-SUITE]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Another method's results on the same images, as FOLDER=NAME; may be given several times
    #[arg(long, value_name = "FOLDER=NAME", value_parser = values::also)]
    also: Vec<(PathBuf, String)>,
    /// Measure only the input and the results of --also
    #[arg(long, conflicts_with = "model")]
    no_model: bool,
    /// Continue an interrupted run
    #[arg(long)]
    resume: bool,
    /// Replace the results of another run
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Pairs to read and measure at a time; 0 uses every core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1024))]
    jobs: u16,
    /// A network that measures LPIPS: two inputs [1, 3, H, W] from -1 to 1 and one number as output
    #[arg(long, value_name = "FILE.onnx")]
    lpips: Option<PathBuf>,
    /// Write file names, instead of tokens, into the results of medical suites
    #[arg(long)]
    show_paths: bool,
    /// List the built-in suites
    #[arg(long)]
    list: bool,
    /// Write a suite file to start from
    #[arg(long, value_name = "FILE.toml")]
    init: Option<PathBuf>,
    #[command(flatten)]
    inference: Inference,
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    if args.list {
        for name in Suite::names() {
            say!("{name:<22}{}", Suite::open(name)?.0.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &args.init {
        if artir_files::is_taken(file) {
            return Err(Failure::usage(format!("{} already exists", file.display())));
        }
        publish_text(file, false, TEMPLATE)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(name), Some(data)) = (&args.suite, &args.data) else {
        return Err(Failure::usage("SUITE and --data are required"));
    };
    let (suite, text) = Suite::open(name)?;
    let reader = Reader::new(args.inference.memory(), Some(codec_process()?));
    let pairs = harness::find(&suite, data, &reader)?;
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("validate-{stem}")));
    let journal = folder.join("journal.jsonl");
    if artir_files::is_taken(&journal) && !args.resume && !args.overwrite {
        let message = format!("{} already holds results: use --resume or --overwrite", folder.display());
        return Err(Failure::usage(message));
    }
    let mut outputs = Outputs::new(args.inference.model_file().into_iter().chain(args.lpips.clone()));
    for result in ["journal.jsonl", "results.json", "results.csv", "report.html"] {
        outputs.add("a result", &folder.join(result), Kind::File, args.resume || args.overwrite)?;
    }
    let restorer = match args.no_model {
        true => None,
        false => Some(args.inference.restorer(suite.task)?),
    };
    let also = args.also.iter().map(|(folder, name)| (name.clone(), folder.clone()));
    let options = Options::new(reader)
        .also(also.collect())
        .jobs(args.jobs.into())
        .lpips(args.lpips.as_deref().map(Lpips::open).transpose()?)
        .show_paths(args.show_paths);
    let run = Run::new((&suite, &text), &pairs, restorer.as_ref(), &options)?;
    let fail = |e: std::io::Error| Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", folder.display()));
    let _made = artir_files::OutputFolder::create(&folder).map_err(fail)?;
    let progress = Terminal::new(quiet).counting("measure", "images");
    let results = run.measure(&journal, args.resume, &progress).map_err(|e| {
        let failure = Failure::from(e);
        match failure.kind {
            ErrorKind::Interrupted => Failure::new(failure.kind, "interrupted: continue with --resume"),
            _ => failure,
        }
    })?;
    let write = |name: &str, text: &str| publish_text(&folder.join(name), true, text);
    write("results.json", &results.to_json().map_err(Failure::failed)?)?;
    write("results.csv", &harness::csv(&results))?;
    write("report.html", &harness::page(&run, &results, &context(restorer.as_ref())?, &progress)?)?;
    drop(progress);
    say!("{}", harness::table(&results));
    for failed in &results.failures {
        say_error!("artir: {}: {}", failed.name, failed.reason);
    }
    if !quiet {
        say!("results: {}", folder.display());
    }
    Ok(match (results.images.is_empty(), results.failures.is_empty()) {
        (true, _) => ExitCode::from(3),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(4),
    })
}

fn context(restorer: Option<&artir_core::Restorer>) -> Result<Context, Failure> {
    let mut facts = vec![("artir".to_owned(), artir_core::VERSION.to_owned())];
    if let Some(restorer) = restorer {
        let card = restorer.card();
        facts.push(("runtime".into(), format!("ONNX Runtime {}", artir_core::runtime_version()?)));
        facts.push(("training".into(), card.training.summary.clone()));
        facts.push(("limits".into(), card.limits.clone()));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    facts.push(("machine".into(), format!("{}, {cores} cores", processor())));
    Ok(Context { facts })
}

/// The processor's name, if the system reports it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':'));
    line.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
