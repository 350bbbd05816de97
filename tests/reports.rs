//! Every field of reports and lists is described in docs/guide/reports.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use artir_phantom::{
    Random,
    dicom::{write_pet_series, write_series},
};
use artir_tests::{artir, models, scenes, text, volumes::Nifti};
use ndarray::Array2;
use serde_json::Value;

/// The names that a section of the page describes.
fn described(section: &str) -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/reports.md");
    let page = fs::read_to_string(page).unwrap();
    let heading = format!("{section}\n");
    let text = page.split("\n## ").find(|part| part.starts_with(&heading)).unwrap();
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names of the fields of a value, and of all values in it. The fields of `metadata` are named by the raster.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, inside) in all {
                found.insert(name.clone());
                if name != "metadata" {
                    fields(inside, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// Compares outputs with a section. `rare` are fields that must be among them, so that the inputs reach the optional ones.
fn check(section: &str, outputs: &[Value], rare: &[&str]) {
    let mut found = BTreeSet::new();
    outputs.iter().for_each(|output| fields(output, &mut found));
    for name in rare {
        assert!(found.contains(*name), "{section}: no output has the field `{name}`: {found:?}");
    }
    let described = described(section);
    let missing: Vec<&String> = found.iter().filter(|name| !described.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/guide/reports.md, {section}: not described: {missing:?}");
}

/// Runs artir in a folder, and returns what it printed.
fn run(dir: &Path, arguments: &[&str], code: i32) -> String {
    let done = artir().args(arguments).current_dir(dir).output().unwrap();
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn printed(dir: &Path, arguments: &[&str], code: i32) -> Value {
    serde_json::from_str(&run(dir, arguments, code)).unwrap()
}

fn report(dir: &Path, arguments: &[&str], code: i32) -> Value {
    run(dir, &[arguments, &["--report", "r.json", "--show-uids", "--overwrite", "-q"]].concat(), code);
    serde_json::from_slice(&fs::read(dir.join("r.json")).unwrap()).unwrap()
}

/// A disc of tissue with noise.
fn body(side: usize, inside: f32, outside: f32, noise: f32) -> Array2<f32> {
    let mut random = Random::new(1);
    let centre = side as f32 / 2.0;
    Array2::from_shape_fn((side, side), |(y, x)| {
        let is_inside = (y as f32 - centre).hypot(x as f32 - centre) < 0.4 * side as f32;
        if is_inside { inside + noise * random.normal() as f32 } else { outside }
    })
}

#[test]
fn fields_of_series_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let ct = body(256, 45.0, -1000.0, 25.0);
    write_series(&at.join("ct"), &[ct.clone(), ct.clone(), ct], 1.5).unwrap();
    // Another object under the same UID, and a file that is no image.
    let mut other = fs::read(at.join("ct/0001.dcm")).unwrap();
    *other.last_mut().unwrap() ^= 1;
    fs::write(at.join("ct/zz.dcm"), other).unwrap();
    fs::write(at.join("ct/notes.txt"), "no slice").unwrap();
    write_pet_series(&at.join("pet"), &[body(96, 1.5, 0.0, 0.2)], 4.0).unwrap();
    fs::write(at.join("ct.onnx"), models::ct_identity()).unwrap();
    fs::write(at.join("pet.onnx"), models::multiplies("pet-enhance", "SUV", [0.0, 100.0], 0.5)).unwrap();

    let partial = report(at, &["ct", "ct", "-o", "out", "--allow-partial", "--model", "ct.onnx"], 4);
    let pet = report(at, &["pet", "pet", "-o", "out", "--model", "pet.onnx"], 0);
    let none = report(at, &["ct", "pet", "-o", "out", "--model", "ct.onnx"], 3);
    let rare = [
        "problem",
        "clashing",
        "source_series_uid",
        "derived_series_uid",
        "suv_factor",
        "uptake_s",
        "before_hu",
        "after_suv",
        "count",
    ];
    check("Report of series and volumes", &[partial, pet, none], &rare);

    let ct = printed(at, &["ct", "ct", "--list=json"], 4);
    let pet = printed(at, &["pet", "pet", "--list=json"], 0);
    check("List of series", &[ct, pet], &["clashing", "refused", "reason", "suv_factor", "position_mm"]);
}

#[test]
fn fields_of_volumes_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let voxels: Vec<i16> = (0..24 * 20 * 3).map(|i| (i * 37 % 301) as i16 - 100).collect();
    let volume = Nifti::new(&[24, 20, 3], &voxels);
    fs::write(
        at.join("v.nii"),
        volume.affine([[-1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]]).bytes(),
    )
    .unwrap();
    fs::write(at.join("ct.onnx"), models::ct_identity()).unwrap();
    // Without its unit, the volume would be refused.
    let refused = printed(at, &["ct", "v.nii", "--list=json"], 3);
    check("List of volumes", &[refused], &["refused", "spacing_mm"]);
    let arguments = ["ct", "v.nii", "-o", "out", "--units", "hu", "--model", "ct.onnx", "--report", "r.json"];
    run(at, &arguments, 0);
    let report: Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
    check("Report of series and volumes", &[report], &["provenance"]);
}

#[test]
fn fields_of_scenes_are_described() {
    let dir = scenes::folder();
    let at = dir.path();
    scenes::scene(&at.join("s.tif"), 3, &["PHOTOMETRIC=RGB"], scenes::texture).close().unwrap();
    scenes::scene(&at.join("two.tif"), 2, &[], scenes::texture).close().unwrap();
    fs::write(at.join("torn.tif"), "no scene").unwrap();
    let model = ["--model", "same.onnx"];
    let arguments = ["geo", "s.tif", "torn.tif", "-o", "out/", "--report", "r.json", "-q"];
    run(at, &[&arguments, &model[..]].concat(), 4);
    let report: Value = serde_json::from_slice(&fs::read(at.join("r.json")).unwrap()).unwrap();
    check("Report of scenes", &[report], &["done", "problem", "range"]);

    let whole = scenes::inspect(at, &["s.tif"]);
    let refused = scenes::inspect(at, &["two.tif"]);
    check("Description of a raster", &[whole, refused], &["restores", "refused", "wkt", "colour_interpretation"]);
}

#[test]
fn fields_of_a_nodes_state_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let text = "folder = 'queue'\n[[target]]\nname = 'pacs'\naddress = 'pacs:104'\nae_title = 'PACS'\n\
        [[route]]\nname = 'ct'\ncalled = ['ARTIR']\ntargets = ['pacs']\n[route.ct]\n";
    fs::write(at.join("node.toml"), text).unwrap();
    // A series without a record has failed for a reason that nobody knows.
    fs::create_dir_all(at.join("queue/ct/failed/0123456789abcdef01234567")).unwrap();
    let status = printed(at, &["node", "status", "node.toml", "--json"], 0);
    check("State of a node", &[status], &["running", "in", "reason"]);
}
