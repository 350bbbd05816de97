//! `artir node` over TLS, with certificates on both sides, to and from dcmtk.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use artir_tests::{
    node::{Node, files, free_port, until},
    text,
};
use made::series;

/// An authority, and certificates for a node and a client; `false`, with a printed line, where openssl is not installed.
fn certificates(dir: &Path) -> bool {
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=authority \
            -addext basicConstraints=critical,CA:TRUE
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > names
        for name in node client; do
            openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 30 -extfile names
        done";
    let made = Command::new("sh").args(["-c", script]).current_dir(dir).output().unwrap();
    if !made.status.success() {
        let installed = Command::new("openssl").arg("version").output().is_ok();
        assert!(!installed, "{}", text(&made.stderr));
        println!("skipped: openssl is not installed");
    }
    made.status.success()
}

struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn both_sides_show_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    if !certificates(at) {
        return;
    }
    let port = free_port();
    fs::create_dir(at.join("out")).unwrap();
    let receiver = Command::new("storescp")
        .args(["+tls", "node.key", "node.pem", "+cf", "ca.pem", "-aet", "PACS", "-od", "out", &port.to_string()])
        .current_dir(at)
        .stderr(Stdio::null())
        .spawn();
    let _receiver = Receiver(receiver.unwrap());
    let rest = format!(
        "[listen.tls]\ncertificate = 'node.pem'\nkey = 'node.key'\nclient_authorities = 'ca.pem'\n[[target]]\nname = 'pacs'\n\
         address = '127.0.0.1:{port}'\nae_title = 'PACS'\n[target.tls]\nauthorities = 'ca.pem'\ncertificate = 'client.pem'\n\
         key = 'client.key'\nserver_name = 'localhost'\n[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\n\
         quiet_seconds = 0.2\n[route.ct]\nmodel = MODEL\n"
    );
    let mut node = Node::new(at, &rest);
    node.start();
    let echo = |more: &[&str]| {
        let mut command = Command::new("echoscu");
        command.args(["-to", "5", "-ta", "5", "-aec", "ARTIR"]).args(more).args(["localhost", &node.port.to_string()]);
        command.current_dir(at).output().unwrap().status.success()
    };
    let own = ["+tls", "client.key", "client.pem", "+cf", "ca.pem"];
    assert!(echo(&own));
    assert!(!echo(&[]), "not without encryption");
    assert!(!echo(&["+tla", "+cf", "ca.pem"]), "not without a certificate");
    series(&at.join("in"), 3, 100.0);
    let sent = Command::new("storescu")
        .args(["-aec", "ARTIR"])
        .args(own)
        .args(["localhost", &node.port.to_string()])
        .args(files(&at.join("in")))
        .current_dir(at)
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    until("the target has them", || files(&at.join("out")).len() == 3);
    until("the node is done", || node.is_idle("ct"));
}
