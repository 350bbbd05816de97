//! Outputs of `artir ct`, `geo` and `image`: checked before any work, written whole, reported on every exit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use artir_tests::artir;
use made::{contents, files, models, names, rename_series, run, scene, series, text, visible};
use serde_json::Value;

const CT: [&str; 4] = ["-q", "--model", "ct-one.onnx", "-o"];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    models(dir.path());
    series(&dir.path().join("in"), 4, 0.0);
    dir
}

fn ct(dir: &Path, arguments: &[&str]) -> Output {
    run(dir, &[&["ct", "in"], &CT[..], &["out"], arguments].concat())
}

fn code(done: &Output) -> i32 {
    done.status.code().unwrap_or(-1)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The one folder of results.
fn derived(dir: &Path) -> PathBuf {
    files(&dir.join("out")).into_iter().find(|p| p.is_dir()).unwrap()
}

fn uids(folder: &Path) -> Vec<(String, String)> {
    let tags = [dicom_dictionary_std::tags::SERIES_INSTANCE_UID, dicom_dictionary_std::tags::SOP_INSTANCE_UID];
    let uid = |file: &PathBuf| {
        let object = dicom_object::open_file(file).unwrap();
        tags.map(|tag| object.element(tag).unwrap().to_str().unwrap().into_owned())
    };
    files(folder).iter().map(uid).map(|[series, instance]| (series, instance)).collect()
}

#[test]
fn resume_knows_a_stale_series_from_one_that_is_done() {
    let dir = folder();
    let at = dir.path();
    assert!(ct(at, &[]).status.success());
    let out = derived(at);
    let (first, first_uids) = (contents(&out), uids(&out));
    let manifest = fs::read_to_string(out.join(".artir-manifest")).unwrap();
    assert!(manifest.starts_with("artir-manifest 1\n") && !manifest.contains("2.25."), "{manifest}");

    // Done is done: nothing is written.
    let times = || files(&out).iter().map(|f| f.metadata().unwrap().modified().unwrap()).collect::<Vec<_>>();
    let before = times();
    assert!(ct(at, &["--resume"]).status.success());
    assert_eq!(times(), before);

    // A damaged derived slice is made again.
    fs::write(out.join("0002.dcm"), "damaged").unwrap();
    assert!(ct(at, &["--resume"]).status.success());
    assert!(contents(&out) == first);

    // A source slice that was replaced, with the same UIDs, size and time.
    let slice = at.join("in/0003.dcm");
    let (old, modified) = (fs::read(&slice).unwrap(), slice.metadata().unwrap().modified().unwrap());
    let mut new = old.clone();
    let last = new.len() - 2;
    new[last] ^= 1;
    fs::write(&slice, new).unwrap();
    fs::File::options().write(true).open(&slice).unwrap().set_modified(modified).unwrap();
    assert!(ct(at, &["--resume"]).status.success());
    let changed = contents(&out);
    let differs = |name: &str| changed[name] != first[name];
    assert_eq!(["0001.dcm", "0002.dcm", "0003.dcm", "0004.dcm"].map(differs), [false, false, true, false]);
    let now = uids(&out);
    assert_eq!(now[2].0, first_uids[2].0, "one series");
    assert_ne!(now[2].1, first_uids[2].1, "other pixels are another instance");
    fs::write(&slice, old).unwrap();
    assert!(ct(at, &["--resume"]).status.success());
    assert!(contents(&out) == first);

    // Another form of the same pixels.
    assert!(ct(at, &["--resume", "--transfer-syntax", "rle"]).status.success());
    let object = dicom_object::open_file(out.join("0001.dcm")).unwrap();
    assert_eq!(object.meta().transfer_syntax.trim_end_matches('\0'), "1.2.840.10008.1.2.5");
    assert_eq!(uids(&out), first_uids, "no pixel has changed");
    assert!(ct(at, &["--resume"]).status.success());
    assert!(contents(&out) == first);

    // Slices that went.
    for name in ["0001.dcm", "0004.dcm"] {
        fs::rename(at.join("in").join(name), at.join(name)).unwrap();
    }
    assert!(ct(at, &["--resume"]).status.success());
    assert_eq!(uids(&out), first_uids[1..3]);

    // Slices that arrive late come to the others, which are not made again.
    for name in ["0001.dcm", "0004.dcm"] {
        fs::rename(at.join(name), at.join("in").join(name)).unwrap();
    }
    let late = run(at, &["ct", "in", "-o", "out", "--resume", "--model", "ct-one.onnx"]);
    assert!(
        text(&late.stdout).contains("4 slices written") && text(&late.stdout).contains("2 of them before"),
        "{late:?}"
    );
    assert!(contents(&out) == first);
    assert_eq!(names(&at.join("out")).len(), 1, "nothing else is left");

    // Another model's result is another series, and not replaced without being told to.
    let other = run(at, &["ct", "in", "-o", "out", "--resume", "-q", "--model", "ct-half.onnx"]);
    assert_eq!(code(&other), 2, "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("--overwrite"), "{}", text(&other.stderr));
    let other = run(at, &["ct", "in", "-o", "out", "--resume", "-q", "--strength", "0.5", "--model", "ct-one.onnx"]);
    assert_eq!(code(&other), 2, "{}", text(&other.stderr));
    assert!(contents(&out) == first);
}

#[test]
fn the_scan_says_nothing_of_artirs_own_files() {
    let dir = folder();
    let at = dir.path();
    assert!(ct(at, &[]).status.success());
    let out = derived(at);
    fs::create_dir(out.join(".artir-left")).unwrap();
    fs::write(out.join(".artir-left/x"), "x").unwrap();
    let listed = run(at, &["ct", "--list", out.to_str().unwrap()]);
    assert!(!text(&listed.stderr).contains("not a DICOM file"), "{}", text(&listed.stderr));
}

#[test]
fn conflicting_outputs_are_refused_before_any_work() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("scene.tif"), 40, 50);
    fs::write(at.join("there.json"), "{}").unwrap();
    let before = contents(at);
    for (arguments, why) in [
        (&["ct", "in", "-o", "out", "--report", "there.json"][..], "--overwrite"),
        (&["ct", "in/0001.dcm", "-o", "out", "--report", "in/0001.dcm", "--overwrite"], "input"),
        (&["ct", "in", "-o", "out", "--report", "ct-one.onnx", "--overwrite"], "input"),
        (&["ct", "in", "-o", "there.json"], "not a folder"),
        (&["ct", "in", "-o", "out", "--report", "in"], "folder"),
        (&["ct", "in", "-o", "out", "--strength", "2"], "--strength"),
        (&["ct", "in", "-o", "out", "--device", "cuda:77"], "cuda:77"),
        (&["geo", "scene.tif", "-o", "x.tif", "--report", "x.tif"], "the same path"),
        (&["geo", "scene.tif", "-o", "x.vrt", "--report", "x.tif"], "the same path"),
        (&["geo", "scene.tif", "-o", "x.tif", "--preview", "--report", "x.html"], "the same path"),
        (&["geo", "scene.tif", "-o", "scene.tif", "--overwrite"], "input"),
        (&["geo", "scene.tif", "-o", "scene.vrt", "--overwrite"], "input"),
        (&["geo", "scene.tif", "-o", "there.json/x.tif"], "not a folder"),
        (&["image", "scene.tif", "-o", "scene.tif", "--overwrite"], "input"),
        (&["image", "scene.tif", "-o", "x.bmp"], ".bmp"),
    ] {
        let model = match arguments[0] {
            "ct" => "ct-one.onnx",
            _ => "rgb-one.onnx",
        };
        let done = run(at, &[arguments, &["--model", model, "-q"]].concat());
        assert!([2, 3, 5].contains(&code(&done)), "{arguments:?}: {done:?}");
        let said = text(&done.stderr);
        assert!(said.lines().next().is_some_and(|line| line.contains(why)), "{arguments:?}: {said}");
        // A value that a flag does not take is followed by a pointer to the help.
        let lines = said.lines().filter(|line| !line.is_empty() && !line.contains("--help")).count();
        assert_eq!(lines, 1, "{arguments:?}: {said}");
        assert!(contents(at) == before, "{arguments:?} left {:?}", contents(at).keys());
    }
}

