//! `artir demo`: a phantom CT series and a hazy scene, restored, measured against their known truth, and shown.

use std::{path::PathBuf, process::ExitCode};

use artir_core::{
    Restorer, Settings,
    metrics::{Figures, Protocol, measure},
    zoo,
};
use artir_dicom::{Modality, RestoreOptions};
use artir_geo::{OpenOptions, Scene, WriteOptions};
use artir_validation::{
    phantom::{self, ct::Scan},
    report::{Case, Panel, Report, window},
};
use ndarray::{Array2, Array3, Axis};

use crate::{image::publish, outcome::Failure, progress::Terminal};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for inputs, results and the report
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Replace what is there already
    #[arg(long)]
    overwrite: bool,
}

/// Slices of the phantom series.
const SLICES: usize = 3;
/// The slice that the report shows.
const SHOWN: usize = 1;
/// Abdominal window, HU.
const WINDOW: (f32, f32) = (-160.0, 240.0);

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let page = args.output.join("report.html");
    if page.exists() && !args.overwrite {
        return Err(Failure::usage(format!("{} is there already: use --overwrite", page.display())));
    }
    let progress = Terminal::new(quiet);
    let settings = Settings::default();
    let ct = Restorer::new(zoo::open("ct-ldct-t")?, settings.clone())?;
    let haze = Restorer::new(zoo::open("geo-haze-t")?, settings)?;
    let cases = vec![ct_case(args, &ct, &progress)?, haze_case(args, &haze, &progress)?];
    let model = |r: &Restorer| format!("{} {}, sha256 {:.12}", r.card().name, r.card().version, r.model_hash());
    let report = Report {
        title: "artir demo".into(),
        facts: vec![
            ("artir".into(), artir_core::VERSION.into()),
            ("runtime".into(), format!("ONNX Runtime {}", artir_core::runtime_version()?)),
            ("CT model".into(), model(&ct)),
            ("haze model".into(), model(&haze)),
        ],
        cases,
    };
    publish(&page, |file, _| std::io::Write::write_all(file, report.to_html().as_bytes()).map_err(Failure::failed))?;
    say!("report: {}", page.display());
    Ok(ExitCode::SUCCESS)
}

fn ct_case(args: &Args, restorer: &Restorer, progress: &Terminal) -> Result<Case, Failure> {
    let scan = Scan::default();
    let slices: Vec<_> = (0..SLICES).map(|i| phantom::ct::slice(&scan, i)).collect();
    let measured: Vec<_> = slices.iter().map(|s| s.measured.clone()).collect();
    let input = args.output.join("ct-input");
    phantom::dicom::write_series(&input, &measured, scan.pixel)
        .map_err(|e| Failure::failed(format!("{}: {e}", input.display())))?;
    let found = artir_dicom::scan(&[input], Modality::Ct)?;
    let options = RestoreOptions { overwrite: args.overwrite, ..RestoreOptions::default() };
    let mut folder = PathBuf::new();
    for series in &found.series {
        folder =
            artir_dicom::restore_series(series, restorer, &args.output.join("ct-restored"), &options, progress)?.folder;
    }
    let mut before = Vec::new();
    let mut after = Vec::new();
    let mut shown = None;
    for (i, slice) in slices.iter().enumerate() {
        let restored = artir_dicom::read_slice(&folder.join(format!("{:04}.dcm", i + 1)))?.data;
        before.push(figures(&slice.measured, &slice.truth)?);
        after.push(figures(&restored, &slice.truth)?);
        if i == SHOWN {
            shown = Some((slice, restored));
        }
    }
    let (slice, restored) = shown.ok_or_else(|| Failure::failed("the phantom has no slice to show"))?;
    let (before, after) = (mean(&before), mean(&after));
    say!(
        "CT:   {:.2} dB -> {:.2} dB, gain {:+.2} dB ({})",
        before.psnr,
        after.psnr,
        after.psnr - before.psnr,
        before.protocol
    );
    let grey = |caption: &str, image: &Array2<f32>, lo: f32, hi: f32| Panel {
        caption: caption.into(),
        size: (image.dim().1, image.dim().0),
        pixels: image.iter().map(|v| window(*v, lo, hi)).collect(),
    };
    let (lo, hi) = WINDOW;
    Ok(Case {
        title: "Low-dose CT phantom".into(),
        note: format!(
            "{SLICES} slices of an analytic abdomen: exact line integrals, Poisson and electronic noise, filtered \
             back-projection; the truth is the same reconstruction without noise. Window {lo} to {hi} HU; error maps \
             -60 to 60 HU."
        ),
        panels: vec![
            grey("measured, low dose", &slice.measured, lo, hi),
            grey("restored", &restored, lo, hi),
            grey("truth", &slice.truth, lo, hi),
            grey("restored minus truth", &(&restored - &slice.truth), -60.0, 60.0),
        ],
        rows: rows(&before, &after, "HU"),
        columns: vec!["measured".into(), "restored".into(), "gain".into()],
    })
}

