//! `kernel.cu`'s arguments, and which of its kernels a GPU has the shared memory for.

use std::ffi::{CStr, c_void};

use crate::Error;
use crate::cuda::{Launch, Limits, countable, grid_depth};

/// `GatedArguments` of `kernel.cu`.
#[repr(C)]
pub(crate) struct Arguments {
    pub(crate) input: *const c_void,
    pub(crate) norm_weight: *const c_void,
    pub(crate) norm_bias: *const c_void,
    pub(crate) expand: *const c_void,
    pub(crate) expand_bias: *const c_void,
    pub(crate) local: *const c_void,
    pub(crate) local_bias: *const c_void,
    pub(crate) project: *const c_void,
    pub(crate) project_bias: *const c_void,
    pub(crate) output: *mut c_void,
    pub(crate) batch: i32,
    pub(crate) channels: i32,
    pub(crate) hidden: i32,
    pub(crate) height: i32,
    pub(crate) width: i32,
}

/// Which half of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// Split-multiply attention.
    Mixer,
    /// Feed-forward, with GELU.
    Feed,
}

const COLUMNS: usize = 16;
/// The most channels for which a block's threads (four a channel) find registers.
const MOST_CHANNELS: usize = 128;

/// Bytes of shared memory for a tile of `rows` rows: see the buffers in `kernel.cu`.
fn shared(channels: usize, rows: usize) -> usize {
    let part = channels / 4;
    let bordered = (COLUMNS + 2) * (rows + 2);
    let stride = (bordered + 15) / 32 * 32 + 16;
    let maps = channels * bordered + 2 * part * stride + part * COLUMNS * rows;
    let weights = 3 * part * channels + 2 * part * (9 + 2);
    4 * (maps + weights)
}

