//! A SpatioTemporal Asset Catalog item of a result (STAC 1.0.0, with the processing, file and projection extensions).

use std::{fmt::Write as _, fs::File, ops::RangeInclusive, path::Path};

use artir_files::hash_file;
use serde_json::{Value, json};

use crate::{
    error::{Error, Reason},
    preview::Footprint,
    scene::{Scene, domains::Domains},
    write::{SceneReport, metadata::open_again},
};

/// Why a scene has no STAC item.
const NO_PLACE: &str = "the scene has no longitudes and latitudes, which a STAC item needs";

/// An item needs a time. From the first satellite on, to a time to come, is that of a scene that states none.
const LONGEST: [&str; 2] = ["1957-10-04T00:00:00Z", "2100-01-01T00:00:00Z"];

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
    let taken = acquired(&scene.info.description.domains);
    let [start, end] = taken.unwrap_or_else(|| LONGEST.map(str::to_owned));
    let mut properties = json!({
        "datetime": (start == end).then_some(&start),
        "processing:software": {"artir": artir_core::VERSION},
        "processing:lineage": format!("haze removed by {model}"),
        "proj:epsg": code,
        "proj:shape": [rows, columns],
        "proj:transform": g.map(|g| [g[1], g[2], g[0], g[4], g[5], g[3]]),
    });
    if start != end {
        properties["start_datetime"] = start.into();
        properties["end_datetime"] = end.into();
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
            "href": format!("./{}", escaped(&name)),
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

/// A file's name as a part of a reference, which STAC has as an IRI (RFC 3987): `%20` for a blank. Letters of all scripts stay:
/// many programs take a reference for a path.
fn escaped(name: &str) -> String {
    const PLAIN: &str = "-._~!$&'()*+,;=:@";
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() || !letter.is_ascii() || PLAIN.contains(letter) {
            out.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{:02X}", u32::from(letter));
        }
    }
    out
}

/// When a scene was taken, by its metadata: the beginning and the end as STAC writes them (RFC 3339, in UTC), both the same for
/// a time, and those of the day where only that is known.
fn acquired(domains: &Domains) -> Option<[String; 2]> {
    let items = || domains.get("").into_iter().chain(domains.get("IMAGERY")).flatten();
    let item = |key: &str| items().find_map(|i| i.strip_prefix(key)?.strip_prefix('=')).map(str::trim);
    let keys = ["PRODUCT_START_TIME", "ACQUISITIONDATETIME", "DATE_ACQUIRED"];
    let (day, rest) = keys.iter().find_map(|key| day(item(key)?))?;
    // Landsat states the time of the day elsewhere.
    let rest = if rest.is_empty() { item("SCENE_CENTER_TIME").unwrap_or_default() } else { rest };
    match clock(rest) {
        Some((time, 0)) => Some([(); 2].map(|()| format!("{day}T{time}Z"))),
        // In UTC, it may be another day.
        Some((time, ahead)) => {
            let number = |at: usize| time.get(at..at + 2).and_then(|text| text.parse::<i32>().ok());
            let utc = 60 * number(0)? + number(3)? - ahead;
            let same_day = (0..24 * 60).contains(&utc);
            same_day.then(|| [(); 2].map(|()| format!("{day}T{:02}:{:02}{}Z", utc / 60, utc % 60, &time[5..])))
        }
        None => Some(["00:00:00", "23:59:59"].map(|time| format!("{day}T{time}Z"))),
    }
}

/// Whether a text is a number of so many digits within a range.
fn is_number(text: &str, digits: usize, range: RangeInclusive<u32>) -> bool {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    plain && text.parse::<u32>().is_ok_and(|number| range.contains(&number))
}

/// A day, such as `2024-05-01` or `2024:05:01`, in the form of the former, and what follows it.
fn day(text: &str) -> Option<(String, &str)> {
    let (day, rest) = text.split_at_checked(10)?;
    let parts: Vec<&str> = day.split(['-', ':', '/']).collect();
    let &[year, month, day] = parts.as_slice() else { return None };
    let fine = is_number(year, 4, 0..=9999) && is_number(month, 2, 1..=12) && is_number(day, 2, 1..=31);
    fine.then(|| (format!("{year}-{month}-{day}"), rest))
}

