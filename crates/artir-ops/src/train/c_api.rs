//! The C interface of training, in `libartir_ops`.
//!
//! ```c
//! // Version of this interface: 2. Ask first, and use nothing else of a library with another one.
//! uint32_t artir_train_version(void);
//!
//! // A network for training, or NULL if its widths do not fit or the processor lacks the instructions.
//! // depths: blocks at levels 1, 2, 3 and in refinement; kernels: sides of the large kernels, smallest first.
//! // products: 0 the best there is, 1 bf16 without tiles, 2 f32, 3 f32 on AVX2, 4 f32 without special instructions.
//! void *artir_train_new(const uint64_t depths[4], uint64_t width, uint64_t channels,
//!                       const uint64_t *kernels, uint64_t kernel_count, uint32_t products);
//! void artir_train_free(void *network);
//!
//! // Numbers in the flat list of parameters, in the order of ArtIR.parameters().
//! uint64_t artir_train_parameters(const void *network);
//!
//! // How it multiplies, in words: a string that lives as long as the library.
//! const char *artir_train_products(const void *network);
//!
//! // Multiply-adds a second that so many threads reach with the network's vector instructions and nothing else,
//! // measured for about 0.1 s. Tiles are not counted.
//! double artir_train_peak(const void *network, uint64_t threads);
//!
//! // y = network(x), both [batch, channels, rows, columns], float32; keep: whether backward follows.
//! // Returns 0, or a number above 0 if something does not fit; y is then unspecified.
//! int32_t artir_train_forward(void *network, const float *parameters, const float *x, float *y, uint64_t batch,
//!                             uint64_t rows, uint64_t columns, uint64_t threads, uint32_t keep);
//!
//! // Gradients of all parameters, and of x unless dx is NULL, from that of y. Once for each forward.
//! int32_t artir_train_backward(void *network, const float *dy, float *gradients, float *dx, uint64_t batch,
//!                              uint64_t rows, uint64_t columns, uint64_t threads);
//! ```
//!
//! A network may be used by one thread at a time.

#![allow(unsafe_code, reason = "a C interface")]

use std::ffi::{CString, c_char, c_void};
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::time::Duration;

use super::{Products, Trainer};
use crate::instructions::Instructions;
use crate::network::Architecture;

/// See `artir_train_version` above.
const VERSION: u32 = 2;

struct Handle {
    trainer: Trainer,
    products: CString,
    channels: usize,
}

#[unsafe(no_mangle)]
extern "C" fn artir_train_version() -> u32 {
    VERSION
}

fn products(number: u32) -> Option<Products> {
    Some(match number {
        0 => Products::Best,
        1 => Products::Pairs,
        2 => Products::Exact(Instructions::available()[0]),
        #[cfg(target_arch = "x86_64")]
        3 => Products::Exact(Instructions::Avx2),
        4 => Products::Exact(Instructions::Portable),
        _ => return None,
    })
}

/// # Safety
/// The lists have the lengths that the header says.
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_new(
    depths: *const u64,
    width: u64,
    channels: u64,
    kernels: *const u64,
    kernel_count: u64,
    by: u32,
) -> *mut c_void {
    // SAFETY: passed on to the caller.
    let (depths, kernels) = unsafe { (from_raw_parts(depths, 4), from_raw_parts(kernels, kernel_count as usize)) };
    let of = Architecture {
        depths: std::array::from_fn(|i| depths[i] as usize),
        width: width as usize,
        image_channels: channels as usize,
        kernel_sizes: kernels.iter().map(|&k| k as usize).collect(),
    };
    let made = products(by).and_then(|by| Trainer::new(of, by).ok());
    let Some(trainer) = made else { return std::ptr::null_mut() };
    let products = CString::new(trainer.products()).unwrap_or_default();
    Box::into_raw(Box::new(Handle { trainer, products, channels: channels as usize })).cast()
}

/// # Safety
/// `network` comes from `artir_train_new` and is not used again.
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_free(network: *mut c_void) {
    if !network.is_null() {
        // SAFETY: passed on to the caller.
        drop(unsafe { Box::from_raw(network.cast::<Handle>()) });
    }
}

/// # Safety
/// `network` comes from `artir_train_new`.
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_parameters(network: *const c_void) -> u64 {
    // SAFETY: passed on to the caller.
    unsafe { &*network.cast::<Handle>() }.trainer.parameters() as u64
}

/// # Safety
/// `network` comes from `artir_train_new`.
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_products(network: *const c_void) -> *const c_char {
    // SAFETY: passed on to the caller.
    unsafe { &*network.cast::<Handle>() }.products.as_ptr()
}

/// # Safety
/// `network` comes from `artir_train_new`.
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_peak(network: *const c_void, threads: u64) -> f64 {
    // SAFETY: passed on to the caller.
    unsafe { &*network.cast::<Handle>() }.trainer.peak(threads as usize, Duration::from_millis(100))
}

/// # Safety
/// `network` comes from `artir_train_new`, and the lists have the lengths that the header says.
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_forward(
    network: *mut c_void,
    parameters: *const f32,
    x: *const f32,
    y: *mut f32,
    batch: u64,
    rows: u64,
    columns: u64,
    threads: u64,
    keep: u32,
) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe {
        let Handle { trainer, channels, .. } = &mut *network.cast::<Handle>();
        let shape = [batch as usize, *channels, rows as usize, columns as usize];
        let len = shape.iter().product();
        let parameters = from_raw_parts(parameters, trainer.parameters());
        let (x, y) = (from_raw_parts(x, len), from_raw_parts_mut(y, len));
        i32::from(trainer.forward(parameters, x, y, shape, threads as usize, keep != 0).is_err())
    }
}

/// # Safety
/// As for [`artir_train_forward`].
#[unsafe(no_mangle)]
unsafe extern "C" fn artir_train_backward(
    network: *mut c_void,
    dy: *const f32,
    gradients: *mut f32,
    dx: *mut f32,
    batch: u64,
    rows: u64,
    columns: u64,
    threads: u64,
) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe {
        let Handle { trainer, channels, .. } = &mut *network.cast::<Handle>();
        let len = batch as usize * *channels * rows as usize * columns as usize;
        let gradients = from_raw_parts_mut(gradients, trainer.parameters());
        let dx = (!dx.is_null()).then(|| from_raw_parts_mut(dx, len));
        i32::from(trainer.backward(from_raw_parts(dy, len), gradients, dx, threads as usize).is_err())
    }
}
