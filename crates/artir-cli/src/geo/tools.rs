//! `artir geo --inspect` and `--compare`, which only read rasters.

use std::process::ExitCode;

use artir_core::Task;
use artir_geo::CompareOptions;

use super::Args;
use crate::outcome::{Failure, Tally};

/// Prints each scene's metadata.
pub(super) fn inspect(args: &Args) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    let card = args.inference.card(Task::Dehaze)?;
    for path in &args.scenes {
        match artir_geo::inspect_raster(path, &args.open_options(), &card, &args.write_options()) {
            Ok(found) => {
                say!("{found:#}");
                tally.written += 1;
            }
            Err(e) => tally.fail(e.into())?,
        }
    }
    Ok(tally.code())
}

/// Lists every difference, one a line; 0 when there is none.
pub(super) fn compare(first: &str, second: &str, args: &Args) -> Result<ExitCode, Failure> {
    let options = CompareOptions { except_bands: args.except_bands.clone(), access: args.access() };
    let found = artir_geo::compare(first, second, &options)?;
    for difference in &found {
        say!("{}: {} | {}", difference.field, difference.first, difference.second);
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
