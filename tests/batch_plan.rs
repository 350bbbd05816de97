//! Manifests made from folders, a DICOMDIR and an Orthanc, and jobs whose series are fetched. The Orthanc is a stand-in on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Cursor, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Output,
    sync::{Arc, Mutex},
    thread,
};

use artir_tests::artir;
use dicom_core::{DataElement, PrimitiveValue, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use made::{contents, files, input, models, rename_series, run, series, text, write_jobs};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

fn jobs(dir: &Path) -> Vec<Value> {
    let lines = fs::read_to_string(dir.join("jobs.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A DICOMDIR that names files by their paths below its folder.
fn dicomdir(path: &Path, named: &[String]) {
    let record = |name: &String| {
        let parts: Vec<String> = name.split('/').map(str::to_owned).collect();
        InMemDicomObject::from_element_iter([
            DataElement::new(tags::RECORD_IN_USE_FLAG, VR::US, PrimitiveValue::from(0xffff_u16)),
            DataElement::new(tags::DIRECTORY_RECORD_TYPE, VR::CS, PrimitiveValue::from("IMAGE")),
            DataElement::new(tags::REFERENCED_FILE_ID, VR::CS, PrimitiveValue::Strs(parts.into())),
        ])
    };
    let records: Vec<_> = named.iter().map(record).collect();
    let set = InMemDicomObject::from_element_iter([
        DataElement::new(tags::FILE_SET_ID, VR::CS, PrimitiveValue::from("MADE")),
        DataElement::new(tags::DIRECTORY_RECORD_SEQUENCE, VR::SQ, DataSetSequence::from(records)),
    ]);
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax("1.2.840.10008.1.2.1")
        .media_storage_sop_class_uid("1.2.840.10008.1.3.10")
        .media_storage_sop_instance_uid("1.2.3.99");
    set.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

#[test]
fn the_series_of_a_dicomdir_are_planned() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    fs::create_dir(dir.join("disc")).unwrap();
    let mut named = Vec::new();
    for (name, uid, slices) in [("S1", "1.2.3.1", 3), ("S2", "1.2.3.2", 2), ("S3", "1.2.3.3", 2)] {
        for (i, file) in input(&dir.join("disc"), name, slices, uid).into_iter().enumerate() {
            let to = format!("{name}/IM{i}");
            fs::rename(file, dir.join("disc").join(&to)).unwrap();
            named.push(to);
        }
    }
    // The third series lies on the disc, and the directory does not name it.
    named.truncate(5);
    for name in ["DICOMDIR", "dicomdir"] {
        dicomdir(&dir.join("disc").join(name), &named);
        let mut first = None;
        for source in ["disc", &format!("disc/{name}")] {
            let planned = run(dir, &["batch", "--plan", source, "-o", "jobs.jsonl", "--overwrite"]);
            assert!(planned.status.success(), "{}", text(&planned.stderr));
            let jobs = jobs(dir);
            assert_eq!(jobs.len(), 2, "{jobs:?}");
            assert!(jobs[0]["input"].as_str().unwrap().ends_with("disc/S1"), "{jobs:?}");
            assert_eq!(first.get_or_insert_with(|| jobs.clone()), &jobs);
        }
        fs::remove_file(dir.join("disc").join(name)).unwrap();
    }
    fs::write(dir.join("disc/DICOMDIR"), "no DICOM").unwrap();
    let refused = run(dir, &["batch", "--plan", "disc", "-o", "other.jsonl"]);
    assert!(refused.status.code() == Some(3) && !dir.join("other.jsonl").exists(), "{}", text(&refused.stderr));
}

/// The files that a DICOMDIR or a detached header names are part of what a job reads.
#[test]
fn a_change_of_files_that_an_input_names_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    fs::create_dir(dir.join("disc")).unwrap();
    let mut named = Vec::new();
    for (i, file) in input(&dir.join("disc"), "S1", 3, "1.2.3.1").into_iter().enumerate() {
        named.push(format!("S1/IM{i}"));
        fs::rename(file, dir.join("disc").join(&named[i])).unwrap();
    }
    dicomdir(&dir.join("disc/DICOMDIR"), &named);
    let header = "NRRD0004\ntype: int16\ndimension: 3\nspace: left-posterior-superior\nsizes: 64 64 3\n\
                  space directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (0,0,0)\nkinds: domain domain domain\n\
                  endian: little\nencoding: raw\ndata file: v.raw\n";
    fs::write(dir.join("v.nhdr"), header).unwrap();
    let write_voxels = |level: i16| {
        let voxels: Vec<u8> = (0..64 * 64 * 3_i16).flat_map(|v| (v % 50 + level).to_le_bytes()).collect();
        fs::write(dir.join("v.raw"), voxels).unwrap();
    };
    write_voxels(40);
    let job =
        |id: &str, input: &str, options: Value| json!({"id": id, "command": "ct", "input": input, "options": options});
    let disc = job("disc", "disc/DICOMDIR", json!({"model": "ct-half.onnx"}));
    let volume = job("volume", "v.nhdr", json!({"model": "ct-half.onnx", "units": "hu"}));
    write_jobs(dir, &[disc, volume]);
    let go = || text(&run(dir, &["batch", "jobs.jsonl", "-o", "out"]).stdout);
    assert_eq!(go(), "shard 0/1: 2 job(s): 2 done\n");
    assert_eq!(go(), "shard 0/1: 2 job(s): 2 done (2 before)\n");
    let results = || ["disc", "volume"].map(|id| contents(&dir.join("out").join(id)));
    let first = results();
    series(&dir.join("other"), 3, 150.0);
    rename_series(&dir.join("other"), "1.2.3.1");
    fs::copy(&files(&dir.join("other"))[1], dir.join("disc/S1/IM1")).unwrap();
    assert_eq!(go(), "shard 0/1: 2 job(s): 2 done (1 before)\n");
    write_voxels(60);
    assert_eq!(go(), "shard 0/1: 2 job(s): 2 done (1 before)\n");
    assert!(results().iter().zip(&first).all(|(now, then)| now != then));
}

/// Plans a folder, and gives every job a model. Returns the jobs.
fn planned(dir: &Path, folder: &str) -> Vec<Value> {
    let planned = run(dir, &["batch", "--plan", folder, "-o", "jobs.jsonl"]);
    assert!(planned.status.success(), "{}", text(&planned.stderr));
    let mut jobs = jobs(dir);
    jobs.iter_mut().for_each(|job| job["options"] = json!({"model": "ct-half.onnx"}));
    write_jobs(dir, &jobs);
    jobs
}

#[test]
fn a_series_that_lies_beside_archives_is_planned_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    input(&dir.join("archive/p1"), "plain", 3, "1.2.3.1");
    let packed = input(dir, "packed", 2, "1.2.3.2");
    fs::write(dir.join("archive/p1/packed.zip"), zip(&packed)).unwrap();
    // One that holds no series is no job.
    fs::write(dir.join("notes.txt"), "no DICOM").unwrap();
    fs::write(dir.join("archive/p1/notes.zip"), zip(&[dir.join("notes.txt")])).unwrap();
    let jobs = planned(dir, "archive");
    let inputs: Vec<&str> = jobs.iter().map(|job| job["input"].as_str().unwrap()).collect();
    assert_eq!(inputs.len(), 2, "{inputs:?}");
    assert!(inputs[0].ends_with("archive/p1/plain") && inputs[1].ends_with("archive/p1/packed.zip"), "{inputs:?}");
    let done = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
    assert!(done.status.success() && text(&done.stdout).contains("2 done"), "{}", text(&done.stderr));
}

#[test]
fn a_series_in_two_archives_is_one_job() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    fs::create_dir(dir.join("archive")).unwrap();
    let (series, other) = (input(dir, "series", 4, "1.2.3.1"), input(dir, "other", 2, "1.2.3.2"));
    fs::write(dir.join("archive/a.zip"), zip(&series[..2])).unwrap();
    fs::write(dir.join("archive/b.zip"), zip(&[&series[2..], &other[..]].concat())).unwrap();
    let jobs = planned(dir, "archive");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let done = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let folder = dir.join("out").join(jobs[0]["id"].as_str().unwrap());
    let mut slices: Vec<usize> = files(&folder).iter().map(|series| files(series).len()).collect();
    slices.sort_unstable();
    assert_eq!(slices, [2, 4]);
}

/// A run of its own refuses both series, and so does the batch.
#[test]
fn what_keeps_a_series_back_is_planned_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    let clashing = input(&dir.join("archive"), "clashing", 3, "1.2.3.1");
    let mut other = dicom_object::open_file(&clashing[0]).unwrap();
    other.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, PrimitiveValue::from("1.2.3.1.1")));
    other.write_to_file(dir.join("archive/clashing/zz.dcm")).unwrap();
    let damaged = input(&dir.join("archive"), "damaged", 3, "1.2.3.2");
    // It ends within the first element.
    fs::write(dir.join("archive/damaged/zz.dcm"), &fs::read(&damaged[0]).unwrap()[..135]).unwrap();
    assert_eq!(run(dir, &["ct", "archive", "-o", "single", "--model", "ct-half.onnx"]).status.code(), Some(3));
    let jobs = planned(dir, "archive");
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    let done = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
    assert_eq!(done.status.code(), Some(4), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("2 unusable"), "{}", text(&done.stdout));
}

