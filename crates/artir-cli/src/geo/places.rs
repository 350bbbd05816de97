//! Where each scene's result is written.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use artir_geo::SceneName;

use super::streams;
use crate::outcome::Failure;

/// Whether a file's name ends as a TIFF's.
fn is_tiff(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"))
}

/// The output path of each scene: the named file for one scene, else files of the same names in a folder.
pub(super) fn outputs(scenes: &[String], output: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    if scenes.len() == 1 && !is_folder {
        return Ok(vec![output.to_owned()]);
    }
    if !is_folder && is_tiff(output) {
        return Err(Failure::usage(format!("{}: several scenes need a folder", output.display())));
    }
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for scene in scenes {
        let name = output_name(scene).ok_or_else(|| Failure::usage(format!("{scene}: does not name a file")))?;
        // File systems that ignore case would map both to one file.
        if !names.insert(name.to_string_lossy().to_lowercase()) {
            return Err(Failure::usage(format!(
                "two scenes would be written to {}: run them separately",
                name.display()
            )));
        }
        out.push(output.join(name));
    }
    Ok(out)
}

/// The name of a scene's result in a folder: its file's name, and the subdataset's where it has one.
fn output_name(scene: &str) -> Option<PathBuf> {
    if let Some(product) = artir_geo::product_name(scene) {
        return Some(format!("{product}.tif").into());
    }
    if streams::is_input(scene) {
        return Some("stdin.tif".into());
    }
    let SceneName { file, part } = SceneName::of(scene);
    let name = PathBuf::from(Path::new(&file).file_name()?);
    // In a TIFF or NITF, the number names an image; the result is named after the file.
    let part = part.filter(|p| p.parse::<u64>().is_err());
    match part {
        None if is_tiff(&name) => Some(name),
        None => Some(name.with_extension("tif")),
        Some(part) => {
            let words = part.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '.').filter(|w| !w.is_empty());
            let part = words.collect::<Vec<_>>().join("_");
            Some(format!("{}_{part}.tif", name.file_stem()?.to_string_lossy()).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_has_a_place_of_its_own() {
        let folder = Path::new("out/");
        let scenes = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let named = |names: &[&str], out: &Path| outputs(&scenes(names), out).ok();
        assert_eq!(named(&["a/x.tif"], Path::new("y.tif")), Some(vec!["y.tif".into()]));
        assert_eq!(named(&["/vsistdin/"], folder), Some(vec!["out/stdin.tif".into()]));
        assert_eq!(named(&["a/x.tif", "b.vrt"], folder), Some(vec!["out/x.tif".into(), "out/b.tif".into()]));
        assert_eq!(named(&["GTIFF_DIR:2:a/x.TIFF"], folder), Some(vec!["out/x.TIFF".into()]));
        let colons = ["a/S2_2024-05-01T10:11:12.tif", "S2_10:15:30.jp2"];
        let kept = ["out/S2_2024-05-01T10:11:12.tif".into(), "out/S2_10:15:30.tif".into()];
        assert_eq!(named(&colons, folder), Some(kept.to_vec()));
        let parts = ["NETCDF:\"a/b.nc\":red", "NETCDF:\"a/b.nc\":blue", "HDF5:\"c.h5\"://g/red"];
        let kept = ["out/b_red.tif".into(), "out/b_blue.tif".into(), "out/c_g_red.tif".into()];
        assert_eq!(named(&parts, folder), Some(kept.to_vec()));
        assert_eq!(named(&["vrt://a/x.jp2?bands=1,2,3"], folder), Some(vec!["out/x.tif".into()]));
        assert_eq!(named(&["a/x.tif", "b/X.tif"], folder), None);
        assert_eq!(named(&["a/x.tif", "b/y.tif"], Path::new("z.tif")), None);
    }
}