#[test]
fn a_series_never_takes_the_place_of_its_source() {
    let dir = folder();
    let at = dir.path();
    assert!(ct(at, &[]).status.success());
    let folder = derived(at).file_name().unwrap().to_str().unwrap().to_owned();
    fs::create_dir(at.join("where")).unwrap();
    fs::rename(at.join("in"), at.join("where").join(&folder)).unwrap();
    let before = contents(&at.join("where"));
    let done = run(at, &[&["ct", "where", "--overwrite"], &CT[..], &["where"]].concat());
    assert_eq!(code(&done), 2, "{}", text(&done.stderr));
    assert!(contents(&at.join("where")) == before);
}

#[test]
fn a_preview_that_is_there_stops_no_other_series() {
    let dir = folder();
    let at = dir.path();
    series(&at.join("in/second"), 3, 100.0);
    rename_series(&at.join("in/second"), "1.2.3.4");
    assert!(ct(at, &[]).status.success());
    let series: Vec<_> = files(&at.join("out"));
    assert_eq!(series.len(), 2);
    for folder in &series {
        fs::remove_dir_all(folder).unwrap();
    }
    let page = series[0].with_extension("html");
    fs::write(&page, "mine").unwrap();
    let done = ct(at, &["--preview", "--report", "r.json"]);
    assert_eq!(code(&done), 4, "{}", text(&done.stderr));
    assert!(!series[0].exists() && series[1].is_dir() && series[1].with_extension("html").exists());
    assert_eq!(fs::read_to_string(&page).unwrap(), "mine");
    let report = json(&at.join("r.json"));
    let outcomes: Vec<_> = report["series"].as_array().unwrap().iter().map(|s| s["outcome"].clone()).collect();
    assert!(outcomes.contains(&"refused".into()) && outcomes.contains(&"written".into()), "{report}");
}

