//! An installed artir: where it finds ONNX Runtime and models, what `artir doctor` says, and progress for programs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use artir_tests::{artir, models, runtime};

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// The binary below a prefix, without any runtime, and a command that sees nothing else of this machine.
fn installed(prefix: &Path) -> Command {
    let program = prefix.join("bin/artir");
    if !program.exists() {
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::copy(artir().get_program(), &program).unwrap();
    }
    let mut command = Command::new(program);
    for variable in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "ARTIR_MODELS"] {
        command.env_remove(variable);
    }
    command.env("XDG_DATA_HOME", prefix.join("data"));
    command
}

fn place_runtime(path: &Path) -> PathBuf {
    fs::create_dir_all(path).unwrap();
    let library = path.join("libonnxruntime.so.1.31.1");
    fs::copy(runtime(), &library).unwrap();
    library
}

#[test]
fn an_installed_program_finds_its_runtime_in_each_place() {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    let prefix = root.join("opt");
    let none = installed(&prefix).arg("doctor").output().unwrap();
    assert_eq!(none.status.code(), Some(5), "{}", said(&none));
    for place in ["opt/lib/artir", "opt/data/artir", "venv/lib/python3.12/site-packages/onnxruntime/capi", "venv/lib"] {
        let library = place_runtime(&root.join(place));
        for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
            let done = installed(&prefix).arg("doctor").env(variable, root.join("venv")).output().unwrap();
            let text = said(&done);
            assert!(
                done.status.success() && text.contains(&format!("1.31.1, {}", library.display())),
                "{place}: {text}"
            );
        }
        fs::remove_file(library).unwrap();
    }
}

#[test]
fn the_doctor_says_each_thing_once_on_a_screen() {
    let dir = tempfile::tempdir().unwrap();
    let text = said(&artir().arg("doctor").env("XDG_DATA_HOME", dir.path()).output().unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert!((8..=25).contains(&lines.len()), "{text}");
    for line in &lines {
        assert_eq!(lines.iter().filter(|other| *other == line).count(), 1, "{line}");
    }
    assert!(text.contains("required\n") && text.contains("optional\n"), "{text}");
    assert!(text.find("ONNX Runtime") < text.find("optional"), "{text}");
}

#[test]
fn a_model_is_installed_once_it_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let folders = std::env::join_paths([&first, &second]).unwrap();
    let run = |arguments: &[&str]| artir().args(arguments).env("ARTIR_MODELS", &folders).output().unwrap();
    let file = dir.path().join("download.onnx");
    let name = file.to_str().unwrap();
    let bytes = models::rgb_identity();
    fs::write(&file, &bytes).unwrap();
    let done = run(&["models", "install", name]);
    assert!(done.status.success(), "{}", said(&done));
    let installed = fs::read_dir(&first).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let [model] = installed.as_slice() else { panic!("{installed:?}") };
    assert_eq!(fs::read(model).unwrap(), bytes);
    let known = model.file_stem().unwrap().to_str().unwrap();
    assert!(said(&done).contains("licence") && said(&done).contains(known), "{}", said(&done));
    let shown = said(&run(&["models", "show", known]));
    assert!(shown.contains("3 channel(s), display values, 0 to 1\n"), "{shown}");
    let verified = run(&["models", "verify", known]);
    assert!(verified.status.success(), "{}", said(&verified));
    // Not twice unasked.
    let again = run(&["models", "install", name]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(run(&["models", "install", "--overwrite", name]).status.success());
    // A model of the second folder is found as well, and the first folder wins.
    fs::create_dir(&second).unwrap();
    fs::rename(model, second.join("other.onnx")).unwrap();
    assert!(run(&["models", "verify", "other"]).status.success());
    fs::write(first.join("other.onnx"), "damaged").unwrap();
    assert_eq!(run(&["models", "verify", "other"]).status.code(), Some(3));
    // Damaged files, and models that would hide built-in ones, are refused.
    let mut damaged = bytes.clone();
    damaged[40] ^= 1;
    fs::write(&file, &damaged).unwrap();
    let refused = run(&["models", "install", "--overwrite", name]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/ct-ldct-t.onnx");
    let refused = run(&["models", "install", built_in.to_str().unwrap()]);
    assert!(refused.status.code() == Some(3) && said(&refused).contains("built in"), "{}", said(&refused));
    let left: Vec<_> = fs::read_dir(&first).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["other.onnx"], "nothing half-written stays");
}

#[test]
fn models_are_listed_by_the_names_that_find_them_and_no_export_replaces_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let run = |arguments: &[&str]| {
        artir().args(arguments).env("ARTIR_MODELS", dir.path()).current_dir(dir.path()).output().unwrap()
    };
    let bytes = models::rgb_identity();
    for name in ["mine.onnx", "bare"] {
        fs::write(at(name), &bytes).unwrap();
    }
    fs::create_dir(at("folder.onnx")).unwrap();
    let listed = run(&["models", "list"]);
    let list = String::from_utf8_lossy(&listed.stdout);
    assert!(list.contains("\nmine ") && list.contains("its card names it multiplies"), "{list}");
    assert!(!list.contains("\nmultiplies ") && !said(&listed).contains("'folder'"), "{}", said(&listed));
    // A repository of Triton's, from which a model is exported to its own place.
    let served = at("multiplies/1/model.onnx");
    fs::create_dir_all(served.parent().unwrap()).unwrap();
    fs::write(&served, &bytes).unwrap();
    for (arguments, file) in [
        (&["export-plain", "mine", "-o", "mine.onnx"][..], "mine.onnx"),
        (&["export-plain", "./bare", "-o", "bare"], "bare"),
        (&["export-triton", "multiplies/1/model.onnx", "-o", ".", "--library", "mine.onnx"], "multiplies/1/model.onnx"),
    ] {
        let done = run(&[&["models"][..], arguments, &["--overwrite"]].concat());
        assert!(done.status.code() == Some(2) && said(&done).contains("overwrite an input"), "{}", said(&done));
        assert_eq!(fs::read(at(file)).unwrap(), bytes, "{file}");
    }
}

