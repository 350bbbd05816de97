//! Overviews of a result, of the sizes that the source's have.

use gdal::{Dataset, Metadata};

use super::layout::Layout;
use crate::{
    error::Reason,
    ffi::{self, ThreadOption},
    scene::Scene,
};

/// Builds overviews of the sizes that the source's have.
pub(super) fn overviews(scene: &Scene, target: &mut Dataset, layout: &Layout, empty: bool) -> Result<(), Reason> {
    let (columns, rows) = scene.dataset.raster_size();
    let factor = |(c, r): &(usize, usize)| {
        let long = if columns >= rows { columns as f64 / *c as f64 } else { rows as f64 / *r as f64 };
        long.round() as i32
    };
    let levels: Vec<i32> = scene.info.description.overviews.iter().map(factor).filter(|f| *f > 1).collect();
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
    let resampling = if empty { "NONE" } else { told.as_deref().unwrap_or("AVERAGE") };
    ffi::checked(|| target.build_overviews(resampling, &levels, &[]))?;
    let first = target.rasterband(1)?;
    let built = (0..first.overview_count().unwrap_or(0)).filter_map(|i| first.overview(i as usize).ok());
    let wanted = scene.info.description.overviews.iter().filter(|o| factor(o) > 1);
    if built.map(|o| o.size()).ne(wanted.copied()) {
        return Err("its overviews have sizes that GDAL does not build".into());
    }
    Ok(())
}
