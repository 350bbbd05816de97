//! `artir node` as a receiver: what it accepts and refuses, what lies on its disk, and what of it is restored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use artir_tests::{
    artir,
    node::{Node, files, until},
    real, sender,
    sender::Sendable,
    target::Target,
    text,
};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_ul::ClientAssociationOptions;
use made::input;

const ROUTE: &str =
    "[[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\nquiet_seconds = 0.3\n[route.ct]\nmodel = MODEL\n";

/// A node with one route for CT, and its target.
fn node(dir: &Path, more: &str) -> (Node, Target) {
    let target = Target::start();
    let mut node = Node::new(dir, &format!("{more}\n{}{ROUTE}", target.table("")));
    node.start();
    (node, target)
}

/// Changes an attribute of a file.
fn change(path: &Path, tag: dicom_core::Tag, vr: VR, value: &str) {
    let mut object = dicom_object::open_file(path).unwrap();
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    object.write_to_file(path).unwrap();
}

#[test]
fn a_series_comes_byte_for_byte_and_goes_restored() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 6, "1.2.3");
    for file in &sent {
        change(file, tags::PATIENT_NAME, VR::PN, "DOE^JANE");
    }
    let (mut node, target) = node(dir.path(), "");
    let echo = Command::new("echoscu").args(["-aec", "ARTIR", "127.0.0.1", &node.port.to_string()]).output().unwrap();
    assert!(echo.status.success(), "{}", text(&echo.stderr));
    assert_eq!(sender::send(node.port, "ARTIR", &sent).unwrap(), [Some(0); 6]);
    until("the target has all", || target.objects().len() == 6);
    until("the series is done", || node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}") == 1.0);
    let kept = node.series("ct", "out");
    assert_eq!(kept.len(), 1);
    // What came is what lies on the disk: the data sets, byte for byte.
    let data = |files: &[PathBuf]| {
        let mut all: Vec<_> = files.iter().map(|file| Sendable::read(file).unwrap().data).collect();
        all.sort();
        all
    };
    let stored = files(&kept[0].join("source"));
    assert_eq!(data(&stored), data(&sent));
    // And what went is what `artir ct` makes of it.
    let model = dir.path().join("ct.onnx");
    let out = dir.path().join("out");
    let ran =
        artir().arg("ct").arg(dir.path().join("in")).arg("-o").arg(&out).arg("--model").arg(model).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let folder = fs::read_dir(out).unwrap().next().unwrap().unwrap().path();
    let expected: Vec<String> = files(&folder)
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "dcm"))
        .map(|file| {
            dicom_object::open_file(file)
                .unwrap()
                .meta()
                .media_storage_sop_instance_uid
                .trim_end_matches('\0')
                .to_owned()
        })
        .collect();
    let mut found: Vec<String> = target.objects().into_keys().collect();
    let mut expected_sorted = expected.clone();
    expected_sorted.sort();
    found.sort();
    assert_eq!(found, expected_sorted);
    // No trace of the patient outside the objects.
    let journal = fs::read_to_string(dir.path().join("queue/journal.jsonl")).unwrap();
    for place in [node.log(), node.get("/metrics"), node.get("/"), journal] {
        assert!(!place.contains("DOE") && !place.contains("1.2.3"), "{place}");
    }
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_second_time_changes_nothing_and_late_slices_join_under_the_same_uids() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 7, "1.2.3");
    let (node, target) = node(dir.path(), "");
    let success = |files: &[PathBuf]| {
        let statuses = sender::send(node.port, "ARTIR", files).unwrap();
        assert!(statuses.iter().all(|status| *status == Some(0)), "{statuses:?}");
    };
    success(&sent[..4]);
    until("four are sent", || target.objects().len() == 4);
    until("they are done", || node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}") == 1.0);
    let first = target.hashes();
    success(&sent[..4]);
    assert_eq!(node.metric("artir_repeated_objects_total{route=\"ct\"}"), 4.0);
    success(&sent);
    until("all are sent", || target.objects().len() == 7);
    until("they are done", || node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}") == 2.0);
    assert!(target.objects().values().all(|times| *times == 1), "{:?}", target.objects());
    assert!(first.iter().all(|(uid, hash)| target.hashes().get(uid) == Some(hash)));
}