fn haze_case(args: &Args, restorer: &Restorer, progress: &Terminal) -> Result<Case, Failure> {
    let scene = phantom::haze::scene(512, 7);
    let input = args.output.join("hazy.tif");
    // A made-up place in UTM zone 32, 2.5 m pixels.
    artir_geo::write_rgb_geotiff(&input, &scene.hazy, [500_000.0, 2.5, 0.0, 5_400_000.0, 0.0, -2.5], 32632)?;
    let opened = Scene::open(&input.display().to_string(), &OpenOptions::default())?;
    let out = args.output.join("dehazed.tif");
    let options = WriteOptions { overwrite: args.overwrite, ..WriteOptions::default() };
    artir_geo::restore_scene(&opened, restorer, &out, &options, progress)?;
    let restored = artir_geo::read_rgb(&out)?;
    let display = |image: &Array3<u8>| image.mapv(|v| f32::from(v) / 255.0);
    let measured = |image: &Array3<u8>| {
        measure(display(image).view(), display(&scene.clear).view(), &Protocol::RGB).map_err(Failure::failed)
    };
    let (before, after) = (measured(&scene.hazy)?, measured(&restored)?);
    say!(
        "haze: {:.2} dB -> {:.2} dB, gain {:+.2} dB ({})",
        before.psnr,
        after.psnr,
        after.psnr - before.psnr,
        before.protocol
    );
    let colour = |caption: &str, image: &Array3<u8>| Panel {
        caption: caption.into(),
        size: (image.dim().2, image.dim().1),
        pixels: image.view().permuted_axes([1, 2, 0]).iter().copied().collect(),
    };
    let error = ndarray::Zip::from(&restored).and(&scene.clear).map_collect(|a, b| a.abs_diff(*b).saturating_mul(3));
    Ok(Case {
        title: "Hazy scene".into(),
        note:
            "A synthetic scene from above under haze by atmospheric scattering, as a georeferenced GeoTIFF. The error \
               map shows three times the absolute difference."
                .into(),
        panels: vec![
            colour("hazy", &scene.hazy),
            colour("restored", &restored),
            colour("truth", &scene.clear),
            colour("absolute error, times 3", &error),
        ],
        rows: rows(&before, &after, "of 1"),
        columns: vec!["hazy".into(), "restored".into(), "gain".into()],
    })
}

fn figures(image: &Array2<f32>, truth: &Array2<f32>) -> Result<Figures, Failure> {
    let (a, b) = (image.view().insert_axis(Axis(0)), truth.view().insert_axis(Axis(0)));
    measure(a, b, &Protocol::LDCT_400).map_err(Failure::failed)
}

/// The mean over slices, figure by figure.
fn mean(all: &[Figures]) -> Figures {
    let n = all.len().max(1) as f64;
    let ssim: Option<Vec<f64>> = all.iter().map(|f| f.ssim).collect();
    Figures {
        protocol: all.first().map_or_else(Default::default, |f| f.protocol.clone()),
        psnr: all.iter().map(|f| f.psnr).sum::<f64>() / n,
        ssim: ssim.map(|s| s.iter().sum::<f64>() / n),
        rmse: all.iter().map(|f| f.rmse).sum::<f64>() / n,
        left_out: all.iter().map(|f| f.left_out).sum(),
    }
}

fn rows(before: &Figures, after: &Figures, unit: &str) -> Vec<(String, Vec<String>)> {
    let row = |name: String, a: f64, b: f64, digits: usize| {
        (name, vec![format!("{a:.digits$}"), format!("{b:.digits$}"), format!("{:+.digits$}", b - a)])
    };
    let mut out = vec![row(format!("PSNR, dB ({})", before.protocol), before.psnr, after.psnr, 2)];
    if let (Some(a), Some(b)) = (before.ssim, after.ssim) {
        out.push(row("SSIM".into(), a, b, 4));
    }
    out.push(row(format!("RMSE, {unit}"), before.rmse, after.rmse, 3));
    out
}
