//! `artir validate` and `artir metrics` over small data sets made here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Stdio, time::Duration};

use artir_tests::{
    artir,
    onnx::{self, Dim, Model, Type},
    run,
};
use image::{ImageBuffer, Luma, Rgb, RgbImage};
use serde_json::Value;

/// A picture with texture; `veil` mixes in white.
fn picture(seed: u32, width: u32, height: u32, veil: f32) -> RgbImage {
    ImageBuffer::from_fn(width, height, |x, y| {
        let at = |k: u32| ((x / 5 + seed) * 37 + (y / 7) * 91 + k * 53 + (x * y * seed) % 23) % 160;
        Rgb([0, 1, 2].map(|k| (at(k) as f32 * (1.0 - veil) + 230.0 * veil) as u8))
    })
}

/// `input/NAME` and `reference/NAME`, so many pairs.
fn data_set(folder: &Path, pairs: u32) {
    for side in ["input", "reference"] {
        fs::create_dir_all(folder.join(side)).unwrap();
        for i in 0..pairs {
            let veil = if side == "input" { 0.4 } else { 0.0 };
            picture(i + 1, 96, 80, veil).save(folder.join(side).join(format!("{i:02}.png"))).unwrap();
        }
    }
}

fn suite(folder: &Path) -> String {
    let file = folder.join("mine.toml");
    let made = run([Path::new("validate"), Path::new("--init"), &file]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file.to_string_lossy().into_owned()
}

fn json(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap()
}

fn arguments<'a>(suite: &'a str, data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    vec!["validate", suite, "--data", data.to_str().unwrap(), "-o", out.to_str().unwrap()]
}

#[test]
fn an_interrupted_run_resumes_to_the_same_results() {
    let dir = tempfile::tempdir().unwrap();
    let (data, whole, parts) = (dir.path().join("data"), dir.path().join("whole"), dir.path().join("parts"));
    data_set(&data, 30);
    let suite = suite(dir.path());
    let done = run(arguments(&suite, &data, &whole));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let mut child = artir().args(arguments(&suite, &data, &parts)).stderr(Stdio::null()).spawn().unwrap();
    let journal = parts.join("journal.jsonl");
    while fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < 4 {
        std::thread::sleep(Duration::from_millis(5));
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!parts.join("results.json").exists());
    let measured = fs::read_to_string(&journal).unwrap().lines().count() - 1;
    assert!((3..30).contains(&measured), "{measured}");

    let mut resume = arguments(&suite, &data, &parts);
    resume.push("--resume");
    let done = run(resume);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = |folder: &Path| fs::read_to_string(folder.join("results.json")).unwrap();
    let (whole, resumed) = (text(&whole), text(&parts));
    let differs = whole.lines().zip(resumed.lines()).find(|(a, b)| a != b);
    assert!(whole == resumed, "{differs:?}");

    // Another strength is another run.
    let mut other = arguments(&suite, &data, &parts);
    other.extend(["--resume", "--strength", "0.5"]);
    let refused = run(other);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another run"));
}

