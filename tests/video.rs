//! `artir image --video`: frames in order, resumed, and never mixed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::Output,
};

use artir_tests::{artir, models, names, text};
use image::{Rgb, RgbImage};

/// The frames, in the order of their numbers.
const FRAMES: [&str; 5] = ["f1.png", "f2.png", "f9.png", "f10.png", "f100.png"];

/// A folder with frames of one colour each, and networks that halve and that keep values.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("frames")).unwrap();
    for (n, name) in FRAMES.iter().enumerate() {
        frame(dir.path(), name, 40 + 20 * n as u8);
    }
    fs::write(dir.path().join("frames/notes.txt"), "not a frame").unwrap();
    fs::write(dir.path().join("half.onnx"), models::rgb_denoiser(0.5)).unwrap();
    fs::write(dir.path().join("keep.onnx"), models::rgb_denoiser(1.0)).unwrap();
    dir
}

fn frame(dir: &Path, name: &str, grey: u8) {
    RgbImage::from_pixel(20, 12, Rgb([grey; 3])).save(dir.join("frames").join(name)).unwrap();
}

fn video(dir: &Path, arguments: &[&str]) -> Output {
    let common = ["image", "--video", "frames", "-o", "out", "--model"];
    let model = if arguments.contains(&"keep") { "keep.onnx" } else { "half.onnx" };
    let rest = arguments.iter().filter(|word| **word != "keep");
    artir().args(common).arg(model).args(rest).current_dir(dir).output().unwrap()
}

fn done(dir: &Path, arguments: &[&str]) -> String {
    let done = video(dir, arguments);
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn refused(dir: &Path, arguments: &[&str], code: i32) -> String {
    let done = video(dir, arguments);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stderr)
}

/// The grey value of a restored frame.
fn grey(dir: &Path, name: &str) -> u8 {
    image::open(dir.join("out").join(name)).unwrap().to_rgb8().get_pixel(3, 3).0[1]
}

/// The inodes of all restored frames: a frame that is written again has another.
fn inodes(dir: &Path) -> Vec<u64> {
    FRAMES.iter().map(|name| fs::metadata(dir.join("out").join(name)).unwrap().ino()).collect()
}

