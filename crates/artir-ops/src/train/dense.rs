//! Convolutions over all channels, 1x1 or 3x3, of stride 1 or 2, on whole maps.

use super::linear::{Linear, Weights, packed, packed_len, sized};
use super::memory::{Gradients, Map, Scratch, Units, apart};
use super::operand::{Kind, padded};
use super::product::product;
use super::rows::{Across, add_up, groups, operands};
use super::wide::Wide;
use crate::network::buffer::Buffer;
use crate::network::extent::{Extent, Start, Term};
use crate::network::lanes::{UNIT, with_lanes};

/// Channels of parameters beyond those of the maps are zeros: an image has fewer than a unit.
pub(super) struct Dense {
    linear: Linear,
    kind: Kind,
    /// The way back's.
    back: Kind,
    stride: usize,
    inputs: usize,
    outputs: usize,
    forward: Buffer,
    backward: Buffer,
    bias: Buffer,
}

/// Maps that make up an input, one after the other.
pub(super) type Inputs<'a> = &'a [Map];

impl Dense {
    /// `exact`: the result in float32 throughout, whatever the kind. Gradients still use products of the kind.
    pub(super) fn new(kind: Kind, exact: bool, stride: usize, linear: Linear) -> Self {
        let [inputs, outputs] = [linear.inputs, linear.outputs].map(|c| c.next_multiple_of(UNIT));
        let [forward, backward, bias] = Default::default();
        let (kind, back) = (if exact { kind.exact() } else { kind }, kind);
        Self { linear, kind, back, stride, inputs, outputs, forward, backward, bias }
    }

    fn size(&self) -> usize {
        if self.linear.taps == 9 { 3 } else { 1 }
    }

