//! The whole path of a scene with residuals that are plain functions, on scenes made here and on real ones.

mod kept;
mod ranges;
mod resume;
pub(crate) mod virtual_raster;

use std::collections::BTreeMap;

use artir_core::{Sink, Source, Window};
use gdal::{Dataset, DriverManager, Metadata, raster::Buffer};
use ndarray::Array3;

use super::{metadata::open_again, *};
use crate::{
    BandNumbers, CompareOptions, CreationOption, Format, Interval, OpenOptions, Permission, RangeChoice, compare,
    ffi::ThreadOption, open::drivers::structure, scene::validity::Validity, write_rgb_geotiff,
};

/// A run whose residual is the same everywhere; it ends after `most` rows as if it were interrupted.
fn run_some(
    scene: &Scene,
    out: &Path,
    residual: f32,
    options: &WriteOptions,
    most: usize,
) -> Result<SceneReport, Error> {
    restore_with(
        scene,
        scene.bands().len(),
        &format!("residual {residual}"),
        out,
        options,
        &mut |start, source, sink| {
            let shape = source.shape();
            let mut first = start;
            while first < shape.rows {
                if first >= most {
                    return Err(artir_core::Error::Interrupted.into());
                }
                let rows = 100.min(shape.rows - first);
                source.read(Window { row: first, column: 0, rows, columns: shape.columns })?;
                sink.write(first, Array3::from_elem((shape.channels, rows, shape.columns), residual).view())?;
                first += rows;
            }
            Ok(RunReport::default())
        },
    )
}

fn run(scene: &Scene, out: &Path, residual: f32) -> Result<SceneReport, Error> {
    run_some(scene, out, residual, &WriteOptions::default(), usize::MAX)
}

fn open(path: &Path, bands: Option<&[usize]>) -> Result<Scene, Error> {
    let bands = bands.map(|bands| BandNumbers::new(bands).unwrap());
    let options = OpenOptions { bands, ..OpenOptions::default() };
    Scene::open(&path.display().to_string(), &options)
}

fn differences(a: &Path, b: &Path) -> Vec<String> {
    let text = |p: &Path| p.display().to_string();
    let found = compare(&text(a), &text(b), &CompareOptions::default()).unwrap();
    found.into_iter().map(|d| format!("{}: {} | {}", d.field, d.first, d.second)).collect()
}

fn pixels(path: &Path) -> Vec<Vec<u8>> {
    let dataset = Dataset::open(path).unwrap();
    let (columns, rows) = dataset.raster_size();
    let at = ffi::RawRows { row: 0, rows, columns };
    (1..=dataset.raster_count()).map(|b| ffi::read_raw(&dataset.rasterband(b).unwrap(), &at).unwrap()).collect()
}

fn example(dir: &Path) -> PathBuf {
    let path = dir.join("scene.tif");
    let rgb = Array3::from_shape_fn((3, 530, 90), |(c, y, x)| ((c * 50 + y * 3 + x * 7) % 256) as u8);
    // A rotated grid whose coefficients are no round numbers.
    let grid = [440_720.1, 59.9 / 3.0, 1.0 / 3.0, 3_751_320.7, 0.1, -60.0 / 7.0];
    write_rgb_geotiff(&path, &rgb, grid, 32611).unwrap();
    path
}

#[test]
fn a_zero_residual_gives_the_scene_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let scene = open(&path, None).unwrap();
    assert_eq!(scene.bands(), [1, 2, 3]);
    let out = dir.path().join("out.tif");
    run(&scene, &out, 0.0).unwrap();
    assert_eq!(differences(&path, &out), [""; 0]);
    assert!(matches!(run(&scene, &out, 0.0), Err(Error::Exists { .. })));
    assert!(matches!(run(&scene, &path, 0.0), Err(Error::Write { .. })));
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing else stays: {left:?}");
}

#[test]
fn a_residual_is_added_and_saturates() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let scene = open(&path, None).unwrap();
    let out = dir.path().join("out.tif");
    run(&scene, &out, 20.0 / 255.0).unwrap();
    for (a, b) in pixels(&path).iter().flatten().zip(pixels(&out).iter().flatten()) {
        assert_eq!(*b, a.saturating_add(20));
    }
    let found = differences(&path, &out);
    assert_eq!(found.len(), 3, "only pixels differ: {found:?}");
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let out = dir.path().join("new").join("out.tif");
    let options = WriteOptions::default();
    let failed = restore_with(&scene, 3, "", &out, &options, &mut |_, _, _| {
        Err(artir_core::Error::from(artir_core::InferenceError::NotFinite).into())
    });
    assert!(failed.is_err() && !dir.path().join("new").exists());
}

