//! Overviews of a result, by the factors of the source's.

use gdal::{Dataset, Metadata};

use super::layout::Layout;
use crate::{
    error::Reason,
    ffi::{self, ThreadOption},
    scene::Scene,
};

/// GDAL's methods for real numbers.
const METHODS: [&str; 10] = [
    "NEAREST",
    "AVERAGE",
    "AVERAGE_BIT2GRAYSCALE",
    "BILINEAR",
    "CUBIC",
    "CUBICSPLINE",
    "GAUSS",
    "LANCZOS",
    "MODE",
    "RMS",
];

/// Builds overviews by the factors that come nearest to those of the source.
pub(super) fn overviews(scene: &Scene, target: &mut Dataset, layout: &Layout, empty: bool) -> Result<(), Reason> {
    let (columns, rows) = scene.dataset.raster_size();
    let factor = |(c, r): &(usize, usize)| {
        let long = if columns >= rows { columns as f64 / *c as f64 } else { rows as f64 / *r as f64 };
        long.round() as i32
    };
    let mut levels: Vec<i32> = scene.info.description.overviews.iter().map(factor).filter(|f| *f > 1).collect();
    levels.sort_unstable();
    levels.dedup();
    if levels.is_empty() {
        return Ok(());
    }
    let first = scene.dataset.rasterband(1)?;
    let told = first.overview(0).ok().and_then(|o| o.metadata_item("RESAMPLING", ""));
    let compression = layout.get("COMPRESS").unwrap_or("NONE");
    let _options = [
        ThreadOption::set("COMPRESS_OVERVIEW", compression),
        ThreadOption::set("PREDICTOR_OVERVIEW", layout.get("PREDICTOR").unwrap_or("1")),
        ThreadOption::set("INTERLEAVE_OVERVIEW", layout.get("INTERLEAVE").unwrap_or("PIXEL")),
        ThreadOption::set("BIGTIFF_OVERVIEW", "IF_SAFER"),
    ];
    let resampling = if empty { "NONE" } else { method(told.as_deref()) };
    ffi::checked(|| target.build_overviews(resampling, &levels, &[]))?;
    Ok(())
}

/// The method that a source's overviews state. One that this GDAL does not have would fail when all pixels are restored.
fn method(stated: Option<&str>) -> &'static str {
    let known = |stated: &str| METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(stated));
    stated.and_then(known).unwrap_or("AVERAGE")
}