    /// Reads the parameters anew.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        let weights = self.linear.folded(parameters);
        let (taps, inputs, outputs) = (self.linear.taps, self.linear.inputs, self.linear.outputs);
        let there = packed_len(self.kind, self.inputs, self.outputs);
        let back = packed_len(self.back, self.outputs, self.inputs);
        let forward = sized(&mut self.forward, taps * there);
        let backward = sized(&mut self.backward, taps * back);
        for tap in 0..taps {
            let of = Weights { values: &weights[tap..], outputs, inputs, output_step: inputs * taps, input_step: taps };
            packed(self.kind, self.inputs, self.outputs, of, &mut forward[tap * there..]);
            packed(self.back, self.outputs, self.inputs, of.turned(), &mut backward[tap * back..]);
        }
        let mut bias = self.linear.folded_bias(parameters);
        bias.resize(self.outputs, 0.0);
        self.bias = Buffer::from(bias.as_slice());
    }

    /// Float32 of sums for gradients: `[tap][output][input]`, and a bias for each output.
    pub(super) fn sums_len(&self) -> usize {
        self.linear.taps * self.inputs * self.outputs + self.outputs
    }

    /// Adds the parameters' gradients to `to`.
    pub(super) fn unfold(&self, parameters: &[f32], sums: &[f32], to: &Gradients) {
        let (weights, bias) = sums.split_at(self.linear.taps * self.inputs * self.outputs);
        let at = |o: usize, i: usize, tap: usize| weights[(tap * self.outputs + o) * self.inputs + i];
        self.linear.unfold(parameters, at, Some(bias), to);
    }

    /// `to` becomes the result, or is added to.
    ///
    /// # Safety
    /// The kind's instructions exist, and tiles are set up if it has them; the maps have this convolution's channels and
    /// fitting sizes, and nobody else writes to them.
    pub(super) unsafe fn forward(&self, scratch: &mut Scratch, from: Inputs<'_>, to: Map, add: bool) {
        scratch.reset();
        let of = self;
        // SAFETY: passed on to the caller.
        unsafe {
            with_lanes!(of.kind.instructions, forward_job(of: &Dense, scratch: &mut Scratch, from: Inputs<'_>, to: Map, add: bool))
        }
    }

    /// Adds to the sums, and to the gradients of the inputs, as far as they are wanted: those are set instead where `add`
    /// is false.
    ///
    /// # Safety
    /// As for [`Dense::forward`]; `sums` has [`Dense::sums_len`] float32.
    pub(super) unsafe fn backward(
        &self,
        scratch: &mut Scratch,
        from: Inputs<'_>,
        gradient: Map,
        onto: &[(Map, bool)],
        sums: *mut f32,
    ) {
        scratch.reset();
        let of = self;
        // SAFETY: passed on to the caller.
        unsafe {
            with_lanes!(of.back.instructions, weights_job(of: &Dense, scratch: &mut Scratch, from: Inputs<'_>, gradient: Map, sums: *mut f32));
            scratch.reset();
            if !onto.is_empty() {
                with_lanes!(of.back.instructions, inputs_job(of: &Dense, scratch: &mut Scratch, gradient: Map, onto: &[(Map, bool)]));
            }
        }
    }
}

/// Three rows of operands with a pixel of zeros on either side.
struct OperandRing {
    start: *mut f32,
    words: usize,
    row: usize,
}

impl OperandRing {
    fn new(scratch: &mut Scratch, kind: Kind, channels: usize, count: usize) -> Self {
        let words = kind.words(channels);
        // A product of a padded row, shifted by two pixels at stride 2, reads that far.
        let row = (2 * padded(count) + 4) * words;
        Self { start: scratch.zeros(3 * row), words, row }
    }

    /// Pixel `pixel` (-1 and on) of a row.
    ///
    /// # Safety
    /// The pixel lies in the ring's columns or in the one column beside them.
    unsafe fn at(&self, row: isize, pixel: isize) -> *mut f32 {
        // SAFETY: passed on to the caller; every row has a slot.
        unsafe { self.start.add(row.rem_euclid(3) as usize * self.row + (pixel + 1) as usize * self.words) }
    }

    /// Takes a row of maps in; one outside of them is zeros.
    #[inline(always)]
    unsafe fn take<V: Wide>(&self, from: Inputs<'_>, row: isize) {
        // SAFETY: passed on to the caller.
        unsafe {
            if row < 0 || row >= from[0].rows as isize {
                self.at(row, -1).write_bytes(0, self.row);
                return;
            }
            let mut first = 0;
            for map in from {
                let to = self.at(row, 0).add(first * V::WORDS);
                operands::<V>(map.row(row as usize), map.units, map.columns, to, self.words);
                first += map.units;
            }
        }
    }
}

#[inline(always)]
unsafe fn forward_job<V: Wide>(of: &Dense, scratch: &mut Scratch, from: Inputs<'_>, to: Map, add: bool) {
    let (kind, size, stride) = (of.kind, of.size(), of.stride);
    let count = to.columns;
    let ring = OperandRing::new(scratch, kind, of.inputs, from[0].columns);
    let made = Units { start: scratch.cut(to.units * apart(padded(count))), stride: apart(padded(count)) };
    let extent = Extent {
        left_row: stride * ring.words,
        ..Extent::over_channels(kind.pixel_rows(count), to.units, ring.words, made.stride)
    };
    let tap_len = packed_len(kind, of.inputs, of.outputs);
    let reach = (size / 2) as isize;
    let mut next = -reach;
    for row in 0..to.rows {
        // SAFETY: rows and columns lie in the maps; the rest is passed on to the caller.
        unsafe {
            let middle = (row * stride) as isize;
            while next <= middle + reach {
                ring.take::<V>(from, next);
                next += 1;
            }
            let mut terms = [Term { left: std::ptr::null(), right: of.forward.as_slice().as_ptr() }; 9];
            for (tap, term) in terms.iter_mut().enumerate().take(size * size) {
                let (y, x) = ((tap / size) as isize - reach, (tap % size) as isize - reach);
                *term = Term { left: ring.at(middle + y, x), right: term.right.add(tap * tap_len) };
            }
            let bias = Start::Bias(of.bias.as_slice().as_ptr());
            product(kind, &terms[..size * size], &extent, made.start, bias);
            put::<V>(made, to.row(row), to.units, count, add);
        }
    }
}

/// Copies or adds a row.
#[inline(always)]
unsafe fn put<V: Wide>(from: Units, to: Units, units: usize, count: usize, add: bool) {
    for unit in 0..units {
        for pixel in 0..count {
            // SAFETY: passed on to the caller.
            unsafe {
                let value = V::load(from.at(unit, pixel));
                let place = to.at(unit, pixel);
                if add { value.add(V::load(place)) } else { value }.store(place);
            }
        }
    }
}

/// Sums for the weights' gradients.
#[inline(always)]
unsafe fn weights_job<V: Wide>(of: &Dense, scratch: &mut Scratch, from: Inputs<'_>, gradient: Map, sums: *mut f32) {
    let (kind, size, stride) = (of.back, of.size(), of.stride);
    let count = gradient.columns;
    let across = Across::new(scratch, kind, of.outputs, count);
    // Rows of operands for each shift to the left or right: three rows (one at stride 2 and its neighbours) at once.
    let len = padded(count) * of.inputs;
    let start = scratch.zeros(3 * size * len);
    let reach = (size / 2) as isize;
    let mut next = -reach;
    // SAFETY: the place lies within the piece.
    let place = |row: isize, x: usize| unsafe { start.add((row.rem_euclid(3) as usize * size + x) * len) };
    // SAFETY: sums have one for each output.
    let bias = unsafe { sums.add(size * size * of.inputs * of.outputs) };
    for row in 0..gradient.rows {
        let middle = (row * stride) as isize;
        // SAFETY: rows and columns lie in the maps; the rest is passed on to the caller.
        unsafe {
            while next <= middle + reach {
                for x in 0..size {
                    if next < 0 || next >= from[0].rows as isize {
                        place(next, x).write_bytes(0, len);
                        continue;
                    }
                    let mut first = 0;
                    for map in from {
                        let (source, to) = (map.row(next as usize), place(next, x).add(first * UNIT));
                        let begin = x as isize - reach;
                        groups::<V>(source, map.units, count, begin, stride, map.columns, to, of.inputs);
                        first += map.units;
                    }
                }
                next += 1;
            }
            let slope = gradient.row(row);
            groups::<V>(slope, gradient.units, count, 0, 1, count, across.plain, of.outputs);
            let (left, left_row, left_word) = across.operand::<V>();
            let extent = Extent {
                rows: of.outputs,
                units: of.inputs / UNIT,
                words: kind.groups(count),
                left_row,
                left_word,
                right_word: of.inputs,
                right_unit: UNIT,
                out_row: of.inputs,
                out_unit: UNIT,
            };
            for tap in 0..size * size {
                let right = place(middle + (tap / size) as isize - reach, tap % size);
                let to = sums.add(tap * of.inputs * of.outputs);
                product(kind, &[Term { left, right }], &extent, to, Start::Out);
            }
            for unit in 0..gradient.units {
                add_up::<V>(slope, unit, count, bias.add(unit * UNIT));
            }
        }
    }
}

/// Gradients of the inputs.
#[inline(always)]
unsafe fn inputs_job<V: Wide>(of: &Dense, scratch: &mut Scratch, gradient: Map, onto: &[(Map, bool)]) {
    let (kind, size, stride) = (of.back, of.size(), of.stride);
    let (rows, columns) = (onto[0].0.rows, onto[0].0.columns);
    let ring = OperandRing::new(scratch, kind, of.outputs, gradient.columns);
    let units = of.inputs / UNIT;
    // Products go on beyond the row, and at stride 2 to every second pixel.
    let between = apart(stride * padded(columns.div_ceil(stride)));
    let made = Units { start: scratch.cut(units * between), stride: between };
    let count = columns / stride;
    let extent = Extent {
        out_row: stride * UNIT,
        ..Extent::over_channels(kind.pixel_rows(count), units, ring.words, made.stride)
    };
    let tap_len = packed_len(kind, of.outputs, of.inputs);
    let reach = (size / 2) as isize;
    let mut next = -reach;
    for row in 0..rows as isize {
        // SAFETY: rows and columns lie in the maps; the rest is passed on to the caller.
        unsafe {
            while next <= row.div_euclid(stride as isize) + reach {
                ring.take::<V>(&[gradient], next);
                next += 1;
            }
            for parity in 0..stride as isize {
                let mut terms = [Term { left: std::ptr::null(), right: std::ptr::null() }; 9];
                let mut used = 0;
                for tap in 0..size * size {
                    // This tap took input pixel `stride out + by` to output pixel `out`.
                    let (y, x) = (row - ((tap / size) as isize - reach), parity - ((tap % size) as isize - reach));
                    if y.rem_euclid(stride as isize) != 0 || x.rem_euclid(stride as isize) != 0 {
                        continue;
                    }
                    let left = ring.at(y.div_euclid(stride as isize), x.div_euclid(stride as isize));
                    terms[used] = Term { left, right: of.backward.as_slice().as_ptr().add(tap * tap_len) };
                    used += 1;
                }
                let to = made.start.add(parity as usize * UNIT);
                product(kind, &terms[..used], &extent, to, Start::Zero);
            }
            let mut first = 0;
            for &(map, add) in onto {
                let from = Units { start: made.at(first, 0), stride: made.stride };
                put::<V>(from, map.row(row as usize), map.units, columns, add);
                first += map.units;
            }
        }
    }
}
