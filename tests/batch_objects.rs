//! `artir batch` with inputs and results in a store. The store is a stand-in on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use artir_tests::{
    artir,
    models::rgb_denoiser,
    objects::{KEY, Objects},
    random::Random,
};
use made::{contents, files, models, names, photo, run, scene, series, text, write_jobs};
use ndarray::Array3;
use serde_json::{Value, json};

/// A secret that must appear nowhere.
const SECRET: &str = "geheim-und-lang";

fn command(dir: &Path, store: &Objects, arguments: &[&str]) -> Command {
    let mut command = artir();
    command.args(["batch", "--allow-remote"]).args(arguments).current_dir(dir);
    command.env("AWS_ENDPOINT_URL", &store.address).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    // Neither a proxy nor a file of the user is asked.
    command.env("http_proxy", "http://127.0.0.1:9").env("no_proxy", "127.0.0.1").env("HOME", dir);
    command
}

fn batch(dir: &Path, store: &Objects, arguments: &[&str]) -> Output {
    command(dir, store, arguments).output().unwrap()
}

/// Puts the files of a folder into the store.
fn put(store: &Objects, folder: &Path, prefix: &str) {
    for (name, bytes) in contents(folder) {
        store.put("data", &format!("{prefix}{name}"), bytes);
    }
}

fn record(dir: &Path, id: &str) -> Value {
    serde_json::from_slice(&fs::read(dir.join(format!("out/.artir/done/{id}.json"))).unwrap()).unwrap()
}