#[test]
fn methods_stand_in_one_table_and_bad_pairs_lose_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out, also) = (dir.path().join("data"), dir.path().join("out"), dir.path().join("also"));
    data_set(&data, 4);
    fs::create_dir(&also).unwrap();
    for i in 0..3 {
        fs::copy(data.join(format!("reference/{i:02}.png")), also.join(format!("{i:02}.png"))).unwrap();
    }
    fs::write(data.join("input/corrupt.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    picture(1, 96, 80, 0.0).save(data.join("reference/corrupt.png")).unwrap();
    picture(1, 96, 81, 0.4).save(data.join("input/sizes.png")).unwrap();
    picture(1, 96, 80, 0.0).save(data.join("reference/sizes.png")).unwrap();
    picture(1, 96, 80, 0.4).save(data.join("input/depths.png")).unwrap();
    ImageBuffer::<Luma<u16>, _>::from_pixel(96, 80, Luma([7])).save(data.join("reference/depths.png")).unwrap();
    picture(1, 96, 80, 0.4).save(data.join("input/alone.png")).unwrap();
    let suite = suite(dir.path());
    let mut args = arguments(&suite, &data, &out);
    let named = format!("{}=perfect", also.display());
    args.extend(["--also", &named]);
    let done = run(args);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(4), "{said}");
    let table = String::from_utf8_lossy(&done.stdout).into_owned();
    for word in ["input", "geo-haze-t", "perfect", "protocol rgb", "identical", "perfect: 1 image(s) without figures"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let results = json(&out);
    assert_eq!(results["schema"], 1);
    assert_eq!(results["images"].as_array().unwrap().len(), 4);
    let failed = |name: &str| {
        let all = results["failures"].as_array().unwrap();
        let found = all.iter().find(|f| f["name"].as_str().unwrap().contains(name)).unwrap();
        found["reason"].as_str().unwrap().to_owned()
    };
    assert!(failed("sizes").contains("sizes differ"));
    assert!(failed("depths").contains("8 bits against 16 bits"));
    assert!(failed("corrupt").contains("corrupt.png"));
    assert!(failed("alone").contains("no reference"));
    assert_eq!(results["images"][0]["methods"]["perfect"]["psnr"], "inf");
    assert!(results["images"][3]["methods"]["perfect"]["error"].as_str().unwrap().contains("no result"));
    // The input's own figure is what `artir metrics` says of the same files.
    let metrics = run([
        "metrics",
        "--json",
        data.join("input/00.png").to_str().unwrap(),
        data.join("reference/00.png").to_str().unwrap(),
    ]);
    let metrics: Value = serde_json::from_slice(&metrics.stdout).unwrap();
    assert_eq!(metrics["psnr_db"], results["images"][0]["methods"]["input"]["psnr"]);
    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4 * 3);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.matches("<img").count() >= 16 && page.contains("default-src 'none'"));
}

#[test]
fn what_is_missing_is_named_with_the_layout() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let done = run(["validate", "sots-indoor", "--data", empty.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("hazy/1400_1.png") && said.trim_end().lines().count() == 1, "{said}");
    let done = run(["validate", "no-such-suite", "--data", empty.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(2));
    let done = run(["metrics", empty.to_str().unwrap(), empty.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(3));
    let list = run(["validate", "--list"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout).lines().count(), 42);
}

#[test]
fn denoising_suites_add_their_noise() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("clean"), dir.path().join("out"));
    fs::create_dir(&data).unwrap();
    for i in 0..3 {
        picture(i + 1, 70, 50, 0.2).save(data.join(format!("{i}.png"))).unwrap();
    }
    for (suite, low, high) in [("mcmaster18-25", 20.0, 20.4), ("kodak24-50", 14.0, 15.0)] {
        let out = out.join(suite);
        let mut args = arguments(suite, &data, &out);
        args.push("--no-model");
        let done = run(args);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let results = json(&out);
        let mean = results["methods"][0]["psnr"]["mean"].as_f64().unwrap();
        // 20 log10(255 / sigma), a little more where clipping takes noise away.
        assert!((low..high).contains(&mean), "{suite}: {mean}");
    }
}

#[test]
fn lpips_runs_the_network_that_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.png"), dir.path().join("b.png"));
    picture(1, 64, 48, 0.4).save(&a).unwrap();
    picture(1, 64, 48, 0.0).save(&b).unwrap();
    // The mean square of the difference of values from -1 to 1: four times the MSE of display values.
    let image = [Dim::Is(1), Dim::Is(3), Dim::Named("h"), Dim::Named("w")];
    let model = Model::new()
        .input("result", Type::F32, &image)
        .input("reference", Type::F32, &image)
        .output("distance", Type::F32, &[])
        .node("Sub", &["result", "reference"], &["d"], &[])
        .node("Mul", &["d", "d"], &["square"], &[])
        .node("ReduceMean", &["square"], &["distance"], &[("keepdims", onnx::Value::Int(0))])
        .finish();
    let file = dir.path().join("distance.onnx");
    fs::write(&file, model).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let done = run(["metrics", &text(&a), &text(&b), "--json", "--lpips", &text(&file)]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    let rmse = found["rmse"].as_f64().unwrap();
    assert!((found["lpips"].as_f64().unwrap() - 4.0 * rmse * rmse).abs() < 1e-6, "{found}");
    // It would count the pixels that the other figures leave out.
    let (a, b) = (text(&a), text(&b));
    for leaves_out in [["--nodata", "0"], ["--mask", a.as_str()]] {
        let refused = run([&["metrics", &a, &b, "--lpips", &text(&file)][..], &leaves_out].concat());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && said.contains("--lpips: measures whole images"), "{said}");
    }
    // A graph of a tensor whose values are in another file.
    let elsewhere = dir.path().join("elsewhere.onnx");
    fs::write(&elsewhere, [0x3au8, 6, 0x2a, 4, 0x6a, 2, 0x0a, 0]).unwrap();
    let refused = run(["metrics", &a, &b, "--lpips", &text(&elsewhere)]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(3) && said.contains("elsewhere.onnx: not a usable LPIPS network"), "{said}");
    assert!(said.contains("other files"), "{said}");

    let data = dir.path().join("data");
    data_set(&data, 2);
    let (suite, out) = (suite(dir.path()), dir.path().join("out"));
    let mut args = arguments(&suite, &data, &out);
    let file = text(&file);
    args.extend(["--no-model", "--lpips", &file]);
    assert!(run(args).status.success());
    let mean = json(&out)["methods"][0]["lpips"]["mean"].as_f64().unwrap();
    assert!((mean - found["lpips"].as_f64().unwrap()).abs() < 0.2 * mean, "{mean}");
}

