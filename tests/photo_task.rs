//! `artir image`: what it removes is chosen by `--task` or `--model`, and is noise otherwise.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use artir_tests::{artir, models, runtime, text};
use image::{Rgb, RgbImage};
use tempfile::TempDir;

fn photo(folder: &Path) -> PathBuf {
    let path = folder.join("photo.png");
    RgbImage::from_fn(48, 40, |x, y| Rgb([x as u8 * 4, y as u8 * 5, ((x * 7 + y * 13) % 50) as u8 + 100]))
        .save(&path)
        .unwrap();
    path
}

/// A copy of the binary outside of its source tree, with no folder of models but `models`. Tests share the copy: a program
/// cannot be started while another thread, or a process that it just started, holds it open for writing.
fn installed(dir: &Path, models: Option<&Path>) -> Command {
    static COPY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, copy) = COPY.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("artir");
        fs::copy(artir().get_program(), &copy).unwrap();
        (dir, copy)
    });
    let mut command = Command::new(copy);
    command.env("ORT_DYLIB_PATH", runtime()).env("XDG_DATA_HOME", dir.join("data"));
    match models {
        Some(folder) => command.env("ARTIR_MODELS", folder),
        None => command.env_remove("ARTIR_MODELS"),
    };
    command
}

fn image(mut command: Command, photo: &Path, out: &Path, more: &[&str]) -> Output {
    command.arg("image").arg(photo).arg("-o").arg(out).args(more).output().unwrap()
}

#[test]
fn noise_is_removed_unless_haze_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let photo = photo(dir.path());
    // A model in a folder, whose licence may be another, is used when it is named, and never by itself.
    fs::create_dir(at("models")).unwrap();
    fs::write(at("models/rgb-denoise-t.onnx"), models::rgb_denoiser(0.5)).unwrap();
    let restored = |name: &str, flags: &[&str]| {
        let done = image(installed(dir.path(), Some(&at("models"))), &photo, &at(name), flags);
        assert!(done.status.success(), "{flags:?}: {}", text(&done.stderr));
        image::open(at(name)).unwrap().into_rgb8()
    };
    let before = image::open(&photo).unwrap().into_rgb8();
    let half = restored("half.png", &["--model", "rgb-denoise-t"]);
    // Nor is a model that removes whatever it finds.
    fs::write(at("models/rgb-aio-t.onnx"), models::rgb_restorer(0.25)).unwrap();
    let quarter = restored("quarter.png", &["--model", "rgb-aio-t"]);
    assert_eq!(quarter.get_pixel(30, 20)[0], (f32::from(before.get_pixel(30, 20)[0]) / 4.0).round() as u8);
    assert_eq!(half.get_pixel(30, 20)[0], before.get_pixel(30, 20)[0] / 2);
    // The built-in models, by their task or by their name.
    let clean = restored("clean.png", &[]);
    assert_ne!(clean, before);
    assert_eq!(clean, restored("denoise.png", &["--task", "denoise"]));
    assert_eq!(clean, restored("free.png", &["--model", "rgb-denoise-free-t"]));
    let clear = restored("clear.png", &["--task", "dehaze"]);
    assert_eq!(clear, restored("haze.png", &["--model", "geo-haze-t"]));
    assert!(clear != clean && clear != before);
}

#[test]
fn a_task_and_a_model_for_another_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let photo = photo(dir.path());
    let out = dir.path().join("out.png");
    let refused = |flags: &[&str]| {
        let done = image(installed(dir.path(), None), &photo, &out, flags);
        assert_eq!(done.status.code(), Some(2), "{flags:?}");
        assert!(!out.exists());
        text(&done.stderr)
    };
    let unknown = refused(&["--model", "rgb-denoise-t"]);
    assert!(unknown.contains("no model named 'rgb-denoise-t'") && unknown.contains("rgb-denoise-free-t"), "{unknown}");
    let other = refused(&["--task", "denoise", "--model", "geo-haze-t"]);
    assert!(other.contains("geo-haze-t") && other.contains("dehaze"), "{other}");
    fs::write(dir.path().join("aio.onnx"), models::rgb_restorer(0.5)).unwrap();
    let any = refused(&["--task", "denoise", "--model", dir.path().join("aio.onnx").to_str().unwrap()]);
    assert!(any.contains("is for rgb-restore, not for rgb-denoise"), "{any}");
    let ct = refused(&["--model", "ct-ldct-t"]);
    assert!(ct.contains("ct-ldct-t") && ct.contains("ct-denoise"), "{ct}");
    refused(&["--task", "sharpen"]);
}
