//! `artir node` as a sender: targets that are away, refuse, break off, warn, or do not keep what they got; and how it is
//! operated.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use artir_tests::{
    artir,
    browser::Browser,
    node::{Node, until},
    sender,
    target::{Commit, Target},
    text,
};
use made::input;

const ROUTE: &str =
    "[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\nquiet_seconds = 0.1\n[route.ct]\nmodel = MODEL\n";

/// A node and its target, before the start of the node.
fn pair(dir: &Path, of_target: &str, more: &str) -> (Node, Target) {
    let target = Target::start();
    let node = Node::new(dir, &format!("{more}\n{}{ROUTE}", target.table(of_target)));
    (node, target)
}

fn ended(node: &Node, how: &str) -> f64 {
    node.metric(&format!("artir_ended_series_total{{route=\"ct\",outcome=\"{how}\"}}"))
}

#[test]
fn a_target_that_comes_back_gets_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "answer_seconds = 0.3", "");
    target.behave(|b| b.gone = true);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 6, "1.2.3")).unwrap();
    let retries = || node.metric("artir_send_retries_total{route=\"ct\",target=\"pacs\"}");
    until("it was tried", || retries() >= 2.0);
    let so_far = retries();
    target.behave(|b| (b.gone, b.silent) = (false, true));
    until("silence is a failed attempt", || retries() > so_far);
    let so_far = retries();
    // Refused in full, then cut off after two, and again after two.
    target.behave(|b| (b.silent, b.status) = (false, 0xa700));
    until("a refusal is a failed attempt", || retries() > so_far);
    assert!(target.objects().is_empty());
    let status = artir().args(["node", "status"]).arg(node.config()).output().unwrap();
    assert!(text(&status.stdout).contains("waits: pacs: "), "{}", text(&status.stdout));
    target.behave(|b| (b.status, b.breaks_after) = (0, Some(2)));
    until("all are there", || target.objects().len() == 6);
    until("it is done", || ended(&node, "sent") == 1.0);
    assert!(target.objects().values().all(|times| *times == 1), "{:?}", target.objects());
    assert_eq!(node.metric("artir_sent_objects_total{route=\"ct\",target=\"pacs\"}"), 6.0);
}

#[test]
fn a_status_that_is_no_success_fails_and_a_retry_sends_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "", "#retry attempts = 3\n");
    target.behave(|b| b.status = 0xc000);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 3, "1.2.3")).unwrap();
    until("it has failed", || !node.series("ct", "failed").is_empty());
    let reason = &node.failures("ct")[0];
    assert_eq!(reason, "pacs: the target refused 3 of 3 object(s) with status C000 (cannot understand)");
    until("it is counted", || ended(&node, "failed") == 1.0);
    // Warnings are taken for success, and kept.
    target.behave(|b| b.status = 0xb000);
    let name = node.series("ct", "failed")[0].file_name().unwrap().to_str().unwrap().to_owned();
    let wrong = artir().args(["node", "retry"]).arg(node.config()).arg("nobody").output().unwrap();
    assert_eq!(wrong.status.code(), Some(3));
    let retried = artir().args(["node", "retry"]).arg(node.config()).arg(&name).output().unwrap();
    assert!(retried.status.success(), "{}", text(&retried.stderr));
    until("it is done", || ended(&node, "sent") == 1.0);
    assert_eq!(target.objects().len(), 3);
    assert_eq!(node.metric("artir_send_warnings_total{route=\"ct\",target=\"pacs\"}"), 3.0);
    let journal = fs::read_to_string(dir.path().join("queue/journal.jsonl")).unwrap();
    assert!(journal.contains("3 object(s) accepted with warning B000"), "{journal}");
    assert_eq!(node.metric("artir_restored_series_total{route=\"ct\"}"), 1.0, "it was restored once");
}

#[test]
fn a_target_that_takes_implicit_vr_alone_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "", "");
    target.behave(|b| b.implicit_only = true);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    until("it is done", || ended(&node, "sent") == 1.0);
    assert_eq!(target.syntaxes(), ["1.2.840.10008.1.2"]);
    assert_eq!(target.objects().len(), 2);
}

