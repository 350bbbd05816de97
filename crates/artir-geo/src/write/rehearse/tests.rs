use gdal::{DriverManager, raster::RasterCreationOptions};

use super::*;
use crate::{
    BandNumbers, Format, OpenOptions,
    write::{
        publish::with_ending,
        tests::virtual_raster::{source, virtual_raster},
    },
    write_rgb_geotiff,
};

fn open(path: &Path) -> Scene {
    let options = OpenOptions { bands: BandNumbers::new([1, 2, 3]), ..OpenOptions::default() };
    Scene::open(&path.display().to_string(), &options).unwrap()
}

fn example(dir: &Path) -> PathBuf {
    let path = dir.join("scene.tif");
    let rgb = ndarray::Array3::from_shape_fn((3, 75, 101), |(c, y, x)| (40 * c + 2 * y + x) as u8);
    write_rgb_geotiff(&path, &rgb, [1.0, 0.1, 0.0, 2.0, 0.0, -0.1], 32632).unwrap();
    path
}

#[test]
fn what_can_be_written_passes_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let scene = open(&example(dir.path()));
    for format in [Format::GeoTiff, Format::Cog] {
        form(&scene, &WriteOptions { format, ..WriteOptions::default() }).unwrap();
    }
    for format in [Format::GeoTiff, Format::Cog] {
        let options = WriteOptions { format, ..WriteOptions::default() };
        prepare(&scene, &dir.path().join("other.vrt"), &options).unwrap();
    }
    let stage = Stage::new();
    stage.with(|stage| tiff(&scene, &WriteOptions::default(), stage).map(drop)).unwrap();
    assert!(stage.names().is_empty(), "nothing stays in memory: {:?}", stage.names());
    let out = dir.path().join("out.tif");
    rehearse(&scene, &out, &WriteOptions::default()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no file is written");
    std::fs::write(&out, "x").unwrap();
    assert!(matches!(rehearse(&scene, &out, &WriteOptions::default()), Err(Error::Exists { .. })));
    let onto_itself = rehearse(&scene, &dir.path().join("scene.tif"), &WriteOptions::default());
    assert!(matches!(onto_itself, Err(Error::Write { .. })));
    let data = rehearse(&scene, &dir.path().join("out.vrt"), &WriteOptions::default());
    assert!(matches!(data, Err(Error::Exists { path }) if path.ends_with("out.tif")), "the TIFF of a virtual raster");
}

/// A file of overviews beside a scene, of any size.
fn overviews(path: &Path, (columns, rows): (usize, usize)) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let beside = with_ending(path, ".ovr");
    let options = RasterCreationOptions::new();
    let made = driver.create_with_band_type_with_options::<u8, _>(&beside, columns, rows, 3, &options).unwrap();
    made.close().unwrap();
}

#[test]
fn overviews_of_another_size_than_gdal_makes_get_the_nearest_factor() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    for size in [(51, 38), (50, 37), (7, 90)] {
        overviews(&path, size);
        assert_eq!(form(&open(&path), &WriteOptions::default()).unwrap(), [""; 0], "{size:?}");
        form(&open(&path), &WriteOptions { format: Format::Cog, ..WriteOptions::default() }).unwrap();
    }
}

#[test]
fn colours_that_a_tiff_cannot_leave_open_are_lost_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let band = |i: usize| {
        format!(
            "<VRTRasterBand dataType=\"Byte\" band=\"{i}\"><SimpleSource><SourceFilename relativeToVRT=\"1\">scene.tif\
             </SourceFilename><SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        )
    };
    let bands: String = (1..=3).map(band).collect();
    let stack = path.with_file_name("stack.vrt");
    std::fs::write(&stack, format!("<VRTDataset rasterXSize=\"101\" rasterYSize=\"75\">{bands}</VRTDataset>")).unwrap();
    let stack = open(&stack);
    assert_eq!(form(&stack, &WriteOptions::default()).unwrap(), ["colour interpretation of band 1"]);
    let told = form(&stack, &WriteOptions::default().with_strict(true)).unwrap_err().to_string();
    assert!(told.contains("colour interpretation of band 1"), "{told}");
    let promise = prepare(&stack, &dir.path().join("out.vrt"), &WriteOptions::default()).unwrap();
    assert_eq!(promise.lost, ["colour interpretation of band 1"]);
}

#[test]
fn nodata_in_some_bands_alone_is_told_where_a_cog_cannot_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let nodata = |i| if i == 1 { "<NoDataValue>0</NoDataValue>" } else { "" };
    let band = |i| format!("{}{}", nodata(i), source("scene.tif", i, [0, 0, 101, 75]));
    let bands: Vec<String> = (1..=3).map(band).collect();
    let some = virtual_raster(&path.with_file_name("some.vrt"), "Byte", (101, 75), &bands, "");
    let told =
        form(&open(&some), &WriteOptions { format: Format::Cog, ..WriteOptions::default() }).unwrap_err().to_string();
    assert!(told.contains("nodata of band 2"), "{told}");
}

