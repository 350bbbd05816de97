//! Memory on cache-line boundaries: the maps of a run, and the working memory of a thread.

use std::cell::RefCell;

/// A cache line of float32.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Float32 that start on a cache line.
#[derive(Default)]
pub(crate) struct Buffer(Vec<Line>);

impl Buffer {
    /// `len` float32, rounded up to whole lines. They are zero, but the pages behind them are not touched before they
    /// are written to.
    pub(crate) fn new(len: usize) -> Self {
        let lines = len.div_ceil(16);
        let layout = std::alloc::Layout::array::<Line>(lines).ok().filter(|l| l.size() > 0);
        let Some(layout) = layout else { return Self::default() };
        // SAFETY: the layout is that of `lines` lines and not empty; zeros are a valid `Line`; a null pointer is
        // reported the way every failed allocation is.
        unsafe {
            let start = std::alloc::alloc_zeroed(layout).cast::<Line>();
            if start.is_null() {
                std::alloc::handle_alloc_error(layout);
            }
            Self(Vec::from_raw_parts(start, lines, lines))
        }
    }

    /// Float32 that it holds.
    pub(crate) fn len(&self) -> usize {
        self.0.len() * 16
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: lines are arrays of float32 without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.len()) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.len()) }
    }
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
