//! Georeferencing: coordinate reference system, geotransform, ground control points.

use gdal::{
    Dataset,
    spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef},
};
use serde_json::{Value, json};

use crate::ffi::{self, Crs, Gcp, Of, ThreadOption};

/// Whether two systems are the same to the last number, unit, axis and identifier. Names of conversions and axes,
/// and usages, are ignored: GeoTIFF has no keys for them, and GDAL invents them.
pub(crate) fn same_crs(a: &Option<Crs>, b: &Option<Crs>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a.axes == b.axes && a.epoch == b.epoch && without_labels(&a.wkt) == without_labels(&b.wkt)
        }
        (None, None) => true,
        _ => false,
    }
}

/// Whether two systems that differ in their words mean the same: other names of units and datums, other or no
/// identifiers. `at` are coordinates in them.
fn equivalent(a: Option<&Crs>, b: Option<&Crs>, at: Option<[f64; 2]>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return a.is_none() && b.is_none() };
    let parsed = |crs: &Crs| SpatialRef::from_wkt(&crs.wkt).ok();
    let (Some(first), Some(second)) = (parsed(a), parsed(b)) else { return false };
    // PROJ compares no transformations. A file may leave out the one that the scene states.
    let of_found = transformation(&b.wkt);
    let keeps = of_found.is_none() || of_found == transformation(&a.wkt);
    a.axes == b.axes
        && a.epoch == b.epoch
        && first == second
        && (keeps || at.is_some_and(|at| is_one_place(first, second, at)))
}

/// The transformation to WGS 84 that a WKT2 text states.
fn transformation(wkt: &str) -> Option<&str> {
    const WORD: &str = "ABRIDGEDTRANSFORMATION";
    let from = &wkt[wkt.find(WORD)?..];
    Some(&from[..from.len() - after_brackets(&from[WORD.len()..]).len()])
}

/// Whether coordinates are one place in both systems, to about a metre. An ERDAS Imagine file states a transformation
/// of zeros for each datum that it does not know, which moves some by hundreds of metres.
fn is_one_place(a: SpatialRef, b: SpatialRef, at: [f64; 2]) -> bool {
    const DEGREES: f64 = 1e-5;
    let on_earth = |mut from: SpatialRef| -> gdal::errors::Result<[f64; 2]> {
        let mut to = SpatialRef::from_epsg(4326)?;
        from.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
        to.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
        let [mut x, mut y] = at.map(|v| [v]);
        CoordTransform::new(&from, &to)?.transform_coords(&mut x, &mut y, &mut [])?;
        Ok([x[0], y[0]])
    };
    let (Ok(a), Ok(b)) = (on_earth(a), on_earth(b)) else { return false };
    a.iter().zip(&b).all(|(a, b)| (a - b).abs() < DEGREES)
}

/// A WKT2 text without names of conversions and axes, and without usages.
fn without_labels(wkt: &str) -> String {
    let mut out = String::with_capacity(wkt.len());
    let mut rest = wkt;
    while !rest.is_empty() {
        let word = ["CONVERSION[\"", "AXIS[\""].into_iter().find(|w| rest.starts_with(w));
        if let Some(word) = word {
            out.push_str(word);
            rest = after_text(&rest[word.len()..]);
        } else if let Some(inside) = rest.strip_prefix("ENSEMBLE[\"") {
            rest = after_brackets(&rest["ENSEMBLE".len()..]);
            out.push_str(&datum_of(&inside[..inside.len() - rest.len()]));
        } else if rest.starts_with(",USAGE[") {
            rest = after_brackets(&rest[",USAGE".len()..]);
        } else if let Some(inside) = rest.strip_prefix('"') {
            let end = after_text(inside);
            out.push_str(&rest[..rest.len() - end.len()]);
            rest = end;
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..first]);
            rest = &rest[first..];
        }
    }
    out
}

/// A datum ensemble as its datum, from the inside of its brackets. GDAL gives either for the same keys, and WKT1, in which it
/// writes VRT and `.aux.xml` files, knows no ensembles.
fn datum_of(ensemble: &str) -> String {
    let name = &ensemble[..ensemble.len() - after_text(ensemble).len()].trim_end_matches('"');
    let ellipsoid = ensemble.find("ELLIPSOID[").map_or("", |at| {
        let from = &ensemble[at..];
        &from[..from.len() - after_brackets(&from["ELLIPSOID".len()..]).len()]
    });
    format!("DATUM[\"{}\",{ellipsoid}]", name.trim_end_matches(" ensemble"))
}

