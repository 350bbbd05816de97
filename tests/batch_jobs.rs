//! `artir batch`: shards whose processes are killed at random, reruns, changes, and what records hold. `ARTIR_BATCH_JOBS` sets the
//! number of jobs under fire, `ARTIR_KILLS_SEED` the moments.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, SystemTime},
};

use artir_tests::{artir, models::rgb_denoiser, random::Random, setting};
use made::{contents, models, names, photo, rename_series, run, scene, series, text, write_jobs};
use serde_json::{Value, json};

/// Of twenty jobs, the one that is bad.
const BAD: u64 = 7;

/// A manifest of so many jobs in `dir`, every twentieth of them bad. Returns its jobs.
fn made_jobs(dir: &Path, count: u64) -> Vec<Value> {
    models(dir);
    fs::write(dir.join("denoise.onnx"), rgb_denoiser(0.5)).unwrap();
    fs::create_dir_all(dir.join("in")).unwrap();
    let jobs: Vec<Value> = (0..count)
        .map(|n| {
            let (id, input) = (format!("job-{n}"), format!("in/{n}"));
            let at = dir.join(&input);
            if n % 20 == BAD {
                let kind = n / 20 % 3;
                let command = ["ct", "geo", "image"][kind as usize];
                let model = ["ct-half.onnx", "rgb-half.onnx", "denoise.onnx"][kind as usize];
                let input = if command == "ct" { input } else { format!("{input}.tif") };
                match n % 3 {
                    0 => fs::write(dir.join(&input), "no image").unwrap(),
                    1 => fs::create_dir(dir.join(&input)).unwrap(),
                    _ => {}
                }
                return json!({"id": id, "command": command, "input": input, "options": {"model": model}});
            }
            match n % 3 {
                0 => {
                    series(&at, 4, n as f32);
                    json!({"id": id, "command": "ct", "input": input, "options": {"model": "ct-half.onnx"}})
                }
                1 => {
                    scene(&dir.join(format!("{input}.tif")), 90 + n as usize, 80);
                    let options = json!({"model": "rgb-half.onnx", "range": "0,255"});
                    let (input, output) = (format!("{input}.tif"), format!("scenes/{}/{id}.tif", n % 5));
                    json!({"id": id, "command": "geo", "input": input, "output": output, "options": options})
                }
                _ => {
                    photo(&dir.join(format!("{input}.png")), n as u8);
                    let options = json!({"model": "denoise.onnx"});
                    json!({"id": id, "command": "image", "input": format!("{input}.png"), "options": options})
                }
            }
        })
        .collect();
    write_jobs(dir, &jobs);
    jobs
}

fn is_bad(job: &Value) -> bool {
    let number: Option<u64> = job["id"].as_str().unwrap().strip_prefix("job-").and_then(|n| n.parse().ok());
    number.is_some_and(|n| n % 20 == BAD)
}

/// Where a job's result lies below `out`.
fn place(job: &Value) -> String {
    let id = job["id"].as_str().unwrap();
    match (job["output"].as_str(), job["command"].as_str().unwrap()) {
        (Some(output), _) => output.to_owned(),
        (None, "image") => format!("{id}.png"),
        (None, "geo") => format!("{id}.tif"),
        _ => id.to_owned(),
    }
}

fn result(out: &Path, job: &Value) -> BTreeMap<String, Vec<u8>> {
    let path = out.join(place(job));
    if path.is_file() { BTreeMap::from([(String::new(), fs::read(path).unwrap())]) } else { contents(&path) }
}

/// Restores each good job by a run of its own.
fn single_runs(dir: &Path, jobs: &[Value]) {
    for job in jobs.iter().filter(|job| !is_bad(job)) {
        let out = format!("single/{}", place(job));
        let mut arguments = vec![job["command"].as_str().unwrap().to_owned(), "-q".into(), "-o".into(), out];
        for (name, value) in job["options"].as_object().unwrap() {
            arguments.push(format!("--{name}={}", value.as_str().unwrap()));
        }
        arguments.push(job["input"].as_str().unwrap().to_owned());
        fs::create_dir_all(dir.join("single").join(place(job)).parent().unwrap()).unwrap();
        let done = artir().args(&arguments).current_dir(dir).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    }
}