#[test]
fn the_local_copy_goes_when_the_target_keeps_the_objects() {
    for commit in [Commit::AtOnce, Commit::Later(0)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut node, target) = pair(dir.path(), "commitment = true", "#disk keep_sent_seconds = 0\n");
        let commit = if commit == Commit::AtOnce { commit } else { Commit::Later(node.port) };
        target.behave(|b| b.commit = commit);
        node.start();
        sender::send(node.port, "ARTIR", &input(dir.path(), "in", 3, "1.2.3")).unwrap();
        until("it is done", || ended(&node, "sent") == 1.0);
        until("it is gone", || node.series("ct", "out").is_empty());
        assert_eq!((target.objects().len(), target.commitments()), (3, 1), "{commit:?}");
    }
}

#[test]
fn what_a_target_does_not_keep_is_sent_again_and_then_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "commitment = true", "#retry attempts = 3\n");
    target.behave(|b| b.commit = Commit::Nothing);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    until("it has failed", || !node.series("ct", "failed").is_empty());
    let reason = &node.failures("ct")[0];
    assert!(reason.starts_with("pacs: the target reports that it does not keep 2 of 2 object(s)"), "{reason}");
    assert!(target.objects().values().all(|times| *times == 3), "{:?}", target.objects());
}

#[test]
fn a_report_that_does_not_come_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "commitment = true\ncommitment_seconds = 0.5", "");
    target.behave(|b| b.commit = Commit::Never);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    until("it was asked", || target.commitments() == 1);
    // The node dies while it waits, and the target never heard of a loss.
    node.kill();
    target.behave(|b| b.commit = Commit::AtOnce);
    node.start();
    until("it is done", || ended(&node, "sent") == 1.0);
    assert_eq!(target.commitments(), 2);
    assert!(target.objects().values().all(|times| *times == 1), "objects are not sent again for that");
}

#[test]
fn one_target_that_fails_does_not_keep_the_others_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (Target::start(), Target::start());
    bad.behave(|b| b.silent = true);
    let second = bad.table("answer_seconds = 0.2").replace("'pacs'", "'other'");
    let route = ROUTE.replace("['pacs']", "['pacs', 'other']");
    let mut node = Node::new(dir.path(), &format!("#retry attempts = 2\n{}{second}{route}", good.table("")));
    node.start();
    for (i, name) in ["a", "b", "c"].iter().enumerate() {
        sender::send(node.port, "ARTIR", &input(dir.path(), name, 2, &format!("1.2.3{i}"))).unwrap();
    }
    until("the good one has all", || good.objects().len() == 6);
    until("all have failed for the bad one", || ended(&node, "failed") == 3.0);
    assert!(node.failures("ct").iter().all(|reason| reason.starts_with("other: timeout")), "{:?}", node.failures("ct"));
}

#[test]
fn a_drained_node_has_sent_everything_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "", "");
    target.behave(|b| b.gone = true);
    node.start();
    let sent = input(dir.path(), "in", 3, "1.2.3");
    sender::send(node.port, "ARTIR", &sent).unwrap();
    let config = node.config();
    let drain = thread::spawn(move || artir().args(["node", "drain"]).arg(config).output().unwrap());
    until("it drains", || node.get("/ready").contains("draining"));
    assert!(sender::send(node.port, "ARTIR", &sent).is_err(), "nothing more is accepted");
    target.behave(|b| b.gone = false);
    assert_eq!(text(&drain.join().unwrap().stdout), "drained\n");
    until("it has ended", || node.exit_code().is_some());
    assert_eq!(node.exit_code(), Some(Some(0)));
    assert_eq!(target.objects().len(), 3);
    // The next start takes associations again.
    node.kill();
    node.start();
    sender::send(node.port, "ARTIR", &sent).unwrap();
    let none = artir().args(["node", "status", "--json"]).arg(node.config()).output().unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&none.stdout).unwrap()["running"] == true);
}

