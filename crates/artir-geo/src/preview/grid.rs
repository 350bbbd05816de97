//! From pixel positions to coordinates of a scene's reference system.

use gdal::{Dataset, Metadata, spatial_ref::SpatialRef};

use crate::scene::georef::coordinates;

/// The mapping from pixels to coordinates. Positions count columns and rows from the outer corner of the first pixel.
#[derive(Debug)]
pub(super) enum Grid {
    /// A geotransform.
    Affine([f64; 6]),
    /// Polynomials through ground control points.
    Fitted(Fit),
}

impl Grid {
    /// The grid of a dataset and its reference system, or the reason why there is none.
    pub(super) fn of(dataset: &Dataset) -> Result<(Self, Option<SpatialRef>), &'static str> {
        if let Ok(coefficients) = dataset.geo_transform() {
            let [_, a, b, _, d, e] = coefficients;
            let area = a * e - b * d;
            if !coefficients.iter().all(|v| v.is_finite()) || area == 0.0 || !area.is_finite() {
                return Err("The scene's geotransform maps its pixels to no area.");
            }
            return Ok((Self::Affine(coefficients), dataset.spatial_ref().ok()));
        }
        let crs = dataset.gcp_spatial_ref();
        let turns = crs.as_ref().is_some_and(SpatialRef::is_geographic);
        let mut points: Vec<[f64; 4]> = dataset.gcps().iter().map(|p| [p.pixel(), p.line(), p.x(), p.y()]).collect();
        points.retain(|p| p.iter().all(|v| v.is_finite()));
        if let Some(&[_, _, first, _]) = points.first() {
            if turns {
                // Longitudes on both sides of the antimeridian are neighbours.
                points.iter_mut().for_each(|p| p[2] -= 360.0 * ((p[2] - first) / 360.0).round());
            }
            let fit = Fit::through(&points, dataset.raster_size());
            return fit.map(|fit| (Self::Fitted(fit), crs)).ok_or("The scene's ground control points span no area.");
        }
        let has = |domain: &str| dataset.metadata_domain(domain).is_some_and(|items| !items.is_empty());
        Err(if has("RPC") {
            "The scene is georeferenced by rational polynomial coefficients (RPC), which are not drawn here."
        } else if has("GEOLOCATION") {
            "The scene is georeferenced by geolocation arrays, which are not drawn here."
        } else {
            "The scene is not georeferenced."
        })
    }

    /// Coordinates of a position, in units of the reference system: x, y.
    pub(super) fn at(&self, column: f64, row: f64) -> [f64; 2] {
        match self {
            Self::Affine(g) => coordinates(g, column, row),
            Self::Fitted(fit) => fit.at(column, row),
        }
    }

    /// How far apart columns and rows lie in the middle of a scene of this size, in units of the reference system.
    pub(super) fn spacing(&self, (columns, rows): (usize, usize)) -> [f64; 2] {
        if let Self::Affine([_, a, b, _, d, e]) = self {
            return [a.hypot(*d), b.hypot(*e)];
        }
        let (x, y) = (columns as f64 / 2.0, rows as f64 / 2.0);
        let between = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        [between(self.at(x + 0.5, y), self.at(x - 0.5, y)), between(self.at(x, y + 0.5), self.at(x, y - 0.5))]
    }
}

/// Terms of a polynomial of the second order.
const TERMS: usize = 6;

/// Polynomials of the first or second order in column and row that come nearest to control points.
#[derive(Debug)]
pub(super) struct Fit {
    size: [f64; 2],
    x: Vec<f64>,
    y: Vec<f64>,
    /// Control points that it was fitted to.
    pub(super) points: usize,
    /// How far the worst of them lies from it, in units of the reference system.
    pub(super) misfit: f64,
}

impl Fit {
    /// Points are column, row, x, y. Ten points or more, well spread, get the second order.
    fn through(points: &[[f64; 4]], (columns, rows): (usize, usize)) -> Option<Self> {
        let size = [columns as f64, rows as f64];
        let order = |terms: usize| -> Option<(Vec<f64>, Vec<f64>)> {
            Some((solve(points, size, terms, 2)?, solve(points, size, terms, 3)?))
        };
        let second = if points.len() >= 10 { order(TERMS) } else { None };
        let (x, y) = second.or_else(|| order(3))?;
        let mut fit = Self { size, x, y, points: points.len(), misfit: 0.0 };
        let misfit = |p: &[f64; 4]| {
            let [x, y] = fit.at(p[0], p[1]);
            (x - p[2]).hypot(y - p[3])
        };
        fit.misfit = points.iter().map(misfit).fold(0.0, f64::max);
        fit.misfit.is_finite().then_some(fit)
    }

