//! `artir node` beside Orthanc, with the script and the configurations of `integrations/orthanc`: series go there and come back.
//!
//! Orthanc is looked for in `ARTIR_ORTHANC` (a folder into which its Debian packages were unpacked), then on this system.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use artir_tests::node::{Node, files, free_port, until};
use made::{rename_series, series};
use serde_json::{Value, json};

struct Orthanc {
    process: Child,
    http: u16,
    dicom: u16,
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Orthanc {
    /// Starts it with the repository's script; `None`, with a printed line, where it is not installed.
    fn start(dir: &Path, node: u16) -> Option<Self> {
        let root = std::env::var_os("ARTIR_ORTHANC").map_or(PathBuf::from("/"), PathBuf::from);
        let program =
            ["usr/sbin/Orthanc", "usr/bin/Orthanc"].map(|name| root.join(name)).into_iter().find(|p| p.exists());
        let Some(program) = program else {
            println!("skipped: Orthanc is not installed (ARTIR_ORTHANC)");
            return None;
        };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = fs::read_to_string(repository.join("integrations/orthanc/orthanc.json")).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        let (http, dicom) = (free_port(), free_port());
        config["LuaScripts"] = json!([fs::canonicalize(repository.join("integrations/orthanc/artir.lua")).unwrap()]);
        config["DicomModalities"]["artir"]["Port"] = json!(node);
        config["DicomPort"] = json!(dicom);
        config["HttpPort"] = json!(http);
        config["StableAge"] = json!(1);
        config["StorageDirectory"] = json!(dir.join("orthanc"));
        config["Plugins"] = json!([root.join("usr/share/orthanc/plugins")]);
        config["AuthenticationEnabled"] = json!(false);
        fs::write(dir.join("orthanc.json"), config.to_string()).unwrap();
        let log = File::create(dir.join("orthanc.log")).unwrap();
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let mut command = Command::new(program);
        command.arg(dir.join("orthanc.json")).stdout(Stdio::null()).stderr(log);
        if root != Path::new("/") {
            command.env("LD_LIBRARY_PATH", &libraries);
        }
        let orthanc = Self { process: command.spawn().unwrap(), http, dicom };
        until("Orthanc answers", || orthanc.ask("GET", "/system", b"").contains("ApiVersion"));
        Some(orthanc)
    }

    /// The body of an answer.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.http)) else { return String::new() };
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: orthanc\r\nAccept: application/dicom+json, application/json, */*\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut out = Vec::new();
        drop(socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body)));
        drop(socket.read_to_end(&mut out));
        let text = String::from_utf8_lossy(&out).into_owned();
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.ask("GET", path, b"")).unwrap_or(Value::Null)
    }

    fn count(&self) -> u64 {
        self.json("/statistics")["CountInstances"].as_u64().unwrap_or(0)
    }
}

fn round_trip(config: &str) {
    let dir = tempfile::tempdir().unwrap();
    // The ports are known when both have been chosen.
    let mut node = Node::new(dir.path(), "");
    let Some(orthanc) = Orthanc::start(dir.path(), node.port) else { return };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(repository.join("integrations/orthanc").join(config)).unwrap();
    let text: String =
        text.lines().filter(|line| !line.starts_with("folder")).map(|line| format!("{line}\n")).collect();
    let text = text
        .replace("127.0.0.1:4242", &format!("127.0.0.1:{}", orthanc.dicom))
        .replace("127.0.0.1:8042", &format!("127.0.0.1:{}", orthanc.http))
        .replace("[route.ct]", "quiet_seconds = 0.5\n[route.ct]\nmodel = MODEL")
        .replace("[route.pet]", "[route.pet]\nmodel = PET");
    node.configure(&text);
    node.start();
    let folder = dir.path().join("in");
    series(&folder, 5, 100.0);
    rename_series(&folder, "1.2.3.4");
    let sources = files(&folder);
    for file in &sources {
        let stored = orthanc.ask("POST", "/instances", &fs::read(file).unwrap());
        assert!(stored.contains("Success"), "{stored}");
    }
    until("the derived series is back", || orthanc.count() == 10);
    until("the node is done", || node.series("orthanc", "out").len() == 1 && node.is_idle("orthanc"));
    let journal = fs::read_to_string(dir.path().join("queue/journal.jsonl")).unwrap();
    assert!(!journal.contains("warning") && !journal.contains("failed"), "{journal}");
    let target = fs::read_dir(node.series("orthanc", "out")[0].join("targets")).unwrap();
    assert!(target.count() >= 2, "what was sent is written down");
    // QIDO finds the derived series, WADO opens it, and it refers to its sources.
    let found = orthanc.json("/dicom-web/series?Modality=CT");
    let found: Vec<&str> =
        found.as_array().unwrap().iter().map(|s| s["0020000E"]["Value"][0].as_str().unwrap()).collect();
    let derived = found.iter().find(|uid| uid.starts_with("2.25.")).unwrap();
    assert_eq!(found.len(), 2);
    let study = orthanc.json("/dicom-web/studies")[0]["0020000D"]["Value"][0].as_str().unwrap().to_owned();
    let metadata = orthanc.json(&format!("/dicom-web/studies/{study}/series/{derived}/metadata"));
    let references: Vec<&str> = metadata
        .as_array()
        .unwrap()
        .iter()
        .map(|instance| instance["00082112"]["Value"][0]["00081155"]["Value"][0].as_str().unwrap())
        .collect();
    let mut expected: Vec<String> = (0..5).map(|i| format!("1.2.3.4.{i}")).collect();
    expected.sort();
    let mut references: Vec<String> = references.into_iter().map(str::to_owned).collect();
    references.sort();
    assert_eq!(references, expected, "each derived image names its source");
    // A second time changes nothing.
    let all = orthanc.json("/series");
    for id in all.as_array().unwrap() {
        let uid =
            orthanc.json(&format!("/series/{}", id.as_str().unwrap()))["MainDicomTags"]["SeriesInstanceUID"].clone();
        if uid == "1.2.3.4" {
            let sent = orthanc.ask("POST", "/modalities/artir/store", id.as_str().unwrap().as_bytes());
            assert!(sent.contains("\"FailedInstancesCount\" : 0"), "{sent}");
        }
    }
    assert_eq!(node.metric("artir_repeated_objects_total{route=\"orthanc\"}"), 5.0);
    until("the node is done", || node.is_idle("orthanc"));
    assert_eq!(orthanc.count(), 10);
}

#[test]
fn series_return_to_orthanc_by_c_store_with_commitment() {
    round_trip("node.toml");
}

#[test]
fn series_return_to_orthanc_by_stow() {
    round_trip("node-dicomweb.toml");
}
