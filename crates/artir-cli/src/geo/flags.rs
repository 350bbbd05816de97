//! Values of the flags of `artir geo`.

use std::path::PathBuf;

use artir_geo::{BandNumbers, CreationOption, Interval, NodataChoice, RangeChoice};

/// The reason why a value of one of these flags is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SceneValueError {
    #[error("must be numbers of different bands, counted from 1: 3,2,1")]
    Bands,
    #[error("must be LO,HI (LO below HI), three such pairs, percentile, reflectance or auto")]
    Range,
    #[error("must be a number, or none")]
    Nodata,
    #[error("must be first column, first row, columns, rows: 100,200,512,512")]
    Window,
    #[error("must be smallest x, smallest y, largest x, largest y")]
    Box,
    #[error("no such folder")]
    Folder,
    #[error("must be KEY=VALUE, such as COMPRESS=ZSTD")]
    Creation,
}

pub(super) fn bands(text: &str) -> Result<BandNumbers, SceneValueError> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    numbers.and_then(BandNumbers::new).ok_or(SceneValueError::Bands)
}

pub(super) fn range(text: &str) -> Result<RangeChoice, SceneValueError> {
    match text {
        "auto" => Ok(RangeChoice::Auto),
        "percentile" => Ok(RangeChoice::Percentile),
        "reflectance" => Ok(RangeChoice::Reflectance),
        _ => {
            let number = |t: &str| t.trim().parse::<f64>().ok().filter(|v| v.is_finite());
            let numbers: Option<Vec<f64>> = text.split(',').map(number).collect();
            let pairs: Option<Vec<Interval>> = numbers
                .filter(|numbers| numbers.len() % 2 == 0)
                .and_then(|numbers| numbers.chunks(2).map(|pair| Interval::new(pair[0], pair[1])).collect());
            match pairs.as_deref() {
                Some([interval]) => Ok(RangeChoice::Interval(*interval)),
                Some([red, green, blue]) => Ok(RangeChoice::EachBand([*red, *green, *blue])),
                _ => Err(SceneValueError::Range),
            }
        }
    }
}

pub(super) fn nodata(text: &str) -> Result<NodataChoice, SceneValueError> {
    match text {
        "none" => Ok(NodataChoice::None),
        _ => text.parse().map(NodataChoice::Value).map_err(|_| SceneValueError::Nodata),
    }
}

fn numbers<T: std::str::FromStr>(text: &str) -> Option<[T; 4]> {
    let all: Option<Vec<T>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    all?.try_into().ok()
}

pub(super) fn window(text: &str) -> Result<[usize; 4], SceneValueError> {
    numbers(text).filter(|[_, _, columns, rows]| *columns > 0 && *rows > 0).ok_or(SceneValueError::Window)
}

pub(super) fn corners(text: &str) -> Result<[f64; 4], SceneValueError> {
    let fine = |b: &[f64; 4]| b.iter().all(|v| v.is_finite()) && b[0] < b[2] && b[1] < b[3];
    numbers(text).filter(fine).ok_or(SceneValueError::Box)
}

pub(super) fn folder(text: &str) -> Result<PathBuf, SceneValueError> {
    let folder = PathBuf::from(text);
    if folder.is_dir() { Ok(folder) } else { Err(SceneValueError::Folder) }
}

pub(super) fn creation(text: &str) -> Result<CreationOption, SceneValueError> {
    text.split_once('=').and_then(|(key, value)| CreationOption::new(key, value)).ok_or(SceneValueError::Creation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_they_are_written() {
        let interval = |lo, hi| Ok(RangeChoice::Interval(Interval::new(lo, hi).unwrap()));
        assert_eq!(range("0,10000"), interval(0.0, 10_000.0));
        assert_eq!(range("-0.2, 1.5"), interval(-0.2, 1.5));
        assert_eq!(range("percentile"), Ok(RangeChoice::Percentile));
        for bad in ["1", "5,5", "9,1", "a,b", "0,inf", "1,2,3", ""] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bands_boxes_and_options_that_mean_nothing_are_refused() {
        for bad in ["", "0", "1,1", "1,x", "-1"] {
            assert_eq!(bands(bad), Err(SceneValueError::Bands), "{bad}");
        }
        for bad in ["1,2,3", "1,2,0,4", "1,2,3,-4", "a,b,c,d"] {
            assert_eq!(window(bad), Err(SceneValueError::Window), "{bad}");
        }
        for bad in ["1,2,1,4", "1,2,3", "0,0,inf,1"] {
            assert_eq!(corners(bad), Err(SceneValueError::Box), "{bad}");
        }
        assert_eq!(nodata("none"), Ok(NodataChoice::None));
        assert_eq!(nodata("black"), Err(SceneValueError::Nodata));
        assert_eq!(creation("COMPRESS"), Err(SceneValueError::Creation));
        assert_eq!(folder("no such folder"), Err(SceneValueError::Folder));
    }
}
