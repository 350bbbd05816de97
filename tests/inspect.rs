//! `artir inspect` on phantoms, pictures and small networks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use artir_phantom::dicom::write_series;
use artir_tests::{
    artir,
    browser::Browser,
    models, names,
    onnx::{Dim, Model, Type, Value as Attribute},
    text,
};
use image::{ImageBuffer, Luma, Rgb, Rgba};
use ndarray::Array2;
use serde_json::{Value, json};

/// Runs `artir inspect` in a folder, and returns what it printed.
fn inspect(dir: &Path, arguments: &[&str]) -> String {
    let done = artir().arg("inspect").args(arguments).current_dir(dir).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

/// The error of a run that must fail, on one line, and must leave nothing.
fn refused(dir: &Path, arguments: &[&str], code: i32) -> String {
    let before = names(dir);
    let done = artir().arg("inspect").args(arguments).current_dir(dir).output().unwrap();
    let error = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    assert_eq!(names(dir), before, "{arguments:?} left something");
    error
}

fn figures(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("inspect.json")).unwrap()).unwrap()
}

/// An array of an NPZ file: its shape and its 32-bit floats.
fn array(folder: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let mut archive = zip::ZipArchive::new(fs::File::open(folder.join("inspect.npz")).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]).into_owned();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split(['(', ')']).nth(1).unwrap();
    let shape = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let values = bytes[start..].as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    (shape, values)
}

fn slice() -> Array2<f32> {
    Array2::from_shape_fn((112, 96), |(y, x)| {
        let (dy, dx) = (y as f32 - 56.0, x as f32 - 48.0);
        let inside = dy.hypot(dx * 1.2) < 40.0;
        let noise = ((y * 31 + x * 17 + (y * x) % 13) % 41) as f32 - 20.0;
        if inside { 40.0 + noise + if (dy - 10.0).hypot(dx) < 8.0 { 90.0 } else { 0.0 } } else { -1000.0 + noise }
    })
}

/// A picture with texture, under a veil, and with noise.
fn picture(seed: u32, veil: f32, noise: f32) -> ImageBuffer<Rgb<u8>, Vec<u8>> {
    ImageBuffer::from_fn(72, 64, |x, y| {
        let at = |k: u32| ((x / 5 + seed) * 37 + (y / 7) * 91 + k * 53) % 160;
        let dirt = ((x * 7919 + y * 104_729 + seed * 31 + x * y) % 101) as f32 / 50.0 - 1.0;
        Rgb([0, 1, 2].map(|k| (at(k) as f32 * (1.0 - veil) + 230.0 * veil + noise * dirt).clamp(0.0, 255.0) as u8))
    })
}

fn browse(page: &Path, scratch: &Path, images: u64, plots: u64) {
    let Some(mut browser) = Browser::start(scratch) else { return };
    browser.open(page);
    let shown = browser.evaluate("[...document.images].filter(i => i.complete && i.naturalWidth > 1).length");
    assert_eq!(shown, browser.evaluate("document.images.length"), "every image is decoded");
    assert_eq!(shown, images, "images");
    assert_eq!(browser.evaluate("document.querySelectorAll('svg').length"), plots, "plots");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true, "sideways");
    let outside: Vec<_> = browser.requests.iter().filter(|url| !url.starts_with("data:")).collect();
    assert_eq!(outside.len(), 1, "the page is one file: {outside:?}");
    assert!(browser.console.is_empty(), "{:?}", browser.console);
}

