use std::{
    fs,
    path::{Path, PathBuf},
};

use gdal::{
    Dataset, DriverManager, Gcp,
    raster::{Buffer, ColorInterpretation, GdalType, RasterCreationOptions},
    spatial_ref::SpatialRef,
};

use super::*;

/// A GeoTIFF of some bands, each a function of column and row.
fn scene<T: GdalType + Copy>(
    path: &Path,
    (columns, rows): (usize, usize),
    bands: usize,
    value: impl Fn(usize, usize, usize) -> T,
) -> Dataset {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(["PHOTOMETRIC=MINISBLACK", "TILED=YES"]);
    let dataset = driver.create_with_band_type_with_options::<T, _>(path, columns, rows, bands, &options).unwrap();
    for band in 0..bands {
        let values = (0..columns * rows).map(|i| value(band, i % columns, i / columns)).collect();
        let mut buffer = Buffer::new((columns, rows), values);
        dataset.rasterband(band + 1).unwrap().write((0, 0), (columns, rows), &mut buffer).unwrap();
    }
    dataset
}

/// Two scenes, of which the second is brighter by 4.
fn pair(folder: &Path) -> (PathBuf, PathBuf) {
    let paths = ["before.tif", "after.tif"].map(|name| folder.join(name));
    for (path, more) in paths.iter().zip([0, 4]) {
        let mut dataset = scene(path, (120, 101), 3, |b, x, y| (x + y + 10 * b) as u8 + more);
        dataset.set_geo_transform(&[300_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]).unwrap();
        dataset.set_spatial_ref(&SpatialRef::from_epsg(32632).unwrap()).unwrap();
        dataset.close().unwrap();
    }
    let [before, after] = paths;
    (before, after)
}

fn write(page: &Path, before: &Path, after: &Path, bands: &[usize], overwrite: bool) -> Result<String, Error> {
    let preview = Preview::new(before.to_str().unwrap(), after, bands).with_title("model <1>");
    write_preview(page, &preview, overwrite)?;
    Ok(fs::read_to_string(page).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The bytes of base64 text.
fn decoded(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = text.trim_end_matches('=').bytes().flat_map(|c| (0..6).rev().map(move |i| value(c) >> i & 1));
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

/// The pictures of a page: after, before, difference, as they stand in it.
fn pictures(html: &str) -> Vec<image::DynamicImage> {
    let texts = html.split("data:image/png;base64,").skip(1).map(|text| text.split('"').next().unwrap());
    texts.map(|text| image::load_from_memory(&decoded(text)).unwrap()).collect()
}

#[test]
fn both_scenes_are_shown_on_one_scale() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = pair(dir.path());
    let page = dir.path().join("page.html");
    let html = write(&page, &before, &after, &[3, 2, 1], false).unwrap();
    let [after, before, difference] = pictures(&html).try_into().unwrap();
    assert_eq!((before.color(), before.width(), before.height()), (image::ColorType::Rgb8, 120, 101));
    let words = html.split("percentile of both: ").nth(1).unwrap();
    let number = |text: &str| text.split(' ').next().unwrap().parse::<f64>().unwrap();
    let (black, white) = (number(words), number(words.split("black, ").nth(1).unwrap()));
    assert!(0.0 < black && black < white && white < 239.0, "{black} {white}");
    let grey = |v: f64| ((v - black) / (white - black) * 255.0).round() as u8;
    for (x, y) in [(50, 60), (0, 0), (119, 100)] {
        let value = f64::from(x + y);
        let expected = |more: f64| [20.0, 10.0, 0.0].map(|band| grey(value + band + more));
        assert_eq!(before.to_rgb8().get_pixel(x, y).0, expected(0.0));
        assert_eq!(after.to_rgb8().get_pixel(x, y).0, expected(4.0));
    }
    assert!(difference.to_rgb8().pixels().all(|p| p.0 == [103, 0, 31]));
    assert!(html.contains("<span>+4</span>") && html.contains("white is no change; mean 4<"));
}

#[test]
fn the_page_says_what_it_is_and_names_no_other_place() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = pair(dir.path());
    let html = write(&dir.path().join("page.html"), &before, &after, &[1], false).unwrap();
    for words in [
        "before.tif</bdi></h1>",
        "<bdi>after.tif</bdi>",
        "<bdi>model &lt;1&gt;</bdi>",
        "120 × 101 px, band 1<",
        "WGS 84 / UTM zone 32N</b> (EPSG:32632)",
        "Pixel size: 10 × 10 metre",
        "<td>300000</td><td>5000000</td><td>6.456877° E</td><td>45.125154° N</td>",
        "Each pixel of the pictures is one of the scene.",
        "default-src 'none'; img-src data:; style-src 'sha256-",
        "role=\"slider\"",
    ] {
        assert!(html.contains(words), "{words}");
    }
    let colours = pictures(&html).iter().map(|p| p.color().channel_count()).collect::<Vec<_>>();
    assert_eq!(colours, [1, 1, 3]);
    assert!(html.contains("<dd id=\"system\"><bdi>EPSG:32632</bdi>"));
    assert!(!html.contains("{{") && !html.contains("}}"), "every name is replaced");
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("unsafe"));
    assert!(!html.contains(" style=\""), "the policy forbids style attributes");
    assert!(html.contains(Inline::new(STYLE, SCRIPT).values()[0].1));
    let folder = dir.path().to_str().unwrap();
    assert!(!html.contains(folder) && !html.contains(dir.path().file_name().unwrap().to_str().unwrap()));
}

