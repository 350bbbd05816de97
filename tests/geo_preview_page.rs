//! The page that shows a scene before and after its restoration, in a real browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use artir_geo::{Preview, write_preview, write_rgb_geotiff};
use artir_tests::browser::Browser;
use ndarray::Array3;
use serde_json::{Value, json};

/// Rows and columns of the scene.
const SIZE: (usize, usize) = (300, 400);

/// A page of a scene that is dark at first, then bright: what a point shows tells on which side of the boundary it lies.
fn page(folder: &Path) -> PathBuf {
    let grid = [300_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0];
    let [before, after] = [("before & <b>.tif", 60), ("after.tif", 180)].map(|(name, level)| {
        let path = folder.join(name);
        // One column in ten has other values, which give the scene a scale.
        let value = |(_, _, x): (usize, usize, usize)| match x % 40 {
            0..2 => 0,
            2..4 => 240,
            _ => level,
        };
        write_rgb_geotiff(&path, &Array3::from_shape_fn((3, SIZE.0, SIZE.1), value), grid, 32632).unwrap();
        path
    });
    let page = folder.join("page.html");
    let preview = Preview::new(before.to_str().unwrap(), &after, &[1, 2, 3]).with_title("model 1.0");
    write_preview(&page, &preview, false).unwrap();
    page
}

/// The browser, and what one does and sees in it.
struct Viewer(Browser);

impl Viewer {
    fn value(&mut self, expression: &str) -> Value {
        self.0.evaluate(expression)
    }

    /// Events reach the page with a frame.
    fn settle(&mut self) {
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// Left, top, width, height of an element.
    fn place(&mut self, id: &str) -> [f64; 4] {
        let expression = format!(
            "(b => [b.left, b.top, b.width, b.height])(document.getElementById('{id}').getBoundingClientRect())"
        );
        let found = self.value(&expression);
        [0, 1, 2, 3].map(|i| found[i].as_f64().unwrap())
    }

    fn middle(&mut self, id: &str) -> (f64, f64) {
        let [left, top, width, height] = self.place(id);
        (left + width / 2.0, top + height / 2.0)
    }

    /// A point of the stage, both ways in parts of one.
    fn on_stage(&mut self, x: f64, y: f64) -> (f64, f64) {
        let [left, top, width, height] = self.place("stage");
        (left + x * width, top + y * height)
    }

    fn click(&mut self, id: &str) {
        let at = self.middle(id);
        self.0.click(at);
        self.settle();
    }

    fn press(&mut self, key: &str) {
        self.0.key(key, true);
        self.0.key(key, false);
        self.settle();
    }

    /// Where the boundary stands, percent; what is said of it must agree with where it is drawn.
    fn boundary(&mut self) -> i64 {
        let said = self.value("document.getElementById('slider').getAttribute('aria-valuenow')");
        let words = self.value("document.getElementById('slider').getAttribute('aria-valuetext')");
        assert_eq!(words, format!("{} percent before", said.as_str().unwrap()));
        let ([left, _, width, _], (drawn, _)) = (self.place("stage"), self.middle("slider"));
        let now: i64 = said.as_str().unwrap().parse().unwrap();
        let drawn = (drawn - left) / width * 100.0;
        assert!((drawn - now as f64).abs() < 1.0, "said to be at {now}, drawn at {drawn}");
        now
    }

    fn after_key(&mut self, key: &str) -> i64 {
        self.press(key);
        self.boundary()
    }

    /// The colour that the window shows in the middle between two of the scene's stripes.
    fn colour(&mut self, stripe: u32) -> [i64; 3] {
        let (x, y) = self.on_stage((f64::from(stripe) * 40.0 + 22.0) / SIZE.1 as f64, 0.25);
        let picture = self.0.picture([x.round(), y.round(), 1.0, 1.0]);
        let decode = format!(
            "(async () => {{ const i = new Image(), c = document.createElement('canvas'); \
             i.src = 'data:image/png;base64,{picture}'; await i.decode(); \
             const d = c.getContext('2d'); d.drawImage(i, 0, 0); return [...d.getImageData(0, 0, 1, 1).data]; }})()"
        );
        let pixel = self.value(&decode);
        [0, 1, 2].map(|i| pixel[i].as_i64().unwrap())
    }

    fn grey(&mut self, stripe: u32) -> i64 {
        let [red, green, blue] = self.colour(stripe);
        assert_eq!((red, green), (blue, blue));
        red
    }

    /// Whether stripes show the scene before (`b`) or after (`a`), from left to right.
    fn sides(&mut self) -> String {
        let side = |grey: i64| match grey {
            62..=66 => 'b',
            189..=193 => 'a',
            other => panic!("a grey of {other}"),
        };
        (0..10).map(|stripe| side(self.grey(stripe))).collect()
    }
}

#[test]
fn a_viewer_compares_a_scene() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(dir.path());
    let Some(mut browser) = Browser::start(dir.path()) else { return };
    browser.open(&page);
    let mut viewer = Viewer(browser);
    assert_eq!(viewer.value("document.querySelector('h1').textContent"), "before & <b>.tif");
    assert_eq!(viewer.value("document.getElementById('crs').textContent"), "WGS 84 / UTM zone 32N");
    assert_eq!(viewer.value("document.getElementById('system').textContent"), "EPSG:32632");
    let decoded = "[...document.images].every(i => i.complete && i.naturalWidth === 400 && i.naturalHeight === 300)";
    assert_eq!(viewer.value(decoded), true);
    let [_, _, width, height] = viewer.place("stage");
    assert!((width / height - 4.0 / 3.0).abs() < 0.02, "{width} by {height}");

