//! `artir node` and its target under fire: killed at random moments, with objects on their way in and out. In the end, every
//! series is at the target, once, and none is missing. `ARTIR_KILLS` sets how many kills there are, `ARTIR_KILLS_SEED` the moments.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{collections::BTreeMap, path::PathBuf, thread, time::Duration};

use artir_tests::{
    node::{Node, files, until},
    random::Random,
    sender, setting,
    target::{Commit, Target},
};
use made::{rename_series, series};

const ROUTE: &str =
    "[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\nquiet_seconds = 0.2\n[route.ct]\nmodel = MODEL\n";

#[test]
fn kills_at_random_moments_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let more = "#retry attempts = 1000\n#disk keep_sent_seconds = 1000\n";
    let table = target.table("commitment = true\ncommitment_seconds = 0.5\nanswer_seconds = 2");
    let mut node = Node::new(dir.path(), &format!("{more}{table}{ROUTE}"));
    // What comes out without any disturbance.
    let inputs: Vec<Vec<PathBuf>> = (0..6)
        .map(|i| {
            let folder = dir.path().join(format!("in{i}"));
            series(&folder, 12, 100.0 + 10.0 * i as f32);
            rename_series(&folder, &format!("1.2.3{i}"));
            files(&folder)
        })
        .collect();
    let undisturbed = Target::start();
    let expected: BTreeMap<String, String> = {
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let mut node = Node::new(&other, &format!("{}{ROUTE}", undisturbed.table("")));
        node.start();
        inputs.iter().for_each(|input| drop(sender::send(node.port, "ARTIR", input).unwrap()));
        until("all are sent", || undisturbed.objects().len() == 72);
        undisturbed.hashes()
    };
    let mut random = Random(setting("ARTIR_KILLS_SEED", 27));
    let kills = setting("ARTIR_KILLS", 8) as usize;
    node.start();
    for kill in 0..kills {
        // A sender that is cut off sends the whole series again, as an archive does.
        let input = &inputs[kill % inputs.len()];
        let (port, input) = (node.port, input.clone());
        let sending = thread::spawn(move || drop(sender::send(port, "ARTIR", &input)));
        match kill % 4 {
            0 => target.behave(|b| b.breaks_after = Some(3)),
            1 => target.behave(|b| (b.breaks_after, b.commit) = (None, Commit::Never)),
            2 => target.behave(|b| (b.status, b.commit) = (0xa700, Commit::AtOnce)),
            _ => target.behave(|b| b.status = 0),
        }
        thread::sleep(Duration::from_secs_f64(1.2 * random.uniform()));
        node.kill();
        sending.join().unwrap();
        node.start();
    }
    target.behave(|b| *b = artir_tests::target::Behaviour::default());
    // Whatever was not acknowledged is sent again, in the end.
    for input in &inputs {
        let statuses = sender::send(node.port, "ARTIR", input).unwrap();
        assert!(statuses.iter().all(|status| *status == Some(0)), "{statuses:?}");
    }
    until("nothing is left to do", || node.series("ct", "out").len() == 6 && node.is_idle("ct"));
    assert!(node.series("ct", "failed").is_empty(), "{:?}", node.failures("ct"));
    assert_eq!(
        target.hashes(),
        expected,
        "the same objects with the same bytes, none missing and none under another UID"
    );
    assert!(std::fs::read_dir(dir.path().join("queue/ct/in/.receiving")).unwrap().next().is_none());
}
