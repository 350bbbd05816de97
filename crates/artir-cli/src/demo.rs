//! `artir demo`: restores phantom CT and PET series and a hazy scene, and reports the results against the known truth.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::{ErrorKind, Restorer, Settings, Task, zoo};
use artir_dicom::{Modality, RestoreOptions};
use artir_files::{HiddenFolder, OutputFolder};
use artir_geo::{OpenOptions, Scene, WriteOptions};
use artir_metrics::{Figures, Protocol, measure};
use artir_page::report::{Case, Panel, Report, window};
use artir_phantom as phantom;
use ndarray::{Array2, Array3, Axis};

use crate::{
    outcome::Failure,
    outputs::{Kind, Outputs, publish_text},
    progress::Terminal,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for inputs, results and the report
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Overwrite existing results
    #[arg(long)]
    overwrite: bool,
}

/// Slices of a phantom series.
const SLICES: usize = 3;
/// The slice that the report shows.
const SHOWN: usize = 1;

/// A phantom series, with the protocol and display window of its report.
struct Phantom {
    modality: Modality,
    /// Short name for the terminal and the folders.
    name: &'static str,
    title: &'static str,
    note: String,
    unit: &'static str,
    protocol: Protocol,
    /// Display window of the pictures, in the unit.
    window: (f32, f32),
    /// Display window of the error pictures, in the unit.
    errors: (f32, f32),
    /// Pixel spacing, mm.
    pixel: f64,
    measured: Vec<Array2<f32>>,
    /// The same slices without noise.
    truth: Vec<Array2<f32>>,
    write: fn(&Path, &[Array2<f32>], f64) -> std::io::Result<()>,
}

impl Phantom {
    fn ct() -> Self {
        let scan = phantom::ct::Scan::default();
        let (measured, truth) =
            (0..SLICES).map(|i| phantom::ct::slice(&scan, i)).map(|s| (s.measured, s.truth)).unzip();
        Self {
            modality: Modality::Ct,
            name: "ct",
            title: "Low-dose CT phantom",
            note: format!(
                "{SLICES} slices of an analytic abdomen: exact line integrals, Poisson and electronic noise, filtered \
                 back-projection; the truth is the same reconstruction without noise. Window -160 to 240 HU; error maps \
                 -60 to 60 HU."
            ),
            unit: "HU",
            protocol: Protocol::LDCT_400,
            window: (-160.0, 240.0),
            errors: (-60.0, 60.0),
            pixel: scan.pixel,
            measured,
            truth,
            write: phantom::dicom::write_series,
        }
    }

    fn pet() -> Self {
        let scan = phantom::pet::Scan::default();
        let (measured, truth) =
            (0..SLICES).map(|i| phantom::pet::slice(&scan, i)).map(|s| (s.measured, s.truth)).unzip();
        Self {
            modality: Modality::Pet,
            name: "pet",
            title: "Low-count PET phantom",
            note: format!(
                "{SLICES} slices of FDG in an analytic abdomen: attenuated line integrals, Poisson counts, filtered \
                 back-projection with the blur of a detector; the truth is the same reconstruction without counting \
                 noise. Each slice has noise of its own; slices of a scanner share noise, so that their neighbours help \
                 less. SUV 0 to 7; error maps -1 to 1."
            ),
            unit: "SUV",
            protocol: Protocol::PET_SLICE,
            window: (0.0, 7.0),
            errors: (-1.0, 1.0),
            pixel: scan.pixel,
            measured,
            truth,
            write: phantom::dicom::write_pet_series,
        }
    }
}

pub(crate) fn run(args: &Args, quiet: bool) -> Result<ExitCode, Failure> {
    let page = args.output.join("report.html");
    Outputs::default().add("the report", &page, Kind::File, args.overwrite)?;
    let progress = Terminal::new(quiet);
    let settings = Settings::default();
    let open = |task| Ok::<_, Failure>(Restorer::new(zoo::open_default(task)?, settings.clone())?);
    let (ct, pet, haze) = (open(Task::CtDenoise)?, open(Task::PetEnhance)?, open(Task::Dehaze)?);
    let cases = vec![
        series_case(args, Phantom::ct(), &ct, &progress)?,
        series_case(args, Phantom::pet(), &pet, &progress)?,
        haze_case(args, &haze, &progress)?,
    ];
    let model = |r: &Restorer| format!("{} {}, sha256 {:.12}", r.card().name, r.card().version, r.model_hash());
    let report = Report {
        title: "artir demo".into(),
        facts: vec![
            ("artir".into(), artir_core::VERSION.into()),
            ("runtime".into(), format!("ONNX Runtime {}", artir_core::runtime_version()?)),
            ("CT model".into(), model(&ct)),
            ("PET model".into(), model(&pet)),
            ("haze model".into(), model(&haze)),
        ],
        cases,
    };
    publish_text(&page, args.overwrite, &report.to_html().map_err(Failure::failed)?)?;
    say!("report: {}", page.display());
    Ok(ExitCode::SUCCESS)
}

