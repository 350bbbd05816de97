//! A footprint as a drawing: an inline SVG, north up.

use artir_page::number;

/// Width and height of the map, px; its frame leaves room for labels.
const MAP: [f64; 2] = [560.0, 380.0];
const LEFT: f64 = 84.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// Largest share of the map that the outline fills.
const FILL: f64 = 0.7;

/// Degrees between two lines of a graticule.
const COARSE: [f64; 5] = [10.0, 15.0, 30.0, 45.0, 90.0];

/// The part of the Earth that a map shows.
struct View {
    /// Longitude and latitude in its middle, degrees.
    middle: [f64; 2],
    /// px per degree of longitude and of latitude: a degree of longitude shrinks with the cosine of the latitude.
    scale: [f64; 2],
}

impl View {
    /// The view of an outline; `None` for none.
    fn of(outline: &[[f64; 2]]) -> Option<Self> {
        let first = *outline.first()?;
        let (mut low, mut high) = (first, first);
        for p in outline {
            for i in 0..2 {
                low[i] = low[i].min(p[i]);
                high[i] = high[i].max(p[i]);
            }
        }
        let middle = [0, 1].map(|i| (low[i] + high[i]) / 2.0);
        // Near a pole a degree of longitude is nothing, and something must be drawn.
        let narrow = middle[1].to_radians().cos().max(0.05);
        // A millimetre, the resolution of degrees as floating-point numbers.
        let span = [((high[0] - low[0]) * narrow).max(1e-8), (high[1] - low[1]).max(1e-8)];
        let scale = FILL * (MAP[0] / span[0]).min(MAP[1] / span[1]);
        Some(Self { middle, scale: [scale * narrow, scale] })
    }

    /// Where a point lies on the map, px.
    fn at(&self, [lon, lat]: [f64; 2]) -> [f64; 2] {
        [
            LEFT + MAP[0] / 2.0 + (lon - self.middle[0]) * self.scale[0],
            TOP + MAP[1] / 2.0 - (lat - self.middle[1]) * self.scale[1],
        ]
    }

    /// The round degrees that the map shows of an axis, and how many decimals they need.
    fn lines(&self, axis: usize) -> (Vec<f64>, usize) {
        let half = MAP[axis] / self.scale[axis] / 2.0;
        // Labels of longitudes are side by side and need more room than those of latitudes.
        let (step, decimals) = step(if axis == 0 { half } else { half / 2.0 });
        let first = ((self.middle[axis] - half) / step).ceil() as i64;
        let last = ((self.middle[axis] + half) / step).floor() as i64;
        // A handful; the bound is for numbers that rounding has spoilt.
        let lines = (first..=last).take(20).map(|i| i as f64 * step);
        (lines.filter(|v| axis == 0 || v.abs() <= 90.0).collect(), decimals)
    }
}

/// The largest round step that is no larger than this, and the decimals of its multiples.
fn step(most: f64) -> (f64, usize) {
    if let Some(step) = COARSE.iter().rev().find(|step| **step <= most) {
        return (*step, 0);
    }
    for decimals in 0..10 {
        let unit = 0.1_f64.powi(decimals);
        if let Some(step) = [5.0, 2.0, 1.0].iter().map(|n| n * unit).find(|step| *step <= most * (1.0 + 1e-9)) {
            return (step, decimals as usize);
        }
    }
    (1e-9, 9)
}

/// A longitude in words, such as `12.5° E`; beyond 180 it is that of the other side.
pub(super) fn longitude(degrees: f64, decimals: usize) -> String {
    let turned = degrees - 360.0 * (degrees / 360.0).round();
    hemisphere(turned, decimals, ["E", "W"], turned.abs() == 180.0)
}

/// A latitude in words, such as `45° N`.
pub(super) fn latitude(degrees: f64, decimals: usize) -> String {
    hemisphere(degrees, decimals, ["N", "S"], false)
}

fn hemisphere(degrees: f64, decimals: usize, [plus, minus]: [&str; 2], neither: bool) -> String {
    let unit = 10_f64.powi(decimals as i32);
    let rounded = (degrees.abs() * unit).round() / unit;
    let text = number(rounded, decimals);
    if rounded == 0.0 || neither {
        format!("{text}°")
    } else {
        format!("{text}° {}", if degrees > 0.0 { plus } else { minus })
    }
}

