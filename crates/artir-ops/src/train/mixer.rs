//! The large-kernel mixer with its residual, `y + project(cascade(expand(norm(y))))`, forward and backward.

use super::dense::Dense;
use super::memory::{Gradients, Map, Pool, Scratch};
use super::modulation::{Kept, Step};
use super::rows::Moments;
use super::wide::Wide;
use crate::instructions::Instructions;
use crate::network::buffer::Buffer;
use crate::network::lanes::with_lanes;

/// The convolutions at both ends, and the steps between them.
pub(super) struct Mixer {
    pub(super) expand: Dense,
    pub(super) steps: Vec<Step>,
    pub(super) project: Dense,
    pub(super) by: Instructions,
}

/// Units of the segments into which the widened map falls: the first `z`, and one for each step.
fn segments(steps: &[Step]) -> impl Iterator<Item = usize> {
    steps.first().map(Step::units).into_iter().chain(steps.iter().map(Step::units))
}

impl Mixer {
    /// Reads the parameters anew.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        self.expand.pack(parameters);
        self.steps.iter_mut().for_each(|step| step.pack(parameters));
        self.project.pack(parameters);
    }

    /// Float32 of sums for gradients.
    pub(super) fn sums_len(&self) -> usize {
        self.expand.sums_len() + self.steps.iter().map(Step::sums_len).sum::<usize>() + self.project.sums_len()
    }

    /// Adds the parameters' gradients to `to`.
    pub(super) fn unfold(&self, parameters: &[f32], sums: &[f32], to: &Gradients) {
        let (expand, mut rest) = sums.split_at(self.expand.sums_len());
        self.expand.unfold(parameters, expand, to);
        for step in &self.steps {
            let (own, after) = rest.split_at(step.sums_len());
            step.unfold(own, to);
            rest = after;
        }
        self.project.unfold(parameters, rest, to);
    }

    /// Float32 of each buffer that is kept: the normalised map, the widened one, and for each step its `z` (but for the
    /// first, which is a segment), its local map, its product and its planes.
    fn lengths(&self, rows: usize, columns: usize, units: usize) -> Vec<usize> {
        let map = |units: usize| Map::len(rows, columns, units);
        let mut out = vec![map(units), map(2 * units)];
        for (i, step) in self.steps.iter().enumerate() {
            out.extend((i > 0).then(|| map(step.units())));
            out.extend([map(step.units()), map(step.units()), 3 * rows * columns]);
        }
        out
    }

    /// The maps in the buffers of [`Mixer::lengths`].
    ///
    /// # Safety
    /// The buffers have those lengths.
    unsafe fn lay_out(&self, kept: &mut [Buffer], of: Map) -> (Map, Map, Vec<Kept>) {
        let mut next = kept.iter_mut().map(Buffer::as_mut_ptr);
        let mut take = || next.next().unwrap_or(std::ptr::null_mut());
        let (normal, wide) = (take(), take());
        let wide = Map::new(wide, of.rows, of.columns, 2 * of.units);
        let mut first = 0;
        let mut parts = segments(&self.steps).map(|units| {
            first += units;
            // SAFETY: the segments fill the map.
            unsafe { wide.part(first - units, units) }
        });
        let begin = parts.next();
        let mut steps: Vec<Kept> = Vec::with_capacity(self.steps.len());
        for (step, segment) in self.steps.iter().zip(parts) {
            let map = |start: *mut f32| Map::new(start, of.rows, of.columns, step.units());
            let z = match begin {
                Some(z) if steps.is_empty() => z,
                _ => map(take()),
            };
            steps.push(Kept { z, segment, local: map(take()), product: map(take()), planes: take() });
        }
        (Map::new(normal, of.rows, of.columns, of.units), wide, steps)
    }

    /// Writes `to` and returns the values that the backward pass needs.
    ///
    /// # Safety
    /// The instructions exist, and tiles are set up if the convolutions have them; `from` and `to` have the same size and
    /// this mixer's channels, and nobody else writes to either.
    pub(super) unsafe fn forward(&self, scratch: &mut Scratch, pool: &mut Pool, from: Map, to: Map) -> Vec<Buffer> {
        let lengths = self.lengths(from.rows, from.columns, from.units);
        let mut kept: Vec<Buffer> = lengths.into_iter().map(|len| pool.take(len)).collect();
        // SAFETY: the buffers were made with those lengths.
        let (normal, wide, steps) = unsafe { self.lay_out(&mut kept, from) };
        let by = self.by;
        scratch.reset();
        // SAFETY: passed on to the caller; the buffers have been made for the maps.
        unsafe {
            with_lanes!(by, normal_job(scratch: &mut Scratch, from: Map, normal: Map));
            self.expand.forward(scratch, &[normal], wide, false);
            for (i, step) in self.steps.iter().enumerate() {
                step.forward(by, scratch, &steps[i], steps.get(i + 1).map(|next| next.z));
            }
            to.at(0, 0, 0).copy_from_nonoverlapping(from.at(0, 0, 0), Map::len(from.rows, from.columns, from.units));
            if let Some(last) = steps.last() {
                self.project.forward(scratch, &[last.product], to, true);
            }
        }
        kept
    }

    /// Turns the gradient of the result into that of `from`, in place, and adds to the sums.
    ///
    /// # Safety
    /// As for [`Mixer::forward`], which returned `kept`; `sums` has [`Mixer::sums_len`] float32.
    pub(super) unsafe fn backward(
        &self,
        scratch: &mut Scratch,
        pool: &mut Pool,
        from: Map,
        kept: &mut [Buffer],
        gradient: Map,
        sums: *mut f32,
    ) {
        // SAFETY: the buffers are those of the forward pass.
        let (normal, _, steps) = unsafe { self.lay_out(kept, from) };
        let by = self.by;
        let (rows, columns) = (from.rows, from.columns);
        let mut borrow = |units: usize| {
            let mut buffer = pool.take(Map::len(rows, columns, units));
            (Map::new(buffer.as_mut_ptr(), rows, columns, units), buffer)
        };
        let (wide, wide_buffer) = borrow(2 * from.units);
        let (narrow, narrow_buffer) = borrow(from.units);
        // Gradients of a step's product, or of the next one's `z`, and of its own `z`.
        let (mut given, mut given_buffer) = borrow(from.units);
        let mut used = vec![wide_buffer, narrow_buffer];
        let mut ends: Vec<usize> = Vec::new();
        let mut end = self.expand.sums_len();
        for step in &self.steps {
            ends.push(end);
            end += step.sums_len();
        }
        // SAFETY: passed on to the caller; sums lie one after the other as `unfold` takes them.
        unsafe {
            let Some(last) = steps.last() else { return };
            self.project.backward(scratch, &[last.product], gradient, &[(given, false)], sums.add(end));
            let mut first = 2 * from.units;
            for (i, (step, kept)) in self.steps.iter().zip(&steps).enumerate().rev() {
                first -= step.units();
                let (onto, buffer) = if i == 0 {
                    (wide.part(0, step.units()), None)
                } else {
                    let (map, buffer) = borrow(step.units());
                    (map, Some(buffer))
                };
                let onto_both = [onto, wide.part(first, step.units())];
                step.backward(by, scratch, kept, given, onto_both, sums.add(ends[i]));
                given = onto;
                if let Some(buffer) = buffer {
                    used.push(std::mem::replace(&mut given_buffer, buffer));
                }
            }
            used.push(given_buffer);
            self.expand.backward(scratch, &[normal], wide, &[(narrow, false)], sums);
            scratch.reset();
            with_lanes!(by, normal_back_job(scratch: &mut Scratch, from: Map, narrow: Map, gradient: Map));
        }
        used.into_iter().for_each(|buffer| pool.give(buffer));
    }
}

#[inline(always)]
unsafe fn normal_job<V: Wide>(scratch: &mut Scratch, from: Map, normal: Map) {
    let moments = Moments::new(scratch, from.columns);
    for row in 0..from.rows {
        // SAFETY: passed on to the caller.
        unsafe {
            let (from, to) = (from.row(row), normal.row(row));
            moments.measure::<V>(from, normal.units, normal.columns);
            for unit in 0..normal.units {
                for pixel in 0..normal.columns {
                    moments.unit::<V>(from, unit, pixel).store(to.at(unit, pixel));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn normal_back_job<V: Wide>(scratch: &mut Scratch, from: Map, narrow: Map, gradient: Map) {
    let moments = Moments::new(scratch, from.columns);
    for row in 0..from.rows {
        // SAFETY: passed on to the caller.
        unsafe {
            moments.measure::<V>(from.row(row), from.units, from.columns);
            moments.backward::<V>(from.row(row), narrow.row(row), gradient.row(row), from.units, from.columns);
        }
    }
}