fn series_case(args: &Args, of: Phantom, restorer: &Restorer, progress: &Terminal) -> Result<Case, Failure> {
    let input = args.output.join(format!("{}-input", of.name));
    let write = || -> std::io::Result<()> {
        let _made = OutputFolder::create(&args.output)?;
        let hidden = HiddenFolder::open(&input)?;
        hidden.clear(|_| false)?;
        (of.write)(&hidden.create_folder("series")?, &of.measured, of.pixel)?;
        hidden.publish_folder("series").map(drop)
    };
    write().map_err(|e| Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", input.display())))?;
    let found = artir_dicom::scan(&[input], of.modality)?;
    let options = RestoreOptions::default().overwrite(args.overwrite);
    let target = args.output.join(format!("{}-restored", of.name));
    let mut folder = PathBuf::new();
    for series in &found.series {
        folder = artir_dicom::restore_series(series, restorer, &target, &options, progress)?.folder;
    }
    let mut before = Vec::new();
    let mut after = Vec::new();
    let mut shown = None;
    // artir has just written these files.
    let mut decoder = artir_dicom::Decoder::in_process();
    for (i, (measured, truth)) in of.measured.iter().zip(&of.truth).enumerate() {
        let restored = artir_dicom::read_slice(&folder.join(format!("{:04}.dcm", i + 1)), &mut decoder)?.data;
        before.push(figures(measured, truth, &of.protocol)?);
        after.push(figures(&restored, truth, &of.protocol)?);
        if i == SHOWN {
            shown = Some((measured, truth, restored));
        }
    }
    let (measured, truth, restored) = shown.ok_or_else(|| Failure::failed("the phantom has no slice to show"))?;
    let (before, after) = (mean(&before), mean(&after));
    say_gain(&of.name.to_uppercase(), &before, &after);
    let grey = |caption: &str, image: &Array2<f32>, (lo, hi): (f32, f32)| Panel {
        caption: caption.into(),
        size: (image.dim().1, image.dim().0),
        pixels: image.iter().map(|v| window(*v, lo, hi)).collect(),
    };
    Ok(Case {
        title: of.title.into(),
        note: of.note,
        panels: vec![
            grey("measured", measured, of.window),
            grey("restored", &restored, of.window),
            grey("truth", truth, of.window),
            grey("restored minus truth", &(&restored - truth), of.errors),
        ],
        rows: rows(&before, &after, of.unit),
        columns: vec!["measured".into(), "restored".into(), "gain".into()],
    })
}

fn say_gain(what: &str, before: &Figures, after: &Figures) {
    let (a, b) = (before.psnr, after.psnr);
    say!("{:<5} {a:.2} dB -> {b:.2} dB, gain {:+.2} dB ({})", format!("{what}:"), b - a, before.protocol);
}

fn haze_case(args: &Args, restorer: &Restorer, progress: &Terminal) -> Result<Case, Failure> {
    let scene = phantom::haze::scene(512, 7);
    let input = args.output.join("hazy.tif");
    // An arbitrary place in UTM zone 32, with 2.5 m pixels.
    artir_geo::write_rgb_geotiff(&input, &scene.hazy, [500_000.0, 2.5, 0.0, 5_400_000.0, 0.0, -2.5], 32632)?;
    let opened = Scene::open(&input.display().to_string(), &OpenOptions::default())?;
    let out = args.output.join("dehazed.tif");
    let options = WriteOptions::default().with_overwrite(args.overwrite);
    artir_geo::restore_scene(&opened, restorer, &out, &options, progress)?;
    let restored = artir_geo::read_rgb(&out)?;
    let display = |image: &Array3<u8>| image.mapv(|v| f32::from(v) / 255.0);
    let measured = |image: &Array3<u8>| {
        measure(display(image).view(), display(&scene.clear).view(), &Protocol::RGB).map_err(Failure::failed)
    };
    let (before, after) = (measured(&scene.hazy)?, measured(&restored)?);
    say_gain("haze", &before, &after);
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

fn figures(image: &Array2<f32>, truth: &Array2<f32>, protocol: &Protocol) -> Result<Figures, Failure> {
    let (a, b) = (image.view().insert_axis(Axis(0)), truth.view().insert_axis(Axis(0)));
    measure(a, b, protocol).map_err(Failure::failed)
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
