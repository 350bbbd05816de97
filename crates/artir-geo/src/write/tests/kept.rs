//! Values that a result keeps whatever the nodata, masks and holes of its scene are, and scenes that are refused before the work.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gdal::{
    Dataset, DriverManager, Metadata,
    raster::{Buffer, ColorEntry, ColorInterpretation, ColorTable, PaletteInterpretation, RasterCreationOptions},
};

use super::{
    differences, example, open, pixels, run, run_some,
    virtual_raster::{Size, source, virtual_raster},
};
use crate::{
    CreationOption, Error, Format, NodataChoice, OpenOptions, Reason, Scene,
    write::{layout::Layout, options::WriteOptions, rehearse::rehearse},
};

/// A GeoTIFF of bytes, each a function of band, column and row. The first three bands are red, green and blue.
fn image(path: &Path, bands: usize, size: Size, value: impl Fn(usize, usize, usize) -> u8) -> Dataset {
    let options = RasterCreationOptions::from_iter(["PHOTOMETRIC=RGB", "ALPHA=NO"]);
    let options = if bands < 3 { RasterCreationOptions::new() } else { options };
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let made = driver.create_with_band_type_with_options::<u8, _>(path, size.0, size.1, bands, &options).unwrap();
    for band in 0..bands {
        let values = (0..size.0 * size.1).map(|i| value(band, i % size.0, i / size.0)).collect();
        made.rasterband(band + 1).unwrap().write((0, 0), size, &mut Buffer::new(size, values)).unwrap();
    }
    made
}

/// Any value but the extremes.
fn texture(band: usize, x: usize, y: usize) -> u8 {
    (40 + 20 * band + (x * 17 + y * 31) % 97) as u8
}

fn with(options: &[(&str, &str)]) -> WriteOptions {
    let creation: Vec<_> = options.iter().map(|(key, value)| CreationOption::new(*key, *value).unwrap()).collect();
    WriteOptions::default().with_creation(creation)
}

#[test]
fn zeros_of_a_mosaic_with_several_nodata_values_stay_values() {
    let dir = tempfile::tempdir().unwrap();
    // The fourth band has blocks of zeros, and its nodata value is 255.
    let value = |band: usize, x: usize, y: usize| if band == 3 { 0 } else { texture(band, x, y) };
    image(&dir.path().join("tile.tif"), 4, (128, 128), value).close().unwrap();
    let band = |band: usize| {
        let nodata = if band == 4 { 255 } else { 0 };
        format!("<NoDataValue>{nodata}</NoDataValue>{}", source("tile.tif", band, [0, 0, 128, 128]))
    };
    let bands: Vec<String> = (1..=4).map(band).collect();
    let path = virtual_raster(&dir.path().join("m.vrt"), "Byte", (128, 500), &bands, "");
    let scene = open(&path, None).unwrap();
    assert!(scene.info.has_holes);
    let out = dir.path().join("out.tif");
    run(&scene, &out, 0.0).unwrap();
    assert_eq!(differences(&path, &out), [""; 0]);
    for format in [Format::GeoTiff, Format::Cog] {
        let options = with(&[("SPARSE_OK", "TRUE")]).with_format(format);
        let refused = rehearse(&scene, &dir.path().join("other.tif"), &options).unwrap_err().to_string();
        assert!(refused.contains("different nodata values"), "{format:?}: {refused}");
    }
}

