//! Bodies as sums of ellipses, whose line integrals are known exactly.

/// An ellipse that adds to the value of its surroundings. Lengths in mm from the centre, x to the right, y down.
#[derive(Clone, Copy, Debug)]
pub struct Ellipse {
    /// Centre.
    pub x: f64,
    /// Centre.
    pub y: f64,
    /// First semi-axis.
    pub a: f64,
    /// Second semi-axis.
    pub b: f64,
    /// Turn of the first axis from x towards y, degrees.
    pub turn: f64,
    /// The added value: attenuation in HU (1000 is water against air), activity in SUV.
    pub value: f64,
}

/// The integral in value x mm along the ray at distance `s` mm from the centre whose normal has this angle.
pub(super) fn line_integral(body: &[Ellipse], angle: f64, s: f64) -> f64 {
    let (sin, cos) = angle.sin_cos();
    body.iter()
        .map(|e| {
            let turn = angle - e.turn.to_radians();
            let square = (e.a * turn.cos()).powi(2) + (e.b * turn.sin()).powi(2);
            let t = s - (e.x * cos + e.y * sin);
            let inside = square - t * t;
            if inside <= 0.0 { 0.0 } else { e.value * 2.0 * e.a * e.b * inside.sqrt() / square }
        })
        .sum()
}
