//! The body that is measured, and the sharpness of an insert's edge.

use ndarray::Array2;

use artir_phantom::{Ellipse, ct::Scan};

/// Soft tissue that everything lies in, HU.
const SOFT: f64 = 55.0;
/// Inserts: tissue, x, y, radius (mm), HU.
pub(super) const TISSUES: [(&str, f64, f64, f64, f64); 5] = [
    ("fat", -95.0, 0.0, 20.0, -100.0),
    ("water", 95.0, 0.0, 20.0, 0.0),
    ("liver, contrast phase", -45.0, 55.0, 20.0, 110.0),
    ("spongy bone", 45.0, 55.0, 20.0, 250.0),
    ("dense bone", EDGE.0, EDGE.1, EDGE.2, 800.0),
];
/// The insert whose edge is measured: x, y, radius.
pub(super) const EDGE: (f64, f64, f64) = (0.0, -72.0, 16.0);
/// A place with even tissue of 25 mm all round.
pub(super) const EVEN: (f64, f64) = (0.0, 20.0);
/// Lesions of 5 mm: x, y, contrast in HU.
pub(super) const LESIONS: [(f64, f64, f64); 6] = [
    (-60.0, -40.0, 10.0),
    (-40.0, -60.0, 20.0),
    (-65.0, -70.0, 40.0),
    (60.0, -40.0, -10.0),
    (40.0, -60.0, -20.0),
    (65.0, -70.0, -40.0),
];

pub(super) fn all() -> Vec<Ellipse> {
    let disc = |x, y, radius, value| Ellipse { x, y, a: radius, b: radius, turn: 0.0, value };
    let mut out = vec![
        Ellipse { x: 0.0, y: 0.0, a: 150.0, b: 110.0, turn: 0.0, value: 900.0 },
        Ellipse { x: 0.0, y: 0.0, a: 138.0, b: 98.0, turn: 0.0, value: SOFT + 100.0 },
    ];
    out.extend(TISSUES.map(|(_, x, y, radius, hu)| disc(x, y, radius, hu - SOFT)));
    out.extend(LESIONS.map(|(x, y, hu)| disc(x, y, 2.5, hu)));
    out
}

/// The distance in mm over which the edge of a disc goes from 10 to 90 %, all round.
pub(super) fn insert(scan: &Scan, image: &Array2<f32>, (x, y, radius): (f64, f64, f64)) -> f64 {
    /// Width of a distance bin, mm, and how far from the edge it is looked for.
    const BIN: f64 = 0.1;
    const REACH: f64 = 6.0;
    let bins = (2.0 * REACH / BIN) as usize;
    let (mut sums, mut counts) = (vec![0.0; bins], vec![0.0; bins]);
    let centre = (scan.size as f64 - 1.0) / 2.0;
    for ((row, column), v) in image.indexed_iter() {
        let (dx, dy) = ((column as f64 - centre) * scan.pixel - x, (row as f64 - centre) * scan.pixel - y);
        let at = (dx.hypot(dy) - radius + REACH) / BIN;
        if (0.0..bins as f64).contains(&at) {
            sums[at as usize] += f64::from(*v);
            counts[at as usize] += 1.0;
        }
    }
    // A pixel's worth of distances is averaged, which widens all edges alike and by little.
    let smooth = |i: usize| {
        let part = i.saturating_sub(3)..(i + 4).min(bins);
        sums[part.clone()].iter().sum::<f64>() / counts[part].iter().sum::<f64>().max(1.0)
    };
    let profile: Vec<f64> = (0..bins).map(smooth).collect();
    let ends = (bins / 8, bins - bins / 8);
    let inside = profile[..ends.0].iter().sum::<f64>() / ends.0 as f64;
    let outside = profile[ends.1..].iter().sum::<f64>() / (bins - ends.1) as f64;
    // Where the profile, from inside out, first falls below a share of the step.
    let crossing = |share: f64| {
        let level = outside + share * (inside - outside);
        let i = (1..bins).find(|i| profile[*i] < level).unwrap_or(bins - 1);
        let (above, below) = (profile[i - 1], profile[i]);
        (i as f64 - 1.0 + (above - level) / (above - below).max(1e-9)) * BIN
    };
    crossing(0.1) - crossing(0.9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blurred_edge_has_its_width() {
        let scan = Scan::default();
        let centre = (scan.size as f64 - 1.0) / 2.0;
        // A logistic edge of scale s goes from 10 to 90 % over 2 ln 9 s.
        let scale = 0.5;
        let image = Array2::from_shape_fn((scan.size, scan.size), |(row, column)| {
            let (dx, dy) =
                ((column as f64 - centre) * scan.pixel - EDGE.0, (row as f64 - centre) * scan.pixel - EDGE.1);
            (800.0 / (1.0 + ((dx.hypot(dy) - EDGE.2) / scale).exp())) as f32
        });
        let width = insert(&scan, &image, EDGE);
        assert!((width - 2.0 * 9f64.ln() * scale).abs() < 0.1, "{width}");
    }
}
