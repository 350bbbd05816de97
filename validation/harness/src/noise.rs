//! The noisy inputs of the denoising protocols.

use ndarray::{Array3, s};

use super::{Noise, Pair, Reader, load};
use crate::random_state::RandomState;

/// Makes a protocol's noise for each image of a run.
pub(super) enum Maker {
    /// Each image has a generator of its own, seeded 0; the noise is neither clipped nor quantised.
    Restormer { sigma: u32 },
    /// One generator for the whole run: its state before each image.
    AirNet { sigma: u32, states: Vec<RandomState> },
}

impl Maker {
    /// `protocol` is one of the `rgb-noise` ones.
    pub(super) fn new(protocol: &str, noise: &Noise, pairs: &[Pair], reader: &Reader) -> Self {
        if protocol != "rgb-noise-airnet" {
            return Self::Restormer { sigma: noise.sigma };
        }
        // The stream runs over all images for each level before this one, then over the images before this one. Values
        // come in pairs, so the stream must be drawn, not counted.
        let values = |pair: &Pair| {
            let size = image::ImageReader::open(&pair.reference).ok().and_then(|r| r.with_guessed_format().ok());
            let size = size.and_then(|r| r.into_dimensions().ok()).map(|(w, h)| (w as usize, h as usize));
            // Not a picture: an array, or a stray file, which draws nothing and is reported when its turn comes.
            let array = || reader.read(&pair.reference).ok().map(|l| (l.data.dim().2, l.data.dim().1));
            size.or_else(array).map_or(0, |(width, height)| (height / 16 * 16) * (width / 16 * 16) * 3)
        };
        let counts: Vec<usize> = pairs.iter().map(values).collect();
        let mut random = RandomState::new(0);
        let mut skip = |count: usize| {
            for _ in 0..count {
                random.normal();
            }
            random.clone()
        };
        for _ in &noise.after {
            skip(counts.iter().sum());
        }
        let mut states = vec![skip(0)];
        for count in &counts {
            states.push(skip(*count));
        }
        Self::AirNet { sigma: noise.sigma, states }
    }

    /// The reference as it is measured (cropped where the protocol crops), and its noisy version.
    pub(super) fn make(&self, index: usize, mut clean: load::Loaded) -> (load::Loaded, Array3<f32>) {
        // The published code reads grey images as RGB too.
        if let (1, rows, columns) = clean.data.dim() {
            clean.data = Array3::from_shape_fn((3, rows, columns), |(_, y, x)| clean.data[(0, y, x)]);
        }
        match self {
            Self::Restormer { sigma } => {
                let mut random = RandomState::new(0);
                let scale = f64::from(*sigma) / 255.0;
                let noisy = in_stored_order(&clean.data, |v| (f64::from(v) + scale * random.normal()) as f32);
                (clean, noisy)
            }
            Self::AirNet { sigma, states } => {
                let (_, rows, columns) = clean.data.dim();
                let (top, left) = ((rows % 16) / 2, (columns % 16) / 2);
                let crop = s![.., top..top + rows / 16 * 16, left..left + columns / 16 * 16];
                let data = clean.data.slice(crop).to_owned();
                let mut random = states[index].clone();
                let sigma = f64::from(*sigma);
                let noisy = in_stored_order(&data, |v| {
                    let value = f64::from((v * 255.0).round()) + sigma * random.normal();
                    value.clamp(0.0, 255.0).trunc() as f32 / 255.0
                });
                (load::Loaded { data, ..clean }, noisy)
            }
        }
    }
}

/// Maps every value in the order in which images are stored: row, column, channel.
fn in_stored_order(image: &Array3<f32>, mut f: impl FnMut(f32) -> f32) -> Array3<f32> {
    let stored = image.view().permuted_axes([1, 2, 0]);
    let values: Vec<f32> = stored.iter().map(|v| f(*v)).collect();
    let (rows, columns, channels) = stored.dim();
    Array3::from_shape_fn((channels, rows, columns), |(c, y, x)| values[(y * columns + x) * channels + c])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    fn loaded(rows: usize, columns: usize) -> load::Loaded {
        let data = Array3::from_shape_fn((3, rows, columns), |(c, y, x)| ((c * 5 + y * 3 + x) % 256) as f32 / 255.0);
        load::Loaded { data, valid: None, values: Values::Display(8) }
    }

    #[test]
    fn restormers_noise_starts_anew_for_each_image() {
        let maker = Maker::new("rgb-noise-restormer", &Noise { sigma: 25, after: vec![] }, &[], &Reader::default());
        let (clean, noisy) = maker.make(0, loaded(5, 7));
        assert_eq!(noisy, maker.make(3, loaded(5, 7)).1);
        // numpy.random.seed(0); numpy.random.normal(0, 25 / 255., (5, 7, 3))[0, 0]
        let first = (&noisy - &clean.data).slice(s![.., 0, 0]).to_vec();
        for (found, expected) in first.iter().zip([0.172_946_3, 0.039_231_1, 0.095_954_7]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn airnets_noise_runs_on_over_images_and_levels() {
        let dir = tempfile::tempdir().unwrap();
        let pairs: Vec<Pair> = ["a.png", "b.png"]
            .into_iter()
            .map(|name| {
                let reference = dir.path().join(name);
                image::RgbImage::new(35, 20).save(&reference).unwrap();
                Pair { key: name.into(), input: None, reference }
            })
            .collect();
        let grey = || load::Loaded { data: Array3::from_elem((3, 20, 35), 128.0 / 255.0), ..loaded(1, 1) };
        let maker = Maker::new("rgb-noise-airnet", &Noise { sigma: 25, after: vec![15] }, &pairs, &Reader::default());
        // One crop is 16 x 32 x 3; two images at sigma 15 and one at 25 come first.
        let mut random = RandomState::new(0);
        for _ in 0..3 * 16 * 32 * 3 {
            random.normal();
        }
        let (clean, noisy) = maker.make(1, grey());
        assert_eq!(clean.data.dim(), (3, 16, 32));
        for c in 0..3 {
            let expected = (128.0 + 25.0 * random.normal()).clamp(0.0, 255.0).trunc() as f32;
            assert_eq!((noisy[(c, 0, 0)] * 255.0).round(), expected);
        }
    }
}