/// The text after a closing quote. A doubled quote is an escaped one.
fn after_text(text: &str) -> &str {
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(more) => rest = more,
            None => return rest,
        }
    }
    ""
}

/// The text after a pair of brackets and its contents.
fn after_brackets(text: &str) -> &str {
    let (mut depth, mut rest) = (0, text);
    while let Some(at) = rest.find(['[', ']', '"']) {
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match found {
            b'[' => depth += 1,
            b']' if depth == 1 => return rest,
            b']' => depth -= 1,
            _ => rest = after_text(rest),
        }
    }
    ""
}

/// Coordinates of a position by a geotransform: x, y. Positions count columns and rows from the outer corner of the first pixel.
pub(crate) fn coordinates(g: &[f64; 6], column: f64, row: f64) -> [f64; 2] {
    [g[0] + column * g[1] + row * g[2], g[3] + column * g[4] + row * g[5]]
}

/// Georeferencing as GDAL reports it. (RPCs and geolocation arrays are metadata domains.)
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Georef {
    pub(crate) crs: Option<Crs>,
    /// Six coefficients; `None` where the file has none, which is not the same as the identity.
    pub(crate) geotransform: Option<[f64; 6]>,
    pub(crate) gcp_crs: Option<Crs>,
    pub(crate) gcps: Vec<Gcp>,
}

impl Georef {
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let gcps = ffi::gcps(dataset);
        Self {
            crs: ffi::crs(dataset, Of::Grid),
            geotransform: ffi::geotransform(dataset),
            gcp_crs: if gcps.is_empty() { None } else { ffi::crs(dataset, Of::Gcps) },
            gcps,
        }
    }

    /// Writes it into a new dataset, `source` being the one that it was read from. `point` means that pixels are points.
    pub(crate) fn apply(&self, source: &Dataset, target: &Dataset, point: bool) {
        if self.crs.is_some() {
            ffi::copy_crs(source, target);
        }
        if let Some(geotransform) = self.geotransform {
            ffi::set_geotransform(target, geotransform);
        }
        if !self.gcps.is_empty() {
            ffi::set_gcps(target, &self.before_shift(source, point), source);
        }
    }

    /// The points that GDAL must be given so that the file holds these. Where pixels are points, GDAL (3.6.2) moves
    /// ground control points by a pixel between writing and reading; the distance is found with a test file.
    fn before_shift(&self, source: &Dataset, point: bool) -> Vec<Gcp> {
        if !point {
            return self.gcps.clone();
        }
        let Some(shift) = shift_of_points(source) else { return self.gcps.clone() };
        let moved = |p: &Gcp| Gcp { at: [p.at[0] - shift[0], p.at[1] - shift[1]], ..p.clone() };
        self.gcps.iter().map(moved).collect()
    }

    /// Takes over the words in which a written file states the same reference systems.
    pub(crate) fn give_way(&mut self, found: &Self) {
        if equivalent(self.crs.as_ref(), found.crs.as_ref(), self.geotransform.map(|g| [g[0], g[3]])) {
            self.crs.clone_from(&found.crs);
        }
        if equivalent(self.gcp_crs.as_ref(), found.gcp_crs.as_ref(), self.first_point()) {
            self.gcp_crs.clone_from(&found.gcp_crs);
        }
        // GeoTIFF has no names for ground control points, and GDAL numbers them.
        if self.same_points(found) {
            self.gcps.clone_from(&found.gcps);
        }
    }

    /// Coordinates of a ground control point.
    fn first_point(&self) -> Option<[f64; 2]> {
        self.gcps.first().map(|point| [point.is[0], point.is[1]])
    }

    /// Whether ground control points are the same but for their names.
    pub(crate) fn same_points(&self, other: &Self) -> bool {
        let same = |(a, b): (&Gcp, &Gcp)| a.at == b.at && a.is == b.is;
        self.gcps.len() == other.gcps.len() && self.gcps.iter().zip(&other.gcps).all(same)
    }

    /// Whether ground control points belong in `.aux.xml`, because the file, which states `found`, does not hold them, their names
    /// or their reference system. Points that would be rounded there stay in the file, under other words for the same.
    pub(crate) fn needs_points_beside(&self, found: &Self) -> bool {
        if !self.same_points(found) {
            return true;
        }
        let system = !same_crs(&self.gcp_crs, &found.gcp_crs);
        let names = self.gcps != found.gcps && self.names_points();
        let only_words = !system || equivalent(self.gcp_crs.as_ref(), found.gcp_crs.as_ref(), self.first_point());
        (system || names) && (self.fits_beside() || !only_words)
    }

    /// Whether `.aux.xml`, which replaces the points of the file by its own, holds them with all their digits.
    fn fits_beside(&self) -> bool {
        let same = |text: String, v: f64| text.parse() == Ok(v);
        let whole = |p: &Gcp| {
            p.at.iter().all(|v| same(format!("{v:.4}"), *v)) && p.is.iter().all(|v| same(format!("{v:.12e}"), *v))
        };
        self.gcps.iter().all(whole)
    }

    /// Whether ground control points have names or remarks of their own.
    pub(crate) fn names_points(&self) -> bool {
        let numbered = |(i, p): (usize, &Gcp)| p.info.is_empty() && (p.id.is_empty() || p.id == (i + 1).to_string());
        !self.gcps.iter().enumerate().all(numbered)
    }

    /// Lists the differences, with both values.
    pub(crate) fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let mut out = Vec::new();
        let mut check = |same: bool, what: &str, a: Value, b: Value| {
            if !same {
                out.push((what.to_owned(), a.to_string(), b.to_string()));
            }
        };
        let crs = |c: &Option<Crs>| c.as_ref().map_or(Value::Null, crs_json);
        check(same_crs(&self.crs, &other.crs), "coordinate reference system", crs(&self.crs), crs(&other.crs));
        check(
            self.geotransform == other.geotransform,
            "geotransform",
            json!(self.geotransform),
            json!(other.geotransform),
        );
        check(
            same_crs(&self.gcp_crs, &other.gcp_crs),
            "coordinate reference system of the ground control points",
            crs(&self.gcp_crs),
            crs(&other.gcp_crs),
        );
        check(
            self.gcps == other.gcps,
            "ground control points",
            json!(self.gcps.iter().map(gcp_json).collect::<Vec<_>>()),
            json!(other.gcps.iter().map(gcp_json).collect::<Vec<_>>()),
        );
        out
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "crs": self.crs.as_ref().map(crs_json),
            "geotransform": self.geotransform,
            "gcp_crs": self.gcp_crs.as_ref().map(crs_json),
            "gcps": self.gcps.iter().map(gcp_json).collect::<Vec<_>>(),
        })
    }
}

