//! One half of a block that acts on a neighbourhood of one pixel, `y + project(gate(local(expand(norm(y)))))`, forward and
//! backward.
//!
//! Both go down the map row by row and keep what is wider than the map for three rows alone. Nothing of the forward pass
//! but its input is kept: to compute the rest anew takes less time than to write and read it.

use super::linear::{Linear, Weights, packed, packed_len, sized};
use super::memory::{Gradients, Map, Ring, Scratch, Units, apart};
use super::operand::{Kind, padded};
use super::product::product;
use super::rows::{Across, Moments, add_up, operands};
use super::taps::{Local, tap_sums};
use super::wide::{Tables, Wide};
use crate::network::buffer::Buffer;
use crate::network::depthwise::depthwise;
use crate::network::extent::{Extent, Start, Term};
use crate::network::lanes::{UNIT, with_lanes};

/// Parameters, and their layouts for products and convolutions.
pub(super) struct Gated {
    channels: usize,
    /// Channels after the gate; twice as many before it.
    hidden: usize,
    gelu: bool,
    kind: Kind,
    expand: Linear,
    local: Local,
    project: Linear,
    tables: Tables,
    forward: [Buffer; 2],
    backward: [Buffer; 2],
    biases: [Buffer; 2],
}

/// Where a half's sums for gradients lie.
struct Sums {
    /// `[input][output]` of the first convolution.
    expand: *mut f32,
    expand_bias: *mut f32,
    local: *mut f32,
    /// `[output][input]` of the last one.
    project: *mut f32,
    project_bias: *mut f32,
}

impl Gated {
    pub(super) fn new(kind: Kind, gelu: bool, expand: Linear, local: Local, project: Linear) -> Self {
        Self {
            channels: expand.inputs,
            hidden: project.inputs,
            gelu,
            kind,
            expand,
            local,
            project,
            tables: Tables::new(),
            forward: Default::default(),
            backward: Default::default(),
            biases: Default::default(),
        }
    }

    /// Reads the parameters anew.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        let (c, h, kind) = (self.channels, self.hidden, self.kind);
        let expand = self.expand.folded(parameters);
        let project = self.project.folded(parameters);
        let expand = Weights { values: &expand, outputs: 2 * h, inputs: c, output_step: c, input_step: 1 };
        let project = Weights { values: &project, outputs: c, inputs: h, output_step: h, input_step: 1 };
        packed(kind, c, 2 * h, expand, sized(&mut self.forward[0], packed_len(kind, c, 2 * h)));
        packed(kind, 2 * h, c, expand.turned(), sized(&mut self.backward[0], packed_len(kind, 2 * h, c)));
        packed(kind, h, c, project, sized(&mut self.forward[1], packed_len(kind, h, c)));
        packed(kind, c, h, project.turned(), sized(&mut self.backward[1], packed_len(kind, c, h)));
        self.biases = [&self.expand, &self.project].map(|l| Buffer::from(l.folded_bias(parameters).as_slice()));
        self.local.pack(parameters);
    }

    /// Float32 of sums for gradients.
    pub(super) fn sums_len(&self) -> usize {
        let (c, h) = (self.channels, self.hidden);
        2 * c * h + 2 * h + self.local.sums_len() + c * h + c
    }

    /// The parts of the sums.
    ///
    /// # Safety
    /// `sums` has [`Gated::sums_len`] float32.
    unsafe fn cut(&self, sums: *mut f32) -> Sums {
        let (c, h) = (self.channels, self.hidden);
        // SAFETY: passed on to the caller: all parts lie within that length.
        unsafe {
            let expand_bias = sums.add(2 * c * h);
            let local = expand_bias.add(2 * h);
            let project = local.add(self.local.sums_len());
            Sums { expand: sums, expand_bias, local, project, project_bias: project.add(c * h) }
        }
    }

    /// Adds the parameters' gradients to `to`.
    pub(super) fn unfold(&self, parameters: &[f32], sums: &[f32], to: &Gradients) {
        let (c, h) = (self.channels, self.hidden);
        let (expand, rest) = sums.split_at(2 * c * h);
        let (expand_bias, rest) = rest.split_at(2 * h);
        let (local, rest) = rest.split_at(self.local.sums_len());
        let (project, project_bias) = rest.split_at(c * h);
        self.expand.unfold(parameters, |o, i, _| expand[i * 2 * h + o], Some(expand_bias), to);
        self.local.unfold(local, to);
        self.project.unfold(parameters, |o, i, _| project[o * h + i], Some(project_bias), to);
    }

    /// # Safety
    /// The kind's instructions exist, and tiles are set up if it has them; `from` and `to` are maps of one size with this
    /// half's channels, and nobody else writes to either.
    pub(super) unsafe fn forward(&self, scratch: &mut Scratch, from: Map, to: Map) {
        scratch.reset();
        let of = self;
        // SAFETY: passed on to the caller.
        unsafe { with_lanes!(of.kind.instructions, forward_job(of: &Gated, scratch: &mut Scratch, from: Map, to: Map)) }
    }

    /// Turns the gradient of the result into that of `from`, in place, and adds to the sums.
    ///
    /// # Safety
    /// As for [`Gated::forward`]; `sums` has [`Gated::sums_len`] float32.
    pub(super) unsafe fn backward(&self, scratch: &mut Scratch, from: Map, gradient: Map, sums: *mut f32) {
        scratch.reset();
        let of = self;
        // SAFETY: passed on to the caller.
        unsafe {
            let sums = &self.cut(sums);
            with_lanes!(of.kind.instructions, backward_job(of: &Gated, scratch: &mut Scratch, from: Map, gradient: Map, sums: &Sums))
        }
    }
}

