//! The file in a scene's name as the user typed it.

use std::{borrow::Cow, path::Path};

/// Prefixes of GDAL's names for a part of a file, in upper case.
const PREFIXES: [&str; 25] = [
    "GTIFF_DIR",
    "GTIFF_RAW",
    "NITF_IM",
    "NITF_TOC_ENTRY",
    "NETCDF",
    "HDF5",
    "HDF4_SDS",
    "HDF4_EOS",
    "HDF4_GR",
    "BAG",
    "SENTINEL2_L1B",
    "SENTINEL2_L1C",
    "SENTINEL2_L1C_TILE",
    "SENTINEL2_L2A",
    "SENTINEL1_CALIB",
    "RADARSAT_2_CALIB",
    "RCM_CALIB",
    "DERIVED_SUBDATASET",
    "RASTERLITE",
    "PDF",
    "PDF_IMAGE",
    "GPKG",
    "ZARR",
    "ADRG",
    "MEM",
];

/// A parsed scene name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneName {
    /// The file, archive member or address.
    pub file: String,
    /// The rest of the name, such as the variable in `NETCDF:"a.nc":red`.
    pub part: Option<String>,
}

impl SceneName {
    /// Parses a name. An existing file of that exact name takes precedence, since file names may contain colons.
    pub fn of(name: &str) -> Self {
        let whole = |file: &str| Self { file: file.to_owned(), part: None };
        if std::fs::symlink_metadata(name).is_ok() {
            return whole(name);
        }
        if let Some(query) = query(name) {
            return whole(query.0);
        }
        let Some(rest) = after_prefix(name) else {
            let address = name.contains("://");
            return whole(if address { name.split(['?', '#']).next().unwrap_or(name) } else { name });
        };
        let part = |words: &str| {
            let words = words.trim_matches([':', '/']);
            (!words.is_empty()).then(|| words.to_owned())
        };
        if let Some((before, quoted)) = rest.split_once('"') {
            let (file, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            return Self { file: file.to_owned(), part: part(&format!("{before}{after}")) };
        }
        let words: Vec<&str> = rest.split(':').collect();
        let (first, last) = file_in(&words);
        let beside: Vec<&str> = words[..first].iter().chain(&words[last..]).copied().collect();
        Self { file: words[first..last].join(":"), part: part(&beside.join(":")) }
    }
}

/// Finds the file among the words between colons: the longest run that exists, else the most likely one.
fn file_in(words: &[&str]) -> (usize, usize) {
    const MOST: usize = 32;
    for length in (1..=words.len().min(MOST)).rev() {
        for first in 0..=words.len() - length {
            if Path::new(&words[first..first + length].join(":")).is_file() {
                return (first, first + length);
            }
        }
    }
    let looks = |w: &&str| w.contains('/') || w.contains('.');
    let at = words.iter().rposition(looks).unwrap_or(words.len() - 1);
    (at, at + 1)
}

/// File and options of `vrt://FILE?OPTIONS`.
pub(crate) fn query(name: &str) -> Option<(&str, &str)> {
    let scheme = name.get(..6).filter(|s| s.eq_ignore_ascii_case("vrt://"))?;
    let rest = &name[scheme.len()..];
    Some(rest.rsplit_once('?').unwrap_or((rest, "")))
}

/// The name after the prefix of a driver.
pub(crate) fn after_prefix(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_once(':')?;
    PREFIXES.contains(&prefix.to_ascii_uppercase().as_str()).then_some(rest)
}

/// A path with nothing at its start that GDAL could take for a driver's prefix.
pub(crate) fn without_prefix(path: &Path) -> Cow<'_, Path> {
    let colon = path.is_relative() && !path.starts_with(".") && path.to_string_lossy().contains(':');
    if colon { Path::new(".").join(path).into() } else { path.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_does_not_begin_like_a_driver() {
        for (path, plain) in [
            ("HDF5:a.tif", "./HDF5:a.tif"),
            ("a:b/c.tif", "./a:b/c.tif"),
            ("./a:b.tif", "./a:b.tif"),
            ("/a:b.tif", "/a:b.tif"),
            ("a.tif", "a.tif"),
        ] {
            assert_eq!(without_prefix(Path::new(path)).as_os_str(), plain);
        }
    }

    #[test]
    fn the_file_is_found_in_every_kind_of_name() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("S2_10:15:30.tif").display().to_string();
        std::fs::write(&there, "x").unwrap();
        let dir2 = format!("GTIFF_DIR:2:{there}");
        for (name, file, part) in [
            ("a/S2_2024-05-01T10:11:12.tif", "a/S2_2024-05-01T10:11:12.tif", None),
            (there.as_str(), there.as_str(), None),
            (dir2.as_str(), there.as_str(), Some("2")),
            ("GTIFF_DIR:2:a/x.TIFF", "a/x.TIFF", Some("2")),
            ("NETCDF:\"a/b.nc\":red", "a/b.nc", Some("red")),
            ("netcdf:a/b.nc:red", "a/b.nc", Some("red")),
            ("HDF5:\"f.h5\"://group/data", "f.h5", Some("group/data")),
            ("SENTINEL2_L2A:a/MTD_MSIL2A.xml:10m:EPSG_32632", "a/MTD_MSIL2A.xml", Some("10m:EPSG_32632")),
            ("NITF_IM:0:n.ntf", "n.ntf", Some("0")),
            ("vrt://a/x.tif?bands=3,2,1", "a/x.tif", None),
            ("https://host/a/x.tif?key=1", "https://host/a/x.tif", None),
            ("/vsizip/a.zip/x.tif", "/vsizip/a.zip/x.tif", None),
        ] {
            assert_eq!(SceneName::of(name), SceneName { file: file.into(), part: part.map(str::to_owned) }, "{name}");
        }
    }
}
