//! `artir geo`: scenes in, restored scenes on the same grid out.

mod beside;
mod flags;
mod hint;
mod report;
mod streams;
mod tools;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{Restorer, Task};
use artir_geo::{
    Access, BandNumbers, CreationOption, Cutline, Format, NodataChoice, OpenOptions, RangeChoice, RegionChoice, Scene,
    SceneName, WriteOptions,
};
use clap::ValueEnum;

pub(crate) use self::report::Report;
use self::streams::Streams;
use crate::{
    common::{Host, Inference},
    names::Names,
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs, end_with_report, may_replace_report},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scenes: GeoTIFF, VRT, or another raster that GDAL reads; - or /vsistdin/ for one on standard input
    #[arg(required_unless_present = "compare", value_name = "SCENE")]
    scenes: Vec<String>,
    /// Output file (.tif, .jp2, .png, .img), or a folder; OUT.vrt writes OUT.tif and a virtual raster over it; - or /vsistdout/
    /// for a GeoTIFF on standard output
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["inspect", "compare"])]
    output: Option<PathBuf>,
    /// Print a scene's metadata, and the bands that would be restored, as JSON
    #[arg(long)]
    inspect: bool,
    /// With --inspect: estimate black and white of a large scene without overviews from some of its blocks, for a preview
    #[arg(long, requires = "inspect")]
    estimate: bool,
    /// Compare two rasters, field by field and pixel by pixel; exit code 1 when they differ
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["inspect", "output", "scenes"])]
    compare: Option<Vec<String>>,
    /// Bands whose pixels may differ in --compare
    #[arg(long, value_name = "N,…", value_parser = flags::bands, requires = "compare")]
    except_bands: Option<BandNumbers>,
    /// Bands to restore, counted from 1, if the file does not name its red, green and blue bands
    #[arg(long, value_name = "R,G,B", value_parser = flags::bands)]
    bands: Option<BandNumbers>,
    /// Stored values for black and white: LO,HI (or six numbers, a pair for each band), percentile, reflectance (0 to 1 by the
    /// bands' scale and offset, else 0 to 10,000), or auto (0 to 255 for 8-bit scenes, percentile for others)
    #[arg(long, value_name = "RANGE", default_value = "auto", value_parser = flags::range, allow_hyphen_values = true)]
    range: RangeChoice,
    /// Stored value of pixels that are no data, in place of what the file declares; none: every value counts
    #[arg(long, value_name = "V", value_parser = flags::nodata, allow_hyphen_values = true)]
    nodata: Option<NodataChoice>,
    /// Raster of the scene's extent that is 0 where a pixel does not count
    #[arg(long, value_name = "FILE")]
    mask: Option<String>,
    /// Leave pixels unchanged that the product's own mask marks as cloud (Sentinel-2 SCL, Landsat QA_PIXEL, PlanetScope UDM2)
    #[arg(long)]
    mask_clouds: bool,
    /// Change only this window: first column, first row, columns, rows
    #[arg(long, value_name = "X,Y,W,H", value_parser = flags::window, conflicts_with_all = ["bbox", "cutline"])]
    window: Option<[usize; 4]>,
    /// Change only this box, in the scene's reference system or that of --bbox-crs; x is east
    #[arg(long, value_name = "XMIN,YMIN,XMAX,YMAX", value_parser = flags::corners, allow_hyphen_values = true, conflicts_with = "cutline")]
    bbox: Option<[f64; 4]>,
    /// Reference system of --bbox, such as EPSG:4326
    #[arg(long, value_name = "CRS", requires = "bbox")]
    bbox_crs: Option<String>,
    /// Change only what lies in the polygons of this file (GeoJSON, Shapefile, GeoPackage, FlatGeobuf, KML)
    #[arg(long, value_name = "FILE")]
    cutline: Option<PathBuf>,
    /// Also remove haze from the other reflective bands: it is estimated from red, green, blue and the bands' wavelengths
    #[arg(long)]
    all_bands: bool,
    /// Refuse a scene if the result cannot hold something that it states
    #[arg(long)]
    strict: bool,
    /// Output format, in place of the one that the output's name and the scene suggest: .jp2, .png and .img name others; a COG
    /// gives a COG
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Creation option of the output's GDAL driver, in place of the source's; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = flags::creation)]
    co: Vec<CreationOption>,
    /// Folder, in addition to a virtual raster's own, whose files it may reference; may be repeated
    #[arg(long, value_name = "DIR", value_parser = flags::folder)]
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
    /// Folder for the rows that an interrupted run leaves, in place of a hidden folder next to the result; --resume looks there.
    /// Copies of standard input and output go there, too
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Write an HTML page next to each result: before and after under a slider, the difference, the footprint
    #[arg(long)]
    preview: bool,
    /// Write what changed to this GeoTIFF: restored minus stored values of each restored band; one scene only
    #[arg(long, value_name = "FILE.tif")]
    change: Option<PathBuf>,
    /// Write a STAC item next to each result: OUT.stac.json
    #[arg(long)]
    stac: bool,
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
    pub(crate) inference: Inference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// GeoTIFF with the layout of its source
    Gtiff,
    /// Cloud optimized GeoTIFF
    Cog,
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let streams = Streams::of(args)?;
    if let Some(pair) = &args.compare {
        return tools::compare(&pair[0], &pair[1], args);
    }
    if args.inspect {
        return tools::inspect(args, &streams);
    }
    let result = streams.result();
    let output = result.as_deref().or(args.output.as_deref());
    let output = output.ok_or_else(|| Failure::usage("--output is missing"))?;
    if args.change.is_some() && args.scenes.len() > 1 {
        return Err(Failure::usage("--change takes one scene"));
    }
    // From here on, Ctrl-C stops the work and the report is still written.
    let mut host = Host::new(quiet);
    let outputs = outputs(&args.scenes, output);
    let mut checks = Outputs::new(args.scene_files().chain(args.files()).chain(args.inference.model_file()));
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
    let ended = outputs.and_then(|outputs| restore_all(args, &streams, &outputs, checks, &mut report, &mut host));
    let ended = ended.map(|tally| tally.code()).map_err(|failure| streams.named(failure));
    let Some(path) = args.report.as_deref().filter(|_| !args.dry_run) else { return ended };
    if let Err(failure) = &ended {
        report.ended(failure);
    }
    end_with_report(ended, path, args.replaces_report(path), &report)
}