#[test]
fn lerc_is_refused_where_it_cannot_keep_the_nan_of_one_band() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("floats.tif");
    let options = RasterCreationOptions::from_iter(["PHOTOMETRIC=RGB", "INTERLEAVE=PIXEL"]);
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let made = driver.create_with_band_type_with_options::<f32, _>(&path, 64, 48, 3, &options).unwrap();
    for band in 0..3 {
        let value = |i: usize| if band == 1 && i < 640 { f32::NAN } else { (i % 97) as f32 / 100.0 };
        let mut values = Buffer::new((64, 48), (0..64 * 48).map(value).collect());
        made.rasterband(band + 1).unwrap().write((0, 0), (64, 48), &mut values).unwrap();
    }
    made.close().unwrap();
    let scene = open(&path, None).unwrap();
    let out = dir.path().join("out.tif");
    for format in [Format::GeoTiff, Format::Cog] {
        let refused = rehearse(&scene, &out, &with(&[("COMPRESS", "LERC_ZSTD")]).with_format(format)).unwrap_err();
        assert!(refused.to_string().contains("NaN"), "{format:?}: {refused}");
    }
    rehearse(&scene, &out, &with(&[("COMPRESS", "LERC"), ("INTERLEAVE", "BAND")])).unwrap();
    rehearse(&open(&example(dir.path()), None).unwrap(), &out, &with(&[("COMPRESS", "LERC")])).unwrap();
}

#[test]
fn other_bands_are_restored_on_one_thread_of_gdal() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()), None).unwrap();
    let threads = |all_bands: bool| {
        let options = with(&[("NUM_THREADS", "8")]).with_all_bands(all_bands);
        Layout::of(&scene, &options, Format::GeoTiff).unwrap().get("NUM_THREADS").map(str::to_owned)
    };
    assert_eq!((threads(false).as_deref(), threads(true).as_deref()), (Some("8"), Some("1")));
}

/// Cuts a file to a part of its length.
fn cut(path: &Path, share: f64) {
    let length = fs::metadata(path).unwrap().len();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len((length as f64 * share) as u64).unwrap();
}

fn refused(path: &Path) -> String {
    open(path, Some(&[1, 2, 3])).unwrap_err().to_string()
}

#[test]
fn files_that_end_early_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = image(&dir.path().join("scene.tif"), 3, (64, 64), texture);
    made.flush_cache().unwrap();
    let copy = |driver: &str, name: &str, options: &[&str]| {
        let driver = DriverManager::get_driver_by_name(driver).unwrap();
        let path = dir.path().join(name);
        let options = RasterCreationOptions::from_iter(options.iter().copied());
        made.create_copy(&driver, &path, &options).unwrap().close().unwrap();
        open(&path, Some(&[1, 2, 3])).unwrap();
        path
    };
    let jpeg = copy("JPEG", "a.jpg", &["QUALITY=95"]);
    cut(&jpeg, 0.5);
    assert!(refused(&jpeg).contains("end of JPEG"), "{}", refused(&jpeg));
    // In a TIFF: the mark of an end within the first strip.
    let in_tiff = copy("GTiff", "b.tif", &["COMPRESS=JPEG", "PHOTOMETRIC=RGB"]);
    let mut bytes = fs::read(&in_tiff).unwrap();
    let scan = bytes.windows(2).position(|two| two == [0xff, 0xda]).unwrap();
    bytes[scan + 400..scan + 402].copy_from_slice(&[0xff, 0xd9]);
    fs::write(&in_tiff, bytes).unwrap();
    assert!(refused(&in_tiff).contains("JPEGLib"), "{}", refused(&in_tiff));
    for (driver, name) in [("ENVI", "c.dat"), ("EHdr", "d.bil")] {
        let raw = copy(driver, name, &[]);
        cut(&raw, 0.6);
        let bands: Vec<String> = (1..=3).map(|band| source(name, band, [0, 0, 64, 64])).collect();
        let over = virtual_raster(&dir.path().join("over.vrt"), "Byte", (64, 64), &bands, "");
        let bands: Vec<String> = (1..=3).map(|band| source("over.vrt", band, [0, 0, 64, 64])).collect();
        let nested = virtual_raster(&dir.path().join("nested.vrt"), "Byte", (64, 64), &bands, "");
        let named = PathBuf::from(format!("vrt://{}?bands=1,2,3", raw.display()));
        for path in [&raw, &over, &nested, &named] {
            assert!(refused(path).contains("it is incomplete"), "{}: {}", path.display(), refused(path));
        }
        // A mask of the same file.
        let options = OpenOptions::default().with_mask(raw.display().to_string());
        let masked = Scene::open(&dir.path().join("scene.tif").display().to_string(), &options).unwrap_err();
        assert!(masked.to_string().contains("it is incomplete"), "{masked}");
    }
    let single = image(&dir.path().join("single.tif"), 1, (64, 64), texture);
    let netcdf = dir.path().join("e.nc");
    let driver = DriverManager::get_driver_by_name("netCDF").unwrap();
    single.create_copy(&driver, &netcdf, &RasterCreationOptions::new()).unwrap().close().unwrap();
    open(&netcdf, Some(&[1])).unwrap();
    cut(&netcdf, 0.6);
    assert!(refused(&netcdf).contains("it is incomplete"), "{}", refused(&netcdf));
}

