//! Values as 8-bit greys, one scale for both scenes and all bands.

use artir_page::Samples;

use super::read::Picture;

/// The linear scale from values to greys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    /// This and less is black.
    pub(super) black: f64,
    /// This and more is white.
    pub(super) white: f64,
}

impl Stretch {
    /// From the 2nd to the 98th percentile of a picture's valid values, of all its bands together: the balance of
    /// colours stays as it is. Where both are the same, the extremes; in a constant picture, a range around the value,
    /// which becomes mid-grey. `None` without a valid value.
    pub(super) fn of(picture: &Picture) -> Option<Self> {
        let mut values: Vec<f32> = picture.planes.iter().flatten().copied().filter(|v| v.is_finite()).collect();
        let last = values.len().checked_sub(1)?;
        let mut ranked = |share: f64| {
            let rank = (last as f64 * share).round() as usize;
            f64::from(*values.select_nth_unstable_by(rank.min(last), f32::total_cmp).1)
        };
        let mut ends = [ranked(0.02), ranked(0.98)];
        if ends[0] == ends[1] {
            ends = [ranked(0.0), ranked(1.0)];
        }
        if ends[0] == ends[1] {
            // Wide enough that adding it to a large value changes that value.
            let half = (ends[0].abs() * 1e-3).max(0.5);
            ends = [ends[0] - half, ends[0] + half];
        }
        Some(Self { black: ends[0], white: ends[1] })
    }

    /// The change that is white or, negative, black in the difference: an eighth of the scale.
    pub(super) fn range(self) -> f64 {
        (self.white - self.black) / 8.0
    }

    /// The grey of a value; black for NaN.
    fn of_value(self, value: f32) -> u8 {
        // The cast saturates and takes NaN to 0.
        ((f64::from(value) - self.black) / (self.white - self.black) * 255.0).round() as u8
    }

    /// The grey of a change: 128 for none, 255 and 1 at the ends of the range, 128 where a side has no value.
    fn of_change(self, before: f32, after: f32) -> u8 {
        let change = (f64::from(after) - f64::from(before)) / self.range();
        if change.is_nan() { 128 } else { (128.0 + change.clamp(-1.0, 1.0) * 127.0).round() as u8 }
    }

    /// A picture in greys or colours; invalid pixels are transparent.
    pub(super) fn picture(self, picture: &Picture) -> (Samples, Vec<u8>) {
        samples(
            picture.planes.len(),
            picture.size,
            |at| picture.is_valid(at),
            |band, at| self.of_value(picture.planes[band][at]),
        )
    }

    /// The difference of two pictures of one size, after minus before, band by band.
    pub(super) fn difference(self, before: &Picture, after: &Picture) -> (Samples, Vec<u8>) {
        let valid = |at| before.is_valid(at) && after.is_valid(at);
        samples(before.planes.len(), before.size, valid, |band, at| {
            self.of_change(before.planes[band][at], after.planes[band][at])
        })
    }
}

/// The samples of a PNG: one or three bands, and opacity where some pixel is invalid.
fn samples(
    bands: usize,
    (columns, rows): (usize, usize),
    valid: impl Fn(usize) -> bool,
    grey: impl Fn(usize, usize) -> u8,
) -> (Samples, Vec<u8>) {
    let opaque = (0..columns * rows).all(&valid);
    let kind = match (bands, opaque) {
        (1, true) => Samples::Grey,
        (1, false) => Samples::GreyAlpha,
        (_, true) => Samples::Rgb,
        (_, false) => Samples::Rgba,
    };
    let mut out = Vec::with_capacity(columns * rows * (bands + usize::from(!opaque)));
    for at in 0..columns * rows {
        let shown = valid(at);
        out.extend((0..bands).map(|band| if shown { grey(band, at) } else { 0 }));
        if !opaque {
            out.push(if shown { 255 } else { 0 });
        }
    }
    (kind, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(values: &[f32]) -> Picture {
        Picture { size: (values.len(), 1), factor: 1, planes: vec![values.to_vec()] }
    }

    fn stretch(values: &[f32]) -> Option<[f64; 2]> {
        Stretch::of(&picture(values)).map(|s| [s.black, s.white])
    }

    #[test]
    fn the_scale_is_that_of_the_percentiles() {
        let ramp: Vec<f32> = (0..=100).map(|v| v as f32).collect();
        assert_eq!(stretch(&ramp), Some([2.0, 98.0]));
        let mut odd = ramp.clone();
        odd.extend([f32::NAN; 50]);
        odd.reverse();
        assert_eq!(stretch(&odd), Some([2.0, 98.0]), "invalid pixels do not count");
    }

    #[test]
    fn pictures_without_contrast_have_a_scale_too() {
        assert_eq!(stretch(&[7.0; 9]), Some([6.5, 7.5]));
        let constant = picture(&[-1e30; 4]);
        let grey = Stretch::of(&constant).unwrap().picture(&constant);
        assert_eq!(grey, (Samples::Grey, vec![128; 4]));
        let mut sparse = vec![0.0; 1000];
        sparse[5] = 40.0;
        assert_eq!(stretch(&sparse), Some([0.0, 40.0]));
        assert_eq!(stretch(&[f32::NAN; 3]), None);
        assert_eq!(stretch(&[]), None);
        let widest = Stretch::of(&picture(&[f32::MIN, f32::MAX])).unwrap();
        assert!(widest.range().is_finite() && widest.of_value(0.0) == 128);
    }

    #[test]
    fn changes_are_centred_on_mid_grey() {
        let s = Stretch { black: 0.0, white: 80.0 };
        assert_eq!(s.range(), 10.0);
        assert_eq!(
            [0.0, 5.0, 10.0, 99.0, -10.0, -99.0, f32::NAN].map(|v| s.of_change(3.0, 3.0 + v)),
            [128, 192, 255, 255, 1, 1, 128]
        );
        assert_eq!([-5.0, 0.0, 40.0, 80.0, 1e30, f32::NAN].map(|v| s.of_value(v)), [0, 0, 128, 255, 255, 0]);
    }

    #[test]
    fn invalid_pixels_are_transparent() {
        let s = Stretch { black: 0.0, white: 255.0 };
        let gap = picture(&[10.0, f32::NAN]);
        assert_eq!(s.picture(&gap), (Samples::GreyAlpha, vec![10, 255, 0, 0]));
        assert_eq!(s.difference(&picture(&[10.0, 3.0]), &gap), (Samples::GreyAlpha, vec![128, 255, 0, 0]));
        // One band of three without a value leaves the pixel valid.
        let planes = vec![vec![f32::NAN, f32::NAN], vec![20.0, f32::NAN], vec![30.0, f32::NAN]];
        let rgb = Picture { size: (2, 1), factor: 1, planes };
        assert_eq!(s.picture(&rgb), (Samples::Rgba, vec![0, 20, 30, 255, 0, 0, 0, 0]));
    }
}
