//! The whole path of a scene with residuals that are plain functions, on scenes made here and on real ones.

use artir_core::Source;

use super::*;
use crate::OpenOptions;

fn run(scene: &Scene, out: &Path, residual: f32) -> Result<SceneReport, Error> {
    restore_with(scene, out, &WriteOptions::default(), &mut |source, sink| {
        let shape = source.shape();
        for first in (0..shape.rows).step_by(100) {
            let rows = 100.min(shape.rows - first);
            source.read(Window { row: first, column: 0, rows, columns: shape.columns })?;
            sink.write(first, Array3::from_elem((3, rows, shape.columns), residual).view())?;
        }
        Ok(RunReport::default())
    })
}

fn open(path: &Path, bands: Option<[usize; 3]>) -> Result<Scene, Error> {
    Scene::open(&path.display().to_string(), &OpenOptions { bands, allow_remote: false })
}

fn pixels(scene: &Scene) -> Vec<Vec<u8>> {
    let (columns, rows) = scene.dataset.raster_size();
    let all = Window { row: 0, column: 0, rows, columns };
    (1..=scene.dataset.raster_count()).map(|b| scene.read_band(b, all).unwrap()).collect()
}

fn example(dir: &Path) -> PathBuf {
    let path = dir.join("scene.tif");
    let rgb = Array3::from_shape_fn((3, 130, 90), |(c, y, x)| ((c * 50 + y * 3 + x * 7) % 256) as u8);
    // A rotated grid whose coefficients are no round numbers.
    let grid = [440_720.1, 59.9 / 3.0, 1.0 / 3.0, 3_751_320.7, 0.1, -60.0 / 7.0];
    write_rgb_geotiff(&path, &rgb, grid, 32611).unwrap();
    path
}

#[test]
fn a_zero_residual_gives_the_scene_back() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    assert_eq!(scene.rgb_bands(), [1, 2, 3]);
    let out = dir.path().join("out.tif");
    run(&scene, &out, 0.0).unwrap();
    let back = open(&out, None).unwrap();
    assert_eq!(pixels(&scene), pixels(&back));
    assert_eq!(Description::of(&scene.dataset).unwrap(), Description::of(&back.dataset).unwrap());
    assert!(matches!(run(&scene, &out, 0.0), Err(Error::Exists { .. })));
    assert!(matches!(run(&scene, Path::new(&scene.path), 0.0), Err(Error::Write { .. })));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing else stays: {left:?}");
}

#[test]
fn a_residual_is_added_and_saturates() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let out = dir.path().join("out.tif");
    run(&scene, &out, 20.0 / 255.0).unwrap();
    for (a, b) in pixels(&scene).iter().flatten().zip(pixels(&open(&out, None).unwrap()).iter().flatten()) {
        assert_eq!(*b, a.saturating_add(20));
    }
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let out = dir.path().join("new").join("out.tif");
    let failed =
        restore_with(&scene, &out, &WriteOptions::default(), &mut |_, _| Err(artir_core::Error::Interrupted.into()));
    assert!(failed.is_err() && !dir.path().join("new").exists());
}

#[test]
fn what_is_no_scene_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.tif");
    std::fs::write(&text, "this is not a raster").unwrap();
    for path in [text, dir.path().join("missing.tif")] {
        let failed = open(&path, None).unwrap_err();
        assert_eq!(failed.kind(), artir_core::ErrorKind::Input);
        assert!(failed.to_string().starts_with(&path.display().to_string()), "{failed}");
        assert!(!failed.to_string().contains('\n'));
    }
    let remote = Scene::open("/vsicurl/http://localhost/x.tif", &OpenOptions::default()).unwrap_err();
    assert!(remote.to_string().contains("--allow-remote"), "{remote}");
    let band = open(&example(dir.path()), Some([1, 2, 9])).unwrap_err();
    assert!(band.to_string().contains("no band 9"), "{band}");
}

fn real() -> Option<PathBuf> {
    let root = std::env::var_os("ARTIR_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join("geotiff");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no real data at geotiff (ARTIR_REAL_DATA)");
    None
}

#[test]
fn nodata_stays_nodata_and_valid_pixels_valid() {
    let Some(folder) = real() else { return };
    let scene = open(&folder.join("rasterio/data/RGB.byte.tif"), None).unwrap();
    assert_eq!(scene.nodata, [Some(0); 3]);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.tif");
    run(&scene, &out, -0.9).unwrap();
    let (a, b) = (pixels(&scene), pixels(&open(&out, None).unwrap()));
    let invalid = |p: &[Vec<u8>], i: usize| p[..3].iter().all(|band| band[i] == 0);
    let mut edge = 0;
    for i in 0..a[0].len() {
        assert_eq!(invalid(&a, i), invalid(&b, i), "pixel {i}");
        edge += usize::from(invalid(&a, i));
    }
    assert!(edge > 1000, "the scene has a border of nodata");
}

#[test]
fn every_real_file_is_kept_whole_or_refused() {
    let Some(folder) = real() else { return };
    let (mut kept, mut refused) = (0, 0);
    let dir = tempfile::tempdir().unwrap();
    let mut stack = vec![folder];
    while let Some(at) = stack.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(at).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                stack.push(path);
                continue;
            }
            if path.metadata().unwrap().len() > 3 << 20 {
                continue;
            }
            let scene = match open(&path, None).or_else(|_| open(&path, Some([1, 2, 3]))) {
                Ok(scene) => scene,
                Err(e) => {
                    assert!(!e.to_string().is_empty());
                    refused += 1;
                    continue;
                }
            };
            // Headers that claim billions of pixels are the core's to refuse, by --memory.
            if scene.shape().pixels() > 50_000_000 {
                refused += 1;
                continue;
            }
            let out = dir.path().join(format!("{kept}.tif"));
            match run(&scene, &out, 0.0) {
                Ok(_) => {
                    let back = open(&out, Some(scene.rgb)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    assert_eq!(pixels(&scene), pixels(&back), "{}", path.display());
                    kept += 1;
                }
                Err(e) => {
                    assert!(!out.exists(), "{e}");
                    refused += 1;
                }
            }
        }
    }
    println!("{kept} kept, {refused} refused");
    assert!(kept >= 10, "{kept} kept, {refused} refused");
}
