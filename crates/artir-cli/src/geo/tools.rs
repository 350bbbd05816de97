//! `artir geo --inspect` and `--compare`, which only read rasters.

use std::process::ExitCode;

use artir_core::{NoProgress, Task};
use artir_geo::CompareOptions;

use super::{
    Args, hint,
    streams::{self, Streams},
};
use crate::outcome::{Failure, Tally};

/// Prints each scene's metadata.
pub(super) fn inspect(args: &Args, streams: &Streams) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    let card = args.inference.card(Task::Dehaze)?;
    let options = args.open_options()?;
    let write = args.write_options(artir_geo::Format::LikeSource, streams);
    for path in &args.scenes {
        let name = streams::label(path);
        let found = streams
            .file(path, &NoProgress)
            .and_then(|file| Ok(artir_geo::inspect_raster(&file, &options, &card, &write)?));
        match found {
            Ok(found) => {
                let mut json = found.json;
                if let Some(refused) = &found.refused {
                    let message = streams.in_text(&hint::message(refused));
                    json["refused"] = message.strip_prefix(&format!("{name}: ")).unwrap_or(&message).into();
                }
                say!("{json:#}");
                tally.written += 1;
            }
            Err(failure) => tally.fail(streams.named(failure))?,
        }
    }
    Ok(tally.code())
}

/// Lists every difference, one a line; 0 when there is none.
pub(super) fn compare(first: &str, second: &str, args: &Args) -> Result<ExitCode, Failure> {
    let options = CompareOptions::default().with_access(args.access());
    let options = args.except_bands.iter().fold(options, |options, bands| options.with_except_bands(bands.clone()));
    let found = artir_geo::compare(first, second, &options)?;
    for difference in &found {
        say!("{}: {} | {}", difference.field, difference.first, difference.second);
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
