//! Settings and images that claim what no machine has, and what a decoder process may take: nothing panics, nothing is changed
//! in silence, and every refusal names its bound.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Output, Stdio},
};

use artir_tests::{artir, models, run, runtime};

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Refused with this code in one run, without a panic; what was said.
fn refused(arguments: &[&str], code: i32) -> String {
    let done = run(arguments);
    let said = said(&done);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    said
}

#[test]
fn numbers_beyond_their_range_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (photo, out, model) = (at("a.png"), at("out.png"), at("identity.onnx"));
    image::RgbImage::new(64, 48).save(&photo).unwrap();
    fs::write(&model, models::rgb_identity()).unwrap();
    for (flag, values) in [
        ("--overlap", &["9223372036854775808", "18446744073709551616", "-1", "nan", "1.5", ""][..]),
        ("--tile", &["0", "3", "18446744073709551612", "9223372036854775808", "-4", "inf"]),
        ("--threads", &["1025", "18446744073709551615", "-1", "nan"]),
        ("--memory", &["0", "-1", "nan", "inf", "1e400", "99999999999999999999GiB", "1MiB"]),
        ("--strength", &["nan", "inf", "-inf", "-1", "1.01", "1e39"]),
        ("--device", &["cuda:4294967296", "cuda:-1", "cpu:0"]),
    ] {
        for value in values {
            let said = refused(&["image", &photo, "-o", &out, "--model", &model, flag, value], 2);
            assert!(said.contains(flag), "{flag} {value}: {said}");
        }
    }
    assert!(!Path::new(&out).exists());
    for (command, flag, value) in [
        (&["geo", &photo, "-o", &out][..], "--range", "nan,1"),
        (&["geo", &photo, "-o", &out], "--range", "-inf,inf"),
        (&["geo", &photo, "-o", &out], "--bands", "-1"),
        (&["ct", &photo, "-o", &out, "--preview"], "--window", "0/0"),
        (&["ct", &photo, "-o", &out, "--preview"], "--window", "nan/1"),
        (&["ct", &photo, "-o", &out, "--preview"], "--window", "1/-1e999"),
        (&["metrics", &photo, &photo], "--memory", "-1"),
        (&["bench"], "--threads", "0"),
        (&["bench"], "--runs", "65536"),
        (&["bench"], "--size", "4294967296x4"),
        (&["validate", "x", "--data", "y"], "--jobs", "1025"),
    ] {
        refused(&[command, &[flag, value]].concat(), 2);
    }
    // Zero threads are every core, and zero strength is no change: both are settings.
    let done =
        run(["image", &photo, "-o", &out, "--model", &model, "--threads", "0", "--strength", "0", "--overlap", "0"]);
    assert!(done.status.success(), "{}", said(&done));
}

