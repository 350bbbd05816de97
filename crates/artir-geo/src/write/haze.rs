//! Haze of bands that the network does not see.
//!
//! The network removes haze from red, green and blue. What it removes, smoothed, is the light that the air scatters
//! into the sensor: h(wavelength) = a x wavelength^-k, with k from 0 (fog, all colours alike) to 4 (clean air). Blue and red give a
//! and k of each pixel, and these give the haze of near and short-wave infrared, which is subtracted. Nothing is ever added.

use gdal::Dataset;

use crate::{
    error::Reason,
    ffi::{self, Coverage, Part, RawRows},
    scene::{SceneInfo, bands::wavelengths, coverage::coverage, radiometry},
    values::{
        band::{self, BandValues},
        interval::Interval,
        samples::on_planes,
    },
};

/// Pixels on each side that haze is averaged over, twice.
const RADIUS: usize = 16;
/// Rows above and below a chunk that the averages reach.
const HALO: usize = 2 * RADIUS;
/// The largest exponent: that of air without particles.
const CLEAN_AIR: f64 = 4.0;
/// Wavelengths beyond which haze of this kind is nothing, nm: thermal bands.
const REFLECTIVE: std::ops::Range<f64> = 380.0..2600.0;

/// The bands that haze is removed from, and how.
pub(crate) struct OtherBands {
    bands: Vec<Band>,
    /// Wavelengths of red and blue.
    visible: [f64; 2],
    /// Physical units of a stored step, of red and blue.
    steps: [f64; 2],
}

struct Band {
    number: usize,
    wavelength: f64,
    step: f64,
    values: BandValues,
}

impl OtherBands {
    /// Finds the bands by their wavelengths.
    ///
    /// # Errors
    /// When red, green and blue are not restored, or no other band has a known wavelength.
    pub(crate) fn of(scene: &SceneInfo, dataset: &Dataset) -> Result<Self, Reason> {
        let [red, _, blue] = scene.bands.as_slice() else {
            return Err("haze of other bands follows from red, green and blue, which are not restored".into());
        };
        let known = wavelengths(dataset)?;
        let of = |number: usize, usual: f64| known[number - 1].filter(|w| (400.0..720.0).contains(w)).unwrap_or(usual);
        // Without scale and offset, all bands count in the same stored steps.
        let step =
            |number: usize| radiometry::of_band(&scene.description, number).map_or(1.0, radiometry::Radiometry::step);
        let others = known.iter().enumerate().map(|(i, wavelength)| (i + 1, *wavelength));
        let bands: Vec<Band> = others
            .filter(|(number, _)| !scene.bands.contains(number))
            .filter_map(|(number, wavelength)| Some((number, wavelength.filter(|w| REFLECTIVE.contains(w))?)))
            .map(|(number, wavelength)| Band {
                number,
                wavelength,
                step: step(number),
                values: BandValues {
                    // Residuals are in stored values.
                    interval: Interval::UNIT,
                    nodata: scene.nodata_of(number),
                    declared: scene.description.bands[number - 1].nodata.and_then(ffi::Nodata::value),
                    zero: radiometry::of_band(&scene.description, number).map_or(0.0, |r| r.stored(0.0)),
                    limits: radiometry::limits(&scene.description, number),
                },
            })
            .collect();
        if bands.is_empty() {
            return Err("no other band states its wavelength, or is called nir or swir".into());
        }
        Ok(Self { bands, visible: [of(*red, 660.0), of(*blue, 485.0)], steps: [step(*red), step(*blue)] })
    }

