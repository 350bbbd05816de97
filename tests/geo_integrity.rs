//! `artir geo` over the built binary: what a scene may not reach, what may not change a result behind its back, and what is
//! told before any work.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use artir_tests::{artir, models, names, real, text, tiff::Tiff};
use ndarray::Array3;

/// A folder with a georeferenced scene, `scene.tif`, and a model that changes nothing, `identity.onnx`.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let rgb = Array3::from_shape_fn((3, 64, 64), |(c, y, x)| ((y / 3 + x / 5 + 40 * c) % 200) as u8);
    let grid = [500_000.1, 2.5, 0.0, 5_400_000.3, 0.0, -2.5];
    artir_geo::write_rgb_geotiff(&dir.path().join("scene.tif"), &rgb, grid, 32632).unwrap();
    fs::write(dir.path().join("identity.onnx"), models::rgb_identity()).unwrap();
    dir
}

/// With the model that changes nothing, quietly, with less processor time than anything endless takes.
fn geo(dir: &Path, arguments: &[&str]) -> Output {
    let binary: PathBuf = artir().get_program().into();
    Command::new("bash")
        .args(["-c", "ulimit -t 120; exec \"$0\" \"$@\""])
        .arg(&binary)
        .arg("geo")
        .args(arguments)
        .args(["--model", "identity.onnx", "-q"])
        .current_dir(dir)
        .output()
        .unwrap()
}

/// The one line of a run that refused its input; nothing is left of it.
fn refusal(dir: &Path, arguments: &[&str]) -> String {
    let before = names(dir);
    let done = geo(dir, arguments);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(names(dir), before, "{arguments:?}");
    said
}

