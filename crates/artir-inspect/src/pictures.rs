//! Maps, matrices and kernels as pictures.

use artir_page::report::Panel;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};

/// The shortest edge of a small picture on the page, pixels: browsers would blur a smaller one.
const LEAST_EDGE: usize = 256;
/// Pixels between tiles.
const GAP: usize = 2;

/// Blue below 0, white at 0, red above; -1 and 1 are the ends.
fn diverging(value: f32) -> [u8; 3] {
    let (end, share) = if value < 0.0 { ([33.0, 102.0, 172.0], -value) } else { ([178.0, 24.0, 43.0], value) };
    let share = if share.is_nan() { 0.0 } else { share.min(1.0) };
    end.map(|end: f32| (255.0 + (end - 255.0) * share).round() as u8)
}

/// A matrix of values from -1 to 1 in colours, each as a square of whole pixels.
fn squares(caption: String, values: ArrayView2<'_, f32>) -> Panel {
    let (rows, columns) = values.dim();
    let side = LEAST_EDGE.div_ceil(rows.max(columns).max(1));
    let size = (columns * side, rows * side);
    let mut pixels = Vec::with_capacity(3 * size.0 * size.1);
    for y in 0..size.1 {
        for x in 0..size.0 {
            pixels.extend(diverging(values[(y / side, x / side)]));
        }
    }
    Panel { caption, size, pixels }
}

/// A cosine matrix.
pub(crate) fn cosine(caption: String, matrix: &Array2<f32>) -> Panel {
    squares(caption, matrix.view())
}

/// A large kernel, K x K taps. The tap in the centre is often far above all others, so that these set the scale.
pub(crate) fn kernel(name: &str, size: usize, taps: &[f32]) -> Option<Panel> {
    let kernel = ArrayView2::from_shape((size, size), taps).ok()?;
    let middle = (size / 2, size / 2);
    let others = kernel.indexed_iter().filter(|(at, _)| *at != middle).map(|(_, v)| v.abs());
    let scale = others.fold(0.0, f32::max);
    let scaled = kernel.mapv(|v| if scale > 0.0 { v / scale } else { v });
    let caption = format!("{name}, K = {size}: \u{b1}{scale:.2e}; centre {:.3}", kernel[middle]);
    Some(squares(caption, scaled.view()))
}

/// Maps side by side in a row, each from its own least to its own greatest value.
pub(crate) fn tiles(caption: String, maps: ArrayView3<'_, f32>) -> Panel {
    let (count, rows, columns) = maps.dim();
    let width = count * columns + count.saturating_sub(1) * GAP;
    let mut pixels = vec![255u8; width * rows];
    for (n, map) in maps.outer_iter().enumerate() {
        let grey = stretched(map, extremes(map));
        for (y, row) in grey.outer_iter().enumerate() {
            let start = y * width + n * (columns + GAP);
            pixels[start..start + columns].iter_mut().zip(row).for_each(|(to, from)| *to = *from);
        }
    }
    Panel { caption, size: (width, rows), pixels }
}

/// One map, from its least to its greatest value.
pub(crate) fn map(caption: String, values: ArrayView2<'_, f32>) -> Panel {
    let (rows, columns) = values.dim();
    let pixels = stretched(values, extremes(values)).into_raw_vec_and_offset().0;
    Panel { caption, size: (columns, rows), pixels }
}

/// The influence of a pixel, by its logarithm over five decades.
pub(crate) fn influence(caption: String, values: ArrayView2<'_, f32>) -> Panel {
    const DECADES: f32 = 5.0;
    let top = values.fold(f32::MIN_POSITIVE, |most, v| most.max(*v));
    let share = |v: f32| (1.0 + (v / top).max(f32::MIN_POSITIVE).log10() / DECADES).max(0.0);
    let (rows, columns) = values.dim();
    let side = LEAST_EDGE.div_ceil(rows.max(columns).max(1));
    let size = (columns * side, rows * side);
    let at = |n: usize| grey(share(values[(n / size.0 / side, n % size.0 / side)]), (0.0, 1.0));
    Panel { caption, size, pixels: (0..size.0 * size.1).map(at).collect() }
}

/// The square around the centre of a map that holds twice a radius, and half its edge.
pub(crate) fn middle(values: &Array2<f32>, radius: f64) -> (usize, ArrayView2<'_, f32>) {
    const LEAST: usize = 16;
    let (rows, columns) = values.dim();
    let half = ((2.0 * radius).ceil() as usize).max(LEAST).min(rows / 2).min(columns / 2);
    let (row, column) = (rows / 2, columns / 2);
    let end = |centre: usize, of: usize| (centre + half + 1).min(of);
    (half, values.slice(s![row - half..end(row, rows), column - half..end(column, columns)]))
}

