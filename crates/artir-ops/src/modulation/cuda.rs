//! `kernel.cu`'s arguments and how many of its blocks make a map.

use std::ffi::{CStr, c_void};

use crate::Error;
use crate::cuda::{Launch, countable, grid_depth};

/// `ModulationArguments` of `kernel.cu`.
#[repr(C)]
pub(crate) struct Arguments {
    map: *const c_void,
    spatial: *const c_void,
    weigh: *const c_void,
    segment: *const c_void,
    local: *const c_void,
    local_bias: *const c_void,
    refine: *const c_void,
    refine_bias: *const c_void,
    out: *mut c_void,
    batch: i32,
    channels: i32,
    height: i32,
    width: i32,
}

impl Arguments {
    /// Where the inputs' values stand, in the operator's order, the last two null without a refining convolution; and the shape
    /// `[batch, channels, height, width]`, which [`launch`] has accepted.
    pub(crate) fn new(inputs: [*const c_void; 8], out: *mut c_void, shape: [usize; 4]) -> Self {
        let [map, spatial, weigh, segment, local, local_bias, refine, refine_bias] = inputs;
        let [batch, channels, height, width] = shape.map(|n| n as i32);
        Self {
            map,
            spatial,
            weigh,
            segment,
            local,
            local_bias,
            refine,
            refine_bias,
            out,
            batch,
            channels,
            height,
            width,
        }
    }
}

const LANES: usize = 32;
const WARPS: usize = 4;
const ROWS: usize = 4;
/// Taps of the refining convolution, to a side.
const SIDE: usize = 7;

/// The launch over maps `[batch, channels, height, width]`.
///
/// # Errors
/// [`Error::TooLarge`] for a map with more rows or columns than CUDA counts.
pub(crate) fn launch(refined: bool, shape: [usize; 4], is_f16: bool) -> Result<Launch, Error> {
    let [batch, channels, height, width] = shape;
    countable(&shape)?;
    let kernel: &CStr = match (refined, is_f16) {
        (false, false) => c"modulation_f32",
        (false, true) => c"modulation_f16",
        (true, false) => c"modulation_f32_refined",
        (true, true) => c"modulation_f16_refined",
    };
    let border = if refined { SIDE - 1 } else { 0 };
    let (wide, high) = (LANES + border, WARPS * ROWS + border);
    let segment = (wide + 2) * (high + 2);
    let rest = if refined { wide * high + 2 * SIDE * SIDE } else { 0 };
    let launch = Launch {
        kernel,
        grid: [
            width.div_ceil(LANES) as u32,
            height.div_ceil(WARPS * ROWS) as u32,
            grid_depth(batch.saturating_mul(channels)),
        ],
        block: [LANES as u32, WARPS as u32, 1],
        shared: (4 * (segment + rest)) as u32,
    };
    launch.checked(&shape)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::cuda::emulated::{error, in_both_orders, values};

    /// X, Xs, Wc, F, local and its bias, refine and its bias.
    type Inputs<E> = [Vec<E>; 8];

    fn inputs([batch, channels, height, width]: [usize; 4]) -> Inputs<f32> {
        let (area, planes) = (height * width, batch * channels);
        let counts =
            [planes * area, batch * area, planes, planes * area, 9 * channels, channels, 98 * channels, 2 * channels];
        std::array::from_fn(|i| values(counts[i], 31 + i as u64, [1.5, 1.0, 2.0, 1.0, 0.5, 0.5, 0.3, 0.5][i]))
    }

    /// The definition, in float64.
    fn exact(i: &Inputs<f32>, shape: [usize; 4], refined: bool) -> Vec<f64> {
        let [batch, channels, height, width] = shape;
        let area = height * width;
        // A convolution of one map with its own taps, zeros around.
        let convolved = |map: &[f64], taps: &[f32], side: usize, bias: f32| -> Vec<f64> {
            let radius = side / 2;
            let at = |pixel: usize| {
                let (y, x) = (pixel / width, pixel % width);
                let mut sum = f64::from(bias);
                for (t, tap) in taps.iter().enumerate() {
                    let (row, column) = (y + t / side, x + t % side);
                    if (radius..radius + height).contains(&row) && (radius..radius + width).contains(&column) {
                        sum += f64::from(*tap) * map[(row - radius) * width + column - radius];
                    }
                }
                sum
            };
            (0..area).map(at).collect()
        };
        let mut out = Vec::new();
        for plane in 0..batch * channels {
            let (image, c) = (plane / channels, plane % channels);
            let wide =
                |v: &[f32], from: usize| v[from * area..][..area].iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let (map, spatial, segment) = (wide(&i[0], plane), wide(&i[1], image), wide(&i[3], plane));
            let local = convolved(&segment, &i[4][9 * c..][..9], 3, i[5][c]);
            let m: Vec<f64> = (0..area).map(|p| spatial[p] * map[p] * f64::from(i[2][plane]) * local[p]).collect();
            if refined {
                for copy in [2 * c, 2 * c + 1] {
                    out.extend(convolved(&m, &i[6][49 * copy..][..49], 7, i[7][copy]));
                }
            } else {
                out.extend(m);
            }
        }
        out
    }

    /// The kernel on the CPU, with threads in both orders, which must not matter.
    fn emulate<E: Copy + PartialEq>(i: &Inputs<E>, shape: [usize; 4], refined: bool, zero: E) -> Vec<E> {
        let launch = launch(refined, shape, size_of::<E>() == 2).unwrap();
        let arguments = |out| Arguments::new(i.each_ref().map(|v| v.as_ptr().cast()), out, shape);
        // SAFETY: the arguments are the kernel's, and the slices are as long as the shape says.
        unsafe { in_both_orders(&launch, i[0].len() * if refined { 2 } else { 1 }, zero, arguments) }
    }

    #[test]
    fn odd_shapes_agree_with_the_definition() {
        for shape in [[1, 1, 1, 1], [2, 3, 5, 7], [1, 4, 16, 32], [3, 2, 17, 33], [1, 5, 35, 70], [1, 2, 50, 3]] {
            for refined in [false, true] {
                let inputs = inputs(shape);
                let error = error(&emulate(&inputs, shape, refined, 0.0), &exact(&inputs, shape, refined));
                assert!(error < 1e-6, "{shape:?}, refined {refined}: {error:e}");
            }
        }
    }

    #[test]
    fn halves_are_summed_in_single_precision() {
        let shape = [2, 3, 19, 37];
        let rounded = inputs(shape).map(|v| v.into_iter().map(f16::from_f32).collect::<Vec<_>>());
        let known = rounded.each_ref().map(|v| v.iter().map(|v| v.to_f32()).collect::<Vec<_>>());
        for refined in [false, true] {
            let got: Vec<f32> = emulate(&rounded, shape, refined, f16::ZERO).iter().map(|v| v.to_f32()).collect();
            let error = error(&got, &exact(&known, shape, refined));
            assert!(error < 5e-4, "refined {refined}: {error:e}");
        }
    }

    #[test]
    fn more_planes_than_a_grid_has_go_on_in_its_blocks() {
        assert_eq!(launch(true, [1000, 128, 8, 8], false).unwrap().grid[2], 65_535);
        assert!(matches!(launch(true, [1, 32, 1 << 24, 1], false), Err(Error::TooLarge(_))));
    }
}
