//! The page with which one scrolls through a series, in a real browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use artir_dicom::{DisplayWindow, PreviewWriter};
use artir_tests::browser::Browser;
use ndarray::Array2;
use serde_json::{Value, json};

const SLICES: usize = 24;
const SIZE: (usize, usize) = (120, 200);

/// A body of soft tissue with a spine and one lesion that moves from slice to slice, HU; noise of a standard deviation.
fn slice(index: usize, sd: f32) -> Array2<f32> {
    let mut state = index as u32 + 1;
    let mut noise = || {
        // The sum of four uniform numbers is near enough to a normal one.
        let uniform = (0..4).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 65536.0 - 0.5
        });
        uniform.sum::<f32>() * 3_f32.sqrt()
    };
    Array2::from_shape_fn(SIZE, |(r, c)| {
        let inside = |y: f32, x: f32, h: f32, w: f32| {
            let (y, x) = (r as f32 / SIZE.0 as f32 - y, c as f32 / SIZE.1 as f32 - x);
            (y / h).powi(2) + (x / w).powi(2) < 1.0
        };
        let hu = match () {
            () if inside(0.7, 0.5, 0.09, 0.06) => 400.0,
            () if inside(0.4, 0.25 + 0.02 * index as f32, 0.05, 0.03) => 110.0,
            () if inside(0.45, 0.33, 0.2, 0.15) => 70.0,
            () if inside(0.5, 0.5, 0.42, 0.44) => 30.0,
            () if inside(0.5, 0.5, 0.45, 0.46) => -100.0,
            () => return -1000.0,
        };
        hu + sd * noise()
    })
}

/// A page of slices whose rows lie twice as far apart as their columns, and whose heading would be markup.
fn page(folder: &Path) -> PathBuf {
    let window: DisplayWindow = "abdomen".parse().unwrap();
    let heading = "series <b onclick=1>&1";
    let mut writer = PreviewWriter::create(&folder.join("preview.html"), heading, "HU", window, SLICES).unwrap();
    for i in 0..SLICES {
        let position = Some(3.0 * i as f64 - 30.5);
        writer.add(i, position, [1.5, 0.75], slice(i, 30.0).view(), slice(i, 10.0).view()).unwrap();
    }
    writer.finish().unwrap()
}

/// The browser, and what one reads in it once the page has come to rest.
struct Reader(Browser);

impl Reader {
    fn value(&mut self, expression: &str) -> Value {
        let rest = "new Promise(done => { const look = () => \
                    document.getElementById('stage').getAttribute('aria-busy') === 'false' ? done() : setTimeout(look, 5); \
                    look(); })";
        self.0.evaluate(rest);
        self.0.evaluate(expression)
    }

    /// The number of the slice that is shown; every sign of it on the page must agree.
    fn slice(&mut self) -> u64 {
        let text = self.value("document.getElementById('slice').textContent.trim()");
        let number = text.as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(text, format!("{number} of {SLICES}"));
        assert_eq!(self.value("Number(document.getElementById('slider').value) + 1"), number);
        let shown = self.value("[...document.images].every(i => i.complete && i.naturalWidth === 200)");
        assert_eq!(shown, true, "every picture is decoded");
        let named = format!("[...document.images].every(i => i.alt.endsWith(', slice {number} of {SLICES}'))");
        assert_eq!(self.value(&named), true, "the pictures are of this slice");
        number
    }

    fn press(&mut self, key: &str) -> u64 {
        self.0.key(key, true);
        self.0.key(key, false);
        self.slice()
    }

    /// The middle of an element.
    fn middle(&mut self, id: &str) -> (f64, f64) {
        let expression = format!(
            "(b => [b.left + b.width / 2, b.top + b.height / 2])(document.getElementById('{id}').getBoundingClientRect())"
        );
        let at = self.value(&expression);
        (at[0].as_f64().unwrap(), at[1].as_f64().unwrap())
    }

    fn wheel(&mut self, by: f64) -> u64 {
        let at = self.middle("right");
        self.0.wheel(at, by);
        // The event reaches the page with a frame.
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        self.slice()
    }

    /// What the panels show, from left to right.
    fn panels(&mut self) -> Value {
        let pictures = "[...document.querySelectorAll('figure')].filter(f => !f.hidden) \
                        .map(f => [f.querySelector('b').textContent, f.querySelector('img').alt.split(',')[0]])";
        let pictures = self.value(pictures);
        let panels = pictures.as_array().unwrap().iter();
        panels.map(|p| p[0].as_str().filter(|_| p[0] == p[1]).unwrap().to_owned()).collect()
    }