fn start(dir: &Path, shard: &str) -> Child {
    let arguments = ["batch", "jobs.jsonl", "-o", "out", "-q", "--shard", shard];
    artir().args(arguments).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn record(dir: &Path, id: &str) -> Value {
    serde_json::from_slice(&fs::read(dir.join(format!("out/.artir/done/{id}.json"))).unwrap()).unwrap()
}

/// Everything below a folder with its time of change.
fn times(folder: &Path) -> BTreeMap<String, SystemTime> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    files.map(|e| (e.path().display().to_string(), e.metadata().unwrap().modified().unwrap())).collect()
}

#[test]
fn killed_shards_leave_every_result_once_and_as_by_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let count = setting("ARTIR_BATCH_JOBS", 28);
    let jobs = made_jobs(dir, count);
    let bad = jobs.iter().filter(|job| is_bad(job)).count();
    assert!(bad >= 2);
    single_runs(dir, &jobs);
    let mut random = Random(setting("ARTIR_KILLS_SEED", 29));
    let shards = ["0/3", "1/3", "2/3"];
    let kills = count / 4;
    let mut running: Vec<Option<Child>> = shards.iter().map(|shard| Some(start(dir, shard))).collect();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_secs_f64(0.02 + 0.6 * random.uniform()));
        let victim = random.below(3);
        if let Some(mut child) = running[victim].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        running[victim] = Some(start(dir, shards[victim]));
    }
    // An engine starts a shard again until it has come to its end.
    for (child, shard) in running.iter_mut().zip(shards) {
        let mut code = child.take().unwrap().wait().unwrap().code();
        for _ in 0..3 {
            if ![Some(0), Some(4)].contains(&code) {
                code = start(dir, shard).wait().unwrap().code();
            }
        }
        assert!([Some(0), Some(4)].contains(&code), "{shard}: {code:?}");
    }
    let out = dir.join("out");
    for job in &jobs {
        let (id, state) = (job["id"].as_str().unwrap(), if is_bad(job) { "unusable" } else { "done" });
        let record = record(dir, id);
        assert_eq!(record["state"], state, "{record}");
        let found = result(&out, job);
        if is_bad(job) {
            assert!(!record["reason"].as_str().unwrap().is_empty() && found.is_empty(), "{record}");
        } else {
            assert!(!found.is_empty() && found == result(&dir.join("single"), job), "{id} differs from a single run");
        }
    }
    // Nothing else: as many results as good jobs, and no folder of a run that was killed.
    let all = contents(&out);
    let others: Vec<_> = all.keys().filter(|path| !path.starts_with(".artir/")).collect();
    let expected: usize = jobs.iter().map(|job| result(&out, job).len()).sum();
    assert_eq!(others.len(), expected, "{others:?}");
    assert!(others.iter().all(|path| !path.contains(".artir-") || path.ends_with(artir_tests::MANIFEST)), "{others:?}");
    assert_eq!(names(&out.join(".artir/running")), [""; 0]);
    // A rerun does nothing.
    let before = times(&out);
    let again = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
    assert_eq!(again.status.code(), Some(4), "{}", text(&again.stderr));
    let good = jobs.len() - bad;
    let line = format!("shard 0/1: {count} job(s): {good} done ({good} before), {bad} unusable ({bad} before)\n");
    assert_eq!(text(&again.stdout), line);
    assert_eq!(times(&out), before);
    let status = run(dir, &["batch", "--status", "out", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["total"], &status["left"]), (&json!(count), &json!(0)));
    assert_eq!((&status["states"]["done"], &status["states"]["unusable"]), (&json!(good), &json!(bad)));
}