#[test]
fn a_drain_that_a_signal_cuts_short_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "", "#retry attempts = 1000\n");
    target.behave(|b| b.gone = true);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    let config = node.config();
    let drain = thread::spawn(move || artir().args(["node", "drain"]).arg(config).output().unwrap());
    until("it drains", || node.get("/ready").contains("draining"));
    assert_eq!(node.stop(), Some(0));
    let drained = drain.join().unwrap();
    let error = text(&drained.stderr);
    assert_eq!(drained.status.code(), Some(1), "{error}");
    assert!(error.contains("not drained: the node has ended while 1 series were still"), "{error}");
    assert!(!dir.path().join("queue/drain").exists());
}

#[test]
fn a_target_that_does_not_answer_does_not_keep_the_node_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let target = format!("[[target]]\nname = 'pacs'\nurl = 'http://{address}/studies'\nanswer_seconds = 600\n");
    let mut node = Node::new(dir.path(), &format!("{target}{ROUTE}"));
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    let _connection = silent.accept().unwrap();
    let begun = Instant::now();
    assert_eq!(node.stop(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn routes_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = pair(dir.path(), "", "");
    node.start();
    let sent = input(dir.path(), "in", 2, "1.2.3");
    node.configure(&format!("{}{}", target.table(""), ROUTE.replace("'ct'", "'new'").replace("'ARTIR'", "'NEW'")));
    node.signal("HUP");
    until("it was read", || node.log().contains("configuration read again"));
    let refused = sender::send(node.port, "ARTIR", &sent).unwrap_err().to_string();
    assert!(refused.contains("presentation context"), "only C-ECHO is left there: {refused}");
    sender::send(node.port, "NEW", &sent).unwrap();
    until("the target has them", || target.objects().len() == 2);
    // A file with an error changes nothing.
    node.configure("nonsense = true\n");
    node.signal("HUP");
    until("it was refused", || node.log().contains("the configuration stays as it was"));
    sender::send(node.port, "NEW", &input(dir.path(), "more", 1, "1.2.4")).unwrap();
    until("the target has it", || target.objects().len() == 3);
    assert_eq!(node.stop(), Some(0));
}

/// The status page shows the queue and failures, holds nothing of a patient, and asks for nothing.
#[test]
fn the_status_page_works_in_a_browser() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start(dir.path()) else { return };
    let (mut node, target) = pair(dir.path(), "", "#retry attempts = 1\n");
    target.behave(|b| b.status = 0x0110);
    node.start();
    sender::send(node.port, "ARTIR", &input(dir.path(), "in", 2, "1.2.3")).unwrap();
    let journal = dir.path().join("queue/journal.jsonl");
    until("it has failed", || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"failed\"")));
    browser.visit(&format!("http://127.0.0.1:{}/", node.http));
    let of = |browser: &mut Browser, what: &str| browser.evaluate(what).as_str().unwrap_or_default().to_owned();
    assert!(of(&mut browser, "document.getElementById('state').textContent").starts_with("ready; "));
    let queue = of(&mut browser, "document.querySelector('#queue tbody tr').innerText");
    assert_eq!(queue.split_whitespace().collect::<Vec<_>>(), ["ct", "0", "0", "0", "1", "pacs"]);
    let failed = of(&mut browser, "document.querySelector('#failed tbody tr').innerText");
    assert!(failed.contains("status 0110 (processing failure)"), "{failed}");
    let last = browser.evaluate("document.querySelectorAll('#last tbody tr').length");
    assert_eq!(last, 3, "complete, restored, failed");
    let coloured = browser.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse");
    assert_eq!(coloured, "collapse", "its style is admitted");
    assert!(browser.console.iter().all(|line| line.contains("favicon")), "{:?}", browser.console);
    assert!(browser.requests.iter().all(|url| url.starts_with("http://127.0.0.1:")), "{:?}", browser.requests);
    // Reading changes nothing, and nothing else is taken.
    let mut posted = Command::new("curl");
    posted.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x"]);
    if let Ok(out) = posted.arg(format!("http://127.0.0.1:{}/", node.http)).output() {
        assert_eq!(text(&out.stdout), "405");
    }
}
