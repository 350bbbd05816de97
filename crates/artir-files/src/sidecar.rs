//! Names of sidecar files: those that other programs read with a result, found by its name.

use std::path::{Path, PathBuf};

/// Endings that follow a whole name, in lower case.
const AFTER_NAME: [&str; 7] = [".aux.xml", ".ovr", ".msk", ".msk.ovr", ".ovr.msk", ".aux", ".rrd"];

/// Endings that follow a name without its extension, in lower case: world files, and the
/// sidecar files of ERDAS, MapInfo, Esri and satellite products.
const AFTER_STEM: [&str; 14] = [
    ".tfw", ".tifw", ".tiffw", ".tfwx", ".wld", ".aux", ".rrd", ".tab", ".prj", ".rpb", ".rpc", ".imd", ".pvl",
    "_rpc.txt",
];

/// Endings of the voxels' file beside a detached NRRD header.
const OF_HEADER: [&str; 2] = ["raw", "raw.gz"];

/// The file of the pixels under a virtual raster.
const DATA: &str = "tif";

fn lower(text: Option<&std::ffi::OsStr>) -> String {
    text.unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Whether a file of the same folder is read with a result by its whole name, such as `a.tif.aux.xml` with `a.tif`. Case does
/// not count.
pub fn follows_name(result: &Path, name: &Path) -> bool {
    lower(name.file_name()).strip_prefix(&lower(result.file_name())).is_some_and(|ending| AFTER_NAME.contains(&ending))
}

/// Whether a file of the same folder is read with a result by its name without extension, such as `a.tfw` with `a.tif`.
pub fn follows_stem(result: &Path, name: &Path) -> bool {
    lower(name.file_name()).strip_prefix(&lower(result.file_stem())).is_some_and(|ending| AFTER_STEM.contains(&ending))
}

/// The file of the pixels that is published with a result: the TIFF under a virtual raster.
pub fn pixels_of(result: &Path) -> Option<PathBuf> {
    let is_virtual = result.extension().is_some_and(|e| e.eq_ignore_ascii_case("vrt"));
    is_virtual.then(|| result.with_extension(DATA))
}

/// Whether a publication of a result can make or remove a file of that name: a sidecar file, the pixels under a virtual raster
/// with theirs, or the voxels of a detached header.
pub(crate) fn belongs(result: &Path, name: &Path) -> bool {
    let of = |result: &Path| follows_name(result, name) || follows_stem(result, name);
    let is_header = result.extension().is_some_and(|e| e.eq_ignore_ascii_case("nhdr"));
    let is_voxels = OF_HEADER.iter().any(|ending| result.with_extension(ending).file_name() == name.file_name());
    if is_header && is_voxels {
        return true;
    }
    of(result) || pixels_of(result).is_some_and(|data| name.file_name() == data.file_name() || of(&data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_result_belong_to_it() {
        let of = |result: &str, name: &str| belongs(Path::new(result), Path::new(name));
        for name in ["o.tif.aux.xml", "O.TIF.OVR", "o.tfw", "o_RPC.TXT", "o.tif.msk.ovr"] {
            assert!(of("d/o.tif", name), "{name}");
        }
        for name in ["o.tif", "o.html", "o.json", "o.jp2", "p.tif.aux.xml", "oo.tfw", ".bashrc", "o.tif.txt"] {
            assert!(!of("d/o.tif", name), "{name}");
        }
        assert!(of("o.vrt", "o.tif") && of("o.vrt", "o.tif.msk") && of("o.vrt", "o.vrt.aux.xml"));
        assert!(of("o.nhdr", "o.raw") && of("o.nhdr", "o.raw.gz"));
        assert!(!of("o.nrrd", "o.raw") && !of("o.nhdr", "p.raw") && !of("o.nhdr", "o.zip"));
        assert!(!of("o.vrt", "o.TIFF") && !of("o.vrt", "p.tif") && !of("series", "series.dcm"));
    }
}
