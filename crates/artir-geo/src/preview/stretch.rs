//! Values as 8-bit greys, one scale for both scenes and all bands; changes as colours.

use artir_page::Samples;

use super::read::Picture;

/// The linear scale from values to greys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    /// This and less is black; this and more, where it is the larger.
    pub(super) black: f64,
    /// This and beyond is white.
    pub(super) white: f64,
}

impl Stretch {
    /// From the 2nd to the 98th percentile of the valid values of all pictures and all bands together: the balance of
    /// colours stays as it is, and neither picture is cut off more than the other. Where both are the same, the extremes; in
    /// constant pictures, a range around the value, which becomes mid-grey. `None` without a valid value.
    pub(super) fn of(pictures: &[&Picture]) -> Option<Self> {
        let values = pictures.iter().flat_map(|picture| picture.planes.iter().flatten().copied());
        let mut values: Vec<f32> = values.filter(|v| v.is_finite()).collect();
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

    /// The same values with black and white exchanged, for a band whose 0 is white.
    pub(super) fn negative(self) -> Self {
        Self { black: self.white, white: self.black }
    }

    /// Whether brightness falls with the value.
    pub(super) fn is_negative(self) -> bool {
        self.white < self.black
    }

    /// The grey of a value; black for NaN.
    fn of_value(self, value: f32) -> u8 {
        // The cast saturates and takes NaN to 0.
        ((f64::from(value) - self.black) / (self.white - self.black) * 255.0).round() as u8
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
}

/// The colours of a change from the strongest decrease to the strongest increase, at even steps: blue, white, red. They stay
/// apart for readers who do not tell red from green. The style sheet has the same.
const COLOURS: [[u8; 3]; 5] = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]];
/// The share of the valid pixels that changed by no more than the strongest colour stands for.
const MOST_PIXELS: f64 = 0.99;
/// The strongest colour stands for no less than this share of the scale, so that rounding does not look like a change.
const LEAST_CHANGE: f64 = 0.01;

/// The change of a scene's brightness, in stored values: after minus before, the mean over the bands.
pub(super) struct Change {
    /// By pixel; NaN where either side has no value.
    changes: Vec<f32>,
    size: (usize, usize),
    /// The change, up or down, that has the strongest colour.
    pub(super) range: f64,
    /// The mean of all valid pixels; 0 without any.
    pub(super) mean: f64,
}