#[test]
fn a_cog_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let scene = open(&path, None).unwrap();
    let out = dir.path().join("cog.tif");
    let options = WriteOptions { format: Format::Cog, ..WriteOptions::default() };
    run_some(&scene, &out, 0.0, &options, usize::MAX).unwrap();
    assert_eq!(differences(&path, &out), [""; 0]);
    let layout = structure(&Dataset::open(&out).unwrap(), "LAYOUT");
    assert_eq!(layout.as_deref(), Some("COG"));
}

#[test]
fn a_virtual_raster_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = rich(dir.path(), true);
    let scene = open(&path, Some(&[3, 2, 1])).unwrap();
    let out = dir.path().join("out.vrt");
    let restore = |out: &Path| run(&scene, out, 0.0);
    let done = restore(&out).unwrap();
    assert_eq!((done.path.as_path(), &done.beside[0]), (out.as_path(), &dir.path().join("out.tif")));
    assert_eq!(differences(&path, &out), [""; 0]);
    // Moved together, they still belong together.
    std::fs::create_dir(dir.path().join("moved")).unwrap();
    for file in done.beside.iter().chain([&out]) {
        std::fs::rename(file, dir.path().join("moved").join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(differences(&path, &dir.path().join("moved/out.vrt")), [""; 0]);
    std::fs::write(&out, "").unwrap();
    assert!(matches!(restore(&out), Err(Error::Exists { .. })));
}

#[test]
fn options_that_lose_something_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let with = |key: &str, value: &str| WriteOptions {
        creation: vec![CreationOption::new(key, value).unwrap()],
        overwrite: true,
        ..WriteOptions::default()
    };
    let out = dir.path().join("out.tif");
    for (key, value) in [("COMPRESS", "JPEG"), ("compress", "webp"), ("NBITS", "4"), ("DISCARD_LSB", "2")] {
        assert!(run_some(&scene, &out, 0.0, &with(key, value), usize::MAX).is_err(), "{key}={value}");
    }
    run_some(&scene, &out, 0.0, &with("compress", "zstd"), usize::MAX).unwrap();
    assert_eq!(structure(&Dataset::open(&out).unwrap(), "COMPRESSION").as_deref(), Some("ZSTD"));
}

/// A scene of 16-bit values with all that GDAL lets it have.
fn rich(dir: &Path, point: bool) -> PathBuf {
    let path = dir.join("rich.tif");
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let mut dataset = driver.create_with_band_type::<u16, _>(&path, 64, 48, 5).unwrap();
    if point {
        let object = ffi::Object::dataset(&dataset);
        assert!(object.set_domain("", &["AREA_OR_POINT=Point".into()]));
    }
    dataset.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(32632).unwrap()).unwrap();
    ffi::set_geotransform(&dataset, [5e5 / 3.0, 10.1, 0.0, 5.4e6 / 7.0, 0.0, 9.9]);
    let object = ffi::Object::dataset(&dataset);
    assert!(object.set_domain("SENSOR", &["GAIN=1.25".into(), "NAME=eye".into()]));
    assert!(object.set_domain("xml:NOTES", &["<a lang=\"en\"><b>text &amp; more</b></a>".into()]));
    for i in 1..=5 {
        let mut band = dataset.rasterband(i).unwrap();
        band.set_description(&format!("band {i}")).unwrap();
        ffi::set_unit(&band, "W/m2");
        ffi::set_nodata(&band, ffi::Nodata::Float(7.0));
        band.set_scale(1e-4).unwrap();
        band.set_offset(-0.1).unwrap();
        let data = (0..64 * 48).map(|k| (k * 13 % 9000 + i) as u16).collect();
        band.write((0, 0), (64, 48), &mut Buffer::new((64, 48), data)).unwrap();
    }
    ffi::set_categories(&dataset.rasterband(5).unwrap(), &["none".into(), "some".into()]);
    dataset.close().unwrap();
    // On a file that is open read-only, GDAL writes it to `.aux.xml`.
    let dataset = open_again(&path).unwrap();
    ffi::set_nodata(&dataset.rasterband(5).unwrap(), ffi::Nodata::Float(65_535.0));
    dataset.close().unwrap();
    path
}