/// A series, a scene with its overviews' file, and a photograph, in folders and in the store; their jobs.
fn inputs(dir: &Path, store: &Objects) -> Vec<Value> {
    models(dir);
    fs::write(dir.join("denoise.onnx"), rgb_denoiser(0.5)).unwrap();
    for folder in ["Ärzte & Co/reihe 1", "szenen"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    series(&dir.join("Ärzte & Co/reihe 1"), 3, 0.0);
    scene(&dir.join("szenen/bild ü.tif"), 90, 80);
    fs::write(dir.join("szenen/bild ü.tif.aux.xml"), "<PAMDataset><Metadata/></PAMDataset>").unwrap();
    photo(&dir.join("szenen/foto #1.png"), 77);
    put(store, &dir.join("Ärzte & Co"), "Ärzte & Co/");
    put(store, &dir.join("szenen"), "szenen/");
    // Some programs mark a folder by an empty object, and others have names that begin alike.
    store.put("data", "Ärzte & Co/reihe 1/", Vec::new());
    store.put("data", "Ärzte & Co/reihe 10/no image", b"x".to_vec());
    vec![
        json!({"id": "a", "command": "ct", "input": "s3://data/Ärzte & Co/reihe 1", "options": {"model": "ct-half.onnx"}}),
        json!({"id": "b", "command": "geo", "input": "s3://data/szenen/bild ü.tif", "output": "karten/b 1.tif",
            "options": {"model": "rgb-half.onnx", "range": "0,255"}}),
        json!({"id": "c", "command": "image", "input": "s3://data/szenen/foto #1.png", "options": {"model": "denoise.onnx"}}),
    ]
}

/// The results of single runs on the files of [`inputs`].
fn single_runs(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::create_dir_all(dir.join("single/karten")).unwrap();
    for arguments in [
        ["ct", "Ärzte & Co/reihe 1", "-o", "single/a", "--model=ct-half.onnx"].as_slice(),
        &["geo", "szenen/bild ü.tif", "-o", "single/karten/b 1.tif", "--model=rgb-half.onnx", "--range=0,255"],
        &["image", "szenen/foto #1.png", "-o", "single/c.png", "--model=denoise.onnx"],
    ] {
        let done = run(dir, arguments);
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    contents(&dir.join("single"))
}

/// No file of the batch holds a secret or the name of an input.
fn names_nothing(dir: &Path) {
    for (name, bytes) in contents(&dir.join("out/.artir")) {
        let held = text(&bytes);
        for word in [SECRET, KEY, "127.0.0.1", "s3://", "reihe 1", "bild ü"] {
            assert!(!held.contains(word), "{name} holds {word}: {held}");
        }
    }
}

#[test]
fn objects_are_fetched_restored_and_uploaded_as_by_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    write_jobs(dir, &inputs(dir, &store));
    fs::create_dir(dir.join("temporary")).unwrap();
    let expected = single_runs(dir);
    let go = || {
        let arguments = ["jobs.jsonl", "-o", "out", "--upload", "s3://data/er gebnis/"];
        command(dir, &store, &arguments).env("TMPDIR", dir.join("temporary")).output().unwrap()
    };
    let done = go();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let mut found = store.below("data", "er gebnis/");
    let records: Vec<String> = found.keys().filter(|key| key.starts_with(".artir/")).cloned().collect();
    assert_eq!(records, [".artir/done/a.json", ".artir/done/b.json", ".artir/done/c.json"]);
    for key in records {
        let own = record(dir, &key[12..13]);
        assert_eq!(serde_json::from_slice::<Value>(&found.remove(&key).unwrap()).unwrap(), own);
        assert_eq!(own["state"], "done");
    }
    assert!(found.keys().eq(expected.keys()), "{:?} {:?}", found.keys(), expected.keys());
    assert!(found == expected, "the results differ from those of single runs");
    // The folder of results keeps none, and no copy of an input is left.
    assert_eq!(names(&dir.join("out")), [".artir"]);
    assert_eq!(names(&dir.join("out/.artir/staged")), [""; 0]);
    // The runtime keeps a file of its own there.
    assert!(names(&dir.join("temporary")).iter().all(|name| !name.starts_with("artir-")));
    names_nothing(dir);
    // The record of a job comes after all of its result.
    let asked = store.asked();
    let at = |text: &str| asked.iter().rposition(|line| line.contains(text)).unwrap();
    assert!(at("PUT /data/er gebnis/a/") < at("PUT /data/er gebnis/.artir/done/a.json"), "{asked:?}");
    // What is done is known without reading objects.
    assert!(text(&go().stdout).contains("3 done (3 before)"));
    assert!(store.asked().iter().all(|line| line.starts_with("GET /data?")));
    // Of a result that lost an object, of a changed input, and of an input with the same bytes and another tag.
    let slice = expected.keys().find(|key| key.ends_with(".dcm")).unwrap().clone();
    store.remove("data", &format!("er gebnis/{slice}"));
    scene(&dir.join("szenen/bild ü.tif"), 70, 80);
    put(&store, &dir.join("szenen"), "szenen/");
    assert!(text(&go().stdout).contains("3 done (1 before)"));
    assert_eq!(store.below("data", "er gebnis/")[&slice], expected[&slice]);
    // What an earlier result had and a new one has not goes.
    store.put("data", "er gebnis/a/old.dcm", b"old".to_vec());
    assert!(text(&go().stdout).contains("3 done (2 before)"));
    assert!(!store.below("data", "er gebnis/").contains_key("a/old.dcm"));
    // GDAL would read these with the new scene.
    let scene = expected.keys().find(|key| key.ends_with(".tif")).unwrap();
    let stale = [format!("{scene}.aux.xml"), Path::new(scene).with_extension("tfw").to_str().unwrap().to_owned()];
    for key in &stale {
        store.put("data", &format!("er gebnis/{key}"), b"old".to_vec());
    }
    store.remove("data", &format!("er gebnis/{scene}"));
    assert!(text(&go().stdout).contains("3 done (2 before)"));
    let found = store.below("data", "er gebnis/");
    assert!(found.contains_key(scene) && !stale.iter().any(|key| found.contains_key(key)), "{:?}", found.keys());
}

#[test]
fn a_scene_among_many_that_begin_alike_has_its_own_sidecar_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    let store = Objects::start("data");
    scene(&dir.join("1.tif"), 90, 80);
    let of_scene = fs::read(dir.join("1.tif")).unwrap();
    store.put("data", "s/1.tif", of_scene.clone());
    store.put("data", "s/1_RPC.TXT", b"no numbers".to_vec());
    store.put(
        "data",
        "s/1.tif.aux.xml",
        b"<PAMDataset><Metadata><MDI key=\"SEEN\">1</MDI></Metadata></PAMDataset>".to_vec(),
    );
    for number in 10..60 {
        store.put("data", &format!("s/{number}.tif"), of_scene.clone());
        store.put("data", &format!("s/1x{number}/2.tif"), of_scene.clone());
    }
    let options = json!({"model": "rgb-half.onnx", "range": "0,255"});
    write_jobs(dir, &[json!({"id": "a", "command": "geo", "input": "s3://data/s/1.tif", "options": options})]);
    let done = batch(dir, &store, &["jobs.jsonl", "-o", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let asked = store.asked();
    let fetched: Vec<&String> = asked.iter().filter(|line| line.starts_with("GET /data/")).collect();
    for name in ["1.tif", "1.tif.aux.xml", "1_RPC.TXT"] {
        assert!(fetched.iter().any(|line| line.ends_with(&format!("/data/s/{name}"))), "{name}: {asked:?}");
    }
    assert!(fetched.iter().all(|line| line.contains("/data/s/1.") || line.contains("/data/s/1_")), "{asked:?}");
    // A page of this store has four keys: the lists of all that begins with 1 would be more than a dozen.
    let lists = asked.iter().filter(|line| line.starts_with("GET /data?")).count();
    assert!(lists <= 8, "{lists} lists: {asked:?}");
}

#[test]
fn a_scene_that_may_name_anything_is_read_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    let mut job = inputs(dir, &store).remove(1);
    job["options"]["allow-remote"] = json!(true);
    write_jobs(dir, &[job]);
    let go = || batch(dir, &store, &["jobs.jsonl", "-o", "out"]);
    let done = go();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let options = ["--model=rgb-half.onnx", "--range=0,255"];
    assert!(run(dir, &[&["geo", "szenen/bild ü.tif", "-o", "single.tif"], &options[..]].concat()).status.success());
    // The records of both name the run, and a source on a network is known by its address and its beginning.
    assert!(run(dir, &["geo", "--compare", "out/karten/b 1.tif", "single.tif"]).status.success());
    assert!(store.asked().iter().any(|line| line.contains("GET /data/szenen/bild ü.tif")));
    assert!(text(&go().stdout).contains("1 done (1 before)"));
    // A change is noticed, and a store that breaks is no fault of the scene.
    scene(&dir.join("szenen/bild ü.tif"), 70, 80);
    put(&store, &dir.join("szenen"), "szenen/");
    store.fail(Some(("/data/szenen/bild ü.tif", 403)));
    let failed = go();
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    store.fail(None);
    assert!(text(&go().stdout).contains("1 done\n"));
}

#[test]
fn what_a_store_cannot_give_ends_as_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    let jobs = inputs(dir, &store);
    write_jobs(dir, &jobs[..1]);
    // Nothing goes over a network unless it is allowed.
    for arguments in [
        &["jobs.jsonl", "-o", "out"][..],
        &["jobs.jsonl", "-o", "out", "--upload", "s3://data/x"],
        &["--plan", "s3://data/", "--command", "geo", "-o", "plan.jsonl"],
    ] {
        let refused = run(dir, &[&["batch"], arguments].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains("--allow-remote"), "{}", text(&refused.stderr));
    }
    let go = |more: &[&str]| batch(dir, &store, &[&["jobs.jsonl", "-o", "out"], more].concat());
    let ends = |ended: Output, code: i32, reason: &str| {
        let said = text(&ended.stderr);
        assert!(ended.status.code() == Some(code) && said.contains(reason), "{:?} {said}", ended.status.code());
        assert!(!said.contains(SECRET) && !said.contains(KEY), "{said}");
    };
    // A bucket for results is asked for before anything is written.
    ends(go(&["--upload", "s3://nowhere/x"]), 3, "s3://nowhere/x: the store has no such bucket");
    ends(go(&["--upload", "s3://data/../x"]), 3, "s3://data/../x: its key has");
    ends(go(&["--upload", "results"]), 3, "write s3://BUCKET/PREFIX");
    let refused = batch(dir, &store, &["jobs.jsonl", "-o", "s3://data/out"]);
    ends(refused, 2, "--upload");
    let wrong = |id: &str, secret: &str| {
        let mut command = command(dir, &store, &["jobs.jsonl", "-o", "out", "--upload", "s3://data/x"]);
        command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret).output().unwrap()
    };
    ends(wrong("AKIAOTHER", SECRET), 1, "the store refuses the access (HTTP 403, InvalidAccessKeyId)");
    ends(wrong("", ""), 1, "check AWS_ACCESS_KEY_ID");
    ends(wrong(KEY, ""), 1, "both be set, or neither");
    assert!(!dir.join("out").exists());
    // Of an input: what another try may change is failed, the rest unusable.
    store.fail(Some(("GET /data/Ärzte", 403)));
    ends(go(&[]), 1, "job a: failed: the store refuses the access (HTTP 403");
    store.fail(None);
    let bad = |input: &str| {
        let mut job = jobs[0].clone();
        job["input"] = json!(input);
        write_jobs(dir, &[job]);
        go(&[])
    };
    ends(bad("s3://nowhere/x"), 4, "job a: unusable: the store has no such bucket");
    ends(bad("s3://data/Ärzte"), 4, "job a: unusable: the store has no such object");
    ends(bad("s3://data/a//b"), 3, "jobs.jsonl:1: input: its key has an empty part");
    ends(bad("s3://data"), 3, "jobs.jsonl:1: input: it names no object");
    // A store that is gone does not make a job that is done one to do.
    write_jobs(dir, &jobs[..1]);
    assert!(go(&[]).status.success());
    let first = record(dir, "a");
    store.fail(Some(("GET /data", 403)));
    ends(go(&[]), 1, "job a: failed");
    assert_eq!(record(dir, "a"), first);
    store.fail(None);
    assert!(text(&go(&[]).stdout).contains("1 done (1 before)"));
    let status = run(dir, &["batch", "--status", "out", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&status.stdout).unwrap()["states"], json!({"done": 1}));
    names_nothing(dir);
}