#[test]
fn what_one_series_is_split_into_is_one_job_with_the_results_of_a_single_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    for (i, file) in input(&dir.join("archive"), "p1", 4, "1.2.3.1").into_iter().enumerate() {
        let mut object = dicom_object::open_file(&file).unwrap();
        let kernel = if i < 2 { "B30f" } else { "B70f" };
        object.put(DataElement::new(tags::CONVOLUTION_KERNEL, VR::SH, PrimitiveValue::from(kernel)));
        object.write_to_file(&file).unwrap();
    }
    let jobs = planned(dir, "archive");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let done = run(dir, &["batch", "jobs.jsonl", "-o", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(run(dir, &["ct", "archive", "-o", "single", "--model", "ct-half.onnx"]).status.success());
    let own = |folder: &Path| {
        let mut all = contents(folder);
        all.retain(|name, _| !name.ends_with(".artir-manifest"));
        all
    };
    let single = own(&dir.join("single"));
    assert_eq!(single.len(), 4);
    assert_eq!(own(&dir.join("out").join(jobs[0]["id"].as_str().unwrap())), single);
}

/// Answers by path, as an Orthanc's would be; all others are 404.
type Answers = Arc<Mutex<BTreeMap<String, (u16, Vec<u8>)>>>;

struct Orthanc {
    address: String,
    answers: Answers,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Orthanc {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (answers, asked) = (Answers::default(), Arc::new(Mutex::new(Vec::new())));
        let (own, log) = (Arc::clone(&answers), Arc::clone(&asked));
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                answer(&socket, &own, &log);
            }
        });
        Self { address, answers, asked }
    }

    fn put(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, body.into()));
    }

    /// Adds a series of the folder's files.
    fn series(&self, id: &str, folder: &Path, last_update: &str) -> Value {
        let files = files(folder);
        let instances: Vec<String> = (0..files.len()).map(|n| format!("{id}-{n}")).collect();
        let series = json!({"ID": id, "Type": "Series", "LastUpdate": last_update, "Instances": instances,
            "MainDicomTags": {"Modality": "CT", "SeriesInstanceUID": format!("1.2.{}", files.len())}});
        self.put(&format!("/series/{id}"), 200, series.to_string());
        self.put(&format!("/series/{id}/archive"), 200, zip(&files));
        series
    }

    fn list(&self, all: &[Value]) {
        self.put("/series?expand&since=0&limit=200", 200, Value::from(all).to_string());
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn answer(mut socket: &TcpStream, answers: &Answers, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(socket);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let authorization = head.iter().find(|line| line.to_lowercase().starts_with("authorization:"));
    asked.lock().unwrap().push(authorization.map_or_else(|| path.clone(), |line| format!("{path} {line}")));
    let (status, body) = answers.lock().unwrap().get(&path).cloned().unwrap_or((404, Vec::new()));
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
}

fn zip(files: &[PathBuf]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (i, file) in files.iter().enumerate() {
        zip.start_file(format!("CT{i:06}.dcm"), SimpleFileOptions::default()).unwrap();
        zip.write_all(&fs::read(file).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const ONE: &str = "6816cb19-844d5aee-85245eba-28e841e6-2414fae2";
const TWO: &str = "b9c08539-26f93bde-c81ab0d7-bffaf2cb-a4d0bdd0";

fn remote(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = artir();
    command.args(["batch", "--allow-remote"]).args(arguments).current_dir(dir);
    // A proxy of the environment is not asked.
    command.env("http_proxy", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
    command.env("ARTIR_ORTHANC_USER", "alice").env("ARTIR_ORTHANC_PASSWORD", "wonder").output().unwrap()
}

#[test]
fn the_series_of_an_orthanc_are_planned_fetched_and_restored_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    let orthanc = Orthanc::start();
    let (one, two) = (dir.join("one"), dir.join("two"));
    input(dir, "one", 3, "1.2.3.1");
    input(dir, "two", 2, "1.2.3.2");
    let other = json!({"ID": "0-0", "MainDicomTags": {"Modality": "MR"}, "Instances": []});
    orthanc.list(&[orthanc.series(ONE, &one, "20260101T000000"), other, orthanc.series(TWO, &two, "20260101T000000")]);
    let planned = remote(dir, &["--plan", &orthanc.address, "-o", "plan.jsonl"]);
    assert!(planned.status.success(), "{}", text(&planned.stderr));
    assert!(text(&planned.stderr).contains("1 left out: a series of another modality"), "{}", text(&planned.stderr));
    // No pixels were read to plan, and the credentials were sent and written nowhere.
    assert_eq!(orthanc.asked(), ["/series?expand&since=0&limit=200 authorization: Basic YWxpY2U6d29uZGVy"]);
    let lines = fs::read_to_string(dir.join("plan.jsonl")).unwrap();
    assert!(!lines.contains("wonder") && lines.contains(&format!("/series/{ONE}/archive")), "{lines}");
    let with_model = |line: &str| {
        let mut job: Value = serde_json::from_str(line).unwrap();
        job["options"] = json!({"model": "ct-half.onnx"});
        job
    };
    let jobs: Vec<Value> = lines.lines().map(with_model).collect();
    write_jobs(dir, &jobs);
    let done = remote(dir, &["jobs.jsonl", "-o", "out"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    for (job, folder) in jobs.iter().zip(["one", "two"]) {
        let id = job["id"].as_str().unwrap();
        assert!(run(dir, &["ct", folder, "-o", &format!("single/{id}"), "--model", "ct-half.onnx"]).status.success());
        let own = |place: &str| {
            let mut all = contents(&dir.join(place).join(id));
            // The manifests name the sources by what they were called.
            all.retain(|name, _| !name.ends_with(".artir-manifest"));
            all
        };
        assert_eq!(own("out"), own("single"), "as by the command on the files");
        let record = fs::read_to_string(dir.join(format!("out/.artir/done/{id}.json"))).unwrap();
        assert!(!record.contains("127.0.0.1") && !record.contains(ONE) && !record.contains("alice"), "{record}");
    }
    // What is done is known without fetching it.
    orthanc.asked();
    assert!(text(&remote(dir, &["jobs.jsonl", "-o", "out"]).stdout).contains("2 done (2 before)"));
    assert!(orthanc.asked().iter().all(|asked| !asked.contains("/archive")));
    // A slice more makes it work again.
    made::series(&two, 3, 100.0);
    made::rename_series(&two, "1.2.3.2");
    orthanc.series(TWO, &two, "20260102T000000");
    assert!(text(&remote(dir, &["jobs.jsonl", "-o", "out"]).stdout).contains("2 done (1 before)"));
}

#[test]
fn what_an_orthanc_cannot_give_ends_as_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    models(dir);
    let orthanc = Orthanc::start();
    input(dir, "one", 3, "1.2.3.1");
    let listed = orthanc.series(ONE, &dir.join("one"), "1");
    orthanc.list(&[listed]);
    let address = format!("{}/series/{ONE}/archive", orthanc.address);
    let job = json!({"id": "a", "command": "ct", "input": address, "options": {"model": "ct-half.onnx"}});
    fs::write(dir.join("jobs.jsonl"), format!("{job}\n")).unwrap();
    // Nothing goes over a network unless it is allowed.
    for arguments in [&["jobs.jsonl", "-o", "out"][..], &["--plan", &orthanc.address, "-o", "plan.jsonl"]] {
        let refused = run(dir, &[&["batch"], arguments].concat());
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("--allow-remote"), "{}", text(&refused.stderr));
    }
    assert_eq!(orthanc.asked(), [""; 0]);
    let ended = |archive: (u16, &[u8])| {
        orthanc.put(&format!("/series/{ONE}/archive"), archive.0, archive.1);
        let ended = remote(dir, &["jobs.jsonl", "-o", "out"]);
        assert!(!text(&ended.stderr).contains("127.0.0.1"), "{}", text(&ended.stderr));
        (ended.status.code(), text(&ended.stderr))
    };
    let (code, reason) = ended((503, b""));
    assert!(code == Some(1) && reason.contains("HTTP 503"), "{reason}");
    let (code, reason) = ended((401, b""));
    assert!(code == Some(1) && reason.contains("ARTIR_ORTHANC_USER"), "{reason}");
    let (code, reason) = ended((200, b"no archive"));
    assert_eq!(code, Some(4), "{reason}");
    orthanc.answers.lock().unwrap().clear();
    let (code, reason) = ended((404, b""));
    assert!(code == Some(4) && reason.contains("HTTP 404"), "{reason}");
    for (page, reason) in
        [("<html>", "not that of an Orthanc"), ("[{\"ID\":\"../x\",\"MainDicomTags\":{\"Modality\":\"CT\"}}]", "ID")]
    {
        orthanc.put("/series?expand&since=0&limit=200", 200, page);
        let refused = remote(dir, &["--plan", &orthanc.address, "-o", "plan.jsonl"]);
        assert!(
            refused.status.code() == Some(3) && text(&refused.stderr).contains(reason),
            "{}",
            text(&refused.stderr)
        );
        assert!(!dir.join("plan.jsonl").exists());
    }
    let secret = orthanc.address.replace("//", "//alice:wonder@");
    let refused = remote(dir, &["--plan", &secret, "-o", "plan.jsonl"]);
    assert!(refused.status.code() == Some(3) && !text(&refused.stderr).contains("wonder"), "{}", text(&refused.stderr));
}
