//! Effects of a CT network on image quality: bias by tissue, contrast of small lesions, sharpness of edges, noise by frequency.
//!
//! All figures are measured on many scans of a body with known truth, which separates the effects of noise from those of
//! the network.

mod body;
mod spectrum;

use std::fmt::Write as _;

use artir_core::{Error, Image, NoProgress, Restorer};
use ndarray::{Array2, Axis, Zip};

use artir_phantom::ct::{Scan, Slice, scan_body};
use body::{EDGE, LESIONS, TISSUES, insert};
use spectrum::{BINS, Spectrum};

/// Scans that are averaged.
const SCANS: u64 = 12;
/// Noise in the even part of the body that is aimed at, HU.
const NOISE: [f64; 3] = [12.0, 24.0, 36.0];
/// Photons of a ray times the variance that they leave in the even part of this body, HU²: 5.0e5 photons leave 24.3 HU.
const PHOTONS_TIMES_VARIANCE: f64 = 5.0e5 * 24.3 * 24.3;

/// Figures at one dose.
#[derive(Clone, Debug)]
pub struct Dose {
    /// Photons of a ray.
    pub photons: f64,
    /// Standard deviation in the even part of the body before and after, HU.
    pub noise: (f64, f64),
    /// Tissue, its HU, and the mean error before and after, HU.
    pub bias: Vec<(&'static str, f64, f64, f64)>,
    /// Contrast of a lesion in the truth, and the share of it that is kept before and after.
    pub lesions: Vec<(f64, f64, f64)>,
    /// 10 to 90 % width of the edge in the truth, before and after, mm.
    pub edge: (f64, f64, f64),
    /// Noise power before and after by frequency, `(cycles/mm, HU^2 mm^2, HU^2 mm^2)`.
    pub spectrum: Vec<(f64, f64, f64)>,
    /// Mean absolute change in the body, HU.
    pub change: f64,
}

/// Measures a CT model at about 12, 24 and 36 HU of noise.
///
/// # Errors
/// Errors of the network.
pub fn measure(restorer: &Restorer) -> Result<Vec<Dose>, Error> {
    NOISE.into_iter().map(|hu| dose(restorer, (PHOTONS_TIMES_VARIANCE / (hu * hu)).round())).collect()
}

fn dose(restorer: &Restorer, photons: f64) -> Result<Dose, Error> {
    let scan = Scan { photons, ..Scan::default() };
    let body = body::all();
    let mut slices: Vec<Slice> = Vec::new();
    let mut restored: Vec<Array2<f32>> = Vec::new();
    for seed in 0..SCANS {
        let slice = scan_body(&scan, &body, 1000 + seed);
        let seen = restorer.card().input.slices;
        let image = Image::new(slice.measured.clone().insert_axis(Axis(0))).alone(seen);
        restored.push(restorer.restore(&image, &NoProgress)?.index_axis_move(Axis(0), seen / 2));
        slices.push(slice);
    }
    let truth = &slices[0].truth;
    let before: Vec<&Array2<f32>> = slices.iter().map(|s| &s.measured).collect();
    let after: Vec<&Array2<f32>> = restored.iter().collect();
    let (mean_before, mean_after) = (mean(&before), mean(&after));
    let place = |x: f64, y: f64, inner: f64, outer: f64| ring(&scan, (x, y), inner, outer);
    let average = |image: &Array2<f32>, mask: &Array2<bool>| over(image, mask).0;
    let bias = TISSUES.iter().map(|(name, x, y, radius, hu)| {
        let mask = place(*x, *y, 0.0, radius - 6.0);
        let error = |image: &Array2<f32>| average(image, &mask) - average(truth, &mask);
        (*name, *hu, error(&mean_before), error(&mean_after))
    });
    let lesions = LESIONS.iter().map(|(x, y, hu)| {
        let (spot, around) = (place(*x, *y, 0.0, 1.6), place(*x, *y, 6.0, 10.0));
        let contrast = |image: &Array2<f32>| average(image, &spot) - average(image, &around);
        (*hu, contrast(&mean_before) / contrast(truth), contrast(&mean_after) / contrast(truth))
    });
    let edge = |image: &Array2<f32>| insert(&scan, image, EDGE);
    let even = place(body::EVEN.0, body::EVEN.1, 0.0, 24.0);
    let spread = |images: &[&Array2<f32>], mean: &Array2<f32>| {
        let power = images.iter().map(|image| over(&(*image - mean), &even).1.powi(2)).sum::<f64>();
        // The mean of N images takes a share of 1/N of their variance with it.
        (power / (SCANS - 1) as f64).sqrt()
    };
    let mut spectra = (Spectrum::new(&scan), Spectrum::new(&scan));
    for (before, after) in before.iter().zip(&after) {
        spectra.0.add(&(*before - &mean_before));
        spectra.1.add(&(*after - &mean_after));
    }
    let whole = place(0.0, 0.0, 0.0, 80.0);
    let change = |(a, b): (&&Array2<f32>, &&Array2<f32>)| over(&(*a - *b).mapv(f32::abs), &whole).0;
    Ok(Dose {
        photons,
        noise: (spread(&before, &mean_before), spread(&after, &mean_after)),
        bias: bias.collect(),
        lesions: lesions.collect(),
        edge: (edge(truth), edge(&mean_before), edge(&mean_after)),
        spectrum: (0..BINS).map(|i| (spectra.0.frequency(i), spectra.0.power(i), spectra.1.power(i))).collect(),
        change: before.iter().zip(&after).map(change).sum::<f64>() / SCANS as f64,
    })
}

fn mean(images: &[&Array2<f32>]) -> Array2<f32> {
    let mut sum = Array2::<f32>::zeros(images[0].dim());
    images.iter().for_each(|image| sum += *image);
    sum / images.len() as f32
}

/// Mean and standard deviation over a mask.
fn over(image: &Array2<f32>, mask: &Array2<bool>) -> (f64, f64) {
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    Zip::from(image).and(mask).for_each(|v, inside| {
        if *inside {
            n += 1.0;
            sum += f64::from(*v);
            squares += f64::from(*v).powi(2);
        }
    });
    (sum / n, (squares / n - (sum / n).powi(2)).max(0.0).sqrt())
}

/// Pixels whose centres lie between two distances in mm from a place.
fn ring(scan: &Scan, (x, y): (f64, f64), inner: f64, outer: f64) -> Array2<bool> {
    let centre = (scan.size as f64 - 1.0) / 2.0;
    Array2::from_shape_fn((scan.size, scan.size), |(row, column)| {
        let (dx, dy) = ((column as f64 - centre) * scan.pixel - x, (row as f64 - centre) * scan.pixel - y);
        (inner..outer).contains(&dx.hypot(dy))
    })
}

/// The report as Markdown, of a model at a strength.
pub fn markdown(model: &str, strength: f32, doses: &[Dose]) -> String {
    let mut out = format!(
        "# What {model} takes away\n\nMeasured by `make safety` at strength {strength} on a body with known truth, {SCANS} \
         scans at each dose (exact line integrals, counting noise, filtered back-projection; pixels of 0.75 mm); do not \
         edit. The truth is the reconstruction without noise.\n"
    );
    // Writing to a string cannot fail.
    let mut line = |text: String| _ = writeln!(out, "{text}");
    for dose in doses {
        let (before, after) = dose.noise;
        line(format!("\n## {before:.0} HU of noise, {:.0} photons a ray\n", dose.photons));
        line(format!("Noise in even tissue: {before:.1} HU before, {after:.1} HU after."));
        line(format!(
            "Mean absolute change inside the body: {:.1} HU, {:.2} of the noise.\n",
            dose.change,
            dose.change / before
        ));
        line("| bias in | HU | before, HU | after, HU |\n|---|---|---|---|".into());
        for (name, hu, before, after) in &dose.bias {
            line(format!("| {name} | {hu:.0} | {before:+.2} | {after:+.2} |"));
        }
        line("\n| lesion of 5 mm, contrast in HU | kept before | kept after |\n|---|---|---|".into());
        for (hu, before, after) in &dose.lesions {
            line(format!("| {hu:+.0} | {:.0} % | {:.0} % |", before * 100.0, after * 100.0));
        }
        let (truth, before, after) = dose.edge;
        line(format!(
            "\nEdge of bone, 10 to 90 %: {truth:.2} mm in the truth, {before:.2} before, {after:.2} after.\n"
        ));
        line("| noise power at, cycles/mm | before, HU² mm² | after | kept |\n|---|---|---|---|".into());
        for (f, before, after) in &dose.spectrum {
            line(format!("| {f:.2} | {before:.1} | {after:.1} | {:.0} % |", 100.0 * after / before));
        }
    }
    out
}