/// The page, the arrays and the figures of a slice agree with each other, name no file and no attribute, and are the same in a
/// second run.
#[test]
fn a_slice_is_inspected() {
    let dir = tempfile::tempdir().unwrap();
    let study = dir.path().join("Doe Jane");
    fs::create_dir(&study).unwrap();
    write_series(&study, &[slice(), slice(), slice()], 0.8).unwrap();
    let file = names(&study)[0].clone();
    let path = format!("Doe Jane/{file}");
    let printed = inspect(dir.path(), &["ct-ldct-t", &path, "-o", "deep/a"]);
    assert!(printed.contains("encoder3") && printed.contains("the card states 480"), "{printed}");
    let out = dir.path().join("deep/a");
    assert_eq!(names(&out), ["inspect.html", "inspect.json", "inspect.npz"]);
    assert_eq!(names(&dir.path().join("deep")), ["a"]);

    let found = figures(&out);
    let stages: Vec<_> = found["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["encoder1", "encoder2", "encoder3", "decoder3", "decoder2", "decoder1", "refinement"]);
    let kernels: Vec<_> = found["kernels"].as_array().unwrap().iter().map(|k| k["kernel_size"].as_u64()).collect();
    assert_eq!(kernels, [15, 31, 63, 15, 31, 63].map(Some));
    assert_eq!(found["images"][0]["window"], json!({"row": 0, "column": 0, "rows": 112, "columns": 96}));

    // The mean of the matrix in the archive is the figure.
    let (shape, cosine) = array(&out, "encoder3.cosine.0");
    assert_eq!(shape, [128, 128]);
    let total: f64 = cosine.iter().map(|v| f64::from(v.abs())).sum::<f64>() - 128.0;
    let mean = found["stages"][2]["mean_absolute_cosine"].as_f64().unwrap();
    assert!((total / (128.0 * 127.0) - mean).abs() < 1e-5, "{mean}");
    // A radius is that of the influence in the archive.
    let (shape, influence) = array(&out, "influence.0");
    assert_eq!(shape, [112, 96]);
    let reach = &found["images"][0]["reach"];
    let held = |radius: f64| {
        let inside = |n: &usize| (n / 96).abs_diff(56).pow(2) + (n % 96).abs_diff(48).pow(2);
        let within = (0..influence.len()).filter(|n| (inside(n) as f64) <= radius * radius + 1e-6);
        within.map(|n| f64::from(influence[n])).sum::<f64>() / influence.iter().map(|v| f64::from(*v)).sum::<f64>()
    };
    for (name, share) in [("radius_50", 0.5), ("radius_90", 0.9), ("radius_99", 0.99)] {
        let radius = reach[name].as_f64().unwrap();
        assert!(held(radius) >= share - 1e-6, "{name} {radius}");
        assert!(radius == 0.0 || held(radius - 1.0) < share, "{name} {radius}");
    }
    // The input in the archive is the slice in network units, and what is modulated is X times Xs times Wc.
    let (_, input) = array(&out, "input");
    let expected = (slice()[(56, 48)] + 1024.0) / 1024.0;
    assert!((input[56 * 96 + 48] - expected).abs() < 2e-3, "{} {expected}", input[56 * 96 + 48]);
    let (shape, before) = array(&out, "decoder3.0.2.before");
    let (_, after) = array(&out, "decoder3.0.2.modulated");
    let (_, spatial) = array(&out, "decoder3.0.2.spatial");
    assert_eq!(shape, [8, 28, 24]);
    let weight = after[100] / (before[100] * spatial[100]);
    for n in [3, 333, 671] {
        assert!((after[n] - before[n] * spatial[n] * weight).abs() < 1e-4 * after[n].abs().max(1e-3), "{n}");
    }

    // Nothing names the patient, the file or its folder.
    let page = fs::read_to_string(out.join("inspect.html")).unwrap();
    // Pictures are base64, in which short words turn up.
    let mut parts = page.split("base64,");
    let mut words = parts.next().unwrap().to_owned();
    parts.for_each(|part| words += part.split_once('"').unwrap().1);
    for secret in ["Doe", "Jane", file.as_str(), "Phantom", "1.2.826"] {
        assert!(!words.contains(secret), "{secret}");
        assert!(!found.to_string().contains(secret), "{secret}");
    }
    assert!(words.contains("default-src 'none'") && !words.contains("//"));
    inspect(dir.path(), &["ct-ldct-t", &path, "-o", "b"]);
    for name in names(&out) {
        assert!(fs::read(out.join(&name)).unwrap() == fs::read(dir.path().join("b").join(&name)).unwrap(), "{name}");
    }
    // 3 of the image, 7 matrices, 2 of the reach, 12 kernels; 2 mixers with 2 rows and 3 steps of 3 rows and a picture.
    browse(&out.join("inspect.html"), dir.path(), 3 + 7 + 2 + 12 + 2 * (2 + 3 * 3 + 3), 6);

    // With the option, the path is there, as text.
    let printed = inspect(dir.path(), &["ct-ldct-t", "Doe Jane", "-o", "b", "--overwrite", "--show-paths", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), figures(&dir.path().join("b")));
    assert_eq!(figures(&dir.path().join("b"))["images"][0]["name"], "Doe Jane");
}

/// Grey and colour, 8 and 16 bits, with and without opacity; large images by their middle, or by the window that is asked for.
#[test]
fn pictures_of_all_kinds_are_inspected_in_a_window() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    picture(3, 0.4, 0.0).save(at("a.jpg")).unwrap();
    ImageBuffer::from_fn(600, 70, |x, y| Rgb([x as u16 * 100, y as u16 * 900, 7000])).save(at("b.tif")).unwrap();
    ImageBuffer::from_fn(65, 67, |x, y| Luma([(x * y * 14) as u16])).save(at("c.png")).unwrap();
    ImageBuffer::from_fn(64, 64, |x, y| Rgba([x as u8, y as u8, 9, 80])).save(at("d.png")).unwrap();
    let printed =
        inspect(dir.path(), &["geo-haze-t", "a.jpg", "b.tif", "c.png", "d.png", "-o", "out", "--channels", "2"]);
    assert!(printed.contains("b.tif: a window of 68x512 pixels from row 1, column 44 of 70x600"), "{printed}");
    let images = figures(&at("out"))["images"].clone();
    let sizes: Vec<_> = images.as_array().unwrap().iter().map(|i| [&i["rows"], &i["window"]["rows"]]).collect();
    assert_eq!(
        sizes,
        [[&json!(64), &json!(64)], [&json!(70), &json!(68)], [&json!(67), &json!(64)], [&json!(64), &json!(64)]]
    );
    // Grey goes through as three equal channels.
    assert_eq!(array(&at("out"), "encoder3.0.0.before").0, [2, 16, 18]);
    inspect(dir.path(), &["geo-haze-t", "b.tif", "-o", "cut", "--window", "8x16+61+580"]);
    let window = figures(&at("cut"))["images"][0]["window"].clone();
    assert_eq!(window, json!({"row": 61, "column": 580, "rows": 8, "columns": 16}));
    let (shape, input) = array(&at("cut"), "input");
    assert_eq!(shape, [1, 3, 8, 16]);
    assert!((input[0] - 58_000.0 / 65_535.0).abs() < 1e-6 && (input[128] - 61.0 * 900.0 / 65_535.0).abs() < 1e-6);
}

