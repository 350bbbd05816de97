//! `artir geo` on deliveries in several files: tiles of Pleiades, masks of Sentinel-2's level 1C, Landsat's JSON, and virtual
//! rasters over parts of files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_tests::{
    scenes::{folder, geo, half, halved, inspect, pixels, ranges, scene, texture},
    text,
};
use gdal::{
    Dataset, DriverManager,
    raster::{Buffer, RasterCreationOptions},
};

/// The refusal of a scene, in one line.
fn refused(dir: &Path, name: &str) -> String {
    let done = geo(dir, &[name, "-o", "none.tif", "--model", "half.onnx", "-q"]);
    assert_eq!(done.status.code(), Some(3), "{}", text(&done.stderr));
    assert!(!dir.join("none.tif").exists() && text(&done.stderr).lines().count() == 1, "{}", text(&done.stderr));
    text(&done.stderr)
}

/// A tile of a Pleiades image of four bands (blue, green, red, near infrared in the order of the file: red first) that begins at
/// this column and row.
fn tile(path: &Path, size: (usize, usize), at: (usize, usize)) {
    tile_on(path, 32632, [500_000.0, 5_000_000.0, 2.0], size, at);
}

/// The same in a reference system: x and y of the image's first corner, and the edge of its pixels.
fn tile_on(
    path: &Path,
    epsg: u32,
    [x, y, edge]: [f64; 3],
    (columns, rows): (usize, usize),
    (left, top): (usize, usize),
) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(["PHOTOMETRIC=MINISBLACK"]);
    let mut made = driver.create_with_band_type_with_options::<u16, _>(path, columns, rows, 4, &options).unwrap();
    let origin = [x + edge * left as f64, edge, 0.0, y - edge * top as f64, 0.0, -edge];
    made.set_geo_transform(&origin).unwrap();
    made.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(epsg).unwrap()).unwrap();
    for band in 0..4 {
        let values = (0..columns * rows).map(|i| texture(band, left + i % columns, top + i / columns)).collect();
        let mut buffer = Buffer::new((columns, rows), values);
        made.rasterband(band + 1).unwrap().write((0, 0), (columns, rows), &mut buffer).unwrap();
    }
    made.close().unwrap();
}

fn dimap(tiles: &[(usize, usize)]) -> String {
    let files: String = tiles
        .iter()
        .map(|(r, c)| {
            format!(
                "<Data_File tile_R=\"{r}\" tile_C=\"{c}\"><DATA_FILE_PATH href=\"IMG_P_R{r}C{c}.TIF\"/></Data_File>"
            )
        })
        .collect();
    let index: String = (1..=4)
        .map(|n| {
            format!(
                "<Raster_Index><BAND_ID>B{}</BAND_ID><BAND_INDEX>{n}</BAND_INDEX></Raster_Index>",
                [2, 1, 0, 3][n - 1]
            )
        })
        .collect();
    format!(
        "<Dimap_Document><DATASET_NAME>PHR1A_X</DATASET_NAME><Data_Files>{files}</Data_Files>\
         <RED_CHANNEL>B2</RED_CHANNEL><GREEN_CHANNEL>B1</GREEN_CHANNEL><BLUE_CHANNEL>B0</BLUE_CHANNEL>{index}\
         <MISSION>PHR</MISSION><MISSION_INDEX>1A</MISSION_INDEX></Dimap_Document>"
    )
}