#[test]
fn a_jpeg_2000_file_states_its_colours_and_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let scene = open(&path, None).unwrap();
    for (name, start) in [("out.jp2", &b"\0\0\0\x0cjP  "[..]), ("out.j2k", &b"\xff\x4f\xff\x51"[..])] {
        let out = dir.path().join(name);
        let options = WriteOptions::default().with_format(Format::of_name(&out).unwrap());
        run_some(&scene, &out, 0.0, &options, usize::MAX).unwrap();
        assert!(fs::read(&out).unwrap().starts_with(start), "{name}");
        assert_eq!(pixels(&out), pixels(&path), "{name}");
    }
    // Without the sidecar file.
    let alone = dir.path().join("alone.jp2");
    fs::copy(dir.path().join("out.jp2"), &alone).unwrap();
    let dataset = Dataset::open(&alone).unwrap();
    assert_eq!(dataset.rasterband(1).unwrap().color_interpretation().c_int(), ColorInterpretation::RedBand.c_int());
    assert!(dataset.geo_transform().is_ok() && dataset.spatial_ref().is_ok());
    // Of rows that run north, the box would state another place.
    let north = dir.path().join("north.tif");
    let rgb = ndarray::Array3::from_shape_fn((3, 75, 101), |(c, y, x)| texture(c, x, y));
    let grid = [500_000.0, 1.0, 0.0, 5_400_000.0, 0.0, 1.0];
    crate::write_rgb_geotiff(&north, &rgb, grid, 32632).unwrap();
    let out = dir.path().join("north.jp2");
    let options = WriteOptions::default().with_format(Format::Jp2);
    run_some(&open(&north, None).unwrap(), &out, 0.0, &options, usize::MAX).unwrap();
    assert_eq!(Dataset::open(&out).unwrap().geo_transform().unwrap(), grid);
    let alone = dir.path().join("north alone.jp2");
    fs::copy(&out, &alone).unwrap();
    assert!(Dataset::open(&alone).unwrap().geo_transform().is_err());
}

#[test]
fn a_table_of_greys_with_nodata_is_no_palette() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grey.tif");
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(["PHOTOMETRIC=PALETTE"]);
    let made = driver.create_with_band_type_with_options::<u8, _>(&path, 64, 48, 1, &options).unwrap();
    let mut table = ColorTable::new(PaletteInterpretation::Rgba);
    for grey in 0..256u16 {
        let of = grey as i16;
        table.set_color_entry(grey, &ColorEntry::rgba(of, of, of, 255));
    }
    {
        let mut band = made.rasterband(1).unwrap();
        band.set_color_table(&table);
        band.set_no_data_value(Some(0.0)).unwrap();
        let values = (0..64 * 48).map(|i| if i < 640 { 0 } else { texture(0, i % 64, i / 64) }).collect();
        band.write((0, 0), (64, 48), &mut Buffer::new((64, 48), values)).unwrap();
    }
    made.close().unwrap();
    let scene = open(&path, None).unwrap();
    let out = dir.path().join("out.tif");
    run(&scene, &out, 20.0 / 255.0).unwrap();
    let (before, after) = (pixels(&path), pixels(&out));
    let added = |(i, (before, after)): (usize, (&u8, &u8))| *after == *before + if i < 640 { 0 } else { 20 };
    assert!(before[0].iter().zip(&after[0]).enumerate().all(added));
    assert_eq!(differences(&path, &out).len(), 1, "pixels alone: {:?}", differences(&path, &out));
}