    fn at(&self, column: f64, row: f64) -> [f64; 2] {
        let terms = terms(self.size, column, row);
        [&self.x, &self.y].map(|k| k.iter().zip(terms).map(|(k, t)| k * t).sum())
    }
}

/// The terms at a position. Positions run from -1 to 1 over the scene, which keeps the equations well conditioned.
fn terms([columns, rows]: [f64; 2], column: f64, row: f64) -> [f64; TERMS] {
    let (u, v) = (2.0 * column / columns - 1.0, 2.0 * row / rows - 1.0);
    [1.0, u, v, u * u, u * v, v * v]
}

/// Least squares for one coordinate of the points, by the normal equations; `None` where they have no single solution.
fn solve(points: &[[f64; 4]], size: [f64; 2], count: usize, coordinate: usize) -> Option<Vec<f64>> {
    let mean = points.iter().map(|p| p[coordinate]).sum::<f64>() / points.len() as f64;
    let mut m = [[0.0; TERMS + 1]; TERMS];
    for p in points {
        let t = terms(size, p[0], p[1]);
        for i in 0..count {
            for j in 0..count {
                m[i][j] += t[i] * t[j];
            }
            m[i][count] += t[i] * (p[coordinate] - mean);
        }
    }
    for i in 0..count {
        let pivot = (i..count).max_by(|a, b| m[*a][i].abs().total_cmp(&m[*b][i].abs()))?;
        m.swap(i, pivot);
        let row = m[i];
        if row[i].abs().partial_cmp(&(1e-9 * points.len() as f64)) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        for other in (0..count).filter(|other| *other != i) {
            let factor = m[other][i] / row[i];
            for (to, from) in m[other].iter_mut().zip(row) {
                *to -= factor * from;
            }
        }
    }
    let mut out: Vec<f64> = (0..count).map(|i| m[i][count] / m[i][i]).collect();
    if let Some(constant) = out.first_mut() {
        *constant += mean;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Control points on a regular mesh, with positions from a function.
    fn mesh(n: usize, at: impl Fn(f64, f64) -> [f64; 2]) -> Vec<[f64; 4]> {
        let step = |i: usize| 1000.0 * i as f64 / (n - 1) as f64;
        let point = |i: usize| {
            let (c, r) = (step(i % n), step(i / n));
            let [x, y] = at(c, r);
            [c, r, x, y]
        };
        (0..n * n).map(point).collect()
    }

    fn assert_near(a: [f64; 2], b: [f64; 2]) {
        assert!((a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6, "{a:?} {b:?}");
    }

    #[test]
    fn four_points_make_an_affine_grid() {
        let truth = |c: f64, r: f64| [500_000.0 + 10.0 * c + 2.0 * r, 5_000_000.0 + 2.0 * c - 10.0 * r];
        let fit = Fit::through(&mesh(2, truth), (1000, 1000)).unwrap();
        assert_eq!((fit.points, fit.x.len()), (4, 3));
        assert!(fit.misfit < 1e-6, "{}", fit.misfit);
        assert_near(fit.at(321.0, 654.0), truth(321.0, 654.0));
        let grid = Grid::Fitted(fit);
        assert_near(grid.spacing((1000, 1000)), [104_f64.sqrt(); 2]);
    }

    #[test]
    fn many_points_bend_it() {
        let truth = |c: f64, r: f64| [10.0 + 1e-3 * c + 1e-7 * c * r, 50.0 - 1e-3 * r + 2e-7 * c * c];
        let fit = Fit::through(&mesh(5, truth), (1000, 1000)).unwrap();
        assert_eq!(fit.x.len(), TERMS);
        assert_near(fit.at(900.0, 100.0), truth(900.0, 100.0));
    }

    #[test]
    fn points_on_a_line_make_no_grid() {
        let line: Vec<[f64; 4]> = (0..20).map(|i| f64::from(i) * 10.0).map(|v| [v, v, v, v]).collect();
        assert!(Fit::through(&line, (1000, 1000)).is_none());
        assert!(Fit::through(&line[..2], (1000, 1000)).is_none());
        assert!(Fit::through(&[], (1000, 1000)).is_none());
        // Two columns of points determine no square of the column, and are enough for a plane.
        let columns: Vec<_> = mesh(10, |c, r| [c, -r]).into_iter().filter(|p| p[0] == 0.0 || p[0] == 1000.0).collect();
        assert_eq!(Fit::through(&columns, (1000, 1000)).unwrap().x.len(), 3);
    }
}
