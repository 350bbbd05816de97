//! Flags of `artir ct` and `artir pet`.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use artir_dicom::{
    Description, DisplayWindow, Error, FileNames, Modality, OutputSyntax, PetUnits, Rescale, RestoreOptions, Scan,
    ScanOptions, Selection, Timestamp,
};
use artir_volume::Quantity;
use clap::ValueEnum;

use crate::{
    common::{Inference, codec_process},
    ct::hint,
    outcome::Failure,
    outputs::may_replace_report,
    values,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// DICOM files, folders (searched recursively), ZIP and tar archives, a DICOMDIR, NIfTI or NRRD volumes, @FILE with one path
    /// a line, or - for a tar on standard input
    #[arg(required = true, value_name = "SERIES")]
    pub(super) inputs: Vec<PathBuf>,
    /// Folder for the results, or a file ending in .zip; each derived series gets its own folder in it. For one volume, also a
    /// file name
    #[arg(short, long, value_name = "FOLDER|FILE", required_unless_present_any = ["list", "dry_run"])]
    pub(super) output: Option<PathBuf>,
    /// List the series and write nothing
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "table")]
    pub(super) list: Option<ListForm>,
    /// Overwrite existing results
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Continue an interrupted run of the same model and settings, or update a derived series: changed and new slices are
    /// restored, removed slices are deleted, and the others are kept
    #[arg(long)]
    pub(super) resume: bool,
    /// Write a series without its unusable slices. If different files share one SOPInstanceUID, the first one in the order
    /// of paths is used
    #[arg(long)]
    pub(super) allow_partial: bool,
    /// Choose images by their attributes, such as 'SliceThickness<=3,ImageType~AXIAL': keywords or tags, and = != < <= > >= ~
    /// (contains) !~; all conditions must be met
    #[arg(long, value_name = "CONDITIONS")]
    pub(super) select: Option<Selection>,
    /// Choose series by SeriesInstanceUID
    #[arg(long, value_name = "UID", value_parser = values::uid)]
    pub(super) series: Vec<String>,
    /// Choose only the series with the most slices
    #[arg(long)]
    pub(super) largest: bool,
    /// Also restore series that artir itself has derived
    #[arg(long)]
    pub(super) include_derived: bool,
    /// SeriesDescription of the derived series [default: the source's, followed by "artir"]
    #[arg(long, value_name = "TEXT", value_parser = parse_description)]
    pub(super) series_description: Option<Description>,
    /// Write creation times: now, or a time as YYYYMMDDHHMMSS. Without this option, the same input gives the same bytes
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "now",
          value_parser = parse_timestamp)]
    pub(super) timestamp: Option<Timestamp>,
    /// Rescale of CT values to HU, in place of the header's
    #[arg(long, value_name = "SLOPE,INTERCEPT", allow_hyphen_values = true)]
    pub(super) rescale: Option<Rescale>,
    /// Transfer syntax of the derived pixels
    #[arg(long, value_name = "SYNTAX", value_enum, default_value_t = Syntax::Explicit)]
    pub(super) transfer_syntax: Syntax,
    /// Names of the derived files
    #[arg(long, value_name = "NAMES", value_enum, default_value_t = Names::Order)]
    pub(super) names: Names,
    /// Write NIfTI and NRRD volumes as 32-bit floats
    #[arg(long)]
    pub(super) float: bool,
    /// Write a JSON report of the run to this file
    #[arg(long, value_name = "FILE.json")]
    pub(super) report: Option<PathBuf>,
    /// Write an HTML page next to each derived series that shows its slices before, after, and the difference
    #[arg(long)]
    pub(super) preview: bool,
    /// Window of --preview: abdomen, bone, brain, lung, mediastinum, pet, or CENTRE/WIDTH in HU or SUV [default: abdomen,
    /// for PET pet]
    #[arg(long, value_name = "WINDOW", requires = "preview", allow_hyphen_values = true)]
    pub(super) window: Option<DisplayWindow>,
    /// Write file names, instead of tokens, into --report and --list=json
    #[arg(long)]
    pub(super) show_paths: bool,
    /// Write the SeriesInstanceUIDs of source and result into --report
    #[arg(long, requires = "report")]
    pub(super) show_uids: bool,
    /// Print the planned work and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(crate) inference: Inference,
    /// Where the tar on standard input was unpacked to.
    #[arg(skip)]
    stream: OnceLock<tempfile::TempDir>,
    /// Folders that archives and the tar on standard input were unpacked to, each with the name that stands for it.
    #[arg(skip)]
    unpacked: OnceLock<Vec<(PathBuf, PathBuf)>>,
}