#[test]
fn names_from_files_are_text() {
    let dir = tempfile::tempdir().unwrap();
    let name = "<img src=x onerror=alert(1)>\"'& {{after}}\u{202e}.tif";
    let path = dir.path().join(name);
    let wkt = "LOCAL_CS[\"<script>alert(2)</script>\",UNIT[\"<b>\",1]]";
    let mut dataset = scene(&path, (8, 8), 1, |_, x, y| (x * y) as u16);
    dataset.set_geo_transform(&[0.0, 1.0, 0.0, 0.0, 0.0, -1.0]).unwrap();
    dataset.set_spatial_ref(&SpatialRef::from_wkt(wkt).unwrap()).unwrap();
    dataset.close().unwrap();
    let html = write(&dir.path().join("page.html"), &path, &path, &[1], false).unwrap();
    assert!(!html.contains("<img src=x") && !html.contains("<script>alert"));
    assert!(!html.contains('\u{202e}') && !html.contains("<b>,"));
    let escaped = "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp; {{after}}\u{fffd}.tif";
    assert_eq!(html.matches(escaped).count(), 3, "title, heading, result");
    assert!(html.contains("&lt;script&gt;alert(2)&lt;/script&gt;"));
}

#[test]
fn sources_lose_their_folders_and_keys() {
    for (source, name) in [
        ("/a/b/c.tif", "c.tif"),
        ("c.tif", "c.tif"),
        ("c?d.tif", "c?d.tif"),
        ("/vsizip//a/b.zip/c.tif", "c.tif"),
        ("/vsicurl/https://x.org/c.tif?key=/secret", "c.tif"),
        ("https://x.org/c.tif?key=secret", "c.tif"),
        ("GTIFF_DIR:2:/a/c.tif", "c.tif"),
        ("/vsimem/artir-product-0123/LC09_L2SP.vrt", "LC09_L2SP"),
        ("C:\\a\\c.tif", "c.tif"),
        ("/a/b/", "b"),
        ("", ""),
    ] {
        assert_eq!(file_name(source), name, "{source}");
    }
}

#[cfg(unix)]
#[test]
fn a_page_has_the_mode_of_the_umask_and_is_replaced_only_on_demand() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = pair(dir.path());
    let page = dir.path().join("page.html");
    fs::write(&page, "old").unwrap();
    fs::set_permissions(&page, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = write(&page, &before, &after, &[1], false).unwrap_err().to_string();
    assert!(refused.contains("already exists"), "{refused}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "old");
    write(&page, &before, &after, &[1], true).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&page), mode(&before));
    assert_eq!(names(dir.path()), ["after.tif", "before.tif", "page.html"]);
    for scene in [&before, &after] {
        let bytes = fs::read(scene).unwrap();
        assert!(write(scene, &before, &after, &[1], true).unwrap_err().to_string().contains("one of the scenes"));
        assert_eq!(fs::read(scene).unwrap(), bytes);
    }
    assert!(write(dir.path(), &before, &after, &[1], true).unwrap_err().to_string().contains("folder"));
}

