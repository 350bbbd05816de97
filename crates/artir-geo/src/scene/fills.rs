//! Fill that nobody declared: a collar of one value around the scene, or a number far below all others.

use crate::values::samples::Planes;

/// The least share of a collar, and of a number that no other value comes near.
const COLLAR: f64 = 0.01;
const SENTINEL: f64 = 0.0005;
/// The least share of the scene's border that a collar has.
const BORDER: f64 = 0.02;

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
    let above = values.iter().find(|v| **v > least).copied()?;
    // Numbers such as -9999 among reflectances, -32768 and -3.4e38.
    let spread = largest - above;
    if least <= -999.0 && above - least > 10.0 * spread.max(above.abs()).min(1e30) {
        let share = share(least);
        return (share >= SENTINEL).then_some(Fill { value: least, share });
    }
    let rows = total / columns.max(1);
    let border: Vec<usize> = (0..total)
        .filter(|i| i % columns == 0 || i % columns == columns - 1 || i / columns == 0 || i / columns == rows - 1)
        .collect();
    let candidates = [(least == 0.0).then_some(0.0), (largest == most).then_some(most)];
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
    fn declared_nodata_is_not_looked_at() {
        let planes = scene(|x, _| if x < 20 { 0.0 } else { 0.5 });
        let valid: Vec<bool> = (0..10_000).map(|i| i % 100 >= 20).collect();
        assert_eq!(find(&planes, 3, 100, &valid, 255.0), None);
    }
}
