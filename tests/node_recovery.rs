//! `artir node` where something is not as it left it: a damaged record, a route that goes and comes back, a target that may not
//! send.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::fs;

use artir_tests::{
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
