//! The large kernel on a GPU: `kernel.cu`'s arguments, and how many blocks of which kind make a map.

use std::ffi::{CStr, c_void};

use super::Shape;
use crate::Error;
use crate::cuda::{Launch, Limits, countable, grid_depth};

/// `LargeKernelArguments` of `kernel.cu`.
#[repr(C)]
pub(crate) struct Arguments {
    pub(crate) map: *const c_void,
    pub(crate) scale: *const c_void,
    pub(crate) add: *const c_void,
    pub(crate) out: *mut c_void,
    pub(crate) batch: i32,
    pub(crate) height: i32,
    pub(crate) width: i32,
    pub(crate) size: i32,
}

const LANES: usize = 32;
const WARPS: usize = 4;
const CHUNK: usize = 16;

/// The launch for maps of this shape and a kernel of `size` taps a side.
///
/// # Errors
/// [`Error::TooLarge`] for a map with more rows or columns than CUDA counts.
pub(crate) fn launch(shape: Shape, size: usize, half: bool, limits: &Limits) -> Result<Launch, Error> {
    let sizes = [shape.batch, shape.height, shape.width];
    countable(&sizes)?;
    let columns = shape.width.div_ceil(LANES);
    let blocks = |rows: usize| columns * shape.height.div_ceil(WARPS * rows);
    // Tall tiles do the most work for each read; short ones keep every multiprocessor busy when there are few tiles.
    let few = (blocks(8) * shape.batch) < 2 * limits.processors as usize;
    let (rows, kernel): (usize, &CStr) = match (few, half) {
        (false, false) => (8, c"large_kernel_f32_8"),
        (true, false) => (2, c"large_kernel_f32_2"),
        (false, true) => (8, c"large_kernel_f16_8"),
        (true, true) => (2, c"large_kernel_f16_2"),
    };
    let chunk = CHUNK.min(size);
    let tile = (WARPS * rows + chunk - 1) * (LANES + size - 1);
    let launch = Launch {
        kernel,
        grid: [columns as u32, shape.height.div_ceil(WARPS * rows) as u32, grid_depth(shape.batch)],
        block: [LANES as u32, WARPS as u32, 1],
        shared: (4 * (tile + 2 * CHUNK * size)) as u32,
    };
    launch.checked(&sizes)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::cuda::emulated::{Emulated, Order, error, in_both_orders, values};
    use crate::large_kernel::{Element, Taps, reference};

    const LARGE: Limits = Limits { shared: 48 << 10, processors: 1 };
    const SMALL: Limits = Limits { shared: 48 << 10, processors: 10_000 };

    /// The kernel on the CPU, with threads in both orders, which must not matter.
    fn emulate<E: Element + PartialEq + std::fmt::Debug>(
        map: &[E],
        shape: Shape,
        size: usize,
        taps: [&[E]; 2],
        limits: &Limits,
        zero: E,
    ) -> Vec<E> {
        let half = size_of::<E>() == 2;
        let launch = launch(shape, size, half, limits).unwrap();
        let arguments = |out| Arguments {
            map: map.as_ptr().cast(),
            scale: taps[0].as_ptr().cast(),
            add: if taps[1].is_empty() { std::ptr::null() } else { taps[1].as_ptr().cast() },
            out,
            batch: shape.batch as i32,
            height: shape.height as i32,
            width: shape.width as i32,
            size: size as i32,
        };
        // SAFETY: the arguments are the kernel's, and the slices are as long as the shape says.
        unsafe { in_both_orders(&launch, map.len(), zero, arguments) }
    }

    fn exact(map: &[f32], shape: Shape, taps: &Taps) -> Vec<f64> {
        map.chunks(shape.height * shape.width).flat_map(|map| reference(map, shape.height, shape.width, taps)).collect()
    }

    #[test]
    fn odd_sizes_and_shapes_agree_with_the_definition() {
        let shapes = [(1, 1, 1, 1), (3, 2, 5, 7), (7, 1, 33, 31), (15, 3, 40, 65), (17, 1, 70, 33), (31, 1, 35, 41)];
        let larger = [(33, 1, 9, 100), (63, 2, 34, 66), (63, 1, 20, 3), (127, 1, 50, 45)];
        for (size, batch, height, width) in shapes.into_iter().chain(larger) {
            let shape = Shape { batch, height, width };
            let map = values(batch * height * width, 1, 1.0);
            let scale = values(size * size, 2, 2.0 / (size * size) as f32);
            for add in [Vec::new(), values(size * size, 3, 2.0 / (size * size) as f32)] {
                let bias = (!add.is_empty()).then(|| add.clone());
                let taps = Taps::new(size as i64, scale.clone(), bias).unwrap();
                let wanted = exact(&map, shape, &taps);
                for limits in [LARGE, SMALL] {
                    let got = emulate(&map, shape, size, [&scale, &add], &limits, 0.0);
                    let error = error(&got, &wanted);
                    assert!(error < 3e-6, "K {size}, {shape:?}, {} taps to add: {error:e}", add.len());
                }
            }
        }
    }

    #[test]
    fn halves_are_summed_in_single_precision() {
        for (size, shape) in
            [(15, Shape { batch: 2, height: 37, width: 50 }), (63, Shape { batch: 1, height: 40, width: 33 })]
        {
            let to_half = |v: Vec<f32>| v.into_iter().map(f16::from_f32).collect::<Vec<_>>();
            let to_single = |v: &[f16]| v.iter().map(|v| v.to_f32()).collect::<Vec<_>>();
            let map = to_half(values(shape.batch * shape.height * shape.width, 4, 1.0));
            let taps = [5, 6].map(|seed| to_half(values(size * size, seed, 2.0 / (size * size) as f32)));
            let known = Taps::new(size as i64, to_single(&taps[0]), Some(to_single(&taps[1]))).unwrap();
            let wanted = exact(&to_single(&map), shape, &known);
            for limits in [LARGE, SMALL] {
                let got = emulate(&map, shape, size, [&taps[0], &taps[1]], &limits, f16::ZERO);
                let error = error(&to_single(&got), &wanted);
                assert!(error < 5e-4, "K {size}: {error:e}");
            }
        }
    }

    #[test]
    fn a_nan_reaches_its_neighbours_and_nothing_else() {
        let (size, shape) = (17, Shape { batch: 1, height: 60, width: 70 });
        let mut map = values(60 * 70, 7, 1.0);
        map[30 * 70 + 35] = f32::NAN;
        let taps = [values(size * size, 8, 0.01), values(size * size, 9, 0.01)];
        let got = emulate_bits(&map, shape, size, &taps);
        for (i, value) in got.iter().enumerate() {
            let (y, x) = (i / 70, i % 70);
            let near = y.abs_diff(30) <= size / 2 && x.abs_diff(35) <= size / 2;
            assert_eq!(value.is_nan(), near, "{y}, {x}");
        }
    }

    /// NaNs are not equal to themselves, so that this one compares nothing.
    fn emulate_bits(map: &[f32], shape: Shape, size: usize, taps: &[Vec<f32>; 2]) -> Vec<f32> {
        let mut out = vec![0.0f32; map.len()];
        let arguments = Arguments {
            map: map.as_ptr().cast(),
            scale: taps[0].as_ptr().cast(),
            add: taps[1].as_ptr().cast(),
            out: out.as_mut_ptr().cast(),
            batch: shape.batch as i32,
            height: shape.height as i32,
            width: shape.width as i32,
            size: size as i32,
        };
        let launch = launch(shape, size, false, &LARGE).unwrap();
        // SAFETY: the arguments are the kernel's, and the slices are as long as the shape says.
        unsafe { Emulated::run(&launch, std::ptr::from_ref(&arguments).cast(), Order::Forwards).unwrap() };
        out
    }

    #[test]
    fn any_size_fits_the_memory_that_every_gpu_has() {
        for size in (1..=127).step_by(2) {
            for limits in [LARGE, SMALL] {
                let launch = launch(Shape { batch: 1, height: 64, width: 64 }, size, false, &limits).unwrap();
                assert!(launch.shared <= 48 << 10, "K {size}: {}", launch.shared);
            }
        }
    }

    #[test]
    fn maps_beyond_what_cuda_counts_are_refused() {
        let tall = Shape { batch: 1, height: 1 << 24, width: 1 };
        assert!(matches!(launch(tall, 3, false, &LARGE), Err(Error::TooLarge(_))));
        let many = launch(Shape { batch: 100_000, height: 8, width: 8 }, 3, false, &LARGE).unwrap();
        assert_eq!(many.grid[2], 65_535);
    }
}