#[test]
fn other_bytes_replace_a_restored_object_and_before_that_fail_the_series() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 3, "1.2.3");
    let changed = input(dir.path(), "changed", 3, "1.2.3");
    change(&changed[0], tags::IMAGE_COMMENTS, VR::LT, "sent again");
    let (node, target) = node(dir.path(), "");
    let done = |n: f64| {
        until("a series is done", || node.metric("artir_ended_series_total{route=\"ct\",outcome=\"sent\"}") == n);
    };
    sender::send(node.port, "ARTIR", &sent).unwrap();
    done(1.0);
    let before = target.hashes();
    sender::send(node.port, "ARTIR", &changed).unwrap();
    done(2.0);
    let after = target.hashes();
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "the same UIDs");
    assert_eq!(before.iter().filter(|(uid, hash)| after[*uid] != **hash).count(), 1, "one object was made anew");
    // Two versions before the first was restored.
    let one = input(dir.path(), "one", 3, "1.2.4");
    let other = input(dir.path(), "other", 3, "1.2.4");
    change(&other[0], tags::IMAGE_COMMENTS, VR::LT, "another");
    sender::send(node.port, "ARTIR", &[one, other].concat()).unwrap();
    until("it has failed", || node.series("ct", "failed").len() == 1);
    assert!(node.failures("ct")[0].contains("SOPInstanceUID (0008,0018)"), "{:?}", node.failures("ct"));
    // An administrator decides.
    let status = artir().args(["node", "status"]).arg(node.config()).output().unwrap();
    assert!(text(&status.stdout).contains("failed: ") && text(&status.stdout).starts_with("running"));
    let retried = artir().args(["node", "retry", "--newest"]).arg(node.config()).output().unwrap();
    assert_eq!(text(&retried.stdout), "1 series to be tried again\n");
    done(3.0);
    assert_eq!(target.objects().len(), 6);
}

#[test]
fn who_may_not_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 1, "1.2.3");
    let target = Target::start();
    let routes = "[[route]]\nname = 'ct'\ncalled = ['CT']\ncalling = ['SCANNER']\ntargets = ['pacs']\n[route.ct]\n\
        model = MODEL\n[[route]]\nname = 'far'\ncalled = ['FAR']\naddresses = ['10.0.0.0/8']\ntargets = ['pacs']\n[route.ct]\n\
        model = MODEL\n";
    let mut node = Node::new(dir.path(), &format!("{}{routes}", target.table("")));
    node.start();
    for (called, calling, reason) in [
        ("NOBODY", "SCANNER", "Called AE Title Not Recognized"),
        ("CT", "OTHER", "Calling AE Title Not Recognized"),
        ("FAR", "SCANNER", "Calling AE Title Not Recognized"),
    ] {
        let out = node.send(called, &["-aet", calling], &sent);
        assert!(!out.status.success() && text(&out.stderr).contains(reason), "{called}: {}", text(&out.stderr));
    }
    assert!(node.send("CT", &["-aet", "SCANNER"], &sent).status.success());
    // Objects of another class are not taken.
    change(&sent[0], tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.88.11");
    let out = node.send("CT", &["-aet", "SCANNER"], &sent);
    assert!(!out.status.success(), "{}", text(&out.stdout));
}

#[test]
fn a_full_disk_refuses_objects_and_then_associations() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 2, "1.2.3");
    let (mut node, target) = node(dir.path(), "");
    let huge = 1_u64 << 40;
    let table = |reserve: u64, watermark: u64| {
        let disk = format!("#disk reserve_mib = {reserve}\n#disk watermark_mib = {watermark}\n");
        format!("{disk}{}{ROUTE}", target.table(""))
    };
    node.configure(&table(huge, huge));
    node.signal("HUP");
    until("the file was read again", || node.log().contains("configuration read again"));
    let out = node.send("ARTIR", &["-v"], &sent);
    assert!(text(&out.stderr).contains("Local Limit Exceeded"), "{}", text(&out.stderr));
    assert!(node.get("/ready").contains("503 ") && node.get("/ready").contains("watermark"));
    // An association that was there before the disk was full.
    node.configure(&table(1, 1));
    node.signal("HUP");
    until("it is ready", || node.get("/ready").contains("200 OK"));
    assert_eq!(sender::send(node.port, "ARTIR", &sent).unwrap(), [Some(0), Some(0)]);
    until("the target has them", || target.objects().len() == 2);
    node.stop();
    let received = dir.path().join("queue/ct/in");
    assert!(fs::read_dir(received.join(".receiving")).unwrap().next().is_none());
}

