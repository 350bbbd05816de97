//! `artir ct` and `artir pet` on NIfTI and NRRD volumes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use artir_tests::{
    artir, models, text,
    volumes::{Nifti, Voxel, parts},
};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use made::names;
use serde_json::Value;

fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let done = artir().args(arguments).current_dir(dir).output().unwrap();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// A folder with models that return their input, and half of it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, factor) in [("one", 1.0), ("half", 0.5)] {
        fs::write(
            dir.path().join(format!("{name}.onnx")),
            models::multiplies("ct-denoise", "HU", [-1024.0, 3071.0], factor),
        )
        .unwrap();
        fs::write(
            dir.path().join(format!("pet-{name}.onnx")),
            models::multiplies("pet-enhance", "SUV", [0.0, 100.0], factor),
        )
        .unwrap();
    }
    dir
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// HU of 24 x 20 x 3 voxels, and of further frames.
fn hu(frames: usize) -> Vec<f64> {
    (0..24 * 20 * 3 * frames).map(|i| f64::from((i * 37 % 301) as u16) - 100.0).collect()
}

fn thorax<V: Voxel>(voxel: impl Fn(f64) -> V) -> Nifti {
    Nifti::new(&[24, 20, 3], &hu(1).into_iter().map(voxel).collect::<Vec<_>>())
}

/// A series, and a volume of its HU as dcm2niix makes it: rows from back to front.
fn series_and_volume(dir: &Path) -> Nifti {
    made::series(&dir.join("in"), 3, 0.0);
    let mut voxels: Vec<i16> = Vec::new();
    for file in made::files(&dir.join("in")) {
        voxels.extend(slice_of(&file).chunks(112).rev().flatten());
    }
    let z = 1.5;
    Nifti::new(&[112, 96, 3], &voxels).affine([[-0.7, 0.0, 0.0, 1.0], [0.0, 0.7, 0.0, 2.0], [0.0, 0.0, z, 3.0]])
}

/// HU of a DICOM slice, row by row, as whole numbers.
fn slice_of(file: &Path) -> Vec<i16> {
    made::hu(file).into_iter().map(|v| v as i16).collect()
}

