//! Damaged files by the thousand: every one is restored or refused by name, and none brings artir down.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, time::Instant};

use artir_tests::{artir, models, random::Random, real};

/// Damages a file: bytes changed, a stretch zeroed, doubled or cut out, or its end lost.
fn damage(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = file.to_vec();
    // Half of the damage falls on the header, where lengths and sizes are.
    let span = if random.below(2) == 0 { 3000.min(out.len()) } else { out.len() };
    let at = 132 + random.below(span - 132);
    let end = (at + 1 + random.below(40)).min(out.len());
    match random.below(6) {
        0..=1 => out[at] = random.number() as u8,
        2 => out[at..end].fill_with(|| random.number() as u8),
        3 => out[at..end].fill(0xff),
        4 => drop(out.drain(at..end)),
        _ => out.truncate(at),
    }
    out
}

/// Gives each copy a SOPInstanceUID of its own, in place: copies of one slice would be set aside unread.
fn rename(file: &mut [u8], uid: &[u8], number: usize) {
    let digits = format!("{number:05}").into_bytes();
    let starts: Vec<usize> = file.windows(uid.len()).enumerate().filter(|(_, w)| *w == uid).map(|(i, _)| i).collect();
    for start in starts {
        let end = start + uid.len();
        file[end - digits.len()..end].copy_from_slice(&digits);
    }
}

#[test]
fn damaged_slices_are_restored_or_refused() {
    let Some(folder) = real("dicom/robustness") else { return };
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("identity.onnx");
    fs::write(&model, models::ct_identity()).unwrap();
    let mut random = Random(20_261_123);
    let (mut damaged, mut restored) = (0, 0);
    for (seed, copies) in [
        ("pydicom/test_files/CT_small.dcm", 900),
        ("dicom-test-files/WG04/RLE/CT2_RLE", 300),
        ("dicom-test-files/WG04/JLSL/CT2_JLSL", 300),
        ("dicom-test-files/WG04/JPLL/CT2_JPLL", 300),
        ("dicom-test-files/WG04/J2KR/CT2_J2KR", 300),
    ] {
        let file = fs::read(folder.join(seed)).unwrap();
        let object = dicom_object::open_file(folder.join(seed)).unwrap();
        let uid = object.meta().media_storage_sop_instance_uid().trim_end_matches('\0').to_owned();
        for batch in 0..copies / 100 {
            let input = dir.path().join("in");
            fs::create_dir(&input).unwrap();
            for i in 0..100 {
                let mut copy = file.clone();
                rename(&mut copy, uid.as_bytes(), batch * 100 + i);
                fs::write(input.join(format!("{i:03}.dcm")), damage(&copy, &mut random)).unwrap();
            }
            restored += survives(&input, &dir.path().join("out"), &model, seed);
            damaged += 100;
            fs::remove_dir_all(&input).unwrap();
        }
    }
    println!("{damaged} damaged files, {restored} of them restored");
    assert!(restored > 100, "the damage leaves hardly a file whole: {restored}");
}

/// Runs artir over a folder and says how many slices came out.
fn survives(input: &Path, out: &Path, model: &Path, seed: &str) -> usize {
    let start = Instant::now();
    let done = artir()
        .args(["ct", "--allow-partial", "--overwrite"])
        .arg(input)
        .arg("-o")
        .arg(out)
        .arg("--model")
        .arg(model)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(matches!(done.status.code(), Some(0 | 3 | 4)), "{seed}: {:?} {said}", done.status);
    assert!(!said.contains("panicked"), "{seed}: {said}");
    assert!(start.elapsed().as_secs() < 240, "{seed}: stalled");
    let fatal = said.matches("crash or stall").count();
    if fatal > 0 {
        println!("{seed}: {fatal} frames brought a codec down");
    }
    let slices = if out.is_dir() { count(out) } else { 0 };
    if out.is_dir() {
        fs::remove_dir_all(out).unwrap();
    }
    slices
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|path| !path.ends_with(artir_tests::MANIFEST))
        .map(|path| if path.is_dir() { count(&path) } else { 1 })
        .sum()
}
