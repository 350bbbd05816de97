//! A SpatioTemporal Asset Catalog item of a result (STAC 1.0.0, with the processing, file and projection extensions).

use std::{fs::File, path::Path};

use artir_files::hash_file;
use serde_json::{Value, json};

use crate::{
    error::{Error, Reason},
    preview::Footprint,
    scene::Scene,
    write::{SceneReport, metadata::open_again},
};

/// Why a scene has no STAC item.
const NO_PLACE: &str = "the scene has no longitudes and latitudes, which a STAC item needs";

/// Finds out before a scene is restored whether a STAC item can state its place.
///
/// # Errors
/// [`Error::Write`] for a scene without a place on the Earth.
pub fn check_stac(scene: &Scene, to: &Path) -> Result<(), Error> {
    match Footprint::of(&scene.dataset).outline.is_empty() {
        true => Err(Error::Write { path: to.display().to_string(), reason: NO_PLACE.into() }),
        false => Ok(()),
    }
}

/// Writes the STAC item of a result.
///
/// # Errors
/// [`Error::Exists`] for a file that exists and may not be overwritten, and [`Error::Write`], among others for a result without
/// a place on the Earth.
pub fn write_stac(scene: &Scene, report: &SceneReport, model: &str, to: &Path, overwrite: bool) -> Result<(), Error> {
    if artir_files::is_taken(to) && !overwrite {
        return Err(Error::Exists { path: to.display().to_string() });
    }
    let fail = |reason: Reason| Error::Write { path: to.display().to_string(), reason };
    let item = item(scene, report, model).map_err(fail)?;
    artir_files::write_file(to, overwrite, format!("{item:#}\n").as_bytes()).map_err(|e| fail(e.into()))
}

fn item(scene: &Scene, report: &SceneReport, model: &str) -> Result<Value, Reason> {
    let dataset = open_again(&report.path)?;
    let footprint = Footprint::of(&dataset);
    if footprint.outline.is_empty() {
        return Err(NO_PLACE.into());
    }
    let ends = |axis: usize| {
        let values = footprint.outline.iter().map(|p| p[axis]);
        values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((west, east), (south, north)) = (ends(0), ends(1));
    let name = report.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let id = report.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = hash_file(File::open(&report.path)?)?;
    let code = footprint.crs.as_ref().and_then(|crs| crs.code.as_ref()?.strip_prefix("EPSG:")?.parse::<u32>().ok());
    let (columns, rows) = scene.info.description.size;
    let g = scene.info.description.georef.geotransform;
    let datetime = acquired(scene).map_or(Value::Null, Value::from);
    let mut properties = json!({
        "datetime": datetime,
        "processing:software": {"artir": artir_core::VERSION},
        "processing:lineage": format!("haze removed by {model}"),
        "proj:epsg": code,
        "proj:shape": [rows, columns],
        "proj:transform": g.map(|g| [g[1], g[2], g[0], g[4], g[5], g[3]]),
    });
    if datetime.is_null() {
        // An item needs a time. Nothing states when the scene was taken.
        properties["start_datetime"] = "1957-10-04T00:00:00Z".into();
        properties["end_datetime"] = "2100-01-01T00:00:00Z".into();
    }
    Ok(json!({
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
        ],
        "id": id,
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [footprint.outline]},
        "properties": properties,
        "links": [],
        "assets": {"data": {
            "href": format!("./{name}"),
            "roles": ["data"],
            "file:size": report.path.metadata()?.len(),
            // A multihash: SHA-256, 32 bytes.
            "file:checksum": format!("1220{sha256}"),
        }},
    }))
}

/// When the scene was taken, by its metadata, as RFC 3339.
fn acquired(scene: &Scene) -> Option<String> {
    let domains = &scene.info.description.domains;
    let items = || domains.get("").into_iter().chain(domains.get("IMAGERY")).flatten();
    let item = |key: &str| items().find_map(|i| i.strip_prefix(key)?.strip_prefix('='));
    let time = ["PRODUCT_START_TIME", "ACQUISITIONDATETIME", "DATE_ACQUIRED"].iter().find_map(|key| item(key))?;
    let time = time.trim().replacen(' ', "T", 1);
    let digits = |range: std::ops::Range<usize>| time.get(range).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()));
    if !digits(0..4) || !digits(5..7) || !digits(8..10) {
        return None;
    }
    let clock = digits(11..13) && digits(14..16) && digits(17..19);
    Some(if clock { format!("{}Z", time.trim_end_matches('Z')) } else { format!("{}T00:00:00Z", &time[..10]) })
}

#[cfg(test)]
mod tests {
    use gdal::DriverManager;

    use super::*;
    use crate::{OpenOptions, write_rgb_geotiff};

    #[test]
    fn a_scene_without_a_place_is_known_before_the_work() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scene.tif");
        let found = || {
            let scene = Scene::open(&path.display().to_string(), &OpenOptions::default()).unwrap();
            check_stac(&scene, Path::new("o.stac.json")).map_err(|e| e.to_string())
        };
        let rgb = ndarray::Array3::from_elem((3, 20, 30), 7);
        write_rgb_geotiff(&path, &rgb, [500_000.0, 1.0, 0.0, 5_400_000.0, 0.0, -1.0], 32632).unwrap();
        assert_eq!(found(), Ok(()));
        let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
        driver.create_with_band_type::<u8, _>(&path, 30, 20, 3).unwrap().close().unwrap();
        assert_eq!(found(), Err(format!("o.stac.json: cannot write: {NO_PLACE}")));
    }
}