#[test]
fn a_scene_that_one_imagine_file_cannot_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let bands: Vec<String> = (1..=3).map(|band| source("scene.tif", band, [0, 0, 101, 75])).collect();
    let imagine = WriteOptions { format: Format::Imagine, ..WriteOptions::default() };
    // 26,600 columns have 416 blocks of 64 pixels, and 26,700 have 418.
    for (size, fits) in [(26_600, true), (26_700, false)] {
        let wide = virtual_raster(&path.with_file_name("wide.vrt"), "Byte", (size, size), &bands, "");
        let scene = open(&wide);
        let found = form(&scene, &imagine).map_err(|why| why.to_string());
        assert!(if fits { found.is_ok() } else { found.as_ref().is_err_and(|why| why.contains("2 GiB")) }, "{found:?}");
        form(&scene, &WriteOptions::default()).unwrap();
    }
}

#[test]
fn an_imagine_file_that_would_move_the_scene_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let rgb = ndarray::Array3::from_shape_fn((3, 75, 101), |(c, y, x)| (40 * c + 2 * y + x) as u8);
    // Of two datums, both unknown to such a file, one is 200 m from WGS 84.
    for (epsg, [x, y], moves) in [(25_832, [500_000.0, 5_400_000.0], false), (2056, [2_600_000.0, 1_200_000.0], true)] {
        let path = dir.path().join(format!("{epsg}.tif"));
        write_rgb_geotiff(&path, &rgb, [x, 1.0, 0.0, y, 0.0, -1.0], epsg).unwrap();
        let scene = open(&path);
        let found = form(&scene, &WriteOptions { format: Format::Imagine, ..WriteOptions::default() });
        let refused = found.err().map(|why| why.to_string());
        assert_eq!(refused.is_some_and(|why| why.contains("coordinate reference system")), moves, "{epsg}");
        for format in [Format::GeoTiff, Format::Cog, Format::Jp2, Format::Png] {
            form(&scene, &WriteOptions { format, ..WriteOptions::default() }).unwrap();
        }
    }
}

#[test]
fn how_viewers_turn_a_scene_is_lost_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    assert_eq!(form(&open(&path), &WriteOptions::default()).unwrap(), [""; 0]);
    // The first directory again at the end of the file, with the tag for the orientation in front of the tag for
    // samples (277).
    let mut bytes = std::fs::read(&path).unwrap();
    let number = |at: usize, count: usize| bytes[at..at + count].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    let first = number(4, 4);
    let count = number(first, 2);
    let entries: Vec<Vec<u8>> = bytes[first + 2..first + 2 + 12 * count].chunks(12).map(<[u8]>::to_vec).collect();
    let tag = |entry: &[u8]| u16::from_le_bytes([entry[0], entry[1]]);
    let (before, after): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| tag(entry) < 274);
    let end = (bytes.len() as u32).next_multiple_of(2);
    bytes.resize(end as usize, 0);
    bytes[4..8].copy_from_slice(&end.to_le_bytes());
    bytes.extend((count as u16 + 1).to_le_bytes());
    bytes.extend(before.concat());
    bytes.extend([18, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
    bytes.extend(after.concat());
    bytes.extend([0; 4]);
    std::fs::write(&path, bytes).unwrap();
    let scene = open(&path);
    for format in [Format::GeoTiff, Format::Cog] {
        let options = WriteOptions { format, ..WriteOptions::default() };
        let lost = form(&scene, &options).unwrap();
        assert!(matches!(lost.as_slice(), [one] if one.starts_with("orientation (6")), "{lost:?}");
        assert!(form(&scene, &options.with_strict(true)).unwrap_err().to_string().contains("orientation"));
    }
}

/// The empty file of a scene of 30,000 by 30,000 pixels holds no block, with overviews and mask.
#[test]
fn a_large_scene_costs_next_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.tif");
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options =
        RasterCreationOptions::from_iter(["TILED=YES", "SPARSE_OK=TRUE", "PHOTOMETRIC=RGB", "COMPRESS=DEFLATE"]);
    let mut made = driver.create_with_band_type_with_options::<u8, _>(&path, 30_000, 30_000, 3, &options).unwrap();
    made.build_overviews("NONE", &[2, 4, 8], &[]).unwrap();
    assert!(ffi::create_mask(&made));
    made.close().unwrap();
    let scene = open(&path);
    assert_eq!(scene.info.description.overviews.len(), 3);
    Stage::new()
        .with(|stage| {
            let (empty, _) = tiff(&scene, &WriteOptions::default(), stage)?;
            let bytes = gdal::vsi::get_vsi_mem_file_bytes_owned(&empty).unwrap().len();
            assert!(bytes < 16 << 20, "{bytes}");
            Ok(())
        })
        .unwrap();
}