#[test]
fn a_volume_is_restored_as_its_series_is() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let volume = series_and_volume(dir.path());
    fs::write(at("v.nii"), volume.bytes()).unwrap();
    // The same volume, stored from the left to the right and from the head down.
    let mut turned: Vec<i16> = Vec::new();
    let voxels: Vec<i16> = volume.voxels().chunks(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
    voxels.chunks(112 * 96).rev().for_each(|slice| slice.chunks(112).for_each(|row| turned.extend(row.iter().rev())));
    let turned = Nifti::new(&[112, 96, 3], &turned);
    let turned = turned.affine([[0.7, 0.0, 0.0, 1.0], [0.0, 0.7, 0.0, 2.0], [0.0, 0.0, -1.5, 3.0]]);
    fs::write(at("turned.nii"), turned.bytes()).unwrap();
    // The built-in network: the residuals of a volume must be those of its slices.
    assert_eq!(run(dir.path(), &["ct", "in", "-o", "series"]).0, Some(0));
    let (code, _, said) = run(dir.path(), &["ct", "v.nii", "turned.nii", "-o", "out", "--units", "hu"]);
    assert_eq!(code, Some(0), "{said}");
    let folder = at("series").join(&names(&at("series"))[0]);
    let expected: Vec<i16> = made::files(&folder).iter().flat_map(|file| slice_of(file)).collect();
    let read = |name: &str| -> Vec<i16> {
        let file = fs::read(at("out").join(name)).unwrap();
        parts(&file).1.chunks(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect()
    };
    let upright: Vec<i16> = read("v.nii")
        .chunks(112 * 96)
        .flat_map(|slice| slice.chunks(112).rev().flatten().copied().collect::<Vec<_>>())
        .collect();
    assert_ne!(upright, made::files(&at("in")).iter().flat_map(|file| slice_of(file)).collect::<Vec<_>>());
    assert_eq!(upright, expected);
    let upright: Vec<i16> = read("turned.nii")
        .chunks(112 * 96)
        .rev()
        .flat_map(|slice| {
            slice.chunks(112).rev().flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(upright, expected);
}

/// Runs a volume through, with the header that it came with.
fn unchanged(dir: &Path, made: &Nifti, name: &str) {
    let packed = name.ends_with(".gz");
    let source = if packed { gzip(&made.bytes()) } else { made.bytes() };
    fs::write(dir.join(name), source).unwrap();
    let (code, _, said) =
        run(dir, &["ct", name, "-o", "out", "--units", "hu", "--strength", "0", "--model", "half.onnx", "--overwrite"]);
    assert_eq!(code, Some(0), "{name}: {said}");
    let out = fs::read(dir.join("out").join(name)).unwrap();
    let out = if packed { gunzip(&out) } else { out };
    let (header, voxels) = parts(&out);
    assert_eq!(voxels, made.voxels(), "{name}");
    // All but the place of the voxels and the mark of an extension, which names artir.
    assert_eq!(header[..108], made.header()[..108], "{name}");
    assert_eq!(header[112..348], made.header()[112..348], "{name}");
    assert!(header[348] == 1 && text(&header[360..]).starts_with("artir: "), "{name}");
}

#[test]
fn nothing_but_voxels_changes_whatever_the_datatype() {
    let dir = folder();
    let made = |nifti: Nifti| nifti.rescale(0.5, -3.0).described("scanner of the 2nd floor");
    let made = |nifti| made(nifti).affine([[-0.1, 0.2, 0.0, 9.5], [0.3, 1.1, 0.0, -7.0], [0.0, 0.0, 2.0, 1e-3]]);
    unchanged(dir.path(), &made(thorax(|v| (v + 100.0) as u8)), "u8.nii");
    unchanged(dir.path(), &made(thorax(|v| (v / 4.0) as i8)), "i8.nii.gz");
    unchanged(dir.path(), &made(thorax(|v| v as i16)), "i16.nii.gz");
    unchanged(dir.path(), &made(thorax(|v| (v + 100.0) as u16)), "u16.nii");
    unchanged(dir.path(), &made(thorax(|v| v as i32)), "i32.nii");
    unchanged(dir.path(), &made(thorax(|v| (v + 100.0) as u32)), "u32.nii");
    unchanged(dir.path(), &made(thorax(|v| v as f32 / 3.0)), "f32.nii.gz");
    unchanged(dir.path(), &made(thorax(|v| v / 3.0)), "f64.nii");
    let big: Vec<i16> = hu(1).into_iter().map(|v| v as i16).collect();
    unchanged(dir.path(), &made(Nifti::ordered(&[24, 20, 3], &big, true)), "big.nii");
    let frames: Vec<i16> = hu(4).into_iter().map(|v| v as i16).collect();
    unchanged(dir.path(), &made(Nifti::new(&[24, 20, 3, 4], &frames)), "frames.nii");
}

#[test]
fn values_are_scaled_restored_and_written_as_the_source_or_as_floats() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    // Stored values v stand for v / 2 - 100 HU; the network leaves half of the way from -1024 HU.
    let volume = thorax(|v| v as i16).rescale(0.5, -100.0);
    fs::write(at("v.nii"), volume.bytes()).unwrap();
    for (out, more) in [("same.nii", &[][..]), ("float.nii.gz", &["--float"])] {
        let all = [
            &["ct", "v.nii", "-o", out, "--units", "hu", "--model", "half.onnx", "--report", "r.json", "--overwrite"],
            more,
        ];
        let (code, said, error) = run(dir.path(), &all.concat());
        assert!(code == Some(0) && said.contains("volume 1: 3 slices written to"), "{said}{error}");
    }
    let same = fs::read(at("same.nii")).unwrap();
    let float = gunzip(&fs::read(at("float.nii.gz")).unwrap());
    let (header, floats) = parts(&float);
    assert_eq!(i16::from_le_bytes([header[70], header[71]]), 16);
    assert_eq!(i16::from_le_bytes([header[72], header[73]]), 32);
    assert_eq!([112, 116].map(|at| f32::from_le_bytes(header[at..at + 4].try_into().unwrap())), [1.0, 0.0]);
    for ((stored, float), v) in parts(&same).1.chunks(2).zip(floats.chunks(4)).zip(hu(1)) {
        let value = f64::from(v as i16) * 0.5 - 100.0;
        let expected = (value + 1024.0) / 2.0 - 1024.0;
        let stored = f64::from(i16::from_le_bytes([stored[0], stored[1]])) * 0.5 - 100.0;
        assert!((stored - expected).abs() <= 0.26, "{value}: {stored} {expected}");
        let float = f64::from(f32::from_le_bytes(float.try_into().unwrap()));
        assert!((float - expected).abs() < 1e-3, "{value}: {float} {expected}");
    }
    let report: Value = serde_json::from_slice(&fs::read(at("r.json")).unwrap()).unwrap();
    let entry = &report["series"][0];
    assert_eq!((&entry["outcome"], &entry["slices"]), (&Value::from("written"), &Value::from(3)));
    assert!(
        !report.to_string().contains("v.nii") && entry["provenance"].as_str().unwrap().contains("multiplies"),
        "{report}"
    );
    // Bytes for -100 to 155 HU cannot hold what the network makes of them.
    fs::write(at("u8.nii"), thorax(|v| (v + 100.0).min(255.0) as u8).rescale(1.0, -100.0).bytes()).unwrap();
    let refused = run(dir.path(), &["ct", "u8.nii", "-o", "u8-out.nii", "--units", "hu", "--model", "half.onnx"]);
    assert!(refused.0 == Some(3) && refused.2.contains("uint8") && refused.2.contains("--float"), "{}", refused.2);
    assert!(!at("u8-out.nii").exists());
    let done =
        run(dir.path(), &["ct", "u8.nii", "-o", "u8-out.nii", "--units", "hu", "--model", "half.onnx", "--float"]);
    assert_eq!(done.0, Some(0), "{}", done.2);
    // Below -1024 HU a datatype may end.
    let low = thorax(|v| (v + 100.0) as u16).rescale(1.0, -1024.0);
    fs::write(at("low.nii"), low.bytes()).unwrap();
    assert_eq!(
        run(dir.path(), &["ct", "low.nii", "-o", "low-out.nii", "--units", "hu", "--model", "half.onnx"]).0,
        Some(0)
    );
}

#[test]
fn voxels_that_are_not_finite_stay() {
    let dir = folder();
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let mut voxels: Vec<f32> = hu(1).into_iter().map(|v| v as f32).collect();
    voxels.iter_mut().step_by(50).enumerate().for_each(|(i, v)| *v = odd[i % 3]);
    let made = Nifti::new(&[24, 20, 3], &voxels);
    fs::write(dir.path().join("v.nii"), made.bytes()).unwrap();
    let (code, _, said) = run(dir.path(), &["ct", "v.nii", "-o", "out.nii", "--units", "hu", "--model", "half.onnx"]);
    assert!(code == Some(0) && said.contains("29 voxel(s) are not finite"), "{said}");
    let out = fs::read(dir.path().join("out.nii")).unwrap();
    for ((after, before), i) in parts(&out).1.chunks(4).zip(made.voxels().chunks(4)).zip(0..) {
        let after_value = f32::from_le_bytes(after.try_into().unwrap());
        assert!(if i % 50 == 0 { after == before } else { after_value.is_finite() && after != before }, "{i}");
    }
}

#[test]
fn pet_is_restored_in_suv_or_in_its_own_unit() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let suv = thorax(|v| (v + 100.0) as f32 / 100.0);
    fs::write(at("suv.nii.gz"), gzip(&suv.clone().intent(0, "SUVbw").bytes())).unwrap();
    fs::write(at("plain.nii"), suv.bytes()).unwrap();
    let pet = |arguments: &[&str]| run(dir.path(), &[&["pet"], arguments, &["--model", "pet-half.onnx"]].concat());
    assert_eq!(pet(&["suv.nii.gz", "-o", "a"]).0, Some(0));
    let unknown = pet(&["plain.nii", "-o", "a"]);
    assert!(
        unknown.0 == Some(3) && unknown.2.contains("--units suv") && unknown.2.contains("--units native"),
        "{}",
        unknown.2
    );
    assert_eq!(pet(&["plain.nii", "-o", "a", "--units", "suv"]).0, Some(0));
    let (stated, flagged) = (gunzip(&fs::read(at("a/suv.nii.gz")).unwrap()), fs::read(at("a/plain.nii")).unwrap());
    assert_eq!(parts(&stated).1, parts(&flagged).1);
    assert_ne!(parts(&flagged).1, suv.voxels());
    // In its own unit, whatever that is, a volume is restored alike.
    fs::write(at("bq.nii"), suv.clone().rescale(4096.0, 0.0).bytes()).unwrap();
    assert_eq!(pet(&["bq.nii", "plain.nii", "-o", "b", "--units", "native"]).0, Some(0));
    let [bq, plain] = ["b/bq.nii", "b/plain.nii"].map(|name| fs::read(at(name)).unwrap());
    for (bq, plain) in parts(&bq).1.chunks(4).zip(parts(&plain).1.chunks(4)) {
        let [bq, plain] = [bq, plain].map(|v| f32::from_le_bytes(v.try_into().unwrap()));
        assert!((bq - plain).abs() <= 1e-5 * plain.abs(), "{bq} {plain}");
    }
    let lean = pet(&["plain.nii", "-o", "c", "--units", "suvlbm"]);
    assert!(lean.0 == Some(3) && lean.2.contains("DICOM headers"), "{}", lean.2);
    for (command, file, hint) in [("ct", "suv.nii.gz", "use artir pet"), ("pet", "hu.nii", "use artir ct")] {
        fs::write(at("hu.nii"), thorax(|v| v as i16).intent(0, "HU").bytes()).unwrap();
        let (code, _, said) = run(dir.path(), &[command, file, "-o", "d"]);
        assert!(code == Some(3) && said.contains(hint), "{said}");
    }
}

const NRRD: &str = "NRRD0005\n# made by hand\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 24 20 3\n\
                    space directions: (0.7,0,0) (0,0.7,0) (0,0,1.5)\nkinds: domain domain domain\nendian: little\n\
                    sample units: \"HU\"\nspace origin: (1.25,-2,3)\nreader:=keep me\n";

#[test]
fn nrrd_is_restored_attached_and_detached_raw_and_gzip() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let voxels: Vec<u8> = hu(1).into_iter().flat_map(|v| (v as i16).to_le_bytes()).collect();
    fs::write(at("v.nii"), thorax(|v| v as i16).bytes()).unwrap();
    assert_eq!(
        run(dir.path(), &["ct", "v.nii", "-o", "v-out.nii", "--units", "hu", "--model", "half.onnx"]).0,
        Some(0)
    );
    let expected = parts(&fs::read(at("v-out.nii")).unwrap()).1.to_vec();
    let detached = |data: &str, encoding: &str| format!("{NRRD}encoding: {encoding}\ndata file: {data}\n");
    fs::write(at("raw.nrrd"), [format!("{NRRD}encoding: raw\n\n").as_bytes(), &voxels].concat()).unwrap();
    fs::write(at("gz.nrrd"), [format!("{NRRD}encoding: gzip\n\n").as_bytes(), &gzip(&voxels)].concat()).unwrap();
    fs::write(
        at("apart.nhdr"),
        detached("apart.bin", "raw").replace("data file", "line skip: 1\nbyte skip: 2\ndata file"),
    )
    .unwrap();
    fs::write(at("apart.bin"), [b"a line\nab".as_slice(), &voxels].concat()).unwrap();
    fs::write(at("last.nhdr"), detached("last.bin", "raw").replace("data file", "byte skip: -1\ndata file")).unwrap();
    fs::write(at("last.bin"), [&[9; 77], voxels.as_slice()].concat()).unwrap();
    fs::write(at("packed.nhdr"), detached("packed.raw.gz", "gz")).unwrap();
    fs::write(at("packed.raw.gz"), gzip(&voxels)).unwrap();
    let ct = |input: &str, out: &str| run(dir.path(), &["ct", input, "-o", out, "--model", "half.onnx"]);
    for (input, out) in [
        ("raw.nrrd", "a.nrrd"),
        ("gz.nrrd", "b.nhdr"),
        ("apart.nhdr", "c.nrrd"),
        ("last.nhdr", "d.nhdr"),
        ("packed.nhdr", "e.nhdr"),
    ] {
        let (code, _, said) = ct(input, out);
        assert_eq!(code, Some(0), "{input}: {said}");
        let file = fs::read(at(out)).unwrap();
        let packed = matches!(input, "gz.nrrd" | "packed.nhdr");
        let (header, data) = match out.ends_with(".nhdr") {
            true => {
                let name = if packed { "raw.gz" } else { "raw" };
                (text(&file), fs::read(at(out).with_extension(name)).unwrap())
            }
            false => {
                let end = file.windows(2).position(|w| w == b"\n\n").unwrap() + 2;
                (text(&file[..end]), file[end..].to_vec())
            }
        };
        let data = if packed { gunzip(&data) } else { data };
        assert_eq!(data, expected, "{input}");
        assert!(header.starts_with(NRRD) && header.contains("\nartir:="), "{header}");
        assert!(!header.contains("skip") && header.contains("data file") == out.ends_with(".nhdr"), "{header}");
    }
    // What was derived goes through again only when asked for.
    let again = ct("e.nhdr", "f.nhdr");
    assert!(again.0 == Some(3) && again.2.contains("--include-derived"), "{}", again.2);
    // Both files of a detached result stay as they are.
    let taken = ct("raw.nrrd", "b.nhdr");
    assert!(taken.0 == Some(2) && taken.2.contains("--overwrite"), "{}", taken.2);
    fs::write(at("g.raw.gz"), "mine").unwrap();
    assert_eq!(ct("gz.nrrd", "g.nhdr").0, Some(2));
    assert_eq!(fs::read_to_string(at("g.raw.gz")).unwrap(), "mine");
    // Its own data file would be overwritten.
    let own = run(dir.path(), &["ct", "packed.nhdr", "-o", ".", "--model", "half.onnx", "--overwrite"]);
    assert!(own.0 == Some(2) && own.2.contains("source"), "{}", own.2);
}

