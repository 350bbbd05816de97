//! `artir node` where something is not as it left it: a damaged record, a lost salt, a route that goes and comes back, a target that
//! may not send.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

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

/// What was restored and sent before late objects came is not all of the series.
#[test]
fn a_retry_restores_the_late_objects_that_had_failed() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let route = ROUTE.replace("quiet_seconds = 0.1", "quiet_seconds = 0.6");
    let mut node = Node::new(dir.path(), &format!("{}{route}", target.table("")));
    node.start();
    let files = input(dir.path(), "in", 4, "1.2.3");
    sender::send(node.port, "ARTIR", &files[..3]).unwrap();
    until("three are sent", || sent(&node) == 1.0);
    // Two versions of the fourth fail the series.
    let other = dir.path().join("other.dcm");
    let mut bytes = fs::read(&files[3]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&other, bytes).unwrap();
    sender::send(node.port, "ARTIR", &[files[3].clone(), other]).unwrap();
    until("they have failed", || node.series("ct", "failed").len() == 1);
    node.configure(&format!("{}{}", target.table(""), route.replace("called", "duplicates = 'newest'\ncalled")));
    node.signal("HUP");
    until("it was read", || node.log().contains("configuration read again"));
    let retried = artir().args(["node", "retry"]).arg(node.config()).output().unwrap();
    assert!(retried.status.success());
    until("it is sent again", || sent(&node) == 2.0);
    assert_eq!(target.objects().values().collect::<Vec<_>>(), [&1, &1, &1, &1]);
}

/// The salt names series and objects. Without it, no file can be told from one that a power cut has torn.
#[test]
fn a_queue_that_was_moved_without_its_salt_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let slow = ROUTE.replace("quiet_seconds = 0.1", "quiet_seconds = 1000");
    let mut node = Node::new(dir.path(), &format!("{}{slow}", target.table("")));
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 4, "1.2.3")).unwrap();
    node.kill();
    let source = node.series("ct", "in").remove(0).join("source");
    let objects = || fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let torn = objects().remove(0);
    fs::write(&torn, &fs::read(&torn).unwrap()[..4000]).unwrap();
    node.start();
    assert_eq!(objects().len(), 3, "the torn one is gone");
    node.kill();
    fs::remove_file(dir.path().join("queue/salt")).unwrap();
    node.configure(&format!("{}{ROUTE}", target.table("")));
    node.start();
    until("the others are sent", || sent(&node) == 1.0);
    assert_eq!(target.objects().len(), 3);
}

/// A service manager that asks for `/live` would end a node with a large queue at each start.
#[test]
fn a_node_that_looks_through_its_queue_is_live_and_ends_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let node = Node::new(dir.path(), &format!("{}{ROUTE}", target.table("")));
    let source = dir.path().join("queue/ct/in/series/source");
    fs::create_dir_all(&source).unwrap();
    // It has no blocks on the disk, and takes minutes to be read.
    fs::File::create(source.join("a-b.dcm")).unwrap().set_len(1 << 40).unwrap();
    let mut child = artir().arg("node").arg(node.config()).stderr(Stdio::null()).spawn().unwrap();
    let is_live = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        node.get("/live").starts_with("HTTP/1.1 200")
    });
    let ready = node.get("/ready");
    let told = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    let ended = (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        child.try_wait().unwrap()
    });
    // It may have ended.
    drop(child.kill());
    child.wait().unwrap();
    assert!(told.success() && is_live, "{ready}");
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(source.join("a-b.dcm").exists(), "nobody knows whether it is whole");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("starting\n"), "{ready}");
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
    // The attempt is counted before it is written down.
    let record = node.series("ct", "out")[0].join("targets/pacs.json");
    until("it is written down", || record.exists());
    node.kill();
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