#[test]
fn a_failed_upload_is_tried_again_without_restoring_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    write_jobs(dir, &inputs(dir, &store)[..1]);
    let go = || batch(dir, &store, &["jobs.jsonl", "-o", "out", "--upload", "s3://data/results"]);
    for (line, status) in [("PUT /data/results/a/", 503), ("PUT /data/results/.artir/done/a.json", 403)] {
        store.fail(Some((line, status)));
        let failed = go();
        let said = text(&failed.stderr);
        assert!(failed.status.code() == Some(1) && said.contains("the result is not in its store"), "{said}");
        assert!(!dir.join("out/.artir/done/a.json").exists());
        assert!(!store.below("data", "results/").contains_key(".artir/done/a.json"));
        assert_eq!(names(&dir.join("out/.artir/running")), [""; 0]);
    }
    let staged: Value = serde_json::from_slice(&fs::read(dir.join("out/.artir/staged/a.json")).unwrap()).unwrap();
    store.fail(None);
    store.asked();
    assert!(text(&go().stdout).contains("1 done\n"));
    assert_eq!(record(dir, "a")["begun"], staged["begun"]);
    assert!(store.asked().iter().all(|line| !line.starts_with("GET /data/Ärzte")));
    // A result that is made again takes nothing from one that was left.
    store.fail(Some(("PUT /data/results/a/", 403)));
    let mut jobs = inputs(dir, &store);
    jobs[0]["options"]["preview"] = json!(true);
    write_jobs(dir, &jobs[..1]);
    assert_eq!(go().status.code(), Some(1));
    jobs[0]["options"]["preview"] = json!(false);
    write_jobs(dir, &jobs[..1]);
    store.fail(None);
    assert!(go().status.success());
    assert!(store.below("data", "results/").keys().all(|key| !key.ends_with(".html")));
}

