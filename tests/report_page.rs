//! The pages that artir writes, in a real browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use artir_tests::{browser::Browser, run};
use image::{ImageBuffer, Rgb, RgbImage};

fn picture(seed: u32, veil: f32) -> RgbImage {
    ImageBuffer::from_fn(80, 64, |x, y| {
        let at = |k: u32| ((x / 5 + seed) * 37 + (y / 7) * 91 + k * 53) % 160;
        Rgb([0, 1, 2].map(|k| (at(k) as f32 * (1.0 - veil) + 230.0 * veil) as u8))
    })
}

/// Opens the page and checks what every report of artir keeps to: its images and plots show, no text runs out of the
/// page, nothing is asked of the network, no policy is violated.
fn check(page: &Path, scratch: &Path, images: u64, plots: u64) {
    let Some(mut browser) = Browser::start(scratch) else { return };
    browser.open(page);
    let shown = browser.evaluate("[...document.images].filter(i => i.complete && i.naturalWidth > 1).length");
    assert_eq!(shown, browser.evaluate("document.images.length"), "every image is decoded");
    assert!(shown.as_u64().unwrap() >= images, "{shown} images");
    let drawn = "[...document.querySelectorAll('svg')].filter(s => { const b = s.getBoundingClientRect(); \
                 return b.width > 100 && b.height > 50 && s.querySelectorAll('circle, rect, path, line').length > 3 \
                 }).length";
    assert_eq!(browser.evaluate(drawn), plots, "plots with something in them");
    let wide = browser.evaluate("document.documentElement.scrollWidth <= innerWidth");
    assert_eq!(wide, true, "the page does not scroll sideways");
    let rows = browser.evaluate("document.querySelectorAll('table tr').length");
    assert!(rows.as_u64().unwrap() >= 3, "{rows} table rows");
    let outside: Vec<_> =
        browser.requests.iter().filter(|url| !url.starts_with("file:") && !url.starts_with("data:")).collect();
    assert!(outside.is_empty(), "{outside:?}");
    let files = browser.requests.iter().filter(|url| url.starts_with("file:")).count();
    assert_eq!(files, 1, "the page is one file: {:?}", browser.requests);
    assert!(browser.console.is_empty(), "{:?}", browser.console);
}

#[test]
fn the_validation_page_shows_its_images_and_plots() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for side in ["input", "reference"] {
        fs::create_dir_all(data.join(side)).unwrap();
        for i in 0..6 {
            let veil = if side == "input" { 0.1 * (i + 1) as f32 } else { 0.0 };
            // A name that would be markup if it were not escaped.
            picture(i + 1, veil).save(data.join(side).join(format!("<b onclick=1>&{i}.png"))).unwrap();
        }
    }
    let (suite, out) = (dir.path().join("mine.toml"), dir.path().join("out"));
    let made = run([Path::new("validate"), Path::new("--init"), &suite]);
    assert!(made.status.success());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let done = run(["validate", &text(&suite), "--data", &text(&data), "-o", &text(&out)]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    check(&out.join("report.html"), dir.path(), 16, 2);
}