#[test]
fn a_full_queue_refuses_new_series() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 2, "1.2.3");
    let (node, _target) = node(dir.path(), "#disk series = 1\n");
    let other = input(dir.path(), "other", 2, "1.2.4");
    let both = [sent, other].concat();
    let statuses = sender::send(node.port, "ARTIR", &both).unwrap();
    assert_eq!(statuses, [Some(0), Some(0), Some(0xa700), Some(0xa700)]);
    assert_eq!(node.metric("artir_refused_objects_total{route=\"ct\",status=\"A700\"}"), 2.0);
    assert!(fs::read_dir(dir.path().join("queue/ct/in/.receiving")).unwrap().next().is_none());
}

/// A file system of some megabytes, which goes when it is dropped.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        // The system removes it at the latest when it ends.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_reserve_refuses_objects_with_a700_and_leaves_no_part() {
    let dir = tempfile::tempdir().unwrap();
    let queue = dir.path().join("queue");
    fs::create_dir(&queue).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(&queue).output();
    if !mounted.is_ok_and(|out| out.status.success()) {
        println!("skipped: only root may mount a small file system");
        return;
    }
    let _small = Small(queue.clone());
    let sent = input(dir.path(), "in", 150, "1.2.3");
    let (mut node, target) = node(dir.path(), "#disk reserve_mib = 20\n#disk watermark_mib = 20\n");
    // The disk fills up while an association is under way.
    let (port, files) = (node.port, sent.clone());
    let sending = std::thread::spawn(move || sender::send(port, "ARTIR", &files).unwrap());
    until("the first are there", || node.metric("artir_received_objects_total{route=\"ct\"}") >= 1.0);
    fs::write(queue.join("filler"), vec![1; 30 << 20]).unwrap();
    let statuses = sending.join().unwrap();
    let refused: Vec<PathBuf> =
        statuses.iter().zip(&sent).filter(|(status, _)| **status != Some(0)).map(|(_, file)| file.clone()).collect();
    assert!(!refused.is_empty() && statuses.contains(&Some(0)), "{statuses:?}");
    assert!(statuses.iter().all(|status| [Some(0), Some(0xa700)].contains(status)), "{statuses:?}");
    assert!(fs::read_dir(queue.join("ct/in/.receiving")).unwrap().next().is_none());
    assert!(sender::send(node.port, "ARTIR", &refused).is_err(), "below the watermark");
    fs::remove_file(queue.join("filler")).unwrap();
    assert!(sender::send(node.port, "ARTIR", &refused).unwrap().iter().all(|status| *status == Some(0)));
    until("the target has all", || target.objects().len() == 150);
    node.stop();
}

#[test]
fn what_is_not_chosen_and_what_artir_made_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let thin = ROUTE.replace("'ct'", "'thin'").replace("'ARTIR'", "'THIN'") + "select = 'SliceThickness<0.01'\n";
    let mut node = Node::new(dir.path(), &format!("{}{ROUTE}{thin}", target.table("")));
    node.start();
    let sent = input(dir.path(), "in", 2, "1.2.3");
    sender::send(node.port, "THIN", &sent).unwrap();
    let skipped =
        |route: &str| node.metric(&format!("artir_ended_series_total{{route=\"{route}\",outcome=\"skipped\"}}"));
    until("it is skipped", || skipped("thin") == 1.0);
    assert!(node.series("thin", "out").is_empty() && node.series("thin", "work").is_empty());
    // Its own results come back, as from an archive that sends everything on.
    sender::send(node.port, "ARTIR", &sent).unwrap();
    until("it is sent", || target.objects().len() == 2);
    until("it is done", || node.is_idle("ct"));
    let restored = fs::read_dir(node.series("ct", "out")[0].join("restored")).unwrap().next().unwrap().unwrap().path();
    let own: Vec<PathBuf> = files(&restored).into_iter().filter(|file| file.extension().is_some()).collect();
    assert_eq!(sender::send(node.port, "ARTIR", &own).unwrap(), [Some(0), Some(0)]);
    until("they are skipped", || skipped("ct") == 1.0);
    assert_eq!(target.objects().len(), 2);
    let journal = fs::read_to_string(dir.path().join("queue/journal.jsonl")).unwrap();
    assert!(journal.contains("already restored by artir") && journal.contains("not selected"), "{journal}");
}