#[test]
fn what_cannot_be_restored_is_refused_with_one_line_and_leaves_nothing() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let plain = thorax(|v| v as i16);
    let whole = plain.bytes();
    let claims = |sizes: &[i16]| Nifti::new(sizes, &[0i16; 8]).bytes();
    let shifted = thorax(|v| v as i16 + 1000).bytes();
    let nrrd =
        |to: &str| [NRRD.replace("sizes: 24 20 3", to).as_bytes(), b"encoding: gzip\n\n", &gzip(&[0; 100])].concat();
    // Damage in front of bytes that are left out shows in the sum of the whole file alone.
    let mut longer = gzip(&[whole.as_slice(), &[0; 50]].concat());
    let sum = longer.len() - 8;
    longer[sum] ^= 1;
    let mut header = whole[..352].to_vec();
    header[344..348].copy_from_slice(b"ni1\0");
    let cases: [(&str, Vec<u8>, &str); 19] = [
        ("rgb.nii", plain.clone().datatype(128).bytes(), "RGB"),
        ("labels.nii", plain.clone().intent(1002, "").bytes(), "intent_code 1002"),
        ("cut.nii", whole[..whole.len() - 1].to_vec(), "2880 bytes"),
        ("cut.nii.gz", gzip(&whole[..whole.len() - 1]), "2880 are needed"),
        ("torn.nii.gz", gzip(&whole)[..gzip(&whole).len() - 4].to_vec(), "damaged"),
        ("longer.nii.gz", longer, "checksum"),
        ("pair.hdr", header, "one, .nii"),
        ("pair.img", whole[352..].to_vec(), "one, .nii"),
        ("claims.nii", claims(&[20000, 20000, 1000]), "claims"),
        ("bomb.nii.gz", gzip(&claims(&[20000, 20000, 1000])), "more than"),
        ("plane.nii", claims(&[2, 1, 4]), "one voxel wide"),
        ("five.nii", claims(&[2, 2, 1, 1, 2]), "four dimensions"),
        ("shifted.nii", shifted, "--rescale 1,-1024"),
        ("organs.nii", thorax(|v| (v + 100.0) as u8 % 30).bytes(), "label map"),
        ("picture.nii", thorax(|v| (v + 100.0) as u8).bytes(), "grey levels"),
        ("text.nii", b"not a volume".to_vec(), "header"),
        ("claims.nrrd", nrrd("sizes: 90000 90000 3"), "more than"),
        ("none.nrrd", nrrd("x: y"), "sizes"),
        ("meta.mha", b"ObjectType = Image\nNDims = 3\n".to_vec(), "convert it to NIfTI or NRRD"),
    ];
    for (name, bytes, why) in cases {
        fs::write(at(name), bytes).unwrap();
        let (code, _, said) = run(dir.path(), &["ct", name, "-o", "out", "--units", "hu", "--model", "half.onnx"]);
        assert!(code == Some(3) && said.contains(why) && said.contains(name), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert!(!at("out").exists(), "{name}");
    }
    let rescaled = run(dir.path(), &["ct", "shifted.nii", "-o", "out", "--rescale", "1,-1024", "--model", "half.onnx"]);
    assert_eq!(rescaled.0, Some(0), "{}", rescaled.2);
    let out = fs::read(at("out/shifted.nii")).unwrap();
    let stated = [112, 116].map(|at| f32::from_le_bytes(out[at..at + 4].try_into().unwrap()));
    assert_eq!(stated, [1.0, -1024.0]);
    let unknown =
        run(dir.path(), &["ct", "rgb.nii", "nowhere.nii", "-o", "out", "--units", "hu", "--model", "half.onnx"]);
    assert!(unknown.0 == Some(3) && unknown.2.contains("nowhere.nii"), "{}", unknown.2);
}

