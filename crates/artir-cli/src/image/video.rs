//! `artir image --video`: the frames of a folder, one after the other with one session.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Error, ErrorKind, Progress, Restorer};
use artir_files::{Encoding, OutputFolder};
use artir_photo::{FrameJournal, FrameState, JournalError, Photo, frame_key, frames};

use super::{Args, named, restored};
use crate::{
    common::Host,
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs, publish},
    progress::Terminal,
};

/// A run over the frames of a folder.
struct Video<'a> {
    args: &'a Args,
    restorer: &'a Restorer,
    progress: &'a Terminal,
    journal: FrameJournal,
    settings: Encoding,
}

pub(super) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let [folder] = args.photos.as_slice() else {
        return Err(Failure::usage("--video takes one folder of frames"));
    };
    if folder.is_file() {
        return Err(Failure::usage(format!("{}: --video takes a folder of frames, not a file", folder.display())));
    }
    let frames = frames(folder).map_err(|e| Failure::input(format!("{}: cannot read: {e}", folder.display())))?;
    if frames.is_empty() {
        return Err(Failure::input(format!("{}: holds no PNG, JPEG or TIFF file", folder.display())));
    }
    let out = &args.output.output;
    let mut checks = Outputs::new([folder.clone()].into_iter().chain(args.inference.model_file()));
    // Frames that are there are looked at below.
    checks.add("the folder of restored frames", out, Kind::Folder, true)?;
    let results: Vec<PathBuf> = frames.iter().filter_map(|frame| Some(out.join(frame.file_name()?))).collect();
    // A frame may be a link, also to a file in the folder of results.
    let sources: HashSet<PathBuf> = frames.iter().filter_map(|frame| frame.canonicalize().ok()).collect();
    let is_source = |path: &&PathBuf| path.canonicalize().is_ok_and(|path| sources.contains(&path));
    if let Some(path) = results.iter().find(is_source) {
        let reason = "would overwrite a frame, since one is a link to the other: choose another folder";
        return Err(Failure::usage(format!("{}: {reason}", path.display())));
    }
    let taken = results.iter().find(|path| artir_files::is_taken(path));
    if let Some(path) = taken.filter(|_| !args.resume && !args.output.overwrite) {
        return Err(Failure::usage(format!("{}: already exists: use --resume or --overwrite", path.display())));
    }
    let mut host = Host::new(quiet);
    let (progress, restorer) = host.parts(&args.inference, args.task()?)?;
    if args.output.dry_run {
        say!("{} frames, {} to {}", frames.len(), results[0].display(), results[results.len() - 1].display());
        return Ok(ExitCode::SUCCESS);
    }
    let fail = |e: std::io::Error| Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", out.display()));
    let _made = OutputFolder::create(out).map_err(fail)?;
    let settings = restorer.decides();
    let opened = if args.resume { FrameJournal::resume(out, &settings) } else { FrameJournal::create(out, &settings) };
    let journal = opened.map_err(|e| match e {
        JournalError::File(e) => fail(e),
        other => Failure::usage(format!("{}: {other}: use --overwrite, or another folder", out.display())),
    })?;
    let mut video = Video { args, restorer, progress, journal, settings };
    let mut tally = Tally::default();
    let mut before = 0;
    for (n, (frame, result)) in frames.iter().zip(&results).enumerate() {
        let place = format!("{} of {}: {}", n + 1, frames.len(), frame.display());
        match video.restore(frame, result, &place) {
            Ok(true) => tally.written += 1,
            Ok(false) => before += 1,
            Err(failure) => tally.fail(failure).map_err(|failure| continues(args, failure))?,
        }
        if progress.is_cancelled() {
            return Err(continues(args, Error::Interrupted.into()));
        }
    }
    if !quiet {
        say!("{} frame(s) restored, {before} were done before, {} failed", tally.written, tally.failures().len());
    }
    warn_of_others(out, &results);
    tally.written += before;
    Ok(tally.code())
}

/// Logs pictures of the folder that are no results of this run, such as those of frames that were removed since: a program
/// that makes a video of the folder would take them too.
fn warn_of_others(out: &Path, results: &[PathBuf]) {
    let own: HashSet<&PathBuf> = results.iter().collect();
    let mut others = frames(out).unwrap_or_default();
    others.retain(|path| !own.contains(path));
    if let Some(first) = others.first() {
        let (out, first, count) = (out.display(), first.display(), others.len());
        tracing::warn!("{out}: holds {count} picture(s) of no frame here, the first is {first}");
    }
}

/// An interrupted run names what continues it. Frames of a run before, which --overwrite replaces, are in no journal.
fn continues(args: &Args, failure: Failure) -> Failure {
    let flags = if args.output.overwrite { "--resume --overwrite" } else { "--resume" };
    match failure.kind {
        ErrorKind::Interrupted => Failure::new(failure.kind, format!("interrupted: continue with {flags}")),
        _ => failure,
    }
}

impl Video<'_> {
    /// Restores a frame; false if it was done before. An error is that of this frame.
    fn restore(&mut self, frame: &Path, result: &Path, place: &str) -> Result<bool, Failure> {
        let unreadable = |e: std::io::Error| Failure::input(format!("{}: cannot read: {e}", frame.display()));
        let name = result.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let key = frame_key(frame, &self.settings).map_err(unreadable)?;
        let (resume, overwrite) = (self.args.resume, self.args.output.overwrite);
        let fail = |e| Failure::new(ErrorKind::Output, format!("{}: cannot read: {e}", result.display()));
        match self.journal.state(&name, &key).map_err(fail)? {
            FrameState::Done if resume => return Ok(false),
            FrameState::Foreign if !overwrite => {
                let reason = "was changed, or not written by this run: use --overwrite to replace it";
                return Err(Failure::usage(format!("{}: {reason}", result.display())));
            }
            _ => {}
        }
        let photo = Photo::read(frame, self.args.inference.memory()).map_err(|e| named(frame, &e))?;
        let format = photo.format_of(result).map_err(|e| named(result, &e))?;
        let restored = restored(&photo, frame, place, self.restorer, self.progress)?;
        let replace = overwrite || artir_files::is_taken(result);
        publish(result, replace, |file| {
            restored.write(&mut *file, format)?;
            let fail = |e| Failure::new(ErrorKind::Output, format!("cannot write: {e}"));
            self.journal.add(&name, &key, file).map_err(fail)
        })?;
        Ok(true)
    }
}
