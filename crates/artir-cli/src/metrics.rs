//! `artir metrics`: PSNR, SSIM and RMSE of results against references, two files or two folders.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::metrics::{Figures, Lpips, Protocol, measure_where, named_window};
use artir_validation::harness::{self, Loaded, Values};
use ndarray::Array2;

use crate::outcome::{Failure, Tally};

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
    /// Say what the protocols are
    #[arg(long)]
    protocols: bool,
    /// Truncate HU or SUV to LO,HI in place of the protocol's window; or abdomen, lung, bone, brain
    #[arg(long, value_name = "LO,HI|NAME", allow_hyphen_values = true)]
    window: Option<String>,
    /// Count pixels alone where this image is not black
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Leave out pixels where the reference has this value in every channel, as stored (8 or 16 bit) or in its unit
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    nodata: Option<f32>,
    /// A network that measures LPIPS: two inputs [1, 3, H, W] from -1 to 1, one number out
    #[arg(long, value_name = "FILE.onnx")]
    lpips: Option<PathBuf>,
    /// As JSON, one object a pair
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if args.protocols {
        for protocol in Protocol::ALL {
            println!("{}\n    {}", protocol.name(), protocol.words());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let pairs = pairs(args)?;
    let protocols = args.protocol.iter().map(|name| by_name(name)).collect::<Result<Vec<_>, _>>()?;
    let window = args.window.as_deref().map(parse_window).transpose()?;
    let lpips = args.lpips.as_deref().map(Lpips::open).transpose()?;
    let mask = args.mask.as_ref().map(|path| harness::read(path)).transpose()?;
    let mask = mask.map(|m| m.data.map_axis(ndarray::Axis(0), |v| v.iter().any(|v| *v > 0.0)));
    let mut tally = Tally::default();
    for (result, reference) in &pairs {
        let measured = measure(result, reference, args, &protocols, window, mask.as_ref(), lpips.as_ref());
        match measured {
            Ok(figures) => {
                tally.written += 1;
                for (protocol, figures, lpips) in figures {
                    print(args.json, pairs.len() > 1, result, &protocol, &figures, lpips);
                }
            }
            Err(failure) => tally.fail(failure)?,
        }
    }
    Ok(tally.code())
}

/// The one pair of files, or the files of two folders with the same stem.
fn pairs(args: &Args) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let (Some(result), Some(reference)) = (&args.result, &args.reference) else {
        return Err(Failure::usage("a result and a reference are needed"));
    };
    if result.is_dir() != reference.is_dir() {
        return Err(Failure::usage("a folder can be measured against a folder, a file against a file"));
    }
    if !result.is_dir() {
        return Ok(vec![(result.clone(), reference.clone())]);
    }
    let (results, references) = (harness::by_stem(result), harness::by_stem(reference));
    let mut out = Vec::new();
    for (stem, path) in &references {
        match results.get(stem) {
            Some(result) => out.push((result.clone(), path.clone())),
            None => eprintln!("artir: {} has no result '{stem}'", result.display()),
        }
    }
    for stem in results.keys().filter(|stem| !references.contains_key(*stem)) {
        eprintln!("artir: {} has no reference '{stem}'", reference.display());
    }
    if out.is_empty() {
        let message = format!("{} and {} have no file name in common", result.display(), reference.display());
        return Err(Failure::input(message));
    }
    Ok(out)
}

fn by_name(name: &str) -> Result<Protocol, Failure> {
    Protocol::by_name(name)
        .ok_or_else(|| Failure::usage(format!("no protocol '{name}': there are {}", Protocol::names().join(", "))))
}

fn parse_window(text: &str) -> Result<(f64, f64), Failure> {
    let numbers = text.split_once(',').and_then(|(lo, hi)| Some((lo.trim().parse().ok()?, hi.trim().parse().ok()?)));
    named_window(text)
        .or(numbers)
        .ok_or_else(|| Failure::usage(format!("'{text}' is neither LO,HI nor abdomen, lung, bone or brain")))
}

type Measured = Vec<(Protocol, Figures, Option<f64>)>;

