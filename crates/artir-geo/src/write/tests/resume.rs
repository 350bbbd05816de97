//! Interrupted scenes, and what is left of them.

use std::path::Path;

use ndarray::Array3;

use super::{
    example, open, run, run_some,
    virtual_raster::{source, virtual_raster},
};
use crate::{OpenOptions, Scene, write::options::WriteOptions, write_rgb_geotiff};

#[test]
fn an_interrupted_scene_goes_on_and_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let (whole, out) = (dir.path().join("whole.tif"), dir.path().join("out.tif"));
    run(&scene, &whole, 0.1).unwrap();
    let options = WriteOptions { resume: true, ..WriteOptions::default() };
    assert!(run_some(&scene, &out, 0.1, &options, 300).is_err());
    assert!(!out.exists());
    // What a run leaves that was killed while GDAL wrote a COG.
    for name in ["cog.tif", "cog.tif.ovr.tmp", "scene.tif.aux.xml"] {
        std::fs::write(dir.path().join(".artir-out.tif").join(name), "x").unwrap();
    }
    let done = run_some(&scene, &out, 0.1, &options, usize::MAX).unwrap();
    assert!((100..=300).contains(&done.rows_resumed), "{}", done.rows_resumed);
    assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&out).unwrap());
    // Another residual, or no --resume, starts anew.
    let other = dir.path().join("other.tif");
    assert!(run_some(&scene, &other, 0.1, &options, 300).is_err());
    assert_eq!(run_some(&scene, &other, 0.2, &options, usize::MAX).unwrap().rows_resumed, 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "no journal stays");
}

/// The names of hidden folders in a folder.
fn hidden(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn the_rows_of_an_interrupted_scene_lie_where_the_user_wants_them() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let work = dir.path().join("scratch/of/mine");
    let (whole, out) = (dir.path().join("whole.tif"), dir.path().join("out.tif"));
    run(&scene, &whole, 0.1).unwrap();
    let options = WriteOptions { resume: true, ..WriteOptions::default() }.with_work(&work);
    assert!(run_some(&scene, &out, 0.1, &options, 300).is_err());
    assert_eq!(hidden(dir.path()), [""; 0], "nothing next to the result");
    assert!(matches!(hidden(&work).as_slice(), [one] if one.starts_with(".artir-out.tif-")));
    // Without the folder the rows are not found, and a result of the same name in another folder has others.
    let elsewhere = dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    assert_eq!(run_some(&scene, &elsewhere.join("out.tif"), 0.1, &options, usize::MAX).unwrap().rows_resumed, 0);
    let done = run_some(&scene, &out, 0.1, &options, usize::MAX).unwrap();
    assert!((100..=300).contains(&done.rows_resumed), "{}", done.rows_resumed);
    assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&out).unwrap());
    assert_eq!(hidden(&work), [""; 0], "nothing is left of a run that ended");
    // A file where the folder would be: the error names it.
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let options = WriteOptions { overwrite: true, ..WriteOptions::default() }.with_work(dir.path().join("file"));
    let refused = run_some(&scene, &out, 0.1, &options, usize::MAX).unwrap_err().to_string();
    assert!(refused.contains("file: cannot write: "), "{refused}");
}

#[test]
fn a_file_under_several_virtual_rasters_starts_anew_when_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let image = |name: &str, value: u8| {
        let rgb = Array3::from_elem((3, 530, 90), value);
        write_rgb_geotiff(&at(name), &rgb, [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 32632).unwrap();
    };
    let over = |name: &str, file: &str| {
        let bands: Vec<String> = (1..=3).map(|band| source(file, band, [0, 0, 90, 530])).collect();
        virtual_raster(&at(name), "Byte", (90, 530), &bands, "").display().to_string()
    };
    // GDAL lists the files that a virtual raster names, and not those that these name.
    over("inner.vrt", "image.tif");
    let (outer, mask) = (over("outer.vrt", "inner.vrt"), over("mask.vrt", "mask.tif"));
    let options = WriteOptions { resume: true, ..WriteOptions::default() };
    for (number, changed) in [None, Some("image.tif"), Some("mask.tif")].into_iter().enumerate() {
        image("image.tif", 100);
        image("mask.tif", 1);
        let scene = || Scene::open(&outer, &OpenOptions::default().with_mask(&mask)).unwrap();
        let out = at(&format!("{number}.tif"));
        assert!(run_some(&scene(), &out, 0.1, &options, 300).is_err());
        if let Some(name) = changed {
            image(name, 2);
        }
        let resumed = run_some(&scene(), &out, 0.1, &options, usize::MAX).unwrap().rows_resumed;
        assert_eq!(resumed > 0, changed.is_none(), "{changed:?}: {resumed}");
    }
}
