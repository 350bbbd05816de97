//! Which way is taken, and who does the work.

use std::sync::{Arc, Mutex, PoisonError};

use super::direct::{BLOCK_ROWS, Direct};
use super::fft::Correlator;
use super::map::{Block, Input, Output};
use super::plan::Plan;
use super::scratch::with_scratch;
use super::{Element, Parallel, Shape, Taps};
use crate::Error;
use crate::instructions::Instructions;

/// A way to compute the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Multiply and add tap by tap.
    Direct,
    /// Overlap-save FFT.
    Fft,
}

/// Largest K for which the direct loop wins on maps of any size: 11 where registers hold 16 values, 7 elsewhere
/// (measured on two cores, maps of 64x64 to 540x960).
const fn direct_up_to(wide: bool) -> usize {
    if wide { 11 } else { 7 }
}
/// Maps of so few pixels take the direct loop whatever K is: the smallest frame costs more.
const SMALL_MAP: usize = 16 * 16;
/// Frame sizes whose spectra are kept. A session sees few map sizes, and a plan has 12 sides to choose from.
const KEPT_SPECTRA: usize = 8;

/// One operator, ready to run on maps of any size from any number of threads.
pub struct Engine {
    taps: Taps,
    direct: Direct,
    direct_up_to: usize,
    spectra: Mutex<Vec<Arc<Correlator>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("kernel_size", &self.taps.size()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Prepares the taps for this processor.
    pub fn new(taps: Taps) -> Self {
        // `available` always ends in the portable loop.
        let best = Instructions::available()[0];
        Self::with_instructions(taps, best)
    }

    pub(crate) fn with_instructions(taps: Taps, instructions: Instructions) -> Self {
        Self {
            direct: Direct::new(&taps, instructions),
            direct_up_to: direct_up_to(instructions.wide()),
            spectra: Mutex::default(),
            taps,
        }
    }

    /// The taps.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// The way taken for maps of this shape.
    pub fn method(&self, shape: Shape) -> Method {
        if self.taps.size() <= self.direct_up_to || shape.height * shape.width <= SMALL_MAP {
            Method::Direct
        } else {
            Method::Fft
        }
    }

    /// Computes all maps of `input` into `output`, both row-major `[batch, height, width]`.
    ///
    /// # Errors
    /// [`Error::BufferLength`] or [`Error::TooLarge`] when the buffers do not have the shape, and the errors of `parallel`
    /// reports; the output's contents are then unspecified.
    pub fn run<E: Element>(
        &self,
        input: &[E],
        output: &mut [E],
        shape: Shape,
        parallel: &dyn Parallel,
    ) -> Result<(), Error> {
        shape.check(input.len())?;
        self.run_by(self.method(shape), input, output, shape, parallel)
    }

    /// The same by a way of the caller's choice.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    pub fn run_by<E: Element>(
        &self,
        method: Method,
        input: &[E],
        output: &mut [E],
        shape: Shape,
        parallel: &dyn Parallel,
    ) -> Result<(), Error> {
        let input = Input::new(input, shape)?;
        let output = Output::new(output, shape)?;
        if shape.count() == Some(0) {
            return Ok(());
        }
        match method {
            Method::Fft => match Plan::new(shape, &self.taps) {
                Some(plan) => self.by_fft(&input, &output, plan, parallel),
                None => self.by_loop(&input, &output, parallel),
            },
            Method::Direct => self.by_loop(&input, &output, parallel),
        }
    }

    fn by_loop<E: Element>(
        &self,
        input: &Input<'_, E>,
        output: &Output<'_, E>,
        parallel: &dyn Parallel,
    ) -> Result<(), Error> {
        let Shape { batch, height, width } = input.shape;
        let bands = height.div_ceil(BLOCK_ROWS);
        run_jobs(parallel, batch * bands, &|job| {
            let first = job % bands * BLOCK_ROWS;
            let rows = first..(first + BLOCK_ROWS).min(height);
            let block = Block { map: job / bands, rows, columns: 0..width };
            // SAFETY: every job has a band of rows of its own.
            with_scratch(|scratch| unsafe { self.direct.run(input, output, &block, scratch) });
        })
    }

    fn by_fft<E: Element>(
        &self,
        input: &Input<'_, E>,
        output: &Output<'_, E>,
        plan: Plan,
        parallel: &dyn Parallel,
    ) -> Result<(), Error> {
        let correlator = self.correlator(plan.size());
        let failed: Mutex<Option<Error>> = Mutex::default();
        run_jobs(parallel, input.shape.batch * plan.frames(), &|job| {
            let frame = plan.frame(job);
            with_scratch(|scratch| {
                // SAFETY: the plan's frames have disjoint blocks, and every job has a frame of its own.
                match unsafe { correlator.run(input, output, &frame, scratch) } {
                    Ok(true) => {}
                    // SAFETY: as above; the correlator is done with the block.
                    Ok(false) => unsafe { self.direct.run(input, output, &frame.block, scratch) },
                    Err(e) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e),
                }
            });
        })?;
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// The spectrum for a frame size, made at its first use.
    fn correlator(&self, size: (usize, usize)) -> Arc<Correlator> {
        let find = |kept: &[Arc<Correlator>]| kept.iter().find(|c| c.size() == size).cloned();
        if let Some(found) = find(&self.spectra.lock().unwrap_or_else(PoisonError::into_inner)) {
            return found;
        }
        // Made outside the lock: other sizes go on meanwhile. Two threads may make the same one; one is kept.
        let made = Arc::new(Correlator::new(size.0, size.1, &self.taps));
        let mut kept = self.spectra.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&kept) {
            return found;
        }
        if kept.len() == KEPT_SPECTRA {
            kept.remove(0);
        }
        kept.push(made.clone());
        made
    }
}