#[test]
fn what_changes_is_done_again_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut jobs = made_jobs(dir, 7);
    let go = || {
        let done = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout)
    };
    let before = |n: usize| format!("shard 0/1: 7 job(s): 7 done ({n} before)\n");
    assert_eq!(go(), "shard 0/1: 7 job(s): 7 done\n");
    assert_eq!(go(), before(7));
    // As after a process that was killed when it had written its record.
    let left = dir.join("out/.artir/running/job-3");
    fs::write(&left, "1").unwrap();
    assert_eq!(go(), before(7));
    assert!(!left.exists());
    // Another strength: job-0 alone.
    let old = fs::read(dir.join("out/job-2.png")).unwrap();
    jobs[0]["options"]["strength"] = json!(0.5);
    write_jobs(dir, &jobs);
    assert_eq!(go(), before(6));
    // Other pixels.
    photo(&dir.join("in/2.png"), 77);
    assert_eq!(go(), before(6));
    assert!(fs::read(dir.join("out/job-2.png")).unwrap() != old);
    // A result that is gone, and one that was cut.
    fs::remove_file(dir.join("out/job-5.png")).unwrap();
    fs::write(dir.join("out").join(place(&jobs[1])), "cut").unwrap();
    assert_eq!(go(), before(5));
    // Another model under the same name.
    fs::write(dir.join("denoise.onnx"), rgb_denoiser(0.25)).unwrap();
    assert_eq!(go(), before(5));
    // Files that were touched alone are read once, and their record then has their new time.
    let bytes = fs::read(dir.join("in/2.png")).unwrap();
    fs::write(dir.join("in/2.png"), bytes).unwrap();
    let state = record(dir, "job-2")["sources"]["state"].clone();
    assert_eq!(go(), before(7));
    assert!(record(dir, "job-2")["sources"]["state"] != state);
    // What changes no result: another runtime, another release of artir, other threads.
    let of_elsewhere = |n: usize, more: &Value| {
        let mut record = record(dir, &format!("job-{n}"));
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fs::write(dir.join(format!("out/.artir/done/job-{n}.json")), record.to_string()).unwrap();
    };
    of_elsewhere(0, &json!({"runtime": "ONNX Runtime 9.9 on cuda", "artir": "9.9.9"}));
    jobs[1]["options"]["threads"] = json!(1);
    write_jobs(dir, &jobs);
    assert_eq!(go(), before(7));
    // A record of another algorithm, whose key is another.
    of_elsewhere(0, &json!({"key": "0".repeat(64)}));
    assert_eq!(go(), before(6));
    // An added line moves nothing.
    let mut more = json!({"id": "more", "command": "image", "input": "in/2.png"});
    more["options"] = json!({"model": "denoise.onnx"});
    jobs.insert(0, more);
    write_jobs(dir, &jobs);
    assert_eq!(go(), "shard 0/1: 8 job(s): 8 done (7 before)\n");
}

#[test]
fn a_bad_job_is_tried_again_when_its_input_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    let job = json!({"id": "a", "command": "ct", "input": "in", "options": {"model": "ct-one.onnx"}});
    write_jobs(dir, &[job]);
    let go = || run(dir, &["batch", "jobs.jsonl", "-o", "out"]).status.code();
    assert_eq!(go(), Some(4));
    let first = record(dir, "a");
    assert_eq!(go(), Some(4));
    assert_eq!(record(dir, "a"), first);
    series(&dir.join("in"), 3, 0.0);
    assert_eq!(go(), Some(0));
    assert_eq!(record(dir, "a")["slices"], 3);
}

/// No size and no time of a file changes when it may be read again. The superuser may read every file, so artir runs as somebody
/// else.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_read_is_tried_again_when_it_can_be() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    series(&dir.join("in"), 3, 0.0);
    scene(&dir.join("in.tif"), 90, 80);
    write_jobs(
        dir,
        &[
            json!({"id": "a", "command": "ct", "input": "in", "options": {"model": "ct-one.onnx"}}),
            json!({"id": "b", "command": "geo", "input": "in.tif", "options": {"model": "rgb-one.onnx", "range": "0,255"}}),
        ],
    );
    let binary = dir.join("artir");
    fs::copy(artir().get_program(), &binary).unwrap();
    let slice = made::files(&dir.join("in")).remove(0);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir(dir.join("out")).unwrap();
    mode(dir, 0o755);
    mode(&dir.join("out"), 0o777);
    let go = || {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        command.args(["batch", "jobs.jsonl", "-o", "out"]).env("ORT_DYLIB_PATH", artir_tests::runtime());
        command.env("HOME", dir).current_dir(dir).output()
    };
    let locked = [slice, dir.join("in.tif")];
    locked.iter().for_each(|path| mode(path, 0o000));
    let Ok(first) = go() else {
        println!("skipped: no setpriv");
        return;
    };
    if text(&first.stderr).contains("setpriv:") {
        println!("skipped: setpriv may not change the user");
        return;
    }
    assert_eq!(first.status.code(), Some(4), "{}", text(&first.stderr));
    // Nothing has changed.
    assert!(text(&go().unwrap().stdout).contains("2 unusable (2 before)"));
    locked.iter().for_each(|path| mode(path, 0o644));
    let again = go().unwrap();
    assert_eq!(text(&again.stdout), "shard 0/1: 2 job(s): 2 done\n", "{}", text(&again.stderr));
}

