//! Values as 8-bit greys.

use std::str::FromStr;

/// A display window (PS3.3 C.11.2.1.2).
///
/// ```
/// use artir_dicom::DisplayWindow;
///
/// let lung: DisplayWindow = "lung".parse()?;
/// assert_eq!(lung, "-600/1500".parse()?);
/// # Ok::<(), artir_dicom::WindowError>(())
/// ```
///
/// From text it is a name (`abdomen`, `lung`, `bone`, `brain`, `mediastinum`, `pet`) or `CENTRE/WIDTH`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DisplayWindow {
    /// Centre, HU or SUV.
    pub centre: f64,
    /// Width, HU or SUV; above 0.
    pub width: f64,
}

/// Windows in common clinical use, HU; `pet` is SUV 0 to 10.
const NAMED: [(&str, f64, f64); 6] = [
    ("abdomen", 40.0, 400.0),
    ("lung", -600.0, 1500.0),
    ("bone", 400.0, 1800.0),
    ("brain", 40.0, 80.0),
    ("mediastinum", 50.0, 350.0),
    ("pet", 5.0, 10.0),
];

/// The reason why a text is not a display window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// Neither a name nor two numbers.
    #[error("`{text}` is not a window: use CENTRE/WIDTH or one of {names}")]
    Unknown {
        /// The text.
        text: String,
        /// The known names.
        names: String,
    },
    /// The width is not above 0.
    #[error("`{0}`: a window's width must be above 0")]
    Width(String),
}

impl FromStr for DisplayWindow {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, centre, width)) = NAMED.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text.trim())) {
            return Ok(Self { centre: *centre, width: *width });
        }
        let names = || NAMED.map(|(name, ..)| name).join(", ");
        let number = |text: &str| text.trim().parse().ok().filter(|v: &f64| v.is_finite());
        let (centre, width) = text
            .split_once('/')
            .and_then(|(centre, width)| Some((number(centre)?, number(width)?)))
            .ok_or_else(|| WindowError::Unknown { text: text.to_owned(), names: names() })?;
        if width <= 0.0 {
            return Err(WindowError::Width(text.to_owned()));
        }
        Ok(Self { centre, width })
    }
}

/// How a window becomes greys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Greys {
    /// This and less is black.
    pub(super) black: f64,
    /// More than this is white.
    pub(super) white: f64,
    /// The difference that is white or, negative, black.
    pub(super) range: f64,
}

impl Greys {
    /// The greys of a window.
    ///
    /// HU are whole numbers and take the default LINEAR function of PS3.3 C.11.2.1.2.1, as viewers do. SUV are not: a
    /// whole unit off its width would cut a window of SUV 0 to 10 to 0 to 9, so they take LINEAR_EXACT (C.11.2.1.3.2).
    ///
    /// `None` where the standard defines none: for a LINEAR width below 1, or another width that is not above 0.
    pub(super) fn new(window: DisplayWindow, unit: &str) -> Option<Self> {
        let DisplayWindow { centre, width } = window;
        let linear = unit == "HU";
        let defined = if linear { width >= 1.0 } else { width > 0.0 };
        if !(defined && width.is_finite() && centre.is_finite()) {
            return None;
        }
        let (middle, span) = if linear { (centre - 0.5, width - 1.0) } else { (centre, width) };
        Some(Self { black: middle - span / 2.0, white: middle + span / 2.0, range: width / 8.0 })
    }

    /// The grey of a value; black for NaN.
    pub(super) fn of(self, value: f32) -> u8 {
        let value = f64::from(value);
        if value > self.white {
            255
        } else if value > self.black {
            ((value - self.black) / (self.white - self.black) * 255.0).round() as u8
        } else {
            0
        }
    }

