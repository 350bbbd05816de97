//! `artir node` where something is not as it left it: a damaged record, a route that goes and comes back, a target that may not
//! send.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::fs;

use artir_tests::{
    artir,
    node::{Node, until},
    sender,
    target::{Commit, Target},
};
use made::input;

const ROUTE: &str =
    "[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\nquiet_seconds = 0.1\n[route.ct]\nmodel = MODEL\n";

fn sent(node: &Node) -> f64 {
    node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}")
}

/// Taken as it is, an empty record says that nothing is to be sent, and that this is all.
#[test]
fn a_series_whose_record_is_damaged_is_restored_and_sent() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let mut node = Node::new(dir.path(), &format!("#retry attempts = 1000\n{}{ROUTE}", target.table("")));
    target.behave(|b| b.gone = true);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 3, "1.2.3")).unwrap();
    until("it was tried", || node.metric("artir_send_retries_total{route=\"ct\",target=\"pacs\"}") >= 1.0);
    node.kill();
    let record = node.series("ct", "out")[0].join("record.json");
    fs::write(&record, &fs::read(&record).unwrap()[..20]).unwrap();
    target.behave(|b| b.gone = false);
    node.start();
    until("it is sent", || sent(&node) == 1.0);
    assert_eq!(target.objects().values().collect::<Vec<_>>(), [&1, &1, &1]);
    assert!(node.log().contains("its record is damaged"), "{}", node.log());
}

fn seconds() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// An attempt that a clock has put off for a year which was a year ahead is not waited for.
#[test]
fn a_clock_that_was_ahead_keeps_no_series_from_its_next_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let mut node = Node::new(dir.path(), &format!("#retry attempts = 1000\n{}{ROUTE}", target.table("")));
    target.behave(|b| b.gone = true);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    until("it was tried", || node.metric("artir_send_retries_total{route=\"ct\",target=\"pacs\"}") >= 1.0);
    node.kill();
    let record = node.series("ct", "out")[0].join("targets/pacs.json");
    let mut ahead: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    ahead["next"] = (seconds() + 365.0 * 86_400.0).into();
    fs::write(&record, ahead.to_string()).unwrap();
    target.behave(|b| b.gone = false);
    node.start();
    until("it is sent", || sent(&node) == 1.0);
}

#[test]
fn a_series_that_waits_to_be_restored_is_tried_again_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let mut node = Node::new(dir.path(), &format!("#retry longest_seconds = 1000\n{}{ROUTE}", target.table("")));
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    until("it is sent", || sent(&node) == 1.0);
    node.kill();
    // As after an attempt that found the disk full.
    let out = node.series("ct", "out").remove(0);
    let name = out.file_name().unwrap().to_str().unwrap().to_owned();
    let work = dir.path().join("queue/ct/work").join(&name);
    fs::rename(&out, &work).unwrap();
    fs::remove_dir_all(work.join("targets")).unwrap();
    let record = serde_json::json!({"postponed": 5, "next": seconds() + 900.0, "reason": "cannot write: full"});
    fs::write(work.join("record.json"), record.to_string()).unwrap();
    node.start();
    let ask = |what: &[&str], more: &[&str]| {
        let out = artir().args(what).arg(node.config()).args(more).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(ask(&["node", "status"], &[]).contains(&format!("{name} waits: cannot write: full")));
    assert_eq!(ask(&["node", "retry"], &[&name]), "1 series to be tried again\n");
    until("it is sent again", || sent(&node) == 1.0);
    assert!(node.log().contains("another attempt was asked for"), "{}", node.log());
}

/// The log is no part of the work: it may lie on a disk that is full.
#[test]
fn a_node_whose_log_cannot_be_written_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let node = Node::new(dir.path(), &format!("{}{ROUTE}", target.table("")));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = artir().arg("node").arg(node.config()).stderr(full).spawn().unwrap();
    until("it is ready", || {
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        node.get("/ready").starts_with("HTTP/1.1 200")
    });
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    until("it is sent", || sent(&node) == 1.0);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_route_that_comes_back_goes_on_with_what_was_received() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let slow = ROUTE.replace("quiet_seconds = 0.1", "quiet_seconds = 1000");
    let other = ROUTE.replace("'ct'", "'other'").replace("'ARTIR'", "'OTHER'");
    let mut node = Node::new(dir.path(), &format!("{}{slow}", target.table("")));
    node.start();
    let files = input(dir.path(), "in", 4, "1.2.3");
    sender::send(node.port, "ARTIR", &files[..2]).unwrap();
    node.kill();
    node.configure(&format!("{}{other}", target.table("")));
    node.start();
    assert!(node.log().contains("series are left of a route"), "{}", node.log());
    node.configure(&format!("{}{ROUTE}{other}", target.table("")));
    node.signal("HUP");
    until("the target has what was left", || target.objects().len() == 2);
    // Away again while a sender is in the middle of its association: nothing is taken that nobody would work on.
    let before = |i: usize| {
        if i == 1 {
            node.configure(&format!("{}{other}", target.table("")));
            node.signal("HUP");
            until("it was read", || node.log().matches("configuration read again").count() == 2);
        }
    };
    let statuses = sender::send_with(node.port, "ARTIR", &files[2..], before).unwrap();
    assert_eq!(statuses, [Some(0), Some(0xa700)]);
}

#[test]
fn a_target_may_report_its_commitment_to_a_route_that_it_may_not_send_to() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let route = ROUTE.replace("called =", "calling = ['SENDER']\ncalled =");
    let mut node = Node::new(dir.path(), &format!("{}{route}", target.table("commitment = true")));
    target.behave(|b| b.commit = Commit::Later(node.port));
    node.start();
    let files = input(dir.path(), "in", 2, "1.2.3");
    sender::send(node.port, "ARTIR", &files).unwrap();
    until("it is sent and kept", || sent(&node) == 1.0);
    assert_eq!((target.objects().len(), target.commitments()), (2, 1));
    // It may report, and nothing else.
    let out = node.send("ARTIR", &["-aet", "PACS"], &files);
    assert!(!out.status.success(), "an object of a title that is not named");
}
