//! t-SNE of degradation features.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Images that t-SNE needs at least: with fewer, no image has the neighbours that the method weighs.
pub const LEAST_IMAGES: usize = 8;
/// The usual perplexity, about the number of neighbours that count. Fewer images take less.
const PERPLEXITY: f32 = 30.0;
const STEPS: usize = 1000;

/// Places of images in the plane, such that images of similar features lie together. The same features give the same places.
///
/// Each feature is first scaled to the mean 0 and the variance 1. `None` with fewer than [`LEAST_IMAGES`] images, or where the
/// library gives no finite places.
pub fn embed(features: &[Vec<f32>]) -> Option<Vec<[f32; 2]>> {
    let count = features.len();
    if count < LEAST_IMAGES {
        return None;
    }
    let rows = standardised(features);
    let perplexity = PERPLEXITY.min((count - 1) as f32 / 3.0 - 0.1);
    // A spiral near the origin in place of random places: no two are equal.
    let golden_angle = std::f32::consts::PI * (3.0 - 5.0_f32.sqrt());
    let start = |n: usize| {
        let (sin, cos) = (golden_angle * n as f32).sin_cos();
        let radius = 1e-4 * (n as f32 + 0.5).sqrt();
        [radius * cos, radius * sin]
    };
    let start: Vec<f32> = (0..count).flat_map(start).collect();
    // The library sums in an order that threads would change.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok()?;
    let fit = || {
        let mut tsne = bhtsne::tSNE::<f32, Vec<f32>, 2>::new(&rows);
        tsne.perplexity(perplexity).epochs(STEPS).initial_embedding(start);
        tsne.exact(|a, b| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum());
        tsne.embedding()
    };
    let places = one.install(|| catch_unwind(AssertUnwindSafe(fit))).ok()?;
    let (places, _) = places.as_chunks::<2>();
    let finite = places.len() == count && places.iter().flatten().all(|v| v.is_finite());
    finite.then(|| places.to_vec())
}

fn standardised(features: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let width = features.first().map_or(0, Vec::len);
    let count = features.len() as f64;
    let mut out = features.to_vec();
    for column in 0..width {
        let of = |row: &Vec<f32>| f64::from(row[column]);
        let mean = features.iter().map(of).sum::<f64>() / count;
        let deviation = (features.iter().map(|row| (of(row) - mean).powi(2)).sum::<f64>() / count).sqrt();
        for (to, from) in out.iter_mut().zip(features) {
            to[column] = if deviation > 0.0 { ((of(from) - mean) / deviation) as f32 } else { 0.0 };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_kinds(each: usize) -> Vec<Vec<f32>> {
        let feature = |kind: usize, n: usize, c: usize| (10 * kind) as f32 + ((n * 7 + c * 5 + kind) % 13) as f32 * 0.1;
        let image = |n: usize| (0..6).map(|c| feature(n / each, n, c)).collect();
        (0..2 * each).map(image).collect()
    }

    /// Each image lies nearer to every image of its kind than to any of the other.
    #[test]
    fn kinds_lie_apart_and_two_runs_agree() {
        let places = embed(&two_kinds(12)).unwrap();
        assert_eq!(places, embed(&two_kinds(12)).unwrap());
        let apart = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        for (n, place) in places.iter().enumerate() {
            let (own, other): (Vec<_>, Vec<_>) = places.iter().enumerate().partition(|(m, _)| m / 12 == n / 12);
            let furthest = own.iter().map(|(_, p)| apart(*place, **p)).fold(0.0, f32::max);
            let nearest = other.iter().map(|(_, p)| apart(*place, **p)).fold(f32::MAX, f32::min);
            assert!(furthest < nearest, "{n}: {furthest} {nearest}");
        }
    }

    #[test]
    fn few_and_equal_images_are_no_panic() {
        assert_eq!(embed(&two_kinds(3)), None);
        assert!(embed(&two_kinds(4)).is_some());
        let places = embed(&vec![vec![1.0; 4]; 9]).unwrap();
        assert!(places.iter().flatten().all(|v| v.is_finite()));
    }
}