/// The first half of a row's way: norm and widening, into a ring.
struct Widen<'a> {
    of: &'a Gated,
    moments: Moments,
    normal: *mut f32,
    words: usize,
    ring: Ring,
    count: usize,
}

impl<'a> Widen<'a> {
    fn new(of: &'a Gated, scratch: &mut Scratch, count: usize) -> Self {
        let words = of.kind.words(of.channels);
        Self {
            of,
            moments: Moments::new(scratch, count),
            normal: scratch.zeros(padded(count) * words),
            words,
            ring: Ring::new(scratch, 2 * of.hidden / UNIT, padded(count)),
            count,
        }
    }

    /// # Safety
    /// As for [`Gated::forward`]; `from` has `count` pixels.
    #[inline(always)]
    unsafe fn row<V: Wide>(&self, row: usize, from: Units) {
        let of = self.of;
        let wide = 2 * of.hidden / UNIT;
        // SAFETY: passed on to the caller; the ring has room for padded rows.
        unsafe {
            self.moments.measure::<V>(from, of.channels / UNIT, self.count);
            self.moments.operands::<V>(from, of.channels / UNIT, self.count, self.normal, self.words);
            let to = self.ring.row(row as isize);
            let extent = Extent::over_channels(of.kind.pixel_rows(self.count), wide, self.words, to.stride);
            let terms = [Term { left: self.normal, right: of.forward[0].as_slice().as_ptr() }];
            let bias = Start::Bias(of.biases[0].as_slice().as_ptr());
            product(of.kind, &terms, &extent, to.at(0, 1), bias);
            // The product may have gone on beyond the row.
            for unit in 0..wide {
                V::splat(0.0).store(to.at(unit, self.count + 1));
            }
        }
    }
}

#[inline(always)]
unsafe fn forward_job<V: Wide>(of: &Gated, scratch: &mut Scratch, from: Map, to: Map) {
    let (rows, count) = (from.rows, from.columns);
    let units = of.channels / UNIT;
    let widen = Widen::new(of, scratch, count);
    let words = of.kind.words(of.hidden);
    let gated = scratch.zeros(padded(count) * words);
    let made = Units { start: scratch.cut(units * apart(padded(count))), stride: apart(padded(count)) };
    let extent = Extent::over_channels(of.kind.pixel_rows(count), units, words, made.stride);
    for row in 0..=rows {
        // SAFETY: rows and columns lie in the maps; the rest is passed on to the caller.
        unsafe {
            if row < rows {
                widen.row::<V>(row, from.row(row));
            } else {
                widen.ring.clear(row as isize);
            }
            let Some(row) = row.checked_sub(1) else { continue };
            gate_row::<V>(of, &widen.ring, row, count, gated, words);
            let terms = [Term { left: gated, right: of.forward[1].as_slice().as_ptr() }];
            let bias = Start::Bias(of.biases[1].as_slice().as_ptr());
            product(of.kind, &terms, &extent, made.start, bias);
            let (from, to) = (from.row(row), to.row(row));
            for unit in 0..units {
                for pixel in 0..count {
                    V::load(from.at(unit, pixel)).add(V::load(made.at(unit, pixel))).store(to.at(unit, pixel));
                }
            }
        }
    }
}

/// Rows above, at and below, from the column left of `pixel` on.
///
/// # Safety
/// The ring has room for this unit and pixel.
#[inline(always)]
unsafe fn around(ring: &Ring, row: usize, unit: usize, pixel: usize) -> [*const f32; 3] {
    // SAFETY: passed on to the caller.
    [-1, 0, 1].map(|by| unsafe { ring.row(row as isize + by).at(unit, pixel).cast_const() })
}

