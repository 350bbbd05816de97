//! The footprint of a scene on the Earth.

use artir_page::number;
use gdal::{
    Dataset,
    spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef},
};

use super::grid::Grid;

/// Points of the outline on each edge: edges that are straight in a projection are curved in longitude and latitude.
const EDGE: usize = 32;

/// The footprint of a scene. Coordinates are x before y, longitude before latitude (traditional GIS order).
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    pub(crate) crs: Option<Crs>,
    /// Upper left, upper right, lower right, lower left, as the pixels are stored.
    pub(crate) corners: Vec<Corner>,
    /// How far apart columns and rows lie, in units of the reference system.
    pub(super) spacing: Option<[f64; 2]>,
    /// Longitudes and latitudes, degrees of EPSG:4326, in order around the scene from the upper left corner; longitudes
    /// go on beyond 180 where the scene does. Empty where there are none.
    pub(crate) outline: Vec<[f64; 2]>,
    /// Remarks.
    pub(super) notes: Vec<String>,
}

/// A coordinate reference system.
#[derive(Debug)]
pub(crate) struct Crs {
    pub(super) name: String,
    /// Such as `EPSG:32632`.
    pub(crate) code: Option<String>,
    pub(super) unit: String,
    /// Whether the unit is an angle.
    pub(super) geographic: bool,
}

/// A corner of a scene.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corner {
    /// x and y in the scene's reference system.
    pub(super) at: [f64; 2],
    /// Longitude and latitude, degrees.
    pub(super) lonlat: Option<[f64; 2]>,
}

impl Footprint {
    /// The footprint of a dataset, as far as it has one.
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let mut out = Self::default();
        let (grid, crs) = match Grid::of(dataset) {
            Ok(found) => found,
            Err(why) => {
                out.notes.push(why.into());
                return out;
            }
        };
        let (columns, rows) = dataset.raster_size();
        let (width, height) = (columns as f64, rows as f64);
        let spacing = grid.spacing((columns, rows));
        out.spacing = Some(spacing);
        if let Grid::Fitted(fit) = &grid {
            out.notes.push(format!(
                "Coordinates are fitted to {} ground control points; the worst of them lies {} units from the fit.",
                fit.points,
                number(fit.misfit, 6)
            ));
        }
        out.crs = crs.as_ref().map(Crs::of);
        let to_lonlat = crs.ok_or("The scene names no coordinate reference system.").and_then(ToLonLat::new);
        let lonlat = |at: [f64; 2]| to_lonlat.as_ref().ok().and_then(|t| t.of(at));
        let ends = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)];
        out.corners = ends.map(|(x, y)| grid.at(x, y)).map(|at| Corner { at, lonlat: lonlat(at) }).to_vec();
        if let Err(why) = to_lonlat {
            out.notes.push(why.into());
            return out;
        }
        let outline: Option<Vec<[f64; 2]>> = (0..4 * EDGE)
            .map(|i| {
                let ((x0, y0), (x1, y1)) = (ends[i / EDGE], ends[(i / EDGE + 1) % 4]);
                let t = (i % EDGE) as f64 / EDGE as f64;
                lonlat(grid.at(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t))
            })
            .collect();
        match outline {
            Some(points) => out.outline = around(&points),
            None => out.notes.push(
                "Part of the scene's outline has no longitude and latitude: it lies outside the reach of its coordinate \
                 reference system."
                    .into(),
            ),
        }
        out
    }
}

impl Crs {
    fn of(crs: &SpatialRef) -> Self {
        let geographic = crs.is_geographic();
        let unit = if geographic { crs.angular_units_name() } else { crs.linear_units_name() };
        Self {
            name: crs.name().filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".into()),
            code: crs.authority().ok().or_else(|| identified(crs)),
            unit: unit.filter(|unit| !unit.is_empty()).unwrap_or_else(|| "unit".into()),
            geographic,
        }
    }
}