/// The launch for one half over maps `[batch, channels, height, width]`.
///
/// # Errors
/// [`Error::BlockChannels`] for numbers of channels that the kernel does not have, [`Error::SharedMemory`] when the GPU
/// has too little, [`Error::TooLarge`] for a map with more rows or columns than CUDA counts.
pub(crate) fn launch(half: Half, shape: [usize; 4], is_f16: bool, limits: &Limits) -> Result<Launch, Error> {
    let [batch, channels, height, width] = shape;
    if channels == 0 || !channels.is_multiple_of(16) || channels > MOST_CHANNELS {
        return Err(Error::BlockChannels(channels));
    }
    countable(&shape)?;
    // Eight rows have less border for their size than four.
    let (rows, low) = if shared(channels, 8) <= limits.shared as usize { (8, false) } else { (4, true) };
    let needed = shared(channels, rows);
    if needed > limits.shared as usize {
        return Err(Error::SharedMemory { needed, has: limits.shared });
    }
    let kernel: &CStr = match (half, is_f16, low) {
        (Half::Mixer, false, false) => c"gated_mixer_f32_8",
        (Half::Mixer, false, true) => c"gated_mixer_f32_4",
        (Half::Mixer, true, false) => c"gated_mixer_f16_8",
        (Half::Mixer, true, true) => c"gated_mixer_f16_4",
        (Half::Feed, false, false) => c"gated_feed_f32_8",
        (Half::Feed, false, true) => c"gated_feed_f32_4",
        (Half::Feed, true, false) => c"gated_feed_f16_8",
        (Half::Feed, true, true) => c"gated_feed_f16_4",
    };
    let launch = Launch {
        kernel,
        grid: [width.div_ceil(COLUMNS) as u32, height.div_ceil(rows) as u32, grid_depth(batch)],
        block: [4 * channels as u32, 1, 1],
        shared: needed as u32,
    };
    launch.checked(&shape)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::cuda::emulated::{error, in_both_orders, values};
    use crate::gated_block::reference::{Weights, half as exact};

    /// Shared memory of a large GPU, and of one that takes the low tiles.
    const ROOMY: Limits = Limits { shared: 227 << 10, processors: 1 };
    const TIGHT: Limits = Limits { shared: 99 << 10, processors: 1 };

    /// Runs a half on the CPU with threads in both orders, which must not matter. `map` and weights are of type `E` as
    /// the kernel reads them, the result of type `O`.
    fn emulate<I: Copy, E: Copy, O: Copy + PartialEq>(
        half: Half,
        map: &[I],
        shape: [usize; 4],
        weights: &[Vec<E>; 8],
        limits: &Limits,
        zero: O,
    ) -> Vec<O> {
        let [batch, channels, height, width] = shape.map(|n| n as i32);
        let launch = launch(half, shape, size_of::<E>() == 2, limits).unwrap();
        let at = |i: usize| if weights[i].is_empty() { std::ptr::null() } else { weights[i].as_ptr().cast() };
        let arguments = |out| Arguments {
            input: map.as_ptr().cast(),
            norm_weight: at(0),
            norm_bias: at(1),
            expand: at(2),
            expand_bias: at(3),
            local: at(4),
            local_bias: at(5),
            project: at(6),
            project_bias: at(7),
            output: out,
            batch,
            channels,
            hidden: weights[4].len() as i32 / 18,
            height,
            width,
        };
        // SAFETY: the arguments are the kernel's, and the slices are as long as the shape says.
        unsafe { in_both_orders(&launch, map.len(), zero, arguments) }
    }

    /// Weights of a half, in the order of the kernel's arguments.
    fn weights(half: Half, channels: usize, hidden: usize) -> [Vec<f32>; 8] {
        let bias = |seed, count| if half == Half::Mixer { values(count, seed, 0.5) } else { Vec::new() };
        [
            values(channels, 11, 0.5).into_iter().map(|v| 1.0 + v).collect(),
            values(channels, 12, 0.5),
            values(2 * hidden * channels, 13, 2.0 / (channels as f32).sqrt()),
            bias(14, 2 * hidden),
            values(2 * hidden * 9, 15, 0.6),
            bias(16, 2 * hidden),
            values(channels * hidden, 17, 1.0 / (hidden as f32).sqrt()),
            bias(18, channels),
        ]
    }

    fn borrowed(w: &[Vec<f32>; 8]) -> Weights<'_> {
        let [norm_weight, norm_bias, expand, expand_bias, local, local_bias, project, project_bias] =
            w.each_ref().map(Vec::as_slice);
        Weights { norm_weight, norm_bias, expand, expand_bias, local, local_bias, project, project_bias }
    }

    #[test]
    fn both_halves_agree_with_their_definition() {
        let shapes = [
            (16, 1, 1, 1),
            (16, 2, 9, 5),
            (32, 1, 8, 16),
            (32, 2, 19, 37),
            (48, 1, 7, 33),
            (64, 1, 17, 18),
            (96, 1, 9, 17),
            (128, 1, 5, 20),
        ];
        for (channels, batch, height, width) in shapes {
            let shape = [batch, channels, height, width];
            let map = values(shape.iter().product(), 21, 1.5);
            for (half, hidden) in [(Half::Mixer, channels), (Half::Feed, 3 * channels)] {
                let weights = weights(half, channels, hidden);
                let wanted = exact(&map, shape, &borrowed(&weights), half == Half::Feed);
                let change = map.iter().zip(&wanted).map(|(m, w)| (f64::from(*m) - w).abs()).fold(0.0, f64::max);
                assert!(change > 0.02, "the half must do something: {change}");
                for limits in [ROOMY, TIGHT] {
                    if channels == 128 && limits == TIGHT {
                        assert!(matches!(launch(half, shape, false, &limits), Err(Error::SharedMemory { .. })));
                        continue;
                    }
                    let got = emulate(half, &map, shape, &weights, &limits, 0.0f32);
                    let error = error(&got, &wanted);
                    assert!(error < 2e-6, "{half:?} {shape:?} {limits:?}: {error:e}");
                }
            }
        }
    }

    #[test]
    fn hidden_channels_need_not_fill_the_last_part() {
        let (shape, hidden) = ([1, 32, 11, 21], 43);
        let map = values(shape.iter().product(), 22, 1.0);
        for half in [Half::Mixer, Half::Feed] {
            let weights = weights(half, 32, hidden);
            let wanted = exact(&map, shape, &borrowed(&weights), half == Half::Feed);
            let error = error(&emulate(half, &map, shape, &weights, &ROOMY, 0.0f32), &wanted);
            assert!(error < 2e-6, "{half:?}: {error:e}");
        }
    }

    #[test]
    fn halves_are_summed_in_single_precision() {
        let to_half = |v: &[f32]| v.iter().map(|v| f16::from_f32(*v)).collect::<Vec<_>>();
        let to_single = |v: &[f16]| v.iter().map(|v| v.to_f32()).collect::<Vec<_>>();
        for (channels, limits) in [(32, ROOMY), (96, TIGHT)] {
            let shape = [1, channels, 10, 19];
            let map = values(shape.iter().product(), 23, 1.0);
            let mixer = weights(Half::Mixer, channels, channels).map(|v| to_half(&v));
            let rounded = to_half(&map);
            let wanted = exact(&to_single(&rounded), shape, &borrowed(&mixer.each_ref().map(|v| to_single(v))), false);
            let got = emulate(Half::Mixer, &rounded, shape, &mixer, &limits, 0.0f32);
            assert!(error(&got, &wanted) < 2e-6, "the map between the halves is not rounded");

            let feed = weights(Half::Feed, channels, 3 * channels).map(|v| to_half(&v));
            let wanted = exact(&map, shape, &borrowed(&feed.each_ref().map(|v| to_single(v))), true);
            let got = emulate(Half::Feed, &map, shape, &feed, &limits, f16::ZERO);
            let error = error(&to_single(&got), &wanted);
            assert!(error < 5e-4, "{channels}: {error:e}");
        }
    }

    #[test]
    fn the_networks_widths_fit_gpus_of_their_time() {
        // Ampere and later for the consumer: 99 KiB; the T and S networks on Turing: 64 KiB.
        for (channels, limit) in [(32, 48 << 10), (64, 64 << 10), (48, 99 << 10), (96, 99 << 10)] {
            let limits = Limits { shared: limit, processors: 1 };
            for half in [Half::Mixer, Half::Feed] {
                let launch = launch(half, [1, channels, 64, 64], false, &limits).unwrap();
                assert!(launch.shared <= limit, "{channels}: {}", launch.shared);
            }
        }
    }

    #[test]
    fn other_channels_are_refused() {
        for channels in [0, 8, 24, 144] {
            let refused = launch(Half::Mixer, [1, channels, 8, 8], false, &ROOMY);
            assert!(matches!(refused, Err(Error::BlockChannels(_))), "{channels}");
        }
    }
}