#[test]
fn a_protocol_that_is_named_twice_is_measured_once() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["a", "b"].map(|name| dir.path().join(name));
    for (folder, noise) in folders.iter().zip([0.4, 0.0]) {
        fs::create_dir(folder).unwrap();
        picture(1, 32, 32, noise).save(folder.join("x.png")).unwrap();
    }
    let [a, b] = folders.each_ref().map(|folder| folder.to_str().unwrap());
    let names = ["--protocol", "rgb", "--protocol", "rs-dehaze", "--protocol", "rgb"];
    let done = run([&["metrics", a, b, "--json"][..], &names].concat());
    let text = String::from_utf8(done.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let protocols: Vec<&str> = lines.iter().map(|line| line["protocol"].as_str().unwrap()).collect();
    assert_eq!(protocols, ["rgb", "rs-dehaze", "rgb", "rs-dehaze"], "{text}");
    assert_eq!((&lines[2]["summary"]["images"], &lines[3]["summary"]["images"]), (&1.into(), &1.into()), "{text}");
}

/// An NPY file of 32-bit floats.
fn npy(path: &Path, rows: usize, columns: usize, value: impl Fn(usize) -> f32) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    header += &" ".repeat(117 - header.len());
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..rows * columns).flat_map(|i| value(i).to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_patients_name_in_file_names_reaches_no_output() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    for side in ["input", "reference"] {
        fs::create_dir_all(data.join(side)).unwrap();
        npy(&data.join(side).join("DOE^JANE.npy"), 32, 32, |i| (i % 7) as f32 + f32::from(side == "input"));
    }
    npy(&data.join("input/DOE^JOHN.npy"), 32, 32, |i| i as f32);
    npy(&data.join("reference/DOE^JIM.npy"), 32, 32, |i| i as f32);
    let text = fs::read_to_string(suite(dir.path())).unwrap();
    let suite = dir.path().join("pet.toml");
    fs::write(&suite, text.replace("protocol = \"rgb\"", "protocol = \"pet-slice\"")).unwrap();
    let mut args = arguments(suite.to_str().unwrap(), &data, &out);
    // Two results of one name, of which neither is taken.
    let also = format!("{}=theirs", dir.path().join("also").display());
    for folder in ["also/a", "also/b"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
        npy(&dir.path().join(folder).join("DOE^JANE.npy"), 32, 32, |i| i as f32);
    }
    args.extend(["--no-model", "--also", &also]);
    let done = run(args.clone());
    assert_eq!(done.status.code(), Some(4));
    assert_eq!(json(&out)["failures"].as_array().unwrap().len(), 2);
    let error = json(&out)["images"][0]["methods"]["theirs"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("have the same name"), "{error}");
    let mut texts = vec![done.stdout, done.stderr];
    texts.extend(fs::read_dir(&out).unwrap().map(|f| fs::read(f.unwrap().path()).unwrap()));
    assert!(texts.len() >= 6);
    for text in &texts {
        assert!(!String::from_utf8_lossy(text).contains("DOE"), "{}", String::from_utf8_lossy(text));
    }
    args.extend(["--overwrite", "--show-paths"]);
    run(args);
    assert!(fs::read_to_string(out.join("results.json")).unwrap().contains("DOE^JANE"));
    let folders = ["input", "reference"].map(|side| data.join(side).to_str().unwrap().to_owned());
    let metrics = run(["metrics", &folders[0], &folders[1], "--protocol", "pet-slice", "--json"]);
    assert!(!String::from_utf8_lossy(&metrics.stdout).contains("DOE"));
}