/// Folders of one degradation each become groups of points; their images are the same in a second run.
#[test]
fn folders_of_degradations_are_placed() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, veil, noise) in [("hazy", 0.6, 0.0), ("noisy", 0.0, 60.0)] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("LICENSE.txt"), "free").unwrap();
        for n in 0..6 {
            picture(n, veil, noise).save(dir.path().join(folder).join(format!("{n}.png"))).unwrap();
        }
    }
    inspect(dir.path(), &["geo-haze-t", "hazy", "noisy", "-o", "out"]);
    let found = figures(&dir.path().join("out"))["embedding"].clone();
    assert_eq!(found["folders"], json!([{"name": "folder 1", "images": 6}, {"name": "folder 2", "images": 6}]));
    let places: Vec<[f64; 2]> = serde_json::from_value(found["places"].clone()).unwrap();
    let middle = |points: &[[f64; 2]]| [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / 6.0);
    let apart = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let (hazy, noisy) = (middle(&places[..6]), middle(&places[6..]));
    let wrong = places.iter().enumerate().filter(|(n, p)| (apart(**p, hazy) < apart(**p, noisy)) != (*n < 6));
    assert_eq!(wrong.count(), 0, "{places:?}");
    assert_eq!(array(&dir.path().join("out"), "features").0, [12, 128]);
    // Six are too few, which is said.
    inspect(dir.path(), &["geo-haze-t", "hazy", "noisy", "-o", "few", "--most", "3"]);
    assert!(figures(&dir.path().join("few"))["embedding"].get("places").is_none());
    let page = fs::read_to_string(dir.path().join("few/inspect.html")).unwrap();
    assert!(page.contains("too few images: t-SNE needs 8 or more"));
}

