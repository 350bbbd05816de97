//! Values of flags: how they are read, and the reason why one is refused.

use std::path::PathBuf;

use artir_core::{MOST_THREADS, Precision};
use artir_inspect::Cut;

/// The reason why a value of a flag is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("must be f32 or fast")]
    Precision,
    #[error("must be a whole number from 0 to {0}")]
    WholeNumber(usize),
    #[error("must be a number from 0 to 1")]
    Strength,
    #[error("must be a number of HU above 0, at most 1000")]
    Noise,
    #[error("'{0}' is not a size such as 512MiB")]
    Size(String),
    #[error("'{0}' is not one of KiB, MiB, GiB, kB, MB, GB")]
    Unit(String),
    #[error("'{0}' is less than one byte")]
    TooSmall(String),
    #[error("'{0}' is not below 1 PiB, the largest limit")]
    TooLarge(String),
    #[error("must be ROWSxCOLUMNS, multiples of 4 up to {LARGEST}")]
    Extent,
    #[error("must be HxW or HxW+ROW+COLUMN, with H and W multiples of 4 up to {LARGEST}")]
    Cut,
    #[error("'{0}' is not FOLDER=NAME")]
    Also(String),
    #[error("is not a UID: digits and dots, at most 64")]
    Uid,
}

pub(crate) fn precision(text: &str) -> Result<Precision, ValueError> {
    match text {
        "f32" => Ok(Precision::F32),
        "fast" => Ok(Precision::Fast),
        _ => Err(ValueError::Precision),
    }
}

pub(crate) fn threads(text: &str) -> Result<usize, ValueError> {
    whole_number(text, MOST_THREADS)
}

/// No image has a longer edge than a tile may have.
const LONGEST_EDGE: usize = 1 << 20;

pub(crate) fn pixels(text: &str) -> Result<usize, ValueError> {
    whole_number(text, LONGEST_EDGE)
}

fn whole_number(text: &str, most: usize) -> Result<usize, ValueError> {
    text.parse().ok().filter(|n| *n <= most).ok_or(ValueError::WholeNumber(most))
}

pub(crate) fn strength(text: &str) -> Result<f32, ValueError> {
    let number = text.parse().ok().filter(|n: &f32| (0.0..=1.0).contains(n));
    // -0 means 0, and must not lead to another derived UID.
    number.map(|n| n + 0.0).ok_or(ValueError::Strength)
}

pub(crate) fn noise(text: &str) -> Result<f64, ValueError> {
    text.parse().ok().filter(|hu: &f64| *hu > 0.0 && *hu <= 1000.0).ok_or(ValueError::Noise)
}

/// 1 PiB.
const MOST_MEMORY: f64 = (1u64 << 50) as f64;

pub(crate) fn memory(text: &str) -> Result<u64, ValueError> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| ValueError::Size(text.to_owned()))?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(ValueError::Unit(unit.to_owned())),
    };
    let bytes = number * factor;
    match bytes {
        _ if bytes < 1.0 => Err(ValueError::TooSmall(text.to_owned())),
        _ if bytes < MOST_MEMORY => Ok(bytes as u64),
        _ => Err(ValueError::TooLarge(text.to_owned())),
    }
}

/// Rows and columns of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The largest number of rows or columns.
const LARGEST: usize = 1 << 15;

pub(crate) fn extent(text: &str) -> Result<Extent, ValueError> {
    let number = |t: &str| t.parse::<usize>().ok().filter(|n| (1..=LARGEST).contains(n) && n.is_multiple_of(4));
    match text.split_once(['x', 'X']).map(|(rows, columns)| (number(rows), number(columns))) {
        Some((Some(rows), Some(columns))) => Ok(Extent { rows, columns }),
        _ => Err(ValueError::Extent),
    }
}

/// A window of an image: `512x512` in its middle, or `512x512+0+128` from a row and a column on.
pub(crate) fn cut(text: &str) -> Result<Cut, ValueError> {
    let mut parts = text.split('+');
    let size = extent(parts.next().unwrap_or_default()).map_err(|_| ValueError::Cut)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| ValueError::Cut);
    let place = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => None,
        (Some(row), Some(column), None) => Some((number(row)?, number(column)?)),
        _ => return Err(ValueError::Cut),
    };
    Ok(Cut { rows: size.rows, columns: size.columns, place })
}

