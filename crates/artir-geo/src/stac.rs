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
        "bbox": bounds(&footprint.outline),
        "geometry": geometry(&footprint.outline),
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

/// Longitude and latitude of two corners, by RFC 7946: the first longitude is the larger one where the antimeridian lies
/// between them. An outline around a pole goes on beyond 180 degrees, all the way round.
fn bounds(outline: &[[f64; 2]]) -> [f64; 4] {
    let ends = |axis: usize| {
        let values = outline.iter().map(|p| p[axis]);
        values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((west, east), (south, north)) = (ends(0), ends(1));
    if east - west > 360.0 - 1e-9 {
        return [-180.0, south, 180.0, north];
    }
    let turned = |lon: f64| lon - 360.0 * f64::from(i8::from(lon > 180.0) - i8::from(lon < -180.0));
    [turned(west), south, turned(east), north]
}

/// A closed outline as GeoJSON by RFC 7946: cut at the antimeridian, and counterclockwise. Readers that work on a sphere
/// take a clockwise ring for the rest of the Earth.
fn geometry(outline: &[[f64; 2]]) -> Value {
    let part = |turn: f64| {
        let turned: Vec<[f64; 2]> = outline.iter().map(|[lon, lat]| [lon + turn, *lat]).collect();
        counterclockwise(half(&half(&turned, |lon| lon + 180.0), |lon| 180.0 - lon))
    };
    let parts = [0.0, -360.0, 360.0].map(part);
    // A part that only touches the antimeridian has no width.
    let wide = |ring: &&Vec<[f64; 2]>| ring.iter().any(|p| p[0] != ring[0][0]);
    let rings: Vec<[&Vec<[f64; 2]>; 1]> = parts.iter().filter(wide).map(|ring| [ring]).collect();
    match rings.as_slice() {
        [] => json!({"type": "Polygon", "coordinates": [counterclockwise(outline.to_vec())]}),
        [only] => json!({"type": "Polygon", "coordinates": only}),
        several => json!({"type": "MultiPolygon", "coordinates": several}),
    }
}

/// A closed ring, turned around if it runs clockwise. Its first point stays the first.
fn counterclockwise(mut ring: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    // Relative to the first point: products of whole coordinates would round a small scene's area away.
    let [x, y] = ring.first().copied().unwrap_or_default();
    let cross = |p: &[[f64; 2]]| (p[0][0] - x) * (p[1][1] - y) - (p[1][0] - x) * (p[0][1] - y);
    if ring.windows(2).map(cross).sum::<f64>() < 0.0 {
        ring.reverse();
    }
    ring
}

/// What of a closed outline lies where this function of the longitude is not negative; closed again, or empty.
fn half(outline: &[[f64; 2]], inside: impl Fn(f64) -> f64) -> Vec<[f64; 2]> {
    let mut out = Vec::new();
    for pair in outline.windows(2) {
        let (from, to) = (inside(pair[0][0]), inside(pair[1][0]));
        if from >= 0.0 {
            out.push(pair[0]);
        }
        if from * to < 0.0 {
            let along = |axis: usize| pair[0][axis] + (pair[1][axis] - pair[0][axis]) * from / (from - to);
            out.push([along(0).clamp(-180.0, 180.0), along(1)]);
        }
    }
    out.extend(out.first().copied());
    out
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
    fn places_keep_to_longitudes_of_180_degrees() {
        let square = |west: f64, east: f64| [[west, 2.0], [east, 2.0], [east, 1.0], [west, 1.0], [west, 2.0]];
        let turned = |west: f64, east: f64| [[west, 2.0], [west, 1.0], [east, 1.0], [east, 2.0], [west, 2.0]];
        assert_eq!(bounds(&square(9.0, 10.0)), [9.0, 1.0, 10.0, 2.0]);
        assert_eq!(geometry(&square(9.0, 10.0)), json!({"type": "Polygon", "coordinates": [turned(9.0, 10.0)]}));
        // A scene whose first row is its southern one runs counterclockwise already.
        assert_eq!(geometry(&turned(9.0, 10.0)), geometry(&square(9.0, 10.0)));
        // Up to the antimeridian, and across it from either side.
        assert_eq!(geometry(&square(170.0, 180.0)), json!({"type": "Polygon", "coordinates": [turned(170.0, 180.0)]}));
        for (west, east) in [(178.0, 181.0), (-182.0, -179.0)] {
            assert_eq!(bounds(&square(west, east)), [178.0, 1.0, -179.0, 2.0]);
            let found = geometry(&square(west, east));
            assert_eq!(found["type"], "MultiPolygon");
            let rings = found["coordinates"].as_array().unwrap();
            let mut ends: Vec<[f64; 2]> = rings
                .iter()
                .map(|ring| {
                    let points = ring[0].as_array().unwrap();
                    assert_eq!(points.first(), points.last(), "closed");
                    let lon = points.iter().map(|p| p[0].as_f64().unwrap());
                    lon.fold([f64::MAX, f64::MIN], |[low, high], v| [low.min(v), high.max(v)])
                })
                .collect();
            ends.sort_by(|a, b| a[0].total_cmp(&b[0]));
            assert_eq!(ends, [[-180.0, -179.0], [178.0, 180.0]]);
        }
        // Around the south pole.
        let north = [-45.0, 75.0, 195.0, 315.0].map(|lon| [lon, -80.0]);
        let around = [&north[..], &[[315.0, -90.0], [-45.0, -90.0], [-45.0, -80.0]]].concat();
        assert_eq!(bounds(&around), [-180.0, -90.0, 180.0, -80.0]);
        assert_eq!(geometry(&around)["coordinates"].as_array().map(Vec::len), Some(2));
    }

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