#[test]
fn wrong_words_fail_before_the_work() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("v.nii"), thorax(|v| v as i16).bytes()).unwrap();
    fs::write(at("w.nii"), thorax(|v| v as i16).bytes()).unwrap();
    made::series(&at("in"), 1, 0.0);
    for (arguments, code, why) in [
        (&["ct", "v.nii", "-o", "out"][..], 3, "--units hu"),
        (&["ct", "v.nii", "in", "-o", "out", "--units", "hu"], 2, "in runs of their own"),
        (&["ct", "v.nii", "-o", "out", "--units", "hu", "--resume"], 2, "--resume"),
        (&["ct", "v.nii", "-o", "out.zip", "--units", "hu"], 2, "ZIP"),
        (&["ct", "v.nii", "-o", "out.nrrd", "--units", "hu"], 2, ".nii or .nii.gz"),
        (&["ct", "v.nii", "-o", "out.mha", "--units", "hu"], 2, ".nii or .nii.gz"),
        (&["ct", "v.nii", "w.nii", "-o", "out.nii", "--units", "hu"], 2, "need a folder"),
        (&["ct", "v.nii", "-o", "w.nii", "--units", "hu"], 2, "--overwrite"),
        (&["ct", "v.nii", "-o", ".", "--units", "hu", "--overwrite"], 2, "source"),
        (&["ct", "in", "-o", "out", "--float"], 2, "--float"),
        (&["ct", "v.nii", "-o", "out", "--units", "suv"], 2, "suv"),
    ] {
        let (found, _, said) = run(dir.path(), &[arguments, &["--model", "half.onnx"]].concat());
        assert!(found == Some(code) && said.contains(why), "{arguments:?}: {said}");
        let made = ["out", "out.nii", "out.mha"].map(|name| at(name).exists());
        assert_eq!(made, [false; 3], "{arguments:?}");
    }
    // Dry runs and lists write nothing.
    let dry = run(dir.path(), &["ct", "v.nii", "--dry-run", "--units", "hu", "--model", "half.onnx"]);
    assert!(dry.0 == Some(0) && dry.1.contains("3 slices would go to"), "{}{}", dry.1, dry.2);
    let (code, list, _) = run(dir.path(), &["ct", "v.nii", "w.nii", "--list=json", "--units", "hu", "--show-paths"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((code, list["volumes"].as_array().unwrap().len()), (Some(0), 2));
    let first = &list["volumes"][0];
    assert_eq!((&first["file"], &first["datatype"], &first["slices"]), (&"v.nii".into(), &"int16".into(), &3.into()));
    assert!(first["findings"].to_string().contains("no orientation"), "{first}");
    let (code, table, said) = run(dir.path(), &["ct", "v.nii", "--list"]);
    assert!(code == Some(3) && table.contains("NIfTI-1") && said.contains("--units hu"), "{table}{said}");
    // One of two fails: the other is written.
    fs::write(at("w.nii"), &fs::read(at("w.nii")).unwrap()[..500]).unwrap();
    let partly = run(dir.path(), &["ct", "v.nii", "w.nii", "-o", "out", "--units", "hu", "--model", "half.onnx"]);
    assert_eq!((partly.0, names(&at("out"))), (Some(4), vec!["v.nii".to_owned()]), "{}", partly.2);
}

#[test]
fn a_patients_name_in_file_names_reaches_no_report() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("out")).unwrap();
    let voxels: Vec<u8> = hu(1).into_iter().flat_map(|v| (v as i16).to_le_bytes()).collect();
    fs::write(at("DOE^JANE.nii"), thorax(|v| v as i16).bytes()).unwrap();
    fs::write(at("DOE^JIM.nhdr"), format!("{NRRD}encoding: raw\ndata file: voxels.bin\n")).unwrap();
    fs::write(at("voxels.bin"), voxels).unwrap();
    // Results that are there: the volume itself, and the voxels of a detached header.
    for name in ["out/DOE^JANE.nii", "out/DOE^JIM.raw"] {
        fs::write(at(name), "there").unwrap();
    }
    let arguments = ["ct", "DOE^JANE.nii", "DOE^JIM.nhdr", "-o", "out", "--units", "hu", "--model", "half.onnx"];
    let report = |more: &[&str]| {
        let (code, _, said) = run(dir.path(), &[&arguments[..], &["--report", "r.json"], more].concat());
        assert!(code == Some(2) && said.contains("out/DOE^JIM.raw: already exists"), "{said}");
        fs::read_to_string(at("r.json")).unwrap()
    };
    let hidden = report(&[]);
    assert!(!hidden.contains("DOE") && hidden.matches("already exists").count() == 2, "{hidden}");
    fs::remove_file(at("r.json")).unwrap();
    assert!(report(&["--show-paths"]).contains("out/DOE^JANE.nii: already exists"));
}

#[test]
fn volumes_in_a_folder_are_counted_and_the_unit_of_a_series_is_its_own() {
    let dir = folder();
    let volumes = dir.path().join("volumes");
    fs::create_dir(&volumes).unwrap();
    for name in ["a.nii", "b.nii"] {
        fs::write(volumes.join(name), thorax(|v| v as i16).bytes()).unwrap();
    }
    let (code, _, said) = run(dir.path(), &["ct", "volumes", "-o", "out"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("2 of them are volumes") && said.contains("volumes/a.nii"), "{said}");
    made::series(&dir.path().join("in"), 3, 0.0);
    let (code, _, said) = run(dir.path(), &["ct", "in", "-o", "out", "--units", "hu"]);
    assert!(code == Some(2) && said.contains("--units hu: is for NIfTI and NRRD volumes"), "{said}");
}
