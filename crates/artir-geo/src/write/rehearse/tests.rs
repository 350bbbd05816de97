use gdal::{DriverManager, raster::RasterCreationOptions};

use super::*;
use crate::{BandNumbers, OpenOptions, write::publish::with_ending, write_rgb_geotiff};

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
    form_virtual(&scene, &WriteOptions::default()).unwrap();
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
fn overviews_of_another_size_than_gdal_makes_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    overviews(&path, (51, 38));
    form(&open(&path), &WriteOptions::default()).unwrap();
    overviews(&path, (50, 37));
    let told = form(&open(&path), &WriteOptions::default()).unwrap_err().to_string();
    assert!(told.contains("overviews"), "{told}");
    // A COG gets overviews of its own.
    form(&open(&path), &WriteOptions { format: Format::Cog, ..WriteOptions::default() }).unwrap();
}

#[test]
fn colours_that_a_tiff_cannot_leave_open_are_told() {
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
    let told = form(&open(&stack), &WriteOptions::default()).unwrap_err().to_string();
    assert!(told.contains("colour interpretation of band 1"), "{told}");
}

#[test]
fn nodata_in_some_bands_alone_is_told_where_a_cog_cannot_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = example(dir.path());
    let band = |i: usize, nodata: &str| {
        format!(
            "<VRTRasterBand dataType=\"Byte\" band=\"{i}\">{nodata}<ColorInterp>{}</ColorInterp><SimpleSource>\
             <SourceFilename relativeToVRT=\"1\">scene.tif</SourceFilename><SourceBand>{i}</SourceBand></SimpleSource>\
             </VRTRasterBand>",
            ["Red", "Green", "Blue"][i - 1]
        )
    };
    let nodata = |i| if i == 1 { "<NoDataValue>0</NoDataValue>" } else { "" };
    let bands: String = (1..=3).map(|i| band(i, nodata(i))).collect();
    let some = path.with_file_name("some.vrt");
    std::fs::write(&some, format!("<VRTDataset rasterXSize=\"101\" rasterYSize=\"75\">{bands}</VRTDataset>")).unwrap();
    let told =
        form(&open(&some), &WriteOptions { format: Format::Cog, ..WriteOptions::default() }).unwrap_err().to_string();
    assert!(told.contains("nodata of band 2"), "{told}");
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
