//! Planes in the patient's space: how slices lie, and how they follow each other (PS3.3, C.7.6.2).

/// Position and orientation of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plane {
    /// Centre of the first pixel, mm.
    pub(crate) position: [f64; 3],
    /// Direction cosines of the row, then of the column.
    pub(crate) orientation: [f64; 6],
}

impl Plane {
    /// Row direction times column direction.
    pub(crate) fn normal(&self) -> [f64; 3] {
        let [rx, ry, rz, cx, cy, cz] = self.orientation;
        [ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx]
    }

    /// Position along the normal, mm.
    pub(crate) fn along_normal(&self) -> f64 {
        dot(self.normal(), self.position)
    }

    /// The plane some millimetres along its normal.
    pub(crate) fn shifted(mut self, by: f64) -> Self {
        let normal = self.normal();
        let length = dot(normal, normal).sqrt();
        for (at, n) in self.position.iter_mut().zip(normal) {
            *at += by * n / length;
        }
        self
    }

    /// Whether it is cut across the body. A tilted gantry leans by up to 30 degrees; reformats stand at 90.
    pub(crate) fn is_axial(&self) -> bool {
        self.normal()[2].abs() >= 0.7
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Positions closer than this are one, mm.
pub(crate) const SAME_POSITION: f64 = 0.01;

/// How the slices of a series follow each other. Planes in the order of their positions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stack {
    /// The usual distance of neighbours, mm; 0 for fewer than two positions.
    pub(crate) spacing: f64,
    /// Slices that would fill the gaps.
    pub(crate) missing: usize,
    /// Least and largest distance of neighbours, where they differ by more than a twentieth, gaps left out.
    pub(crate) uneven: Option<(f64, f64)>,
    /// Slices at a position that another has too.
    pub(crate) coincident: usize,
    /// Angle between the normal and the way from slice to slice, degrees.
    pub(crate) tilt: f64,
}

impl Stack {
    /// What is to be said of several stacks: the spacing of the first, and whatever is wrong with any.
    pub(crate) fn joined(stacks: &[Self]) -> Self {
        let bounds = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            spacing: stacks.iter().map(|s| s.spacing).find(|s| *s > 0.0).unwrap_or(0.0),
            missing: stacks.iter().map(|s| s.missing).sum(),
            uneven: stacks.iter().filter_map(|s| s.uneven).reduce(bounds),
            coincident: stacks.iter().map(|s| s.coincident).sum(),
            tilt: stacks.iter().map(|s| s.tilt).fold(0.0, f64::max),
        }
    }

    pub(crate) fn of(planes: &[Plane]) -> Self {
        let along: Vec<f64> = planes.iter().map(Plane::along_normal).collect();
        let steps: Vec<f64> = along.windows(2).map(|w| w[1] - w[0]).collect();
        let coincident = steps.iter().filter(|s| **s < SAME_POSITION).count();
        let mut apart: Vec<f64> = steps.into_iter().filter(|s| *s >= SAME_POSITION).collect();
        apart.sort_by(f64::total_cmp);
        let Some(spacing) = apart.get(apart.len() / 2).copied() else {
            return Self { coincident, ..Self::default() };
        };
        // A gap is a whole number of steps, which two positions alone do not show.
        let lost = |step: f64| {
            let steps = (step / spacing).round();
            if steps >= 2.0 && (step / spacing - steps).abs() < 0.1 { steps as usize - 1 } else { 0 }
        };
        let missing = if apart.len() > 2 { apart.iter().map(|s| lost(*s)).sum() } else { 0 };
        let plain: Vec<f64> = apart.iter().copied().filter(|s| lost(*s) == 0).collect();
        let (least, most) = (plain.first().copied().unwrap_or(0.0), plain.last().copied().unwrap_or(0.0));
        let uneven = (most - least > 0.05 * spacing).then_some((least, most));
        Self { spacing, missing, uneven, coincident, tilt: tilt(planes) }
    }
}

fn tilt(planes: &[Plane]) -> f64 {
    let (Some(first), Some(last)) = (planes.first(), planes.last()) else { return 0.0 };
    let way: [f64; 3] = std::array::from_fn(|i| last.position[i] - first.position[i]);
    let length = dot(way, way).sqrt();
    if length < SAME_POSITION {
        return 0.0;
    }
    let normal = first.normal();
    let cosine = dot(way, normal).abs() / (length * dot(normal, normal).sqrt());
    cosine.min(1.0).acos().to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(z: f64) -> Plane {
        Plane { position: [0.0, 0.0, z], orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] }
    }

    #[test]
    fn gaps_uneven_steps_and_doubles_are_told_apart() {
        let stack = |z: &[f64]| Stack::of(&z.iter().map(|z| at(*z)).collect::<Vec<_>>());
        let even = stack(&[0.0, 2.5, 5.0, 7.5]);
        assert_eq!(even, Stack { spacing: 2.5, ..Stack::default() });
        assert_eq!(stack(&[0.0, 2.5, 5.0, 12.5, 15.0]).missing, 2);
        assert_eq!(stack(&[0.0, 5.0, 10.0, 17.0, 24.0]).uneven, Some((5.0, 7.0)));
        assert_eq!(stack(&[0.0, 0.0, 5.0, 5.0, 10.0]).coincident, 2);
        assert_eq!(stack(&[3.0]), Stack::default());
    }

    #[test]
    fn a_tilted_gantry_shears_the_stack() {
        let (sin, cos) = 18f64.to_radians().sin_cos();
        let tilted = |z: f64| Plane { position: [0.0, 0.0, z], orientation: [1.0, 0.0, 0.0, 0.0, cos, -sin] };
        let planes: Vec<_> = (0..4).map(|i| tilted(f64::from(i) * 5.0)).collect();
        assert!((Stack::of(&planes).tilt - 18.0).abs() < 1e-9);
        assert!(tilted(0.0).is_axial());
        let coronal = Plane { orientation: [1.0, 0.0, 0.0, 0.0, 0.0, -1.0], ..at(0.0) };
        assert!(!coronal.is_axial());
    }
}
