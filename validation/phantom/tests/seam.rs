//! No seam: tiles of 512 with the zoo's models leave no step at their borders.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use artir_core::{Image, MemoryUse, NoProgress, Restorer, Settings, zoo};
use ndarray::{Array3, Axis, concatenate, s};

/// Mean absolute step between neighbours at the tiles' borders, and elsewhere.
fn steps(image: &Array3<f32>, borders: [&[usize]; 2]) -> (f64, f64) {
    let (mut at, mut elsewhere) = ((0.0, 0.0), (0.0, 0.0));
    for (axis, borders) in [Axis(1), Axis(2)].into_iter().zip(borders) {
        for i in 1..image.len_of(axis) {
            let step = (&image.index_axis(axis, i) - &image.index_axis(axis, i - 1)).mapv(|v| f64::from(v.abs()));
            let sum = if borders.contains(&i) { &mut at } else { &mut elsewhere };
            *sum = (sum.0 + step.sum(), sum.1 + step.len() as f64);
        }
    }
    (at.0 / at.1, elsewhere.0 / elsewhere.1)
}

/// Restores in tiles and in one piece.
///
/// The picture itself has more or less texture where a border happens to lie, so each step is taken relative to the
/// one at the same place of the result that was made in one piece.
fn excess(model: &str, image: Array3<f32>) -> f64 {
    let run = |tile: Option<usize>| {
        let settings = Settings::default().tile(tile).memory(16 << 30);
        let restorer = Restorer::new(zoo::open(model).unwrap(), settings).unwrap();
        let image = Image::new(image.clone());
        (restorer.restore(&image, &NoProgress).unwrap(), restorer.plan(image.shape(), MemoryUse::default()).unwrap())
    };
    let ((tiled, plan), (whole, one)) = (run(Some(512)), run(None));
    assert!(plan.len() > 1 && one.len() == 1);
    let borders = [&plan.rows, &plan.columns].map(|spans| {
        let last = spans.last().unwrap().end();
        let mut at: Vec<usize> = spans.iter().flat_map(|s| [s.start, s.end()]).collect();
        at.retain(|&i| i > 0 && i < last);
        at
    });
    let borders = [borders[0].as_slice(), borders[1].as_slice()];
    let ((at, elsewhere), (whole_at, whole_elsewhere)) = (steps(&tiled, borders), steps(&whole, borders));
    let excess = (at / whole_at) / (elsewhere / whole_elsewhere) - 1.0;
    println!(
        "{model}: {:+.2} % ({:+.2} % beside the picture's own steps)",
        100.0 * excess,
        100.0 * (at / elsewhere - 1.0)
    );
    excess
}

#[test]
fn ct_tiles_leave_no_seam() {
    let scan = artir_phantom::ct::Scan { views: 200, ..Default::default() };
    let slice = artir_phantom::ct::slice(&scan, 0).measured.insert_axis(Axis(0));
    // Wider than a tile: the slice and its mirror image, cut where the body is.
    let mirrored = slice.slice(s![.., .., ..;-1]);
    let wide =
        concatenate(Axis(2), &[slice.slice(s![.., .., 112..400]), mirrored.slice(s![.., .., 112..400])]).unwrap();
    let wide = wide.slice(s![.., 96..416, ..]).to_owned();
    assert!(excess("ct-ldct-t", wide).abs() < 0.05);
}

#[test]
fn haze_tiles_leave_no_seam() {
    let scene = artir_phantom::haze::scene(704, 11).hazy.mapv(|v| f32::from(v) / 255.0);
    assert!(excess("geo-haze-t", scene).abs() < 0.05);
}
