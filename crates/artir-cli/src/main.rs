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
mod flags;
#[cfg(feature = "geo")]
mod geo;

mod image;
mod metrics;
mod models;
mod outputs;
mod progress;
#[cfg(all(test, feature = "geo"))]
mod reference;
mod validate;
mod values;

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
    /// Denoise CT: write one derived DICOM series for each input series
    Ct(ct::CtArgs),
    /// Enhance low-count PET, in SUV
    Pet(ct::PetArgs),
    /// Dehaze a satellite or aerial scene on the same grid, with the same georeferencing
    #[cfg(feature = "geo")]
    Geo(Box<geo::Args>),
    /// Restore photographs (PNG, JPEG, TIFF; 8 or 16 bit)
    Image(image::Args),
    /// Measure PSNR, SSIM and RMSE of a result against its reference
    Metrics(metrics::Args),
    /// Measure a model on a data set and compare with published figures
    Validate(validate::Args),
    /// Measure speed, memory, and the share of the processor's peak on this machine
    Bench(bench::Args),
    /// List, show and verify models
    Models(models::Args),
    /// Generate and restore phantom CT and PET series and a hazy scene, and write a report
    #[cfg(feature = "geo")]
    Demo(demo::Args),
    /// Check the installation and suggest fixes
    Doctor,
    /// Decode frames for another artir process, which survives a crash of a codec
    #[command(name = "decode-frames", hide = true)]
    DecodeFrames,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    common::start_logging(&cli.verbosity);
    let quiet = cli.verbosity.quiet;
    let result = match cli.command {
        Command::Ct(args) => ct::run_ct(args, quiet),
        Command::Pet(args) => ct::run_pet(args, quiet),
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