#[test]
fn frames_are_restored_in_the_order_of_their_numbers() {
    let dir = folder();
    let run = video(dir.path(), &["--progress", "json"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let begun: Vec<String> = text(&run.stderr)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["done"] == 0)
        .map(|line| line["item"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> =
        FRAMES.iter().enumerate().map(|(n, name)| format!("{} of 5: frames/{name}", n + 1)).collect();
    assert_eq!(begun, expected);
    assert_eq!(text(&run.stdout).trim(), "5 frame(s) restored, 0 were done before, 0 failed");
    for (n, name) in FRAMES.iter().enumerate() {
        assert_eq!(grey(dir.path(), name), 20 + 10 * n as u8, "{name}");
    }
    let mut expected = FRAMES.map(str::to_owned).to_vec();
    expected.push(".artir-frames".into());
    expected.sort();
    assert_eq!(names(&dir.path().join("out")), expected);
}

/// After any end, a run with --resume does what is missing and nothing else.
#[test]
fn a_run_continues_where_it_ended() {
    let dir = folder();
    let path = dir.path();
    fs::write(path.join("frames/f9.png"), "damaged").unwrap();
    let failed = video(path, &[]);
    assert_eq!(failed.status.code(), Some(4));
    assert!(text(&failed.stderr).contains("frames/f9.png"), "{}", text(&failed.stderr));
    assert_eq!(text(&failed.stdout).trim(), "4 frame(s) restored, 0 were done before, 1 failed");
    assert!(!path.join("out/f9.png").exists());
    // The frame is mended, one is lost, and one is another than it was.
    frame(path, "f9.png", 80);
    fs::remove_file(path.join("out/f2.png")).unwrap();
    frame(path, "f10.png", 200);
    let kept = [0, 4].map(|n| fs::metadata(path.join("out").join(FRAMES[n])).unwrap().ino());
    assert!(done(path, &["--resume"]).contains("3 frame(s) restored, 2 were done before"));
    let now = inodes(path);
    assert_eq!([now[0], now[4]], kept);
    assert_eq!(FRAMES.map(|name| grey(path, name)), [20, 30, 40, 100, 60]);
    // Nothing is left to do, also after a kill in the middle of the journal's last line.
    assert!(done(path, &["--resume"]).contains("0 frame(s) restored, 5 were done before"));
    assert_eq!(inodes(path), now);
    let journal = path.join("out/.artir-frames");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.extend(b"0123456789abcdef");
    fs::write(&journal, bytes).unwrap();
    assert!(done(path, &["--resume"]).contains("0 frame(s) restored, 5 were done before"));
    // More frames come.
    frame(path, "f3.png", 90);
    assert!(done(path, &["--resume"]).contains("1 frame(s) restored, 5 were done before"));
    assert_eq!(grey(path, "f3.png"), 45);
    // Results of frames that are no longer there stay, and are named.
    fs::remove_file(path.join("frames/f3.png")).unwrap();
    fs::remove_file(path.join("frames/f100.png")).unwrap();
    let fewer = video(path, &["--resume"]);
    let said = text(&fewer.stderr);
    let warning = "out: holds 2 picture(s) of no frame here, the first is out/f3.png";
    assert!(fewer.status.success() && said.contains(warning), "{said}");
    assert!(path.join("out/f100.png").exists());
}

#[test]
fn settings_are_not_mixed_and_other_files_are_kept() {
    let dir = folder();
    let path = dir.path();
    done(path, &[]);
    let before = inodes(path);
    assert!(refused(path, &[], 2).contains("out/f1.png: already exists: use --resume or --overwrite"));
    for other in [&["keep"][..], &["--strength", "0.5"], &["--tile", "8"]] {
        let error = refused(path, &[other, &["--resume"]].concat(), 2);
        assert!(error.contains("another model or other settings"), "{error}");
    }
    assert_eq!(inodes(path), before);
    // A file that someone changed is not replaced unless it is asked for.
    fs::write(path.join("out/f2.png"), "mine").unwrap();
    let error = refused(path, &["--resume"], 4);
    assert!(error.contains("out/f2.png: was changed, or not written by this run"), "{error}");
    assert_eq!(fs::read(path.join("out/f2.png")).unwrap(), b"mine");
    assert!(done(path, &["--resume", "--overwrite"]).contains("1 frame(s) restored, 4 were done before"));
    assert_eq!(grey(path, "f2.png"), 30);
    assert!(done(path, &["keep", "--overwrite"]).contains("5 frame(s) restored, 0 were done before"));
    assert_eq!(FRAMES.map(|name| grey(path, name)), [40, 60, 80, 100, 120]);
}

#[test]
fn frames_may_be_links() {
    let dir = folder();
    let path = dir.path();
    fs::rename(path.join("frames"), path.join("shot")).unwrap();
    fs::create_dir(path.join("frames")).unwrap();
    for name in FRAMES {
        symlink(path.join("shot").join(name), path.join("frames").join(name)).unwrap();
    }
    assert!(done(path, &[]).contains("5 frame(s) restored"));
    assert_eq!(FRAMES.map(|name| grey(path, name)), [20, 30, 40, 50, 60]);
    // The frame behind a link counts, and one that is gone is named.
    RgbImage::from_pixel(20, 12, Rgb([200; 3])).save(path.join("shot/f2.png")).unwrap();
    fs::remove_file(path.join("shot/f9.png")).unwrap();
    assert!(refused(path, &["--resume"], 4).contains("frames/f9.png: cannot read"));
    assert_eq!(grey(path, "f2.png"), 100);
    // A link to a result is not overwritten by what is made of it.
    fs::remove_file(path.join("frames/f9.png")).unwrap();
    symlink(path.join("out/f9.png"), path.join("frames/f9.png")).unwrap();
    assert!(refused(path, &["--overwrite"], 2).contains("out/f9.png: would overwrite a frame"));
    assert_eq!(grey(path, "f9.png"), 40);
}

#[test]
fn what_is_no_folder_of_frames_is_refused() {
    let dir = folder();
    let run = |arguments: &[&str]| {
        let done = artir().arg("image").args(arguments).current_dir(dir.path()).output().unwrap();
        (done.status.code(), text(&done.stderr))
    };
    fs::create_dir(dir.path().join("empty")).unwrap();
    for (arguments, code, part) in [
        (&["--video", "frames/f1.png", "-o", "out"][..], 2, "takes a folder of frames, not a file"),
        (&["--video", "frames", "empty", "-o", "out"], 2, "takes one folder of frames"),
        (&["--video", "empty", "-o", "out"], 3, "holds no PNG, JPEG or TIFF file"),
        (&["--video", "missing", "-o", "out"], 3, "missing: cannot read"),
        (&["--video", "frames", "-o", "frames"], 2, "would overwrite an input"),
        (&["--video", "frames", "-o", "keep.onnx"], 2, "a file of that name exists"),
        (&["frames/f1.png", "-o", "out", "--resume"], 2, "--video"),
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--model", "half.onnx"]);
        let (found, error) = run(&all);
        assert!(found == Some(code) && error.contains(part), "{arguments:?}: {found:?} {error}");
        assert!(!dir.path().join("out").exists(), "{arguments:?}");
    }
    let plan = done(dir.path(), &["--dry-run"]);
    assert_eq!(plan.trim(), "5 frames, out/f1.png to out/f100.png");
    assert!(!dir.path().join("out").exists());
}
