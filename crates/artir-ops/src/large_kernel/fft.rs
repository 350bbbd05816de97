//! Both correlations of one frame by FFT.
//!
//! The input is real, so half of its spectrum is enough; the two kernels are real, so `g = w + i b` has both
//! results in one inverse transform: the real part of `g * X` is `w * X`, the imaginary part `b * X`. One real
//! forward and one complex inverse transform a frame, whatever K is. Correlation is convolution with the kernel
//! turned round, so tap k is at `centre - k`, modulo the frame. Kernel spectra are made in float64 and rounded
//! once, which keeps the error at that of the data's own float32 transforms.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use rustfft::num_complex::{Complex32, Complex64};
use rustfft::{Fft, FftPlanner};

use super::map::{Block, Input, Output};
use super::scratch::{Scratch, lend};
use super::{Element, Taps};
use crate::Error;

/// Rows gathered before they are turned into columns: two cache lines of every column at a time.
const PANEL: usize = 16;

/// Transforms of one frame size and one kernel's spectrum on it.
pub(crate) struct Correlator {
    height: usize,
    width: usize,
    radius: usize,
    rows_forward: Arc<dyn RealToComplex<f32>>,
    columns_forward: Arc<dyn Fft<f32>>,
    columns_inverse: Arc<dyn Fft<f32>>,
    rows_inverse: Arc<dyn Fft<f32>>,
    /// `[width, height]`: column kx of the spectrum of g is contiguous; divided by the frame's area.
    spectrum: Vec<Complex32>,
    /// Inputs up to this magnitude cannot overflow any sum on the way.
    limit: f32,
    transform_scratch: usize,
}

/// Where a block lies in the frame that computes it.
pub(crate) struct Frame {
    pub(crate) block: Block,
    /// Row of the map at the frame's row 0; at most the block's first row.
    pub(crate) top: isize,
    /// Column of the map at the frame's column 0; at most the block's first column.
    pub(crate) left: isize,
}

