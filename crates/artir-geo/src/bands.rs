//! Which bands are red, green and blue, and what restoring does to their values.

use gdal::{Dataset, raster::ColorInterpretation};

/// Finds the red, green and blue band (counted from 1): as asked for, or by colour interpretation.
pub(crate) fn find_rgb(dataset: &Dataset, asked: Option<[usize; 3]>) -> Result<[usize; 3], String> {
    let count = dataset.raster_count();
    if let Some(bands) = asked {
        if let Some(b) = bands.iter().find(|b| !(1..=count).contains(*b)) {
            return Err(format!("there is no band {b}: the scene has {count}"));
        }
        if bands[0] == bands[1] || bands[1] == bands[2] || bands[0] == bands[2] {
            return Err("--bands names one band twice".into());
        }
        return Ok(bands);
    }
    let find = |wanted: ColorInterpretation| {
        (1..=count).find(|i| dataset.rasterband(*i).is_ok_and(|b| b.color_interpretation() == wanted))
    };
    let rgb = [ColorInterpretation::RedBand, ColorInterpretation::GreenBand, ColorInterpretation::BlueBand];
    match rgb.map(find) {
        [Some(r), Some(g), Some(b)] => Ok([r, g, b]),
        _ => Err("the file does not say which bands are red, green and blue: name them, as --bands 1,2,3".into()),
    }
}

/// Adds a residual (display units, 0 to 1) to one pixel's bytes, rounding to nearest and saturating.
///
/// An invalid pixel (every band nodata) is not changed. A valid one stays valid: if rounding would make every band
/// nodata, the band that moved furthest takes the nearest other value.
pub(crate) fn add(pixel: &mut [u8; 3], residual: [f32; 3], nodata: [Option<u8>; 3]) {
    if is_nodata(*pixel, nodata) {
        return;
    }
    let mut wanted = [0.0; 3];
    let mut out = [0; 3];
    for band in 0..3 {
        wanted[band] = f64::from(pixel[band]) + f64::from(residual[band]) * 255.0;
        out[band] = wanted[band].round().clamp(0.0, 255.0) as u8;
    }
    if is_nodata(out, nodata) {
        // Some band differs from its nodata value in the source, or the pixel would have been invalid.
        let moved = |band: usize| (f64::from(out[band]) - f64::from(pixel[band])).abs();
        let band = (0..3).max_by(|a, b| moved(*a).total_cmp(&moved(*b))).unwrap_or(0);
        out[band] = match out[band] {
            0 => 1,
            255 => 254,
            v if wanted[band] < f64::from(v) => v - 1,
            v => v + 1,
        };
    }
    *pixel = out;
}

/// Whether every band holds its nodata value.
pub(crate) fn is_nodata(pixel: [u8; 3], nodata: [Option<u8>; 3]) -> bool {
    pixel.iter().zip(nodata).all(|(v, n)| n == Some(*v))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn valid_pixels_stay_valid_and_invalid_ones_unchanged(
            pixel: [u8; 3], r in -2f32..2.0, g in -2f32..2.0, b in -2f32..2.0, nodata: [Option<u8>; 3]
        ) {
            let mut out = pixel;
            add(&mut out, [r, g, b], nodata);
            prop_assert_eq!(is_nodata(out, nodata), is_nodata(pixel, nodata));
            if is_nodata(pixel, nodata) { prop_assert_eq!(out, pixel); }
            for i in 0..3 {
                let exact = (f64::from(pixel[i]) + f64::from([r, g, b][i]) * 255.0).clamp(0.0, 255.0);
                if !is_nodata(pixel, nodata) {
                    prop_assert!((f64::from(out[i]) - exact).abs() <= 1.5);
                }
            }
        }

        #[test]
        fn a_zero_residual_changes_nothing(pixel: [u8; 3], nodata: [Option<u8>; 3]) {
            let mut out = pixel;
            add(&mut out, [0.0; 3], nodata);
            prop_assert_eq!(out, pixel);
        }
    }
}
