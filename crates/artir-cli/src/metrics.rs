//! `artir metrics`: PSNR, SSIM and RMSE of results against references, two files or two folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::Progress;
use artir_harness::{ImageResult, Loaded, MethodFigures, MethodSummary, Named, Reader, Statistic, Value, Values};
use artir_metrics::{Figures, Lpips, Protocol, measure_where, named_window};
use ndarray::Array2;

use crate::{
    common::codec_process,
    outcome::{Failure, Tally},
    progress::Terminal,
    values,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The result: PNG, JPEG, TIFF, NPY or DICOM; or a folder of them
    #[arg(required_unless_present = "protocols")]
    result: Option<PathBuf>,
    /// The reference, of the same size and depth; or a folder of files with the same names
    #[arg(required_unless_present = "protocols")]
    reference: Option<PathBuf>,
    /// Protocol by name; may be given several times [default: ldct-400 for CT, pet-slice for PET, else rgb]
    #[arg(long, value_name = "NAME")]
    protocol: Vec<String>,
    /// List the protocols
    #[arg(long)]
    protocols: bool,
    /// Truncate HU or SUV to LO,HI in place of the protocol's window; or abdomen, lung, bone, brain
    #[arg(long, value_name = "LO,HI|NAME", allow_hyphen_values = true)]
    window: Option<String>,
    /// Measure only pixels where this image is not black
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Exclude pixels where the reference has this value in every channel, as stored (8 or 16 bit) or in its unit
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    nodata: Option<f32>,
    /// A network that measures LPIPS: two inputs [1, 3, H, W] from -1 to 1 and one number as output
    #[arg(long, value_name = "FILE.onnx")]
    lpips: Option<PathBuf>,
    /// Memory that one image may take while it is read, such as 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = values::memory, allow_negative_numbers = true)]
    memory: u64,
    /// Print JSON: one object per pair, then one per protocol with mean and standard deviation
    #[arg(long)]
    json: bool,
    /// Write file names, instead of tokens, of CT and PET files into the JSON
    #[arg(long)]
    show_paths: bool,
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    if args.protocols {
        for protocol in Protocol::ALL {
            say!("{}\n    {}", protocol.name(), protocol.words());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.lpips.is_some() && (args.mask.is_some() || args.nodata.is_some()) {
        let reason = "measures whole images, and --mask and --nodata leave pixels out: use a run of its own for it";
        return Err(Failure::usage(format!("--lpips: {reason}")));
    }
    let mut tally = Tally::default();
    let pairs = pairs(args, &mut tally)?;
    let mut protocols = args.protocol.iter().map(|name| by_name(name)).collect::<Result<Vec<_>, _>>()?;
    // One that is named twice would count each pair twice.
    let mut names = BTreeSet::new();
    protocols.retain(|protocol| names.insert(protocol.name().clone()));
    let window = args.window.as_deref().map(parse_window).transpose()?;
    let lpips = args.lpips.as_deref().map(Lpips::open).transpose()?;
    let reader = Reader::new(args.memory, Some(codec_process()?));
    let mask = args.mask.as_ref().map(|path| reader.read(path)).transpose()?;
    let mask = mask.map(|m| m.data.map_axis(ndarray::Axis(0), |v| v.iter().any(|v| *v > 0.0)));
    let mut summaries: BTreeMap<String, Vec<ImageResult>> = BTreeMap::new();
    let progress = Terminal::new(quiet).counting("measure", "pairs");
    // Figures of a few pairs come at once, and would break a bar's line.
    let counted = pairs.len() > 1;
    if counted {
        progress.start(&args.result.as_ref().map_or_else(String::new, |r| r.display().to_string()), pairs.len() as u64);
    }
    for (index, pair) in pairs.iter().enumerate() {
        if progress.is_cancelled() {
            return Err(artir_core::Error::Interrupted.into());
        }
        match measure(pair, args, &reader, &protocols, window, mask.as_ref(), lpips.as_ref()) {
            Ok(figures) => {
                tally.written += 1;
                for (protocol, figures, lpips) in figures {
                    print(args, index, pair, &protocol, &figures, lpips);
                    let of_protocol = summaries.entry(figures.protocol.to_string()).or_default();
                    of_protocol.push(as_result(index, figures, lpips));
                }
            }
            Err(failure) => tally.fail(failure)?,
        }
        if counted {
            progress.advance(1);
        }
    }
    if args.result.as_ref().is_some_and(|r| r.is_dir()) {
        for (protocol, images) in &summaries {
            summarise(args.json, protocol, images);
        }
    }
    Ok(tally.code())
}

/// The pair of files, or the files of equal name in two folders. A file without a partner is a failure.
fn pairs(args: &Args, tally: &mut Tally) -> Result<Vec<Pair>, Failure> {
    let (Some(result), Some(reference)) = (&args.result, &args.reference) else {
        return Err(Failure::usage("a result and a reference are needed"));
    };
    if result.is_dir() != reference.is_dir() {
        return Err(Failure::usage("a folder can be measured against a folder, a file against a file"));
    }
    if !result.is_dir() {
        return Ok(vec![Pair { name: None, result: result.clone(), reference: reference.clone() }]);
    }
    let (results, references) = (Named::new(result)?, Named::new(reference)?);
    let wanted: BTreeSet<&str> = references.paths().map(|(name, _)| name).collect();
    let mut partners: BTreeMap<&Path, Vec<(&str, &Path)>> = BTreeMap::new();
    for (name, path) in references.paths() {
        match results.find_own(name, &[name.to_owned()], |other| wanted.contains(other))? {
            Some(found) => partners.entry(found).or_default().push((name, path)),
            None => tally.fail(Failure::input(format!("{} has no result '{name}'", result.display())))?,
        }
    }
    let mut out = Vec::new();
    for (name, path) in results.paths() {
        let why = match partners.get(path).map(Vec::as_slice) {
            Some([(name, reference)]) => {
                let (name, reference) = (Some((*name).to_owned()), reference.to_path_buf());
                out.push(Pair { name, result: path.to_owned(), reference });
                continue;
            }
            Some([(_, one), (_, other), ..]) => {
                format!("{}: two references fit it, {} and {}", path.display(), one.display(), other.display())
            }
            _ => format!("{} has no reference '{name}'", reference.display()),
        };
        tally.fail(Failure::input(why))?;
    }
    if out.is_empty() {
        let message = format!("{} and {} have no pair of one file name", result.display(), reference.display());
        return Err(Failure::input(message));
    }
    Ok(out)
}

/// A result and its reference.
struct Pair {
    /// Path below the folder, without ending; `None` for two files.
    name: Option<String>,
    result: PathBuf,
    reference: PathBuf,
}

fn by_name(name: &str) -> Result<Protocol, Failure> {
    Protocol::by_name(name)
        .ok_or_else(|| Failure::usage(format!("no protocol '{name}': choose one of {}", Protocol::names().join(", "))))
}

fn parse_window(text: &str) -> Result<(f64, f64), Failure> {
    let numbers = text.split_once(',').and_then(|(lo, hi)| Some((lo.trim().parse().ok()?, hi.trim().parse().ok()?)));
    named_window(text)
        .or(numbers)
        .ok_or_else(|| Failure::usage(format!("'{text}' is neither LO,HI nor abdomen, lung, bone or brain")))
}

type Measured = Vec<(Protocol, Figures, Option<f64>)>;

fn measure(
    Pair { result, reference, .. }: &Pair,
    args: &Args,
    reader: &Reader,
    protocols: &[Protocol],
    window: Option<(f64, f64)>,
    mask: Option<&Array2<bool>>,
    lpips: Option<&Lpips>,
) -> Result<Measured, Failure> {
    let (a, b) = (reader.read(result)?, reader.read(reference)?);
    let pair = format!("{} and {}", result.display(), reference.display());
    if !a.values.fits(b.values) {
        return Err(Failure::input(format!("{pair}: {} against {}", a.values, b.values)));
    }
    // A file that does not name its unit has the other's.
    let values = if b.values == Values::Plain { a.values } else { b.values };
    let own = [match values {
        Values::Hounsfield => Protocol::LDCT_400,
        Values::Suv => Protocol::PET_SLICE,
        _ => Protocol::RGB,
    }];
    let outside =
        |l: &Loaded| l.values == Values::Plain && l.data.iter().any(|v| !(-0.5..=1.5).contains(v) && !v.is_nan());
    if protocols.is_empty() && own[0] == Protocol::RGB && (outside(&a) || outside(&b)) {
        let message =
            format!("{pair}: the values exceed 0 to 1 and the files do not name their unit: choose a --protocol");
        return Err(Failure::usage(message));
    }
    let protocols = if protocols.is_empty() { &own } else { protocols };
    let valid = valid(&b, args.nodata, mask).map_err(|why| why.about(&pair))?;
    let mut out = Vec::new();
    for protocol in protocols {
        let mut protocol = protocol.clone();
        if let Some((lo, hi)) = window {
            let name = protocol.name().clone();
            protocol = protocol.with_window(lo, hi).ok_or_else(|| {
                Failure::usage(format!("--window: the protocol {name} has none, or the window is empty"))
            })?;
        }
        let unit_fits = match values {
            Values::Hounsfield => protocol.unit() == "HU",
            Values::Suv => protocol.unit() == "SUV",
            Values::Display(_) => !protocol.is_physical(),
            Values::Plain => true,
        };
        if !unit_fits {
            let message = format!("{pair}: {values} cannot be measured by the protocol {}", protocol.name());
            return Err(Failure::usage(message));
        }
        let valid = valid.as_ref().map(|v| v.view());
        let figures = measure_where(a.data.view(), b.data.view(), valid, &protocol)
            .map_err(|e| Failure::input(format!("{pair}: {e}")))?;
        let lpips = lpips.map(|network| network.measure(a.data.view(), b.data.view())).transpose()?;
        out.push((protocol, figures, lpips));
    }
    Ok(out)
}

/// Measured pixels: not nodata, and inside the mask. Padding of CT slices is measured, since protocols use whole slices.
fn valid(b: &Loaded, nodata: Option<f32>, mask: Option<&Array2<bool>>) -> Result<Option<Array2<bool>>, Failure> {
    let size = (b.data.dim().1, b.data.dim().2);
    let peak = match b.values {
        Values::Display(8) => 255.0,
        Values::Display(16) => 65535.0,
        _ => 1.0,
    };
    // NaN is the nodata value of many float images, and never compares equal.
    let is = |x: f32, v: f32| x == v / peak || (x.is_nan() && v.is_nan());
    let nodata = nodata.map(|v| b.data.map_axis(ndarray::Axis(0), |c| c.iter().any(|x| !is(*x, v))));
    let mut out: Option<Array2<bool>> = None;
    for part in [nodata.as_ref(), mask].into_iter().flatten() {
        if part.dim() != size {
            let message = format!("the mask is {:?}, the reference {size:?} (rows, columns)", part.dim());
            return Err(Failure::input(message));
        }
        match &mut out {
            None => out = Some(part.clone()),
            Some(all) => all.zip_mut_with(part, |all, part| *all &= part),
        }
    }
    Ok(out)
}

fn print(args: &Args, index: usize, pair: &Pair, protocol: &Protocol, figures: &Figures, lpips: Option<f64>) {
    // A medical file's name can hold a patient's name.
    let hide = protocol.is_physical() && !args.show_paths;
    let name = pair.name.as_ref().map(|name| if hide { artir_core::token(name) } else { name.clone() });
    if args.json {
        let mut object = serde_json::json!({
            "protocol": figures.protocol, "psnr_db": finite(figures.psnr), "ssim": figures.ssim,
            "rmse": figures.rmse, "unit": protocol.unit(), "left_out": figures.left_out,
        });
        if let Some(name) = name {
            object["index"] = index.into();
            object["name"] = name.into();
        }
        if let Some(lpips) = lpips {
            object["lpips"] = lpips.into();
        }
        say!("{object}");
        return;
    }
    if pair.name.is_some() {
        say!("{}", pair.result.display());
    }
    say!("protocol  {}", figures.protocol);
    say!("PSNR      {:.4} dB", figures.psnr);
    if let Some(ssim) = figures.ssim {
        say!("SSIM      {ssim:.6}");
    }
    let unit = if protocol.unit() == "1" { String::new() } else { format!(" {}", protocol.unit()) };
    say!("RMSE      {:.6}{unit}", figures.rmse);
    if let Some(lpips) = lpips {
        say!("LPIPS     {lpips:.6}");
    }
    if figures.left_out > 0 {
        say!("left out  {} pixels", figures.left_out);
    }
}

fn as_result(index: usize, figures: Figures, lpips: Option<f64>) -> ImageResult {
    let figures = MethodFigures {
        psnr: Some(Value(figures.psnr)),
        ssim: figures.ssim,
        rmse: Some(figures.rmse),
        lpips,
        left_out: figures.left_out,
        ..MethodFigures::default()
    };
    let methods = BTreeMap::from([(METHOD.to_owned(), figures)]);
    ImageResult { index, name: String::new(), methods, seconds: None }
}

/// The name of a result within its folder.
const METHOD: &str = "result";

/// Count, mean and standard deviation over the pairs.
fn summarise(json: bool, protocol: &str, images: &[ImageResult]) {
    let summary = MethodSummary::new(METHOD, images);
    if json {
        say!("{}", serde_json::json!({ "protocol": protocol, "summary": summary }));
        return;
    }
    let figure = |name: &str, statistic: Option<Statistic>, digits: usize, unit: &str| {
        if let Some(s) = statistic {
            say!("{name:<9} {:.digits$} ± {:.digits$}{unit}", s.mean, s.sd);
        }
    };
    say!("mean ± standard deviation of {} pairs, protocol {protocol}", summary.images);
    figure("PSNR", summary.psnr, 4, " dB");
    figure("SSIM", summary.ssim, 6, "");
    figure("RMSE", summary.rmse, 6, "");
    figure("LPIPS", summary.lpips, 6, "");
    if summary.identical > 0 {
        say!("{} identical pairs, PSNR inf, left out of the mean", summary.identical);
    }
}

/// JSON has no infinity: identical images have the PSNR "inf".
fn finite(value: f64) -> serde_json::Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}
