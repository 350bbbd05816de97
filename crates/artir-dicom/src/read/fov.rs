//! Pixels outside the field of view of a CT. Scanners reconstruct a circle and fill the corners of the square with a
//! constant, often far below air, and many name it in no PixelPaddingValue. Such pixels are no measurement: the network
//! must not see their edge, and they are left unchanged.
//!
//! Two rules find them. A constant below -1024 HU that reaches the border of the image is no measurement: air is at
//! -1000 HU, so noise that is cut off there covers less than half of any region. And any constant, be it air's, that
//! fills the square outside the reconstruction circle.

use std::{collections::BTreeMap, ops::Range};

use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView1, s};

use crate::read::{
    hu::{Encoding, Transform},
    view::View,
};

/// The lowest HU of the modality. Lower values are not a density.
const LOWEST_HU: f64 = -1024.0;
/// Pixels that a region must have to be a filling, and not a few equal values of noise. The second is a share of all.
const LEAST_REGION: (usize, usize) = (16, 4096);
/// Pixels outside the circle that are enough to judge by.
const LEAST_OUTSIDE: usize = 64;
/// Share of the pixels outside the circle that have the constant. The rest may be a burnt-in annotation.
const FILLED: f64 = 0.9;
/// A circle that is filled with the constant too has nothing in it, or no border.
const EMPTY: f64 = 0.99;
/// A ring inside the edge of a filling has the filling's value for less than this share. Noise that is cut off at the value
/// has it for at most half of the pixels.
const SHARP: f64 = 0.6;
/// Mean of such a ring that lies mostly in air, HU.
const MOSTLY_AIR: f64 = -500.0;
/// How far a scanner's circle may be from the true one, pixels.
const MARGIN: f64 = 1.5;

/// True outside the field of view of a frame; `None` when all of it is within.
pub(crate) fn outside(view: &View<'_>, stored: &Array2<i32>, encoding: &Encoding) -> Option<Array2<bool>> {
    let step = match encoding.transform {
        Transform::Linear { slope, .. } => slope.abs(),
        Transform::Table { .. } => 0.0,
    };
    let spacing = view.group(tags::PIXEL_MEASURES_SEQUENCE).vector::<2>(tags::PIXEL_SPACING);
    let diameter = view.group(tags::CT_RECONSTRUCTION_SEQUENCE).number(tags::RECONSTRUCTION_DIAMETER);
    find_outside(stored, &|stored| encoding.rescale(stored), step, spacing, diameter)
}

/// True outside the field of view of an axial CT slice in HU, `[row, column]`; `None` when all of it is within. `spacing` is that
/// of rows and of columns, mm; `step` is that of the values, 0 where they were never rounded.
pub fn outside_field_of_view(hu: &Array2<f32>, spacing: [f64; 2], step: f64) -> Option<Array2<bool>> {
    // Only whether values are equal counts, and what they are in HU: their bits serve for stored values.
    let bits = hu.mapv(|hu| hu.to_bits().cast_signed());
    find_outside(&bits, &|bits| f32::from_bits(bits.cast_unsigned()).into(), step, Some(spacing), None)
}

/// HU of a stored value.
type Scale<'a> = &'a dyn Fn(i32) -> f64;

fn find_outside(
    stored: &Array2<i32>,
    hu: Scale<'_>,
    step: f64,
    spacing: Option<[f64; 2]>,
    diameter: Option<f64>,
) -> Option<Array2<bool>> {
    let mut mask = Array2::from_elem(stored.raw_dim(), false);
    // Below the lowest HU by more than its rounding.
    let below = |stored| hu(stored) + step / 2.0 < LOWEST_HU;
    fill_from_border(stored, &below, &mut mask);
    let circle = Circle::of(stored, hu, spacing, diameter);
    fill_beyond_circle(stored, &circle, &below, &mut mask);
    // Who crops a slice may leave its diameter, which is then larger than the image.
    if circle.exceeds_image() {
        fill_beyond_circle(stored, &Circle::of(stored, hu, spacing, None), &below, &mut mask);
    }
    mask.iter().any(|outside| *outside).then_some(mask)
}