#[test]
fn same_named_files_of_other_folders_are_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (data, also, out) = (dir.path().join("data"), dir.path().join("also"), dir.path().join("out"));
    for (i, scene) in ["x", "y"].into_iter().enumerate() {
        for folder in [data.join("input"), data.join("reference"), also.clone()] {
            let folder = folder.join(scene);
            fs::create_dir_all(&folder).unwrap();
            let veil = if folder.starts_with(data.join("input")) { 0.4 } else { 0.0 };
            picture(i as u32 + 1, 40, 40, veil).save(folder.join("1.png")).unwrap();
        }
    }
    let text = fs::read_to_string(suite(dir.path())).unwrap();
    let suite = dir.path().join("deep.toml");
    fs::write(&suite, text.replace("/*\"", "/**/*\"")).unwrap();
    let named = format!("{}=perfect", also.display());
    let mut args = arguments(suite.to_str().unwrap(), &data, &out);
    args.extend(["--no-model", "--also", &named]);
    let done = run(&args);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(json(&out)["methods"][1]["identical"], 2);
    let folders = [&also, &data.join("reference")].map(|f| f.to_str().unwrap().to_owned());
    let done = run(["metrics", &folders[0], &folders[1]]);
    assert!(String::from_utf8_lossy(&done.stdout).contains("2 identical pairs"));
    args.push("--overwrite");
    let error = || {
        run(&args);
        json(&out)["images"][0]["methods"]["perfect"]["error"].as_str().unwrap().to_owned()
    };
    // Without a result of its own, a pair does not take that of another, which has its file name.
    let aside = dir.path().join("aside");
    fs::rename(also.join("x"), &aside).unwrap();
    assert!(error().contains("no result"), "{}", error());
    // Moved to where its name fits both: that is said, not guessed.
    fs::rename(&aside, also.join("z")).unwrap();
    assert!(error().contains("same name"), "{}", error());
}

/// A result is measured against one reference: its own.
#[test]
fn metrics_take_no_result_for_two_references() {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, seed: u32| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture(seed, 20, 20, 0.0).save(path).unwrap();
    };
    let measured = || {
        let folders = ["out", "ref"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
        let done = run(["metrics", &folders[0], &folders[1], "--json"]);
        let lines = String::from_utf8_lossy(&done.stdout).lines().filter(|line| line.contains("\"index\"")).count();
        (done.status.code(), lines, String::from_utf8_lossy(&done.stderr).into_owned())
    };
    // One of two has no result, and the other's has its file name.
    for (path, seed) in [("ref/x/1.png", 1), ("ref/y/1.png", 2), ("out/y/1.png", 2)] {
        put(path, seed);
    }
    let (code, pairs, said) = measured();
    assert!(code == Some(4) && pairs == 1 && said.contains("no result 'x/1'"), "{said}");
    // Results in one folder have no path that would tell.
    fs::rename(dir.path().join("out/y/1.png"), dir.path().join("out/1.png")).unwrap();
    let (code, _, said) = measured();
    assert!(code == Some(3) && said.contains("two references fit it"), "{said}");
    put("ref/z/2.png", 3);
    put("ref/z/2.tif", 3);
    put("ref/z/3.png", 3);
    put("out/2.png", 3);
    put("out/3.png", 3);
    let (code, pairs, said) = measured();
    assert!(code == Some(4) && pairs == 1 && said.contains("2.png and ") && said.contains("2.tif"), "{said}");
}

