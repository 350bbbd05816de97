//! `artir image`: photographs, and the frames of videos.

mod video;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Progress, Restorer, Source, Task};
use artir_photo::{Format, Photo, PhotoSink, PhotoSource};

use crate::{
    common::{Host, Inference, Output},
    flags,
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs, publish},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// PNG, JPEG or TIFF files, 8 or 16 bit; with --video, a folder of them
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// What the network removes: noise or haze [default: noise; with --model, what that model is for]
    #[arg(long, value_enum)]
    task: Option<PhotoTask>,
    /// Restore the frames of a folder in the order of the numbers in their names, with a journal that --resume continues
    #[arg(long)]
    video: bool,
    /// Continue an interrupted run over frames: those that are done stay
    #[arg(long, requires = "video")]
    resume: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    pub(crate) inference: Inference,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PhotoTask {
    Denoise,
    Dehaze,
}

impl Args {
    /// The task that was asked for. Naming a model asks for what it does.
    pub(crate) fn task(&self) -> Result<Task, Failure> {
        Ok(match (self.task, self.inference.task_of_model()?) {
            (None, Some(Task::Dehaze)) | (Some(PhotoTask::Dehaze), _) => Task::Dehaze,
            (None, Some(Task::RgbRestore)) => Task::RgbRestore,
            (None, _) | (Some(PhotoTask::Denoise), _) => Task::RgbDenoise,
        })
    }
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    if args.video {
        return video::run(args, quiet);
    }
    let outputs = outputs(args)?;
    restore_all(args, &outputs, &mut Host::new(quiet)).map(|tally| tally.code())
}

/// `artir image` as a job of a batch: one photograph to one file.
pub(crate) fn job(mut args: Args, host: &mut Host) -> Result<Tally, Failure> {
    if args.video {
        return Err(Failure::usage("--video is not for jobs, which are photographs: run artir image"));
    }
    args.output.overwrite = true;
    let output = args.output.output.clone();
    restore_all(&args, &[output], host)
}

/// Checks the outputs first, then restores one photograph after the other. An error here ends the whole command.
fn restore_all(args: &Args, outputs: &[PathBuf], host: &mut Host) -> Result<Tally, Failure> {
    let mut tally = Tally::new(host.silent);
    let (progress, restorer) = host.parts(&args.inference, args.task()?)?;
    let mut checks = Outputs::new(args.photos.iter().cloned().chain(args.inference.model_file()));
    let mut possible = Vec::new();
    for (photo, out) in args.photos.iter().zip(outputs) {
        let is_file = folder(photo).map_or(Ok(()), |reason| Err(Failure::input(reason)));
        let format = is_file.and_then(|()| Format::of(out).map_err(|e| named(out, &e)));
        let checked = format.and_then(|_| checks.add("a photograph", out, Kind::File, args.output.overwrite));
        match checked {
            Ok(()) => possible.push((photo, out)),
            Err(failure) => tally.fail(failure)?,
        }
    }
    for (photo, out) in possible {
        match restore(photo, out, args, restorer, progress) {
            Ok(()) => tally.written += 1,
            Err(failure) => tally.fail(failure)?,
        }
    }
    Ok(tally)
}

/// The reason why a path is no photograph, if it is a folder.
fn folder(photo: &Path) -> Option<String> {
    let reason = "is a folder: name its files, or add --video if they are the frames of a video";
    photo.is_dir().then(|| format!("{}: {reason}", photo.display()))
}

/// One output path per photograph: the named file, or the same file names in a folder.
fn outputs(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    let out = &args.output.output;
    // A folder among photographs, as a pattern of the shell may match one, ends no work on the others.
    if let [one] = args.photos.as_slice()
        && let Some(reason) = folder(one)
    {
        return Err(Failure::usage(reason));
    }
    let to_file = args.photos.len() == 1 && !out.is_dir() && out.extension().is_some();
    if to_file {
        return Ok(vec![out.clone()]);
    }
    let mut names: Vec<PathBuf> = Vec::new();
    for photo in &args.photos {
        let name = photo.file_name().ok_or_else(|| Failure::input(format!("{}: not a file", photo.display())))?;
        let target = out.join(name);
        if names.contains(&target) {
            return Err(Failure::usage(format!(
                "two photographs would be written to the same name {}: run them separately",
                name.display()
            )));
        }
        names.push(target);
    }
    Ok(names)
}

fn restore(path: &Path, out: &Path, args: &Args, restorer: &Restorer, progress: &Terminal) -> Result<(), Failure> {
    let photo = Photo::read(path, args.inference.memory()).map_err(|e| named(path, &e))?;
    let format = photo.format_of(out).map_err(|e| named(out, &e))?;
    if args.output.dry_run {
        let source = PhotoSource::new(&photo, restorer.card().input.channels);
        let shape = source.shape();
        let plan = restorer.plan(shape, source.memory_use())?.describe();
        say!("{} -> {} ({}x{}, {plan})", path.display(), out.display(), shape.rows, shape.columns);
        return Ok(());
    }
    let restored = restored(&photo, path, &path.display().to_string(), restorer, progress)?;
    publish(out, args.output.overwrite, |file| restored.write(file, format).map_err(Failure::from))
}

/// A photograph of this path as the model restores it. `title` is what the progress shows.
fn restored(
    photo: &Photo,
    path: &Path,
    title: &str,
    restorer: &Restorer,
    progress: &Terminal,
) -> Result<Photo, Failure> {
    let mut source = PhotoSource::new(photo, restorer.card().input.channels);
    progress.start(title, source.shape().pixels());
    let mut sink = PhotoSink::new(photo.clone());
    restorer.run(&mut source, &mut sink, progress).map_err(|e| named(path, &e))?;
    Ok(sink.into_photo())
}

/// A failure that names its photograph.
fn named(photo: &Path, e: &artir_photo::Error) -> Failure {
    Failure::new(e.kind(), format!("{}: {}", photo.display(), flags::photo(e)))
}