/// A time of the day, such as `10:11:12.5`, and the minutes by which it is ahead of UTC. One without an offset is in UTC.
fn clock(text: &str) -> Option<(&str, i32)> {
    let text = text.trim_start_matches(['T', 't', ' ', '"']).trim_end_matches('"');
    let (time, rest) = text.split_at_checked(8)?;
    let parts: Vec<&str> = time.split(':').collect();
    let &[hour, minute, second] = parts.as_slice() else { return None };
    if !is_number(hour, 2, 0..=23) || !is_number(minute, 2, 0..=59) || !is_number(second, 2, 0..=60) {
        return None;
    }
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let fraction = if digits > 0 { 1 + digits } else { 0 };
    let zone = rest[fraction..].trim();
    let ahead = match zone {
        "" | "Z" | "z" | "UTC" | "GMT" => 0,
        _ => {
            let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_at_checked(2)?;
            let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
            if !is_number(hours, 2, 0..=23) || !is_number(minutes, 2, 0..=59) {
                return None;
            }
            let ahead = 60 * hours.parse::<i32>().ok()? + minutes.parse::<i32>().ok()?;
            if zone.starts_with('-') { -ahead } else { ahead }
        }
    };
    Some((&text[..8 + fraction], ahead))
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
    fn times_are_in_utc_and_days_last_from_their_beginning_to_their_end() {
        let of = |items: &[&str]| {
            acquired(&Domains::from([(String::new(), items.iter().map(|item| (*item).to_owned()).collect())]))
        };
        for (item, time) in [
            ("PRODUCT_START_TIME=2024-05-01T10:11:12.024Z", "2024-05-01T10:11:12.024Z"),
            ("ACQUISITIONDATETIME=2024-05-01 10:11:12", "2024-05-01T10:11:12Z"),
            ("ACQUISITIONDATETIME=2024:05:01 10:11:12 UTC", "2024-05-01T10:11:12Z"),
            ("ACQUISITIONDATETIME=2024-05-01T10:11:12.5+02:00", "2024-05-01T08:11:12.5Z"),
            ("ACQUISITIONDATETIME=2024-05-01T10:11:12-0330", "2024-05-01T13:41:12Z"),
            ("ACQUISITIONDATETIME=2024-05-01T10:11:12+00:00", "2024-05-01T10:11:12Z"),
        ] {
            assert_eq!(of(&[item]), Some([time.to_owned(), time.to_owned()]), "{item}");
        }
        let landsat = ["DATE_ACQUIRED=2024-05-01", "SCENE_CENTER_TIME=\"10:11:12.1234567Z\""];
        assert_eq!(of(&landsat), Some(["2024-05-01T10:11:12.1234567Z"; 2].map(str::to_owned)));
        let day = Some(["2024-05-01T00:00:00Z", "2024-05-01T23:59:59Z"].map(str::to_owned));
        for item in ["DATE_ACQUIRED=2024-05-01", "DATE_ACQUIRED=2024-05-01 10:11:12 CEST", "DATE_ACQUIRED=2024-05-01T"]
        {
            assert_eq!(of(&[item]), day, "{item}");
        }
        // In UTC, the first was taken the day before.
        for item in ["DATE_ACQUIRED=2024-05-01T00:30:00+02:00", "DATE_ACQUIRED=2024-13-01", "DATE_ACQUIRED=May 1, 2024"]
        {
            assert_eq!(of(&[item]), None, "{item}");
        }
    }

    #[test]
    fn names_are_references() {
        let plain = "S2A_2024-05-01T10:11:12+München(1).tif";
        assert_eq!(escaped(plain), plain);
        assert_eq!(escaped("a b#1%20?ä.tif"), "a%20b%231%2520%3Fä.tif");
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