#[test]
fn all_that_a_scene_says_is_kept() {
    for point in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = rich(dir.path(), point);
        let scene = open(&path, Some(&[3, 2, 1])).unwrap();
        let nodata: Vec<_> = scene.info.description.bands.iter().map(|b| b.nodata).collect();
        assert!(nodata[0] != nodata[4], "nodata differs by band: {nodata:?}");
        for format in [Format::GeoTiff, Format::Cog] {
            let out = dir.path().join(format!("{format:?}.tif"));
            let done = run_some(&scene, &out, 0.0, &WriteOptions { format, ..WriteOptions::default() }, usize::MAX);
            assert!(!done.unwrap().beside.is_empty(), "several nodata values need .aux.xml");
            assert_eq!(differences(&path, &out), [""; 0], "{format:?}, point {point}");
        }
    }
}

#[test]
fn control_points_stay_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let made = |path: &Path, point: bool| {
        let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
        let dataset = driver.create_with_band_type::<u8, _>(path, 40, 30, 1).unwrap();
        let srs = gdal::spatial_ref::SpatialRef::from_epsg(4326).unwrap();
        if point {
            ffi::Object::dataset(&dataset).set_domain("", &["AREA_OR_POINT=Point".into()]);
        }
        let points = [(0.5, 0.5), (39.5, 0.25), (3.0, 29.75), (12.125, 14.0)].map(|(pixel, line)| gdal::Gcp {
            id: String::new(),
            info: String::new(),
            pixel,
            line,
            x: 7.0 + pixel / 300.0,
            y: 47.0 - line / 300.0,
            z: 12.5,
        });
        dataset.set_gcps(points.to_vec(), &srs).unwrap();
        dataset.close().unwrap();
    };
    for point in [false, true] {
        let (path, out) = (dir.path().join(format!("{point}.tif")), dir.path().join(format!("out-{point}.tif")));
        made(&path, point);
        let scene = open(&path, None).unwrap();
        assert_eq!(scene.info.description.georef.gcps.len(), 4);
        let done = run(&scene, &out, 0.0).unwrap();
        assert_eq!(differences(&path, &out), [""; 0], "point {point}");
        assert!(done.beside.is_empty(), "the TIFF itself holds them");
        let change = dir.path().join(format!("change-{point}.tif"));
        crate::write_change(&scene, &out, &change, &WriteOptions::default()).unwrap();
        let found = Description::of(&Dataset::open(&change).unwrap()).unwrap();
        assert!(found.georef.same_points(&scene.info.description.georef), "point {point}: {:?}", found.georef.gcps);
        assert_eq!(found.is_point(), point);
    }
}

#[test]
fn a_mask_is_kept_and_what_it_hides_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    {
        let _internal = ThreadOption::set("GDAL_TIFF_INTERNAL_MASK", "YES");
        let how = gdal::DatasetOptions { open_flags: gdal::GdalOpenFlags::GDAL_OF_UPDATE, ..Default::default() };
        let dataset = Dataset::open_ex(&path, how).unwrap();
        assert!(ffi::create_mask(&dataset));
        let mut mask = dataset
            .rasterband(1)
            .unwrap()
            .open_mask_band()
            .unwrap()
            .read_as::<u8>((0, 0), (90, 530), (90, 530), None)
            .unwrap();
        mask.data_mut().iter_mut().enumerate().for_each(|(i, m)| *m = if i % 90 < 40 { 0 } else { 255 });
        dataset.rasterband(1).unwrap().open_mask_band().unwrap().write((0, 0), (90, 530), &mut mask).unwrap();
        dataset.close().unwrap();
    }
    let scene = open(&path, None).unwrap();
    assert_eq!(scene.info.validity, Validity::Mask);
    let out = dir.path().join("out.tif");
    run(&scene, &out, 5.0 / 255.0).unwrap();
    let (a, b) = (pixels(&path), pixels(&out));
    for (i, (a, b)) in a[0].iter().zip(&b[0]).enumerate() {
        assert_eq!(*b, if i % 90 < 40 { *a } else { a.saturating_add(5) });
    }
    let found = differences(&path, &out);
    assert!(found.iter().all(|d| d.starts_with("pixels of band")), "{found:?}");
}

