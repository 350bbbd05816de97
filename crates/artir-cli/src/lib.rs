//! The `artir` command line: glue over the crates, one file a subcommand. The binary and the Python package's command run it.

#![deny(unsafe_code)]

#[macro_use]
mod outcome;
mod batch;
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
mod inspect;
mod metrics;
mod models;
mod names;
mod node;
mod outputs;
mod progress;
#[cfg(all(test, feature = "geo"))]
mod reference;
mod shell_files;
mod validate;
mod values;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

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
    /// List, show, install and verify models
    Models(models::Args),
    /// Show what a network does inside: similarity of channels, feature maps, large kernels, reach
    Inspect(inspect::Args),
    /// Generate and restore phantom CT and PET series and a hazy scene, and write a report
    #[cfg(feature = "geo")]
    Demo(demo::Args),
    /// Restore the jobs of a manifest, one part of them in each of many processes, and see how far they are
    Batch(Box<batch::Args>),
    /// Run a DICOM node: receive series, restore them, and send the derived series on
    Node(node::Args),
    /// Check the installation and suggest fixes
    Doctor,
    /// Write man pages and completions
    #[command(name = "shell-files", hide = true)]
    ShellFiles(shell_files::Args),
    /// Decode frames for another artir process, which survives a crash of a codec
    #[command(name = "decode-frames", hide = true)]
    DecodeFrames,
}

/// Runs one command line, which begins with the program's name, and returns the exit code. Help and wrong usage end the
/// process.
///
/// `program` starts this command line in another process, as a path and leading arguments; `None` is the running
/// executable.
pub fn run(arguments: impl IntoIterator<Item = OsString>, program: Option<(PathBuf, Vec<OsString>)>) -> ExitCode {
    // First, while there is no other thread.
    artir_core::switch_off_telemetry();
    let cli = Cli::parse_from(arguments);
    common::start_logging(&cli.verbosity);
    common::remember_program(program);
    progress::choose(cli.verbosity.progress);
    let quiet = cli.verbosity.quiet;
    let result = match cli.command {
        Command::Ct(args) => ct::run_ct(args, quiet),
        Command::Pet(args) => ct::run_pet(args, quiet),
        #[cfg(feature = "geo")]
        Command::Geo(args) => geo::run(&args, quiet),
        Command::Image(args) => image::run(&args, quiet),
        Command::Metrics(args) => metrics::run(&args, quiet),
        Command::Validate(args) => validate::run(&args, quiet),
        Command::Bench(args) => bench::run(&args, quiet),
        Command::Models(args) => models::run(&args),
        Command::Inspect(args) => inspect::run(&args, quiet),
        #[cfg(feature = "geo")]
        Command::Demo(args) => demo::run(&args, quiet),
        Command::Batch(args) => batch::run(&args, quiet),
        Command::Node(args) => node::run(&args),
        Command::Doctor => doctor::run(),
        Command::ShellFiles(args) => shell_files::run(&args),
        Command::DecodeFrames => artir_dicom::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
            .map(|()| ExitCode::SUCCESS)
            .map_err(outcome::Failure::failed),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            say_error!("artir: {}", failure.message);
            failure.code()
        }
    }
}

/// The definition of the command line, for man pages and completions.
pub fn definition() -> clap::Command {
    Cli::command()
}