impl Crs {
    /// Its code, or its name.
    pub(super) fn short(&self) -> String {
        self.code.clone().unwrap_or_else(|| self.name.clone())
    }
}

/// The EPSG code of a system whose file spells it out without one.
fn identified(crs: &SpatialRef) -> Option<String> {
    let mut crs = crs.clone();
    crs.auto_identify_epsg().ok()?;
    crs.authority().ok()
}

/// From a reference system to EPSG:4326.
struct ToLonLat(CoordTransform);

impl ToLonLat {
    fn new(mut crs: SpatialRef) -> Result<Self, &'static str> {
        crs.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
        let mut wgs84 = SpatialRef::from_epsg(4326).map_err(|_| "The database of reference systems is missing.")?;
        wgs84.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
        let why = "The scene's coordinate reference system has no known relation to longitude and latitude.";
        CoordTransform::new(&crs, &wgs84).map(Self).map_err(|_| why)
    }

    /// `None` where the point lies outside the reach of the reference system.
    fn of(&self, at: [f64; 2]) -> Option<[f64; 2]> {
        let (mut x, mut y) = ([at[0]], [at[1]]);
        self.0.transform_coords(&mut x, &mut y, &mut []).ok()?;
        // A plate carrée passes anything through, and rounding may leave the pole by a hair.
        (x[0].abs() <= 1080.0 && y[0].abs() <= 90.0 + 1e-9).then(|| [x[0], y[0].clamp(-90.0, 90.0)])
    }
}

/// A closed outline with longitudes that go on where they pass the antimeridian, its middle between -180 and 180. An
/// outline that goes once around the Earth holds a pole, which it then reaches on both its ends.
fn around(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut out: Vec<[f64; 2]> = Vec::with_capacity(points.len() + 3);
    for &[lon, lat] in points.iter().chain(points.first()) {
        let near = out.last().map_or(lon, |last| last[0]);
        out.push([lon - 360.0 * ((lon - near) / 360.0).round(), lat]);
    }
    if let (Some(&first), Some(&last)) = (out.first(), out.last())
        && (first[0] - last[0]).abs() > 180.0
    {
        let middle = out.iter().map(|p| p[1]).sum::<f64>() / out.len() as f64;
        let pole = 90_f64.copysign(middle);
        out.extend([[last[0], pole], [first[0], pole], first]);
    }
    let (west, east) = out.iter().fold((f64::MAX, f64::MIN), |(w, e), p| (w.min(p[0]), e.max(p[0])));
    let shift = 360.0 * ((west + east) / 720.0).round();
    out.iter_mut().for_each(|p| p[0] -= shift);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longitudes(points: &[[f64; 2]]) -> Vec<f64> {
        around(points).iter().map(|p| p[0]).collect()
    }

    #[test]
    fn longitudes_go_on_beyond_the_antimeridian() {
        let square = [[178.0, 1.0], [-179.0, 1.0], [-179.0, -1.0], [178.0, -1.0]];
        assert_eq!(longitudes(&square), [178.0, 181.0, 181.0, 178.0, 178.0]);
        // The middle decides on which side it is drawn.
        let east = [[179.0, 1.0], [-178.0, 1.0], [-178.0, -1.0], [179.0, -1.0]];
        assert_eq!(longitudes(&east), [-181.0, -178.0, -178.0, -181.0, -181.0]);
        assert_eq!(longitudes(&[[350.0, 0.0], [352.0, 0.0], [352.0, 1.0]]), [-10.0, -8.0, -8.0, -10.0]);
        assert!(around(&[]).is_empty());
    }

    #[test]
    fn an_outline_around_a_pole_is_closed_over_it() {
        let points = [[-170.0, -80.0], [-80.0, -70.0], [10.0, -80.0], [100.0, -70.0]];
        let closed = around(&points);
        assert_eq!(closed.len(), 8);
        assert_eq!(closed[4..], [[190.0, -80.0], [190.0, -90.0], [-170.0, -90.0], [-170.0, -80.0]]);
    }
}