#[test]
fn a_series_of_known_size_does_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 3, "1.2.3");
    for file in &sent {
        change(file, tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, "3");
    }
    let target = Target::start();
    let route = ROUTE.replace("quiet_seconds = 0.3", "quiet_seconds = 1000");
    let mut node = Node::new(dir.path(), &format!("{}{route}", target.table("")));
    node.start();
    sender::send(node.port, "ARTIR", &sent[..2]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(node.series("ct", "in").len(), 1);
    // A restart forgets nothing of it but the count, which the next object brings again.
    node.kill();
    node.start();
    sender::send(node.port, "ARTIR", &sent[2..]).unwrap();
    until("the target has it", || target.objects().len() == 3);
}

#[test]
fn hostile_bytes_cost_an_association_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let sent = input(dir.path(), "in", 2, "1.2.3");
    let (node, target) = node(dir.path(), "#listen request_seconds = 1\n#listen idle_seconds = 1\n");
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    };
    let before = memory();
    // A request as dcmtk sends it, cut and changed in each place.
    let mut request = vec![1, 0, 0, 0, 0, 0, 0, 1, 0, 0];
    request.extend(format!("{:<16}{:<16}", "ARTIR", "SENDER").bytes());
    request.extend([0; 32]);
    let item = |kind: u8, body: &[u8]| [&[kind, 0], &(body.len() as u16).to_be_bytes() as &[u8], body].concat();
    request.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    let context = [item(0x30, b"1.2.840.10008.1.1"), item(0x40, b"1.2.840.10008.1.2")].concat();
    request.extend(item(0x20, &[&[1, 0, 0, 0], context.as_slice()].concat()));
    request.extend(item(0x50, &item(0x51, &16384_u32.to_be_bytes())));
    let length = (request.len() as u32 - 6).to_be_bytes();
    request[2..6].copy_from_slice(&length);
    let mut all: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![4, 0, 0xff, 0xff, 0xff, 0xff],
        vec![0; 5000],
        vec![0xff; 5000],
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 500]].concat(),
    ];
    for i in (0..request.len()).step_by(3) {
        let mut bad = request.clone();
        bad[i] ^= 0xff;
        all.push(bad);
    }
    // Data with huge and with zero lengths within an association.
    for length in [0_u32, 1, 2, 0xffff_ffff] {
        let mut data = vec![4, 0, 0, 0, 0, 10];
        data.extend(length.to_be_bytes());
        data.extend([1, 3, 0, 0, 0, 0]);
        all.push([request.clone(), data].concat());
    }
    for bytes in &all {
        let mut socket = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
        // The node may have closed already.
        drop(socket.write_all(bytes));
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        drop(socket.read(&mut [0; 4096]));
    }
    // Connections that say nothing, more than there are places.
    let silent: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(("127.0.0.1", node.port)).ok()).collect();
    assert!(node.get("/live").contains("200 OK"));
    std::thread::sleep(Duration::from_millis(1500));
    drop(silent);
    let after = memory();
    assert!(after < before + 64, "{before} MiB before, {after} MiB after");
    until("there is room again", || sender::send(node.port, "ARTIR", &sent).is_ok());
    until("the target has it", || target.objects().len() == 2);
    assert!(!node.log().contains("panicked"), "{}", node.log());
    // Nothing is served over HTTP but its four pages.
    for path in ["/../queue/salt", "//etc/passwd", "/queue", "/live/../salt"] {
        assert!(node.get(path).starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[test]
fn more_associations_than_allowed_are_rejected_for_now() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _target) = node(dir.path(), "#listen associations = 2\n");
    let associate = || {
        ClientAssociationOptions::new()
            .called_ae_title("ARTIR")
            .with_abstract_syntax("1.2.840.10008.1.1")
            .establish(("127.0.0.1", node.port))
    };
    let (one, two) = (associate().unwrap(), associate().unwrap());
    let refused = associate().unwrap_err().to_string();
    assert!(refused.contains("rejected"), "{refused}");
    one.release().unwrap();
    until("there is room again", || associate().is_ok());
    drop(two);
}