fn crs_json(crs: &Crs) -> Value {
    json!({"wkt": crs.wkt, "data_axis_to_crs_axis": crs.axes, "epoch": (crs.epoch != 0.0).then_some(crs.epoch)})
}

fn gcp_json(p: &Gcp) -> Value {
    json!({"id": p.id, "info": p.info, "pixel": p.at[0], "line": p.at[1], "x": p.is[0], "y": p.is[1], "z": p.is[2]})
}

/// By how many pixels and lines a ground control point moves when a file of points is written and read.
fn shift_of_points(source: &Dataset) -> Option<[f64; 2]> {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = format!("/vsimem/artir-points-{number}.tif");
    // Remove the file's sidecars from memory, too.
    let _quiet = ThreadOption::set("GDAL_PAM_ENABLED", "NO");
    let one = Gcp { id: "1".into(), info: String::new(), at: [8.0, 8.0], is: [0.0; 3] };
    let write = || -> gdal::errors::Result<()> {
        let driver = gdal::DriverManager::get_driver_by_name("GTiff")?;
        let dataset = driver.create_with_band_type::<u8, _>(&path, 16, 16, 1)?;
        ffi::Object::dataset(&dataset).set_domain("", &["AREA_OR_POINT=Point".into()]);
        ffi::set_gcps(&dataset, std::slice::from_ref(&one), source);
        dataset.close()
    };
    let read = || Dataset::open(&path).ok().and_then(|d| ffi::gcps(&d).pop());
    let found = write().ok().and_then(|()| read());
    // Best effort: the file is a few hundred bytes of memory.
    drop(gdal::vsi::unlink_mem_file(&path));
    found.map(|p| [p.at[0] - one.at[0], p.at[1] - one.at[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_system_do_not_count_and_numbers_do() {
        let a = r#"PROJCRS["x",CONVERSION["UTM ""11""",PARAMETER["k",0.9996]],CS[Cartesian,2],AXIS["(E)",east,ORDER[1]],USAGE[SCOPE["a ] b"],AREA["w"]],ID["EPSG",1]]"#;
        let b = r#"PROJCRS["x",CONVERSION["unnamed",PARAMETER["k",0.9996]],CS[Cartesian,2],AXIS["easting",east,ORDER[1]],ID["EPSG",1]]"#;
        assert_eq!(without_labels(a), without_labels(b));
        for (from, to) in [("0.9996", "0.9997"), ("east,", "west,"), ("\"x\"", "\"y\""), ("EPSG\",1", "EPSG\",2")] {
            assert_ne!(without_labels(a), without_labels(&b.replace(from, to)), "{from}");
        }
        let ensemble = r#"X[ENSEMBLE["W ensemble",MEMBER["W (1)"],ELLIPSOID["E",6378137,298.2,LENGTHUNIT["metre",1]],ENSEMBLEACCURACY[2.0]],ID[1]]"#;
        let datum = r#"X[DATUM["W",ELLIPSOID["E",6378137,298.2,LENGTHUNIT["metre",1]]],ID[1]]"#;
        assert_eq!(without_labels(ensemble), without_labels(datum));
        assert_ne!(without_labels(ensemble), without_labels(&datum.replace("298.2", "298.3")));
        assert_eq!(without_labels("AXIS[\"cut"), "AXIS[\"");
        assert_eq!(without_labels("ENSEMBLE[\"cut"), "DATUM[\"cut\",]");
    }

    #[test]
    fn systems_in_other_words_give_way_and_other_systems_do_not() {
        let crs = |epsg: u32, from: &str, to: &str| {
            let wkt = SpatialRef::from_epsg(epsg).unwrap().to_wkt().unwrap().replace(from, to);
            Some(Crs { wkt, axes: vec![1, 2], epoch: 0.0 })
        };
        let georef = |crs| Georef { crs, geotransform: None, gcp_crs: None, gcps: Vec::new() };
        let wanted = georef(crs(32632, "", ""));
        for (found, fine) in [
            (crs(32632, "UNIT[\"metre\"", "UNIT[\"meters\""), true),
            (crs(32632, "UTM zone 32N", "another name"), true),
            (crs(32633, "", ""), false),
            (None, false),
        ] {
            let (found, mut given) = (georef(found), wanted.clone());
            given.give_way(&found);
            assert_eq!(given.differences(&found).is_empty(), fine, "{found:?}");
        }
    }

    #[test]
    fn points_that_would_be_rounded_beside_a_file_stay_in_it() {
        let crs = |epsg: u32, from: &str, to: &str| {
            let wkt = SpatialRef::from_epsg(epsg).unwrap().to_wkt().unwrap().replace(from, to);
            Some(Crs { wkt, axes: vec![1, 2], epoch: 0.0 })
        };
        let of = |gcp_crs, id: &str, pixel: f64| {
            let point = Gcp { id: id.into(), info: String::new(), at: [pixel, 7.0], is: [1.0, 2.0, 0.0] };
            Georef { crs: None, geotransform: None, gcp_crs, gcps: vec![point] }
        };
        let words = || crs(32632, "UNIT[\"metre\"", "UNIT[\"meters\"");
        let plain = |pixel: f64| of(crs(32632, "", ""), "1", pixel);
        for (wanted, found, beside) in [
            (plain(5.0), plain(5.0), false),
            (plain(5.0), of(words(), "1", 5.0), true),
            (plain(564.999999999999), of(words(), "1", 564.999999999999), false),
            (plain(564.999999999999), of(crs(32633, "", ""), "1", 564.999999999999), true),
            (plain(564.999999999999), plain(565.0), true),
            (of(None, "church", 5.0), of(None, "1", 5.0), true),
            (of(None, "church", 564.999999999999), of(None, "1", 564.999999999999), false),
            (of(None, "", 5.0), of(None, "1", 5.0), false),
        ] {
            assert_eq!(wanted.needs_points_beside(&found), beside, "{wanted:?} {found:?}");
        }
    }
}