#[test]
fn a_failure_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = pair(dir.path());
    let small = dir.path().join("small.tif");
    scene(&small, (120, 100), 3, |_, _, _| 0_u8).close().unwrap();
    let torn = dir.path().join("torn.tif");
    let bytes = fs::read(&before).unwrap();
    fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let complex = dir.path().join("complex.vrt");
    let text = "<VRTDataset rasterXSize=\"120\" rasterYSize=\"101\"><VRTRasterBand dataType=\"CFloat32\" band=\"1\"/></VRTDataset>";
    fs::write(&complex, text).unwrap();
    let page = dir.path().join("made/for/page.html");
    let before_names = names(dir.path());
    for (source, result, bands, words) in [
        (&before, &small, &[1, 2, 3][..], "another size"),
        (&before, &after, &[1, 2], "one band or three"),
        (&before, &after, &[], "one band or three"),
        (&before, &after, &[1, 2, 4], "no band 4"),
        (&before, &after, &[0], "no band 0"),
        (&before, &after, &[usize::MAX], "no band"),
        (&before, &page, &[1], "the result"),
        (&torn, &after, &[1], "the source"),
        (&complex, &complex, &[1], "complex"),
    ] {
        let failed = write(&page, source, result, bands, true).unwrap_err();
        let reason = failed.reason().unwrap().to_string();
        assert!(reason.contains(words), "{words}: {reason}");
        assert!(!reason.contains(dir.path().to_str().unwrap()) && !reason.contains('\n'), "{reason}");
        assert_eq!(names(dir.path()), before_names);
    }
    // A file where a folder is wanted.
    let blocked = before.join("page.html");
    assert!(write(&blocked, &before, &after, &[1], false).is_err());
    assert_eq!(names(dir.path()), before_names);
}

fn plane(dataset: &Dataset, bands: &[usize], longest: usize) -> (Picture, Vec<Option<f32>>) {
    let picture = Picture::read(dataset, bands, longest).unwrap();
    let values = picture.planes[0].iter().map(|v| Some(*v).filter(|v| !v.is_nan())).collect();
    (picture, values)
}

#[test]
fn large_scenes_are_averaged() {
    let dir = tempfile::tempdir().unwrap();
    // More than one window in both directions, and an edge that no square fills.
    let size = (5003, 701);
    let value = |x: usize, y: usize| (x % 7 + y % 11 * 100) as i16 - 300;
    let dataset = scene(&dir.path().join("a.tif"), size, 1, |_, x, y| value(x, y));
    let (picture, values) = plane(&dataset, &[1], 1600);
    assert_eq!((picture.size, picture.factor), ((1251, 176), 4));
    for (x, y) in [(0, 0), (1023, 63), (1024, 64), (1250, 175), (700, 130)] {
        let square: Vec<f64> = (4 * y..size.1.min(4 * y + 4))
            .flat_map(|r| (4 * x..size.0.min(4 * x + 4)).map(move |c| f64::from(value(c, r))))
            .collect();
        let mean = square.iter().sum::<f64>() / square.len() as f64;
        assert_eq!(values[y * 1251 + x], Some(mean as f32), "{x} {y}");
    }
}

