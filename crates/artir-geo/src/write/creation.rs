//! Creation options of GDAL's drivers: known by name and value, and none that would change the scene.

use gdal::{DriverManager, Metadata};
use gdal_sys::GDALDataType;

use super::options::{CreationOption, Format};
use crate::{error::Reason, scene::description::Description};

/// Compressions that keep every value.
const LOSSLESS: [&str; 9] = ["NONE", "LZW", "PACKBITS", "ZSTD", "DEFLATE", "LZMA", "LERC", "LERC_DEFLATE", "LERC_ZSTD"];

/// Checks an option of the user's.
///
/// # Errors
/// [`Reason::Option`] for one that the driver does not have, and for one that would change values, grid or layout.
pub(crate) fn check(format: Format, option: &CreationOption) -> Result<(), Reason> {
    let fail = |why: String| Err(Reason::Option { key: option.key().into(), value: option.value().into(), why });
    let name = format.driver();
    let value = option.value().to_ascii_uppercase();
    let loses = match (format, option.key()) {
        (Format::Jp2 | Format::J2k, "QUALITY") => value != "100",
        (Format::Jp2 | Format::J2k, "REVERSIBLE") => !is_yes(&value),
        // What GDAL reads of such a box would depend on the size of the scene, and differ from what was checked.
        (Format::Jp2 | Format::J2k, "GMLJP2" | "INSPIRE_TG") => is_yes(&value),
        (Format::Jp2 | Format::J2k, "GMLJP2V2_DEF") => true,
        (_, "COMPRESS") => !LOSSLESS.contains(&value.as_str()),
        (_, "MAX_Z_ERROR" | "MAX_Z_ERROR_OVERVIEW") => value.parse() != Ok(0.0),
        // GDAL would read another meaning of the values, and other viewers still others.
        (_, "PHOTOMETRIC") => !["RGB", "MINISBLACK"].contains(&value.as_str()),
        (_, "NBITS" | "DISCARD_LSB" | "PIXELTYPE" | "JPEG_QUALITY" | "WEBP_LEVEL" | "SIGNED") => true,
        // They would change the grid, the metadata or the layout that was checked.
        (
            _,
            "COPY_SRC_OVERVIEWS" | "RPB" | "RPCTXT" | "PROFILE" | "TILING_SCHEME" | "RES" | "EXTENT" | "TARGET_SRS",
        ) => true,
        _ => false,
    };
    if loses {
        return fail("this option would change the scene's values or grid".into());
    }
    let driver = DriverManager::get_driver_by_name(name).map_err(|_| format!("this GDAL has no {name} driver"))?;
    let Some(list) = driver.metadata_item("DMD_CREATIONOPTIONLIST", "") else { return Ok(()) };
    let Ok(document) = roxmltree::Document::parse(&list) else { return Ok(()) };
    let mut known = document.descendants().filter(|n| n.has_tag_name("Option"));
    let named = |n: &roxmltree::Node<'_, '_>| n.attribute("name").is_some_and(|n| n.eq_ignore_ascii_case(option.key()));
    let Some(found) = known.find(named) else {
        return fail(format!("GDAL's {name} driver has no such option"));
    };
    let choices: Vec<&str> = found.children().filter(|n| n.has_tag_name("Value")).filter_map(|n| n.text()).collect();
    let fine = match found.attribute("type") {
        Some("string-select") => choices.iter().any(|choice| choice.trim().eq_ignore_ascii_case(&value)),
        Some("boolean") => is_yes(&value) || ["NO", "FALSE", "OFF", "0"].contains(&value.as_str()),
        Some("int" | "unsigned int" | "integer") => value.parse::<i64>().is_ok(),
        Some("float") => value.parse::<f64>().is_ok(),
        _ => true,
    };
    if fine {
        return Ok(());
    }
    fail(match choices.as_slice() {
        [] => format!("GDAL's {name} driver does not take this value"),
        choices => format!("GDAL's {name} driver takes one of {}", choices.join(", ")),
    })
}

/// Checks all options of a driver together with the scene: some keep every value of most scenes, but not of all.
///
/// # Errors
/// [`Reason::Option`] for one that would change values of this scene.
pub(crate) fn check_together(scene: &Description, format: Format, options: &[(String, String)]) -> Result<(), Reason> {
    let get = |key: &str| options.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let fail = |key: &str, value: &str, why: &str| {
        Err(Reason::Option { key: key.into(), value: value.into(), why: why.into() })
    };
    if let Some(value) = get("SPARSE_OK").filter(|value| is_yes(value) && !scene.shares_nodata()) {
        let why = "its bands have different nodata values, and what a sparse file leaves out would read as nodata where it is 0";
        return fail("SPARSE_OK", value, why);
    }
    // LERC keeps NaN as one mask for all bands of a block, so that a NaN of one band alone makes a file that cannot be read.
    let is_float = matches!(scene.bands[0].kind, GDALDataType::GDT_Float32 | GDALDataType::GDT_Float64);
    let by_band = get("INTERLEAVE").is_some_and(|value| value.eq_ignore_ascii_case("BAND"));
    let one_mask = is_float && scene.bands.len() > 1 && (format == Format::Cog || !by_band);
    if let Some(value) = get("COMPRESS").filter(|value| one_mask && value.to_ascii_uppercase().starts_with("LERC")) {
        let why = match format {
            Format::Cog => "LERC cannot keep the NaN of single bands of floating-point values: take ZSTD or DEFLATE",
            _ => {
                "LERC cannot keep the NaN of single bands of floating-point values: add INTERLEAVE=BAND, or take ZSTD or DEFLATE"
            }
        };
        return fail("COMPRESS", value, why);
    }
    Ok(())
}

pub(crate) fn is_yes(value: &str) -> bool {
    ["YES", "TRUE", "ON", "1"].iter().any(|yes| yes.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_the_driver() {
        let refused = |format, key: &str, value: &str| {
            check(format, &CreationOption::new(key, value).unwrap()).err().map(|why| why.to_string())
        };
        for (key, value) in [
            ("TILED", "YES"),
            ("tfw", "yes"),
            ("SPARSE_OK", "TRUE"),
            ("COMPRESS", "zstd"),
            ("ZLEVEL", "9"),
            ("BIGTIFF", "IF_NEEDED"),
            ("MAX_Z_ERROR", "0"),
            ("PHOTOMETRIC", "rgb"),
        ] {
            assert_eq!(refused(Format::GeoTiff, key, value), None, "{key}={value}");
        }
        for (format, key, value, words) in [
            (Format::GeoTiff, "NOTANOPTION", "1", "no such option"),
            (Format::GeoTiff, "TILED", "maybe", "does not take"),
            (Format::GeoTiff, "INTERLEAVE", "ROW", "takes one of"),
            (Format::GeoTiff, "BLOCKXSIZE", "a", "does not take"),
            (Format::GeoTiff, "COMPRESS", "JPEG", "would change"),
            (Format::GeoTiff, "MAX_Z_ERROR", "0.5", "would change"),
            (Format::GeoTiff, "PHOTOMETRIC", "CMYK", "would change"),
            (Format::Cog, "TILED", "YES", "no such option"),
            (Format::Cog, "TILING_SCHEME", "GoogleMapsCompatible", "would change"),
            (Format::Jp2, "QUALITY", "25", "would change"),
            (Format::Jp2, "GMLJP2", "YES", "would change"),
        ] {
            let why = refused(format, key, value);
            assert!(why.as_ref().is_some_and(|why| why.contains(words)), "{key}={value}: {why:?}");
        }
    }
}