/// SIGTERM ends the process in good order, and the next one goes on.
#[test]
fn a_terminated_process_leaves_no_count_and_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made_jobs(dir, 40);
    let mut child = start(dir, "0/1");
    let done = dir.join("out/.artir/done");
    while names(&done).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "the process ended before its first job");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&dir.join("out/.artir/running")), [""; 0]);
    assert!(names(&done).len() < 40);
    assert_eq!(start(dir, "0/1").wait().unwrap().code(), Some(4));
    assert_eq!(names(&done).len(), 40);
}

#[test]
fn what_cannot_be_run_is_refused_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let good = json!({"id": "a", "command": "ct", "input": "x"});
    let refused = |jobs: &[Value], more: &[&str], code: i32, reason: &str| {
        write_jobs(dir, jobs);
        let done = run(dir, &[&["batch", "jobs.jsonl", "-o", "out"], more].concat());
        let said = text(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(reason), "{said}");
        assert!(!dir.join("out").exists(), "{said}");
    };
    refused(&[good.clone(), good.clone()], &[], 3, "jobs.jsonl:2: id 'a'");
    refused(&[json!({"id": "a"})], &[], 3, "jobs.jsonl:1: not a job");
    let options = json!({"id": "b", "command": "image", "input": "x", "options": {"bands": "1,2,3"}});
    refused(&[good.clone(), options], &[], 2, "job b: unexpected argument '--bands'");
    let report = json!({"id": "b", "command": "ct", "input": "x", "options": {"report": "r.json"}});
    refused(&[report], &[], 3, "jobs.jsonl:1: option 'report'");
    let output = json!({"id": "b", "command": "ct", "input": "x", "output": "../x"});
    refused(&[output], &[], 3, "below the folder of results");
    refused(&[good], &["--shard", "2/2"], 2, "I/N");
    let status = run(dir, &["batch", "--status", "."]);
    assert_eq!(status.status.code(), Some(3), "{}", text(&status.stderr));
}

