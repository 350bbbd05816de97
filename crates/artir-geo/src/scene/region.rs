//! The part of a scene that may change: a window, a box in any reference system, or the inside of polygons.

use std::{borrow::Cow, f64::consts::TAU};

use gdal::{
    Dataset,
    spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef},
};

use super::nearby;
use crate::{
    error::Reason,
    ffi,
    open::cutline::{Cutline, Polygon},
};

/// Pixels around the part that the network sees as well.
const CONTEXT: usize = 64;

/// The part of a scene that may change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegionChoice {
    /// First column, first row, columns, rows.
    Window([usize; 4]),
    /// Smallest x, smallest y, largest x, largest y.
    Box {
        /// The corners.
        corners: [f64; 4],
        /// The corners' reference system, such as `EPSG:4326`, x being east; `None` for the scene's own.
        crs: Option<String>,
    },
    /// The inside of polygons.
    Cutline(Cutline),
}

/// The part in pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    /// First and one past the last column and row.
    columns: [usize; 2],
    rows: [usize; 2],
    /// Polygons in pixels; none for a whole window.
    polygons: Vec<Polygon>,
}

impl Region {
    /// Finds the pixels of a part.
    pub(super) fn of(wanted: &RegionChoice, dataset: &Dataset) -> Result<Self, Reason> {
        let size = dataset.raster_size();
        let found = match wanted {
            RegionChoice::Window([column, row, columns, rows]) => {
                let end = |from: &usize, count: &usize, all: usize| from.checked_add(*count).filter(|end| *end <= all);
                let ends = (end(column, columns, size.0), end(row, rows, size.1));
                let (Some(right), Some(bottom)) = ends else {
                    let why = format!("the window reaches beyond its {}x{} pixels", size.0, size.1);
                    return Err(why.into());
                };
                Self { columns: [*column, right], rows: [*row, bottom], polygons: Vec::new() }
            }
            RegionChoice::Box { corners: [left, bottom, right, top], crs } => {
                let ring = vec![[*left, *bottom], [*right, *bottom], [*right, *top], [*left, *top]];
                let crs = crs.as_deref().map(SpatialRef::from_definition).transpose()?;
                let polygons = to_pixels(&[vec![ring]], crs, dataset)?;
                // A box of the scene's own system on an upright grid is a window; any other one is a polygon.
                Self::around(polygons, size)
            }
            RegionChoice::Cutline(cutline) => {
                let crs = cutline.crs.as_deref().map(SpatialRef::from_wkt).transpose()?;
                Self::around(to_pixels(&cutline.polygons, crs, dataset)?, size)
            }
        };
        let mut changes = vec![false; size.0];
        let is_any = (found.rows[0]..found.rows[1]).any(|row| {
            found.mark(row, &mut changes);
            changes.contains(&true)
        });
        // Polygons may lie around the scene, or between the centres of its pixels.
        if !is_any {
            return Err("no pixel of it lies in the part that is to be restored".into());
        }
        Ok(found)
    }

    /// The inside of polygons in the scene's reference system, which may be none of its pixels.
    pub(super) fn inside(polygons: &[Polygon], dataset: &Dataset) -> Result<Self, Reason> {
        if polygons.is_empty() {
            return Ok(Self { columns: [0, 0], rows: [0, 0], polygons: Vec::new() });
        }
        Ok(Self::around(to_pixels(polygons, None, dataset)?, dataset.raster_size()))
    }

    fn around(polygons: Vec<Polygon>, (columns, rows): (usize, usize)) -> Self {
        let bounds = |axis: usize, most: usize| {
            let values = polygons.iter().flatten().flatten().map(|p| p[axis]);
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
            // The casts saturate.
            [(low.floor().max(0.0) as usize).min(most), (high.ceil().max(0.0) as usize).min(most)]
        };
        Self { columns: bounds(0, columns), rows: bounds(1, rows), polygons }
    }

