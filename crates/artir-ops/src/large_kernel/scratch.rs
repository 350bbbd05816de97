//! Working memory of one thread.

use std::cell::RefCell;

use rustfft::num_complex::Complex32;

/// Buffers that grow to the size of the largest block (a few MB at most, see `plan`) and live as long as their
/// thread, so that a run allocates nothing.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Two complex frames, see `fft`.
    pub(crate) columns: Vec<Complex32>,
    pub(crate) rows: Vec<Complex32>,
    /// Scratch memory of the transforms.
    pub(crate) transform: Vec<Complex32>,
    /// A padded copy of a block's input, see `direct`.
    pub(crate) patch: Vec<f32>,
    /// A line or two of results before they are rounded.
    pub(crate) line: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends this thread's buffers to `work`, which must not call this again.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

/// The first `len` elements, grown as needed; their contents are left over from earlier use.
pub(crate) fn lend<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}