#[test]
fn records_and_reports_name_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    fs::create_dir_all(dir.join("DOE^JANE")).unwrap();
    series(&dir.join("DOE^JANE/ct"), 3, 0.0);
    fs::copy(made::files(&dir.join("DOE^JANE/ct"))[0].clone(), dir.join("DOE^JANE/doe.dcm")).unwrap();
    let half = fs::read(dir.join("DOE^JANE/doe.dcm")).unwrap();
    fs::write(dir.join("DOE^JANE/doe.dcm"), &half[..half.len() / 2]).unwrap();
    fs::write(dir.join("DOE^JANE/doe.png"), "no image").unwrap();
    fs::write(dir.join("DOE^JANE/doe.nii"), "no volume").unwrap();
    let model = json!({"model": "ct-half.onnx", "preview": true, "select": "PatientName!=Doe"});
    let jobs = [
        json!({"id": "a", "command": "ct", "input": "DOE^JANE/ct", "output": "doe/jane", "options": model}),
        json!({"id": "b", "command": "ct", "input": "DOE^JANE/doe.dcm", "options": {"model": "ct-half.onnx"}}),
        json!({"id": "c", "command": "image", "input": "DOE^JANE/doe.png", "options": {"model": "rgb-half.onnx"}}),
        json!({"id": "d", "command": "ct", "input": "DOE^JANE/doe.nii", "options": {"model": "ct-half.onnx"}}),
        json!({"id": "e", "command": "ct", "input": "DOE^JANE/none", "options": {"model": "ct-half.onnx"}}),
    ];
    write_jobs(dir, &jobs);
    let go = |more: &[&str]| {
        let done = run(dir, &[&["batch", "jobs.jsonl", "-o", "out"], more].concat());
        assert_eq!(done.status.code(), Some(4), "{}", text(&done.stderr));
        text(&done.stderr) + &text(&done.stdout)
    };
    let said = go(&[]).to_lowercase();
    assert!(!said.contains("doe") && !said.contains("jane"), "{said}");
    let merged = run(dir, &["batch", "--merge", "out", "-o", "report"]);
    assert!(merged.status.success(), "{}", text(&merged.stderr));
    let page = fs::read_to_string(dir.join("report/report.html")).unwrap();
    assert!(page.contains("Contact sheet"), "a picture of the preview is missing");
    let written = contents(&dir.join("out/.artir")).into_iter().chain(contents(&dir.join("report")));
    for (name, bytes) in written.filter(|(name, _)| name != "salt" && !name.ends_with(".png")) {
        let found = text(&bytes).to_lowercase();
        assert!(!found.contains("doe") && !found.contains("jane"), "{name}: {found}");
        assert!(!found.contains(&dir.display().to_string()), "{name}: {found}");
    }
    for (id, reason) in [("b", "a file: "), ("c", "input: "), ("d", "a file: "), ("e", "a file: ")] {
        let record = record(dir, id);
        assert!(record["reason"].as_str().unwrap().contains(reason), "{record}");
    }
    fs::remove_dir_all(dir.join("out")).unwrap();
    go(&["--show-paths"]);
    assert_eq!(record(dir, "a")["input"], json!(["DOE^JANE/ct"]));
    assert_eq!(record(dir, "a")["settings"]["select"], "PatientName!=Doe");
}

#[test]
fn an_archive_is_planned_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    series(&dir.join("archive/p1/s1"), 3, 0.0);
    series(&dir.join("archive/p2/s2"), 2, 9.0);
    rename_series(&dir.join("archive/p2/s2"), "1.2.3.4");
    // Two series in one folder: each names its files.
    series(&dir.join("archive/p3"), 2, 20.0);
    rename_series(&dir.join("archive/p3"), "1.2.3.5");
    series(&dir.join("other"), 2, 30.0);
    rename_series(&dir.join("other"), "1.2.3.6");
    for file in made::files(&dir.join("other")) {
        fs::rename(&file, dir.join("archive/p3").join(format!("x-{}", file.file_name().unwrap().to_str().unwrap())))
            .unwrap();
    }
    fs::write(dir.join("archive/p1/notes.txt"), "x").unwrap();
    let plan = |more: &[&str]| run(dir, &[&["batch", "--plan", "archive", "-o", "jobs.jsonl"], more].concat());
    let planned = plan(&[]);
    assert!(planned.status.success(), "{}", text(&planned.stderr));
    assert!(text(&planned.stdout).starts_with("4 job(s)"), "{}", text(&planned.stdout));
    let lines = fs::read_to_string(dir.join("jobs.jsonl")).unwrap();
    let jobs: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let inputs: Vec<_> = jobs.iter().map(|job| job["input"].as_array().map_or(1, Vec::len)).collect();
    assert_eq!(inputs, [1, 1, 2, 2], "{lines}");
    assert!(jobs[0]["input"].as_str().unwrap().ends_with("archive/p1/s1"));
    assert_eq!(plan(&[]).status.code(), Some(2));
    assert!(plan(&["--overwrite"]).status.success());
    assert_eq!(fs::read_to_string(dir.join("jobs.jsonl")).unwrap(), lines);
    let done = run(dir, &["batch", "jobs.jsonl", "-o", "out", "--shard", "0/1"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let slices: u64 = jobs.iter().map(|job| record(dir, job["id"].as_str().unwrap())["slices"].as_u64().unwrap()).sum();
    assert_eq!(slices, 9);
    assert_eq!(plan(&["--overwrite", "--command", "geo"]).status.code(), Some(3));
}
