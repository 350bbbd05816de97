//! `artir batch --survey`: the scenes of a mosaic get one range, which shrinks the steps across their borders, and which enters
//! their records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{fs, path::Path};

use artir_tests::{
    real,
    scenes::{folder, pixels, scene, texture},
};
use gdal::{Dataset, DriverManager, raster::Buffer};
use made::{run, text};
use serde_json::{Value, json};

fn write_jobs(dir: &Path, jobs: &[Value]) {
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    fs::write(dir.join("jobs.jsonl"), lines).unwrap();
}

fn record(dir: &Path, id: &str) -> Value {
    serde_json::from_slice(&fs::read(dir.join(format!("out/.artir/done/{id}.json"))).unwrap()).unwrap()
}

fn survey(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("out/.artir/survey.json")).unwrap()).unwrap()
}

const RGB: [&str; 1] = ["PHOTOMETRIC=RGB"];
const SURVEY: [&str; 5] = ["batch", "jobs.jsonl", "-o", "out", "--survey"];
const RUN: [&str; 4] = ["batch", "jobs.jsonl", "-o", "out"];

/// Columns, rows and planes of an image.
type Planes = (usize, usize, Vec<Vec<f64>>);

/// A real image in values of 16 bits with simulated haze, which grows from the left to the right, and a cloud.
fn hazy(path: &Path) -> Planes {
    let clear = image::open(path).unwrap().to_rgb8();
    let (columns, rows) = (clear.width() as usize, clear.height() as usize);
    let plane = |band: usize| {
        let value = |i: usize| {
            let (x, y) = (i % columns, i / columns);
            // A cloud within one of the four parts: some of its pixels are far brighter than all others.
            let distance = (x as f64 - 0.2 * columns as f64).hypot(y as f64 - 0.2 * rows as f64) / columns as f64;
            if distance < 0.05 {
                return 16_000.0;
            }
            let clear = f64::from(clear.get_pixel(x as u32, y as u32).0[band]) * 30.0;
            let passes = 0.9 - 0.55 * x as f64 / columns as f64 - 0.1 * y as f64 / rows as f64;
            (clear * passes + 6500.0 * (1.0 - passes)).round()
        };
        (0..columns * rows).map(value).collect()
    };
    (columns, rows, (0..3).map(plane).collect())
}

/// Writes a part of an image as a scene.
fn write(path: &Path, (columns, _, planes): &Planes, at: (usize, usize), size: (usize, usize)) {
    let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
    let mut made = driver.create_with_band_type::<u16, _>(path, size.0, size.1, 3).unwrap();
    let corner = [500_000.0 + 10.0 * at.0 as f64, 5_000_000.0 - 10.0 * at.1 as f64];
    made.set_geo_transform(&[corner[0], 10.0, 0.0, corner[1], 0.0, -10.0]).unwrap();
    made.set_spatial_ref(&gdal::spatial_ref::SpatialRef::from_epsg(32632).unwrap()).unwrap();
    for (band, plane) in planes.iter().enumerate() {
        let line = |y: usize| (at.1 + y) * columns + at.0;
        let values = (0..size.1).flat_map(|y| plane[line(y)..line(y) + size.0].iter().map(|v| *v as u16)).collect();
        made.rasterband(band + 1).unwrap().write((0, 0), size, &mut Buffer::new(size, values)).unwrap();
    }
}

/// The step across the borders of four tiles: the mean difference of adjacent pixels across a border, beyond that of the pixels
/// to either side of it.
fn step((columns, rows, planes): &Planes) -> f64 {
    let (middle, centre) = (columns / 2, rows / 2);
    let (mut across, mut within, mut count) = (0.0, 0.0, 0.0);
    for plane in planes {
        let mut add = |at: [usize; 4]| {
            let [a, b, c, d] = at.map(|i| plane[i]);
            across += (c - b).abs();
            within += ((b - a).abs() + (d - c).abs()) / 2.0;
            count += 1.0;
        };
        for y in 0..*rows {
            add([0, 1, 2, 3].map(|n| y * columns + middle + n - 2));
        }
        for x in 0..*columns {
            add([0, 1, 2, 3].map(|n| (centre + n - 2) * columns + x));
        }
    }
    (across - within) / count
}

