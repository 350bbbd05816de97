//! The types a map may have. Arithmetic is always float32; elements are widened on reading, rounded on writing.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// A type of map elements.
pub trait Element: Copy + Send + Sync + 'static {
    /// Widens `from` into `to`, exactly. Copies as many elements as the shorter of the two holds.
    fn widen(from: &[Self], to: &mut [f32]);
    /// Rounds `from` into `to`, to nearest even. Copies as many elements as the shorter of the two holds.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Element for f32 {
    fn widen(from: &[Self], to: &mut [f32]) {
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
    }

    fn narrow(from: &[f32], to: &mut [Self]) {
        Self::widen(from, to);
    }
}

impl Element for f16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        let count = from.len().min(to.len());
        from[..count].convert_to_f32_slice(&mut to[..count]);
    }

    fn narrow(from: &[f32], to: &mut [Self]) {
        let count = from.len().min(to.len());
        to[..count].convert_from_f32_slice(&from[..count]);
    }
}
