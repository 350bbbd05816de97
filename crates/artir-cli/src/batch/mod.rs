//! `artir batch`: the jobs of a manifest, in any number of processes.

mod command;
mod restore;
mod status;
#[cfg(feature = "geo")]
mod survey;

use std::{
    io::BufWriter,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use artir_batch::{Manifest, Ran, Shard, State, Store, Survey, Upload};
use artir_core::ErrorKind;
use artir_files::NewFile;
use clap::ValueEnum;

use self::restore::{Jobs, Restoring};
use crate::{outcome::Failure, progress::Terminal};

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Manifest: one job a line, as JSON with id, command, input, and optionally output and options
    #[arg(value_name = "JOBS.jsonl", required_unless_present_any = ["plan", "status", "merge"])]
    jobs: Option<PathBuf>,
    /// Folder for the results of all jobs and the records of what is done; for --plan, the manifest to write; for --merge, the
    /// folder of the report [default for --merge: the folder of results]
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["status", "merge"])]
    output: Option<PathBuf>,
    /// Run one of N parts of the jobs: I is 0 to N - 1
    #[arg(long, value_name = "I/N", default_value_t)]
    shard: Shard,
    /// Allow addresses: series of an Orthanc, whose credentials are ARTIR_ORTHANC_USER and ARTIR_ORTHANC_PASSWORD, and objects
    /// of a store that speaks S3 (s3://BUCKET/KEY), at AWS_ENDPOINT_URL with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long)]
    allow_remote: bool,
    /// Put results into a store in place of OUT, which keeps locks, records and journals. The record of a job comes last, as
    /// PREFIX/.artir/done/ID.json
    #[arg(long, value_name = "s3://BUCKET/PREFIX", requires = "allow_remote", conflicts_with_all = ["plan", "survey", "status", "merge"])]
    upload: Option<String>,
    /// Write file names, option values and paths into the records
    #[arg(long)]
    show_paths: bool,
    /// Read a sample of each scene and write one range for the scenes of each mosaic, which all shards then use; restore nothing
    #[arg(long, conflicts_with_all = ["shard", "plan", "status", "merge"])]
    survey: bool,
    /// List the work of a folder, DICOMDIR, STAC file, VRT mosaic, Orthanc (http://HOST:PORT) or store (s3://BUCKET/PREFIX, with
    /// --command), without reading pixels, and write it as a manifest
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["jobs", "shard", "show_paths"])]
    plan: Option<PathBuf>,
    /// Kind of work to list; a folder gives CT and PET series by default
    #[arg(long, value_name = "COMMAND", value_enum, requires = "plan")]
    command: Option<Kind>,
    /// Overwrite the manifest of --plan
    #[arg(long, requires = "plan")]
    overwrite: bool,
    /// Show how far all shards are: counts, rate, time left, reasons of failures, slowest jobs
    #[arg(long, value_name = "OUT", conflicts_with_all = ["jobs", "output", "shard", "show_paths", "plan", "merge"])]
    status: Option<PathBuf>,
    /// Print the status as JSON
    #[arg(long, requires = "status")]
    json: bool,
    /// Write report.csv and report.html over all shards
    #[arg(long, value_name = "OUT", conflicts_with_all = ["jobs", "shard", "show_paths", "plan"])]
    merge: Option<PathBuf>,
}

const AFTER: &str = "\
Exit codes: 0 all jobs of the shard are done; 1 worth starting again; 2 wrong usage; 3 the manifest or OUT cannot be used; \
4 some jobs are unusable: they are recorded, and not tried again until their input or options change; 130 stopped.";

/// Engines wait 30 s and more between the request to stop and the kill.
const PATIENCE: Duration = Duration::from_secs(25);

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Ct,
    Pet,
    Geo,
    Image,
}

impl From<Kind> for artir_batch::Command {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ct => Self::Ct,
            Kind::Pet => Self::Pet,
            Kind::Geo => Self::Geo,
            Kind::Image => Self::Image,
        }
    }
}

impl From<artir_batch::Error> for Failure {
    fn from(e: artir_batch::Error) -> Self {
        Self::new(e.kind(), e)
    }
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    if let Some(out) = &args.status {
        return status::show(out, args.json);
    }
    if let Some(out) = &args.merge {
        let [csv, page] = artir_batch::merge(out, args.output.as_deref().unwrap_or(out))?;
        say!("{}\n{}", csv.display(), page.display());
        return Ok(ExitCode::SUCCESS);
    }
    let output = args.output.as_deref().ok_or_else(|| Failure::usage("--output is missing"))?;
    if artir_batch::plan::address_of(output).is_some() {
        let reason = "--output must be a folder or a file: results go into a store with --upload s3://BUCKET/PREFIX";
        return Err(Failure::usage(reason));
    }
    if let Some(source) = &args.plan {
        return plan(source, args, output, quiet);
    }
    let manifest = args.jobs.as_deref().ok_or_else(|| Failure::usage("name a manifest"))?;
    if args.survey {
        #[cfg(feature = "geo")]
        return survey::survey(Manifest::open(manifest, Shard::default())?, args, output, quiet);
        #[cfg(not(feature = "geo"))]
        return Err(Failure::usage("--survey reads scenes, which need a build with GDAL"));
    }
    jobs(Manifest::open(manifest, args.shard)?, args, output, quiet)
}