    /// Where everything on the page lies.
    fn layout(&mut self) -> Value {
        self.value(
            "[...document.querySelectorAll('header *, figure, .frame, img, nav *, footer')] \
             .map(e => e.getBoundingClientRect()).flatMap(b => [b.left, b.top, b.width, b.height])",
        )
    }
}

#[test]
fn a_reader_scrolls_through_a_series() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(dir.path());
    let Some(mut browser) = Browser::start(dir.path()) else { return };
    browser.open(&page);
    let mut reader = Reader(browser);

    assert_eq!(reader.slice(), 12, "it opens in the middle");
    assert_eq!(reader.value("document.images.length"), 3, "no picture is decoded before it is needed");
    assert_eq!(reader.value("document.querySelector('h1').textContent"), "series <b onclick=1>&1");
    assert_eq!(reader.value("document.getElementById('position').textContent"), "2.50 mm");
    let layout = reader.layout();

    assert_eq!([reader.press("ArrowDown"), reader.press("ArrowDown"), reader.press("ArrowUp")], [13, 14, 13]);
    assert_eq!([reader.press("PageUp"), reader.press("PageUp"), reader.press("PageDown")], [3, 1, 11]);
    assert_eq!([reader.press("End"), reader.press("ArrowDown")], [24, 24]);
    assert_eq!(reader.layout(), layout, "nothing moves");
    assert_eq!(reader.press("Home"), 1);
    assert_eq!(reader.value("document.getElementById('position').textContent"), "\u{2212}30.50 mm");
    assert_eq!([reader.wheel(120.0), reader.wheel(120.0), reader.wheel(-120.0)], [2, 3, 2]);
    assert_eq!([reader.wheel(30.0), reader.wheel(30.0)], [2, 3], "a touchpad's small steps add up");
    let at = reader.middle("slider");
    reader.0.click(at);
    assert!((11..=14).contains(&reader.slice()));
    assert_eq!(reader.press("Home"), 1, "the keys work on the slider too");
    assert_eq!(reader.press("ArrowDown"), 2);

    assert_eq!(reader.panels(), json!(["Before", "After", "Difference"]));
    reader.0.key(" ", true);
    assert_eq!(reader.panels(), json!(["After", "Before", "Difference"]));
    assert_eq!(reader.press("ArrowDown"), 3);
    assert_eq!(reader.panels(), json!(["After", "Before", "Difference"]), "it stays so while one scrolls");
    reader.0.key(" ", false);
    assert_eq!(reader.panels(), json!(["Before", "After", "Difference"]));
    reader.press("d");
    assert_eq!(reader.panels(), json!(["Before", "After"]));
    assert_eq!(reader.press("ArrowDown"), 4);
    let at = reader.middle("toggle");
    reader.0.click(at);
    assert_eq!(reader.panels(), json!(["Before", "After", "Difference"]));
    reader.0.key(" ", true);
    assert_eq!(reader.panels(), json!(["After", "Before", "Difference"]), "a click leaves the space bar its part");
    reader.0.key(" ", false);
    assert_eq!(reader.slice(), 4);

    let proportions =
        reader.value("[...document.images].map(i => i.getBoundingClientRect()).map(b => b.width / b.height)");
    for proportion in proportions.as_array().unwrap() {
        // 200 columns of 0.75 mm by 120 rows of 1.5 mm.
        assert!((proportion.as_f64().unwrap() - 150.0 / 180.0).abs() < 0.01, "{proportion}");
    }
    // The page's own pixels: air takes no change, and what does not change is mid-grey.
    let corner = "(async () => { const i = document.querySelector('#difference img'), c = document.createElement('canvas'); \
                  const d = c.getContext('2d'); d.drawImage(i, 0, 0); return [...d.getImageData(0, 0, 1, 1).data]; })()";
    assert_eq!(reader.value(corner), json!([128, 128, 128, 255]));
    let fits =
        "document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight";
    assert_eq!(reader.value(fits), true, "the page does not scroll");

    let Reader(browser) = reader;
    let outside: Vec<_> = browser.requests.iter().filter(|url| !url.starts_with("data:image/png;base64,")).collect();
    assert_eq!(outside.len(), 1, "the page asks for nothing but itself: {outside:?}");
    assert!(outside[0].starts_with("file:") && outside[0].ends_with("preview.html"), "{outside:?}");
    assert!(browser.console.is_empty(), "{:?}", browser.console);
}