#[test]
fn invalid_pixels_take_no_part() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = scene(&dir.path().join("nan.tif"), (4, 2), 1, |_, x, _| [1.0, f32::NAN, f32::NAN, 1e38][x]);
    assert_eq!(plane(&dataset, &[1], 2).1, [Some(1.0), Some(1e38)]);
    assert_eq!(plane(&dataset, &[1], 4).1[..4], [Some(1.0), None, None, Some(1e38)]);

    let dataset = scene(&dir.path().join("nodata.tif"), (4, 2), 1, |_, x, _| [-9999, 5, -9999, -9999][x]);
    dataset.rasterband(1).unwrap().set_no_data_value(Some(-9999.0)).unwrap();
    assert_eq!(plane(&dataset, &[1], 2).1, [Some(5.0), None]);

    let mut dataset = scene(&dir.path().join("mask.tif"), (4, 2), 1, |_, x, _| x as u8);
    gdal::config::set_config_option("GDAL_TIFF_INTERNAL_MASK", "YES").unwrap();
    let mut band = dataset.rasterband(1).unwrap();
    band.create_mask_band(true).unwrap();
    let mut mask = band.open_mask_band().unwrap();
    mask.write((0, 0), (4, 2), &mut Buffer::new((4, 2), vec![0, 255, 255, 255, 0, 255, 255, 255_u8])).unwrap();
    assert_eq!(plane(&dataset, &[1], 4).1[..4], [None, Some(1.0), Some(2.0), Some(3.0)]);
    dataset.flush_cache().unwrap();
}

#[test]
fn opacity_hides_and_near_infrared_tagged_as_opacity_does_not() {
    let dir = tempfile::tempdir().unwrap();
    for (name, hidden, fourth) in [("alpha.tif", true, [0_u8, 255, 255, 0]), ("nir.tif", false, [0, 90, 120, 80])] {
        let dataset = scene(&dir.path().join(name), (4, 4), 4, |b, x, _| if b < 3 { 7 } else { fourth[x] });
        dataset.rasterband(4).unwrap().set_color_interpretation(ColorInterpretation::AlphaBand).unwrap();
        let first = if hidden { None } else { Some(7.0) };
        assert_eq!(plane(&dataset, &[1, 2, 3], 4).1[..2], [first, Some(7.0)], "{name}");
        assert_eq!(plane(&dataset, &[4, 2, 1], 4).1[0], Some(0.0), "a band that is shown hides nothing");
    }
}

#[test]
fn a_scene_without_valid_pixels_has_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tif");
    scene(&path, (3, 5), 1, |_, _, _| f64::NAN).close().unwrap();
    let html = write(&dir.path().join("page.html"), &path, &path, &[1], false).unwrap();
    assert!(html.contains("Neither scene has valid pixels.") && html.contains("The scene is not georeferenced."));
    assert!(pictures(&html).iter().all(|p| p.to_luma_alpha8().pixels().all(|p| p.0 == [0, 0])));
}

/// A scene in memory on a grid. (GDAL's driver of that name is not registered: opening a scene takes it away.)
fn on_grid(grid: Option<[f64; 6]>, crs: Option<SpatialRef>, size: (usize, usize)) -> Dataset {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let options = RasterCreationOptions::from_iter(["SPARSE_OK=TRUE"]);
    let path = format!("/vsimem/artir-grid-{}-{number}.tif", std::process::id());
    let mut dataset = driver.create_with_band_type_with_options::<u8, _>(path, size.0, size.1, 1, &options).unwrap();
    if let Some(grid) = grid {
        dataset.set_geo_transform(&grid).unwrap();
    }
    if let Some(crs) = crs {
        dataset.set_spatial_ref(&crs).unwrap();
    }
    dataset
}

fn footprint(grid: [f64; 6], epsg: u32, size: (usize, usize)) -> Footprint {
    Footprint::of(&on_grid(Some(grid), Some(SpatialRef::from_epsg(epsg).unwrap()), size))
}

/// Corners against numbers of `gdaltransform -s_srs EPSG:n -t_srs EPSG:4326` (GDAL 3.6.2), to a millimetre or so; the
/// Krüger series, summed apart from it, gives the UTM ones to 1e-11 degrees. The outline passes through them.
fn assert_corners(footprint: &Footprint, expected: [[f64; 2]; 4]) {
    for (i, (corner, [lon, lat])) in footprint.corners.iter().zip(expected).enumerate() {
        let [x, y] = corner.lonlat.unwrap();
        assert!((x - lon).abs() < 1e-8 && (y - lat).abs() < 1e-8, "{i}: {x} {y}, not {lon} {lat}");
        let [x, y] = footprint.outline[32 * i];
        assert!((x - lon).rem_euclid(360.0).min((lon - x).rem_euclid(360.0)) < 1e-8 && (y - lat).abs() < 1e-8);
    }
    assert_eq!(footprint.corners.len(), 4);
}