/// `artir geo` as a job of a batch, with its report: one scene to one file. An interrupted scene is continued, and an old
/// result is replaced.
pub(crate) fn job(mut args: Args, host: &mut Host) -> (Result<Tally, Failure>, Report) {
    (args.overwrite, args.resume) = (true, true);
    let output = args.output.clone().unwrap_or_default();
    let mut report = Report::new(args.names(&output));
    let checks = Outputs::new(args.scene_files().chain(args.files()).chain(args.inference.model_file()));
    let ended = restore_all(&args, &Streams::default(), &[output], checks, &mut report, host);
    if let Err(failure) = &ended {
        report.ended(failure);
    }
    (ended, report)
}

/// What a scene of a batch adds to the range of its mosaic.
pub(crate) fn survey(args: &Args) -> Result<artir_geo::SceneValues, Failure> {
    let options = args.open_options()?.with_estimate(true);
    let name = args.scenes.first().ok_or_else(|| Failure::usage("no scene is named"))?;
    Ok(artir_geo::SceneValues::read(name, &options)?)
}

/// Restores one scene after the other. An error here ends the whole command.
fn restore_all(
    args: &Args,
    streams: &Streams,
    outputs: &[PathBuf],
    mut checks: Outputs,
    report: &mut Report,
    host: &mut Host,
) -> Result<Tally, Failure> {
    let mut tally = Tally::new(host.silent);
    let (progress, restorer) = host.parts(&args.inference, Task::Dehaze)?;
    report.model(restorer);
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
    let options = args.open_options()?;
    for (i, path, out) in possible {
        let name = streams::label(path);
        let result = streams.file(path, progress).and_then(|file| {
            let scene = Scene::open(&file, &options)?.with_name(name);
            let done = restore(&scene, name, out, args, streams, restorer, progress)?;
            if let Some(done) = done.map(|done| streams.send(done)).transpose()? {
                report.written(i, name, &scene, &done, restorer);
            }
            Ok(())
        });
        match result.map_err(|failure| streams.named(failure)) {
            Ok(()) => tally.written += 1,
            Err(failure) => {
                report.failed(i, name, &failure);
                tally.fail(failure)?;
            }
        }
    }
    Ok(tally)
}