#[test]
fn tiles_of_pleiades_are_one_scene() {
    let dir = folder();
    let at = dir.path();
    fs::create_dir(at.join("order")).unwrap();
    // The last row and the last column of tiles are smaller, as they are in a delivery.
    for (r, c, size, origin) in
        [(1, 1, (64, 48), (0, 0)), (1, 2, (40, 48), (64, 0)), (2, 1, (64, 30), (0, 48)), (2, 2, (40, 30), (64, 48))]
    {
        tile(&at.join(format!("order/IMG_P_R{r}C{c}.TIF")), size, origin);
    }
    fs::write(at.join("order/DIM_PHR1A.XML"), dimap(&[(1, 1), (1, 2), (2, 1), (2, 2)])).unwrap();
    let told = inspect(at, &["order"]);
    assert_eq!((&told["columns"], &told["rows"]), (&104.into(), &78.into()));
    assert_eq!(told["restores"]["bands"], serde_json::json!([1, 2, 3]));
    half(at, &["order", "-o", "out/"]);
    let (after, range) = (pixels(&at.join("out/PHR1A_X.tif")), ranges(at));
    for (band, values) in after.iter().enumerate() {
        for (i, after) in values.iter().enumerate() {
            let before = f64::from(texture(band, i % 104, i / 104));
            let wanted = if band < 3 { halved(before, range[band]) } else { before };
            assert!((after - wanted).abs() <= 1.0, "band {band}, pixel {i}: {before} {after} {wanted}");
        }
    }
    let grid = Dataset::open(at.join("out/PHR1A_X.tif")).unwrap().geo_transform().unwrap();
    assert_eq!(grid, [500_000.0, 2.0, 0.0, 5_000_000.0, 0.0, -2.0]);
    // A tile that is not there, one of another size, and one that lies elsewhere.
    fs::write(at.join("order/DIM_PHR1A.XML"), dimap(&[(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)])).unwrap();
    assert!(refused(at, "order").contains("IMG_P_R3C1.TIF"));
    fs::write(at.join("order/DIM_PHR1A.XML"), dimap(&[(1, 1), (1, 2), (2, 1), (2, 2)])).unwrap();
    tile(&at.join("order/IMG_P_R2C2.TIF"), (40, 31), (64, 48));
    assert!(refused(at, "order").contains("do not fit together"));
    tile(&at.join("order/IMG_P_R2C2.TIF"), (40, 30), (65, 48));
    assert!(refused(at, "order").contains("do not lie on one grid"));
    fs::write(at.join("order/DIM_PHR1A.XML"), dimap(&[(1, 1), (1, 1)])).unwrap();
    assert!(refused(at, "order").contains("several images of one place"));
}

/// The first axis of EPSG:4326 is the latitude, and that of EPSG:2180 (Poland) the northing: x is the second one.
#[test]
fn tiles_stay_where_they_are_whatever_axis_comes_first() {
    for (epsg, corner) in [(4326, [10.0, 45.0, 0.5]), (2180, [500_000.0, 400_000.0, 2.0])] {
        let dir = folder();
        let at = dir.path();
        fs::create_dir(at.join("order")).unwrap();
        for (c, left) in [(1, 0), (2, 64)] {
            tile_on(&at.join(format!("order/IMG_P_R1C{c}.TIF")), epsg, corner, (64, 48), (left, 0));
        }
        fs::write(at.join("order/DIM_PHR1A.XML"), dimap(&[(1, 1), (1, 2)])).unwrap();
        half(at, &["order", "-o", "out/"]);
        let [of_tile, of_result] =
            ["order/IMG_P_R1C1.TIF", "out/PHR1A_X.tif"].map(|name| inspect(at, &[name, "--bands", "1,2,3"]));
        assert_eq!(of_tile["crs"]["data_axis_to_crs_axis"], serde_json::json!([2, 1]), "{epsg}");
        assert_eq!(of_result["crs"], of_tile["crs"], "{epsg}");
        assert_eq!(of_result["geotransform"], of_tile["geotransform"], "{epsg}");
    }
}