/// A file without a unit has that of the other; values of 0 to 255 are none of display.
#[test]
fn metrics_take_the_unit_of_either_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let slice = ndarray::Array2::from_shape_fn((16, 16), |(y, x)| ((x * 7 + y * 13) % 90) as f32);
    artir_phantom::dicom::write_series(&dir.path().join("in"), &[slice], 0.7).unwrap();
    let file = fs::read_dir(dir.path().join("in")).unwrap().next().unwrap().unwrap().path();
    let file = file.to_str().unwrap();
    npy(Path::new(&at("a.npy")), 16, 16, |i| (i * 7 % 90) as f32);
    let done = run(["metrics", file, &at("a.npy")]);
    assert!(String::from_utf8_lossy(&done.stdout).contains("ldct-400"), "{}", String::from_utf8_lossy(&done.stderr));
    let wrong = run(["metrics", file, &at("a.npy"), "--protocol", "pet-slice"]);
    assert!(wrong.status.code() == Some(2), "{}", String::from_utf8_lossy(&wrong.stdout));
    let bytes = run(["metrics", &at("a.npy"), &at("a.npy"), "--protocol", "rgb"]);
    let said = String::from_utf8_lossy(&bytes.stderr);
    assert!(bytes.status.code() == Some(3) && said.contains("display values"), "{said}");
}

#[test]
fn other_data_or_another_network_is_another_run() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    data_set(&data, 2);
    let suite = suite(dir.path());
    let mut args = arguments(&suite, &data, &out);
    args.push("--no-model");
    assert!(run(&args).status.success());
    args.push("--resume");
    assert!(run(&args).status.success(), "the same run goes on");
    picture(9, 96, 80, 0.2).save(data.join("input/00.png")).unwrap();
    let refused = run(&args);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stdout));
}

#[test]
fn metrics_say_what_they_cannot_know_and_sum_folders_up() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::create_dir_all(&a).unwrap();
    fs::create_dir_all(&b).unwrap();
    for i in 0..3u32 {
        npy(&a.join(format!("{i}.npy")), 16, 16, |k| (k * 7 % 90) as f32 + i as f32);
        npy(&b.join(format!("{i}.npy")), 16, 16, |k| (k * 7 % 90) as f32);
    }
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (x, y) = (text(&a), text(&b));
    let done = run(["metrics", &x, &y]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("choose a --protocol"));
    assert_eq!(done.status.code(), Some(2));
    fs::remove_file(a.join("2.npy")).unwrap();
    let done = run(["metrics", &x, &y, "--protocol", "ldct-400", "--json"]);
    assert_eq!(done.status.code(), Some(4), "one has no result");
    let last: Value =
        serde_json::from_slice(done.stdout.trim_ascii().split(|b| *b == b'\n').next_back().unwrap()).unwrap();
    // An offset of 0 and one of 1 HU.
    assert_eq!(last["summary"]["rmse"]["mean"], 0.5);
    assert_eq!((&last["summary"]["rmse"]["count"], &last["summary"]["identical"]), (&2.into(), &1.into()));

    let ends = std::process::Command::new("bash")
        .args(["-c", "set -o pipefail; \"$0\" metrics --protocols | true"])
        .arg(artir().get_program())
        .output()
        .unwrap();
    assert!(ends.status.success() && ends.stderr.is_empty(), "{}", String::from_utf8_lossy(&ends.stderr));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let lost = artir().args(["metrics", "--protocols"]).stdout(full).output().unwrap();
    assert_eq!(lost.status.code(), Some(1));
}

#[test]
fn padding_counts_as_the_protocols_have_it_and_unreadable_slices_are_named() {
    let Some(series) = artir_tests::real("dicom/ct-abdomen-ge") else { return };
    let mut files: Vec<_> = fs::read_dir(series).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let done = run([Path::new("metrics"), &files[10], &files[11], Path::new("--json")]);
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(found["left_out"], 0, "{found}");

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for side in ["input", "reference"] {
        fs::create_dir_all(data.join(side)).unwrap();
        for (i, file) in files[10..12].iter().enumerate() {
            fs::copy(file, data.join(side).join(i.to_string())).unwrap();
        }
        fs::write(data.join(side).join("cut"), &fs::read(&files[12]).unwrap()[..3000]).unwrap();
    }
    let out = dir.path().join("out");
    let mut args = arguments("aapm-ct", &data, &out);
    args.push("--no-model");
    let done = run(args);
    assert_eq!(done.status.code(), Some(4), "{}", String::from_utf8_lossy(&done.stderr));
    let results = json(&out);
    assert_eq!((results["images"].as_array().unwrap().len(), results["failures"].as_array().unwrap().len()), (2, 2));
}
