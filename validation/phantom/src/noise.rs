//! White Gaussian noise of a known strength on a clear picture.

use ndarray::Array3;

use super::Random;

/// The image, `[channel, row, column]`, with noise of standard deviation `sigma` in 8-bit levels, rounded and clipped.
pub fn noisy(clear: &Array3<u8>, sigma: f64, seed: u64) -> Array3<u8> {
    let mut random = Random::new(seed);
    clear.mapv(|v| (f64::from(v) + sigma * random.normal()).round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_has_its_strength_and_no_mean() {
        let clear = Array3::from_elem((3, 64, 64), 128u8);
        let noise = noisy(&clear, 25.0, 1).mapv(|v| f64::from(v) - 128.0);
        assert!(noise.mean().unwrap().abs() < 0.5);
        assert!((noise.std(0.0) - 25.0).abs() < 0.5);
        assert_eq!(noisy(&clear, 25.0, 1), noisy(&clear, 25.0, 1));
    }
}
