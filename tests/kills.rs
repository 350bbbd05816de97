//! Runs with `--overwrite`, killed at random moments: afterwards the old or the new result is whole, and the next run
//! succeeds and leaves nothing else. `ARTIR_KILLS` sets how many kills each test does, `ARTIR_KILLS_SEED` the moments.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use artir_tests::{artir, random::Random, setting};
use made::{contents, models, names, run, scene, series, text, visible};

type Contents = BTreeMap<String, Vec<u8>>;

/// Two ways to make the result `out` in `dir`, by their arguments. Each replaces the other's result under fire.
/// `gap` is whether the result may be missing after a kill, as it is for an instant where it has several files.
fn under_fire(dir: &Path, ways: [&[&str]; 2], gap: bool) {
    let out = dir.join("out");
    let whole: Vec<Contents> = ways
        .iter()
        .map(|way| {
            let done = run(dir, way);
            assert!(done.status.success(), "{}", text(&done.stderr));
            contents(&out)
        })
        .collect();
    assert!(whole[0] != whole[1]);
    let begun = Instant::now();
    assert!(run(dir, ways[1]).status.success());
    let usual = begun.elapsed();
    let mut random = Random(setting("ARTIR_KILLS_SEED", 20));
    let (mut old, mut new, mut missing) = (0, 0, 0);
    for round in 0..setting("ARTIR_KILLS", 10) as usize {
        let next = round % 2;
        let moment = usual.mul_f64(1.1 * random.uniform());
        let mut child =
            artir().args(ways[next]).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment.max(Duration::from_millis(1)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = visible(&out);
        if found == whole[1 - next] {
            old += 1;
        } else if found == whole[next] {
            new += 1;
        } else {
            let main = found.keys().any(|name| name.ends_with(".vrt"));
            assert!(gap && !main, "round {round}: neither result after {moment:?}: {:?}", found.keys());
            missing += 1;
        }
        let done = run(dir, ways[next]);
        assert!(done.status.success(), "round {round}: {}", text(&done.stderr));
        assert!(contents(&out) == whole[next], "round {round}");
    }
    println!("{old} kills left the old result, {new} the new one, {missing} neither until the next run");
}

#[test]
fn a_series_is_old_or_new_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    models(dir.path());
    series(&dir.path().join("in"), 40, 0.0);
    let way = |model| ["ct", "in", "-o", "out", "--overwrite", "-q", "--model", model];
    under_fire(dir.path(), [&way("ct-one.onnx"), &way("ct-half.onnx")], false);
}

#[test]
fn a_scene_is_old_or_new_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    models(dir.path());
    scene(&dir.path().join("scene.tif"), 900, 800);
    let way = |model| ["geo", "scene.tif", "-o", "out/scene.tif", "--overwrite", "-q", "--model", model];
    under_fire(dir.path(), [&way("rgb-one.onnx"), &way("rgb-half.onnx")], false);
}

/// A virtual raster over a TIFF that has a file beside it, for nodata values that differ by band.
#[test]
fn a_scene_of_several_files_is_never_mixed() {
    let dir = tempfile::tempdir().unwrap();
    models(dir.path());
    scene(&dir.path().join("scene.tif"), 500, 400);
    let nodata = "<PAMDataset><PAMRasterBand band=\"3\"><NoDataValue>199</NoDataValue></PAMRasterBand></PAMDataset>";
    fs::write(dir.path().join("scene.tif.aux.xml"), nodata).unwrap();
    let way = |model| ["geo", "scene.tif", "-o", "out/scene.vrt", "--overwrite", "-q", "--model", model];
    under_fire(dir.path(), [&way("rgb-one.onnx"), &way("rgb-half.onnx")], true);
    assert_eq!(names(&dir.path().join("out")), ["scene.tif", "scene.tif.aux.xml", "scene.vrt"]);
}