/// A network of one convolution: the mean of K x K pixels.
fn blurs(size: usize) -> Vec<u8> {
    let image = [Dim::Named("N"), Dim::Is(1), Dim::Named("H"), Dim::Named("W")];
    let k = size as i64;
    Model::new()
        .input("image", Type::F32, &image)
        .output("restored", Type::F32, &image)
        .floats("head.weight", &[1, 1, k, k], &vec![1.0 / (size * size) as f32; size * size])
        .node("Conv", &["image", "head.weight"], &["encoder1.0"], &[("auto_pad", Attribute::Text("SAME_UPPER"))])
        .node("Mul", &["encoder1.0", "one"], &["restored"], &[])
        .floats("one", &[], &[1.0])
        .finish_with_card(&card().to_string())
}

fn card() -> Value {
    json!({
        "schema": 1, "name": "small", "version": "1", "task": "rgb-denoise", "variant": "none",
        "parameters": 1, "macs_256": 65536,
        "input": {"channels": 1, "unit": "1", "range": [0.0, 1.0], "network_range": [0.0, 1.0]},
        "tile": 512, "overlap": 64, "multiple": 4, "reach": 7,
        "training": {"summary": "none", "data": [], "patches": 0, "patch_size": 128, "hours": 0.0, "hardware": "none"},
        "figures": [], "limits": "a test", "licence": "MIT"
    })
}

/// A square of K x K equal shares: the discs that hold parts of it, and its corner.
#[test]
fn the_measured_reach_grows_with_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let grey: ImageBuffer<Luma<u8>, Vec<u8>> = ImageBuffer::from_fn(128, 128, |x, y| Luma([(x + y) as u8 / 2 + 40]));
    grey.save(dir.path().join("a.png")).unwrap();
    let mut last = [0.0; 4];
    for size in [3, 15, 31, 63] {
        let model = format!("blur-{size}.onnx");
        fs::write(dir.path().join(&model), blurs(size)).unwrap();
        inspect(dir.path(), &[&model, "a.png", "-o", &size.to_string()]);
        let found = figures(&dir.path().join(size.to_string()));
        let reach = &found["images"][0]["reach"];
        let radii = ["radius_50", "radius_90", "radius_99", "furthest"].map(|name| reach[name].as_f64().unwrap());
        let half = (size / 2) as f64;
        let mut squares: Vec<f64> = Vec::new();
        for y in 0..size {
            for x in 0..size {
                squares.push((y as f64 - half).hypot(x as f64 - half));
            }
        }
        squares.sort_by(f64::total_cmp);
        for (radius, share) in radii.iter().zip([0.5, 0.9, 0.99]) {
            let expected = squares[(share * squares.len() as f64).ceil() as usize - 1];
            assert!((radius - expected).abs() < 0.8, "{size}: {share} within {radius}, not {expected}");
        }
        assert!((radii[3] - half * std::f64::consts::SQRT_2).abs() < 1e-9, "{size}: {radii:?}");
        assert!(radii.iter().zip(last).all(|(now, before)| *now > before), "{radii:?} after {last:?}");
        assert_eq!((&found["model"]["reach"], &reach["edge"]), (&json!(7), &json!(63)));
        assert_eq!(found["kernels"], json!([]));
        last = radii;
    }
}