#[test]
fn several_images_of_a_nitf_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let made = image(&dir.path().join("scene.tif"), 3, (64, 64), texture);
    let path = dir.path().join("two.ntf");
    let driver = DriverManager::get_driver_by_name("NITF").unwrap();
    let copy = |name: &Path, option: &str| {
        made.create_copy(&driver, name, &RasterCreationOptions::from_iter([option, "IREP=RGB"]))
    };
    copy(&path, "NUMI=2").unwrap().close().unwrap();
    // GDAL writes the second image, and fails as it opens it by this name.
    drop(copy(Path::new(&format!("NITF_IM:1:{}", path.display())), "APPEND_SUBDATASET=YES"));
    let failed = open(&path, Some(&[1, 2, 3])).unwrap_err();
    assert!(matches!(&failed, Error::Scene { reason: Reason::Container(parts), .. } if parts.len() == 2), "{failed}");
}

#[test]
fn nodata_of_all_bands_together_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scene.tif");
    let inside = |x: usize, y: usize| x < 20 && y < 15;
    let value =
        |band: usize, x: usize, y: usize| if inside(x, y) { [10u8, 200, 30][band] } else { texture(band, x, y) };
    let mut made = image(&path, 3, (64, 48), value);
    made.set_metadata_item("NODATA_VALUES", "10 200 30", "").unwrap();
    made.close().unwrap();
    let added = |scene: &Scene, out: &str| {
        let out = dir.path().join(out);
        run(scene, &out, 20.0 / 255.0).unwrap();
        let (before, after) = (pixels(&path), pixels(&out));
        (0..64 * 48).map(|i| after[1][i] - before[1][i]).collect::<Vec<u8>>()
    };
    let of = |i: usize| if inside(i % 64, i / 64) { 0u8 } else { 20 };
    assert_eq!(added(&open(&path, None).unwrap(), "a.tif"), (0..64 * 48).map(of).collect::<Vec<u8>>());
    // The user's word counts more.
    let options = OpenOptions::default().with_nodata(NodataChoice::None);
    let scene = Scene::open(&path.display().to_string(), &options).unwrap();
    assert_eq!(added(&scene, "b.tif"), [20u8; 64 * 48]);
}

#[test]
fn a_mask_with_soft_edges_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    image(&dir.path().join("scene.tif"), 3, (64, 48), texture).close().unwrap();
    image(&dir.path().join("soft.tif"), 1, (64, 48), |_, x, _| (4 * x) as u8).close().unwrap();
    image(&dir.path().join("hard.tif"), 1, (64, 48), |_, x, _| if x < 20 { 0 } else { 255 }).close().unwrap();
    let bands: Vec<String> = (1..=3).map(|band| source("scene.tif", band, [0, 0, 64, 48])).collect();
    let masked = |name: &str| {
        let content = source(&format!("{name}.tif"), 1, [0, 0, 64, 48]);
        let mask = format!("<MaskBand><VRTRasterBand dataType=\"Byte\">{content}</VRTRasterBand></MaskBand>");
        virtual_raster(&dir.path().join(format!("{name}.vrt")), "Byte", (64, 48), &bands, &mask)
    };
    let out = dir.path().join("out.tif");
    for format in [Format::GeoTiff, Format::Cog] {
        let scene = open(&masked("soft"), None).unwrap();
        let refused = rehearse(&scene, &out, &WriteOptions::default().with_format(format)).unwrap_err().to_string();
        assert!(refused.contains("soft edges"), "{refused}");
    }
    let hard = masked("hard");
    run(&open(&hard, None).unwrap(), &out, 0.0).unwrap();
    assert_eq!(differences(&hard, &out), [""; 0]);
}

