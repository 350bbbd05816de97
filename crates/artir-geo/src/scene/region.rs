//! The part of a scene that may change: a window, a box in any reference system, or the inside of polygons.

use std::f64::consts::TAU;

use gdal::{
    Dataset,
    spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef},
};

use crate::{
    error::Reason,
    ffi,
    open::cutline::{Cutline, Polygon},
};

/// Pixels around the part that the network sees as well.
const CONTEXT: usize = 64;
/// Points on each edge of a box: a straight edge is curved in another reference system.
const EDGE: usize = 21;

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
                let ends = [[*left, *bottom], [*right, *bottom], [*right, *top], [*left, *top]];
                let along = |i: usize| {
                    let (a, b) = (ends[i / EDGE], ends[(i / EDGE + 1) % 4]);
                    let t = (i % EDGE) as f64 / EDGE as f64;
                    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
                };
                let ring: Vec<[f64; 2]> = (0..4 * EDGE).map(along).collect();
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
        if found.columns[0] >= found.columns[1] || found.rows[0] >= found.rows[1] {
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
    let transform = match crs {
        None => None,
        Some(mut from) => {
            let mut to = dataset.spatial_ref().map_err(|_| "it has no coordinate reference system")?;
            from.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            to.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            Some(CoordTransform::new(&from, &to)?)
        }
    };
    let ring_in_pixels = |ring: &Vec<[f64; 2]>| -> Result<Vec<[f64; 2]>, Reason> {
        let mut x: Vec<f64> = ring.iter().map(|p| p[0]).collect();
        let mut y: Vec<f64> = ring.iter().map(|p| p[1]).collect();
        if let Some(transform) = &transform {
            transform.transform_coords(&mut x, &mut y, &mut [])?;
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
