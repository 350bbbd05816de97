//! What surrounds the node: its systemd service, by systemd's own check, its conformance statement, and the module that takes its
//! place in mercure.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

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

/// A study of CT and PET: what one command has restored is not all of it.
#[test]
fn the_module_of_mercure_hides_no_failure() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integrations/mercure/module.py");
    let dir = tempfile::tempdir().unwrap();
    for folder in ["bin", "in", "out"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let program = dir.path().join("bin/artir");
    let path = format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    for (ct, pet, expected) in [(0, 3, 0), (3, 0, 0), (3, 3, 3), (0, 1, 1), (4, 3, 4), (1, 0, 1)] {
        fs::write(&program, format!("#!/bin/sh\n[ \"$1\" = ct ] && exit {ct}\nexit {pet}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("python3");
        command.arg(&module).env("PATH", &path);
        command.env("MERCURE_IN_DIR", dir.path().join("in")).env("MERCURE_OUT_DIR", dir.path().join("out"));
        let Ok(done) = command.output() else {
            println!("skipped: python3 is not installed");
            return;
        };
        assert_eq!(done.status.code(), Some(expected), "{ct} {pet}: {}", text(&done.stderr));
    }
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