    // The keyboard.
    assert_eq!((viewer.boundary(), viewer.sides().as_str()), (50, "bbbbbaaaaa"));
    viewer.value("document.getElementById('slider').focus()");
    assert_eq!(["ArrowLeft", "ArrowLeft", "ArrowRight"].map(|key| viewer.after_key(key)), [49, 48, 49]);
    assert_eq!(["ArrowUp", "ArrowDown", "PageUp", "PageDown"].map(|key| viewer.after_key(key)), [50, 49, 59, 49]);
    assert_eq!((viewer.after_key("End"), viewer.sides().as_str()), (100, "bbbbbbbbbb"));
    assert_eq!(viewer.after_key("ArrowRight"), 100);
    assert_eq!((viewer.after_key("Home"), viewer.sides().as_str()), (0, "aaaaaaaaaa"));
    assert_eq!(viewer.after_key("PageDown"), 0);

    // The mouse: a click anywhere, and a drag of the boundary beside its middle.
    let at = viewer.on_stage(0.3, 0.8);
    viewer.0.click(at);
    viewer.settle();
    assert_eq!((viewer.boundary(), viewer.sides().as_str()), (30, "bbbaaaaaaa"));
    let (from, to) = (viewer.on_stage(0.3, 0.1), viewer.on_stage(0.8, 0.9));
    viewer.0.drag(&[(from.0 + 8.0, from.1), (from.0 + 60.0, from.1), (to.0 + 8.0, to.1)]);
    viewer.settle();
    assert_eq!((viewer.boundary(), viewer.sides().as_str()), (80, "bbbbbbbbaa"));
    let outside = viewer.on_stage(-0.2, 0.5);
    viewer.0.drag(&[to, outside]);
    viewer.settle();
    assert_eq!(viewer.boundary(), 0, "it stays on the stage");
    // A finger.
    let (from, to) = (viewer.on_stage(0.2, 0.5), viewer.on_stage(0.5, 0.5));
    viewer.0.swipe(&[from, ((from.0 + to.0) / 2.0, from.1), to]);
    viewer.settle();
    assert_eq!((viewer.boundary(), viewer.sides().as_str()), (50, "bbbbbaaaaa"));

    // The difference: as much brighter as it gets, everywhere but in the stripes.
    viewer.click("change");
    assert_eq!([0, 5, 9].map(|stripe| viewer.colour(stripe)), [[103, 0, 31]; 3]);
    assert_eq!(viewer.value("document.getElementById('legend').hidden"), false);
    assert_eq!(viewer.value("document.getElementById('change').getAttribute('aria-pressed')"), "true");
    viewer.press("d");
    assert_eq!(viewer.sides(), "bbbbbaaaaa");
    assert_eq!(viewer.value("document.getElementById('legend').hidden"), true);

    // Magnification keeps the boundary in its place; a drag beside it moves the picture.
    let zoom = "document.getElementById('zoom').textContent";
    viewer.press("+");
    viewer.press("+");
    assert_eq!(viewer.value(zoom), "225 %");
    assert_eq!(viewer.boundary(), 50);
    let left = |viewer: &mut Viewer| {
        viewer.value("document.querySelector('#after img').getBoundingClientRect().left").as_f64().unwrap()
    };
    let (start, from) = (left(&mut viewer), viewer.on_stage(0.8, 0.5));
    viewer.0.drag(&[from, (from.0 - 40.0, from.1)]);
    viewer.settle();
    assert!((left(&mut viewer) - start + 40.0).abs() < 0.5);
    assert_eq!(viewer.boundary(), 50);
    viewer.press("0");
    assert_eq!(viewer.value(zoom), "100 %");
    let at = viewer.on_stage(0.25, 0.25);
    viewer.0.wheel(at, -120.0);
    viewer.settle();
    assert_eq!(viewer.value(zoom), "149 %");
    viewer.click("fit");
    assert_eq!((viewer.value(zoom), viewer.sides().as_str()), (json!("100 %"), "bbbbbaaaaa"));

    // The map: an outline within its frame, and labels that do not run over each other.
    let labels = viewer.value("[...document.querySelectorAll('.map text')].map(t => t.textContent)");
    let labels: Vec<&str> = labels.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(labels.iter().any(|l| l.ends_with("° E")) && labels.iter().any(|l| l.ends_with("° N")), "{labels:?}");
    let apart = "(boxes => boxes.every((a, i) => boxes.slice(i + 1).every(b => a.right < b.left || b.right < a.left \
                 || a.bottom < b.top || b.bottom < a.top)))\
                 ([...document.querySelectorAll('.map text')].map(t => t.getBoundingClientRect()))";
    assert_eq!(viewer.value(apart), true, "{labels:?}");
    let within = "((a, b) => a.left > b.left && a.right < b.right && a.top > b.top && a.bottom < b.bottom)\
                  (document.querySelector('.scene').getBoundingClientRect(), \
                  document.querySelector('.sea').getBoundingClientRect())";
    assert_eq!(viewer.value(within), true);
    assert_eq!(viewer.value("document.documentElement.scrollWidth <= innerWidth"), true, "nothing runs off the side");

    let Viewer(browser) = viewer;
    let outside: Vec<_> = browser.requests.iter().filter(|url| !url.starts_with("data:image/png;base64,")).collect();
    assert_eq!(outside.len(), 1, "the page asks for nothing but itself: {outside:?}");
    assert!(outside[0].starts_with("file:") && outside[0].ends_with("page.html"), "{outside:?}");
    assert!(browser.console.is_empty(), "{:?}", browser.console);
}