const UTM: [[f64; 2]; 4] = [
    [6.456_876_510_217_05, 45.125_153_847_634_2],
    [7.758_488_555_345_85, 45.146_728_790_022_2],
    [7.778_022_730_243_95, 44.225_093_904_297_5],
    [6.496_851_410_267_47, 44.204_197_318_080_1],
];

#[test]
fn a_utm_scene_lies_where_it_should() {
    let found = footprint([300_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0], 32632, (10_240, 10_240));
    assert_corners(&found, UTM);
    assert_eq!(found.corners[2].at, [402_400.0, 4_897_600.0]);
    assert_eq!((found.spacing, found.notes.len()), (Some([10.0, 10.0]), 0));
    let crs = found.crs.unwrap();
    assert_eq!((crs.code.as_deref(), crs.unit.as_str(), crs.geographic), (Some("EPSG:32632"), "metre", false));
    // The edge is curved: its middle lies north of the line between its ends.
    assert_eq!(found.outline.len(), 4 * 32 + 1);
    assert!(found.outline[16][1] > (found.outline[0][1] + found.outline[32][1]) / 2.0 + 1e-4);
}

#[test]
fn a_south_up_scene_lies_where_it_should() {
    let found = footprint([300_000.0, 10.0, 0.0, 4_897_600.0, 0.0, 10.0], 32632, (10_240, 10_240));
    assert_corners(&found, [UTM[3], UTM[2], UTM[1], UTM[0]]);
    assert_eq!(found.spacing, Some([10.0, 10.0]));
}

#[test]
fn a_rotated_scene_lies_where_it_should() {
    let found = footprint([440_720.5, 20.0, 3.0, 3_751_320.25, 2.0, -20.0], 32611, (90, 130));
    assert_corners(
        &found,
        [
            [-117.641_164_524_364, 33.900_604_120_04],
            [-117.621_708_604_485, 33.902_327_242_285_1],
            [-117.617_321_558_641, 33.878_900_214_183_3],
            [-117.636_772_267_307, 33.877_177_838_003_3],
        ],
    );
    assert_eq!(found.corners[2].at, [442_910.5, 3_748_900.25]);
    assert_eq!(found.spacing, Some([404_f64.sqrt(), 409_f64.sqrt()]));
}

#[test]
fn a_geographic_scene_has_longitude_first() {
    let found = footprint([10.0, 0.25, 0.0, 50.0, 0.0, -0.5], 4326, (8, 4));
    assert_eq!(found.outline[0], [10.0, 50.0]);
    assert_corners(&found, [[10.0, 50.0], [12.0, 50.0], [12.0, 48.0], [10.0, 48.0]]);
    assert!(found.crs.unwrap().geographic);
}

#[test]
fn a_scene_across_the_antimeridian_stays_in_one_piece() {
    let found = footprint([120_000.0, 100.0, 0.0, 6_700_000.0, 0.0, -100.0], 32601, (4000, 1000));
    assert_corners(
        &found,
        [
            [176.125_259_540_889, 60.258_228_290_132_8],
            [-176.636_643_110_375, 60.435_781_920_329_2],
            [-176.646_353_016_964, 59.537_871_368_034_6],
            [176.307_287_314_754, 59.366_564_002_897_9],
        ],
    );
    let longitudes: Vec<f64> = found.outline.iter().map(|p| p[0]).collect();
    assert!(longitudes.windows(2).all(|w| (w[0] - w[1]).abs() < 1.0), "{longitudes:?}");
}

#[test]
fn a_scene_around_the_pole_reaches_it() {
    let found = footprint([-1e6, 1000.0, 0.0, 1e6, 0.0, -1000.0], 3413, (2000, 2000));
    assert_corners(
        &found,
        [
            [-180.0, 76.998_815_531_682_7],
            [90.0, 76.998_815_531_682_7],
            [0.0, 76.998_815_531_682_7],
            [-90.0, 76.998_815_531_682_7],
        ],
    );
    assert!(found.outline.iter().any(|p| p[1] == 90.0));
    assert!(map::svg(&found.outline).contains("90° N"));
}