    /// All numbers that it consists of.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        let bounds = self.columns.iter().chain(&self.rows).map(|n| *n as f64);
        // The same points may belong to one polygon with a hole, or to two that overlap.
        let counts =
            self.polygons.iter().flat_map(|rings| std::iter::once(rings.len()).chain(rings.iter().map(Vec::len)));
        let points = self.polygons.iter().flatten().flatten().flatten().copied();
        bounds.chain(counts.map(|n| n as f64)).chain(points).collect()
    }

    /// Whether pixels of these rows are in the part or near it.
    pub(crate) fn is_near(&self, row: usize, rows: usize) -> bool {
        row < self.rows[1] + CONTEXT && row + rows + CONTEXT > self.rows[0]
    }

    /// Clears `valid` at pixels of a row that are neither in the part nor near it.
    pub(crate) fn keep_near(&self, row: usize, valid: &mut [bool]) {
        let near = self.columns[0].saturating_sub(CONTEXT)..self.columns[1] + CONTEXT;
        if !self.is_near(row, 1) {
            valid.fill(false);
        } else {
            valid.iter_mut().enumerate().for_each(|(column, ok)| *ok &= near.contains(&column));
        }
    }

    /// Sets the pixels of a row that are in the part: those whose centre lies within.
    pub(crate) fn mark(&self, row: usize, changes: &mut [bool]) {
        changes.fill(false);
        if !(self.rows[0]..self.rows[1]).contains(&row) {
            return;
        }
        let [left, right] = self.columns.map(|c| c.min(changes.len()));
        if self.polygons.is_empty() {
            changes[left..right].fill(true);
            return;
        }
        let y = row as f64 + 0.5;
        let mut crossings: Vec<f64> = Vec::new();
        // Of one polygon the rule of even and odd leaves out holes. Over all of them it would leave out where two overlap.
        for polygon in &self.polygons {
            crossings.clear();
            for ring in polygon {
                for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                    if (a[1] <= y) != (b[1] <= y) {
                        crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
                    }
                }
            }
            crossings.sort_unstable_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let [from, to] = [pair[0], pair[1]].map(|x| ((x - 0.5).ceil().max(0.0) as usize).min(right));
                if from < to {
                    changes[from..to].fill(true);
                }
            }
        }
    }
}

/// Coordinates as columns and rows of the scene. Longitudes a turn of the Earth apart are one place: a scene may go on beyond 180
/// degrees.
fn to_pixels(polygons: &[Polygon], crs: Option<SpatialRef>, dataset: &Dataset) -> Result<Vec<Polygon>, Reason> {
    let g = ffi::geotransform(dataset).ok_or("it has no geotransform, so no coordinates lie in it")?;
    let area = g[1] * g[5] - g[2] * g[4];
    if !area.is_finite() || area == 0.0 {
        return Err("its geotransform maps its pixels to no area".into());
    }
    let (polygons, transform) = match crs {
        None => (Cow::Borrowed(polygons), None),
        Some(mut from) => {
            let mut to = dataset.spatial_ref().map_err(|_| "it has no coordinate reference system")?;
            from.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            to.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            let near = nearby::cut(polygons, &from, &to, &g, dataset.raster_size())?;
            (Cow::Owned(near), Some(CoordTransform::new(&from, &to)?))
        }
    };
    let ring_in_pixels = |ring: &Vec<[f64; 2]>| -> Result<Vec<[f64; 2]>, Reason> {
        let mut x: Vec<f64> = ring.iter().map(|p| p[0]).collect();
        let mut y: Vec<f64> = ring.iter().map(|p| p[1]).collect();
        if let Some(transform) = &transform {
            let done = transform.transform_coords(&mut x, &mut y, &mut []);
            done.map_err(|_| "the part that is to be restored has no place in its reference system")?;
        }
        let pixel = |(x, y): (f64, f64)| {
            let (dx, dy) = (x - g[0], y - g[3]);
            [(dx * g[5] - dy * g[2]) / area, (dy * g[1] - dx * g[4]) / area]
        };
        Ok(x.into_iter().zip(y).map(pixel).collect())
    };
    let own = polygons.iter().map(|rings| rings.iter().map(&ring_in_pixels).collect::<Result<Polygon, Reason>>());
    let mut out = own.collect::<Result<Vec<Polygon>, Reason>>()?;
    let longitudes = dataset.spatial_ref().ok().filter(SpatialRef::is_geographic);
    if let Some(turn) = longitudes.map(|crs| TAU / crs.angular_units()) {
        let turned = [turn, -turn].map(|turn| [turn * g[5] / area, -turn * g[4] / area]).map(|by| moved(&out, by));
        let meets = |polygon: &Polygon| {
            let part = Region::around(vec![polygon.clone()], dataset.raster_size());
            part.columns[0] < part.columns[1] && part.rows[0] < part.rows[1]
        };
        out.extend(turned.into_iter().flatten().filter(meets));
    }
    Ok(out)
}