/// A folder of level 1C with 10 m bands; its quality folder is empty.
fn level1c(dir: &Path) -> std::path::PathBuf {
    let granule = dir.join("S2A_MSIL1C_X.SAFE/GRANULE/L1C_T32TQM_A1");
    for folder in ["IMG_DATA", "QI_DATA"] {
        fs::create_dir_all(granule.join(folder)).unwrap();
    }
    let jpeg2000 = DriverManager::get_driver_by_name("JP2OpenJPEG").unwrap();
    let lossless = RasterCreationOptions::from_iter(["QUALITY=100", "REVERSIBLE=YES"]);
    for band in [2, 3, 4] {
        let made = scene(&dir.join("band.tif"), 1, &[], |_, x, y| 1000 + texture(band, x, y));
        let path = granule.join(format!("IMG_DATA/T32TQM_20170105T101402_B0{band}.jp2"));
        made.create_copy(&jpeg2000, path, &lossless).unwrap().close().unwrap();
        made.close().unwrap();
        fs::remove_file(dir.join("band.tif")).unwrap();
    }
    fs::write(
        dir.join("S2A_MSIL1C_X.SAFE/MTD_MSIL1C.xml"),
        "<n1:Level-1C_User_Product xmlns:n1=\"x\"><PROCESSING_BASELINE>02.04</PROCESSING_BASELINE>\
         <QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE></n1:Level-1C_User_Product>",
    )
    .unwrap();
    granule.join("QI_DATA")
}

#[test]
fn clouds_of_level_1c_are_polygons_or_a_raster() {
    let dir = folder();
    let at = dir.path();
    let quality = level1c(at);
    let name = "S2A_MSIL1C_X.SAFE";
    let none = geo(at, &[name, "-o", "none.tif", "--model", "half.onnx", "--mask-clouds", "-q"]);
    assert!(text(&none.stderr).contains("no mask of clouds"), "{}", text(&none.stderr));
    let before = |x: usize, y: usize| f64::from(1000 + texture(4, x, y));
    let changed = |out: &str| {
        let after = pixels(&at.join(out));
        move |x: usize, y: usize| after[0][y * 96 + x] != before(x, y)
    };
    // Squares of columns and rows 20 to 39, with a hole, and 35 to 44, which overlaps it, and a cirrus, which counts as clear.
    let ring = |low: f64, high: f64| {
        let at = |x: f64, y: f64| format!("{} {}", 500_000.0 + 10.0 * x, 5_000_000.0 - 10.0 * y);
        format!("{} {} {} {} {}", at(low, low), at(high, low), at(high, high), at(low, high), at(low, low))
    };
    let feature = |kind: &str, rings: &[String]| {
        let lists: String = rings
            .iter()
            .map(|ring| {
                format!("<gml:LinearRing><gml:posList srsDimension=\"2\">{ring}</gml:posList></gml:LinearRing>")
            })
            .collect();
        format!(
            "<eop:MaskFeature><eop:maskType>{kind}</eop:maskType><gml:Polygon>{lists}</gml:Polygon></eop:MaskFeature>"
        )
    };
    let mask = |features: &str| {
        format!("<eop:Mask xmlns:eop=\"e\" xmlns:gml=\"g\"><eop:maskMembers>{features}</eop:maskMembers></eop:Mask>")
    };
    let polygons = quality.join("MSK_CLOUDS_B00.gml");
    let clouds = [
        feature("OPAQUE", &[ring(20.0, 40.0), ring(28.0, 32.0)]),
        feature("OPAQUE", &[ring(35.0, 45.0)]),
        feature("CIRRUS", &[ring(50.0, 60.0)]),
    ];
    fs::write(&polygons, mask(&clouds.concat())).unwrap();
    half(at, &[name, "-o", "polygons.tif", "--mask-clouds"]);
    let changes = changed("polygons.tif");
    for (x, y, wanted) in [
        (10, 10, true),
        (25, 25, false),
        (20, 39, false),
        (37, 37, false),
        (42, 42, false),
        (30, 30, true),
        (55, 55, true),
    ] {
        assert_eq!(changes(x, y), wanted, "{x} {y}");
    }
    // A product without clouds has an empty list.
    fs::write(&polygons, mask("")).unwrap();
    half(at, &[name, "-o", "clear.tif", "--mask-clouds"]);
    assert!(changed("clear.tif")(25, 25));
    fs::write(&polygons, mask(&feature("OPAQUE", &["1 2 x".into()]))).unwrap();
    let bad = geo(at, &[name, "-o", "none.tif", "--model", "half.onnx", "--mask-clouds", "-q"]);
    assert!(text(&bad.stderr).contains("not lists of numbers"), "{}", text(&bad.stderr));
    // Since baseline 04.00: a raster of 60 m, clouds on the left.
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let small = driver.create_with_band_type::<u8, _>(at.join("mask.tif"), 48, 40, 3).unwrap();
    let values = (0..48 * 40).map(|i| u8::from(i % 48 < 12)).collect();
    small.rasterband(1).unwrap().write((0, 0), (48, 40), &mut Buffer::new((48, 40), values)).unwrap();
    let jpeg2000 = DriverManager::get_driver_by_name("JP2OpenJPEG").unwrap();
    let lossless = RasterCreationOptions::from_iter(["QUALITY=100", "REVERSIBLE=YES", "YCBCR420=NO", "YCC=NO"]);
    small.create_copy(&jpeg2000, quality.join("MSK_CLASSI_B00.jp2"), &lossless).unwrap().close().unwrap();
    half(at, &[name, "-o", "raster.tif", "--mask-clouds"]);
    let changes = changed("raster.tif");
    assert!(!changes(10, 50) && !changes(23, 10) && changes(24, 10) && changes(90, 70));
}