/// A pipe that nobody reads.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

/// As with `| head`, or a log on a full disk.
#[test]
fn work_does_not_depend_on_who_reads_what_is_said() {
    let dir = folder();
    let dir = dir.path();
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        series(&dir.join("in").join(name), 2, 9.0 * n as f32);
        rename_series(&dir.join("in").join(name), &format!("1.2.{n}"));
    }
    let go = |arguments: &[&str]| {
        let mut command = artir();
        command.args(arguments).current_dir(dir);
        command
    };
    let arguments = ["ct", "in", "--model", "ct-one.onnx", "-o", "out"];
    let done = go(&arguments).stdout(closed()).stderr(closed()).status().unwrap();
    assert_eq!((done.code(), names(&dir.join("out")).len()), (Some(0), 3), "all three series");
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let lost = ["ct", "lost", "--model", "ct-one.onnx", "-o", "other"];
    assert_eq!(go(&lost).stderr(closed()).status().unwrap().code(), Some(3));
    assert_eq!(go(&lost).stderr(full()).status().unwrap().code(), Some(3));
    // A log line of the log itself.
    let verbose = ["-vv", "ct", "in", "--model", "ct-one.onnx", "-o", "verbose"];
    assert_eq!(go(&verbose).stderr(full()).status().unwrap().code(), Some(0));
    assert!(visible(&dir.join("verbose")) == visible(&dir.join("out")));
}

#[test]
fn every_exit_leaves_a_report() {
    let dir = folder();
    let at = dir.path();
    fs::create_dir(at.join("empty")).unwrap();
    fs::write(at.join("empty/SMITH-JOHN.txt"), "no slice").unwrap();
    fs::write(at.join("torn.tif"), "no scene").unwrap();
    for (arguments, expected, problem) in [
        (&["ct", "empty", "-o", "out"][..], 3, "no CT series"),
        (&["ct", "no-such-folder", "-o", "out"], 3, ""),
        (&["ct", "in", "-o", "out", "--model", "none.onnx"], 3, "none.onnx"),
        (&["geo", "torn.tif", "-o", "out.tif"], 3, "GDAL"),
        (&["geo", "torn.tif", "-o", "out.tif", "--model", "none.onnx"], 3, "none.onnx"),
    ] {
        let done = run(at, &[arguments, &["--report", "r.json", "-q"]].concat());
        assert_eq!(code(&done), expected, "{arguments:?}: {}", text(&done.stderr));
        let report = fs::read_to_string(at.join("r.json")).unwrap();
        assert!(report.contains(problem), "{arguments:?}: {report}");
        // Scenes are named by their files; series are not.
        assert!(!report.contains("SMITH"), "names are hidden: {report}");
        fs::remove_file(at.join("r.json")).unwrap();
    }
    assert!(!at.join("out").exists());
}