impl Args {
    fn open_options(&self) -> Result<OpenOptions, Failure> {
        let mut options = OpenOptions::default()
            .with_range(self.range)
            .with_access(self.access())
            .with_nodata(self.nodata.unwrap_or_default())
            .with_mask_clouds(self.mask_clouds)
            .with_estimate(self.estimate);
        if let Some(bands) = &self.bands {
            options = options.with_bands(bands.clone());
        }
        if let Some(mask) = &self.mask {
            options = options.with_mask(mask);
        }
        let region = match (&self.window, &self.bbox, &self.cutline) {
            (Some(window), ..) => Some(RegionChoice::Window(*window)),
            (_, Some(corners), _) => Some(RegionChoice::Box { corners: *corners, crs: self.bbox_crs.clone() }),
            (_, _, Some(file)) => Some(RegionChoice::Cutline(Cutline::read(file)?)),
            _ => None,
        };
        Ok(region.into_iter().fold(options, OpenOptions::with_region))
    }

    /// The files that the scenes' names name.
    fn scene_files(&self) -> impl Iterator<Item = PathBuf> {
        self.scenes.iter().map(|scene| PathBuf::from(SceneName::of(scene).file))
    }

    pub(crate) fn allows_remote(&self) -> bool {
        self.allow_remote
    }

    /// The local files that are read: the sources of virtual rasters are among them.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let access = self.access();
        // Standard input is read later, and once.
        let named = self.scenes.iter().filter(|scene| !streams::is_input(scene));
        let sources = named.flat_map(|scene| artir_geo::files(scene, &access));
        sources.chain(self.files_beside()).collect()
    }

    /// The files that are read besides the scenes.
    pub(crate) fn files_beside(&self) -> Vec<PathBuf> {
        self.mask.as_ref().map(PathBuf::from).into_iter().chain(self.cutline.clone()).collect()
    }

    /// Whether GDAL reads a scene over a network.
    pub(crate) fn reads_network(&self) -> bool {
        self.allow_remote && self.scenes.iter().any(|scene| artir_geo::is_remote(scene))
    }

    fn replaces_report(&self, path: &Path) -> bool {
        may_replace_report(path, self.overwrite, self.resume)
    }

    fn access(&self) -> Access {
        let access = if self.allow_remote { Access::everything() } else { Access::default() };
        self.allow_path.iter().fold(access, |access, folder| access.with_folder(folder))
    }

    /// The format of a result by its name, or as asked for.
    fn format_of(&self, out: &Path) -> Result<Format, Failure> {
        let by_name = Format::of_name(out);
        match (self.format, by_name) {
            (None, Some(format)) => Ok(format),
            (None, None) => {
                let reason = "no format has this ending: use .tif, .jp2, .png, .img or .vrt, or name one with --format";
                Err(Failure::usage(format!("{}: {reason}", out.display())))
            }
            (Some(_), Some(Format::Jp2 | Format::J2k | Format::Png | Format::Imagine)) => {
                let reason = "--format names another format than the output's ending: leave it out, or use .tif";
                Err(Failure::usage(format!("{}: {reason}", out.display())))
            }
            (Some(FormatName::Gtiff), _) => Ok(Format::GeoTiff),
            (Some(FormatName::Cog), _) => Ok(Format::Cog),
        }
    }

    fn write_options(&self, format: Format, streams: &Streams) -> WriteOptions {
        let options = WriteOptions::default()
            .with_overwrite(self.overwrite)
            .with_resume(self.resume)
            .with_format(format)
            .with_strict(self.strict)
            .with_all_bands(self.all_bands)
            .with_creation(self.co.clone())
            .with_threads(self.inference.threads())
            .with_one_file(streams.result().is_some());
        streams.work().or(self.work.as_deref()).into_iter().fold(options, WriteOptions::with_work)
    }

    /// The paths of the command line, for the names in a report.
    fn names(&self, output: &Path) -> Names {
        let within = output.join("file");
        let more =
            [output.to_owned(), within].into_iter().chain(self.report.clone()).chain(self.inference.model_file());
        let all: Vec<PathBuf> = self.scene_files().chain(more).collect();
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
        if self.stac {
            places.push(("a STAC item", out.with_extension("stac.json")));
        }
        if let Some(change) = &self.change {
            places.push(("the change layer", change.clone()));
        }
        places
    }

    /// Checks that all of these files can be written.
    fn check(&self, out: &Path, checks: &mut Outputs) -> Result<(), Failure> {
        self.format_of(out)?;
        self.places(out).iter().try_for_each(|(what, place)| checks.add(what, place, Kind::File, self.overwrite))
    }
}