#[test]
fn landsat_is_named_by_its_json() {
    let dir = folder();
    let at = dir.path();
    fs::create_dir(at.join("LC09")).unwrap();
    for band in [2, 3, 4] {
        scene(&at.join(format!("LC09/LC09_SR_B{band}.TIF")), 1, &[], |_, x, y| 8000 + texture(band, x, y))
            .close()
            .unwrap();
    }
    let reflectance: serde_json::Map<String, serde_json::Value> = (1..=7)
        .flat_map(|band| {
            [(format!("REFLECTANCE_MULT_BAND_{band}"), "2.75e-05"), (format!("REFLECTANCE_ADD_BAND_{band}"), "-0.2")]
        })
        .map(|(key, value)| (key, value.into()))
        .collect();
    // Groups of level 1 come first by the alphabet, and last by the rules of Landsat.
    let metadata = serde_json::json!({"LANDSAT_METADATA_FILE": {
        "PRODUCT_CONTENTS": {
            "LANDSAT_PRODUCT_ID": "LC09_L2SP_X", "PROCESSING_LEVEL": "L2SP", "COLLECTION_NUMBER": "02",
            "FILE_NAME_BAND_2": "LC09_SR_B2.TIF", "FILE_NAME_BAND_3": "LC09_SR_B3.TIF", "FILE_NAME_BAND_4": "LC09_SR_B4.TIF",
        },
        "IMAGE_ATTRIBUTES": {"SPACECRAFT_ID": "LANDSAT_9", "SUN_ELEVATION": "30.0"},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": reflectance,
        "LEVEL1_RADIOMETRIC_RESCALING": {"REFLECTANCE_MULT_BAND_4": "2.0000E-05", "REFLECTANCE_ADD_BAND_4": "-0.1"},
        "LEVEL1_PROCESSING_RECORD": {"PROCESSING_LEVEL": "L1TP"},
    }});
    fs::write(at.join("LC09/LC09_L2SP_X_MTL.json"), metadata.to_string()).unwrap();
    for name in ["LC09", "LC09/LC09_L2SP_X_MTL.json"] {
        let told = inspect(at, &[name]);
        assert!(told["product"].as_str().is_some_and(|p| p.contains("L2SP")), "{told}");
        half(at, &[name, "-o", "out/"]);
        assert!((ranges(at)[0][0] - 0.2 / 2.75e-5).abs() < 1e-6, "{:?}", ranges(at));
        assert!(at.join("out/LC09_L2SP_X.tif").exists());
    }
    fs::write(at.join("LC09/LC09_L2SP_X_MTL.json"), "{\"LANDSAT").unwrap();
    assert!(refused(at, "LC09").contains("no JSON that can be read"));
}

