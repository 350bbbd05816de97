//! The path of a series on real files, with a residual that is 0 or a constant.

use std::{collections::BTreeSet, path::Path};

use dicom_dictionary_std::tags;

use super::{
    tests::{open_set, run, stored},
    *,
};
use crate::{
    Modality, Scan,
    read::{dataset::Stop, file::DicomFile, frame::PixelFormat, slice::Slice, suv, view::View, worker::Decoder},
    scan,
};

/// The folder of real data. If it is missing, fails in CI and elsewhere prints that the test is skipped.
fn real(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ARTIR_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join("dicom").join(part);
    if folder.exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have the real data at dicom/{part}");
    println!("skipped: no real data at dicom/{part} (ARTIR_REAL_DATA)");
    None
}

/// Errors that dciodvfy reports for a file.
fn dciodvfy(path: &Path) -> Option<BTreeSet<String>> {
    let out = std::process::Command::new("dciodvfy").arg("-new").arg(path).output().ok()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    Some(text.lines().filter(|l| l.starts_with("Error")).map(str::to_owned).collect())
}

#[test]
fn real_series_pass_unchanged_and_valid() {
    for (part, modality, slices) in [
        ("ct-abdomen-ge", Modality::Ct, 41),
        ("ct-head-ge-tilted", Modality::Ct, 16),
        ("pet-ge-bqml", Modality::Pet, 267),
        ("pet-gml", Modality::Pet, 47),
        ("robustness/rse-panimg/dicom_enhanced_siemens_b60s", Modality::Ct, 14),
    ] {
        let Some(folder) = real(part) else { continue };
        let mut found = scan(&[folder], modality).unwrap();
        assert_eq!(found.series.iter().map(Series::slices).sum::<usize>(), slices, "{part}");
        for series in &mut found.series {
            series.instances.truncate(45);
            let out = tempfile::tempdir().unwrap();
            let report = run(series, out.path(), 0.0).unwrap();
            for (instance, name) in series.instances.iter().zip(&report.files) {
                let derived = report.folder.join(name);
                assert_eq!(stored(&instance.path, modality), stored(&derived, modality), "{part} {name}");
                let (a, b) = (open_set(&instance.path), open_set(&derived));
                assert_eq!(a.bytes(tags::RESCALE_SLOPE), b.bytes(tags::RESCALE_SLOPE), "{part} {name}");
                for (tag, element) in a.iter() {
                    let changed = [0x0008, 0x0018, 0x0020, 0x0040, 0x5200, 0x7fe0].contains(&tag.group());
                    assert!(
                        changed || b.get(tag) == Some(element) || crate::write::derive::is_stale(tag),
                        "{part} {name} {tag}"
                    );
                }
                if let (Some(before), Some(after)) = (dciodvfy(&instance.path), dciodvfy(&derived)) {
                    let new: Vec<_> = after.difference(&before).collect();
                    assert!(new.is_empty(), "{part} {name}: {new:?}");
                }
            }
        }
    }
}

#[test]
fn a_multi_frame_object_has_the_pixels_of_its_slices() {
    let Some(folder) = real("robustness/rse-panimg/dicom_enhanced_siemens_b60s") else { return };
    let found = scan(&[folder], Modality::Ct).unwrap();
    let (multi, single): (Vec<_>, Vec<_>) = found.series.iter().partition(|s| s.multi_frame);
    let (multi, single) = (multi[0], single[0]);
    let out = tempfile::tempdir().unwrap();
    let (m, s) = (run(multi, out.path(), 7.0).unwrap(), run(single, out.path(), 7.0).unwrap());
    let frames = stored(&m.folder.join(&m.files[0]), Modality::Ct);
    let mut by_position: Vec<_> = multi.instances[0].along_normal.iter().zip(&frames).collect();
    by_position.sort_by(|a, b| a.0.total_cmp(b.0));
    assert_eq!(by_position.len(), s.files.len());
    for ((_, frame), name) in by_position.iter().zip(&s.files) {
        assert_eq!(**frame, stored(&s.folder.join(name), Modality::Ct)[0], "{name}");
    }
    let set = open_set(&m.folder.join(&m.files[0]));
    let groups = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let number = |i: usize| {
        let source = &groups[i].items(tags::DERIVATION_IMAGE_SEQUENCE)[0].items(tags::SOURCE_IMAGE_SEQUENCE)[0];
        source.integer(tags::REFERENCED_FRAME_NUMBER)
    };
    assert_eq!((number(0), number(6)), (Some(1), Some(7)));
}

#[test]
fn localizers_and_reformats_are_set_aside() {
    for (part, reason) in
        [("ct-phantom-philips-mixed", "localizer"), ("robustness/reexported_coronal_nonsquare", "axial")]
    {
        let Some(folder) = real(part) else { continue };
        let told = match [Modality::Ct, Modality::Pet].map(|m| scan(std::slice::from_ref(&folder), m)) {
            [Ok(Scan { set_aside, .. }), _] => set_aside.iter().map(|s| s.reason.to_string()).collect::<String>(),
            [Err(ct), pet] => format!("{ct} {}", pet.map_or_else(|e| e.to_string(), |_| String::new())),
        };
        assert!(told.contains(reason), "{part}: {told}");
    }
}

#[test]
fn every_transfer_syntax_gives_the_reference_s_pixels() {
    let Some(folder) = real("robustness/cornerstoneWADOImageLoader/testImages") else { return };
    let read = |name: &str| {
        let path = folder.join(name);
        path.is_file().then(|| stored(&path, Modality::Ct))
    };
    let reference = read("CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm").unwrap();
    let lossless = [
        "_1.2.840.10008.1.2.dcm",
        "1.2.2.dcm",
        "1.2.1.99.dcm",
        "4.57.dcm",
        "4.70.dcm",
        "4.80.dcm",
        "4.90.dcm",
        "1.2.5.dcm",
    ];
    let mut compared = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if name.starts_with("CTImage") && lossless.iter().any(|end| name.ends_with(end)) {
            assert_eq!(read(&name).unwrap(), reference, "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 7, "{compared} files compared");
}

#[test]
fn a_pet_slice_that_outgrows_its_slope_gets_a_larger_one() {
    let Some(folder) = real("pet-ge-bqml") else { return };
    let mut found = scan(&[folder], Modality::Pet).unwrap();
    let series = &mut found.series[0];
    series.instances.drain(..series.instances.len() / 2);
    series.instances.truncate(1);
    let out = tempfile::tempdir().unwrap();
    let report = run(series, out.path(), 2.0).unwrap();
    let read = |path: &Path| {
        let mut file = DicomFile::open(path, Stop::AtEnd).unwrap();
        let format = PixelFormat::read(&file.set).unwrap();
        let suv = suv::of_slice(&View::new(&file.set, 0)).unwrap().factor;
        Slice::read(&mut file, &format, 0, Modality::Pet, suv, &mut Decoder::in_process()).unwrap()
    };
    let (a, b) = (read(&series.instances[0].path), read(&report.folder.join(&report.files[0])));
    assert!(b.encoding.rescale(1) > a.encoding.rescale(1));
    let (before, after) = (a.values(), b.values());
    let top = after.iter().copied().fold(0.0, f32::max);
    for (before, after) in before.iter().zip(&after) {
        assert!((after - before - 2.0).abs() < 1e-3 * top, "{before} {after}");
    }
}