fn plan(source: &Path, args: &Args, to: &Path, quiet: bool) -> Result<ExitCode, Failure> {
    let fail = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{}: already exists: use --overwrite", to.display()))
        }
        _ => Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", to.display())),
    };
    if let Some(address) = artir_batch::plan::address_of(source)
        && !args.allow_remote
    {
        let address = artir_batch::plan::shown(address);
        return Err(Failure::usage(format!("{address}: an address on a network: use --allow-remote")));
    }
    if to.exists() && !args.overwrite {
        return Err(fail(std::io::ErrorKind::AlreadyExists.into()));
    }
    let mut file = NewFile::create(to).map_err(fail)?;
    let mut out = BufWriter::new(file.file());
    let planned = artir_batch::plan::plan(source, args.command.map(Into::into), &mut out, to)?;
    drop(out);
    for (reason, count) in &planned.left_out {
        say_error!("artir: {count} left out: {reason}");
    }
    if planned.jobs == 0 {
        let shown = artir_batch::plan::address_of(source).map(artir_batch::plan::shown);
        let shown = shown.unwrap_or_else(|| source.display().to_string());
        return Err(Failure::input(format!("{shown}: nothing to restore was found")));
    }
    file.publish(args.overwrite).map_err(fail)?;
    if !quiet {
        say!("{} job(s) written to {}", planned.jobs, to.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Jobs run with paths of their own, wherever the process was started.
fn absolute(output: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(output).map_err(|e| Failure::new(ErrorKind::Output, format!("{}: {e}", output.display())))
}

fn jobs(manifest: Manifest, args: &Args, output: &Path, quiet: bool) -> Result<ExitCode, Failure> {
    let out = absolute(output)?;
    let survey = Survey::read(&out)?;
    let jobs = Jobs::new(manifest.base().to_owned(), out.clone(), args.show_paths)
        .with_survey(survey.clone())
        .with_remote(args.allow_remote)
        .with_uploads(args.upload.is_some());
    let mut manifest = survey.into_iter().fold(manifest, Manifest::with_survey);
    // What is refused is refused before the work.
    for index in 0..manifest.len() {
        jobs.check(&manifest.job(index)?)?;
    }
    let upload = args.upload.as_deref().map(Upload::new).transpose()?;
    let store = Store::open(&out)?.with_upload(upload);
    end_in_time();
    let mut restoring = Restoring::new(&jobs, &store, quiet);
    let total = manifest.len();
    let ran = artir_batch::run(manifest, args.shard, &store, &jobs, |job| restoring.job(job)).map_err(|e| {
        // Records that cannot be written now may be written another time.
        let failure = Failure::from(e);
        Failure { kind: if failure.kind == ErrorKind::Output { ErrorKind::Failed } else { failure.kind }, ..failure }
    })?;
    if !quiet {
        say!("shard {}: {}", args.shard, summary(&ran, total));
    }
    if ran.gave_up {
        say_error!(
            "artir: too many jobs failed one after the other: the disk or the device, not the jobs, needs attention"
        );
    }
    Ok(code(&ran))
}

/// Ends the process some time after it was asked to stop. A large tile may take the network minutes, and engines kill what does not
/// end. Results and journals are whole whenever a process ends.
fn end_in_time() {
    std::thread::spawn(|| {
        while !Terminal::is_stopped() {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(PATIENCE);
        say_error!("artir: stopped within a job, which is continued by the next run");
        std::process::exit(130);
    });
}

fn summary(ran: &Ran, total: usize) -> String {
    let mut parts: Vec<String> = State::ALL
        .iter()
        .filter(|state| ran.all(**state) > 0)
        .map(|state| match ran.before.get(state).copied().unwrap_or(0) {
            0 => format!("{} {}", ran.all(*state), state.name()),
            before => format!("{} {} ({before} before)", ran.all(*state), state.name()),
        })
        .collect();
    if ran.busy > 0 {
        parts.push(format!("{} in other processes", ran.busy));
    }
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("{total} job(s){parts}")
}

fn code(ran: &Ran) -> ExitCode {
    ExitCode::from(if ran.stopped {
        130
    } else if ran.gave_up || ran.busy > 0 || ran.all(State::Failed) > 0 {
        1
    } else if ran.all(State::Unusable) + ran.all(State::Partial) > 0 {
        4
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_an_engine_what_to_do() {
        let ran = |ended: &[(State, u64)], before: &[(State, u64)]| Ran {
            ended: ended.iter().copied().collect(),
            before: before.iter().copied().collect(),
            ..Ran::default()
        };
        assert_eq!(code(&ran(&[(State::Done, 3)], &[])), ExitCode::from(0));
        assert_eq!(code(&ran(&[(State::Done, 3)], &[(State::Unusable, 1)])), ExitCode::from(4));
        assert_eq!(code(&ran(&[(State::Partial, 1)], &[])), ExitCode::from(4));
        assert_eq!(code(&ran(&[(State::Failed, 1), (State::Unusable, 1)], &[])), ExitCode::from(1));
        assert_eq!(code(&Ran { busy: 1, ..Ran::default() }), ExitCode::from(1));
        assert_eq!(code(&Ran { stopped: true, ..ran(&[(State::Failed, 1)], &[]) }), ExitCode::from(130));
        let text = summary(&ran(&[(State::Done, 2)], &[(State::Done, 3), (State::Unusable, 1)]), 6);
        assert_eq!(text, "6 job(s): 5 done (3 before), 1 unusable (1 before)");
    }
}
