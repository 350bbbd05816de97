//! The test that a GPU's result agrees with the CPU's. A GPU that fails it restores no image.

use ndarray::{Array4, Zip};

use crate::error::DeviceError;

/// Largest allowed difference, relative to the network's largest change.
const AGREEMENT: f32 = 1e-3;
/// Lower bound of that largest change, in network units, for networks that change almost nothing.
const LEAST: f32 = 1e-3;
/// Rows and columns of the picture that both restore: large enough for every tap of the largest kernel to meet another
/// pixel, small enough to cost the CPU a tenth of a second.
const EDGE: usize = 128;
/// Images in the test batch. More than one, since slices and tiles are batched.
const IMAGES: usize = 2;

/// A test image with smooth parts, edges and grain, from 0 to 1.
pub(super) fn picture(channels: usize) -> Array4<f32> {
    let mut state = 1u32;
    Array4::from_shape_fn((IMAGES, channels, EDGE, EDGE - 4), |(_, c, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (state >> 8) as f32 / (1 << 24) as f32;
        let wave = (0.07 * x as f32 + c as f32).sin() * (0.05 * y as f32).cos();
        let edge = f32::from(u8::from((x / 11 + y / 7) % 3 == 0));
        0.4 + 0.2 * wave + 0.2 * edge + 0.2 * grain
    })
}

/// The reason why a device's result is wrong, if it is. `picture` is the input, `cpu` and `device` are the results.
pub(super) fn objection(picture: &Array4<f32>, cpu: &Array4<f32>, device: &Array4<f32>) -> Option<DeviceError> {
    let largest = |a: &Array4<f32>, b: &Array4<f32>| {
        // Count a NaN as an infinite difference.
        let further =
            |most: f32, a: &f32, b: &f32| if (a - b).is_nan() { f32::INFINITY } else { most.max((a - b).abs()) };
        Zip::from(a).and(b).fold(0.0f32, further)
    };
    let (changed, apart) = (largest(picture, cpu), largest(cpu, device));
    let agree = changed.is_finite() && apart <= AGREEMENT * changed.max(LEAST);
    (!agree).then_some(DeviceError::Disagrees { apart, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_pass_and_wrong_results_do_not() {
        let picture = picture(3);
        let cpu = picture.mapv(|v| v * 0.9);
        assert!(objection(&picture, &cpu, &cpu).is_none());
        assert!(objection(&picture, &cpu, &cpu.mapv(|v| v + 2e-5)).is_none());
        for wrong in [1e-3, -0.5, f32::NAN, f32::INFINITY] {
            let mut device = cpu.clone();
            device[(0, 2, 100, 17)] += wrong;
            let said = objection(&picture, &cpu, &device).unwrap();
            assert!(matches!(said, DeviceError::Disagrees { .. }), "{said}");
        }
        let broken = cpu.mapv(|_| f32::NAN);
        assert!(objection(&picture, &broken, &broken).is_some());
        // An unchanged image agrees only if the CPU does not change it either.
        assert!(objection(&picture, &picture, &picture).is_none());
        assert!(objection(&picture, &cpu, &picture).is_some());
    }
}