/// An exported ablation holds the nodes themselves, and may have static kernels without channel attention.
#[test]
fn a_network_of_single_nodes_is_inspected() {
    let dir = tempfile::tempdir().unwrap();
    let image = [Dim::Named("N"), Dim::Is(1), Dim::Named("H"), Dim::Named("W")];
    let taps = [0.0, 0.25, 0.0, 0.25, 1.0, 0.25, 0.0, 0.25, 0.0];
    let model = Model::new()
        .input("image", Type::F32, &image)
        .output("restored", Type::F32, &image)
        .floats("head.weight", &[1, 1, 1, 1], &[2.0])
        .floats("encoder3.0.mixer.large.0.kernel.b", &[1, 1, 3, 3], &taps)
        .node("Conv", &["image", "head.weight"], &["encoder3.0.norm1"], &[])
        .node(
            "Conv",
            &["encoder3.0.norm1", "encoder3.0.mixer.large.0.kernel.b"],
            &["encoder3.0.mixer.large.0.kernel"],
            &[("auto_pad", Attribute::Text("SAME_UPPER"))],
        )
        .node(
            "Mul",
            &["encoder3.0.mixer.large.0.kernel", "encoder3.0.norm1"],
            &["encoder3.0.mixer.large.0.modulate"],
            &[],
        )
        .node("Relu", &["encoder3.0.mixer.large.0.modulate"], &["encoder3.0.mixer.mixed.0"], &[])
        .node("Relu", &["encoder3.0.mixer.mixed.0"], &["encoder3.0.mixer.project"], &[])
        .node("Add", &["encoder3.0.norm1", "encoder3.0.mixer.project"], &["encoder3.0"], &[])
        .node("Relu", &["encoder3.0"], &["restored"], &[])
        .finish_with_card(&card().to_string());
    fs::write(dir.path().join("static.onnx"), model).unwrap();
    let flat: ImageBuffer<Luma<u8>, Vec<u8>> = ImageBuffer::from_pixel(16, 16, Luma([51]));
    flat.save(dir.path().join("a.png")).unwrap();
    inspect(dir.path(), &["static.onnx", "a.png", "-o", "out"]);
    let out = dir.path().join("out");
    let found = figures(&out);
    let expected = json!({
        "block": "encoder3.0", "step": 0, "kernel_size": 3, "weights": [],
        "mean_absolute_cosine": 0.0, "mean_absolute_correlation": 0.0,
        "b": {"centre": 1.0, "largest_other": 0.25, "sum_of_others": 1.0}
    });
    assert_eq!(found["kernels"], json!([expected]));
    let inside = 8 * 16 + 8;
    let value = |name: &str| array(&out, name).1[inside];
    assert!((value("encoder3.0.0.before") - 0.4).abs() < 1e-6);
    assert!((value("encoder3.0.0.spatial") - 0.8).abs() < 1e-6);
    for name in ["encoder3.0.0.modulated", "encoder3.0.0.after", "encoder3.0.after"] {
        assert!((value(name) - 0.32).abs() < 1e-6, "{name}");
    }
    browse(&out.join("inspect.html"), dir.path(), 3 + 1 + 2 + 1 + 2 + 3 + 1, 0);
}

