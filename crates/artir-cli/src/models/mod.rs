//! `artir models`: lists, shows, installs and verifies models.

mod export;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Card, ErrorKind, Model, zoo};
use clap::Subcommand;

use crate::{
    outcome::{Failure, Tally},
    outputs::publish,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List models, one per line
    List,
    /// Show a model's card
    Show {
        /// Name, or a file ending in .onnx
        model: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check a model file's checksum, card and licence, and copy it to where models are found by name: the first folder of
    /// ARTIR_MODELS, or artir's data folder
    Install {
        /// Files ending in .onnx
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Replace an installed model of the same name
        #[arg(long)]
        overwrite: bool,
    },
    /// Check a model's checksum and card
    Verify {
        /// Names, or files ending in .onnx
        #[arg(required = true)]
        models: Vec<String>,
    },
    /// Write a model in standard ONNX operators alone, for runtimes that do not read function bodies
    ExportPlain {
        /// Name, or a file ending in .onnx
        model: String,
        /// The file to write
        #[arg(short, long, value_name = "OUT.onnx")]
        output: PathBuf,
        /// Overwrite an existing file
        #[arg(long)]
        overwrite: bool,
    },
    /// Write a model with its configuration into a model repository of NVIDIA Triton
    ExportTriton {
        /// Name, or a file ending in .onnx
        model: String,
        /// The model repository
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
        /// artir's operators, as Triton's machine finds them
        #[arg(long, value_name = "libartir_ops.so")]
        library: PathBuf,
        /// Overwrite existing files
        #[arg(long)]
        overwrite: bool,
    },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(),
        Action::Show { model, json } => show(&zoo::open(model)?, *json),
        Action::Install { files, overwrite } => install(files, *overwrite),
        Action::Verify { models } => verify(models),
        Action::ExportPlain { model, output, overwrite } => export::plain(model, output, *overwrite),
        Action::ExportTriton { model, output, library, overwrite } => {
            export::triton(model, output, library, *overwrite)
        }
    }
}

fn list() -> Result<ExitCode, Failure> {
    say!("{:<16} {:<12} {:>7} {:>11} {:>9}  {:<12}", "name", "task", "variant", "parameters", "G MAC", "sha256");
    let mut tally = Tally::default();
    for name in zoo::names().map(str::to_owned).chain(zoo::found()) {
        let model = match zoo::open(&name) {
            Ok(model) => model,
            // A file that is not a model does not keep the others from being listed.
            Err(e) => {
                tally.fail(e.into())?;
                continue;
            }
        };
        tally.written += 1;
        let card = model.card();
        say!(
            "{:<16} {:<12} {:>7} {:>11} {:>9.2}  {:.12}",
            name,
            card.task.name(),
            card.variant,
            card.parameters,
            card.macs_256 as f64 / 1e9,
            model.hash()
        );
        // A file's name is what finds it. Results name the card's.
        if card.name != name {
            say!("    its card names it {}", card.name);
        }
    }
    say!("\nG MAC: 10^9 multiply-adds for one image of 256x256 pixels.");
    let folders: Vec<_> = zoo::folders().iter().map(|f| f.display().to_string()).collect();
    say!("Other models are searched for by name in {}.", folders.join(", "));
    Ok(tally.code())
}

fn show(model: &Model, json: bool) -> Result<ExitCode, Failure> {
    let card = model.card();
    if json {
        let text = serde_json::to_string_pretty(card).map_err(Failure::failed)?;
        say!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    print_card(card, model.hash());
    Ok(ExitCode::SUCCESS)
}

fn print_card(card: &Card, hash: &str) {
    let input = &card.input;
    say!("{} {} ({}, variant {})", card.name, card.version, card.task.name(), card.variant);
    say!("  sha256       {hash}");
    say!("  parameters   {}", card.parameters);
    say!("  multiply-adds on 256x256  {:.2} G", card.macs_256 as f64 / 1e9);
    let apart = input.slices_apart.map_or(String::new(), |apart| format!(", up to {apart} mm apart"));
    let channels = match input.slices {
        1 => format!("{} channel(s)", input.channels),
        slices => format!("{slices} neighbouring slices{apart}, the middle one restored"),
    };
    say!("  input        {channels}, {}, {} to {}", input.unit, input.range[0], input.range[1]);
    say!("  tiles        {} with an overlap of {}; reach {}", card.tile, card.overlap, card.reach);
    say!("  strength     {}", card.strength.unwrap_or(1.0));
    say!("  licence      {}", card.licence);
    let t = &card.training;
    say!("  training     {}", t.summary);
    say!("               {} patches of {}, {:.2} h on {}", t.patches, t.patch_size, t.hours, t.hardware);
    for d in &t.data {
        say!("  data         {} ({}): {}", d.name, d.licence, d.citation);
    }
    for f in &card.figures {
        let from = f.input_psnr.map_or_else(|| "the reference itself".to_owned(), |psnr| format!("{psnr:.2} dB"));
        say!("  figure       {}: {:.2} dB from {from}, {} images, protocol {}", f.set, f.psnr, f.images, f.protocol);
    }
    say!("  limits       {}", card.limits.replace('\n', "\n               "));
}

fn install(files: &[PathBuf], overwrite: bool) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    for file in files {
        match install_one(file, overwrite) {
            Ok(()) => tally.written += 1,
            Err(failure) => tally.fail(failure)?,
        }
    }
    Ok(tally.code())
}

/// Why a model whose card has such a name is refused.
const NO_FILE_NAME: &str = "its card's name is not made of letters, digits, '-', '_' and '.' alone";

/// Whether the name of a card, which anyone may have written, can become a file's, and be typed after --model.
fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

fn install_one(file: &Path, overwrite: bool) -> Result<(), Failure> {
    let model = Model::open(file)?;
    let card = model.card();
    let refused = |why: &str| Failure::input(format!("{}: not installed: {why}", file.display()));
    if !is_file_name(&card.name) {
        return Err(refused(NO_FILE_NAME));
    }
    if zoo::names().any(|name| name == card.name) {
        return Err(refused(&format!("a model named {} is built in, and would hide it", card.name)));
    }
    if card.licence.trim().is_empty() {
        return Err(refused("its card states no licence"));
    }
    let folder = zoo::folders().into_iter().next();
    let folder = folder.ok_or_else(|| refused("there is no folder for models: set ARTIR_MODELS"))?;
    let target = folder.join(format!("{}.onnx", card.name));
    publish(&target, overwrite, |to| {
        let fail = |e: std::io::Error| Failure::new(ErrorKind::Output, format!("cannot write: {e}"));
        std::io::Write::write_all(to, model.bytes()).map_err(fail)
    })?;
    say!("{} {}, sha256:{}, installed as {}", card.name, card.version, model.hash(), target.display());
    say!("  licence      {}", card.licence);
    say!("  limits       {}", card.limits);
    Ok(())
}

fn verify(models: &[String]) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    for name in models {
        match zoo::open(name) {
            Ok(model) => {
                say!("{name}: good, sha256:{}", model.hash());
                tally.written += 1;
            }
            Err(e) => tally.fail(e.into())?,
        }
    }
    Ok(tally.code())
}
