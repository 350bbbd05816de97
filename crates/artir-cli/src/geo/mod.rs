//! `artir geo`: scenes in, restored scenes on the same grid out.

mod beside;
mod flags;
mod hint;
mod one;
mod places;
mod report;
mod streams;
mod tools;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::Task;
use artir_files::is_taken;
use artir_geo::{
    Access, BandNumbers, CreationOption, Cutline, Format, NodataChoice, OpenOptions, RangeChoice, RegionChoice, Scene,
    SceneName, WriteOptions,
};
use clap::ValueEnum;

pub(crate) use self::report::Report;
use self::{one::One, places::outputs, streams::Streams};
use crate::{
    common::{Host, Inference},
    names::Names,
    outcome::{Failure, Tally},
    outputs::{Kind, Outputs, end_with_report, may_replace_report},
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
    /// Continue an interrupted run of the same model and settings; results that it finished stay
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
    let options = args.open_options()?;
    let mut possible = Vec::new();
    for (i, (path, out)) in args.scenes.iter().zip(outputs).enumerate() {
        let mut begin = || -> Result<_, Failure> {
            if !args.dry_run {
                artir_geo::recover(out)?;
            }
            if args.resume && !args.overwrite && is_taken(out) {
                let scene = Scene::open(path, &options)?;
                let one = One { scene: &scene, path, out, args, streams, restorer };
                if let Some(done) = one.finished(&mut checks)? {
                    return Ok(Some((scene, done)));
                }
            }
            args.check(out, &mut checks).map(|()| None)
        };
        match begin() {
            Ok(None) => possible.push((i, path, out)),
            Ok(Some((scene, done))) => {
                report.written(i, path, &scene, &done, restorer);
                tally.written += 1;
            }
            Err(failure) => {
                report.failed(i, path, &failure);
                tally.fail(failure)?;
            }
        }
    }
    for (i, path, out) in possible {
        let name = streams::label(path);
        let result = streams.file(path, progress).and_then(|file| {
            let scene = Scene::open(&file, &options)?.with_name(name);
            let done = One { scene: &scene, path: name, out, args, streams, restorer }.restore(progress)?;
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
