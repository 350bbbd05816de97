//! `artir image`: photographs.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Restorer, Task};

use crate::{
    common::{Inference, Output},
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs, publish},
    photo::{self, PhotoSink, PhotoSource},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// PNG, JPEG or TIFF files, 8 or 16 bit
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    inference: Inference,
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let progress = Terminal::new(quiet);
    let outputs = outputs(args)?;
    let restorer = args.inference.restorer(Task::Dehaze)?;
    let mut tally = Tally::default();
    let mut checks = Outputs::new(args.photos.iter().cloned().chain(args.inference.model_file()));
    let mut possible = Vec::new();
    for (photo, out) in args.photos.iter().zip(&outputs) {
        let checked =
            photo::can_write(out).and_then(|()| checks.add("a photograph", out, Kind::File, args.output.overwrite));
        match checked {
            Ok(()) => possible.push((photo, out)),
            Err(failure) => tally.fail(failure)?,
        }
    }
    for (photo, out) in possible {
        match restore(photo, out, args, &restorer, &progress) {
            Ok(()) => tally.written += 1,
            Err(failure) => tally.fail(failure)?,
        }
    }
    Ok(tally.code())
}

/// One output path per photograph: the named file, or the same file names in a folder.
fn outputs(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    let out = &args.output.output;
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
    use artir_core::Progress;

    let photo = photo::read(path, args.inference.memory())?;
    let named = |f: Failure| Failure::new(f.kind, format!("{}: {}", path.display(), f.message));
    let mut source = PhotoSource { photo: &photo, channels: restorer.card().input.channels };
    let shape = artir_core::Source::shape(&source);
    if args.output.dry_run {
        let plan = restorer.plan(shape, artir_core::Source::memory_use(&source))?.describe();
        say!("{} -> {} ({}x{}, {plan})", path.display(), out.display(), shape.rows, shape.columns);
        return Ok(());
    }
    progress.start(&path.display().to_string(), shape.pixels());
    let mut sink = PhotoSink(photo.clone());
    restorer.run(&mut source, &mut sink, progress).map_err(named)?;
    publish(out, args.output.overwrite, |file, extension| sink.0.write(file, extension))
}