impl Correlator {
    pub(crate) fn new(height: usize, width: usize, taps: &Taps) -> Self {
        let mut planner = FftPlanner::new();
        let rows_forward = RealFftPlanner::new().plan_fft_forward(width);
        let columns_forward = planner.plan_fft_forward(height);
        let columns_inverse = planner.plan_fft_inverse(height);
        let rows_inverse = planner.plan_fft_inverse(width);
        let transform_scratch = [
            rows_forward.get_scratch_len(),
            columns_forward.get_inplace_scratch_len(),
            columns_inverse.get_inplace_scratch_len(),
            rows_inverse.get_inplace_scratch_len(),
        ];
        // A forward sum has at most `area` terms; the product with the spectrum, itself at most gain / area, and its
        // inverse sum stay below area * gain times the input.
        let area = (height * width) as f64;
        let limit = f64::from(f32::MAX) / (4.0 * area * taps.gain().max(1.0));
        Self {
            height,
            width,
            radius: taps.radius(),
            rows_forward,
            columns_forward,
            columns_inverse,
            rows_inverse,
            spectrum: spectrum(height, width, taps),
            limit: limit as f32,
            transform_scratch: transform_scratch.into_iter().max().unwrap_or(0),
        }
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// Computes the frame's block, or returns false and writes nothing when its input holds a value that is not
    /// finite or so large that sums could overflow.
    ///
    /// # Errors
    /// When a transform refuses its buffers: a fault in this file.
    ///
    /// # Safety
    /// No other thread may write to the block meanwhile.
    pub(crate) unsafe fn run<E: Element>(
        &self,
        input: &Input<'_, E>,
        output: &Output<'_, E>,
        frame: &Frame,
        scratch: &mut Scratch,
    ) -> Result<bool, Error> {
        if !self.forward_rows(input, frame, scratch)? {
            return Ok(false);
        }
        self.columns(scratch);
        // SAFETY: passed on to the caller.
        unsafe { self.inverse_rows(input, output, frame, scratch) };
        Ok(true)
    }

    /// Row transforms of the frame's input, turned into the columns `[width / 2 + 1, height]` of `scratch.columns`.
    fn forward_rows<E: Element>(
        &self,
        input: &Input<'_, E>,
        frame: &Frame,
        scratch: &mut Scratch,
    ) -> Result<bool, Error> {
        let (height, half) = (self.height, self.width / 2 + 1);
        let columns = lend(&mut scratch.columns, self.width * height);
        let panel = lend(&mut scratch.rows, PANEL * half);
        let transform = lend(&mut scratch.transform, self.transform_scratch);
        let line = lend(&mut scratch.line, self.width);
        // Values beyond the block's reach must not enter: a NaN there must not affect the block.
        let Block { map, rows, columns: block_columns } = &frame.block;
        let first = (rows.start.saturating_sub(self.radius) as isize - frame.top) as usize;
        let last = ((rows.end + self.radius).min(input.shape.height) as isize - frame.top) as usize;
        let reach = ((block_columns.end + self.radius).min(input.shape.width) as isize - frame.left) as usize;
        for start in (0..height).step_by(PANEL) {
            let end = (start + PANEL).min(height);
            for (y, spectrum) in (start..end).zip(panel.chunks_exact_mut(half)) {
                if !(first..last).contains(&y) {
                    spectrum.fill(Complex32::ZERO);
                    continue;
                }
                input.padded_row(*map, frame.top + y as isize, frame.left, &mut line[..reach]);
                line[reach..].fill(0.0);
                if !within(&line[..reach], self.limit) {
                    return Ok(false);
                }
                let done = self.rows_forward.process_with_scratch(line, spectrum, transform);
                done.map_err(|_| Error::Panicked)?;
            }
            for (kx, column) in columns.chunks_exact_mut(height).take(half).enumerate() {
                for (y, value) in column[start..end].iter_mut().enumerate() {
                    *value = panel[y * half + kx];
                }
            }
        }
        Ok(true)
    }

    /// From the input's half spectrum by rows to the product's inverse by columns: `[width, height]` in
    /// `scratch.rows`.
    fn columns(&self, scratch: &mut Scratch) {
        let (height, width) = (self.height, self.width);
        let transform = lend(&mut scratch.transform, self.transform_scratch);
        let half = lend(&mut scratch.columns, (width / 2 + 1) * height);
        let full = lend(&mut scratch.rows, width * height);
        for (kx, column) in half.chunks_exact_mut(height).enumerate() {
            self.columns_forward.process_with_scratch(column, transform);
            // X[-kx, -ky] is the conjugate of X[kx, ky] for a real input.
            let mirror = (width - kx) % width;
            if mirror != kx {
                let taps = &self.spectrum[mirror * height..][..height];
                let product = &mut full[mirror * height..][..height];
                product[0] = column[0].conj() * taps[0];
                let turned = column[1..].iter().rev();
                for ((to, value), tap) in product[1..].iter_mut().zip(turned).zip(&taps[1..]) {
                    *to = value.conj() * tap;
                }
                self.columns_inverse.process_with_scratch(product, transform);
            }
            let taps = &self.spectrum[kx * height..][..height];
            let product = &mut full[kx * height..][..height];
            for ((to, value), tap) in product.iter_mut().zip(column.iter()).zip(taps) {
                *to = value * tap;
            }
            self.columns_inverse.process_with_scratch(product, transform);
        }
    }

    /// Inverse row transforms of the block's rows, and the last step: `X[p] * real + imaginary`.
    unsafe fn inverse_rows<E: Element>(
        &self,
        input: &Input<'_, E>,
        output: &Output<'_, E>,
        frame: &Frame,
        scratch: &mut Scratch,
    ) {
        let (height, width) = (self.height, self.width);
        let transform = lend(&mut scratch.transform, self.transform_scratch);
        let panel = lend(&mut scratch.columns, PANEL * width);
        let full = lend(&mut scratch.rows, width * height);
        let Block { map, rows, columns } = &frame.block;
        let line = lend(&mut scratch.line, columns.len());
        let left = (columns.start as isize - frame.left) as usize;
        for first in rows.clone().step_by(PANEL) {
            let count = PANEL.min(rows.end - first);
            let start = (first as isize - frame.top) as usize;
            for (x, column) in full.chunks_exact(height).enumerate() {
                for (y, value) in column[start..start + count].iter().enumerate() {
                    panel[y * width + x] = *value;
                }
            }
            self.rows_inverse.process_with_scratch(&mut panel[..count * width], transform);
            for (y, results) in (first..first + count).zip(panel.chunks_exact(width)) {
                E::widen(input.row(*map, y, columns.clone()), line);
                for (value, result) in line.iter_mut().zip(&results[left..]) {
                    *value = *value * result.re + result.im;
                }
                // SAFETY: the row lies in the block, which the caller owns.
                unsafe { output.write(*map, y, columns.start, line) };
            }
        }
    }
}

/// Whether every magnitude is at most `limit`. NaN is not.
fn within(values: &[f32], limit: f32) -> bool {
    // As integers, so that the loop is vectorised and NaN, whose bits lie above those of infinity, counts.
    let largest = values.iter().map(|value| value.to_bits() & 0x7fff_ffff).max();
    largest.is_none_or(|bits| bits <= limit.to_bits())
}

fn spectrum(height: usize, width: usize, taps: &Taps) -> Vec<Complex32> {
    let (size, radius) = (taps.size(), taps.radius());
    let mut frame = vec![Complex64::ZERO; height * width];
    for i in 0..size {
        for j in 0..size {
            let tap = i * size + j;
            let value =
                Complex64::new(f64::from(taps.weight()[tap]), taps.bias().map_or(0.0, |bias| f64::from(bias[tap])));
            // A frame shorter than the kernel sees only offsets that fold onto each other outside the map.
            let y = (radius as isize - i as isize).rem_euclid(height as isize) as usize;
            let x = (radius as isize - j as isize).rem_euclid(width as isize) as usize;
            frame[x * height + y] += value;
        }
    }
    let mut planner = FftPlanner::new();
    planner.plan_fft_forward(height).process(&mut frame);
    let rows = planner.plan_fft_forward(width);
    let mut row = vec![Complex64::ZERO; width];
    let scale = 1.0 / (height * width) as f64;
    for y in 0..height {
        for (x, value) in row.iter_mut().enumerate() {
            *value = frame[x * height + y];
        }
        rows.process(&mut row);
        for (x, value) in row.iter().enumerate() {
            frame[x * height + y] = value * scale;
        }
    }
    let round = |value: &Complex64| Complex32::new(value.re as f32, value.im as f32);
    frame.iter().map(round).collect()
}
