//! A page in headless Chromium, spoken to over its debugging pipe: JSON messages that end with a zero byte.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// A running browser with one page.
pub struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    session: String,
    next: u64,
    /// The addresses that the page asked for.
    pub requests: Vec<String>,
    /// What the page wrote to its console, policy violations among it.
    pub console: Vec<String>,
}

impl Browser {
    /// Starts Chromium; `None`, with a line that says so, where it is not installed. `scratch` holds its profile.
    ///
    /// # Panics
    /// When it is installed and cannot be spoken to.
    pub fn start(scratch: &Path) -> Option<Self> {
        if Command::new("chromium").arg("--version").output().is_err() {
            assert!(std::env::var_os("ARTIR_ALL_TOOLS").is_none(), "chromium is not installed");
            println!("skipped: chromium is not installed");
            return None;
        }
        let (to, from) = (scratch.join("to"), scratch.join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status();
        assert!(made.is_ok_and(|s| s.success()), "mkfifo");
        // Chromium reads commands from descriptor 3 and answers on 4.
        let process = Command::new("bash")
            .arg("-c")
            .arg(
                "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
                 --user-data-dir=\"$0/profile\" --remote-debugging-pipe about:blank 3<\"$0/to\" 4>\"$0/from\"",
            )
            .arg(scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("bash: {e}"));
        let to = File::options().write(true).open(to).unwrap_or_else(|e| panic!("{e}"));
        let from = BufReader::new(File::open(from).unwrap_or_else(|e| panic!("{e}")));
        let (requests, console) = (Vec::new(), Vec::new());
        let mut browser = Self { process, to, from, session: String::new(), next: 0, requests, console };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        for domain in ["Page.enable", "Network.enable", "Log.enable", "Runtime.enable"] {
            browser.call(domain, &json!({}));
        }
        Some(browser)
    }

    /// Opens a file and waits until it and its images are loaded.
    pub fn open(&mut self, page: &Path) {
        self.visit(&format!("file://{}", page.display()));
    }

    /// Opens an address and waits until the page and its images are loaded.
    pub fn visit(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        let loaded = "new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))";
        self.evaluate(loaded);
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        self.call("Runtime.evaluate", &parameters)["result"]["value"].clone()
    }

    /// Presses or lets go of a key, named as in `KeyboardEvent.key`.
    pub fn key(&mut self, key: &str, down: bool) {
        let kind = if down { "keyDown" } else { "keyUp" };
        self.call("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key }));
    }

    /// Turns the mouse wheel over a point; downwards is above 0.
    pub fn wheel(&mut self, (x, y): (f64, f64), by: f64) {
        let event = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by });
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Presses and lets go of the left mouse button at a point.
    pub fn click(&mut self, at: (f64, f64)) {
        self.drag(&[at]);
    }

    /// Presses the left mouse button at the first of some points, moves it over the others, and lets go at the last.
    pub fn drag(&mut self, points: &[(f64, f64)]) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let moves = points[1..].iter().map(|at| ("mouseMoved", at));
        for (kind, (x, y)) in [("mousePressed", first)].into_iter().chain(moves).chain([("mouseReleased", last)]) {
            let held = u8::from(kind != "mouseReleased");
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": held, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Puts a finger on the first of some points, moves it over the others, and lifts it.
    pub fn swipe(&mut self, points: &[(f64, f64)]) {
        for (i, (x, y)) in points.iter().enumerate() {
            let kind = if i == 0 { "touchStart" } else { "touchMove" };
            self.call("Input.dispatchTouchEvent", &json!({ "type": kind, "touchPoints": [{ "x": x, "y": y }] }));
        }
        self.call("Input.dispatchTouchEvent", &json!({ "type": "touchEnd", "touchPoints": [] }));
    }

    /// What the window shows within a rectangle (left, top, width, height): a PNG in base64.
    pub fn picture(&mut self, [x, y, width, height]: [f64; 4]) -> String {
        let clip = json!({ "x": x, "y": y, "width": width, "height": height, "scale": 1 });
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png", "clip": clip }));
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// Sends a command and reads until its answer.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        write!(self.to, "{message}\0").unwrap_or_else(|e| panic!("{method}: {e}"));
        loop {
            let mut bytes = Vec::new();
            let n = self.from.read_until(0, &mut bytes).unwrap_or_else(|e| panic!("{method}: {e}"));
            assert!(n > 0, "{method}: chromium has ended");
            bytes.pop();
            let answer: Value = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == self.next {
                assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            match answer["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    let url = answer["params"]["request"]["url"].as_str().unwrap_or_default();
                    self.requests.push(url.chars().take(200).collect());
                }
                Some("Log.entryAdded") => self.console.push(answer["params"]["entry"]["text"].to_string()),
                Some("Runtime.consoleAPICalled") => self.console.push(answer["params"]["args"].to_string()),
                _ => (),
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nothing to mend if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