#[test]
fn an_interrupted_run_leaves_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    models(at);
    scene(&at.join("scene.tif"), 6000, 4000);
    let geo = ["geo", "scene.tif", "-o", "out.tif", "--model", "rgb-one.onnx", "-q", "--tile", "64", "--overlap", "8"];
    let mut child =
        artir().args(geo).args(["--report", "r.json"]).current_dir(at).stderr(Stdio::null()).spawn().unwrap();
    // The hidden folder shows that work has begun.
    while !at.join(".artir-out.tif/rows").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let report = json(&at.join("r.json"));
    assert_eq!(report["scenes"][0]["outcome"], "failed");
    assert!(report["problem"].as_str().unwrap().contains("interrupted"), "{report}");
    assert!(!at.join("out.tif").exists());
}

/// As with `nohup`: the terminal is closed, and the work goes on.
#[test]
fn a_run_that_was_started_to_outlive_its_terminal_does() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    models(at);
    scene(&at.join("scene.tif"), 3000, 2000);
    let geo = ["geo", "scene.tif", "-o", "out.tif", "--model", "rgb-one.onnx", "-q", "--tile", "64", "--overlap", "8"];
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(artir().get_program()).args(geo);
    let mut child = command.current_dir(at).stderr(Stdio::null()).spawn().unwrap();
    while !at.join(".artir-out.tif/rows").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    assert_eq!((child.wait().unwrap().code(), at.join("out.tif").exists()), (Some(0), true));
}

/// Runs artir under bash, after a line of it.
fn under(line: &str, dir: &Path, arguments: &[&str]) -> Output {
    let binary: PathBuf = artir().get_program().into();
    let script = format!("{line}; exec \"$0\" \"$@\"");
    Command::new("bash").args(["-c", &script]).arg(binary).args(arguments).current_dir(dir).output().unwrap()
}

#[test]
fn results_have_the_modes_of_the_umask() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("scene.tif"), 40, 50);
    fs::copy(at.join("scene.tif"), at.join("photo.tif")).unwrap();
    for (umask, file, folder) in [("027", 0o640, 0o750), ("002", 0o664, 0o775)] {
        for arguments in [
            &["ct", "in", "-o", "out", "--preview", "--report", "ct.json", "--model", "ct-one.onnx"][..],
            &["geo", "scene.tif", "-o", "out/s.vrt", "--preview", "--report", "geo.json", "--model", "rgb-one.onnx"],
            &["image", "photo.tif", "-o", "out/photo.png", "--model", "rgb-one.onnx"],
        ] {
            let done = under(&format!("umask {umask}"), at, &[arguments, &["-q", "--overwrite"]].concat());
            assert!(done.status.success(), "{}", text(&done.stderr));
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let series = derived(at);
        assert_eq!(mode(&series), folder);
        let mut made = vec![at.join("ct.json"), at.join("geo.json"), series.join(".artir-manifest")];
        made.extend(["s.vrt", "s.tif", "s.html", "photo.png"].map(|name| at.join("out").join(name)));
        made.push(series.with_extension("html"));
        made.extend(files(&series));
        for path in made {
            assert_eq!(mode(&path), file, "{}", path.display());
        }
    }
}

/// A file that cannot grow is what a full disk is, but for the words.
#[test]
fn a_full_disk_has_one_code_and_leaves_nothing() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("scene.tif"), 300, 300);
    fs::copy(at.join("scene.tif"), at.join("photo.tif")).unwrap();
    let before = contents(at);
    for arguments in [
        &["ct", "in", "-o", "out", "--model", "ct-one.onnx"][..],
        &["ct", "in", "-o", "out", "--transfer-syntax", "rle", "--allow-partial", "--model", "ct-one.onnx"],
        &["geo", "scene.tif", "-o", "out/s.tif", "--model", "rgb-one.onnx", "--co", "COMPRESS=NONE"],
        &["image", "photo.tif", "-o", "out/photo.tif", "--model", "rgb-one.onnx"],
    ] {
        let done = under("trap '' XFSZ; ulimit -f 4", at, &[arguments, &["-q"]].concat());
        assert_eq!(code(&done), 3, "{arguments:?}: {}", text(&done.stderr));
        let said = text(&done.stderr);
        assert!(said.contains("out") && said.trim_end().lines().count() == 1, "{arguments:?}: {said}");
        assert!(contents(at) == before, "{arguments:?}");
        assert!(!at.join("out").exists());
    }
}

