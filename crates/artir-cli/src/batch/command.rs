//! The command line of a job. It is read as a user's would be, so that a job does what the command does.

use std::path::Path;

use artir_batch::Job;
use artir_core::{Model, Task};
use clap::Parser;

use crate::{Cli, Command, ct, image, outcome::Failure};

/// The arguments of a job's command.
pub(super) enum Parsed {
    Ct(ct::CtArgs),
    Pet(ct::PetArgs),
    #[cfg(feature = "geo")]
    Geo(Box<crate::geo::Args>),
    Image(image::Args),
}

/// Reads the command line of a job. `base` is where relative inputs begin, `place` where the result goes.
pub(super) fn parse(job: &Job, base: &Path, place: &Path) -> Result<Parsed, Failure> {
    let options = job.arguments().map_err(Failure::usage)?;
    let mut line: Vec<std::ffi::OsString> = vec!["artir".into(), job.command.name().into()];
    line.extend(options.into_iter().map(Into::into));
    line.extend(["--output".into(), place.into(), "--".into()]);
    line.extend(job.inputs(base).into_iter().map(Into::into));
    let cli = Cli::try_parse_from(line).map_err(|e| {
        let text = e.to_string();
        let first = text.lines().next().unwrap_or_default();
        Failure::usage(first.strip_prefix("error: ").unwrap_or(first))
    })?;
    match cli.command {
        Command::Ct(args) => Ok(Parsed::Ct(args)),
        Command::Pet(args) => Ok(Parsed::Pet(args)),
        #[cfg(feature = "geo")]
        Command::Geo(args) => Ok(Parsed::Geo(args)),
        Command::Image(args) => Ok(Parsed::Image(args)),
        _ => Err(Failure::usage(format!("'{}' cannot be a job's command", job.command.name()))),
    }
}

impl Parsed {
    /// The model that would be used.
    pub(super) fn model(&self) -> Result<Model, Failure> {
        match self {
            Self::Ct(args) => args.series.inference.open(Task::CtDenoise),
            Self::Pet(args) => args.series.inference.open(Task::PetEnhance),
            #[cfg(feature = "geo")]
            Self::Geo(args) => args.inference.open(Task::Dehaze),
            Self::Image(args) => args.inference.open(args.task()?),
        }
    }

    /// Whether GDAL reads a scene over a network.
    pub(super) fn is_on_network(&self) -> bool {
        match self {
            #[cfg(feature = "geo")]
            Self::Geo(args) => args.reads_network(),
            _ => false,
        }
    }

    /// Whether it lifts the restrictions on what GDAL opens, which hold for a whole process.
    pub(super) fn lifts_restrictions(&self) -> Option<bool> {
        match self {
            #[cfg(feature = "geo")]
            Self::Geo(args) => Some(args.allows_remote()),
            _ => None,
        }
    }
}