/// Polygons that are moved by so many columns and rows.
fn moved(polygons: &[Polygon], [columns, rows]: [f64; 2]) -> Vec<Polygon> {
    let ring = |ring: &Vec<[f64; 2]>| ring.iter().map(|[x, y]| [x + columns, y + rows]).collect::<Vec<[f64; 2]>>();
    polygons.iter().map(|rings| rings.iter().map(&ring).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(region: &Region, row: usize) -> Vec<usize> {
        let mut changes = vec![false; 12];
        region.mark(row, &mut changes);
        changes.iter().enumerate().filter(|(_, c)| **c).map(|(i, _)| i).collect()
    }

    #[test]
    fn pixels_whose_centre_lies_within_are_marked() {
        let square = |low: f64, high: f64| vec![[low, low], [high, low], [high, high], [low, high]];
        let ring = Region::around(vec![vec![square(2.4, 8.6), square(4.0, 6.0)]], (12, 12));
        assert_eq!(marked(&ring, 1), [0; 0]);
        assert_eq!(marked(&ring, 2), [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(marked(&ring, 4), [2, 3, 6, 7, 8], "the inner ring is a hole");
        let window = Region { columns: [3, 5], rows: [1, 2], polygons: Vec::new() };
        assert_eq!((marked(&window, 1), marked(&window, 2)), (vec![3, 4], vec![]));
        let mut valid = [true; 12];
        window.keep_near(1, &mut valid);
        assert_eq!(valid, [true; 12], "context");
        window.keep_near(90, &mut valid);
        assert_eq!(valid, [false; 12]);
    }

    #[test]
    fn longitudes_a_turn_apart_are_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
        let mut scene = driver.create_with_band_type::<u8, _>(dir.path().join("a.tif"), 12, 12, 1).unwrap();
        // Columns 6 to 11 are 180 to 186 degrees.
        scene.set_geo_transform(&[174.0, 1.0, 0.0, 12.0, 0.0, -1.0]).unwrap();
        let of = |scene: &Dataset, west: f64, east: f64| {
            let ring = vec![[west, 0.0], [east, 0.0], [east, 12.0], [west, 12.0]];
            Region::of(&RegionChoice::Cutline(Cutline { polygons: vec![vec![ring]], crs: None }), scene)
        };
        scene.set_spatial_ref(&SpatialRef::from_epsg(4326).unwrap()).unwrap();
        for (west, east, columns) in
            [(178.0, 182.0, &[4_usize, 5, 6, 7][..]), (-182.0, -178.0, &[4, 5, 6, 7]), (-180.0, -178.0, &[6, 7])]
        {
            assert_eq!(marked(&of(&scene, west, east).unwrap(), 5), columns, "{west}");
        }
        assert!(of(&scene, 0.0, 10.0).is_err());
        scene.set_spatial_ref(&SpatialRef::from_epsg(32632).unwrap()).unwrap();
        assert!(of(&scene, -182.0, -178.0).is_err(), "metres");
    }

    /// A GeoTIFF of 12 columns and rows.
    fn scene(dir: &std::path::Path, epsg: u32, grid: [f64; 6]) -> Dataset {
        let driver = gdal::DriverManager::get_driver_by_name("GTiff").unwrap();
        let mut scene = driver.create_with_band_type::<u8, _>(dir.join(format!("{epsg}.tif")), 12, 12, 1).unwrap();
        scene.set_geo_transform(&grid).unwrap();
        scene.set_spatial_ref(&SpatialRef::from_epsg(epsg).unwrap()).unwrap();
        scene
    }

    fn of_box(corners: [f64; 4], epsg: u32, scene: &Dataset) -> Result<Region, Reason> {
        Region::of(&RegionChoice::Box { corners, crs: Some(format!("EPSG:{epsg}")) }, scene)
    }

    #[test]
    fn what_lies_around_the_scene_covers_it_however_large_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<usize> = (0..12).collect();
        let utm = scene(dir.path(), 32632, [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]);
        let world = 20_037_508.0;
        for (corners, epsg) in [
            ([-180.0, -90.0, 180.0, 90.0], 4326),
            ([-100.0, -89.0, 100.0, 89.0], 4326),
            ([-world, -world, world, world], 3857),
        ] {
            let found = of_box(corners, epsg, &utm).unwrap();
            assert_eq!((marked(&found, 0), marked(&found, 11)), (all.clone(), all.clone()), "{corners:?}");
        }
        // Around a pole, edges of one latitude are curved.
        let pole = scene(dir.path(), 3413, [-600_000.0, 100_000.0, 0.0, 600_000.0, 0.0, -100_000.0]);
        let found = of_box([-180.0, 80.0, 180.0, 90.0], 4326, &pole).unwrap();
        assert_eq!((marked(&found, 0), marked(&found, 11)), (all.clone(), all));
    }

    #[test]
    fn polygons_of_other_continents_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let utm = scene(dir.path(), 32632, [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]);
        let square = |west: f64, south: f64, edge: f64| {
            let (east, north) = (west + edge, south + edge);
            vec![vec![[west, south], [east, south], [east, north], [west, north], [west, south]]]
        };
        let crs = Some(SpatialRef::from_epsg(4326).unwrap().to_wkt().unwrap());
        // A quarter of the Earth away, a projection of this kind has no place for a point.
        let here = vec![square(98.5, -5.0, 1.0), square(-171.0, -60.0, 1.0), square(9.0, 45.0, 1.0)];
        let found = Region::of(&RegionChoice::Cutline(Cutline { polygons: here.clone(), crs: crs.clone() }), &utm);
        assert_eq!(marked(&found.unwrap(), 5), (0..12).collect::<Vec<_>>());
        let elsewhere = Cutline { polygons: here[..2].to_vec(), crs };
        let refused = Region::of(&RegionChoice::Cutline(elsewhere), &utm).unwrap_err().to_string();
        assert!(refused.contains("no pixel of it"), "{refused}");
    }

    #[test]
    fn boxes_on_both_sides_of_the_antimeridian_are_found() {
        let dir = tempfile::tempdir().unwrap();
        // On the equator, 180 degrees lie at 166,021.443 m, between columns 5 and 6.
        let utm = scene(dir.path(), 32601, [165_961.443, 10.0, 0.0, 60.0, 0.0, -10.0]);
        let west = of_box([179.0, -1.0, 180.0, 1.0], 4326, &utm).unwrap();
        let east = of_box([-180.0, -1.0, -179.0, 1.0], 4326, &utm).unwrap();
        assert_eq!((marked(&west, 5), marked(&east, 5)), ((0..6).collect(), (6..12).collect()));
    }

    #[test]
    fn a_part_without_the_centre_of_a_pixel_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let utm = scene(dir.path(), 32632, [500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]);
        let between = RegionChoice::Box { corners: [500_001.0, 4_999_991.0, 500_004.0, 4_999_994.0], crs: None };
        let refused = Region::of(&between, &utm).unwrap_err().to_string();
        assert!(refused.contains("no pixel of it"), "{refused}");
    }

    #[test]
    fn where_polygons_overlap_lies_within() {
        let square = |low: f64, high: f64| vec![[low, low], [high, low], [high, high], [low, high]];
        let overlapping = Region::around(vec![vec![square(1.0, 6.0)], vec![square(4.0, 9.0)]], (12, 12));
        assert_eq!(marked(&overlapping, 5), [1, 2, 3, 4, 5, 6, 7, 8]);
        let twice = Region::around(vec![vec![square(2.0, 5.0)], vec![square(2.0, 5.0)]], (12, 12));
        assert_eq!(marked(&twice, 3), [2, 3, 4]);
        let hole = Region::around(vec![vec![square(1.0, 6.0), square(4.0, 9.0)]], (12, 12));
        assert_ne!(overlapping.numbers(), hole.numbers(), "an interrupted run of the one is none of the other");
    }
}