/// Runs `strip` over `count` pixels, eight (or four) at a time, then two, then one.
macro_rules! strips {
    ($count:expr, $strip:ident::<$V:ident>($($arg:expr),*)) => {
        let mut pixel = 0;
        let count = $count;
        while pixel < count {
            if $V::WIDE && count - pixel >= 8 {
                $strip::<$V, 8>($($arg),*, pixel);
                pixel += 8;
            } else if count - pixel >= 4 {
                $strip::<$V, 4>($($arg),*, pixel);
                pixel += 4;
            } else if count - pixel >= 2 {
                $strip::<$V, 2>($($arg),*, pixel);
                pixel += 2;
            } else {
                $strip::<$V, 1>($($arg),*, pixel);
                pixel += 1;
            }
        }
    };
}

#[inline(always)]
unsafe fn gate_row<V: Wide>(of: &Gated, ring: &Ring, row: usize, count: usize, to: *mut f32, words: usize) {
    for unit in 0..of.hidden / UNIT {
        // SAFETY: passed on to the caller.
        unsafe {
            strips!(count, gate_strip::<V>(of, ring, row, unit, to.add(unit * V::WORDS), words));
        }
    }
}

#[inline(always)]
unsafe fn gate_strip<V: Wide, const PIXELS: usize>(
    of: &Gated,
    ring: &Ring,
    row: usize,
    unit: usize,
    to: *mut f32,
    words: usize,
    pixel: usize,
) {
    let other = unit + of.hidden / UNIT;
    // SAFETY: passed on to the caller.
    unsafe {
        let mut first = depthwise::<V, 3, PIXELS>(around(ring, row, unit, pixel), of.local.forward(unit));
        if of.gelu {
            for value in &mut first {
                *value = value.gelu(&of.tables);
            }
        }
        let second = depthwise::<V, 3, PIXELS>(around(ring, row, other, pixel), of.local.forward(other));
        for (p, (value, gate)) in first.into_iter().zip(second).enumerate() {
            value.mul(gate).store_operands(to.add((pixel + p) * words));
        }
    }
}

/// The gate's results for one unit, and their gradients.
struct GateBack {
    /// Gradient of the gated values, one row.
    of: Units,
    /// To the ring of the convolution's gradients.
    slopes: Units,
    /// Results as right operands of sums over pixels.
    groups: *mut f32,
    between: usize,
}

#[inline(always)]
unsafe fn gate_back<V: Wide, const PIXELS: usize>(
    of: &Gated,
    ring: &Ring,
    row: usize,
    unit: usize,
    to: &GateBack,
    pixel: usize,
) {
    let other = unit + of.hidden / UNIT;
    // SAFETY: passed on to the caller.
    unsafe {
        let first = depthwise::<V, 3, PIXELS>(around(ring, row, unit, pixel), of.local.forward(unit));
        let second = depthwise::<V, 3, PIXELS>(around(ring, row, other, pixel), of.local.forward(other));
        let mut results = [V::splat(0.0); PIXELS];
        for p in 0..PIXELS {
            let given = V::load(to.of.at(unit, pixel + p));
            let along = given.mul(second[p]);
            let (value, along) = if of.gelu {
                let (value, slope) = first[p].gelu_and_slope(&of.tables);
                (value, along.mul(slope))
            } else {
                (first[p], along)
            };
            along.store(to.slopes.at(unit, pixel + p + 1));
            given.mul(value).store(to.slopes.at(other, pixel + p + 1));
            results[p] = value.mul(second[p]);
        }
        store_groups::<V, PIXELS>(&results, to.groups.add(unit * UNIT), to.between, pixel);
    }
}

#[inline(always)]
unsafe fn store_groups<V: Wide, const PIXELS: usize>(of: &[V; PIXELS], to: *mut f32, between: usize, pixel: usize) {
    for p in (0..PIXELS).step_by(2) {
        // SAFETY: passed on to the caller.
        unsafe {
            let next = if p + 1 < PIXELS { of[p + 1] } else { V::splat(0.0) };
            V::store_group(of[p], next, to.add((pixel + p) / V::GROUP * between), between);
        }
    }
}

/// Gradient of the widened row: the convolution's taps turned round.
#[inline(always)]
unsafe fn widened_back<V: Wide, const PIXELS: usize>(
    of: &Gated,
    ring: &Ring,
    row: usize,
    unit: usize,
    to: (*mut f32, usize, *mut f32, usize),
    total: &mut V,
    pixel: usize,
) {
    let (plain, words, groups, between) = to;
    // SAFETY: passed on to the caller.
    unsafe {
        let slopes = depthwise::<V, 3, PIXELS>(around(ring, row, unit, pixel), of.local.backward(unit));
        for (p, slope) in slopes.iter().enumerate() {
            slope.store_operands(plain.add((pixel + p) * words + unit * V::WORDS));
            *total = total.add(*slope);
        }
        store_groups::<V, PIXELS>(&slopes, groups.add(unit * UNIT), between, pixel);
    }
}

