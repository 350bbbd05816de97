//! `artir geo`: scenes in, restored scenes on the same grid out.

use std::{path::Path, process::ExitCode};

use artir_core::{Restorer, Task};
use artir_geo::{OpenOptions, Scene, WriteOptions};

use crate::{
    common::{Inference, Output},
    outcome::{Failure, Tally},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// GeoTIFF scenes
    #[arg(required = true, value_name = "SCENE")]
    scenes: Vec<String>,
    /// Which bands are red, green and blue (counted from 1), where the file does not say
    #[arg(long, value_name = "R,G,B", value_parser = parse_bands)]
    bands: Option<[usize; 3]>,
    /// Allow scenes that are read over a network
    #[arg(long)]
    allow_remote: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    inference: Inference,
}

fn parse_bands(text: &str) -> Result<[usize; 3], String> {
    let numbers: Vec<usize> = text
        .split(',')
        .map(|n| n.trim().parse().map_err(|_| format!("'{n}' is no band number")))
        .collect::<Result<_, _>>()?;
    <[usize; 3]>::try_from(numbers).map_err(|_| "three band numbers are needed, as 1,2,3".into())
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let to_file = args.scenes.len() == 1 && !args.output.output.is_dir();
    let options = OpenOptions { bands: args.bands, allow_remote: args.allow_remote };
    let mut tally = Tally::default();
    let mut restorer: Option<Restorer> = None;
    let progress = Terminal::new(quiet);
    for path in &args.scenes {
        let out = if to_file {
            args.output.output.clone()
        } else {
            args.output.output.join(Path::new(path).file_name().unwrap_or_default())
        };
        let result = Scene::open(path, &options).map_err(Failure::from).and_then(|scene| {
            // Loaded only once a scene is fit to be restored: bad input is named without waiting.
            let restorer = match &mut restorer {
                Some(r) => r,
                none => none.insert(args.inference.restorer_for(Task::Dehaze)?),
            };
            restore(&scene, path, &out, args, restorer, &progress)
        });
        match result {
            Ok(()) => tally.written += 1,
            Err(failure) => tally.fail(failure)?,
        }
    }
    Ok(tally.code())
}

fn restore(
    scene: &Scene,
    path: &str,
    out: &Path,
    args: &Args,
    restorer: &Restorer,
    progress: &Terminal,
) -> Result<(), Failure> {
    if args.output.dry_run {
        let shape = scene.shape();
        let plan = restorer.plan(shape)?.describe();
        say!("{path} -> {} ({}x{}, {plan})", out.display(), shape.rows, shape.columns);
        return Ok(());
    }
    let options = WriteOptions { overwrite: args.output.overwrite };
    artir_geo::restore_scene(scene, restorer, out, &options, progress)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bands_and_no_other_count() {
        assert_eq!(parse_bands("4,3,2"), Ok([4, 3, 2]));
        assert!(parse_bands("1,2").is_err());
        assert!(parse_bands("1,2,3,4").is_err());
        assert!(parse_bands("r,g,b").is_err());
    }
}