#[test]
fn stored_values_of_any_type_take_the_residual_in_their_range() {
    let dir = tempfile::tempdir().unwrap();
    let path = rich(dir.path(), false);
    let options = OpenOptions {
        bands: BandNumbers::new([1, 2, 3]),
        range: RangeChoice::Interval(Interval::new(0.0, 10_000.0).unwrap()),
        ..OpenOptions::default()
    };
    let scene = Scene::open(&path.display().to_string(), &options).unwrap();
    let out = dir.path().join("out.tif");
    run(&scene, &out, 0.01).unwrap();
    let values = |bytes: &[u8]| -> Vec<u16> { bytes.chunks(2).map(|c| u16::from_ne_bytes([c[0], c[1]])).collect() };
    let (a, b) = (pixels(&path), pixels(&out));
    for band in 0..3 {
        for (a, b) in values(&a[band]).into_iter().zip(values(&b[band])) {
            assert_eq!(b, if a == 7 { 7 } else { a + 100 }, "7 is nodata");
        }
    }
    assert_eq!((&a[3], &a[4]), (&b[3], &b[4]));
}

#[test]
fn what_is_no_scene_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.tif");
    std::fs::write(&text, "no image").unwrap();
    for (path, word) in [(text, "GDAL cannot open it"), (dir.path().join("none.tif"), "No such file")] {
        let failed = open(&path, None).unwrap_err();
        assert!(failed.to_string().contains(word), "{failed}");
        assert!(!failed.to_string().contains('\n'));
    }
    let remote = Scene::open("/vsicurl/http://localhost/x.tif", &OpenOptions::default()).unwrap_err();
    assert_eq!(remote.reason().and_then(Reason::needs), Some(&Permission::Network), "{remote}");
    let band = open(&example(dir.path()), Some(&[1, 2, 9])).unwrap_err();
    assert!(band.to_string().contains("no band 9"), "{band}");
}

fn real() -> Option<PathBuf> {
    let root = std::env::var_os("ARTIR_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join("geotiff");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have the real data at geotiff");
    println!("skipped: no real data at geotiff (ARTIR_REAL_DATA)");
    None
}

#[test]
fn nodata_stays_nodata_and_valid_pixels_valid() {
    let Some(folder) = real() else { return };
    let path = folder.join("rasterio/data/RGB.byte.tif");
    let scene = open(&path, None).unwrap();
    assert!(scene.info.values.iter().all(|v| v.nodata == Some(0.0)));
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.tif");
    run(&scene, &out, -0.9).unwrap();
    let (a, b) = (pixels(&path), pixels(&out));
    let invalid = |p: &[Vec<u8>], i: usize| p[..3].iter().all(|band| band[i] == 0);
    let mut edge = 0;
    for i in 0..a[0].len() {
        assert_eq!(invalid(&a, i), invalid(&b, i), "pixel {i}");
        edge += usize::from(invalid(&a, i));
    }
    assert!(edge > 1000, "the scene has a border of nodata");
}

/// The reason without what is particular to one file.
fn kind_of(reason: &str) -> String {
    let words = reason.split_once(": ").map_or(reason, |(_, why)| why);
    words.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}

#[test]
fn every_real_file_is_kept_whole_or_refused() {
    let Some(folder) = real() else { return };
    let (mut kept, mut reasons) = (0, BTreeMap::<String, usize>::new());
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
            let scene =
                open(&path, None).or_else(|_| open(&path, Some(&[1, 2, 3]))).or_else(|_| open(&path, Some(&[1])));
            // Headers that claim billions of pixels are the core's to refuse, by --memory.
            let scene = scene.map_err(|e| e.to_string()).and_then(|s| {
                if s.shape().pixels() > 30_000_000 { Err("x: too large for this test".into()) } else { Ok(s) }
            });
            let out = dir.path().join("out.tif");
            match scene.and_then(|s| run(&s, &out, 0.0).map_err(|e| e.to_string())) {
                Ok(done) => {
                    let mut found = differences(&path, &out);
                    found.retain(|field| !done.lost.iter().any(|lost| field.starts_with(&format!("{lost}: "))));
                    assert!(found.is_empty(), "{}: {found:?}", path.display());
                    kept += 1;
                    for file in done.beside.iter().chain([&out]) {
                        std::fs::remove_file(file).unwrap();
                    }
                }
                Err(e) => *reasons.entry(kind_of(&e)).or_default() += 1,
            }
            let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
            assert!(left.is_empty(), "{}: left {left:?}", path.display());
        }
    }
    for (reason, count) in &reasons {
        println!("{count:4} refused: {reason}");
    }
    println!("{kept} kept");
    assert!(kept >= 450, "{kept} kept");
}

