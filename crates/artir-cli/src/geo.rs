//! `artir geo`: scenes in, restored scenes on the same grid out.

mod hint;
mod names;
mod report;
mod tools;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Restorer, Task};
use artir_geo::{
    Access, BandNumbers, CreationOption, Format, Interval, OpenOptions, RangeChoice, Scene, SceneName, WriteOptions,
};
use clap::ValueEnum;

use self::{names::Names, report::Report};
use crate::{
    common::Inference,
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs, end_with_report, may_replace_report},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scenes: GeoTIFF, VRT, or another raster that GDAL reads
    #[arg(required_unless_present = "compare", value_name = "SCENE")]
    scenes: Vec<String>,
    /// Output file, or a folder; OUT.vrt writes OUT.tif and a virtual raster over it
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["inspect", "compare"])]
    output: Option<PathBuf>,
    /// Print a scene's metadata, and the bands that would be restored, as JSON
    #[arg(long)]
    inspect: bool,
    /// Compare two rasters, field by field and pixel by pixel; exit code 1 when they differ
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["inspect", "output", "scenes"])]
    compare: Option<Vec<String>>,
    /// Bands whose pixels may differ in --compare
    #[arg(long, value_name = "N,…", value_parser = parse_bands, requires = "compare")]
    except_bands: Option<BandNumbers>,
    /// Bands to restore, counted from 1, if the file does not name its red, green and blue bands
    #[arg(long, value_name = "R,G,B", value_parser = parse_bands)]
    bands: Option<BandNumbers>,
    /// Stored values for black and white: LO,HI, percentile, reflectance (0 to 10,000), or auto (0 to 255 for 8-bit
    /// scenes, percentile for others)
    #[arg(long, value_name = "RANGE", default_value = "auto", value_parser = parse_range, allow_hyphen_values = true)]
    range: RangeChoice,
    /// Output format
    #[arg(long, value_enum, default_value_t = FormatName::Gtiff)]
    format: FormatName,
    /// Creation option of GDAL's GTiff or COG driver, in place of the source's; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_creation)]
    co: Vec<CreationOption>,
    /// Folder, in addition to a virtual raster's own, whose files it may reference; may be repeated
    #[arg(long, value_name = "DIR", value_parser = parse_folder)]
    allow_path: Vec<PathBuf>,
    /// Lift all restrictions: scenes on a network, formats that reference other files, virtual rasters that reference any file
    #[arg(long)]
    allow_remote: bool,
    /// Overwrite existing results
    #[arg(long)]
    overwrite: bool,
    /// Continue an interrupted run of the same model and settings
    #[arg(long)]
    resume: bool,
    /// Write an HTML page next to each result: before and after under a slider, the difference, the footprint
    #[arg(long)]
    preview: bool,
    /// Write a JSON report of the run to this file
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Write whole paths, instead of the names of files alone, into --report
    #[arg(long, requires = "report")]
    show_paths: bool,
    /// Print the planned work and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    inference: Inference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// GeoTIFF with the layout of its source
    Gtiff,
    /// Cloud optimized GeoTIFF
    Cog,
}

fn parse_bands(text: &str) -> Result<BandNumbers, String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    numbers.and_then(BandNumbers::new).ok_or_else(|| "must be numbers of different bands, counted from 1: 3,2,1".into())
}

fn parse_range(text: &str) -> Result<RangeChoice, String> {
    match text {
        "auto" => Ok(RangeChoice::Auto),
        "percentile" => Ok(RangeChoice::Percentile),
        "reflectance" => Ok(RangeChoice::Reflectance),
        _ => {
            let number = |t: &str| t.trim().parse::<f64>().ok().filter(|v| v.is_finite());
            let ends = text.split_once(',').and_then(|(lo, hi)| Some((number(lo)?, number(hi)?)));
            match ends.and_then(|(lo, hi)| Interval::new(lo, hi)) {
                Some(interval) => Ok(RangeChoice::Interval(interval)),
                None => Err("must be LO,HI (LO below HI), percentile, reflectance or auto".into()),
            }
        }
    }
}

fn parse_folder(text: &str) -> Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    if folder.is_dir() { Ok(folder) } else { Err("no such folder".into()) }
}