/// One job needs no pool.
fn run_jobs(parallel: &dyn Parallel, jobs: usize, job: &(dyn Fn(usize) + Sync)) -> Result<(), Error> {
    if jobs == 1 {
        job(0);
        return Ok(());
    }
    parallel.run(jobs, job)
}

#[cfg(test)]
mod tests {
    use half::f16;
    use proptest::prelude::*;

    use super::super::{Serial, reference};
    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(next).collect()
    }

    fn taps(size: usize, bias: bool, seed: u32) -> Taps {
        let area = size * size;
        Taps::new(size as i64, values(area, seed), bias.then(|| values(area, seed + 1))).unwrap()
    }

    fn expect(input: &[f32], shape: Shape, taps: &Taps) -> Vec<f64> {
        let map = shape.height * shape.width;
        input.chunks(map).flat_map(|m| reference(m, shape.height, shape.width, taps)).collect()
    }

    fn relative_error(got: &[f32], want: &[f64]) -> f64 {
        let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(1e-30);
        got.iter().zip(want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max) / largest
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(80))]
        #[test]
        fn every_way_agrees_with_float64(
            half_size in 0usize..36, bias: bool, batch in 1usize..3, height in 1usize..70, width in 1usize..90,
            seed in 0u32..1000,
        ) {
            let taps = taps(2 * half_size + 1, bias, seed);
            let shape = Shape { batch, height, width };
            let input = values(batch * height * width, seed + 7);
            let want = expect(&input, shape, &taps);
            for instructions in Instructions::available() {
                let engine = Engine::with_instructions(taps.clone(), instructions);
                for method in [Method::Direct, Method::Fft] {
                    let mut got = vec![f32::NAN; input.len()];
                    engine.run_by(method, &input, &mut got, shape, &Serial).unwrap();
                    let error = relative_error(&got, &want);
                    prop_assert!(error < 3e-6, "{instructions:?} {method:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_largest_kernel_on_a_large_map() {
        let taps = taps(127, true, 3);
        let shape = Shape { batch: 1, height: 150, width: 301 };
        let input = values(150 * 301, 9);
        let engine = Engine::new(taps.clone());
        assert_eq!(engine.method(shape), Method::Fft);
        let mut got = vec![0.0; input.len()];
        engine.run(&input, &mut got, shape, &Serial).unwrap();
        let error = relative_error(&got, &expect(&input, shape, &taps));
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn a_nan_reaches_as_far_as_the_definition_says() {
        let size = 21;
        let shape = Shape { batch: 2, height: 100, width: 140 };
        for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
            for (y, x) in [(0, 0), (50, 70), (99, 139), (37, 2)] {
                let engine = Engine::new(taps(size, true, 4));
                let clean = values(2 * 100 * 140, 5);
                let mut input = clean.clone();
                input[y * 140 + x] = bad;
                let (mut got, mut want) = (vec![0.0; input.len()], vec![0.0; input.len()]);
                engine.run_by(Method::Fft, &input, &mut got, shape, &Serial).unwrap();
                engine.run_by(Method::Direct, &clean, &mut want, shape, &Serial).unwrap();
                for (i, (g, w)) in got.iter().zip(&want).enumerate() {
                    let (py, px) = (i / 140, i % 140);
                    let near = py < 100 && py.abs_diff(y) <= size / 2 && px.abs_diff(x) <= size / 2;
                    if !near {
                        assert!((g - w).abs() < 1e-3, "{bad} at {y},{x} changed {py},{px}: {g} {w}");
                    } else if bad.is_nan() {
                        assert!(g.is_nan(), "{py},{px} must be NaN");
                    }
                }
            }
        }
    }

    #[test]
    fn halves_are_computed_in_single_precision() {
        let taps = taps(15, true, 6);
        let shape = Shape { batch: 1, height: 60, width: 60 };
        let input: Vec<f16> = values(3600, 7).into_iter().map(f16::from_f32).collect();
        let wide: Vec<f32> = input.iter().map(|v| v.to_f32()).collect();
        let mut got = vec![f16::ZERO; 3600];
        Engine::new(taps.clone()).run(&input, &mut got, shape, &Serial).unwrap();
        let got: Vec<f32> = got.into_iter().map(f16::to_f32).collect();
        assert!(relative_error(&got, &expect(&wide, shape, &taps)) < 1e-3);
    }

    #[test]
    fn wrong_buffers_and_empty_maps() {
        let engine = Engine::new(taps(3, false, 8));
        let shape = Shape { batch: 1, height: 4, width: 4 };
        let short = engine.run(&[0.0; 15], &mut [0.0; 16], shape, &Serial);
        assert!(matches!(short, Err(Error::BufferLength { .. })));
        let huge = Shape { batch: usize::MAX, height: 2, width: 2 };
        assert!(matches!(engine.run::<f32>(&[], &mut [], huge, &Serial), Err(Error::TooLarge(_))));
        let empty = Shape { batch: 0, height: 4, width: 4 };
        assert_eq!(engine.run::<f32>(&[], &mut [], empty, &Serial), Ok(()));
    }
}