/// The results of four tiles as one image.
fn assembled(dir: &Path, (columns, rows, _): &Planes) -> Planes {
    let (middle, centre) = (columns / 2, rows / 2);
    let mut planes = vec![vec![0.0; columns * rows]; 3];
    for (n, (x, y)) in [(0, 0), (middle, 0), (0, centre), (middle, centre)].into_iter().enumerate() {
        let path = dir.join(format!("out/t{n}.tif"));
        let width = Dataset::open(&path).unwrap().raster_size().0;
        for (plane, tile) in planes.iter_mut().zip(pixels(&path)) {
            for (row, line) in tile.chunks_exact(width).enumerate() {
                plane[(y + row) * columns + x..][..width].copy_from_slice(line);
            }
        }
    }
    (*columns, *rows, planes)
}

/// With the network, on a real image with simulated haze.
#[test]
fn the_step_across_the_borders_of_scenes_shrinks() {
    let (mut before, mut after) = (0.0, 0.0);
    for name in ["lb_3_0", "sfbay_4_1", "lb_1_0"] {
        let Some(path) = real(&format!("train/satellite-clear/planet-sfbay/{name}.png")) else { return };
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let image = hazy(&path);
        let (middle, centre) = (image.0 / 2, image.1 / 2);
        let parts = [(0, 0), (middle, 0), (0, centre), (middle, centre)];
        let mut jobs = Vec::new();
        for (n, at) in parts.into_iter().enumerate() {
            let size =
                (if at.0 == 0 { middle } else { image.0 - middle }, if at.1 == 0 { centre } else { image.1 - centre });
            write(&dir.join(format!("t{n}.tif")), &image, at, size);
            jobs.push(json!({"id": format!("t{n}"), "command": "geo", "input": format!("t{n}.tif"), "options": {"bands": "1,2,3"}}));
        }
        write_jobs(dir, &jobs);
        let restored = |arguments: &[&str]| {
            let done = run(dir, arguments);
            assert!(done.status.success(), "{}", text(&done.stderr));
        };
        restored(&RUN);
        let own = step(&assembled(dir, &image));
        restored(&SURVEY);
        restored(&RUN);
        let shared = step(&assembled(dir, &image));
        println!("{name}: source {:.1}, own ranges {own:.1}, one range {shared:.1}", step(&image));
        before += own;
        after += shared;
    }
    // What stays comes from the network, which sees each tile without the ground around it.
    assert!(after < 0.85 * before, "{before} to {after}");
}

#[test]
fn all_shards_use_the_range_of_the_mosaic_and_a_changed_one_restores_again() {
    let dir = folder();
    let dir = dir.path();
    // One scene is brighter than the others, so that it alone sets white.
    for (n, more) in [0, 500, 9000].into_iter().enumerate() {
        scene(&dir.join(format!("{n}.tif")), 3, &RGB, |band, x, y| texture(band, x, y) + more);
    }
    let job = |n: usize, more: Value| {
        let mut job = json!({"id": n.to_string(), "command": "geo", "input": format!("{n}.tif"), "options": {"model": "half.onnx"}});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    };
    write_jobs(dir, &[0, 1, 2].map(|n| job(n, json!({}))));
    let surveyed = run(dir, &SURVEY);
    assert!(surveyed.status.success(), "{}", text(&surveyed.stderr));
    let white = survey(dir)["mosaics"]["scenes"]["range"][1].as_f64().unwrap();
    assert!(white > 10_000.0, "{white}");
    for shard in ["0/2", "1/2"] {
        let done = run(dir, &[&RUN[..], &["--shard", shard]].concat());
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    for n in 0..3 {
        let found = record(dir, &n.to_string());
        assert_eq!(found["settings"]["range"], format!("0,{white}"));
        assert_eq!(found["report"]["scenes"][0]["done"]["range"][0], json!([0.0, white]));
    }
    // The same survey again changes nothing; the name of another mosaic does.
    assert!(run(dir, &SURVEY).status.success());
    assert!(text(&run(dir, &RUN).stdout).contains("3 done (3 before)"));
    write_jobs(dir, &[job(0, json!({"mosaic": "a"})), job(1, json!({"mosaic": "a"})), job(2, json!({"mosaic": "b"}))]);
    assert!(run(dir, &SURVEY).status.success());
    assert!(run(dir, &RUN).status.success());
    let range = |id: &str| record(dir, id)["settings"]["range"].clone();
    assert!(range("0") == range("1") && range("0") != range("2"), "{} {}", range("0"), range("2"));
    assert_ne!(range("0"), format!("0,{white}"), "a mosaic without its brightest scene has another white");
    // A scene that the survey does not know is refused before the work, and so is a mosaic without survey.
    write_jobs(dir, &[job(0, json!({"mosaic": "a"})), job(3, json!({"mosaic": "a"}))]);
    let refused = run(dir, &RUN);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("jobs.jsonl:2: the survey"), "{}", text(&refused.stderr));
    fs::remove_file(dir.join("out/.artir/survey.json")).unwrap();
    let refused = run(dir, &RUN);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--survey first"), "{}", text(&refused.stderr));
}

