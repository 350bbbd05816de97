//! `artir inspect`: what a network does inside.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Card, ErrorKind, Image, Progress, Unit, zoo};
use artir_files::{HiddenFolder, OutputFolder};
use artir_harness::{Loaded, Named, Reader, Values};
use artir_inspect::{Cut, Folder, Inspection, Maps, Options, Subject};

use crate::{
    common::codec_process,
    outcome::Failure,
    outputs::{Kind, Outputs},
    progress::Terminal,
    values,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Model by name, or a file ending in .onnx
    model: String,
    /// PNG, JPEG, TIFF, NPY or single-frame DICOM files, or folders of them. A folder stands for the image in its middle; the
    /// images of two or more folders are also placed by t-SNE
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Folder for inspect.html, inspect.json and inspect.npz
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Replace an earlier inspection
    #[arg(long)]
    overwrite: bool,
    /// The part of each image that the network sees, in multiples of 4 pixels; without a place, the middle [default: at
    /// most 512x512 of the middle]
    #[arg(long, value_name = "HxW[+ROW+COLUMN]", value_parser = values::cut)]
    window: Option<Cut>,
    /// Channels of each map that are shown, the strongest first
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    channels: u16,
    /// Images of each folder that t-SNE places, evenly spaced by name
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=2000))]
    most: u16,
    /// Threads; 0 uses every core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::threads, allow_negative_numbers = true)]
    threads: usize,
    /// Memory that the network's maps may take, such as 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = values::memory, allow_negative_numbers = true)]
    memory: u64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the names of images and folders, instead of numbers, into the results
    #[arg(long)]
    show_paths: bool,
}

/// The results, by name.
const RESULTS: [&str; 3] = ["inspect.html", "inspect.json", "inspect.npz"];

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let model = zoo::open(&args.model)?;
    check_output(args)?;
    let inputs = Inputs { args, reader: Reader::new(args.memory, Some(codec_process()?)), card: model.card() };
    let folders = args.images.iter().filter(|path| path.is_dir()).map(|path| Ok((path.as_path(), files(path)?)));
    let folders = folders.collect::<Result<Vec<_>, Failure>>()?;
    let mut subjects = Vec::new();
    for (n, path) in args.images.iter().enumerate() {
        let middle = folders.iter().find(|(folder, _)| folder == path).map(|(_, files)| &files[files.len() / 2]);
        let name = if args.show_paths { path.display().to_string() } else { format!("image {}", n + 1) };
        subjects.push(inputs.subject(&name, middle.unwrap_or(path))?);
    }
    let mut maps = Maps::new(&model, args.threads)?;
    for subject in &subjects {
        check_memory(args, &maps, subject)?;
    }
    let several = folders.len() > 1;
    let placed: Vec<Vec<&PathBuf>> = folders.iter().map(|(_, files)| spaced(files, args.most.into())).collect();
    let images: usize = if several { placed.iter().map(Vec::len).sum() } else { 0 };
    let progress = Terminal::new(quiet).counting("inspect", "passes");
    progress.start(&model.card().name, subjects.len() as u64 * Inspection::PASSES + images as u64);
    let mut groups = Vec::new();
    for (n, ((path, _), files)) in folders.iter().zip(&placed).enumerate().filter(|_| several) {
        let name = if args.show_paths { path.display().to_string() } else { format!("folder {}", n + 1) };
        let mut features = Vec::new();
        for file in files {
            let subject = inputs.subject("", file)?;
            check_memory(args, &maps, &subject)?;
            features.push(maps.features(subject.input().view())?);
            progress.advance(1);
            if progress.is_cancelled() {
                return Err(artir_core::Error::Interrupted.into());
            }
        }
        groups.push(Folder { name, features });
    }
    let options = Options { channels: args.channels.into(), threads: args.threads };
    let inspection = Inspection::make(&model, maps, subjects, groups, options, &progress)?;
    drop(progress);
    publish(args, &inspection)?;
    report(args, &inspection, quiet)
}

/// Refuses an output before the work. Only a folder that an inspection wrote is replaced.
fn check_output(args: &Args) -> Result<(), Failure> {
    let mut outputs = Outputs::new(args.images.iter().cloned().chain(zoo::file(&args.model)));
    outputs.add("the inspection", &args.output, Kind::Folder, args.overwrite)?;
    if !args.output.is_dir() {
        return Ok(());
    }
    let fail = |e: io::Error| Failure::new(ErrorKind::Output, format!("{}: cannot read: {e}", args.output.display()));
    for entry in fs::read_dir(&args.output).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        if !RESULTS.iter().any(|result| name == *result) {
            let message = format!("{}: holds files of its own: choose another folder", args.output.display());
            return Err(Failure::usage(message));
        }
    }
    Ok(())
}

fn check_memory(args: &Args, maps: &Maps, subject: &Subject) -> Result<(), Failure> {
    let window = subject.window();
    let needed = maps.memory((window.rows * window.columns) as u64);
    if needed <= args.memory {
        return Ok(());
    }
    let (needed, allowed) = (needed.div_ceil(1 << 20), args.memory >> 20);
    Err(Failure::usage(format!(
        "the maps of {}x{} pixels need about {needed} MiB, and --memory allows {allowed} MiB: use a smaller --window, or more \
         --memory",
        window.rows, window.columns
    )))
}

