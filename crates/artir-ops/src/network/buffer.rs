//! Memory on cache-line boundaries: the maps of a run, and the working memory of a thread.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// A cache line.
#[repr(align(64))]
struct Line;

/// Bytes of a cache line.
const LINE: usize = align_of::<Line>();
/// Bytes of a large page, where there are any.
const LARGE_PAGE: usize = 2 << 20;

/// Float32 that start on a cache line, those that fill a large page on one.
pub(crate) struct Buffer {
    start: NonNull<f32>,
    /// Float32, a multiple of a line's.
    len: usize,
    /// What was allocated; the buffer starts somewhere in it. None for an empty buffer.
    allocated: Option<(NonNull<u8>, Layout)>,
}

// SAFETY: the memory is this buffer's alone, and is written to through `&mut` or by those who promise to share it.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Default for Buffer {
    fn default() -> Self {
        Self { start: NonNull::<Line>::dangling().cast(), len: 0, allocated: None }
    }
}

impl Buffer {
    /// `len` float32, rounded up to whole lines. They are zero, but fresh pages of the system are not touched before they
    /// are written to, so that they lie near the processor that first does so.
    ///
    /// # Panics
    /// For more bytes than an address has, as a `Vec`.
    pub(crate) fn new(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        let lines = len.div_ceil(LINE / size_of::<f32>());
        let bytes = lines.saturating_mul(LINE);
        let align = if bytes >= LARGE_PAGE { LARGE_PAGE } else { LINE };
        // Zeroed memory of a larger alignment would be written to here, by this thread.
        let layout =
            Layout::array::<u8>(bytes.saturating_add(align)).unwrap_or_else(|_| panic!("{len} float32 are too many"));
        // SAFETY: the layout is not empty; a null pointer is reported the way every failed allocation is.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        let skipped = base.as_ptr().align_offset(align);
        // SAFETY: fewer than `align` bytes are skipped, by which the allocation is larger than the buffer.
        let start = unsafe { base.add(skipped) }.cast::<f32>();
        if align == LARGE_PAGE {
            prefer_large_pages(start.as_ptr().cast(), bytes);
        }
        Self { start, len: bytes / size_of::<f32>(), allocated: Some((base, layout)) }
    }

    /// Float32 that it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.start.as_ptr()
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: `len` float32 stand there, zeros at first.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some((base, layout)) = self.allocated {
            // SAFETY: this is what was allocated, and nobody else frees it.
            unsafe { dealloc(base.as_ptr(), layout) };
        }
    }
}

/// Asks the system for the large pages that lie wholly in a range, without which rows of a map cost a walk through the page tables each. Systems may
/// refuse: nothing depends on it.
fn prefer_large_pages(start: *mut std::ffi::c_void, bytes: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the range lies in one allocation, and the advice changes no contents.
    let _ = unsafe { rustix::mm::madvise(start, bytes, rustix::mm::Advice::LinuxHugepage) };
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

impl From<&[f32]> for Buffer {
    fn from(values: &[f32]) -> Self {
        let mut buffer = Self::new(values.len());
        buffer.as_mut_slice()[..values.len()].copy_from_slice(values);
        buffer
    }
}

thread_local! {
    static SCRATCH: RefCell<Buffer> = RefCell::default();
}

/// Lends `len` float32 of this thread to `work`, which must not call this again; their contents are left over from
/// earlier use.
pub(crate) fn with_scratch<T>(len: usize, work: impl FnOnce(&mut Cutter) -> T) -> T {
    SCRATCH.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            *buffer = Buffer::new(len);
        }
        let mut cutter = Cutter { next: buffer.as_mut_ptr(), left: buffer.len() };
        work(&mut cutter)
    })
}

/// Cuts a piece of memory up.
pub(crate) struct Cutter {
    next: *mut f32,
    left: usize,
}

impl Cutter {
    /// The next `len` float32, on a cache line.
    ///
    /// # Panics
    /// When less is left: a fault in the caller's sum.
    pub(crate) fn cut(&mut self, len: usize) -> *mut f32 {
        let len = len.next_multiple_of(16);
        assert!(len <= self.left, "scratch is {} short", len - self.left);
        let piece = self.next;
        self.left -= len;
        // SAFETY: `len` is within what is left.
        self.next = unsafe { self.next.add(len) };
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zeros_on_their_boundaries() {
        for (len, align) in [(1, LINE), (1000, LINE), (LARGE_PAGE / 4, LARGE_PAGE), (3_000_001, LARGE_PAGE)] {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.len(), len.next_multiple_of(LINE / 4));
            assert!(buffer.as_mut_ptr().addr().is_multiple_of(align), "{len}");
            assert!(buffer.as_slice().iter().all(|v| *v == 0.0));
            buffer.as_mut_slice().fill(1.0);
        }
        let empty = Buffer::new(0);
        assert_eq!((empty.len(), empty.as_slice()), (0, [].as_slice()));
    }
}