#[test]
fn scenes_that_fit_no_mosaic_are_left_out_with_the_reason() {
    let dir = folder();
    let dir = dir.path();
    for n in 0..2 {
        scene(&dir.join(format!("{n}.tif")), 3, &RGB, texture);
    }
    made::scene(&dir.join("bytes.tif"), 80, 90);
    fs::write(dir.join("bad.tif"), "no raster").unwrap();
    let job = |id: &str, options: Value| json!({"id": id, "command": "geo", "input": format!("{id}.tif"), "options": options});
    let usual = || json!({"model": "half.onnx"});
    let own = json!({"model": "half.onnx", "range": "0,9"});
    write_jobs(dir, &[job("0", usual()), job("bytes", usual()), job("bad", usual()), job("1", usual())]);
    let surveyed = run(dir, &SURVEY);
    assert_eq!(surveyed.status.code(), Some(4), "{}", text(&surveyed.stderr));
    let found = survey(dir);
    let reason = |id: &str| found["scenes"][id]["left_out"].as_str().unwrap_or_default().to_owned();
    assert!(reason("bytes").contains("0 to 255 by the type"), "{found}");
    assert!(!reason("bad").is_empty() && !found.to_string().contains(&dir.display().to_string()), "{found}");
    assert_eq!(run(dir, &RUN).status.code(), Some(4));
    for id in ["bytes", "bad"] {
        let found = record(dir, id);
        assert!(found["state"] == "unusable" && found["reason"].as_str().unwrap().contains("survey"), "{found}");
    }
    // Without the scene of 8 bits there is one unit, and a scene with a range of its own stays out of the mosaic.
    write_jobs(dir, &[job("0", usual()), job("bytes", own), job("1", usual())]);
    assert!(run(dir, &SURVEY).status.success());
    assert!(run(dir, &RUN).status.success());
    assert_eq!(record(dir, "bytes")["settings"]["range"], "0,9");
    // Scenes that are not treated alike have nothing to gain from one range.
    write_jobs(dir, &[job("0", usual()), job("1", json!({"model": "half.onnx", "strength": 0.5}))]);
    let refused = run(dir, &SURVEY);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("job 1: scenes of mosaic 'scenes' differ"), "{}", text(&refused.stderr));
}

#[test]
fn scenes_whose_reflectance_is_stored_differently_get_one_white() {
    let dir = folder();
    let dir = dir.path();
    for (n, offset) in [0u16, 1000].into_iter().enumerate() {
        let made = scene(&dir.join(format!("{n}.tif")), 3, &RGB, |band, x, y| texture(band, x, y) + offset);
        for band in 1..=3 {
            let mut band = made.rasterband(band).unwrap();
            band.set_scale(1e-4).unwrap();
            band.set_offset(-f64::from(offset) * 1e-4).unwrap();
        }
    }
    let jobs = [0, 1].map(|n| json!({"id": n.to_string(), "command": "geo", "input": format!("{n}.tif"), "options": {"model": "half.onnx"}}));
    write_jobs(dir, &jobs);
    let surveyed = run(dir, &SURVEY);
    assert!(surveyed.status.success(), "{}", text(&surveyed.stderr));
    assert!(run(dir, &RUN).status.success());
    let [first, second] = ["0", "1"].map(|id| {
        let range = record(dir, id)["report"]["scenes"][0]["done"]["range"][0].clone();
        serde_json::from_value::<[f64; 2]>(range).unwrap()
    });
    assert!((first[0]).abs() < 1e-6 && (second[0] - 1000.0).abs() < 1e-6, "{first:?} {second:?}");
    assert!((second[1] - first[1] - 1000.0).abs() < 1e-6 && first[1] > 2500.0, "{first:?} {second:?}");
}