fn parse_creation(text: &str) -> Result<CreationOption, String> {
    let option = text.split_once('=').and_then(|(key, value)| CreationOption::new(key, value));
    option.ok_or_else(|| "must be KEY=VALUE, such as COMPRESS=ZSTD".into())
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    if let Some(pair) = &args.compare {
        return tools::compare(&pair[0], &pair[1], args);
    }
    if args.inspect {
        return tools::inspect(args);
    }
    let output = args.output.as_deref().ok_or_else(|| Failure::usage("--output is missing"))?;
    // From here on, Ctrl-C stops the work and the report is still written.
    let progress = Terminal::new(quiet);
    let outputs = outputs(&args.scenes, output, args.format);
    let access = args.access();
    let named = args.scenes.iter().map(|scene| PathBuf::from(SceneName::of(scene).file));
    // A virtual raster's sources are inputs, too.
    let sources = args.scenes.iter().flat_map(|scene| artir_geo::files(scene, &access));
    let mut checks = Outputs::new(named.chain(sources).chain(args.inference.model_file()));
    if let Some(path) = &args.report {
        checks.add("the report", path, Kind::File, args.replaces_report(path))?;
        // A report with the path of a result is an error of the whole command: neither can be written.
        for out in outputs.iter().flatten() {
            args.places(out).iter().try_for_each(|(what, place)| checks.apart(what, place))?;
            if artir_geo::is_read_with(out, path) {
                let reason = format!("GDAL would read the report with {}: write it elsewhere", out.display());
                return Err(Failure::usage(format!("{}: {reason}", path.display())));
            }
        }
    }
    let mut report = Report::new(args.names(output));
    let ended = outputs.and_then(|outputs| restore_all(args, &outputs, checks, &mut report, &progress));
    let Some(path) = args.report.as_deref().filter(|_| !args.dry_run) else { return ended };
    if let Err(failure) = &ended {
        report.ended(failure);
    }
    end_with_report(ended, path, args.replaces_report(path), &report)
}

/// Restores one scene after the other. An error here ends the whole command.
fn restore_all(
    args: &Args,
    outputs: &[PathBuf],
    mut checks: Outputs,
    report: &mut Report,
    progress: &Terminal,
) -> Result<ExitCode, Failure> {
    let restorer = args.inference.restorer_for(Task::Dehaze)?;
    report.model(&restorer);
    let mut tally = Tally::default();
    let mut possible = Vec::new();
    for (i, (path, out)) in args.scenes.iter().zip(outputs).enumerate() {
        let recovered = if args.dry_run { Ok(()) } else { artir_geo::recover(out).map_err(Failure::from) };
        match recovered.and_then(|()| args.check(out, &mut checks)) {
            Ok(()) => possible.push((i, path, out)),
            Err(failure) => {
                report.failed(i, path, &failure);
                tally.fail(failure)?;
            }
        }
    }
    let options = args.open_options();
    for (i, path, out) in possible {
        let result = Scene::open(path, &options).map_err(Failure::from).and_then(|scene| {
            restore(&scene, path, out, args, &restorer, progress).map(|done| {
                if let Some(done) = done {
                    report.written(i, path, &scene, &done, &restorer);
                }
            })
        });
        match result {
            Ok(()) => tally.written += 1,
            Err(failure) => {
                report.failed(i, path, &failure);
                tally.fail(failure)?;
            }
        }
    }
    Ok(tally.code())
}

impl Args {
    fn open_options(&self) -> OpenOptions {
        let options = OpenOptions::default().with_range(self.range).with_access(self.access());
        self.bands.iter().fold(options, |options, bands| options.with_bands(bands.clone()))
    }

    fn replaces_report(&self, path: &Path) -> bool {
        may_replace_report(path, self.overwrite, self.resume)
    }

    fn access(&self) -> Access {
        let access = if self.allow_remote { Access::everything() } else { Access::default() };
        self.allow_path.iter().fold(access, |access, folder| access.with_folder(folder))
    }

    fn write_options(&self) -> WriteOptions {
        let format = match self.format {
            FormatName::Gtiff => Format::GeoTiff,
            FormatName::Cog => Format::Cog,
        };
        WriteOptions::default()
            .with_overwrite(self.overwrite)
            .with_resume(self.resume)
            .with_format(format)
            .with_creation(self.co.clone())
            .with_threads(self.inference.threads())
    }

    /// The paths of the command line, for the names in a report.
    fn names(&self, output: &Path) -> Names {
        let scenes = self.scenes.iter().map(|scene| PathBuf::from(SceneName::of(scene).file));
        let within = output.join("file");
        let more =
            [output.to_owned(), within].into_iter().chain(self.report.clone()).chain(self.inference.model_file());
        let all: Vec<PathBuf> = scenes.chain(more).collect();
        Names::new(all.iter().map(PathBuf::as_path), self.show_paths)
    }

    /// A scene's result and the files that belong to it.
    fn places(&self, out: &Path) -> Vec<(&'static str, PathBuf)> {
        let mut places = vec![("a scene", out.to_owned())];
        let data = artir_geo::data_of(out);
        if data != out {
            places.push(("the TIFF of a virtual raster", data));
        }
        if self.preview {
            places.push(("a preview", out.with_extension("html")));
        }
        places
    }

    /// Checks that all of these files can be written.
    fn check(&self, out: &Path, checks: &mut Outputs) -> Result<(), Failure> {
        self.places(out).iter().try_for_each(|(what, place)| checks.add(what, place, Kind::File, self.overwrite))
    }
}