fn measure(
    result: &Path,
    reference: &Path,
    args: &Args,
    protocols: &[Protocol],
    window: Option<(f64, f64)>,
    mask: Option<&Array2<bool>>,
    lpips: Option<&Lpips>,
) -> Result<Measured, Failure> {
    let (a, b) = (harness::read(result)?, harness::read(reference)?);
    let pair = format!("{} and {}", result.display(), reference.display());
    if !a.values.fits(b.values) {
        return Err(Failure::input(format!("{pair}: {} against {}", a.values, b.values)));
    }
    let own = [match b.values {
        Values::Hounsfield => Protocol::LDCT_400,
        Values::Suv => Protocol::PET_SLICE,
        _ => Protocol::RGB,
    }];
    let protocols = if protocols.is_empty() { &own } else { protocols };
    let valid = valid(&a, &b, args.nodata, mask).map_err(|why| Failure::input(format!("{pair}: {why}")))?;
    let mut out = Vec::new();
    for protocol in protocols {
        let mut protocol = protocol.clone();
        if let Some((lo, hi)) = window {
            let name = protocol.name().clone();
            protocol = protocol.with_window(lo, hi).ok_or_else(|| {
                Failure::usage(format!("--window: the protocol {name} has none, or the window is empty"))
            })?;
        }
        let unit_fits = match b.values {
            Values::Hounsfield => protocol.unit() == "HU",
            Values::Suv => protocol.unit() == "SUV",
            Values::Display(_) => !protocol.is_physical(),
            Values::Plain => true,
        };
        if !unit_fits {
            let message = format!("{pair}: {} cannot be measured by the protocol {}", b.values, protocol.name());
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

/// Pixels that count: not padding in either image, not nodata, inside the mask.
fn valid(
    a: &Loaded,
    b: &Loaded,
    nodata: Option<f32>,
    mask: Option<&Array2<bool>>,
) -> Result<Option<Array2<bool>>, String> {
    let size = (b.data.dim().1, b.data.dim().2);
    let peak = match b.values {
        Values::Display(8) => 255.0,
        Values::Display(16) => 65535.0,
        _ => 1.0,
    };
    let nodata = nodata.map(|v| b.data.map_axis(ndarray::Axis(0), |c| c.iter().any(|x| *x != v / peak)));
    let mut out: Option<Array2<bool>> = None;
    for part in [a.valid.as_ref(), b.valid.as_ref(), nodata.as_ref(), mask].into_iter().flatten() {
        if part.dim() != size {
            return Err(format!("the mask is {:?}, the reference {size:?} (rows, columns)", part.dim()));
        }
        match &mut out {
            None => out = Some(part.clone()),
            Some(all) => all.zip_mut_with(part, |all, part| *all &= part),
        }
    }
    Ok(out)
}

fn print(json: bool, named: bool, result: &Path, protocol: &Protocol, figures: &Figures, lpips: Option<f64>) {
    if json {
        let mut object = serde_json::json!({
            "protocol": figures.protocol, "psnr_db": finite(figures.psnr), "ssim": figures.ssim,
            "rmse": figures.rmse, "unit": protocol.unit(), "left_out": figures.left_out,
        });
        if named {
            object["name"] = result.file_stem().unwrap_or_default().to_string_lossy().into();
        }
        if let Some(lpips) = lpips {
            object["lpips"] = lpips.into();
        }
        println!("{object}");
        return;
    }
    if named {
        println!("{}", result.display());
    }
    println!("protocol  {}", figures.protocol);
    println!("PSNR      {:.4} dB", figures.psnr);
    if let Some(ssim) = figures.ssim {
        println!("SSIM      {ssim:.6}");
    }
    let unit = if protocol.unit() == "1" { String::new() } else { format!(" {}", protocol.unit()) };
    println!("RMSE      {:.6}{unit}", figures.rmse);
    if let Some(lpips) = lpips {
        println!("LPIPS     {lpips:.6}");
    }
    if figures.left_out > 0 {
        println!("left out  {} pixels", figures.left_out);
    }
}

/// JSON has no infinity: identical images have the PSNR "inf".
fn finite(value: f64) -> serde_json::Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}