#[test]
fn a_configuration_that_cannot_be_used_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let node = Node::new(dir.path(), &format!("{}{ROUTE}", target.table("")));
    let run = |more: &str| {
        node.configure(more);
        let check = artir().args(["node", "--check"]).arg(node.config()).output().unwrap();
        let start = if check.status.success() { None } else { artir().arg("node").arg(node.config()).output().ok() };
        (check, start)
    };
    let (check, _) = run(&format!("{}{ROUTE}", target.table("")));
    assert_eq!(text(&check.stdout), "1 route(s), 1 target(s): usable\n");
    for (more, reason) in [
        (
            format!("{}{ROUTE}", target.table("")).replace("model = MODEL", "model = PET"),
            "is for pet-enhance, not for ct-denoise",
        ),
        (format!("{}{ROUTE}", target.table("")).replace("model = MODEL", "model = 'none'"), "no model named 'none'"),
        (format!("{}{ROUTE}", target.table("tls = {authorities = 'none.pem'}")), "none.pem"),
        (ROUTE.to_owned(), "there is no target `pacs`"),
    ] {
        let (check, start) = run(&more);
        for out in [check, start.unwrap()] {
            let error = text(&out.stderr);
            assert_eq!(out.status.code(), Some(3), "{error}");
            assert!(error.contains(reason) && error.lines().count() == 1, "{reason}: {error}");
        }
    }
    assert!(!dir.path().join("queue").exists(), "a check writes nothing");
}

/// Every case of the real data: the node restores what `artir ct` and `artir pet` restore, to the same objects, and fails or skips
/// the rest.
#[test]
fn cases_come_out_as_on_the_command_line() {
    let Some(cases) = real("cases/dicom") else { return };
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start();
    let cases: Vec<PathBuf> = fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Cases share UIDs, so that each has a route of its own.
    let route = |i: usize| {
        let named = ROUTE.replace("'ct'", &format!("'c{i}'")).replace("'ARTIR'", &format!("'C{i}'"));
        format!("{named}[route.pet]\nmodel = PET\n")
    };
    let routes: String = (0..cases.len()).map(route).collect();
    let mut node = Node::new(dir.path(), &format!("#restore threads = 2\n{}{routes}", target.table("")));
    node.start();
    let mut expected = std::collections::BTreeSet::new();
    let mut refused = 0;
    for (i, case) in cases.iter().enumerate() {
        let input = case.join("in");
        // Objects as they come over a network: each of them by its own header.
        let sendable: Vec<PathBuf> = walkdir::WalkDir::new(&input)
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file() && Sendable::read(&entry.path().to_owned()).is_some())
            .map(walkdir::DirEntry::into_path)
            .collect();
        // A DICOMDIR has a header too, and an archive has none.
        let sendable: Vec<PathBuf> =
            sendable.into_iter().filter(|path| path.file_name().unwrap() != "DICOMDIR").collect();
        if sendable.is_empty() {
            continue;
        }
        let statuses = sender::send(node.port, &format!("C{i}"), &sendable).unwrap();
        refused += statuses.iter().filter(|status| status.is_some_and(|status| status != 0)).count();
        let is_pet = ["pet", "suv"].iter().any(|kind| case.file_name().unwrap().to_str().unwrap().starts_with(kind));
        let (command, model) = if is_pet { ("pet", "pet.onnx") } else { ("ct", "ct.onnx") };
        {
            let out = dir.path().join("expected").join(case.file_name().unwrap()).join(command);
            let mut ran = artir();
            ran.arg(command).args(&sendable).arg("-o").arg(&out).args(["-q", "--threads", "2", "--model"]);
            ran.arg(dir.path().join(model)).output().unwrap();
            for file in walkdir::WalkDir::new(out).into_iter().filter_map(Result::ok) {
                if file.path().extension().is_some_and(|e| e == "dcm") {
                    let object = dicom_object::open_file(file.path()).unwrap();
                    expected.insert(object.meta().media_storage_sop_instance_uid.trim_end_matches('\0').to_owned());
                }
            }
        }
    }
    let mut failures = Vec::new();
    for i in 0..cases.len() {
        until("everything is sent or has failed", || node.is_idle(&format!("c{i}")));
        failures.extend(node.failures(&format!("c{i}")));
    }
    let found: std::collections::BTreeSet<String> = target.objects().into_keys().collect();
    println!("{} objects, {refused} refused, failures: {failures:#?}", found.len());
    let missing: Vec<_> = expected.difference(&found).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, more {more:?}");
    assert!(expected.len() > 100);
}