/// The output path of each scene: the named file for one scene, else files of the same names in a folder.
fn outputs(scenes: &[String], output: &Path, format: FormatName) -> Result<Vec<PathBuf>, Failure> {
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    let is_file =
        |p: &Path| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"));
    if scenes.len() == 1 && !is_folder {
        return Ok(vec![output.to_owned()]);
    }
    if !is_folder && is_file(output) {
        return Err(Failure::usage(format!("{}: several scenes need a folder", output.display())));
    }
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for scene in scenes {
        let name =
            output_name(scene, format).ok_or_else(|| Failure::usage(format!("{scene}: does not name a file")))?;
        // File systems that ignore case would map both to one file.
        if !names.insert(name.to_string_lossy().to_lowercase()) {
            return Err(Failure::usage(format!(
                "two scenes would be written to {}: run them separately",
                name.display()
            )));
        }
        out.push(output.join(name));
    }
    Ok(out)
}

/// The name of a scene's result in a folder: its file's name, and the subdataset's where it has one.
fn output_name(scene: &str, format: FormatName) -> Option<PathBuf> {
    let SceneName { file, part } = SceneName::of(scene);
    let name = PathBuf::from(Path::new(&file).file_name()?);
    let tiff = name.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"));
    // In a TIFF or NITF, the number names an image; the result is named after the file.
    let part = part.filter(|p| p.parse::<u64>().is_err());
    match part {
        None if tiff && format == FormatName::Gtiff => Some(name),
        None => Some(name.with_extension("tif")),
        Some(part) => {
            let words = part.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '.').filter(|w| !w.is_empty());
            let part = words.collect::<Vec<_>>().join("_");
            Some(format!("{}_{part}.tif", name.file_stem()?.to_string_lossy()).into())
        }
    }
}

fn restore(
    scene: &Scene,
    path: &str,
    out: &Path,
    args: &Args,
    restorer: &Restorer,
    progress: &Terminal,
) -> Result<Option<artir_geo::SceneReport>, Failure> {
    let options = args.write_options();
    let mut space = Outputs::default();
    space.needs(out, artir_geo::least_space(scene, &options));
    space.check_space()?;
    if args.dry_run {
        let shape = scene.shape();
        artir_geo::check_model(scene, restorer.card())?;
        artir_geo::rehearse(scene, out, &options)?;
        let plan = artir_geo::plan(scene, restorer)?;
        say!("{path} -> {} ({}x{}, {plan})", out.display(), shape.columns, shape.rows);
        return Ok(None);
    }
    let page = out.with_extension("html");
    let done = artir_geo::restore_scene(scene, restorer, out, &options, progress)?;
    if args.preview {
        let title = format!("{} {}", restorer.card().name, restorer.card().version);
        let preview = artir_geo::Preview::new(path, out, scene.bands()).with_title(&title);
        artir_geo::write_preview(&page, &preview, args.overwrite)?;
    }
    Ok(Some(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_they_are_written() {
        let interval = |lo, hi| Ok(RangeChoice::Interval(Interval::new(lo, hi).unwrap()));
        assert_eq!(parse_range("0,10000"), interval(0.0, 10_000.0));
        assert_eq!(parse_range("-0.2, 1.5"), interval(-0.2, 1.5));
        assert_eq!(parse_range("percentile"), Ok(RangeChoice::Percentile));
        for bad in ["1", "5,5", "9,1", "a,b", "0,inf", "1,2,3", ""] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_scene_has_a_place_of_its_own() {
        let folder = Path::new("out/");
        let scenes = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let named = |names: &[&str], out: &Path| outputs(&scenes(names), out, FormatName::Gtiff).ok();
        assert_eq!(named(&["a/x.tif"], Path::new("y.tif")), Some(vec!["y.tif".into()]));
        assert_eq!(named(&["a/x.tif", "b.vrt"], folder), Some(vec!["out/x.tif".into(), "out/b.tif".into()]));
        assert_eq!(named(&["GTIFF_DIR:2:a/x.TIFF"], folder), Some(vec!["out/x.TIFF".into()]));
        let colons = ["a/S2_2024-05-01T10:11:12.tif", "S2_10:15:30.jp2"];
        let kept = ["out/S2_2024-05-01T10:11:12.tif".into(), "out/S2_10:15:30.tif".into()];
        assert_eq!(named(&colons, folder), Some(kept.to_vec()));
        let parts = ["NETCDF:\"a/b.nc\":red", "NETCDF:\"a/b.nc\":blue", "HDF5:\"c.h5\"://g/red"];
        let kept = ["out/b_red.tif".into(), "out/b_blue.tif".into(), "out/c_g_red.tif".into()];
        assert_eq!(named(&parts, folder), Some(kept.to_vec()));
        assert_eq!(named(&["vrt://a/x.jp2?bands=1,2,3"], folder), Some(vec!["out/x.tif".into()]));
        assert_eq!(named(&["a/x.tif", "b/X.tif"], folder), None);
        assert_eq!(named(&["a/x.tif", "b/y.tif"], Path::new("z.tif")), None);
    }
}