#[test]
fn a_gap_of_a_mosaic_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    image(&dir.path().join("scene.tif"), 3, (150, 260), texture).close().unwrap();
    // Around a gap of columns 61 to 100 and rows 110 to 160, which strips cut.
    let around = [[0, 0, 150, 110], [0, 110, 61, 51], [101, 110, 49, 51], [0, 161, 150, 99]];
    let band = |band: usize| around.map(|part| source("scene.tif", band, part)).concat();
    let bands: Vec<String> = (1..=3).map(band).collect();
    let path = virtual_raster(&dir.path().join("gap.vrt"), "Byte", (150, 260), &bands, "");
    let out = dir.path().join("out.tif");
    run_some(&open(&path, None).unwrap(), &out, 20.0 / 255.0, &WriteOptions::default(), usize::MAX).unwrap();
    let (before, after) = (pixels(&path), pixels(&out));
    for (before, after) in before.iter().zip(&after) {
        for (i, (before, after)) in before.iter().zip(after).enumerate() {
            let gap = (61..101).contains(&(i % 150)) && (110..161).contains(&(i / 150));
            assert_eq!(*after, if gap { 0 } else { *before + 20 }, "{} {}", i % 150, i / 150);
        }
    }
}

#[test]
fn overviews_of_a_method_that_gdal_does_not_have_are_averaged() {
    const KNOWN: &[u8] = b"AVERAGE_BIT2GRAYSCALE";
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (dir.path().join("scene.tif"), dir.path().join("out.tif"));
    image(&path, 3, (64, 64), texture).close().unwrap();
    let how = gdal::DatasetOptions { open_flags: gdal::GdalOpenFlags::GDAL_OF_UPDATE, ..Default::default() };
    let mut made = Dataset::open_ex(&path, how).unwrap();
    made.build_overviews("AVERAGE_BIT2GRAYSCALE", &[2], &[]).unwrap();
    made.close().unwrap();
    // The overview names its method.
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(KNOWN.len()).position(|part| part == KNOWN).unwrap();
    bytes[at..at + KNOWN.len()].copy_from_slice(b"A_METHOD_OF_TOMORROW_");
    fs::write(&path, bytes).unwrap();
    run(&open(&path, None).unwrap(), &out, 0.0).unwrap();
    assert_eq!(differences(&path, &out), [""; 0]);
    assert_eq!(Dataset::open(&out).unwrap().rasterband(1).unwrap().overview_count().unwrap(), 1);
}

#[test]
fn figures_of_the_pixels_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (dir.path().join("scene.tif"), dir.path().join("out.tif"));
    let mut made = image(&path, 3, (32, 32), texture);
    for (key, value) in [("TIFFTAG_MINSAMPLEVALUE", "40"), ("TIFFTAG_MAXSAMPLEVALUE", "196"), ("SENSOR", "7")] {
        made.set_metadata_item(key, value, "").unwrap();
    }
    made.rasterband(1).unwrap().set_metadata_item("actual_range", "{40,136}", "").unwrap();
    made.close().unwrap();
    run(&open(&path, None).unwrap(), &out, 0.1).unwrap();
    let of = |path: &Path| {
        let found = Dataset::open(path).unwrap();
        let item = |key: &str| found.metadata_item(key, "");
        let range = found.rasterband(1).unwrap().metadata_item("actual_range", "");
        [item("TIFFTAG_MINSAMPLEVALUE"), item("TIFFTAG_MAXSAMPLEVALUE"), range, item("SENSOR")]
    };
    assert_eq!(of(&path).map(|item| item.is_some()), [true; 4]);
    assert_eq!(of(&out).map(|item| item.is_some()), [false, false, false, true]);
}