#[test]
fn an_overlap_is_kept_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (photo, out, model) = (at("a.png"), at("out.png"), at("identity.onnx"));
    image::RgbImage::new(700, 600).save(&photo).unwrap();
    fs::write(&model, models::rgb_identity()).unwrap();
    let plan = |memory: &str, overlap: &str| {
        let done = run([
            "image",
            &photo,
            "-o",
            &out,
            "--model",
            &model,
            "--dry-run",
            "--memory",
            memory,
            "--overlap",
            overlap,
        ]);
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned() + &said(&done))
    };
    let (code, text) = plan("230MiB", "200");
    assert!(code == Some(0) && text.contains("tile 512x512 overlap 200"), "{text}");
    let (code, text) = plan("150MiB", "200");
    assert!(code == Some(2) && text.contains("--overlap 200") && text.contains("160"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn devices_are_no_images_and_no_models() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").display().to_string();
    let picture = format!("{out}.png");
    for arguments in [
        &["metrics", "/dev/zero", "/dev/zero"][..],
        &["image", "/dev/zero", "-o", &picture],
        &["ct", "/dev/zero", "-o", &out],
        &["models", "verify", "/dev/zero"],
    ] {
        refused(arguments, 3);
    }
}

/// A PNG of 50,000 x 50,000 black pixels, whole but for its pixels' end: the header is what would be allocated by.
fn huge_png(path: &Path) {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [b"IHDR".as_slice(), &50_000u32.to_be_bytes(), &50_000u32.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let mut pixels = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    pixels.write_all(&vec![0; 8 << 20]).unwrap();
    let pixels = [b"IDAT".to_vec(), pixels.finish().unwrap()].concat();
    for chunk in [header, pixels, b"IEND".to_vec()] {
        let mut sum = flate2::Crc::new();
        sum.update(&chunk);
        file.extend((chunk.len() as u32 - 4).to_be_bytes());
        file.extend(&chunk);
        file.extend(sum.sum().to_be_bytes());
    }
    fs::write(path, file).unwrap();
}

#[test]
fn a_picture_that_fills_the_memory_is_refused_by_its_header() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (huge, out, model) = (at("huge.png"), at("out.png"), at("identity.onnx"));
    huge_png(Path::new(&huge));
    fs::write(&model, models::rgb_identity()).unwrap();
    for arguments in [
        &["image", &huge, "-o", &out, "--model", &model][..],
        &["metrics", &huge, &huge],
        &["metrics", "--memory", "4GiB", &huge, &huge],
    ] {
        let said = refused(arguments, 3);
        for part in [huge.as_str(), "50000x50000", "MiB", "--memory"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // The suite reads references with the same bound.
    for side in ["input", "reference"] {
        fs::create_dir_all(dir.path().join("data").join(side)).unwrap();
        fs::copy(&huge, dir.path().join("data").join(side).join("a.png")).unwrap();
    }
    let (suite, results) = (at("mine.toml"), at("results"));
    assert!(run(["validate", "--init", &suite]).status.success());
    let said = refused(&["validate", &suite, "--data", &at("data"), "-o", &results, "--no-model"], 3);
    assert!(said.contains("50000x50000"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_decoder_process_limits_itself_before_it_reads() {
    let mut child = artir()
        .arg("decode-frames")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = [0; 10];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"\0\x05\0\0\0artir");
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let numbers: Vec<u64> =
            line[name.len()..].split_whitespace().take(2).map(|n| n.parse().unwrap_or(u64::MAX)).collect();
        assert_eq!(numbers[0], numbers[1], "{line}");
        numbers[1]
    };
    assert!(limit("Max address space") <= 4 << 30);
    assert!(limit("Max cpu time") <= 120);
    assert!(limit("Max open files") <= 16);
    assert_eq!((limit("Max core file size"), limit("Max file size")), (0, 0));
    // What is no request ends it, with an error.
    child.stdin.take().unwrap().write_all(&[0xff; 64]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_runtime_that_was_asked_for_is_not_replaced_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("libonnxruntime.so");
    let with = |path: &Path| artir().args(["models", "list"]).arg("-q").env("ORT_DYLIB_PATH", path).output().unwrap();
    // Listing models needs no runtime.
    assert!(with(&missing).status.success());
    let doctor = |path: &Path| artir().arg("doctor").env("ORT_DYLIB_PATH", path).output().unwrap();
    let done = doctor(&missing);
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(5), "{text}");
    assert!(text.contains("MISSING ONNX Runtime") && text.contains(missing.to_str().unwrap()), "{text}");
    // Under any name, the library is asked for its version.
    let renamed = dir.path().join("libonnxruntime.so.9.9");
    std::os::unix::fs::symlink(runtime(), &renamed).unwrap();
    let text = String::from_utf8_lossy(&doctor(&renamed).stdout).into_owned();
    assert!(text.contains("ONNX Runtime   1.31.1"), "{text}");
}

/// A copy of the binary beside a `.runtime` folder of the shape that development builds use: nothing is loaded from there.
#[test]
fn a_copied_binary_loads_nothing_from_the_folders_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("target/debug");
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir(dir.path().join(".runtime")).unwrap();
    fs::copy(runtime(), dir.path().join(".runtime/libonnxruntime.so.1.31.1")).unwrap();
    let copy = bin.join("artir");
    fs::copy(artir().get_program(), &copy).unwrap();
    let (photo, model) = (dir.path().join("a.png"), dir.path().join("identity.onnx"));
    image::RgbImage::new(32, 32).save(&photo).unwrap();
    fs::write(&model, models::rgb_identity()).unwrap();
    let restore = |out: &str| {
        let mut command = std::process::Command::new(&copy);
        command.arg("image").arg(&photo).arg("-o").arg(dir.path().join(out)).arg("--model").arg(&model);
        command.env_remove("ORT_DYLIB_PATH").env("XDG_DATA_HOME", dir.path().join("none")).output().unwrap()
    };
    let done = restore("without.png");
    assert_eq!(done.status.code(), Some(5), "{}", said(&done));
    assert!(said(&done).contains("no libonnxruntime.so in any of"), "{}", said(&done));
    // Beside the executable it is found.
    fs::copy(runtime(), bin.join("libonnxruntime.so")).unwrap();
    let done = restore("with.png");
    assert!(done.status.success(), "{}", said(&done));
}

/// A float32 NPY array of 32 x 32, which protocols in HU and SUV measure.
fn npy(path: &Path, offset: f32) {
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (32, 32), }".to_owned();
    header.extend(std::iter::repeat_n(' ', 117 - header.len()));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend((0..1024).flat_map(|i| ((i % 9) as f32 + offset).to_le_bytes()));
    fs::write(path, file).unwrap();
}

/// A plain hash of a name hides nothing from somebody who guesses the name.
#[test]
fn what_stands_for_a_file_name_holds_for_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    for (side, offset) in [("input", 0.5), ("reference", 0.0)] {
        fs::create_dir_all(dir.path().join("data").join(side)).unwrap();
        for name in ["DOE^JANE", "DOE^JIM"] {
            npy(&dir.path().join("data").join(side).join(format!("{name}.npy")), offset);
        }
    }
    let metrics = || -> Vec<String> {
        let protocols = ["--protocol", "ldct-400", "--protocol", "ldct-slice"];
        let done = run([&["metrics", "--json", &at("data/input"), &at("data/reference")][..], &protocols].concat());
        assert!(done.status.success(), "{}", said(&done));
        let lines = String::from_utf8_lossy(&done.stdout).into_owned();
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|line| line["name"].as_str().map(str::to_owned)).collect()
    };
    let (one, other) = (metrics(), metrics());
    assert_eq!(one.len(), 4);
    assert!(one[0] == one[1] && one[2] == one[3] && one[0] != one[2], "a file has one token in a run: {one:?}");
    assert!(one.iter().all(|token| !other.contains(token)), "and others in the next: {one:?} {other:?}");

    let (suite, out) = (at("pet.toml"), at("results"));
    assert!(run(["validate", "--init", &suite]).status.success());
    let text = fs::read_to_string(&suite).unwrap().replace("protocol = \"rgb\"", "protocol = \"pet-slice\"");
    fs::write(&suite, text).unwrap();
    let validate = |more: &str| -> Vec<String> {
        let done = run(["validate", &suite, "--data", &at("data"), "-o", &out, "--no-model", more]);
        assert!(done.status.success(), "{}", said(&done));
        let results: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.path().join("results/results.json")).unwrap()).unwrap();
        let images = results["images"].as_array().unwrap();
        images.iter().map(|image| image["name"].as_str().unwrap().to_owned()).collect()
    };
    // A run that is taken up names all files by its own tokens, those of the earlier part too.
    let (first, resumed) = (validate("--overwrite"), validate("--resume"));
    assert!(resumed.len() == 2 && resumed.iter().all(|token| !first.contains(token)), "{first:?} {resumed:?}");
}

