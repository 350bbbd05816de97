//! `artir geo` on rasters that are much wider than the images in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_tests::scenes::{folder, half, halved, ranges, scene, texture};
use gdal::Dataset;

/// Where the images lie, first column and row.
const PLACES: [(usize, usize); 3] = [(1000, 700), (39_000, 20_100), (5, 39_920)];
const EDGE: usize = 40_000;

/// A virtual raster of three images of 96 x 80 pixels in 40,000 x 40,000.
fn wide(dir: &Path, nodata: &str) {
    for i in 0..3 {
        scene(&dir.join(format!("{i}.tif")), 3, &["PHOTOMETRIC=RGB"], |band, x, y| texture(band, x + i, y))
            .close()
            .unwrap();
    }
    let bands: String = (1..=3)
        .map(|band| {
            let sources: String = PLACES
                .iter()
                .enumerate()
                .map(|(i, (x, y))| {
                    format!(
                        "<SimpleSource><SourceFilename relativeToVRT=\"1\">{i}.tif</SourceFilename>\
                         <SourceBand>{band}</SourceBand><SrcRect xOff=\"0\" yOff=\"0\" xSize=\"96\" ySize=\"80\"/>\
                         <DstRect xOff=\"{x}\" yOff=\"{y}\" xSize=\"96\" ySize=\"80\"/></SimpleSource>"
                    )
                })
                .collect();
            let colour = ["Red", "Green", "Blue"][band - 1];
            format!(
                "<VRTRasterBand dataType=\"UInt16\" band=\"{band}\">{nodata}<ColorInterp>{colour}</ColorInterp>{sources}\
                 </VRTRasterBand>"
            )
        })
        .collect();
    let text = format!(
        "<VRTDataset rasterXSize=\"{EDGE}\" rasterYSize=\"{EDGE}\"><GeoTransform>0,1,0,0,0,-1</GeoTransform>{bands}\
         </VRTDataset>"
    );
    fs::write(dir.join("wide.vrt"), text).unwrap();
}

#[test]
fn only_what_a_wide_raster_holds_is_restored_and_written() {
    for (nodata, hole) in [("<NoDataValue>7</NoDataValue>", 7.0), ("", 0.0)] {
        let dir = folder();
        let at = dir.path();
        wide(at, nodata);
        half(at, &["wide.vrt", "-o", "out.tif", "--tile", "512"]);
        let report: serde_json::Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
        let done = &report["scenes"][0]["done"];
        assert!(done["tiles"].as_u64().is_some_and(|n| (3..=12).contains(&n)), "{done}");
        assert!(done["tiles_without_valid_pixel"].as_u64() > Some(7000), "{done}");
        assert_eq!(done["invalid_pixels"].as_u64(), Some((EDGE * EDGE - 3 * 96 * 80) as u64));
        // Most of the file is the table of its blocks.
        assert!(fs::metadata(at.join("out.tif")).unwrap().len() < 2 << 20);
        // The range is that of the images, of which a sample of the whole raster meets no pixel.
        let range = ranges(at);
        assert!(range[0][1] > 2000.0 && range[0][1] < 4000.0, "{range:?}");
        let out = Dataset::open(at.join("out.tif")).unwrap();
        for (i, (left, top)) in PLACES.into_iter().enumerate() {
            for (band, &range) in range.iter().enumerate() {
                // With a margin of holes, where the raster has one.
                let (x, y) = (left.saturating_sub(4), top.saturating_sub(4));
                let size = (104.min(EDGE - x), 88.min(EDGE - y));
                let read = out.rasterband(band + 1).unwrap();
                let values = read.read_as::<f64>((x as isize, y as isize), size, size, None).unwrap();
                for (at, after) in values.data().iter().enumerate() {
                    let (x, y) = (x + at % size.0, y + at / size.0);
                    let inside = (left..left + 96).contains(&x) && (top..top + 80).contains(&y);
                    let wanted = match inside {
                        true => halved(f64::from(texture(band, x - left + i, y - top)), range),
                        false => hole,
                    };
                    assert!((after - wanted).abs() <= 1.0, "image {i}, band {band}, {x} {y}: {after} {wanted}");
                    assert!(inside || *after == hole, "image {i}, band {band}, {x} {y}: {after}");
                }
            }
        }
    }
}

/// A band that is not restored may hold what red, green and blue do not: it is copied all the same.
#[test]
fn other_bands_are_copied_where_the_restored_ones_hold_nothing() {
    let dir = folder();
    let at = dir.path();
    wide(at, "<NoDataValue>7</NoDataValue>");
    let text = fs::read_to_string(at.join("wide.vrt")).unwrap();
    let fourth = "<VRTRasterBand dataType=\"UInt16\" band=\"4\"><NoDataValue>7</NoDataValue><SimpleSource>\
                  <SourceFilename relativeToVRT=\"1\">0.tif</SourceFilename><SourceBand>1</SourceBand>\
                  <SrcRect xOff=\"0\" yOff=\"0\" xSize=\"96\" ySize=\"80\"/>\
                  <DstRect xOff=\"20000\" yOff=\"10001\" xSize=\"96\" ySize=\"80\"/></SimpleSource></VRTRasterBand>";
    fs::write(at.join("wide.vrt"), text.replace("</VRTDataset>", &format!("{fourth}</VRTDataset>"))).unwrap();
    half(at, &["wide.vrt", "-o", "out.tif", "--tile", "512"]);
    let out = Dataset::open(at.join("out.tif")).unwrap();
    let copied = out.rasterband(4).unwrap().read_as::<f64>((20_000, 10_001), (96, 80), (96, 80), None).unwrap();
    for (i, value) in copied.data().iter().enumerate() {
        assert_eq!(*value, f64::from(texture(0, i % 96, i / 96)));
    }
    assert!(fs::metadata(at.join("out.tif")).unwrap().len() < 3 << 20);
}
