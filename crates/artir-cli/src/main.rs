//! The `artir` command line: glue over the crates, one file a subcommand.

#![deny(unsafe_code)]

#[macro_use]
mod outcome;
mod bench;
mod common;
mod ct;
#[cfg(feature = "geo")]
mod demo;
mod doctor;
#[cfg(feature = "geo")]
mod geo;
mod image;
mod metrics;
mod models;
mod outputs;
mod photo;
mod progress;
#[cfg(all(test, feature = "geo"))]
mod reference;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Restores medical and remote-sensing images with ArtIR networks.
#[derive(Debug, Parser)]
#[command(name = "artir", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    verbosity: common::Verbosity,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 input unusable or output not writable; 4 some inputs failed, the others are \
written; 5 device or runtime missing; 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Denoise CT: one derived DICOM series out for each series in
    Ct(ct::Args),
    /// Enhance low-count PET, in SUV
    Pet(ct::PetArgs),
    /// Dehaze a satellite or aerial scene: same grid, same georeferencing
    #[cfg(feature = "geo")]
    Geo(geo::Args),
    /// Restore photographs (PNG, JPEG, TIFF; 8 or 16 bit)
    Image(image::Args),
    /// PSNR, SSIM and RMSE of a result against its reference
    Metrics(metrics::Args),
    /// Measure a model over a data set, beside published figures
    Validate(validate::Args),
    /// This machine: speed, memory, and how much of the processor's peak
    Bench(bench::Args),
    /// The models: list, show, verify
    Models(models::Args),
    /// Restore a phantom CT series and a hazy scene made on the spot, with a report
    #[cfg(feature = "geo")]
    Demo(demo::Args),
    /// What is installed, found, missing, and how to mend it
    Doctor,
    /// Decode frames for another artir, which outlives a codec that crashes
    #[command(name = "decode-frames", hide = true)]
    DecodeFrames,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    common::start_logging(&cli.verbosity);
    let quiet = cli.verbosity.quiet;
    let result = match cli.command {
        Command::Ct(args) => ct::run(&args, artir_dicom::Modality::Ct, artir_dicom::PetUnits::Suv, quiet),
        Command::Pet(args) => ct::run(&args.series, artir_dicom::Modality::Pet, args.units.into(), quiet),
        #[cfg(feature = "geo")]
        Command::Geo(args) => geo::run(&args, quiet),
        Command::Image(args) => image::run(&args, quiet),
        Command::Metrics(args) => metrics::run(&args),
        Command::Validate(args) => validate::run(&args, quiet),
        Command::Bench(args) => bench::run(&args),
        Command::Models(args) => models::run(&args),
        #[cfg(feature = "geo")]
        Command::Demo(args) => demo::run(&args, quiet),
        Command::Doctor => doctor::run(),
        Command::DecodeFrames => artir_dicom::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
            .map(|()| ExitCode::SUCCESS)
            .map_err(outcome::Failure::failed),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("artir: {}", failure.message);
            failure.code()
        }
    }
}