/// Compressed frames of `metrics` and `validate` come out of the decoder process: where it cannot start, they cannot be read.
#[cfg(target_os = "linux")]
#[test]
fn measured_slices_are_decoded_in_a_process_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let slice = ndarray::Array2::from_shape_fn((64, 64), |(y, x)| ((x * 7 + y * 13) % 90) as f32);
    artir_phantom::dicom::write_series(&dir.path().join("in"), &[slice], 0.7).unwrap();
    fs::write(at("ct.onnx"), models::ct_identity()).unwrap();
    let arguments =
        ["ct", &at("in"), "-o", &at("out"), "--model", &at("ct.onnx"), "--transfer-syntax", "jpegls-lossless"];
    let done = run(arguments);
    assert!(done.status.success(), "{}", said(&done));
    let folder = fs::read_dir(at("out")).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
    let (derived, source) = (folder.join("0001.dcm").display().to_string(), at("in/0001.dcm"));
    let good = run(["metrics", &derived, &source]);
    assert!(good.status.success() && String::from_utf8_lossy(&good.stdout).contains("PSNR"), "{}", said(&good));
    // A program whose file is gone runs on, and cannot start its like.
    let copy = at("artir");
    fs::copy(artir().get_program(), &copy).unwrap();
    let mut orphan = std::process::Command::new("sh");
    orphan.args(["-c", "exec 3<\"$0\" && rm \"$0\" && exec /proc/self/fd/3 metrics \"$@\"", &copy, &derived, &source]);
    let done = orphan.output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{}", said(&done));
    assert!(said(&done).contains("the decoder cannot be started"), "{}", said(&done));
}
