//! Comparing what was written with what it was made from, field by field.

use std::path::Path;

use gdal::Dataset;

use crate::georef::{BandDescription, Description};

/// Opens the written file and names every field that differs from the source's description.
pub(crate) fn verify(written: &Path, wanted: &Description) -> Result<(), String> {
    let dataset = Dataset::open(written).map_err(|_| "it cannot be opened again".to_owned())?;
    let found = Description::of(&dataset)?;
    let differences = differences(wanted, &found);
    if differences.is_empty() { Ok(()) } else { Err(format!("it would differ in {}", differences.join(", "))) }
}

fn differences(a: &Description, b: &Description) -> Vec<String> {
    let mut out = Vec::new();
    let mut check = |same: bool, what: &str| {
        if !same {
            out.push(what.to_owned());
        }
    };
    check(a.size == b.size, "size");
    check(a.crs == b.crs, "coordinate reference system");
    check(a.geotransform == b.geotransform, "geotransform");
    check(a.domains == b.domains, "metadata");
    check(a.bands.len() == b.bands.len(), "number of bands");
    for (i, (a, b)) in a.bands.iter().zip(&b.bands).enumerate() {
        for what in band_differences(a, b) {
            check(false, &format!("{what} of band {}", i + 1));
        }
    }
    out
}

fn band_differences(a: &BandDescription, b: &BandDescription) -> Vec<&'static str> {
    [
        (a.nodata == b.nodata, "nodata"),
        (a.colour == b.colour, "colour interpretation"),
        (a.description == b.description, "description"),
        (a.unit == b.unit, "unit"),
        (a.scale == b.scale, "scale"),
        (a.offset == b.offset, "offset"),
        (a.domains == b.domains, "metadata"),
    ]
    .into_iter()
    .filter_map(|(same, what)| (!same).then_some(what))
    .collect()
}