#[inline(always)]
unsafe fn backward_job<V: Wide>(of: &Gated, scratch: &mut Scratch, from: Map, gradient: Map, sums: &Sums) {
    let (rows, count, kind) = (from.rows, from.columns, of.kind);
    let (units, hidden) = (of.channels / UNIT, of.hidden / UNIT);
    let wide = 2 * hidden;
    let room = padded(count);
    let widen = Widen::new(of, scratch, count);
    let slopes = Ring::new(scratch, wide, room);
    // Operands of the gradient's row, and the product with them.
    let given_words = kind.words(of.channels);
    let given = scratch.zeros(room * given_words);
    let gated = Units { start: scratch.cut(hidden * apart(room)), stride: apart(room) };
    let results = scratch.zeros(room * of.hidden);
    let given_across = Across::new(scratch, kind, of.channels, count);
    // The same for the widened row's gradient.
    let wide_words = kind.words(2 * of.hidden);
    let wide_plain = scratch.zeros(room * wide_words);
    let wide_groups = scratch.zeros(room * 2 * of.hidden);
    let normal_across = Across::new(scratch, kind, of.channels, count);
    let narrow = Units { start: scratch.cut(units * apart(room)), stride: apart(room) };
    let (pixels, groups) = (kind.pixel_rows(count), kind.groups(count));
    let over_pixels = |units: usize, (left_row, left_word): (usize, usize)| Extent {
        rows: of.channels,
        units,
        words: groups,
        left_row,
        left_word,
        right_word: units * UNIT,
        right_unit: UNIT,
        out_row: units * UNIT,
        out_unit: UNIT,
    };
    for row in 0..rows + 2 {
        // SAFETY: rows and columns lie in the maps; the rest is passed on to the caller.
        unsafe {
            if row < rows {
                widen.row::<V>(row, from.row(row));
            } else if row == rows {
                widen.ring.clear(row as isize);
            }
            let Some(row) = row.checked_sub(1) else { continue };
            if row < rows {
                let slope = gradient.row(row);
                operands::<V>(slope, units, count, given, given_words);
                let terms = [Term { left: given, right: of.backward[1].as_slice().as_ptr() }];
                let extent = Extent::over_channels(pixels, hidden, given_words, gated.stride);
                product(kind, &terms, &extent, gated.start, Start::Zero);
                let to = GateBack { of: gated, slopes: slopes.row(row as isize), groups: results, between: of.hidden };
                for unit in 0..hidden {
                    strips!(count, gate_back::<V>(of, &widen.ring, row, unit, &to));
                    for unit in [unit, unit + hidden] {
                        let given = to.slopes.at(unit, 1).cast_const();
                        let rows = around(&widen.ring, row, unit, 0);
                        tap_sums::<V, 3>(rows, given, count, sums.local.add(unit * of.local.sums_of_unit()));
                    }
                }
                super::rows::groups::<V>(slope, units, count, 0, 1, count, given_across.plain, of.channels);
                let (left, left_row, left_word) = given_across.operand::<V>();
                let terms = [Term { left, right: results }];
                let extent = over_pixels(hidden, (left_row, left_word));
                product(kind, &terms, &extent, sums.project, Start::Out);
                for unit in 0..if of.project.bias.is_some() { units } else { 0 } {
                    add_up::<V>(slope, unit, count, sums.project_bias.add(unit * UNIT));
                }
            } else {
                slopes.clear(row as isize);
            }
            let Some(row) = row.checked_sub(1) else { continue };
            for unit in 0..wide {
                let place = sums.expand_bias.add(unit * UNIT);
                let mut total = V::splat(0.0);
                let to = (wide_plain, wide_words, wide_groups, 2 * of.hidden);
                strips!(count, widened_back::<V>(of, &slopes, row, unit, to, &mut total));
                total.add(V::load(place)).store(place);
            }
            let terms = [Term { left: wide_plain, right: of.backward[0].as_slice().as_ptr() }];
            let extent = Extent::over_channels(pixels, units, wide_words, narrow.stride);
            product(kind, &terms, &extent, narrow.start, Start::Zero);
            let source = from.row(row);
            widen.moments.measure::<V>(source, units, count);
            widen.moments.groups::<V>(source, units, count, normal_across.plain);
            let (left, left_row, left_word) = normal_across.operand::<V>();
            let terms = [Term { left, right: wide_groups }];
            let extent = over_pixels(wide, (left_row, left_word));
            product(kind, &terms, &extent, sums.expand, Start::Out);
            widen.moments.backward::<V>(source, narrow, gradient.row(row), units, count);
        }
    }
}