/// Marks regions of one value below air that reach the border. Where one of them is large enough to be a filling, the small
/// ones of its value are parts of it: a circle off the middle leaves a few pixels in a far corner.
fn fill_from_border(stored: &Array2<i32>, below: &impl Fn(i32) -> bool, mask: &mut Array2<bool>) {
    let (rows, columns) = stored.dim();
    let least = LEAST_REGION.0.max(stored.len() / LEAST_REGION.1);
    let mut seen = Array2::from_elem(stored.raw_dim(), false);
    let mut regions: BTreeMap<i32, Vec<Vec<(usize, usize)>>> = BTreeMap::new();
    let sides = (0..rows).flat_map(|r| [(r, 0), (r, columns - 1)]);
    let ends = (0..columns).flat_map(|c| [(0, c), (rows - 1, c)]);
    for start in sides.chain(ends) {
        let value = stored[start];
        if seen[start] || !below(value) {
            continue;
        }
        let mut region = Vec::new();
        let mut open = vec![start];
        seen[start] = true;
        while let Some((r, c)) = open.pop() {
            region.push((r, c));
            for near_row in r.saturating_sub(1)..(r + 2).min(rows) {
                for near_column in c.saturating_sub(1)..(c + 2).min(columns) {
                    let near = (near_row, near_column);
                    if !seen[near] && stored[near] == value {
                        seen[near] = true;
                        open.push(near);
                    }
                }
            }
        }
        regions.entry(value).or_default().push(region);
    }
    for of_value in regions.into_values().filter(|of_value| of_value.iter().any(|region| region.len() >= least)) {
        of_value.into_iter().flatten().for_each(|at| mask[at] = true);
    }
}

/// The reconstruction circle, about the middle of the image.
struct Circle {
    /// Distance of rows, then of columns, mm.
    spacing: [f64; 2],
    radius: f64,
    shape: (usize, usize),
}

impl Circle {
    /// The circle of ReconstructionDiameter; without it, the one that the image just holds, or a smaller one beyond which the
    /// image has nothing but its corner's value.
    fn of(stored: &Array2<i32>, hu: Scale<'_>, spacing: Option<[f64; 2]>, diameter: Option<f64>) -> Self {
        let positive = |v: &f64| *v > 0.0;
        let shape = stored.dim();
        let spacing = spacing.filter(|s| s.iter().all(positive));
        match (spacing, diameter.filter(positive)) {
            (Some(spacing), Some(diameter)) => Self { spacing, radius: diameter / 2.0, shape },
            (spacing, _) => {
                let spacing = spacing.unwrap_or([1.0; 2]);
                Self { spacing, radius: largest_radius(spacing, shape), shape }.shrunk_to_filling(stored, hu)
            }
        }
    }

    /// Whether it is larger, by a pixel, than the one that the image just holds.
    fn exceeds_image(&self) -> bool {
        self.radius > largest_radius(self.spacing, self.shape) + self.spacing[0].max(self.spacing[1])
    }

