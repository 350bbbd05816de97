//! Numbers as VR DS.

/// A number as VR DS: at most 16 characters, as exact as they allow, never below the number.
pub(crate) fn decimal_string(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 16 {
        return plain;
    }
    for digits in (0..=14).rev() {
        let text = format!("{value:.digits$e}");
        if text.len() > 16 {
            continue;
        }
        // Rounded down, a slope would make the largest value saturate.
        if text.parse::<f64>().is_ok_and(|v| v >= value) {
            return text;
        }
        let step = 10f64.powi(value.abs().log10().floor() as i32 - digits as i32);
        let up = format!("{:.digits$e}", value + step);
        if up.len() <= 16 {
            return up;
        }
    }
    format!("{value:.0e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_fit_and_never_fall_short() {
        for value in [1.0, 0.1, 1.0 / 3.0, 2.0 / 3.0, 0.000123456789123, 12345.678901234567, 1e-9 / 7.0] {
            let text = decimal_string(value);
            let back: f64 = text.parse().unwrap();
            assert!(text.len() <= 16 && back >= value && (back - value) / value < 1e-7, "{value} -> {text}");
        }
    }
}
