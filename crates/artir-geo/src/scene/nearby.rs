//! Polygons of another reference system, cut to the surroundings of a scene before their points are transformed.
//!
//! Far from the scene, its system has no place for a point, or a place on the other side of the Earth: a polygon around the whole
//! Earth would not cover the scene, and one of another continent would be an error.

use std::f64::consts::TAU;

use gdal::spatial_ref::{CoordTransform, SpatialRef};

use super::georef::coordinates;
use crate::{error::Reason, open::cutline::Polygon};

/// Steps along each side of the scene, at which its places in the polygons' system are found.
const STEPS: usize = 32;
/// The width of the surroundings on each side, as a share of the scene's larger extent. The scene may bulge between two steps.
const MARGIN: f64 = 0.125;
/// Pieces of an edge as long as the scene: it is straight in the polygons' system, and curved in the scene's.
const PIECES: f64 = 128.0;
/// Polygons of more points are detailed as they are, and their edges are not divided.
const MANY: usize = 20_000;

/// Where a scene lies in the system of polygons, with a margin.
struct Surroundings {
    /// The least and the largest coordinate of each axis.
    low: [f64; 2],
    high: [f64; 2],
    /// The scene's extent along each axis.
    extent: [f64; 2],
    /// What is added to longitudes to find polygons whole turns of the Earth away.
    turns: Vec<f64>,
}

/// The parts of polygons near a scene of this grid and size, in the polygons' `own` system. Both systems have x before y.
pub(super) fn cut(
    polygons: &[Polygon],
    own: &SpatialRef,
    scene: &SpatialRef,
    grid: &[f64; 6],
    size: (usize, usize),
) -> Result<Vec<Polygon>, Reason> {
    let surroundings = Surroundings::of(own, scene, grid, size)?;
    Ok(surroundings.map_or_else(|| polygons.to_vec(), |surroundings| surroundings.cut(polygons)))
}

impl Surroundings {
    /// `None` where no point of the scene has a place in the polygons' system.
    fn of(
        own: &SpatialRef,
        scene: &SpatialRef,
        grid: &[f64; 6],
        (columns, rows): (usize, usize),
    ) -> Result<Option<Self>, Reason> {
        let along = |step: usize, length: usize| length as f64 * step as f64 / STEPS as f64;
        let steps = (0..=STEPS).flat_map(|row| (0..=STEPS).map(move |column| (column, row)));
        let places = steps.map(|(column, row)| coordinates(grid, along(column, columns), along(row, rows)));
        let (mut x, mut y): (Vec<f64>, Vec<f64>) = places.map(|[x, y]| (x, y)).unzip();
        // The corners of an image of the whole Earth are no places on it: they become infinite, and are left out.
        drop(CoordTransform::new(scene, own)?.transform_coords(&mut x, &mut y, &mut []));
        let places = x.into_iter().zip(y).map(|(x, y)| [x, y]);
        let mut points: Vec<[f64; 2]> = places.filter(|at| at.iter().all(|v| v.is_finite())).collect();
        let Some(first) = points.first().copied() else { return Ok(None) };
        let turn = own.is_geographic().then(|| TAU / own.angular_units());
        let is_wide = |[low, high]: [[f64; 2]; 2]| turn.is_some_and(|turn| high[0] - low[0] > turn / 2.0);
        let mut bounds = bounds_of(&points);
        if let Some(turn) = turn.filter(|_| is_wide(bounds)) {
            // Across the antimeridian, longitudes go on beyond 180 degrees.
            points.iter_mut().for_each(|at| at[0] -= turn * ((at[0] - first[0]) / turn).round());
            bounds = Some(bounds_of(&points)).filter(|found| !is_wide(*found)).unwrap_or(bounds);
        }
        let [low, high] = bounds;
        let extent = [high[0] - low[0], high[1] - low[1]];
        let margin = MARGIN * extent[0].max(extent[1]);
        if margin <= 0.0 {
            return Ok(None);
        }
        let (mut low, mut high) = (low.map(|v| v - margin), high.map(|v| v + margin));
        let mut turns = vec![0.0];
        match turn {
            // Around a pole, or around the Earth: any longitude is near.
            Some(_) if is_wide(bounds) => [low[0], high[0]] = [f64::NEG_INFINITY, f64::INFINITY],
            Some(turn) => turns.extend([turn, -turn]),
            None => {}
        }
        Ok(Some(Self { low, high, extent, turns }))
    }