    /// The smallest circle outside of which rings of one pixel are filled with the corner's value. Its edge must be sharp,
    /// and air must lie inside it: where a body stands in air without noise, the share of the value falls slowly from ring to
    /// ring, or the ring inside is of the body.
    fn shrunk_to_filling(self, stored: &Array2<i32>, hu: Scale<'_>) -> Self {
        let Some(corner) = corner(stored) else { return self };
        let step = self.spacing[0].max(self.spacing[1]);
        let rings = (self.radius / step).floor() as usize;
        // Most images have something in the outermost ring, and need no look at the others.
        let (mut all, mut same) = (0, 0);
        for (row, line) in stored.outer_iter().enumerate() {
            let (from, to) = (self.columns(row, |beyond| beyond < 0.0), self.columns(row, |beyond| beyond <= -1.0));
            all += from.len() - to.len();
            same += equal(line.slice(s![from]), corner) - equal(line.slice(s![to]), corner);
        }
        if rings == 0 || same as f64 / all.max(1) as f64 <= FILLED {
            return self;
        }
        let mut counts = vec![(0usize, 0usize, 0.0); rings];
        for (at, value) in stored.indexed_iter() {
            let inside = -self.beyond(at);
            if let Some((all, same, sum)) = (inside > 0.0).then(|| counts.get_mut(inside as usize)).flatten() {
                *all += 1;
                *same += usize::from(*value == corner);
                *sum += hu(*value);
            }
        }
        let share = |ring: usize| counts.get(ring).map_or(0.0, |(all, same, _)| *same as f64 / (*all).max(1) as f64);
        let mean = |ring: usize| counts.get(ring).map_or(0.0, |(all, _, sum)| sum / (*all).max(1) as f64);
        let filled = (0..rings).take_while(|ring| share(*ring) > FILLED).count();
        // The ring at the edge is partly filled.
        if filled > 0 && share(filled + 1) < SHARP && mean(filled + 1) < MOSTLY_AIR {
            Self { radius: self.radius - filled as f64 * step, ..self }
        } else {
            self
        }
    }

    /// The columns of a row for whose distance `near` is true, which are symmetric about the middle. `near` must be false beyond
    /// some distance, and true within it.
    fn columns(&self, row: usize, near: impl Fn(f64) -> bool) -> Range<usize> {
        let columns = self.shape.1;
        let (mut from, mut to) = (0, columns.div_ceil(2));
        while from < to {
            let middle = usize::midpoint(from, to);
            if near(self.beyond((row, middle))) { to = middle } else { from = middle + 1 }
        }
        from..(columns - from).max(from)
    }

    /// Distance of a pixel from the circle, outwards, in pixels.
    fn beyond(&self, (r, c): (usize, usize)) -> f64 {
        let from_middle = |at: usize, length: usize| at as f64 - (length as f64 - 1.0) / 2.0;
        let y = from_middle(r, self.shape.0) * self.spacing[0];
        let x = from_middle(c, self.shape.1) * self.spacing[1];
        // `hypot` also guards against overflow, which millimetres do not reach, and takes ten times as long.
        ((x * x + y * y).sqrt() - self.radius) / self.spacing[0].max(self.spacing[1])
    }
}

/// The radius of the largest circle that an image holds, mm.
fn largest_radius(spacing: [f64; 2], shape: (usize, usize)) -> f64 {
    (shape.0 as f64 * spacing[0]).min(shape.1 as f64 * spacing[1]) / 2.0
}

/// The value that most corners have, the first of them where all differ: an annotation may cover one.
fn corner(stored: &Array2<i32>) -> Option<i32> {
    let (row, column) = (stored.nrows().checked_sub(1)?, stored.ncols().checked_sub(1)?);
    let corners = [(0, 0), (0, column), (row, 0), (row, column)].map(|at| stored[at]);
    // Of several, `max_by_key` returns the last.
    corners.iter().rev().copied().max_by_key(|value| corners.iter().filter(|other| *other == value).count())
}

/// Marks the constant that fills the square outside the circle. A lossy codec spreads it: then all that is below air.
fn fill_beyond_circle(stored: &Array2<i32>, circle: &Circle, below: &impl Fn(i32) -> bool, mask: &mut Array2<bool>) {
    let Some(corner) = corner(stored) else { return };
    let (mut beyond, mut filled) = (0, 0);
    let (mut within, mut same) = (0, 0);
    // Where distances are not numbers, since a header has absurd ones, all pixels are within.
    let not_beyond = |margin: f64| move |beyond: f64| beyond <= margin || beyond.is_nan();
    let inner = |row: usize| circle.columns(row, not_beyond(MARGIN));
    for (row, line) in stored.outer_iter().enumerate() {
        let inner = inner(row);
        let equal_within = equal(line.slice(s![inner.clone()]), corner);
        within += inner.len();
        same += equal_within;
        beyond += line.len() - inner.len();
        filled += equal(line, corner) - equal_within;
    }
    let most = |part: usize, all: usize, share: f64| part as f64 > share * all as f64;
    if beyond < LEAST_OUTSIDE || most(same, within, EMPTY) {
        return;
    }
    let constant = most(filled, beyond, FILLED);
    let padding = |value: i32| if constant { value == corner } else { below(value) };
    let around = |row: usize, inner: Range<usize>| {
        (0..inner.start).chain(inner.end..stored.dim().1).map(move |column| (row, column))
    };
    if !constant {
        let outside = (0..stored.dim().0).flat_map(|row| around(row, inner(row)));
        if !most(outside.filter(|at| below(stored[*at])).count(), beyond, FILLED) {
            return;
        }
    }
    for row in 0..stored.dim().0 {
        for at in around(row, circle.columns(row, not_beyond(-MARGIN))) {
            mask[at] |= padding(stored[at]);
        }
    }
}