/// The images of a folder by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_image = |path: &&Path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        ["png", "jpg", "jpeg", "tif", "tiff", "npy"].contains(&ending.as_str()) || artir_dicom::is_dicom(path)
    };
    let named = Named::new(folder)?;
    let files: Vec<PathBuf> = named.paths().map(|(_, path)| path).filter(is_image).map(Path::to_owned).collect();
    if files.is_empty() {
        return Err(Failure::input(format!("{}: holds no PNG, JPEG, TIFF, NPY or DICOM image", folder.display())));
    }
    Ok(files)
}

/// At most so many of them, evenly spaced.
fn spaced(files: &[PathBuf], most: usize) -> Vec<&PathBuf> {
    let count = files.len().min(most);
    (0..count).map(|n| &files[n * files.len() / count]).collect()
}

/// Reads images for a model.
struct Inputs<'a> {
    args: &'a Args,
    reader: Reader,
    card: &'a Card,
}

impl Inputs<'_> {
    fn subject(&self, name: &str, path: &Path) -> Result<Subject, Failure> {
        let Loaded { data, valid, values } = self.reader.read(path)?;
        let fits = match self.card.input.unit {
            Unit::Hounsfield => Values::Hounsfield.fits(values),
            Unit::Suv => Values::Suv.fits(values),
            _ => matches!(values, Values::Display(_) | Values::Plain),
        };
        if !fits {
            let Card { name, input, .. } = self.card;
            let message = format!("{}: its values are {values}, and {name} takes {}", path.display(), input.unit);
            return Err(Failure::input(message));
        }
        let is_display = matches!(self.card.input.unit, Unit::Display);
        if is_display && !artir_metrics::are_display(data.view(), None) {
            let reason = "its values are far beyond 0 to 1: divide 0 to 255 by 255";
            return Err(Failure::input(format!("{}: {reason}", path.display())));
        }
        let image = Image { data, valid };
        // A model of neighbouring slices sees a single one in their place.
        let image = if image.shape().channels == 1 { image.alone(self.card.input.slices) } else { image };
        Subject::new(name, &image, self.args.window, self.card)
            .map_err(|e| Failure::from(e).about(&path.display().to_string()))
    }
}

/// Writes the three results as one folder.
fn publish(args: &Args, inspection: &Inspection) -> Result<(), Failure> {
    let write = || -> Result<(), artir_inspect::Error> {
        let parent = args.output.parent().unwrap_or(Path::new(""));
        let _made = OutputFolder::create(parent)?;
        let hidden = HiddenFolder::open(&args.output)?;
        hidden.clear(|_| false)?;
        let folder = hidden.create_folder("results")?;
        let [page, figures, arrays] = RESULTS;
        fs::write(folder.join(page), inspection.page()?)?;
        fs::write(folder.join(figures), inspection.to_json()?)?;
        inspection.write_npz(BufWriter::new(fs::File::create(folder.join(arrays))?))?.flush()?;
        hidden.publish_folder("results")?;
        Ok(())
    };
    write().map_err(|e| match e {
        artir_inspect::Error::Write(e) => {
            Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", args.output.display()))
        }
        other => other.into(),
    })
}

fn report(args: &Args, inspection: &Inspection, quiet: bool) -> Result<ExitCode, Failure> {
    if args.json {
        say!("{}", inspection.to_json()?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    for (subject, path) in inspection.subjects().zip(&args.images) {
        let (w, (rows, columns)) = (subject.window(), subject.size());
        if (w.rows, w.columns) != (rows, columns) {
            say!(
                "{}: a window of {}x{} pixels from row {}, column {} of {rows}x{columns}",
                path.display(),
                w.rows,
                w.columns,
                w.row,
                w.column
            );
        }
    }
    say!("{:<12} {:>5} {:>13} {:>18}", "stage", "level", "mean |cosine|", "mean |correlation|");
    for (stage, level, cosine, correlation) in inspection.similarity() {
        say!("{stage:<12} {level:>5} {cosine:>13.3} {correlation:>18.3}");
    }
    for (reach, path) in inspection.reach().zip(&args.images) {
        let [half, most, all] = reach.radii;
        say!(
            "reach on {}: 50 % within {half:.1} pixels, 90 % within {most:.1}, 99 % within {all:.1}; the card states {}",
            path.display(),
            inspection.card_reach()
        );
    }
    if !quiet {
        say!("page: {}", args.output.join(RESULTS[0]).display());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_a_folder_are_evenly_spaced() {
        let files: Vec<PathBuf> = (0..10).map(|n| n.to_string().into()).collect();
        let taken = |most| spaced(&files, most).iter().map(|p| p.display().to_string()).collect::<Vec<_>>().concat();
        assert_eq!((taken(3), taken(10), taken(99)), ("036".into(), "0123456789".into(), "0123456789".into()));
    }
}