    fn cut(&self, polygons: &[Polygon]) -> Vec<Polygon> {
        let parts = self.turns.iter().flat_map(|turn| polygons.iter().map(|polygon| self.part(polygon, *turn)));
        let parts: Vec<Polygon> = parts.filter(|rings| !rings.is_empty()).collect();
        if parts.iter().flatten().map(Vec::len).sum::<usize>() > MANY {
            return parts;
        }
        parts.iter().map(|rings| rings.iter().map(|ring| self.divided(ring)).collect()).collect()
    }

    /// What of a polygon lies in the surroundings, moved by so much along x.
    fn part(&self, polygon: &Polygon, turn: f64) -> Polygon {
        let within = |ring: &Vec<[f64; 2]>| {
            let mut ring: Vec<[f64; 2]> = ring.iter().map(|[x, y]| [x + turn, *y]).collect();
            for axis in 0..2 {
                ring = half(&ring, |at| at[axis] - self.low[axis]);
                ring = half(&ring, |at| self.high[axis] - at[axis]);
            }
            ring
        };
        polygon.iter().map(within).filter(|ring| ring.len() > 2).collect()
    }

    /// A ring whose long edges have points in between.
    fn divided(&self, ring: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let mut out = Vec::with_capacity(ring.len());
        for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            let [x, y] = [0, 1].map(|axis| (b[axis] - a[axis]).abs() / self.extent[axis].max(f64::MIN_POSITIVE));
            let pieces = (x.max(y) * PIECES).ceil().clamp(1.0, 2.0 * PIECES) as usize;
            for piece in 0..pieces {
                let t = piece as f64 / pieces as f64;
                out.push([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
            }
        }
        out
    }
}

/// The least and the largest coordinates.
fn bounds_of(points: &[[f64; 2]]) -> [[f64; 2]; 2] {
    points.iter().fold([[f64::MAX; 2], [f64::MIN; 2]], |[low, high], at| {
        [[low[0].min(at[0]), low[1].min(at[1])], [high[0].max(at[0]), high[1].max(at[1])]]
    })
}

/// What of a ring lies where this function of its points, which is linear, is not negative.
fn half(ring: &[[f64; 2]], inside: impl Fn(&[f64; 2]) -> f64) -> Vec<[f64; 2]> {
    let mut out = Vec::with_capacity(ring.len());
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let (from, to) = (inside(a), inside(b));
        if from >= 0.0 {
            out.push(*a);
        }
        if from * to < 0.0 {
            let t = from / (from - to);
            out.push([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings { low: [0.0; 2], high: [10.0; 2], extent: [8.0; 2], turns: vec![0.0, 360.0, -360.0] }
    }

    #[test]
    fn only_what_is_near_is_left_of_polygons() {
        let square = |low: f64, high: f64| vec![[low, low], [high, low], [high, high], [low, high]];
        let near = surroundings();
        let ends = |polygon: &Polygon| bounds_of(&polygon.concat());
        let whole = near.cut(&[vec![square(-100.0, 100.0), square(4.0, 6.0)]]);
        assert_eq!((whole.len(), whole[0].len(), ends(&whole[0])), (1, 2, [[0.0; 2], [10.0; 2]]));
        assert!(near.cut(&[vec![square(20.0, 30.0)]]).is_empty());
        // Longitudes of a turn of the Earth before.
        let before = vec![[-357.0, 2.0], [-355.0, 2.0], [-355.0, 3.0], [-357.0, 3.0]];
        assert_eq!(ends(&near.cut(&[vec![before]])[0]), [[3.0, 2.0], [5.0, 3.0]]);
    }

    #[test]
    fn long_edges_have_points_in_between_unless_there_are_many() {
        let near = surroundings();
        let triangle = vec![[1.0, 1.0], [9.0, 1.0], [1.0, 1.001]];
        let found = near.divided(&triangle);
        assert_eq!((found.len(), found[0], found[64], found[128]), (257, [1.0, 1.0], [5.0, 1.0], [9.0, 1.0]));
        assert_eq!(near.cut(&[vec![triangle.clone()]])[0][0].len(), 257);
        let many = vec![vec![triangle]; MANY / 3 + 1];
        assert!(near.cut(&many).iter().flatten().all(|ring| ring.len() == 3));
    }
}
