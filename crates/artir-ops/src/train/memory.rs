//! Where maps and working memory lie.

use crate::network::buffer::Buffer;
use crate::network::lanes::UNIT;

/// A map or some of its units, `[row][unit of sixteen channels][column][channel]`.
#[derive(Clone, Copy)]
pub(super) struct Map {
    start: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) units: usize,
    row_stride: usize,
}

impl Map {
    pub(super) fn len(rows: usize, columns: usize, units: usize) -> usize {
        rows * columns * units * UNIT
    }

    /// A map at `start`, which has [`Map::len`] float32.
    pub(super) fn new(start: *mut f32, rows: usize, columns: usize, units: usize) -> Self {
        Self { start, rows, columns, units, row_stride: columns * units * UNIT }
    }

    /// `units` units from `first` on.
    ///
    /// # Safety
    /// They lie in the map.
    pub(super) unsafe fn part(self, first: usize, units: usize) -> Self {
        debug_assert!(first + units <= self.units);
        // SAFETY: passed on to the caller.
        Self { start: unsafe { self.start.add(first * self.columns * UNIT) }, units, ..self }
    }

    /// Float32 from one unit of a row to the next.
    pub(super) fn unit_stride(&self) -> usize {
        self.columns * UNIT
    }

    /// Position of the sixteen channels of a unit at a pixel.
    ///
    /// # Safety
    /// The pixel and the unit lie in the map.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: usize, unit: usize, column: usize) -> *mut f32 {
        debug_assert!(row < self.rows && unit < self.units && column < self.columns);
        // SAFETY: passed on to the caller.
        unsafe { self.start.add(row * self.row_stride + (unit * self.columns + column) * UNIT) }
    }

    /// The units of a row.
    ///
    /// # Safety
    /// The row lies in the map.
    pub(super) unsafe fn row(&self, row: usize) -> Units {
        // SAFETY: passed on to the caller.
        Units { start: unsafe { self.at(row, 0, 0) }, stride: self.unit_stride() }
    }
}

/// Units of a run of pixels: where the first one starts, and float32 to the next one.
#[derive(Clone, Copy)]
pub(super) struct Units {
    pub(super) start: *mut f32,
    pub(super) stride: usize,
}

impl Units {
    /// Position of the sixteen channels of a unit at a pixel.
    ///
    /// # Safety
    /// There is memory for this unit and pixel.
    #[inline(always)]
    pub(super) unsafe fn at(&self, unit: usize, pixel: usize) -> *mut f32 {
        // SAFETY: passed on to the caller.
        unsafe { self.start.add(unit * self.stride + pixel * UNIT) }
    }
}

/// Units in rows of working memory lie an odd number of cache lines apart, so that they do not fall into the same few sets
/// of a cache.
pub(super) fn apart(pixels: usize) -> usize {
    (pixels | 1) * UNIT
}

/// Three rows of a map that flows by, with a column of zeros on either side.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    start: *mut f32,
    units: usize,
    stride: usize,
}

impl Ring {
    /// `padded` columns, beyond which there is room for one more on either side; all zeros.
    pub(super) fn new(scratch: &mut Scratch, units: usize, padded: usize) -> Self {
        let stride = apart(padded + 2);
        Self { start: scratch.zeros(3 * units * stride), units, stride }
    }

    /// Row `row` (-1 and on) from column -1 on.
    #[inline(always)]
    pub(super) fn row(&self, row: isize) -> Units {
        let slot = row.rem_euclid(3) as usize;
        // SAFETY: the slot lies in the ring.
        Units { start: unsafe { self.start.add(slot * self.units * self.stride) }, stride: self.stride }
    }

    /// Makes a row zeros.
    ///
    /// # Safety
    /// Nobody else uses the ring.
    pub(super) unsafe fn clear(&self, row: isize) {
        // SAFETY: a row has that many float32.
        unsafe { self.row(row).start.write_bytes(0, self.units * self.stride) }
    }
}

/// A thread's working memory: pieces that keep their place from one use to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pieces: Vec<Buffer>,
    used: usize,
}

impl Scratch {
    /// All pieces are free again.
    pub(super) fn reset(&mut self) {
        self.used = 0;
    }

    /// `len` float32 with contents left over from earlier use.
    pub(super) fn cut(&mut self, len: usize) -> *mut f32 {
        if self.used == self.pieces.len() {
            self.pieces.push(Buffer::default());
        }
        let piece = &mut self.pieces[self.used];
        self.used += 1;
        if piece.len() < len {
            *piece = Buffer::new(len);
        }
        piece.as_mut_ptr()
    }

    pub(super) fn zeros(&mut self, len: usize) -> *mut f32 {
        let piece = self.cut(len);
        // SAFETY: the piece has `len` float32.
        unsafe { piece.write_bytes(0, len) };
        piece
    }
}

/// Buffers that are in no use, by their length, so that a step touches no fresh pages.
#[derive(Default)]
pub(super) struct Pool(Vec<Buffer>);

impl Pool {
    /// A buffer of `len` float32 with any contents.
    pub(super) fn take(&mut self, len: usize) -> Buffer {
        let wanted = len.next_multiple_of(UNIT);
        match self.0.iter().rposition(|b| b.len() == wanted) {
            Some(place) => self.0.swap_remove(place),
            None => Buffer::new(len),
        }
    }

    pub(super) fn give(&mut self, buffer: Buffer) {
        self.0.push(buffer);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The flat list of all parameters' gradients, to which layers add at once: each at its own parameters.
pub(super) struct Gradients {
    start: *mut f32,
    len: usize,
}

// SAFETY: whoever makes one promises that threads add at different places.
unsafe impl Sync for Gradients {}

impl Gradients {
    /// # Safety
    /// `start` has `len` float32 for as long as this lives, and no two threads add at one place.
    pub(super) unsafe fn new(start: *mut f32, len: usize) -> Self {
        Self { start, len }
    }

    pub(super) fn add(&self, at: usize, value: f32) {
        assert!(at < self.len, "a parameter beyond the list");
        // SAFETY: the assertion, and the promise to `new`.
        unsafe { *self.start.add(at) += value }
    }
}