/// The input that is a tar on standard input.
const STREAM: &str = "-";

/// Options specific to `artir ct`.
#[derive(Debug, clap::Args)]
pub(crate) struct CtArgs {
    #[command(flatten)]
    pub(crate) series: Args,
    /// Unit of the values of NIfTI and NRRD volumes whose header does not state it
    #[arg(long, value_enum)]
    pub(crate) units: Option<CtUnits>,
    /// Noise to leave in each series, in HU: the strength is chosen by the noise that is measured in the series
    #[arg(long, value_name = "HU", value_parser = values::noise, allow_negative_numbers = true, conflicts_with = "strength")]
    pub(crate) noise: Option<f64>,
}

/// Options specific to `artir pet`.
#[derive(Debug, clap::Args)]
pub(crate) struct PetArgs {
    #[command(flatten)]
    pub(crate) series: Args,
    /// Unit of the network's input [default: suv; for NIfTI and NRRD volumes, the unit that the header states]
    #[arg(long, value_enum)]
    pub(crate) units: Option<Units>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CtUnits {
    Hu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListForm {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Syntax {
    /// Explicit VR Little Endian, uncompressed
    Explicit,
    JpeglsLossless,
    Rle,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Names {
    /// 0001.dcm and so on, in the order of slices
    Order,
    /// The InstanceNumber, such as 0017.dcm
    Instance,
    /// The source's name, which may hold the patient's
    Source,
}

impl From<Names> for FileNames {
    fn from(names: Names) -> Self {
        match names {
            Names::Order => Self::Order,
            Names::Instance => Self::Instance,
            Names::Source => Self::Source,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Units {
    /// By body weight
    Suv,
    /// By lean body mass (James)
    Suvlbm,
    /// By ideal body weight
    Suvibw,
    /// The series' own unit, scaled to a body mean of 1
    Native,
}

impl From<Units> for PetUnits {
    fn from(units: Units) -> Self {
        match units {
            Units::Suv => Self::Suv,
            Units::Suvlbm => Self::SuvLbm,
            Units::Suvibw => Self::SuvIbw,
            Units::Native => Self::Native,
        }
    }
}

impl From<Units> for Quantity {
    fn from(units: Units) -> Self {
        match units {
            Units::Suv => Self::Suv,
            Units::Native => Self::Native,
            Units::Suvlbm | Units::Suvibw => Self::OfPatient,
        }
    }
}

impl From<CtUnits> for Quantity {
    fn from(units: CtUnits) -> Self {
        match units {
            CtUnits::Hu => Self::Hounsfield,
        }
    }
}

impl From<Syntax> for OutputSyntax {
    fn from(syntax: Syntax) -> Self {
        match syntax {
            Syntax::Explicit => Self::Native,
            Syntax::JpeglsLossless => Self::JpegLsLossless,
            Syntax::Rle => Self::RleLossless,
        }
    }
}

impl Args {
    /// Puts the paths of lists (`@FILE`) in place of the lists.
    pub(super) fn read_lists(&mut self) -> Result<(), Failure> {
        let mut inputs = Vec::new();
        for input in std::mem::take(&mut self.inputs) {
            let Some(list) = input.to_str().and_then(|name| name.strip_prefix('@')).map(PathBuf::from) else {
                inputs.push(input);
                continue;
            };
            let fail = |why: &str| Failure::input(format!("{}: {why}", list.display()));
            let text = std::fs::read_to_string(&list).map_err(|e| fail(&e.to_string()))?;
            // Some programs begin a text of UTF-8 with the mark of its byte order.
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let before = inputs.len();
            inputs.extend(lines.map(PathBuf::from));
            if inputs.len() == before {
                return Err(fail("the list names no file"));
            }
        }
        self.inputs = inputs;
        Ok(())
    }

    /// The path of the results, if they go into a ZIP.
    pub(super) fn zip(&self) -> Option<&Path> {
        let is_zip = |path: &&Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) && !path.is_dir();
        self.output.as_deref().filter(is_zip)
    }

    pub(super) fn options(&self, units: PetUnits) -> Result<RestoreOptions, Failure> {
        let (program, arguments) = codec_process()?;
        Ok(RestoreOptions::default()
            .overwrite(self.overwrite)
            .resume(self.resume)
            .allow_partial(self.allow_partial)
            .series_description(self.series_description.clone())
            .timestamp(self.timestamp.clone())
            .syntax(self.transfer_syntax.into())
            .file_names(self.names.into())
            .units(units)
            .rescale(self.rescale)
            .codec_process(program, arguments))
    }

    /// Whether the report may replace the file at its path.
    pub(super) fn replaces_report(&self, path: &Path) -> bool {
        may_replace_report(path, self.overwrite, self.resume)
    }

    /// Searches the inputs. The tar on standard input is unpacked now, after everything that can be refused without it.
    pub(super) fn scan(&self, modality: Modality, units: PetUnits) -> Result<Scan, Error> {
        let mut options = ScanOptions::new(modality);
        options.include_derived = self.include_derived;
        options.units = units;
        options.select = self.select.clone().unwrap_or_default();
        options.series = self.series.clone();
        options.largest = self.largest;
        if self.stream.get().is_none() && self.inputs.iter().any(|input| input == Path::new(STREAM)) {
            // It was empty a line ago.
            drop(self.stream.set(artir_dicom::unpack_tar(std::io::stdin().lock())?));
        }
        let stream = self.stream.get().map(tempfile::TempDir::path);
        let place = |input: &PathBuf| match stream {
            Some(folder) if input == Path::new(STREAM) => folder.to_owned(),
            _ => input.clone(),
        };
        let scan = artir_dicom::scan_with(&self.inputs.iter().map(place).collect::<Vec<_>>(), options)?;
        let archives = scan.unpacked().map(|(folder, archive)| (folder.to_owned(), archive.to_owned()));
        let stream = stream.map(|folder| (folder.to_owned(), PathBuf::from(STREAM)));
        self.unpacked.get_or_init(|| archives.chain(stream).collect());
        Ok(scan)
    }

    /// The name of a file as the user knows it: a member of an archive is named below its archive, not in the temporary
    /// folder that it was unpacked to.
    pub(super) fn name(&self, path: &Path) -> PathBuf {
        let mut unpacked = self.unpacked.get().into_iter().flatten();
        let member = unpacked.find_map(|(folder, archive)| Some(archive.join(path.strip_prefix(folder).ok()?)));
        member.unwrap_or_else(|| path.to_owned())
    }

    /// An error with the names that the user knows.
    pub(super) fn named(&self, error: Error) -> Error {
        match error {
            Error::File { path, reason } => Error::File { path: self.name(&path), reason },
            other => other,
        }
    }

    /// An error's text with the names that the user knows, and the flag that helps.
    pub(super) fn error(&self, error: &Error) -> String {
        match error {
            Error::File { path, reason } => format!("{}: {}", self.name(path).display(), hint::reason(reason)),
            other => hint::error(other),
        }
    }

    /// A file's name for a report: a token by default, because file names can hold a patient's name.
    pub(super) fn shown(&self, path: &Path) -> String {
        let path = &self.name(path);
        let relative = self.inputs.iter().find_map(|input| path.strip_prefix(input).ok()).unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { path } else { relative };
        if self.show_paths {
            relative.display().to_string()
        } else {
            format!("file-{}", artir_core::token(&relative.to_string_lossy()))
        }
    }

    /// An error's text for a report, without file names unless they were asked for.
    pub(super) fn error_text(&self, error: &Error) -> String {
        match error {
            Error::File { path, reason } => format!("{}: {}", self.shown(path), hint::reason(reason)),
            Error::NoSeries { .. } => hint::no_series(error),
            other => hint::error(other),
        }
    }
}

fn parse_description(text: &str) -> Result<Description, artir_dicom::OptionError> {
    Description::new(text)
}

fn parse_timestamp(text: &str) -> Result<Timestamp, artir_dicom::OptionError> {
    if text == "now" {
        Timestamp::new(chrono::Local::now().format("%Y%m%d%H%M%S").to_string())
    } else {
        Timestamp::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_a_time() {
        assert_eq!(parse_timestamp("now").unwrap().as_str().len(), 14);
        assert!(parse_timestamp("yesterday").is_err());
    }
}
