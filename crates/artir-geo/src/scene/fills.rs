//! Fill that nobody declared: a collar of one value around the scene, or a number far from all others.

use crate::values::{interval::TAILS, samples::Planes};

/// The least share of a collar, and of a number that no other value comes near.
const COLLAR: f64 = 0.01;
const SENTINEL: f64 = 0.0005;
/// The least share of the scene's border that a collar has.
const BORDER: f64 = 0.02;
/// Numbers that stand for no value in many products, and how far from all others they must be, as a share of the others' spread.
const KNOWN: [f64; 11] = [
    -9999.0,
    -99_999.0,
    -32_768.0,
    -32_767.0,
    -28_672.0,
    9999.0,
    99_999.0,
    32_767.0,
    65_535.0,
    1e20,
    9.969_209_968_386_869e36,
];
const APART: f64 = 0.25;
/// Floating-point types can store numbers beyond this.
const FLOATS: f64 = 1e30;

/// A value that all bands share in too many pixels, and the share of the scene that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fill {
    pub(crate) value: f64,
    pub(crate) share: f64,
}

/// Looks for fill in a sample of the scene's restored bands, of so many columns. `valid` are the pixels that count so far,
/// and `most` is the largest value that can be stored.
pub(crate) fn find(planes: &Planes, count: usize, columns: usize, valid: &[bool], most: f64) -> Option<Fill> {
    let planes: Vec<Vec<f64>> = (0..count).map(|i| planes.values(i)).collect();
    let first = planes.first()?;
    let total = first.len();
    let counts = |i: &usize| valid[*i] && first[*i].is_finite();
    let same = |i: &usize| planes.iter().all(|plane| plane[*i] == first[*i]);
    let mut values: Vec<f64> = planes.iter().flat_map(|p| (0..total).filter(counts).map(|i| p[i])).collect();
    values.retain(|v| v.is_finite());
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let share =
        |value: f64| (0..total).filter(|i| counts(i) && first[*i] == value && same(i)).count() as f64 / total as f64;
    let (least, largest) = (values[0], values[values.len() - 1]);
    // All others, without their extremes.
    let low = &values[values.partition_point(|v| *v <= least)..];
    let high = &values[..values.partition_point(|v| *v < largest)];
    let (above, below) = (*low.first()?, *high.last()?);
    let tail = |others: &[f64], share: f64| others[((others.len() - 1) as f64 * share) as usize];
    let far = |value: f64, nearest: f64, farthest: f64| {
        let spread = (farthest - nearest).abs().max(nearest.abs()).min(FLOATS);
        let is_known = KNOWN.iter().any(|known| *known as f32 == value as f32);
        (value - nearest).abs() > spread * if is_known { APART } else { 1.0 }
    };
    let far_below = least < 0.0 && far(least, above, tail(low, TAILS[1]));
    // Integers at the upper end are bright, or a collar of the largest value.
    let far_above = most > FLOATS && largest > 0.0 && far(largest, below, tail(high, TAILS[0]));
    // Numbers such as -9999 and 1e20 among reflectances, -32768 and -3.4e38.
    let numbers = [(far_below && least <= -999.0).then_some(least), (far_above && largest >= 999.0).then_some(largest)];
    let numbers = numbers.into_iter().flatten().map(|value| Fill { value, share: share(value) });
    if let Some(found) = numbers.into_iter().find(|found| found.share >= SENTINEL) {
        return Some(found);
    }
    let rows = total / columns.max(1);
    let border: Vec<usize> = (0..total)
        .filter(|i| i % columns == 0 || i % columns == columns - 1 || i / columns == 0 || i / columns == rows - 1)
        .collect();
    let candidates = [(least == 0.0 || far_below).then_some(least), (largest == most || far_above).then_some(largest)];
    candidates.into_iter().flatten().find_map(|value| {
        let touching = border.iter().filter(|i| counts(i) && first[**i] == value && same(i)).count();
        let found = Fill { value, share: share(value) };
        (touching as f64 >= BORDER * border.len() as f64 && found.share >= COLLAR).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(value: impl Fn(usize, usize) -> f32) -> Planes {
        Planes::F32(
            (0..3)
                .map(|c| {
                    (0..10_000)
                        .map(|i| {
                            value(i % 100, i / 100)
                                + if value(i % 100, i / 100) > 0.0 && value(i % 100, i / 100) < 1.0 {
                                    0.01 * c as f32
                                } else {
                                    0.0
                                }
                        })
                        .collect()
                })
                .collect(),
        )
    }

    fn found(planes: &Planes) -> Option<f64> {
        find(planes, 3, 100, &[true; 10_000], 255.0).map(|f| f.value)
    }

    #[test]
    fn collars_and_numbers_far_off_are_fill() {
        let texture = |x: usize, y: usize| 0.1 + 0.001 * ((x * 7 + y * 3) % 300) as f32;
        assert_eq!(found(&scene(texture)), None);
        assert_eq!(found(&scene(|x, y| if x + y < 40 { 0.0 } else { texture(x, y) })), Some(0.0));
        assert_eq!(found(&scene(|x, y| if x + y < 40 { 255.0 } else { texture(x, y) })), Some(255.0));
        assert_eq!(found(&scene(|x, y| if x == 50 && y < 9 { -9999.0 } else { texture(x, y) })), Some(-9999.0));
        // Dark water in the middle, and single black pixels, are the scene's own.
        assert_eq!(
            found(&scene(|x, y| if (30..60).contains(&x) && (30..60).contains(&y) { 0.0 } else { texture(x, y) })),
            None
        );
        assert_eq!(found(&scene(|x, y| if x == 0 && y < 5 { 0.0 } else { texture(x, y) })), None);
        // Values that are negative as far as they are positive are no fill.
        assert_eq!(found(&scene(|x, y| if x < 3 { -2000.0 } else { texture(x, y) * 4000.0 - 1500.0 })), None);
    }

    #[test]
    fn numbers_of_products_are_fill_among_values_of_any_scale() {
        let planes = |fill: f32, scale: f32, whole: bool| {
            let value = |x: usize, y: usize| {
                let inside = if whole { x < 20 } else { (40..60).contains(&x) && (40..60).contains(&y) };
                if inside { fill } else { scale * (0.05 + 0.001 * ((x * 7 + y * 13) % 900) as f32) }
            };
            let plane = |c: usize| -> Vec<f32> {
                let more = |v: f32| if v == fill { v } else { v + scale * 0.01 * c as f32 };
                (0..10_000).map(|i| more(value(i % 100, i / 100))).collect()
            };
            Planes::F32((0..3).map(plane).collect())
        };
        let of = |planes: &Planes| find(planes, 3, 100, &[true; 10_000], f64::from(f32::MAX)).map(|f| f.value as f32);
        for fill in [-9999.0, -32_768.0, 9999.0, 1e20, 9.969_21e36, f32::MAX, f32::MIN, -1e10] {
            for scale in [1.0, 10_000.0] {
                for whole in [true, false] {
                    let wanted = (scale == 1.0 || fill != 9999.0).then_some(fill);
                    assert_eq!(of(&planes(fill, scale, whole)), wanted, "{fill} {scale} {whole}");
                }
            }
        }
        // Reflectance of -1 is a collar, and may be noise in the middle.
        assert_eq!((of(&planes(-1.0, 1.0, true)), of(&planes(-1.0, 1.0, false))), (Some(-1.0), None));
        assert_eq!(of(&planes(-0.3, 1.0, true)), None, "near the others");
        assert_eq!(of(&planes(2.5, 1.0, false)), None, "a bright roof");
    }

    #[test]
    fn declared_nodata_is_not_looked_at() {
        let planes = scene(|x, _| if x < 20 { 0.0 } else { 0.5 });
        let valid: Vec<bool> = (0..10_000).map(|i| i % 100 >= 20).collect();
        assert_eq!(find(&planes, 3, 100, &valid, 255.0), None);
    }
}
