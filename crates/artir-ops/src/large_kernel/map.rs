//! Views of a batch of maps: one shared for reading, one written in disjoint pieces by several threads.

use std::marker::PhantomData;
use std::ops::Range;

use super::Element;
use crate::Error;

/// Size of a batch of one-channel maps, row-major `[batch, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Maps in the batch.
    pub batch: usize,
    /// Rows of a map.
    pub height: usize,
    /// Columns of a map.
    pub width: usize,
}

impl Shape {
    /// Elements in all, or `None` when that number overflows.
    pub fn count(&self) -> Option<usize> {
        self.batch.checked_mul(self.height)?.checked_mul(self.width)
    }

    pub(crate) fn check(&self, elements: usize) -> Result<(), Error> {
        let shape = [self.batch, self.height, self.width];
        match self.count() {
            Some(want) if want == elements => Ok(()),
            Some(want) => Err(Error::BufferLength { got: elements, want, shape }),
            None => Err(Error::TooLarge(shape.map(|n| i64::try_from(n).unwrap_or(i64::MAX)).to_vec())),
        }
    }
}

/// A rectangle of one map, in pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) map: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// The input. The constructor's check makes every row lie inside the buffer.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, E> {
    data: &'a [E],
    pub(crate) shape: Shape,
}

impl<'a, E: Element> Input<'a, E> {
    pub(crate) fn new(data: &'a [E], shape: Shape) -> Result<Self, Error> {
        shape.check(data.len())?;
        Ok(Self { data, shape })
    }

    /// Columns of one row.
    pub(crate) fn row(&self, map: usize, y: usize, columns: Range<usize>) -> &'a [E] {
        let start = (map * self.shape.height + y) * self.shape.width;
        &self.data[start + columns.start..start + columns.end]
    }

    /// Widens the map's columns `origin..origin + to.len()` of row `y` into `to`; zeros where they lie outside.
    pub(crate) fn padded_row(&self, map: usize, y: isize, origin: isize, to: &mut [f32]) {
        let inside = usize::try_from(y).ok().filter(|&y| y < self.shape.height);
        let start = origin.clamp(0, self.shape.width as isize);
        let end = (origin + to.len() as isize).clamp(start, self.shape.width as isize);
        let Some(y) = inside.filter(|_| start < end) else {
            to.fill(0.0);
            return;
        };
        let (left, right) = ((start - origin) as usize, (end - origin) as usize);
        to[..left].fill(0.0);
        E::widen(self.row(map, y, start as usize..end as usize), &mut to[left..right]);
        to[right..].fill(0.0);
    }
}

/// The output, written in rectangles that do not overlap.
pub(crate) struct Output<'a, E> {
    data: *mut E,
    shape: Shape,
    borrow: PhantomData<&'a mut [E]>,
}

// SAFETY: the only access is `write`, whose callers promise that no two threads write the same pixels.
unsafe impl<E: Element> Sync for Output<'_, E> {}

impl<'a, E: Element> Output<'a, E> {
    pub(crate) fn new(data: &'a mut [E], shape: Shape) -> Result<Self, Error> {
        shape.check(data.len())?;
        Ok(Self { data: data.as_mut_ptr(), shape, borrow: PhantomData })
    }

    /// Rounds `values` into row `y` of a map, from column `x` on.
    ///
    /// # Safety
    /// No other thread may touch these pixels during the call: jobs that run together own disjoint [`Block`]s.
    ///
    /// # Panics
    /// When the pixels lie outside the map.
    pub(crate) unsafe fn write(&self, map: usize, y: usize, x: usize, values: &[f32]) {
        let Shape { batch, height, width } = self.shape;
        assert!(map < batch && y < height && x <= width && values.len() <= width - x, "pixels outside the map");
        let start = (map * height + y) * width + x;
        // SAFETY: the assertion keeps the range inside the buffer that `new` checked, the lifetime keeps the buffer
        // borrowed, and the caller promises that nobody else touches it meanwhile.
        let to = unsafe { std::slice::from_raw_parts_mut(self.data.add(start), values.len()) };
        E::narrow(values, to);
    }
}
