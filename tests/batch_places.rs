//! `artir batch` where results lie: it replaces nothing that it has not made, and results within its input are no part of that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::fs;

use artir_tests::models::rgb_denoiser;
use made::{models, photo, rename_series, run, scene, series, text, write_jobs};
use serde_json::{Value, json};

#[test]
fn a_file_that_the_batch_has_not_made_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("denoise.onnx"), rgb_denoiser(0.5)).unwrap();
    photo(&dir.join("a.png"), 1);
    let original = b"a photograph of somebody's";
    fs::write(dir.join("b.png"), original).unwrap();
    let options = json!({"model": "denoise.onnx"});
    let job =
        |output: &str| json!({"id": "a", "command": "image", "input": "a.png", "output": output, "options": options});
    let go = || run(dir, &["batch", "jobs.jsonl", "-o", "."]);
    write_jobs(dir, &[job("b.png")]);
    for _ in 0..2 {
        let refused = go();
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains("is no result of this job"), "{said}");
        assert_eq!(fs::read(dir.join("b.png")).unwrap(), original);
    }
    // Nor is it when the job has a result elsewhere.
    write_jobs(dir, &[job("c.png")]);
    assert_eq!(go().status.code(), Some(0));
    write_jobs(dir, &[job("b.png")]);
    assert_eq!(go().status.code(), Some(1));
    assert_eq!(fs::read(dir.join("b.png")).unwrap(), original);
    fs::remove_file(dir.join("b.png")).unwrap();
    assert_eq!(go().status.code(), Some(0));
    assert!(fs::read(dir.join("b.png")).unwrap() == fs::read(dir.join("c.png")).unwrap());
}

/// Ten failures in a row end a process, but a place that is taken is a matter of its job alone.
#[test]
fn neither_pixels_nor_items_of_others_are_replaced_and_the_next_jobs_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    scene(&dir.join("in.tif"), 90, 80);
    fs::create_dir(dir.join("out")).unwrap();
    let job = |id: &str, output: &str, range: &str, stac: bool| {
        let options = json!({"model": "rgb-one.onnx", "range": range, "stac": stac});
        json!({"id": id, "command": "geo", "input": "in.tif", "output": output, "options": options})
    };
    let mut others = vec!["virtual.tif".to_owned(), "item.stac.json".to_owned()];
    let mut jobs = vec![job("v", "virtual.vrt", "0,255", false), job("i", "item.tif", "0,255", true)];
    for n in 0..10 {
        others.push(format!("{n}.tif"));
        jobs.push(job(&format!("n{n}"), &format!("{n}.tif"), "0,255", false));
    }
    jobs.push(job("last", "last.tif", "0,255", false));
    others.iter().for_each(|name| fs::write(dir.join("out").join(name), "somebody's").unwrap());
    let go = |jobs: &[Value]| {
        write_jobs(dir, jobs);
        let done = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
        (text(&done.stdout), text(&done.stderr).matches("is no result of this job").count())
    };
    assert_eq!(go(&jobs), ("shard 0/1: 13 job(s): 1 done, 12 failed\n".to_owned(), 12));
    assert!(others.iter().all(|name| fs::read(dir.join("out").join(name)).unwrap() == b"somebody's"));
    others.iter().for_each(|name| fs::remove_file(dir.join("out").join(name)).unwrap());
    assert_eq!(go(&jobs), ("shard 0/1: 13 job(s): 13 done (1 before)\n".to_owned(), 0));
    // Its own results are replaced.
    jobs.truncate(2);
    jobs.iter_mut().for_each(|job| job["options"]["range"] = json!("0,250"));
    assert_eq!(go(&jobs), ("shard 0/1: 2 job(s): 2 done\n".to_owned(), 0));
}

#[test]
fn a_job_whose_result_lies_within_its_input_is_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    series(&dir.join("in/s"), 3, 0.0);
    write_jobs(dir, &[json!({"id": "a", "command": "ct", "input": "in", "options": {"model": "ct-one.onnx"}})]);
    let go = || text(&run(dir, &["batch", "jobs.jsonl", "-o", "in/results"]).stdout);
    assert_eq!(go(), "shard 0/1: 1 job(s): 1 done\n");
    assert_eq!(go(), "shard 0/1: 1 job(s): 1 done (1 before)\n");
    series(&dir.join("in/t"), 2, 9.0);
    rename_series(&dir.join("in/t"), "1.2.3");
    assert_eq!(go(), "shard 0/1: 1 job(s): 1 done\n");
}