#[test]
fn what_cannot_be_inspected_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    picture(1, 0.0, 0.0).save(at("a.png")).unwrap();
    fs::write(at("identity.onnx"), models::rgb_identity()).unwrap();
    let image = [Dim::Named("N"), Dim::Is(3), Dim::Named("H"), Dim::Named("W")];
    let foreign = Model::new().input("x", Type::F32, &image).output("y", Type::F32, &image);
    fs::write(at("foreign.onnx"), foreign.node("Relu", &["x"], &["y"], &[]).finish()).unwrap();
    fs::write(at("text.png"), "not a picture").unwrap();
    let whole = fs::read(at("a.png")).unwrap();
    fs::write(at("half.png"), &whole[..whole.len() / 2]).unwrap();
    let tiny: ImageBuffer<Rgb<u8>, Vec<u8>> = ImageBuffer::new(3, 90);
    tiny.save(at("tiny.png")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("texts")).unwrap();
    fs::write(at("texts/a.txt"), "a").unwrap();
    fs::create_dir(at("there")).unwrap();
    fs::write(at("there/notes.txt"), "mine").unwrap();
    fs::create_dir(at("ct")).unwrap();
    write_series(&at("ct"), &[slice()], 0.8).unwrap();
    let no = |arguments: &[&str], code, parts: &[&str]| {
        let error = refused(dir.path(), arguments, code);
        assert!(parts.iter().all(|part| error.contains(part)), "{arguments:?}: {error}");
    };
    let haze = "geo-haze-t";
    no(&["identity.onnx", "a.png", "-o", "out"], 3, &["'multiplies' is not an ArtIR network"]);
    no(&["foreign.onnx", "a.png", "-o", "out"], 3, &["foreign.onnx", "not a usable artir model"]);
    no(&["no-such-model", "a.png", "-o", "out"], 2, &["no model named 'no-such-model'"]);
    no(&[haze, "missing.png", "-o", "out"], 3, &["missing.png"]);
    no(&[haze, "a.png", "text.png", "-o", "out"], 3, &["text.png", "not a PNG, JPEG, TIFF, NPY or DICOM image"]);
    no(&[haze, "half.png", "-o", "out"], 3, &["half.png"]);
    no(&[haze, "tiny.png", "-o", "out"], 3, &["tiny.png", "90x3 pixels is too small"]);
    no(&[haze, "empty", "-o", "out"], 3, &["empty", "holds no file"]);
    no(&[haze, "texts", "-o", "out"], 3, &["texts", "holds no PNG"]);
    no(&[haze, "ct", "-o", "out"], 3, &["its values are HU, and geo-haze-t takes display values"]);
    // Floats of 0 to 255, as other programs store pictures.
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (64, 64), }");
    let values = (0..64 * 64).flat_map(|n| ((n % 256) as f32).to_le_bytes());
    let array = b"\x93NUMPY\x01\0\x76\0".iter().copied().chain(header.bytes()).chain(values);
    fs::write(at("bytes.npy"), array.collect::<Vec<u8>>()).unwrap();
    no(&[haze, "bytes.npy", "-o", "out"], 3, &["bytes.npy", "far beyond 0 to 1"]);
    no(&["ct-ldct-t", "a.png", "-o", "out"], 3, &["a.png", "its values are 8 bits, and ct-ldct-t takes HU"]);
    no(&["pet-lowcount-t", "ct", "-o", "out"], 3, &["its values are HU, and pet-lowcount-t takes SUV"]);
    no(&[haze, "a.png", "-o", "out", "--window", "64x64+1+0"], 2, &["a.png", "--window", "64x72"]);
    no(&[haze, "a.png", "-o", "out", "--memory", "100MiB"], 2, &["64x72 pixels need about", "--window", "--memory"]);
    no(&[haze, "a.png", "-o", "there"], 2, &["already exists: use --overwrite"]);
    no(&[haze, "a.png", "-o", "there", "--overwrite"], 2, &["there: holds files of its own"]);
    no(&[haze, "a.png", "-o", "a.png"], 2, &["a.png"]);
    no(&[haze, "ct", "-o", "ct/out"], 3, &["HU"]);
    assert_eq!(fs::read_to_string(at("there/notes.txt")).unwrap(), "mine");
}

/// The names of the fields of a value, and of all values in it.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => all.iter().for_each(|(name, inside)| {
            found.insert(name.clone());
            fields(inside, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// Every field of `inspect.json`, and every array of `inspect.npz`, is described.
#[test]
fn the_guide_describes_every_field_and_array() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["x", "y"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        for n in 0..4 {
            picture(n, 0.1, 9.0).save(dir.path().join(folder).join(format!("{n}.png"))).unwrap();
        }
    }
    inspect(dir.path(), &["geo-haze-t", "x", "y", "-o", "out"]);
    let guide: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/inspect.md");
    let guide = fs::read_to_string(guide).unwrap();
    let described: BTreeSet<&str> = guide.split('`').skip(1).step_by(2).collect();
    let mut found = BTreeSet::new();
    fields(&figures(&dir.path().join("out")), &mut found);
    assert!(found.contains("places") && found.contains("largest_other"), "{found:?}");
    let missing: Vec<_> = found.iter().filter(|name| !described.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in the guide: {missing:?}");
    let archive = zip::ZipArchive::new(fs::File::open(dir.path().join("out/inspect.npz")).unwrap()).unwrap();
    let general = |name: &str| {
        let parts = name.trim_end_matches(".npy").split('.');
        let part = |part: &str| match part {
            "encoder1" | "encoder2" | "encoder3" | "decoder1" | "decoder2" | "decoder3" | "refinement" => {
                "STAGE".into()
            }
            number if number.parse::<usize>().is_ok() => "N".into(),
            other => other.to_owned(),
        };
        parts.map(part).collect::<Vec<_>>().join(".")
    };
    let arrays: BTreeSet<String> = archive.file_names().map(|name| general(&name.unwrap())).collect();
    let missing: Vec<_> = arrays.iter().filter(|name| !described.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in the guide: {missing:?}");
}
