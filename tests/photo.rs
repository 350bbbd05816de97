//! Photographs through `artir image`: odd sizes, grey ones, colour profiles and EXIF.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, fs::File, io::BufReader, path::Path};

use artir_tests::{artir, models, real, run, text};
use image::{DynamicImage, GrayImage, ImageDecoder, ImageReader, Luma};

fn decoder(path: &Path) -> impl ImageDecoder {
    let reader = ImageReader::new(BufReader::new(File::open(path).unwrap()));
    reader.with_guessed_format().unwrap().into_decoder().unwrap()
}

fn restored(photo: &Path, out: &Path, model: Option<&Path>) {
    let mut arguments = vec![Path::new("image"), photo, Path::new("-o"), out];
    if let Some(model) = model {
        arguments.extend([Path::new("--model"), model]);
    }
    let done = run(arguments);
    assert!(done.status.success(), "{}: {}", photo.display(), String::from_utf8_lossy(&done.stderr));
}

/// Sizes that no network takes as they are, opacity, profiles, EXIF and its orientation, grey: nothing is lost, and a network
/// that changes nothing changes no sample.
#[test]
fn what_is_not_restored_comes_out_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let identity = dir.path().join("identity.onnx");
    fs::write(&identity, models::rgb_identity()).unwrap();
    for folder in ["images/odd-photos", "images/set12"] {
        let Some(folder) = real(folder) else { return };
        for photo in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if photo.extension().is_some_and(|e| e == "txt") {
                continue;
            }
            let out = dir.path().join(photo.file_name().unwrap());
            restored(&photo, &out, Some(&identity));
            let (mut before, mut after) = (decoder(&photo), decoder(&out));
            assert_eq!(before.dimensions(), after.dimensions(), "{}", photo.display());
            assert_eq!(before.color_type(), after.color_type(), "{}", photo.display());
            assert_eq!(before.icc_profile().unwrap(), after.icc_profile().unwrap(), "{}", photo.display());
            assert_eq!(before.exif_metadata().unwrap(), after.exif_metadata().unwrap(), "{}", photo.display());
            if photo.extension().is_some_and(|e| e == "png") {
                let pixels = |path: &Path| image::open(path).unwrap();
                assert!(pixels(&photo) == pixels(&out), "{}", photo.display());
            }
        }
    }
}

/// A format that cannot hold a photograph is refused before the work, and a dry run, which does none, refuses it too.
#[test]
fn a_format_that_cannot_hold_the_photograph_is_refused_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("identity.onnx"), models::rgb_identity()).unwrap();
    DynamicImage::new_rgb16(20, 10).save(at("deep.png")).unwrap();
    DynamicImage::new_rgba8(20, 10).save(at("clear.png")).unwrap();
    DynamicImage::new_luma_a8(20, 10).save(at("grey.png")).unwrap();
    for (photo, out, reason) in [
        ("deep.png", "out.jpg", "JPEG cannot hold 16 bits"),
        ("clear.png", "out.jpg", "JPEG cannot hold opacity"),
        ("grey.png", "out.tif", "TIFF cannot hold grey with opacity"),
    ] {
        for more in [&["--dry-run"][..], &[]] {
            let mut command = artir();
            command.arg("image").arg(at(photo)).arg("-o").arg(at(out)).arg("--model").arg(at("identity.onnx"));
            let done = command.args(more).output().unwrap();
            let error = text(&done.stderr);
            assert_eq!(done.status.code(), Some(2), "{photo}, {more:?}: {error}");
            assert!(error.contains(out) && error.contains(reason), "{photo}, {more:?}: {error}");
        }
        assert!(!at(out).exists());
    }
}

#[test]
fn a_folder_without_video_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("frames")).unwrap();
    fs::write(dir.path().join("identity.onnx"), models::rgb_identity()).unwrap();
    DynamicImage::new_rgb8(20, 10).save(dir.path().join("a.png")).unwrap();
    // Alone, and among files as a pattern of the shell names it.
    for (photos, code) in [(&["frames"][..], 2), (&["frames", "a.png"][..], 4)] {
        let mut command = artir();
        command.arg("image").args(photos).args(["-o", "out", "--model", "identity.onnx"]);
        let done = command.current_dir(dir.path()).output().unwrap();
        let error = text(&done.stderr);
        assert_eq!((done.status.code(), dir.path().join("out/a.png").exists()), (Some(code), code == 4), "{error}");
        assert!(error.contains("frames: is a folder") && error.contains("--video"), "{error}");
    }
}

/// Files whose decoder returns a part of what they hold, without an error.
#[test]
fn a_photograph_that_is_not_whole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("identity.onnx"), models::rgb_identity()).unwrap();
    DynamicImage::new_rgb8(64, 64).save(at("whole.jpg")).unwrap();
    let bytes = fs::read(at("whole.jpg")).unwrap();
    fs::write(at("cut.jpg"), &bytes[..bytes.len() - 8]).unwrap();
    let done = run([
        Path::new("image"),
        &at("cut.jpg"),
        Path::new("-o"),
        &at("out.jpg"),
        Path::new("--model"),
        &at("identity.onnx"),
    ]);
    let error = text(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{error}");
    assert!(error.contains("cut.jpg: is cut off") && !at("out.jpg").exists(), "{error}");
}

/// A grey photograph is what the colour model makes of it with three equal channels.
#[test]
fn a_grey_photograph_is_restored_like_its_colour_twin() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let grey = GrayImage::from_fn(75, 53, |x, y| Luma([((x * 5 + y * 3 + (x * y) % 7 * 9) % 200 + 40) as u8]));
    grey.save(at("grey.png")).unwrap();
    DynamicImage::ImageLuma8(grey.clone()).to_rgb8().save(at("twin.png")).unwrap();
    restored(&at("grey.png"), &at("grey-out.png"), None);
    restored(&at("twin.png"), &at("twin-out.png"), None);
    let twin = image::open(at("twin-out.png")).unwrap().to_rgb8();
    let DynamicImage::ImageLuma8(out) = image::open(at("grey-out.png")).unwrap() else { panic!("no longer grey") };
    assert_ne!(out, grey, "the model must do something");
    let mut compared = 0;
    for (x, y, Luma([value])) in out.enumerate_pixels() {
        let channels = twin.get_pixel(x, y).0;
        // Beyond the range each channel is cut off by itself.
        if channels.iter().any(|v| [0, 255].contains(v)) {
            continue;
        }
        compared += 1;
        let mean = channels.iter().map(|v| f32::from(*v)).sum::<f32>() / 3.0;
        // Rounded once here, three times there.
        assert!((f32::from(*value) - mean).abs() <= 1.0, "{x}, {y}: {value}, {mean}");
    }
    assert!(compared > 1000, "{compared}");
}