#[test]
fn planted_links_are_neither_followed_nor_emptied() {
    let dir = folder();
    let at = dir.path();
    scene(&at.join("scene.tif"), 40, 50);
    fs::write(at.join("victim"), "precious").unwrap();
    let victim = at.join("victim");
    assert!(ct(at, &[]).status.success());
    let name = derived(at).file_name().unwrap().to_str().unwrap().to_owned();
    fs::remove_dir_all(at.join("out")).unwrap();
    let hidden = [at.join("out").join(format!(".artir-{name}")), at.join("out/.artir-s.tif"), at.join(".artir-r.json")];
    for folder in &hidden {
        fs::create_dir_all(folder).unwrap();
        for name in
            ["lock", "journal", "journal.new", "rows", "scene.tif", "new", "publish", "publish.new", "series", "set"]
        {
            symlink(&victim, folder.join(name)).unwrap();
        }
    }
    let ct_done = ct(at, &["--resume", "--report", "r.json"]);
    assert!(ct_done.status.success(), "{}", text(&ct_done.stderr));
    let geo_done = run(at, &["geo", "scene.tif", "-o", "out/s.tif", "--resume", "-q", "--model", "rgb-one.onnx"]);
    assert!(geo_done.status.success(), "{}", text(&geo_done.stderr));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(names(&at.join("out")), ["s.tif".to_owned(), name.clone()]);
    // The results' own names: a link exists, and is replaced with --overwrite.
    for (out, more) in [("link.tif", &[][..]), ("link.tif", &["--overwrite"][..])] {
        fs::remove_file(at.join(out)).ok();
        symlink(&victim, at.join(out)).unwrap();
        run(at, &[&["geo", "scene.tif", "-o", out, "-q", "--model", "rgb-one.onnx"], more].concat());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
    assert!(at.join("link.tif").symlink_metadata().unwrap().is_file());
    // A link in the place of the whole hidden folder is an error that names it.
    symlink(at.join("in"), at.join("out/.artir-t.tif")).unwrap();
    let refused = run(at, &["geo", "scene.tif", "-o", "out/t.tif", "-q", "--model", "rgb-one.onnx"]);
    assert_eq!(code(&refused), 3);
    assert!(text(&refused.stderr).contains(".artir-t.tif"), "{}", text(&refused.stderr));
    assert!(visible(&at.join("in")).len() == 4);
}

/// States that kills of earlier versions left, and those where two names cannot be swapped.
#[test]
fn half_published_states_are_recovered() {
    let dir = folder();
    let at = dir.path();
    assert!(ct(at, &[]).status.success());
    let (out, series) = (at.join("out"), derived(at));
    let whole = contents(&out);
    let name = series.file_name().unwrap().to_str().unwrap().to_owned();
    let hidden = out.join(format!(".artir-{name}"));
    let states: [&dyn Fn(); 4] = [
        // Between the old result's going and the new one's coming.
        &|| {
            fs::create_dir(&hidden).unwrap();
            fs::rename(&series, hidden.join("old")).unwrap();
        },
        &|| fs::rename(&series, out.join(format!(".artir-{name}.old"))).unwrap(),
        // Before the old result was removed.
        &|| {
            fs::create_dir_all(hidden.join("series")).unwrap();
            fs::write(hidden.join("series/0001.dcm"), "old").unwrap();
        },
        &|| {
            fs::create_dir(out.join(format!(".artir-{name}.old"))).unwrap();
            fs::write(out.join(format!(".artir-{name}.old/0001.dcm")), "old").unwrap();
        },
    ];
    for state in states {
        for flag in ["--resume", "--overwrite"] {
            state();
            let done = ct(at, &[flag]);
            assert!(done.status.success(), "{flag}: {}", text(&done.stderr));
            assert!(visible(&out) == whole);
            if flag == "--overwrite" {
                assert!(names(&out) == [name.as_str()]);
            }
            fs::remove_dir_all(out.join(format!(".artir-{name}.old"))).ok();
        }
    }
}

/// Not even where the run ends before the folder is searched.
#[test]
fn a_report_never_takes_the_place_of_a_slice() {
    let dir = folder();
    let at = dir.path();
    let before = contents(&at.join("in"));
    let slice = files(&at.join("in"))[0].display().to_string();
    for model in ["ct-one.onnx", "lost.onnx"] {
        let done = run(at, &["ct", "in", "-o", "out", "--model", model, "--overwrite", "--report", &slice]);
        assert_eq!(code(&done), 2, "{}", text(&done.stderr));
        assert!(text(&done.stderr).contains("place of a DICOM file"), "{}", text(&done.stderr));
        assert_eq!(contents(&at.join("in")), before, "{model}");
    }
    // A report among the slices may be written anew.
    for _ in 0..2 {
        let done = ct(at, &["--overwrite", "--report", "in/report.json"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
}