/// Haze of a power law that the network removes from red, green and blue goes from near and short-wave infrared as well, and
/// indices come closer to those of the clear scene.
#[test]
fn haze_of_other_bands_is_removed_and_indices_come_closer() {
    const WAVELENGTHS: [f64; 5] = [660.0, 560.0, 485.0, 865.0, 1610.0];
    let size = (150, 140);
    let clear = |band: usize, x: usize, y: usize| {
        let leaves = if (x / 10 + y / 14).is_multiple_of(2) { 1.0 } else { 0.0 };
        [0.05, 0.08, 0.04, 0.15 + 0.3 * leaves, 0.2][band]
    };
    let haze = |band: usize, x: usize, y: usize| {
        let thickness = 0.04 + 0.08 * (x + y) as f64 / 290.0;
        thickness * (WAVELENGTHS[band] / 485.0).powf(-1.5)
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hazy.tif");
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = gdal::raster::RasterCreationOptions::from_iter(["INTERLEAVE=PIXEL", "COMPRESS=DEFLATE"]);
    let dataset = driver.create_with_band_type_with_options::<u16, _>(&path, size.0, size.1, 5, &options).unwrap();
    for (band, wavelength) in WAVELENGTHS.into_iter().enumerate() {
        let at = |i: usize| (i % size.0, i / size.0);
        let stored = |i: usize| {
            let (x, y) = at(i);
            ((clear(band, x, y) + haze(band, x, y)) * 10_000.0).round() as u16
        };
        let mut to = dataset.rasterband(band + 1).unwrap();
        to.write((0, 0), size, &mut Buffer::new(size, (0..size.0 * size.1).map(stored).collect())).unwrap();
        to.set_metadata_item("WAVELENGTH", &wavelength.to_string(), "").unwrap();
        to.set_scale(1e-4).unwrap();
    }
    dataset.close().unwrap();
    let bands = BandNumbers::new([1, 2, 3]);
    let range = RangeChoice::Interval(Interval::new(0.0, 10_000.0).unwrap());
    let scene =
        Scene::open(&path.display().to_string(), &OpenOptions { bands, range, ..OpenOptions::default() }).unwrap();
    // Threads of GDAL's own would crash it here.
    let _threads = ThreadOption::set("GDAL_NUM_THREADS", "4");
    let restore = |out: &Path, all_bands: bool| {
        let options = WriteOptions { all_bands, ..WriteOptions::default() };
        restore_with(&scene, 3, "haze", out, &options, &mut |_, source, sink| {
            source.read(Window { row: 0, column: 0, rows: size.1, columns: size.0 })?;
            let removed = Array3::from_shape_fn((3, size.1, size.0), |(c, y, x)| -haze(c, x, y) as f32);
            sink.write(0, removed.view())?;
            Ok(RunReport::default())
        })
        .unwrap();
    };
    let (some, all) = (dir.path().join("some.tif"), dir.path().join("all.tif"));
    restore(&some, false);
    restore(&all, true);
    let values = |path: &Path| -> Vec<Vec<f64>> {
        let of =
            |bytes: &Vec<u8>| bytes.chunks(2).map(|c| f64::from(u16::from_ne_bytes([c[0], c[1]])) * 1e-4).collect();
        pixels(path).iter().map(of).collect()
    };
    let (hazy, some, all) = (values(&path), values(&some), values(&all));
    assert_eq!((&some[3], &some[4]), (&hazy[3], &hazy[4]), "only where it is asked for");
    let ndvi = |bands: &[Vec<f64>], i: usize| (bands[3][i] - bands[0][i]) / (bands[3][i] + bands[0][i]);
    let (mut errors, count) = ([0.0; 3], size.0 * size.1);
    for i in 0..count {
        let (x, y) = (i % size.0, i / size.0);
        for band in [3, 4] {
            assert!(all[band][i] <= hazy[band][i] && all[band][i] > 0.0, "nothing is added");
            let missed = (all[band][i] - clear(band, x, y)).abs();
            assert!(missed < 0.25 * haze(band, x, y) + 1e-4, "band {band} at {x}, {y}: {missed}");
        }
        let truth = (clear(3, x, y) - clear(0, x, y)) / (clear(3, x, y) + clear(0, x, y));
        for (error, bands) in errors.iter_mut().zip([&hazy, &some, &all]) {
            *error += (ndvi(bands, i) - truth).abs() / count as f64;
        }
    }
    println!("mean error of NDVI: hazy {:.4}, red restored {:.4}, all bands {:.4}", errors[0], errors[1], errors[2]);
    assert!(errors[2] < errors[1] && errors[1] < errors[0], "{errors:?}");
}