#[test]
fn scenes_that_lie_nowhere_say_so() {
    let grid = Some([0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);
    let local = || SpatialRef::from_wkt("LOCAL_CS[\"quarry\",UNIT[\"metre\",1]]").ok();
    let utm = || SpatialRef::from_epsg(32632).ok();
    for (grid, crs, corners, words) in [
        (None, None, 0, "not georeferenced"),
        (None, utm(), 0, "not georeferenced"),
        (grid, None, 4, "names no coordinate reference system"),
        (grid, local(), 4, "no known relation"),
        (Some([0.0, 1.0, 1.0, 0.0, 1.0, 1.0]), utm(), 0, "no area"),
        (Some([f64::NAN, 1.0, 0.0, 0.0, 0.0, 1.0]), utm(), 0, "no area"),
        (Some([1e300, 1.0, 0.0, 1e300, 0.0, 1.0]), utm(), 4, "outside the reach"),
        (Some([0.0, 1.0, 0.0, 500.0, 0.0, -1.0]), SpatialRef::from_epsg(4326).ok(), 4, "outside the reach"),
    ] {
        let found = Footprint::of(&on_grid(grid, crs, (10, 10)));
        assert_eq!(found.corners.len(), corners, "{words}");
        assert!(found.outline.is_empty(), "{words}: {:?}", found.outline);
        assert!(found.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", found.notes);
        let html = place(&found);
        assert!(html.contains(words) && !html.contains("<svg"));
    }
}

#[test]
fn control_points_make_a_footprint() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = scene(&dir.path().join("a.tif"), (100, 50), 1, |_, _, _| 0_u8);
    let point = |(pixel, line): (f64, f64)| Gcp {
        id: String::new(),
        info: String::new(),
        pixel,
        line,
        // Across the antimeridian, as products write it.
        x: if pixel > 50.0 { pixel * 0.02 - 181.0 } else { 179.0 + pixel * 0.02 },
        y: 10.0 - line * 0.02,
        z: 0.0,
    };
    let points = [(0.0, 0.0), (99.0, 0.0), (99.0, 49.0), (0.0, 49.0)].map(point).to_vec();
    dataset.set_gcps(points, &SpatialRef::from_epsg(4326).unwrap()).unwrap();
    let found = Footprint::of(&dataset);
    assert_corners(&found, [[179.0, 10.0], [181.0, 10.0], [181.0, 9.0], [179.0, 9.0]]);
    assert!(found.notes[0].contains("4 ground control points"), "{:?}", found.notes);
    assert!(place(&found).contains("179° W"));
}

/// Whatever lies in the folder of real scenes: a page, or a reason; no path on either, and no number that is none.
#[test]
fn real_scenes_have_pages() {
    let root = std::env::var_os("ARTIR_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let mut folders = vec![root.join("geotiff")];
    if !folders[0].is_dir() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have the real data at geotiff");
        println!("skipped: no real data at geotiff (ARTIR_REAL_DATA)");
        return;
    }
    // Damaged files among them have thousands of messages.
    crate::open::drivers::quiet();
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.html");
    let (mut pages, mut drawn) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Scenes of a gigapixel that a few kilobytes spell out take long and show nothing else.
            let vast = Dataset::open(&path).is_ok_and(|d| d.raster_size().0 * d.raster_size().1 > 4 << 20);
            if vast || !path.extension().is_some_and(|e| e == "tif" || e == "tiff") {
                continue;
            }
            match write(&page, &path, &path, &[1], true) {
                Ok(html) => {
                    let place = html.split("<div class=\"place\">").nth(1).unwrap();
                    assert!(!place.contains("NaN") && !place.contains(">inf"), "{}: {place}", path.display());
                    assert!(!html.contains(root.to_str().unwrap()), "{}", path.display());
                    pages += 1;
                    drawn += usize::from(place.contains("<svg"));
                }
                Err(failed) => assert!(!failed.to_string().contains(root.to_str().unwrap()), "{failed}"),
            }
        }
    }
    assert!(pages > 0 && drawn > 0);
    println!("{pages} pages, {drawn} of them with a map");
}