    /// The bands, counted from 1.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.bands.iter().map(|band| band.number).collect()
    }

    /// Removes haze from rows of the bands. `target` holds the restored red, green and blue already.
    pub(crate) fn restore(
        &self,
        scene: &SceneInfo,
        source: &Dataset,
        target: &Dataset,
        chunk: usize,
    ) -> Result<(), Reason> {
        let (columns, rows) = scene.description.size;
        let visible = [scene.bands[0], scene.bands[2]];
        let mut changes = vec![true; columns];
        for row in (0..rows).step_by(chunk.max(1)) {
            let count = chunk.min(rows - row);
            let part = Part { at: (0, row), size: (columns, count) };
            // Only a sparse result reads as its source where nothing is written.
            let sparse = scene.has_holes && scene.description.shares_nodata();
            if sparse && coverage(source, &self.numbers(), part)? == Coverage::None {
                continue;
            }
            let top = row.saturating_sub(HALO);
            let bottom = (row + count + HALO).min(rows);
            let around = RawRows { row: top, rows: bottom - top, columns };
            let (mut before, mut after) = (scene.planes(), scene.planes());
            before.read_rows(source, &visible, &around)?;
            after.read_rows(target, &visible, &around)?;
            let (red, blue) = ([before.values(0), after.values(0)], [before.values(1), after.values(1)]);
            // A pixel that does not count is as it was, and stays so in the other bands.
            let same = |i: usize| red[0][i] == red[1][i] && blue[0][i] == blue[1][i];
            let touched: Vec<bool> = (0..red[0].len()).map(|i| !same(i)).collect();
            let [red, blue] = [0, 1].map(|i| {
                let pairs = before.values(i).into_iter().zip(after.values(i));
                let removed =
                    pairs.map(|(b, a)| if (b - a).is_finite() { ((b - a) * self.steps[i]).max(0.0) } else { 0.0 });
                let once = averaged(&removed.collect::<Vec<f64>>(), columns);
                averaged(&once, columns)
            });
            let from = (row - top) * columns;
            let at = RawRows { row, rows: count, columns };
            for band in &self.bands {
                let haze: Vec<f32> = red[from..from + count * columns]
                    .iter()
                    .zip(&blue[from..])
                    .map(|(red, blue)| (-self.haze(*red, *blue, band.wavelength) / band.step) as f32)
                    .collect();
                let mut planes = scene.planes();
                planes.read_rows(source, &[band.number], &at)?;
                for (r, line) in haze.chunks_exact(columns).enumerate() {
                    match &scene.region {
                        Some(region) => region.mark(row + r, &mut changes),
                        None => changes.fill(true),
                    }
                    let at = r * columns;
                    changes.iter_mut().zip(&touched[from + at..]).for_each(|(changes, touched)| *changes &= *touched);
                    on_planes!(&mut planes, p => {
                        band::add(&mut p[0][at..at + columns], line, Some(&changes), &band.values);
                    });
                }
                ffi::write_raw(&target.rasterband(band.number)?, &at, &mut planes.bytes(0))?;
            }
        }
        Ok(())
    }

    /// The haze at a wavelength by that of red and blue.
    fn haze(&self, red: f64, blue: f64, wavelength: f64) -> f64 {
        let [of_red, of_blue] = self.visible;
        if red <= 0.0 {
            return blue * (wavelength / of_blue).powf(-CLEAN_AIR);
        }
        let exponent = ((blue / red).ln() / (of_red / of_blue).ln()).clamp(0.0, CLEAN_AIR);
        red * (wavelength / of_red).powf(-exponent)
    }
}

/// Means over squares, cut at the edges.
fn averaged(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns.max(1);
    let mut lines = Vec::with_capacity(values.len());
    for line in values.chunks_exact(columns) {
        lines.extend(running(line.iter().copied()));
    }
    let mut out = vec![0.0; values.len()];
    for column in 0..columns {
        let means = running((0..rows).map(|row| lines[row * columns + column]));
        means.into_iter().enumerate().for_each(|(row, mean)| out[row * columns + column] = mean);
    }
    out
}

/// Running means of a line.
fn running(line: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sums = vec![0.0];
    for value in line {
        sums.push(sums[sums.len() - 1] + value);
    }
    let count = sums.len() - 1;
    (0..count)
        .map(|i| {
            let (from, to) = (i.saturating_sub(RADIUS), (i + RADIUS + 1).min(count));
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haze_falls_with_the_wavelength_as_blue_and_red_tell() {
        let other = OtherBands { bands: Vec::new(), visible: [660.0, 480.0], steps: [1.0; 2] };
        let power = |k: f64, w: f64| 0.1 * (w / 480.0).powf(-k);
        for k in [0.0, 1.3, 4.0] {
            for w in [865.0, 1610.0] {
                assert!((other.haze(power(k, 660.0), 0.1, w) - power(k, w)).abs() < 1e-9, "{k} {w}");
            }
        }
        assert_eq!(other.haze(0.0, 0.0, 865.0), 0.0);
        assert!(other.haze(0.1, 0.05, 865.0) <= 0.1, "more haze in red than in blue is that of fog");
    }

    #[test]
    fn means_keep_a_constant_and_spread_a_point() {
        assert!(averaged(&[0.25; 60], 10).iter().all(|v| (v - 0.25).abs() < 1e-12));
        let mut point = vec![0.0; 101 * 101];
        point[50 * 101 + 50] = 1.0;
        let spread = averaged(&point, 101);
        let expected = 1.0 / (33.0 * 33.0);
        assert!((spread[50 * 101 + 50] - expected).abs() < 1e-9 && spread[0] == 0.0);
    }
}