/// The originals, and what belongs to a scene of a name that begins alike.
#[test]
fn an_upload_replaces_and_removes_nothing_but_earlier_results() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    let mut jobs = inputs(dir, &store);
    jobs[0]["output"] = json!("Ärzte & Co/reihe 1");
    jobs[1]["output"] = json!("szenen/karte.tif");
    store.put("data", "szenen/karte.tfw", b"of szenen/karte.jp2".to_vec());
    jobs[2]["output"] = json!("szenen/foto #1.png");
    let mut over = jobs[1].clone();
    (over["id"], over["output"]) = (json!("d"), json!("szenen/neu.vrt"));
    jobs.push(over);
    store.put("data", "szenen/neu.tif", b"the pixels of another virtual raster".to_vec());
    write_jobs(dir, &jobs);
    let before = store.below("data", "");
    let go = || batch(dir, &store, &["jobs.jsonl", "-o", "out", "--upload", "s3://data"]);
    for _ in 0..2 {
        let refused = go();
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.matches("is no result of this job").count() == 4, "{said}");
        assert!(store.below("data", "") == before, "the originals are not as they were");
    }
    // The same places below another prefix are free.
    let done = batch(dir, &store, &["jobs.jsonl", "-o", "out", "--upload", "s3://data/results"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(go().status.code(), Some(1));
    assert!(before.iter().all(|(key, bytes)| store.below("data", "").get(key) == Some(bytes)));
}

fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_kill_during_an_upload_leaves_no_result_and_the_next_run_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    let mut jobs = inputs(dir, &store);
    // More than one part, also when it is compressed.
    let mut random = Random(29);
    let noise = Array3::from_shape_fn((3, 2800, 2700), |_| random.below(256) as u8);
    artir_geo::write_rgb_geotiff(&dir.join("szenen/large.tif"), &noise, [5e5, 2.5, 0.0, 5.4e6, 0.0, -2.5], 32632)
        .unwrap();
    put(&store, &dir.join("szenen"), "szenen/");
    jobs[1]["input"] = json!("s3://data/szenen/large.tif");
    let arguments = ["jobs.jsonl", "-o", "out", "--upload", "s3://data/results"];
    let (ever, while_stopped) = (Duration::from_secs(600), Duration::from_secs(1));
    for (job, slow, time, signal) in [
        (0, "PUT /data/results/.artir/done", ever, "KILL"),
        (1, "partNumber=2", ever, "KILL"),
        (1, "partNumber=1", while_stopped, "TERM"),
    ] {
        fs::remove_dir_all(dir.join("out")).ok();
        for key in store.below("data", "results/").keys() {
            store.remove("data", &format!("results/{key}"));
        }
        write_jobs(dir, &jobs[job..=job]);
        store.asked();
        store.wait(Some((slow, time)));
        let mut child = command(dir, &store, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let place = dir.join("out/.artir/staged");
        until("the upload begins", || store.asked().iter().any(|line| line.contains(slow)));
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        let code = child.wait().unwrap().code();
        assert_eq!(code, (signal == "TERM").then_some(130));
        let found = store.below("data", "results/");
        assert!(found.keys().all(|key| !key.contains(".artir/done")), "{:?}", found.keys());
        if job == 1 {
            assert_eq!(found.len(), 0, "a scene that is half in the store");
        }
        let id = jobs[job]["id"].as_str().unwrap();
        let staged = fs::read(place.join(format!("{id}.json"))).unwrap();
        store.wait(None);
        if signal == "TERM" {
            assert_eq!(store.unfinished(), 1, "parts that nobody will use: those of the kill before, and no others");
        }
        let done = batch(dir, &store, &arguments);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let staged: Value = serde_json::from_slice(&staged).unwrap();
        assert_eq!(record(dir, id)["begun"], staged["begun"], "the result was made again");
        let found = store.below("data", "results/");
        assert!(found.contains_key(&format!(".artir/done/{id}.json")));
        assert_eq!(names(&place), [""; 0]);
    }
    let options = ["--model=rgb-half.onnx", "--range=0,255"];
    assert!(run(dir, &[&["geo", "szenen/large.tif", "-o", "single.tif"], &options[..]].concat()).status.success());
    assert!(store.below("data", "results/")["karten/b 1.tif"] == fs::read(dir.join("single.tif")).unwrap());
}

#[test]
fn the_objects_of_a_store_are_planned_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let store = Objects::start("data");
    inputs(dir, &store);
    for (n, file) in files(&dir.join("Ärzte & Co/reihe 1")).iter().enumerate() {
        store.put("data", &format!("Ärzte & Co/reihe 2/{n}"), fs::read(file).unwrap());
    }
    let plan = |command: &str, source: &str| {
        let planned = batch(dir, &store, &["--plan", source, "--command", command, "-o", "plan.jsonl", "--overwrite"]);
        assert!(planned.status.success(), "{}", text(&planned.stderr));
        let lines = fs::read_to_string(dir.join("plan.jsonl")).unwrap();
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let inputs =
        |jobs: Vec<Value>| jobs.iter().map(|job| job["input"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(inputs(plan("geo", "s3://data")), ["s3://data/szenen/bild ü.tif"]);
    assert_eq!(
        inputs(plan("image", "s3://data/szenen")),
        ["s3://data/szenen/bild ü.tif", "s3://data/szenen/foto #1.png"]
    );
    let series = plan("ct", "s3://data/Ärzte & Co/");
    let folders = ["reihe 1", "reihe 10", "reihe 2"].map(|name| format!("s3://data/Ärzte & Co/{name}/"));
    assert_eq!(inputs(series.clone()), folders);
    assert_eq!(plan("ct", "s3://data/Ärzte & Co"), series, "ids stay the same");
    // No object was read.
    assert!(store.asked().iter().all(|line| line.starts_with("GET /data?")));
    let jobs: Vec<Value> = series
        .into_iter()
        .map(|mut job| {
            job["options"] = json!({"model": "ct-half.onnx"});
            job
        })
        .collect();
    write_jobs(dir, &jobs);
    let done = batch(dir, &store, &["jobs.jsonl", "-o", "out"]);
    assert!(
        done.status.code() == Some(4) && text(&done.stdout).contains("2 done, 1 unusable"),
        "{}",
        text(&done.stdout)
    );
    let refused = batch(dir, &store, &["--plan", "s3://data", "-o", "other.jsonl"]);
    assert!(
        refused.status.code() == Some(3) && text(&refused.stderr).contains("--command"),
        "{}",
        text(&refused.stderr)
    );
    let refused = batch(dir, &store, &["--plan", "s3://me:hidden@data", "--command", "geo", "-o", "other.jsonl"]);
    assert!(refused.status.code() == Some(3) && !text(&refused.stderr).contains("hidden"), "{}", text(&refused.stderr));
    let refused = batch(dir, &store, &["--plan", "s3://data/none", "--command", "geo", "-o", "other.jsonl"]);
    assert!(refused.status.code() == Some(3) && text(&refused.stderr).contains("nothing to restore"));
    assert!(!dir.join("other.jsonl").exists());
}