/// Whether a file's name ends as a TIFF's.
fn is_tiff(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"))
}

/// The output path of each scene: the named file for one scene, else files of the same names in a folder.
fn outputs(scenes: &[String], output: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    if scenes.len() == 1 && !is_folder {
        return Ok(vec![output.to_owned()]);
    }
    if !is_folder && is_tiff(output) {
        return Err(Failure::usage(format!("{}: several scenes need a folder", output.display())));
    }
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for scene in scenes {
        let name = output_name(scene).ok_or_else(|| Failure::usage(format!("{scene}: does not name a file")))?;
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
fn output_name(scene: &str) -> Option<PathBuf> {
    if let Some(product) = artir_geo::product_name(scene) {
        return Some(format!("{product}.tif").into());
    }
    if streams::is_input(scene) {
        return Some("stdin.tif".into());
    }
    let SceneName { file, part } = SceneName::of(scene);
    let name = PathBuf::from(Path::new(&file).file_name()?);
    // In a TIFF or NITF, the number names an image; the result is named after the file.
    let part = part.filter(|p| p.parse::<u64>().is_err());
    match part {
        None if is_tiff(&name) => Some(name),
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
    streams: &Streams,
    restorer: &Restorer,
    progress: &Terminal,
) -> Result<Option<artir_geo::SceneReport>, Failure> {
    if let Some((value, share)) = scene.undeclared_fill() {
        // Without an exponent, the least number of 32 bits has 39 digits.
        let value = if value.abs() < 1e15 { value.to_string() } else { format!("{value:e}") };
        tracing::warn!(
            "{path}: {:.1} % of its pixels are {value} in all bands, which the file does not declare as nodata: they stay as they \
             are and are kept out of the range (--nodata {value} states it, --nodata none restores them)",
            100.0 * share
        );
    }
    let options = args.write_options(args.format_of(out)?, streams);
    args.check_beside(scene, out)?;
    let mut space = Outputs::default();
    let least = artir_geo::least_space(scene, &options);
    space.needs(out, least.result);
    space.needs(args.work.as_deref().unwrap_or(out), least.journal);
    space.check_space()?;
    if args.dry_run {
        let shape = scene.shape();
        artir_geo::check_model(scene, restorer.card())?;
        artir_geo::rehearse(scene, out, &options)?;
        let plan = artir_geo::plan(scene, restorer)?;
        say!("{path} -> {} ({}x{}, {plan})", out.display(), shape.columns, shape.rows);
        return Ok(None);
    }
    let done = artir_geo::restore_scene(scene, restorer, out, &options, progress)?;
    if !done.lost.is_empty() {
        let (out, lost) = (streams.in_text(&out.display().to_string()), done.lost.join(", "));
        tracing::warn!("{out}: the result cannot hold the scene's {lost}");
    }
    let model = format!("{} {}", restorer.card().name, restorer.card().version);
    if args.preview {
        let preview = artir_geo::Preview::new(scene.gdal_name(), out, scene.bands()).with_title(&model);
        artir_geo::write_preview(&out.with_extension("html"), &preview, args.overwrite)?;
    }
    if let Some(change) = &args.change {
        artir_geo::write_change(scene, &done.path, change, &options)?;
    }
    if args.stac {
        artir_geo::write_stac(scene, &done, &model, &out.with_extension("stac.json"), args.overwrite)?;
    }
    Ok(Some(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_has_a_place_of_its_own() {
        let folder = Path::new("out/");
        let scenes = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let named = |names: &[&str], out: &Path| outputs(&scenes(names), out).ok();
        assert_eq!(named(&["a/x.tif"], Path::new("y.tif")), Some(vec!["y.tif".into()]));
        assert_eq!(named(&["/vsistdin/"], folder), Some(vec!["out/stdin.tif".into()]));
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
