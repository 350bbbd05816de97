//! `artir metrics`: PSNR, SSIM and RMSE of two images.

use std::{path::PathBuf, process::ExitCode};

use artir_core::metrics::{Protocol, measure};

use crate::{outcome::Failure, photo};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The result: PNG, JPEG or TIFF
    result: PathBuf,
    /// The reference, of the same size and depth
    reference: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let result = photo::read(&args.result)?;
    let reference = photo::read(&args.reference)?;
    let pair = format!("{} and {}", args.result.display(), args.reference.display());
    if result.bits() != reference.bits() {
        return Err(Failure::input(format!("{pair}: {} bits against {} bits", result.bits(), reference.bits())));
    }
    let figures = measure(result.display().view(), reference.display().view(), &Protocol::RGB)
        .map_err(|e| Failure::input(format!("{pair}: {e}")))?;
    if args.json {
        let text = serde_json::json!({
            "protocol": figures.protocol, "psnr_db": finite(figures.psnr),
            "ssim": figures.ssim, "rmse": figures.rmse,
        });
        println!("{text}");
    } else {
        println!("protocol  {}", figures.protocol);
        println!("PSNR      {:.4} dB", figures.psnr);
        if let Some(ssim) = figures.ssim {
            println!("SSIM      {ssim:.6}");
        }
        println!("RMSE      {:.6}", figures.rmse);
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON has no infinity: identical images have the PSNR "inf".
fn finite(value: f64) -> serde_json::Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}
