//! Restored values as stored values: the residual is added to what the source stores.

use ndarray::Array2;

use super::mapping::{Line, NewRescale};
use crate::{
    Modality,
    decimal::decimal_string,
    read::{
        hu::{Encoding, Transform},
        slice::Slice,
    },
};

impl Slice {
    /// Adds a residual in network units. A PET slice whose result its slope cannot hold, or holds too coarsely, gets a
    /// new one, which is returned. A CT slice keeps its own.
    pub(crate) fn add(&mut self, residual: Array2<f32>, modality: Modality) -> Option<NewRescale> {
        let per_unit = self.per_unit;
        let mut rescaled = residual.mapv_into(|r| (f64::from(r) / per_unit) as f32);
        if let Some(outside) = self.outside.as_deref() {
            rescaled.zip_mut_with(outside, |r, outside| *r = if *outside { 0.0 } else { *r });
        }
        if modality == Modality::Pet
            && let Transform::Linear { slope, intercept } = self.encoding.transform
            && rescaled.iter().any(|r| *r != 0.0)
            && let Some(new) = self.new_slope(&rescaled, slope, intercept)
        {
            let wanted = |stored: i32, r: f32| (self.encoding.rescale(stored) + f64::from(r) - intercept) / new;
            let renewed = Encoding { transform: Transform::Linear { slope: new, intercept }, ..self.encoding.clone() };
            self.frame.stored.zip_mut_with(&rescaled, |stored, r| {
                if !renewed.is_padding(*stored) {
                    *stored = renewed.nearest(wanted(*stored, *r));
                }
            });
            self.encoding = renewed;
            let [from, to] = [slope, new].map(|slope| Line { slope, intercept });
            return Some(NewRescale { from, to, limits: self.encoding.limits });
        }
        self.encoding.add(&mut self.frame.stored, rescaled.view());
        None
    }

    /// The slope that a PET result needs, if not its own: the largest value must fit, and a step must stay under 0.1 %
    /// of it. Below 0 an unsigned slice ends, whatever its slope.
    fn new_slope(&self, residual: &Array2<f32>, slope: f64, intercept: f64) -> Option<f64> {
        let (lo, hi) = self.encoding.limits;
        let mut largest: f64 = 0.0;
        let mut least: f64 = 0.0;
        for (stored, r) in self.frame.stored.iter().zip(residual) {
            if !self.encoding.is_padding(*stored) {
                let value = self.encoding.rescale(*stored) + f64::from(*r) - intercept;
                largest = largest.max(value);
                least = least.min(value);
            }
        }
        let needed = (largest / f64::from(hi)).max(if lo < 0 { least / f64::from(lo) } else { 0.0 });
        let fits = needed <= slope.abs();
        let fine = slope.abs() <= 1e-3 * largest || largest <= 0.0;
        if slope <= 0.0 || needed <= 0.0 || (fits && fine) {
            return None;
        }
        let text = decimal_string(needed);
        text.parse().ok().filter(|new| !fits || *new < slope)
    }
}