/// The map of an outline, longitudes and latitudes in degrees; the first point is marked. Empty for an empty outline.
pub(super) fn svg(outline: &[[f64; 2]]) -> String {
    let (Some(view), Some(first)) = (View::of(outline), outline.first()) else { return String::new() };
    let [right, bottom] = [LEFT + MAP[0], TOP + MAP[1]];
    let mut out = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"The scene's outline in longitude and latitude, north up\">\
         <rect class=\"sea\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>",
        right + 10.0,
        bottom + BOTTOM,
        MAP[0],
        MAP[1],
    );
    let (lines, decimals) = view.lines(0);
    for lon in lines {
        let x = view.at([lon, 0.0])[0];
        // Meridians end at the poles.
        let [north, south] = [90.0, -90.0].map(|lat| view.at([0.0, lat])[1].clamp(TOP, bottom));
        out += &format!(
            "<path class=\"line\" d=\"M{x:.2} {north:.2}V{south:.2}\"/>\
             <text x=\"{x:.2}\" y=\"{:.2}\" text-anchor=\"middle\">{}</text>",
            bottom + 17.0,
            longitude(lon, decimals),
        );
    }
    let (lines, decimals) = view.lines(1);
    for lat in lines {
        let y = view.at([0.0, lat])[1];
        out += &format!(
            "<path class=\"line\" d=\"M{LEFT} {y:.2}H{right}\"/>\
             <text x=\"{:.2}\" y=\"{:.2}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            latitude(lat, decimals),
        );
    }
    let points: Vec<String> = outline.iter().map(|p| view.at(*p)).map(|[x, y]| format!("{x:.2},{y:.2}")).collect();
    let [x, y] = view.at(*first);
    out += &format!(
        "<polygon class=\"scene\" points=\"{}\"/><circle class=\"first\" cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"4\"/></svg>",
        points.join(" "),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        let steps = [200.0, 20.0, 7.0, 2.0, 0.3, 0.01, 1e-30].map(step);
        assert_eq!(steps.map(|s| s.1), [0, 0, 0, 0, 1, 2, 9]);
        for (step, expected) in steps.iter().zip([90.0, 15.0, 5.0, 2.0, 0.2, 0.01, 1e-9]) {
            assert!((step.0 / expected - 1.0).abs() < 1e-9, "{step:?} {expected}");
        }
    }

    #[test]
    fn degrees_have_a_hemisphere() {
        let lon = [12.5, -0.25, 180.0, 181.0, -181.5, 0.0, 359.0].map(|v| longitude(v, 2));
        assert_eq!(lon, ["12.5° E", "0.25° W", "180°", "179° W", "178.5° E", "0°", "1° W"]);
        assert_eq!([45.125, -90.0, -0.001].map(|v| latitude(v, 2)), ["45.13° N", "90° S", "0°"]);
    }

    #[test]
    fn north_is_up_and_a_degree_of_longitude_shrinks() {
        let view = View::of(&[[10.0, 59.0], [12.0, 61.0]]).unwrap();
        let (low, high) = (view.at([10.0, 59.0]), view.at([12.0, 61.0]));
        assert!(high[1] < low[1] && high[0] > low[0]);
        let proportion = (high[0] - low[0]) / (low[1] - high[1]);
        assert!((proportion - 0.5).abs() < 1e-9, "the cosine of 60 degrees: {proportion}");
    }

    #[test]
    fn every_outline_stays_on_the_map_with_a_few_lines() {
        let square =
            |lon: f64, lat: f64, w: f64, h: f64| vec![[lon, lat], [lon + w, lat], [lon + w, lat - h], [lon, lat - h]];
        for outline in [
            square(-180.0, 90.0, 360.0, 180.0),
            square(6.5, 45.1, 1.3, 1.0),
            square(179.0, 0.5, 2.0, 1.0),
            square(10.0, 50.0, 1e-5, 1e-5),
            square(10.0, 90.0, 300.0, 5.0),
            square(10.0, 50.0, 0.0, 0.0),
            square(10.0, 50.0, 0.0, 100.0),
        ] {
            let drawing = svg(&outline);
            assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{drawing}");
            let view = View::of(&outline).unwrap();
            for [x, y] in outline.iter().map(|p| view.at(*p)) {
                assert!((LEFT..=LEFT + MAP[0]).contains(&x) && (TOP..=TOP + MAP[1]).contains(&y), "{x} {y}");
            }
            let [(lon, decimals), (lat, _)] = [0, 1].map(|axis| view.lines(axis));
            assert!((1..=6).contains(&lon.len()) && (1..=11).contains(&lat.len()), "{outline:?}: {lon:?} {lat:?}");
            // A character is 7 px wide or less.
            let widest = lon.iter().map(|v| 7 * longitude(*v, decimals).chars().count()).max().unwrap_or(0);
            let apart = lon.windows(2).map(|w| (w[1] - w[0]) * view.scale[0]).fold(MAP[0], f64::min);
            assert!(widest as f64 <= apart, "{outline:?}: {widest} px of text in {apart} px");
        }
        assert_eq!(svg(&[]), "");
    }
}