/// How many values of a line are equal to one.
fn equal(line: ArrayView1<'_, i32>, value: i32) -> usize {
    line.iter().filter(|v| **v == value).count()
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;
    use proptest::prelude::*;

    use super::*;
    use crate::read::dataset::DataSet;

    const SIZE: usize = 96;

    fn encoding(slope: f64, intercept: f64) -> Encoding {
        Encoding { limits: (-32768, 32767), transform: Transform::Linear { slope, intercept }, padding: None }
    }

    fn header(diameter: Option<&str>) -> DataSet {
        let mut set = DataSet::default();
        set.put_text(tags::PIXEL_SPACING, VR::DS, "0.5\\0.5");
        if let Some(diameter) = diameter {
            set.put_text(tags::RECONSTRUCTION_DIAMETER, VR::DS, diameter);
        }
        set
    }

    /// Distance from the middle, pixels.
    fn from_middle((r, c): (usize, usize)) -> f64 {
        let middle = (SIZE as f64 - 1.0) / 2.0;
        (r as f64 - middle).hypot(c as f64 - middle)
    }

    /// Normal noise of a fixed seed.
    fn noise(mut seed: u64) -> impl FnMut() -> f64 {
        let mut uniform = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        };
        move || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    }

    /// A body of water in noisy air, cut off at `lowest`, HU; `fill` beyond a circle of `radius` pixels.
    fn slice(sigma: f64, lowest: f64, fill: Option<(f64, f64)>) -> Array2<f64> {
        let mut next = noise(7);
        Array2::from_shape_fn((SIZE, SIZE), |at| match fill {
            Some((radius, fill)) if from_middle(at) > radius => fill,
            _ => (if from_middle(at) < 30.0 { 0.0 } else { -1000.0 } + sigma * next()).max(lowest).round(),
        })
    }

    fn marked(hu: &Array2<f64>, diameter: Option<&str>) -> Option<Array2<bool>> {
        let stored = hu.mapv(|v| v as i32 + 1024);
        outside(&View::new(&header(diameter), 0), &stored, &encoding(1.0, -1024.0))
    }

    proptest! {
        #[test]
        fn columns_are_those_whose_distance_fits(
            rows in 1usize..40, columns in 1usize..40, radius in 0.0f64..30.0, margin in -3.0f64..3.0,
            spacing in prop_oneof![Just([1.0, 1.0]), [0.1f64..3.0, 0.1f64..3.0], Just([f64::INFINITY, 1.0])],
        ) {
            let circle = Circle { spacing, radius, shape: (rows, columns) };
            let near = |beyond: f64| beyond <= margin || beyond.is_nan();
            for row in 0..rows {
                let found: Vec<usize> = circle.columns(row, near).collect();
                let expected: Vec<usize> = (0..columns).filter(|c| near(circle.beyond((row, *c)))).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn absurd_spacing_marks_nothing() {
        let body = |r: usize, c: usize| (40..60).contains(&r) && (40..60).contains(&c);
        let slice = Array2::from_shape_fn((SIZE, SIZE), |(r, c)| if body(r, c) { 40.0 } else { -1000.0 });
        assert!(outside_field_of_view(&slice, [1.0; 2], 1.0).is_some());
        for spacing in [[f64::INFINITY; 2], [1e307; 2], [1e-307; 2]] {
            assert_eq!(outside_field_of_view(&slice, spacing, 1.0), None, "{spacing:?}");
        }
    }

    #[test]
    fn values_in_hu_have_the_field_of_view_of_their_slice() {
        for fill in [-3024.0, -1024.0, 0.0] {
            let hu = slice(20.0, -1024.0, Some((SIZE as f64 / 2.0, fill)));
            let found = outside_field_of_view(&hu.mapv(|v| v as f32), [0.5, 0.5], 1.0);
            assert!(found.is_some() && found == marked(&hu, None), "{fill}");
        }
        assert_eq!(outside_field_of_view(&slice(20.0, -4000.0, None).mapv(|v| v as f32), [0.5, 0.5], 0.0), None);
    }

    #[test]
    fn constants_outside_the_circle_are_found_whatever_they_are() {
        let inscribed = SIZE as f64 / 2.0;
        for fill in [-3024.0, -2000.0, -1500.0, -1025.0, -1024.0, -1000.0, 0.0] {
            for diameter in [None, Some("48")] {
                let hu = slice(20.0, -1024.0, Some((inscribed, fill)));
                let mask = marked(&hu, diameter).unwrap_or_else(|| panic!("{fill}"));
                for (at, outside) in mask.indexed_iter() {
                    let far = from_middle(at);
                    assert!(far <= inscribed || *outside, "{fill} {at:?}: the filling is outside");
                    assert!(far > inscribed - MARGIN || !outside, "{fill} {at:?}: the circle is inside");
                }
            }
        }
    }

    #[test]
    fn a_diameter_that_a_crop_left_hides_no_filling() {
        let inscribed = SIZE as f64 / 2.0;
        for fill in [-1024.0, -1000.0, 0.0, 3071.0] {
            // The image is 48 mm wide. A circle of 55 mm has some pixels of its corners outside.
            for diameter in ["408", "55"] {
                let hu = slice(20.0, -1024.0, Some((inscribed, fill)));
                let mask = marked(&hu, Some(diameter)).unwrap_or_else(|| panic!("{fill} {diameter}"));
                for (at, outside) in mask.indexed_iter() {
                    let far = from_middle(at);
                    assert!(far <= inscribed || *outside, "{fill} {diameter} {at:?}: the filling is outside");
                    assert!(far > inscribed - MARGIN || !outside, "{fill} {diameter} {at:?}: the circle is inside");
                }
            }
        }
        // An image without a filling has none, whatever its diameter.
        assert_eq!(marked(&slice(20.0, -4000.0, None), Some("408")), None);
    }

    #[test]
    fn a_smaller_field_than_the_image_holds_is_found() {
        // A circle of 30 mm in an image of 48 mm.
        let hu = slice(20.0, -1024.0, Some((30.0, -1024.0)));
        let mask = marked(&hu, Some("30")).unwrap();
        assert!(mask.indexed_iter().all(|(at, outside)| *outside == (from_middle(at) > 30.0) || hu[at] == -1024.0));
        // A field off the middle, of which the border of the image shows a crescent, and a few pixels in a far corner.
        let far = |(r, c): (usize, usize)| (r as f64).hypot(c as f64 - 20.0) > 90.0 || r + c < 3;
        let mut hu = slice(20.0, -1024.0, None);
        hu.indexed_iter_mut().for_each(|(at, v)| *v = if far(at) { -2000.0 } else { *v });
        let mask = marked(&hu, None).unwrap();
        assert!(mask.indexed_iter().all(|(at, outside)| *outside == far(at)));
    }

    #[test]
    fn a_smaller_circle_is_found_without_its_diameter() {
        for fill in [-1024.0, -1000.0, 0.0] {
            let mask = marked(&slice(20.0, -1024.0, Some((38.0, fill))), None).unwrap();
            for (at, outside) in mask.indexed_iter() {
                let far = from_middle(at);
                assert!(far <= 38.0 || *outside, "{fill} {at:?}: the filling is outside");
                assert!(far > 38.0 - 2.0 * MARGIN || !outside, "{fill} {at:?}: the circle is inside");
            }
        }
        // Bodies in air without noise, square and round: the air around them is not taken for a filling.
        let square = |(r, c): (usize, usize)| (28..68).contains(&r) && (28..68).contains(&c);
        let round = |at: (usize, usize)| from_middle(at) < 30.0;
        for body in [&square as &dyn Fn((usize, usize)) -> bool, &round] {
            let hu = Array2::from_shape_fn((SIZE, SIZE), |at| if body(at) { 40.0 } else { -1024.0 });
            let mask = marked(&hu, None).unwrap();
            assert!(mask.indexed_iter().all(|(at, outside)| *outside == (from_middle(at) > 48.0 - MARGIN)));
        }
    }

    #[test]
    fn air_is_no_filling() {
        // Noise that is kept whole, cut off at -1024, cut off below it; and no noise at all.
        for (sigma, lowest) in [(30.0, -4000.0), (30.0, -1024.0), (60.0, -1060.0), (200.0, -1200.0), (0.0, -1024.0)] {
            let hu = slice(sigma, lowest, None);
            let mask = marked(&hu, None);
            assert!(sigma == 0.0 || mask.is_none(), "{sigma} {lowest}");
        }
        // A pocket of gas and a dark streak within the body, both cut off.
        let mut hu = slice(20.0, -1024.0, Some((48.0, -3024.0)));
        hu.indexed_iter_mut().for_each(|((r, c), v)| {
            if (40..50).contains(&r) && (40..60).contains(&c) {
                *v = if c < 50 { -1024.0 } else { -3024.0 };
            }
        });
        let mask = marked(&hu, None).unwrap();
        assert!(mask.indexed_iter().all(|(at, outside)| *outside == (from_middle(at) > 48.0)));
    }

    #[test]
    fn coarse_steps_of_air_are_no_filling() {
        // Steps of 32.12 HU: air falls on -995.6 and -1027.7.
        let steps = slice(12.0, -4000.0, None).mapv(|hu| ((hu + 4047.0) / 32.12).round() as i32);
        assert!(steps.iter().any(|v| f64::from(*v) * 32.12 - 4047.0 < -1025.0));
        assert_eq!(outside(&View::new(&header(None), 0), &steps, &encoding(32.12, -4047.0)), None);
    }

    #[test]
    fn a_filling_that_a_codec_spread_is_found() {
        let mut next = noise(11);
        let hu = slice(20.0, -1024.0, Some((48.0, -3024.0)));
        let spread = hu.mapv(|v| if v == -3024.0 { (v + 30.0 * next()).round() } else { v });
        let mask = marked(&spread, Some("48")).unwrap();
        assert!(mask.indexed_iter().all(|(at, outside)| *outside == (from_middle(at) > 48.0)));
    }

    #[test]
    fn annotations_and_blank_images_stay() {
        let mut hu = slice(20.0, -1024.0, Some((48.0, -1024.0)));
        hu.slice_mut(ndarray::s![2..6, 2..10]).fill(3000.0);
        let mask = marked(&hu, None).unwrap();
        assert!(mask[(0, 0)] && !mask[(3, 3)]);
        // Over one corner.
        hu.slice_mut(ndarray::s![0..6, 0..10]).fill(3000.0);
        let mask = marked(&hu, None).unwrap();
        assert!(!mask[(0, 0)] && mask[(0, SIZE - 1)] && mask[(SIZE - 1, 0)]);
        assert_eq!(marked(&Array2::from_elem((SIZE, SIZE), -1000.0), None), None);
        let tiny = Array2::from_elem((2, 3), -3000);
        assert_eq!(outside(&View::new(&header(None), 0), &tiny, &encoding(1.0, -1024.0)), None);
    }
}