#[test]
fn progress_is_json_on_demand_and_nothing_else_is_changed_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("m.onnx"), models::rgb_identity()).unwrap();
    for name in ["a.png", "b.png"] {
        image::RgbImage::new(32, 48).save(at(name)).unwrap();
    }
    let restore = |out: &str, more: &[&str]| {
        let mut command = artir();
        command.arg("image").arg(at("a.png")).arg(at("b.png")).arg("-o").arg(at(out)).arg("--model").arg(at("m.onnx"));
        command.args(more).output().unwrap()
    };
    let lines = |done: &Output| -> Vec<serde_json::Value> {
        let text = String::from_utf8(done.stderr.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    };
    fs::create_dir(at("one")).unwrap();
    let done = restore("one", &["--progress", "json"]);
    assert!(done.status.success(), "{}", said(&done));
    for name in ["a.png", "b.png"] {
        let of_item: Vec<_> =
            lines(&done).into_iter().filter(|line| line["item"] == at(name).to_str().unwrap()).collect();
        let (first, last) = (of_item.first().unwrap(), of_item.last().unwrap());
        assert_eq!((&first["done"], &first["eta"]), (&0.into(), &serde_json::Value::Null));
        assert_eq!((&last["done"], &last["total"]), (&(32 * 48).into(), &(32 * 48).into()));
        assert!(of_item.iter().all(|line| line["phase"] == "restore" && line["unit"] == "pixels"));
    }
    // Asked for, it is written whatever else is silent.
    fs::create_dir(at("two")).unwrap();
    assert!(!lines(&restore("two", &["--progress", "json", "--quiet"])).is_empty());
    for (out, more) in [("three", &["--progress", "none"][..]), ("four", &[][..])] {
        fs::create_dir(at(out)).unwrap();
        let done = restore(out, more);
        assert!(done.status.success() && done.stderr.is_empty(), "{}", said(&done));
        assert_eq!(fs::read(at("one/a.png")).unwrap(), fs::read(at(out).join("a.png")).unwrap());
    }
    assert_eq!(restore("five", &["--progress", "xml"]).status.code(), Some(2));
}

/// Official builds of ONNX Runtime report to their maker, on Linux from 1.29 on: they begin with a cache in the user's folder,
/// and with a file in the temporary one. They report nothing in a test or CI, so the program starts without a trace of either.
#[test]
fn onnx_runtime_reports_nothing() {
    let (input, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = input.path().join("grey.png");
    image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x * y % 250) as u8])).save(&image).unwrap();
    let mut command = Command::new(artir().get_program());
    command.env_clear().env("ORT_DYLIB_PATH", runtime());
    for variable in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
        command.env(variable, home.path());
    }
    if let Some(folders) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", folders);
    }
    command.current_dir(home.path());
    let done = command.arg("image").arg(&image).arg("-o").arg(input.path().join("out.png")).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let found: Vec<PathBuf> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(found.is_empty(), "{found:?}");
}