    /// The grey of a change: 128 for none, 255 and 1 at the ends of the range. Where nothing can be subtracted (NaN,
    /// twice the same infinity) there is no change to show.
    pub(super) fn of_change(self, before: f32, after: f32) -> u8 {
        let change = f64::from(after) - f64::from(before);
        if change.is_nan() {
            return 128;
        }
        (128.0 + (change / self.range).clamp(-1.0, 1.0) * 127.0).round() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (f64, f64) {
        let window: DisplayWindow = text.parse().unwrap();
        (window.centre, window.width)
    }

    #[test]
    fn windows_have_names_and_numbers() {
        assert_eq!(parsed("abdomen"), (40.0, 400.0));
        assert_eq!(parsed("Lung"), (-600.0, 1500.0));
        assert_eq!(parsed("bone"), (400.0, 1800.0));
        assert_eq!(parsed("brain"), (40.0, 80.0));
        assert_eq!(parsed("mediastinum"), (50.0, 350.0));
        assert_eq!(parsed("pet"), (5.0, 10.0));
        assert_eq!(parsed("-600/1500"), (-600.0, 1500.0));
        assert_eq!(parsed(" 2.5 / 5 "), (2.5, 5.0));
    }

    #[test]
    fn what_is_no_window_is_refused_with_what_would_be() {
        for text in ["", "liver", "40", "40/", "/400", "40/400/1", "nan/400", "40/inf", "40,400"] {
            let reason = text.parse::<DisplayWindow>().unwrap_err().to_string();
            assert!(reason.contains("CENTRE/WIDTH") && reason.contains("abdomen"), "{text}: {reason}");
        }
        for text in ["40/0", "40/-1"] {
            assert!(text.parse::<DisplayWindow>().unwrap_err().to_string().contains("above 0"), "{text}");
        }
    }

    /// PS3.3 C.11.2.1.2.1 as it is written there, to the range 0 to 255.
    fn linear(x: f64, c: f64, w: f64) -> f64 {
        if x <= c - 0.5 - (w - 1.0) / 2.0 {
            0.0
        } else if x > c - 0.5 + (w - 1.0) / 2.0 {
            255.0
        } else {
            ((x - (c - 0.5)) / (w - 1.0) + 0.5) * 255.0
        }
    }

    #[test]
    fn hounsfield_units_follow_the_linear_function() {
        for (centre, width) in [(40.0, 400.0), (-600.0, 1500.0), (40.0, 80.0), (0.0, 2.0), (0.0, 1.0)] {
            let greys = Greys::new(DisplayWindow { centre, width }, "HU").unwrap();
            for x in -2000..2000 {
                let expected = linear(f64::from(x), centre, width);
                let grey = f64::from(greys.of(x as f32));
                assert!((grey - expected).abs() <= 0.5 + 1e-9, "{x} in {centre}/{width}: {grey}, not {expected}");
            }
        }
        let greys = Greys::new("abdomen".parse().unwrap(), "HU").unwrap();
        assert_eq!((greys.black, greys.white, greys.range), (-160.0, 239.0, 50.0));
        assert_eq!(
            [-1000.0, -160.0, 40.0, 239.0, 240.0, f32::INFINITY].map(|v| greys.of(v)),
            [0, 0, 128, 255, 255, 255]
        );
        assert_eq!([f32::NAN, f32::NEG_INFINITY].map(|v| greys.of(v)), [0, 0]);
    }

    #[test]
    fn standardised_uptake_values_fill_their_window_exactly() {
        let greys = Greys::new("pet".parse().unwrap(), "SUV").unwrap();
        assert_eq!((greys.black, greys.white, greys.range), (0.0, 10.0, 1.25));
        assert_eq!([-1.0, 0.0, 5.0, 9.0, 10.0, 11.0].map(|v| greys.of(v)), [0, 0, 128, 230, 255, 255]);
    }

    #[test]
    fn windows_without_a_definition_have_no_greys() {
        let greys = |centre, width, unit| Greys::new(DisplayWindow { centre, width }, unit);
        assert!(greys(40.0, 0.5, "HU").is_none() && greys(0.5, 0.5, "SUV").is_some());
        assert!(greys(0.0, 0.0, "SUV").is_none() && greys(0.0, f64::NAN, "SUV").is_none());
        assert!(greys(f64::INFINITY, 1.0, "HU").is_none());
    }

    #[test]
    fn changes_are_centred_on_mid_grey() {
        let greys = Greys::new("abdomen".parse().unwrap(), "HU").unwrap();
        let change = |by: f32| greys.of_change(-1000.0, -1000.0 + by);
        assert_eq!([0.0, 25.0, 50.0, 500.0].map(change), [128, 192, 255, 255]);
        assert_eq!([-25.0, -50.0, -500.0].map(change), [65, 1, 1]);
        assert_eq!(greys.of_change(f32::NAN, 0.0), 128);
        assert_eq!(greys.of_change(f32::INFINITY, f32::INFINITY), 128);
        assert_eq!(greys.of_change(0.0, f32::INFINITY), 255);
    }
}