/// An image in network units and its restored form, and what was added to it, each between the same limits.
pub(crate) fn before_after(input: ArrayView3<'_, f32>, output: ArrayView3<'_, f32>) -> Vec<Panel> {
    let (channels, rows, columns) = input.dim();
    let limits = percentiles(input.iter().copied());
    let colour = |values: ArrayView3<'_, f32>, caption: &str, limits: (f32, f32)| {
        let shown = if channels == 3 { 3 } else { 1 };
        let mut pixels = Vec::with_capacity(shown * rows * columns);
        for y in 0..rows {
            for x in 0..columns {
                pixels.extend((0..shown).map(|c| grey(values[(c, y, x)], limits)));
            }
        }
        Panel { caption: caption.to_owned(), size: (columns, rows), pixels }
    };
    let residual = &output - &input;
    // A few edges change far more than all else.
    let most = percentiles(residual.iter().map(|v| v.abs())).1.max(f32::MIN_POSITIVE);
    vec![
        colour(input, "Input", limits),
        colour(output, "Restored", limits),
        colour(residual.view(), "Restored minus input; grey is 0", (-most, most)),
    ]
}

fn stretched(values: ArrayView2<'_, f32>, limits: (f32, f32)) -> Array2<u8> {
    values.mapv(|v| grey(v, limits))
}

fn grey(value: f32, (low, high): (f32, f32)) -> u8 {
    if high <= low {
        return 128;
    }
    ((value - low) / (high - low) * 255.0).round().clamp(0.0, 255.0) as u8
}

fn extremes(values: ArrayView2<'_, f32>) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
}

/// The 1st and the 99th percentile.
fn percentiles(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let mut all: Vec<f32> = values.collect();
    all.sort_by(f32::total_cmp);
    let at =
        |share: f64| all.get((share * all.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
    (at(0.01), at(0.99))
}

/// Maps that are larger than this are shown smaller.
const LARGEST_TILE: usize = 160;

/// Means over squares of pixels, so that a tile is not larger than the page can show.
pub(crate) fn smaller(maps: ArrayView3<'_, f32>) -> Array3<f32> {
    let (count, rows, columns) = maps.dim();
    let by = rows.max(columns).div_ceil(LARGEST_TILE).max(1);
    if by == 1 {
        return maps.to_owned();
    }
    Array3::from_shape_fn((count, rows / by, columns / by), |(c, y, x)| {
        let square = maps.slice(s![c, y * by..(y + 1) * by, x * by..(x + 1) * by]);
        square.sum() / (by * by) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_sizes_follow_the_values() {
        assert_eq!([-1.0, 0.0, 1.0, 7.0].map(diverging)[1..], [[255; 3], [178, 24, 43], [178, 24, 43]]);
        assert_eq!(diverging(-1.0), [33, 102, 172]);
        let matrix = Array2::from_shape_vec((2, 2), vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let panel = cosine("c".into(), &matrix);
        assert_eq!((panel.size, panel.pixels.len()), ((256, 256), 3 * 256 * 256));
        assert_eq!((&panel.pixels[..3], &panel.pixels[3 * 255..3 * 256]), (&[178, 24, 43][..], &[255; 3][..]));
        // The tap in the centre does not hide the others.
        let panel = kernel("b", 3, &[0.0, 0.5, 0.0, 0.0, 100.0, 0.0, 0.0, -0.5, 0.0]).unwrap();
        let at = |y: usize, x: usize| &panel.pixels[3 * (y * panel.size.0 + x)..][..3];
        assert_eq!((at(0, 128), at(257, 128), at(0, 0)), (&[178, 24, 43][..], &[33, 102, 172][..], &[255; 3][..]));
        assert!(kernel("b", 3, &[0.0; 8]).is_none());
    }

    #[test]
    fn tiles_stand_side_by_side() {
        let maps = Array3::from_shape_fn((2, 2, 3), |(c, y, x)| (c * 100 + y * 3 + x) as f32);
        let panel = tiles("t".into(), maps.view());
        assert_eq!(panel.size, (8, 2));
        assert_eq!(panel.pixels[..8], [0, 51, 102, 255, 255, 0, 51, 102]);
        let small = smaller(Array3::from_shape_fn((1, 4, 400), |(_, y, x)| (y * 400 + x) as f32).view());
        assert_eq!(small.dim(), (1, 1, 133));
        assert_eq!(small[(0, 0, 0)], 401.0);
    }

    #[test]
    fn influence_is_shown_by_its_logarithm() {
        let values = Array2::from_shape_vec((1, 4), vec![10.0, 0.1, 1e-9, 0.0]).unwrap();
        let panel = influence("i".into(), values.view());
        assert_eq!(panel.size, (256, 64));
        assert_eq!([0, 64, 128, 255].map(|x| panel.pixels[x]), [255, 153, 0, 0]);
        let wide = Array2::from_shape_fn((100, 200), |(y, x)| (y * 1000 + x) as f32);
        let (half, part) = middle(&wide, 20.0);
        assert_eq!((half, part.dim(), part[(40, 40)]), (40, (81, 81), 50_100.0));
        assert_eq!(middle(&wide, 70.0).1.dim(), (100, 101));
        assert_eq!(middle(&wide, 0.0).0, 16);
    }
}