impl Change {
    /// The change between two pictures of one size that are shown on a scale.
    pub(super) fn of(before: &Picture, after: &Picture, scale: Stretch) -> Self {
        let sign = if scale.is_negative() { -1.0 } else { 1.0 };
        let change = |at: usize| {
            let bands = before.planes.iter().zip(&after.planes).map(|(before, after)| sign * (after[at] - before[at]));
            let (sum, count) =
                bands.filter(|v| v.is_finite()).fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
            sum / count
        };
        let changes: Vec<f32> = (0..before.size.0 * before.size.1).map(change).collect();
        let mut sizes: Vec<f32> = changes.iter().filter(|v| v.is_finite()).map(|v| v.abs()).collect();
        let sum: f64 = changes.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).sum();
        let mean = if sizes.is_empty() { 0.0 } else { sum / sizes.len() as f64 };
        let rank = (sizes.len().saturating_sub(1) as f64 * MOST_PIXELS).round() as usize;
        let largest = match sizes.len() {
            0 => 0.0,
            _ => f64::from(*sizes.select_nth_unstable_by(rank, f32::total_cmp).1),
        };
        let range = largest.max((scale.white - scale.black).abs() * LEAST_CHANGE);
        Self { changes, size: before.size, range, mean }
    }

    /// The colour of a change.
    fn colour(&self, change: f32) -> [u8; 3] {
        let last = (COLOURS.len() - 1) as f64;
        let place = ((f64::from(change) / self.range).clamp(-1.0, 1.0) + 1.0) / 2.0 * last;
        let first = (place.floor() as usize).min(COLOURS.len() - 2);
        let share = place - first as f64;
        [0, 1, 2].map(|i| {
            let [from, to] = [first, first + 1].map(|step| f64::from(COLOURS[step][i]));
            (from + (to - from) * share).round() as u8
        })
    }

    /// The change as colours; invalid pixels are transparent.
    pub(super) fn picture(&self) -> (Samples, Vec<u8>) {
        let valid = |at: usize| self.changes[at].is_finite();
        samples(3, self.size, valid, |channel, at| self.colour(self.changes[at])[channel])
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
        Stretch::of(&[&picture(values)]).map(|s| [s.black, s.white])
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
        let grey = Stretch::of(&[&constant]).unwrap().picture(&constant);
        assert_eq!(grey, (Samples::Grey, vec![128; 4]));
        let mut sparse = vec![0.0; 1000];
        sparse[5] = 40.0;
        assert_eq!(stretch(&sparse), Some([0.0, 40.0]));
        assert_eq!(stretch(&[f32::NAN; 3]), None);
        assert_eq!(stretch(&[]), None);
        let widest = Stretch::of(&[&picture(&[f32::MIN, f32::MAX])]).unwrap();
        assert_eq!(widest.of_value(0.0), 128);
    }

    #[test]
    fn both_pictures_make_the_scale() {
        let (before, after) = (picture(&[100.0; 50]), picture(&[20.0; 50]));
        let scale = Stretch::of(&[&before, &after]).unwrap();
        assert_eq!((scale.black, scale.white), (20.0, 100.0), "a scene that got darker is not black");
        assert_eq!(
            [-5.0, 0.0, 40.0, 80.0, 1e30, f32::NAN].map(|v| Stretch { black: 0.0, white: 80.0 }.of_value(v)),
            [0, 0, 128, 255, 255, 0]
        );
    }

    #[test]
    fn a_change_is_blue_where_it_is_darker_and_red_where_it_is_brighter() {
        let scale = Stretch { black: 0.0, white: 80.0 };
        let before = picture(&[30.0; 6]);
        let change = Change::of(&before, &picture(&[30.0, 20.0, 40.0, 25.0, 35.0, f32::NAN]), scale);
        assert_eq!((change.range, change.mean), (10.0, 0.0));
        let (kind, samples) = change.picture();
        assert_eq!(kind, Samples::Rgba);
        let pixels: Vec<&[u8]> = samples.chunks(4).collect();
        let with = |c: [u8; 3]| vec![c[0], c[1], c[2], 255];
        assert_eq!(pixels[0], with(COLOURS[2]));
        assert_eq!(pixels[1], with(COLOURS[0]));
        assert_eq!(pixels[2], with(COLOURS[4]));
        assert_eq!((pixels[3], pixels[4]), (&*with(COLOURS[1]), &*with(COLOURS[3])));
        assert_eq!(pixels[5], [0; 4]);
        // One pixel of many does not make all others pale, and rounding is no change.
        let mut one = vec![30.0; 1000];
        one[3] = 80.0;
        let change = Change::of(&picture(&[30.0; 1000]), &picture(&one), scale);
        assert_eq!(change.range, 0.8);
        // The mean over the bands.
        let rgb = |values: [f32; 3]| Picture { size: (1, 1), factor: 1, planes: values.map(|v| vec![v]).to_vec() };
        let change = Change::of(&rgb([1.0, 2.0, 3.0]), &rgb([4.0, 2.0, 12.0]), scale);
        assert_eq!(change.mean, 4.0);
    }

    #[test]
    fn the_style_sheet_has_the_colours_of_a_change() {
        let stops = COLOURS.map(|[r, g, b]| format!("rgb({r} {g} {b})")).join(", ");
        assert!(super::super::STYLE.contains(&format!("linear-gradient(to right, {stops})")), "{stops}");
    }

    #[test]
    fn invalid_pixels_are_transparent() {
        let s = Stretch { black: 0.0, white: 255.0 };
        let gap = picture(&[10.0, f32::NAN]);
        assert_eq!(s.picture(&gap), (Samples::GreyAlpha, vec![10, 255, 0, 0]));
        // One band of three without a value leaves the pixel valid.
        let planes = vec![vec![f32::NAN, f32::NAN], vec![20.0, f32::NAN], vec![30.0, f32::NAN]];
        let rgb = Picture { size: (2, 1), factor: 1, planes };
        assert_eq!(s.picture(&rgb), (Samples::Rgba, vec![0, 20, 30, 255, 0, 0, 0, 0]));
    }
}