#[test]
fn a_virtual_raster_may_name_a_part_of_a_file() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("scene.tif"), 3, &["PHOTOMETRIC=RGB"], texture).close().unwrap();
    fs::create_dir(at.join("in")).unwrap();
    fs::rename(at.join("scene.tif"), at.join("in/scene.tif")).unwrap();
    let vrt = |source: &str, relative: u8| {
        let bands: String = (1..=3)
            .map(|i| {
                format!(
                    "<VRTRasterBand dataType=\"UInt16\" band=\"{i}\"><ColorInterp>{}</ColorInterp><SimpleSource>\
                     <SourceFilename relativeToVRT=\"{relative}\">{source}</SourceFilename><SourceBand>{i}</SourceBand>\
                     </SimpleSource></VRTRasterBand>",
                    ["Red", "Green", "Blue"][i - 1]
                )
            })
            .collect();
        fs::write(
            at.join("in/x.vrt"),
            format!("<VRTDataset rasterXSize=\"96\" rasterYSize=\"80\">{bands}</VRTDataset>"),
        )
        .unwrap();
    };
    let same = |name: &str, out: &str| {
        let done = geo(at, &[name, "-o", out, "--model", "same.onnx", "-q"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert_eq!(pixels(&at.join(out)), pixels(&at.join("in/scene.tif")));
    };
    vrt(&format!("GTIFF_DIR:1:{}", at.join("in/scene.tif").display()), 0);
    same("in/x.vrt", "a.tif");
    // From the working folder, as GDAL reads it.
    vrt("GTIFF_DIR:1:in/scene.tif", 0);
    same("in/x.vrt", "b.tif");
    // Its file is an input: no result replaces it.
    let onto = geo(at, &["in/x.vrt", "-o", "in/scene.tif", "--model", "same.onnx", "--overwrite", "-q"]);
    assert_eq!(onto.status.code(), Some(2), "{}", text(&onto.stderr));
    // Outside of the folder, by any way.
    fs::copy(at.join("in/scene.tif"), at.join("outside.tif")).unwrap();
    for (source, relative) in [
        ("GTIFF_DIR:1:outside.tif", 0),
        ("GTIFF_DIR:1:../outside.tif", 1),
        ("GTIFF_DIR:1:/etc/hostname", 0),
        ("GTIFF_DIR:9:in/scene.tif", 0),
        ("NITF_IM:0:../outside.tif", 1),
    ] {
        vrt(source, relative);
        refused(at, "in/x.vrt");
    }
    // netCDF, relative to the virtual raster: GDAL resolves the file within the quotes.
    let Ok(netcdf) = DriverManager::get_driver_by_name("netCDF") else {
        println!("skipped: this GDAL has no netCDF driver");
        return;
    };
    let bands = Dataset::open(at.join("in/scene.tif")).unwrap();
    bands.create_copy(&netcdf, at.join("in/scene.nc"), &RasterCreationOptions::new()).unwrap().close().unwrap();
    let names: String = (1..=3)
        .map(|i| {
            format!(
                "<VRTRasterBand dataType=\"UInt16\" band=\"{i}\"><ColorInterp>{}</ColorInterp><SimpleSource>\
                 <SourceFilename relativeToVRT=\"1\">NETCDF:\"scene.nc\":Band{i}</SourceFilename></SimpleSource></VRTRasterBand>",
                ["Red", "Green", "Blue"][i - 1]
            )
        })
        .collect();
    fs::write(at.join("in/n.vrt"), format!("<VRTDataset rasterXSize=\"96\" rasterYSize=\"80\">{names}</VRTDataset>"))
        .unwrap();
    same("in/n.vrt", "n.tif");
}
