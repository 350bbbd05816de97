//! What surrounds the node: its systemd service, by systemd's own check, and its conformance statement.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Command};

use artir_tests::{artir, text};

const UNIT: &str = "artir-node.service";

#[test]
fn systemd_accepts_the_service_of_the_node() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integrations/systemd").join(UNIT);
    let unit = fs::read_to_string(unit).unwrap();
    // The check wants to find the program.
    let program = fs::canonicalize(artir().get_program()).unwrap();
    let unit = unit.replace("/usr/bin/artir ", &format!("{} ", program.display()));
    let dir = tempfile::tempdir().unwrap();
    let verify = |unit: &str| {
        let path = dir.path().join(UNIT);
        fs::write(&path, unit).unwrap();
        let done = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        // Other units of this machine may have faults of their own.
        text(&done.stderr).lines().filter(|line| line.contains(UNIT)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(verify(&unit), Vec::<String>::new());
    let wrong = verify(&unit.replace("ProtectSystem=strict", "ProtectSystem=all of it"));
    assert_eq!(wrong.len(), 1, "a key that systemd does not take is reported: {wrong:?}");
}

#[test]
fn the_conformance_statement_lists_every_transfer_syntax() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dicom-conformance.md");
    let page = fs::read_to_string(page).unwrap();
    let mut listed: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| transfer syntax | UID |"))
        .skip(2)
        .map_while(|line| line.strip_suffix(" |")?.rsplit_once("| "))
        .map(|(_, uid)| uid)
        .collect();
    let mut expected = artir_dicom::TRANSFER_SYNTAXES.to_vec();
    expected.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, expected);
}