/// A folder of results and the name of their method.
pub(crate) fn also(text: &str) -> Result<(PathBuf, String), ValueError> {
    match text.rsplit_once('=') {
        Some((folder, name)) if !folder.is_empty() && !name.is_empty() => Ok((folder.into(), name.into())),
        _ => Err(ValueError::Also(text.to_owned())),
    }
}

/// A UID (PS3.5, 9.1).
pub(crate) fn uid(text: &str) -> Result<String, ValueError> {
    let is_uid = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_uid { Ok(text.to_owned()) } else { Err(ValueError::Uid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_are_written() {
        assert_eq!(memory("2GiB").unwrap(), 2 << 30);
        assert_eq!(memory("512 MiB").unwrap(), 512 << 20);
        assert_eq!(memory("1.5GB").unwrap(), 1_500_000_000);
        assert_eq!(memory("4096").unwrap(), 4096);
        for bad in
            ["", "0", "0.5B", "GiB", "2 parsecs", "-1GiB", "nan", "inf", "1.2.3", "9999999999999GiB", &"9".repeat(400)]
        {
            assert!(memory(bad).is_err(), "{bad}");
        }
        assert_eq!(extent("256x512"), Ok(Extent { rows: 256, columns: 512 }));
        for bad in ["", "256", "x", "0x4", "6x8", "-4x4", "4x4x4", "4294967296x4294967296"] {
            assert_eq!(extent(bad), Err(ValueError::Extent), "{bad}");
        }
    }

    #[test]
    fn windows_have_a_size_and_perhaps_a_place() {
        assert_eq!(cut("256x512"), Ok(Cut { rows: 256, columns: 512, place: None }));
        assert_eq!(cut("4x8+0+17"), Ok(Cut { rows: 4, columns: 8, place: Some((0, 17)) }));
        for bad in ["", "256", "256x510", "4x4+1", "4x4+1+", "4x4++1", "4x4+1+2+3", "4x4+-1+2", "0x4+0+0"] {
            assert_eq!(cut(bad), Err(ValueError::Cut), "{bad}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!((threads("0"), threads("1024")), (Ok(0), Ok(1024)));
        assert_eq!((pixels("0"), pixels("512")), (Ok(0), Ok(512)));
        for bad in ["-1", "1025", "9223372036854775808", "18446744073709551616", "1e3", "nan", "inf", "", "0x10"] {
            assert_eq!(threads(bad), Err(ValueError::WholeNumber(1024)), "{bad}");
        }
        assert!(pixels("9223372036854775807").is_err());
        assert_eq!((strength("0.5"), strength("1")), (Ok(0.5), Ok(1.0)));
        assert!(strength("-0").is_ok_and(|zero| zero.is_sign_positive()));
        for bad in ["nan", "inf", "-inf", "-0.1", "1.0001", "1e40", "", "half"] {
            assert_eq!(strength(bad), Err(ValueError::Strength), "{bad}");
        }
        assert_eq!((noise("12.5"), noise("1000")), (Ok(12.5), Ok(1000.0)));
        for bad in ["0", "-3", "nan", "inf", "1001", "", "HU"] {
            assert_eq!(noise(bad), Err(ValueError::Noise), "{bad}");
        }
    }

    #[test]
    fn uids_are_digits_and_dots() {
        assert_eq!(uid("1.2.840.10008"), Ok("1.2.840.10008".into()));
        for bad in ["", "1.2.x", "1 2", &"1".repeat(65)] {
            assert_eq!(uid(bad), Err(ValueError::Uid), "{bad}");
        }
    }

    #[test]
    fn methods_are_named_behind_the_last_equals_sign() {
        assert_eq!(also("a=b=BM3D"), Ok(("a=b".into(), "BM3D".into())));
        for bad in ["", "folder", "=name", "folder="] {
            assert!(also(bad).is_err(), "{bad}");
        }
    }
}