fn succeed(dir: &Path, arguments: &[&str]) -> String {
    let done = geo(dir, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn same(dir: &Path, a: &str, b: &str) {
    let done = artir().args(["geo", "--compare", a, b, "--allow-remote"]).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
}

fn inspect(dir: &Path, scene: &str) -> serde_json::Value {
    serde_json::from_str(&succeed(dir, &["--inspect", scene])).unwrap()
}

/// A virtual raster of three bands, each of them from all sources named.
fn vrt(sources: &[&str], relative: u8, colours: [&str; 3]) -> String {
    let band = |i: usize| {
        let of = |source: &&str| {
            format!(
                "<SimpleSource><SourceFilename relativeToVRT=\"{relative}\">{source}</SourceFilename>\
                 <SourceBand>{i}</SourceBand></SimpleSource>"
            )
        };
        let sources: String = sources.iter().map(of).collect();
        let colour = colours[i - 1];
        format!(
            "<VRTRasterBand dataType=\"Byte\" band=\"{i}\"><ColorInterp>{colour}</ColorInterp>{sources}</VRTRasterBand>"
        )
    };
    let bands: String = (1..=3).map(band).collect();
    format!("<VRTDataset rasterXSize=\"64\" rasterYSize=\"64\">{bands}</VRTDataset>")
}

const RGB: [&str; 3] = ["Red", "Green", "Blue"];

#[test]
fn a_virtual_raster_reaches_nothing_outside_its_folder() {
    let dir = folder();
    let at = dir.path();
    fs::create_dir(at.join("in")).unwrap();
    let outside = at.join("scene.tif").display().to_string();
    let inline = format!(
        "&lt;VRTDataset rasterXSize=\"64\" rasterYSize=\"64\">&lt;VRTRasterBand dataType=\"Byte\" band=\"1\">\
         &lt;SimpleSource>&lt;SourceFilename>{outside}&lt;/SourceFilename>&lt;/SimpleSource>&lt;/VRTRasterBand>\
         &lt;/VRTDataset>"
    );
    for source in [
        outside.clone(),
        "../scene.tif".into(),
        format!("GTIFF_DIR:1:{outside}"),
        format!("NITF_IM:0:{outside}"),
        format!("NETCDF:\"{outside}\":red"),
        format!("vrt://{outside}?bands=1,2,3"),
        format!("DERIVED_SUBDATASET:AMPLITUDE:{outside}"),
        format!("/vsisubfile/0_4096,{outside}"),
        "MEM:::DATAPOINTER=1,PIXELS=64,LINES=64,BANDS=3".into(),
        "/vsizip//vsicurl/http://127.0.0.1:9/a.zip/a.tif".into(),
        "http://127.0.0.1:9/a.tif".into(),
        inline,
    ] {
        for relative in [0, 1] {
            fs::write(at.join("in/x.vrt"), vrt(&[&source], relative, RGB)).unwrap();
            let said = refusal(at, &["in/x.vrt", "-o", "out.tif"]);
            assert!(said.starts_with("artir: in/x.vrt: "), "{said}");
        }
    }
    fs::write(at.join("in/x.vrt"), vrt(&["../scene.tif"], 1, RGB)).unwrap();
    assert!(refusal(at, &["in/x.vrt", "-o", "out.tif"]).contains("--allow-path"));
    succeed(at, &["in/x.vrt", "-o", "a.tif", "--allow-path", "."]);
    succeed(at, &["in/x.vrt", "-o", "b.tif", "--allow-remote"]);
    same(at, "a.tif", "b.tif");
    // A local query is local; the same checks hold for what it names.
    succeed(at, &["vrt://scene.tif?bands=1,2,3", "-o", "c.tif"]);
    refusal(at, &["vrt://in/x.vrt?bands=1,2,3", "-o", "d.tif"]);
    let no_folder = geo(at, &["in/x.vrt", "-o", "e.tif", "--allow-path", "none"]);
    assert_eq!(no_folder.status.code(), Some(2), "{}", text(&no_folder.stderr));
}

#[test]
fn names_that_crash_or_never_end_are_refused() {
    let dir = folder();
    let at = dir.path();
    refusal(at, &["MEM:::DATAPOINTER=1,PIXELS=64,LINES=64,BANDS=3", "-o", "out.tif"]);
    fs::write(at.join("0.vrt"), vrt(&["scene.tif"; 14], 1, RGB)).unwrap();
    for i in 1..7 {
        fs::write(at.join(format!("{i}.vrt")), vrt(&[&*format!("{}.vrt", i - 1); 14], 1, RGB)).unwrap();
    }
    assert!(refusal(at, &["6.vrt", "-o", "out.tif"]).contains("over and over"));
    let bomb = "<!DOCTYPE v [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><VRTDataset rasterXSize=\"&b;\"/>";
    fs::write(at.join("bomb.vrt"), bomb).unwrap();
    refusal(at, &["bomb.vrt", "-o", "out.tif"]);
}

#[test]
#[cfg(unix)]
fn tiles_behind_links_are_read_once_they_are_allowed() {
    let dir = folder();
    let at = dir.path();
    for name in ["lake", "store"] {
        fs::create_dir(at.join(name)).unwrap();
    }
    fs::rename(at.join("scene.tif"), at.join("store/p1.tif")).unwrap();
    std::os::unix::fs::symlink("../store/p1.tif", at.join("lake/p1.tif")).unwrap();
    fs::write(at.join("lake/m.vrt"), vrt(&["p1.tif"], 1, RGB)).unwrap();
    let said = refusal(at, &["lake/m.vrt", "-o", "out.tif"]);
    let store = fs::canonicalize(at.join("store")).unwrap();
    assert!(said.contains(&format!("--allow-path {}", store.display())), "{said}");
    succeed(at, &["lake/m.vrt", "-o", "out.tif", "--allow-path", "store"]);
}

#[test]
fn what_an_older_file_left_cannot_change_a_result() {
    let dir = folder();
    let at = dir.path();
    fs::write(at.join("nog.tif"), Tiff::bytes(40, 30, 3).build()).unwrap();
    succeed(at, &["nog.tif", "-o", "clean.tif"]);
    let world = "10\n0\n0\n-10\n500005\n4999995\n";
    let pam = "<PAMDataset><GeoTransform>1,2,0,3,0,-4</GeoTransform></PAMDataset>";
    for (name, content) in [
        ("o.tfw", world),
        ("O.TFW", world),
        ("o.wld", world),
        ("o.tif.aux.xml", pam),
        ("o.tif.ovr", "x"),
        ("o.tif.msk", "x"),
        ("o.RPB", "x"),
        ("o.IMD", "x"),
        ("o_RPC.TXT", "x"),
    ] {
        fs::write(at.join(name), content).unwrap();
        let said = refusal(at, &["nog.tif", "-o", "o.tif"]);
        assert!(said.contains(name) && said.contains("--overwrite"), "{said}");
        refusal(at, &["nog.tif", "-o", "o.tif", "--dry-run"]);
        succeed(at, &["nog.tif", "-o", "o.tif", "--overwrite"]);
        assert!(!at.join(name).exists(), "{name}");
        same(at, "clean.tif", "o.tif");
        fs::remove_file(at.join("o.tif")).unwrap();
    }
    fs::write(at.join("v.vrt.aux.xml"), pam).unwrap();
    assert!(refusal(at, &["nog.tif", "-o", "v.vrt"]).contains("v.vrt.aux.xml"));
    fs::remove_file(at.join("v.vrt.aux.xml")).unwrap();
    fs::write(at.join("v.tfw"), world).unwrap();
    assert!(refusal(at, &["nog.tif", "-o", "v.vrt"]).contains("v.tfw"));
    // A world file of a photograph beside is not artir's to remove.
    for name in ["p.wld", "p.jpg"] {
        fs::write(at.join(name), world).unwrap();
    }
    assert!(refusal(at, &["nog.tif", "-o", "p.tif", "--overwrite"]).contains("p.jpg"));
}

#[test]
fn what_cannot_be_written_is_told_before_any_work() {
    let dir = folder();
    let at = dir.path();
    fs::write(at.join("stack.vrt"), vrt(&["scene.tif"], 1, ["Undefined"; 3])).unwrap();
    let told = |scene: &str, more: &[&str], word: &str| {
        for how in [&["--dry-run"][..], &[]] {
            let said = refusal(at, &[&[scene, "-o", "out.tif"], more, how].concat());
            assert!(said.contains(word), "{said}");
        }
    };
    told("stack.vrt", &["--bands", "1,2,3", "--strict"], "colour interpretation of band 1");
    told("scene.tif", &["--co", "TILED=YES", "--co", "BLOCKYSIZE=42"], "42");
    fs::write(at.join("two.tif"), Tiff::bytes(40, 30, 2).build()).unwrap();
    told(
        "two.tif",
        &["--bands", "1,2"],
        "artir: two.tif: the model 'multiplies' takes 3 band(s), and 2 would be restored",
    );
    let stack: serde_json::Value =
        serde_json::from_str(&succeed(at, &["--inspect", "stack.vrt", "--bands", "1,2,3"])).unwrap();
    assert_eq!(stack["restores"]["lost"], serde_json::json!(["colour interpretation of band 1"]));
    let stack = ["--inspect", "stack.vrt", "--bands", "1,2,3", "--strict"];
    let stack: serde_json::Value = serde_json::from_str(&succeed(at, &stack)).unwrap();
    assert!(stack["refused"].as_str().is_some_and(|why| why.contains("colour interpretation")), "{stack}");
    assert!(stack.get("restores").is_none());
    assert_eq!(inspect(at, "scene.tif")["restores"]["bands"], serde_json::json!([1, 2, 3]));
    assert!(inspect(at, "scene.tif").get("refused").is_none());
    succeed(at, &["scene.tif", "-o", "out.tif", "--dry-run"]);
    assert!(!at.join("out.tif").exists());
    fs::write(at.join("out.tif"), "x").unwrap();
    assert_eq!(geo(at, &["scene.tif", "-o", "out.tif", "--dry-run"]).status.code(), Some(2));
}

#[test]
fn names_with_colons_are_kept_whole() {
    let dir = folder();
    let at = dir.path();
    for name in ["S2_2024-05-01T10:11:12.tif", "S2_2024-05-02T10:11:12.tif"] {
        fs::copy(at.join("scene.tif"), at.join(name)).unwrap();
    }
    succeed(at, &["S2_2024-05-01T10:11:12.tif", "S2_2024-05-02T10:11:12.tif", "GTIFF_DIR:1:scene.tif", "-o", "out/"]);
    let kept = ["S2_2024-05-01T10:11:12.tif", "S2_2024-05-02T10:11:12.tif", "scene.tif"];
    assert_eq!(names(&at.join("out")), kept);
    for name in kept {
        same(at, "scene.tif", &format!("out/{name}"));
    }
    // What begins like a driver's name is a file when it is there.
    fs::copy(at.join("scene.tif"), at.join("HDF5:x.tif")).unwrap();
    succeed(at, &["HDF5:x.tif", "-o", "out/"]);
    assert!(at.join("out/HDF5:x.tif").exists());
    succeed(at, &["scene.tif", "-o", "GTIFF_DIR:1:y.tif", "--preview"]);
    assert!(at.join("GTIFF_DIR:1:y.html").exists());
    same(at, "scene.tif", "GTIFF_DIR:1:y.tif");
    // A virtual raster names its TIFF from its own folder on. A preview reads both.
    for out in ["S2_10:15:30.vrt", "2024-05-01T10:11:12/z.vrt"] {
        succeed(at, &["scene.tif", "-o", out, "--preview"]);
        same(at, "scene.tif", &at.join(out).display().to_string());
    }
    fs::rename(at.join("2024-05-01T10:11:12"), at.join("moved")).unwrap();
    same(at, "scene.tif", "moved/z.vrt");
    assert!(refusal(at, &["scene.tif", "-o", "NITF_IM:0:z.vrt"]).contains("NITF_IM:0:z.tif"));
}

#[test]
fn a_profile_without_end_is_refused_and_inspected() {
    let dir = folder();
    let at = dir.path();
    let ratios = |count: u32| (0..2 * count).flat_map(|i| (i + 1).to_le_bytes()).collect::<Vec<u8>>();
    let endless = Tiff::floats(32, 32, 3).with(318, 5, 2, ratios(2)).with(319, 5, 6, ratios(6)).build();
    fs::write(at.join("endless.tif"), endless).unwrap();
    assert!(refusal(at, &["endless.tif", "-o", "out.tif"]).contains("colour profile"));
    assert!(inspect(at, "endless.tif")["refused"].as_str().is_some_and(|why| why.contains("colour profile")));
}

#[test]
fn the_cases_of_layouts_that_were_found_are_right_or_refused_in_one_line() {
    let Some(cases) = real("cases/geotiff") else { return };
    let dir = folder();
    let at = dir.path();
    let case = |name: &str| cases.join(name).display().to_string();
    fs::copy(cases.join("stale_sidecars/o.tfw"), at.join("o.tfw")).unwrap();
    assert!(refusal(at, &[&case("stale_sidecars/nog.tif"), "-o", "o.tif"]).contains("o.tfw"));
    refusal(at, &[&case("hang_color_profile/gradient-3c-32b-float.tiff"), "-o", "out.tif"]);
    let strips = case("co_tiled/strips42.tif");
    succeed(at, &[&strips, "-o", "tiled.tif", "--co", "TILED=YES"]);
    same(at, &strips, "tiled.tif");
}
