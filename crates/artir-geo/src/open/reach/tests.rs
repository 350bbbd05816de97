use std::fmt::Write as _;

use super::*;
use crate::{OpenOptions, Scene, open::open, write_rgb_geotiff};

/// A folder with `in/a.tif` in it and `b.tif` beside that.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let rgb = ndarray::Array3::from_shape_fn((3, 8, 8), |(c, y, x)| (40 * c + 5 * y + x) as u8);
    for name in ["in/a.tif", "b.tif"] {
        write_rgb_geotiff(&dir.path().join(name), &rgb, [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 32632).unwrap();
    }
    dir
}

/// A virtual raster of three bands, each made of all the sources given.
fn vrt(sources: &[(&str, u8)]) -> String {
    let mut out = String::from("<VRTDataset rasterXSize=\"8\" rasterYSize=\"8\">");
    for (band, colour) in ["Red", "Green", "Blue"].into_iter().enumerate() {
        let band = band + 1;
        write!(out, "<VRTRasterBand dataType=\"Byte\" band=\"{band}\"><ColorInterp>{colour}</ColorInterp>").unwrap();
        for (name, relative) in sources {
            write!(
                out,
                "<SimpleSource><SourceFilename relativeToVRT=\"{relative}\">{name}</SourceFilename>\
                 <SourceBand>{band}</SourceBand></SimpleSource>"
            )
            .unwrap();
        }
        out.push_str("</VRTRasterBand>");
    }
    out + "</VRTDataset>"
}

fn refusal(path: &Path, access: &Access) -> Option<String> {
    let options = OpenOptions { access: access.clone(), ..OpenOptions::default() };
    Scene::open(&path.display().to_string(), &options).err().map(|e| e.to_string())
}

fn own() -> Access {
    Access::default()
}

#[test]
fn only_files_of_its_own_folder_or_of_those_allowed_are_read() {
    let dir = folder();
    let path = dir.path().join("in/scene.vrt");
    let absolute = |name: &str| dir.path().join(name).display().to_string();
    for (source, relative, fine) in [
        ("a.tif".to_owned(), 1, true),
        ("../b.tif".into(), 1, false),
        ("../in/a.tif".into(), 1, true),
        (absolute("in/a.tif"), 0, true),
        (absolute("b.tif"), 0, false),
        ("missing.tif".into(), 1, false),
        (".".into(), 1, false),
        ("/vsicurl/http://example.org/a.tif".into(), 0, false),
        (format!("/vsizip/{}", absolute("b.zip/a.tif")), 0, false),
        ("/etc/passwd".into(), 0, false),
    ] {
        std::fs::write(&path, vrt(&[(&source, relative)])).unwrap();
        let found = refusal(&path, &own());
        assert_eq!(found.is_none(), fine, "{source}: {found:?}");
    }
    std::fs::write(&path, vrt(&[("../b.tif", 1)])).unwrap();
    let found = Scene::open(&path.display().to_string(), &OpenOptions::default()).unwrap_err();
    let folder = std::fs::canonicalize(dir.path()).unwrap();
    assert_eq!(found.reason().and_then(Reason::needs), Some(&Permission::Folder(folder)), "{found}");
    let allowed = Access { folders: vec![dir.path().to_owned()], ..own() };
    assert_eq!(refusal(&path, &allowed), None);
    assert!(refusal(&path, &Access { folders: vec![dir.path().join("none")], ..own() }).is_some());
}

#[test]
#[cfg(unix)]
fn links_count_where_they_lead() {
    use std::os::unix::fs::symlink;
    let dir = folder();
    let at = dir.path();
    let path = at.join("in/scene.vrt");
    symlink(at.join("b.tif"), at.join("in/link.tif")).unwrap();
    std::fs::write(&path, vrt(&[("link.tif", 1)])).unwrap();
    assert!(refusal(&path, &own()).is_some_and(|why| why.contains("outside its own folder")));
    assert_eq!(refusal(&path, &Access { folders: vec![at.to_owned()], ..own() }), None);
    // The virtual raster itself may be reached by a link, and its names start where it lies.
    std::fs::write(&path, vrt(&[("a.tif", 1)])).unwrap();
    symlink(&path, at.join("elsewhere.vrt")).unwrap();
    assert_eq!(refusal(&at.join("elsewhere.vrt"), &own()), None);
    assert!(std::process::Command::new("mkfifo").arg(at.join("in/pipe")).status().is_ok_and(|s| s.success()));
    std::fs::write(&path, vrt(&[("pipe", 1)])).unwrap();
    assert!(refusal(&path, &own()).is_some_and(|why| why.contains("not a regular file")));
    assert!(refusal(&at.join("in/pipe"), &own()).is_some_and(|why| why.contains("not a regular file")));
}

#[test]
fn virtual_rasters_are_followed_once_and_not_for_ever() {
    let dir = folder();
    let at = dir.path().join("in");
    std::fs::write(at.join("inner.vrt"), vrt(&[("../b.tif", 1)])).unwrap();
    std::fs::write(at.join("outer.vrt"), vrt(&[("inner.vrt", 1)])).unwrap();
    assert!(refusal(&at.join("outer.vrt"), &own()).is_some_and(|why| why.contains("outside its own folder")));
    std::fs::write(at.join("inner.vrt"), vrt(&[("a.tif", 1)])).unwrap();
    assert_eq!(refusal(&at.join("outer.vrt"), &own()), None);
    std::fs::write(at.join("outer.vrt"), vrt(&[("outer.vrt", 1)])).unwrap();
    assert!(refusal(&at.join("outer.vrt"), &own()).is_some_and(|why| why.contains("names itself")));
    // Seven files of 40 references each stand for 40^7 reads of the last.
    std::fs::write(at.join("0.vrt"), vrt(&[("a.tif", 1)])).unwrap();
    for i in 1..=7 {
        let below = format!("{}.vrt", i - 1);
        std::fs::write(at.join(format!("{i}.vrt")), vrt(&[(below.as_str(), 1); 13])).unwrap();
    }
    assert!(refusal(&at.join("7.vrt"), &own()).is_some_and(|why| why.contains("over and over")));
    for i in 1..=9 {
        let below = format!("{}.vrt", i - 1);
        std::fs::write(at.join(format!("{i}.vrt")), vrt(&[(below.as_str(), 1)])).unwrap();
    }
    assert!(refusal(&at.join("9.vrt"), &own()).is_some_and(|why| why.contains("too deeply")));
}

#[test]
fn what_lies_beside_a_raster_is_looked_at_too() {
    let dir = folder();
    let at = dir.path().join("in");
    let outside = vrt(&[(&dir.path().join("b.tif").display().to_string(), 0)]);
    for name in ["a.tif.msk", "a.tif.OVR"] {
        std::fs::write(at.join(name), &outside).unwrap();
        let found = refusal(&at.join("a.tif"), &own());
        assert!(found.is_some_and(|why| why.contains("virtual raster")), "{name}");
        std::fs::write(at.join("scene.vrt"), vrt(&[("a.tif", 1)])).unwrap();
        assert!(refusal(&at.join("scene.vrt"), &own()).is_some(), "{name} of a source");
        std::fs::remove_file(at.join(name)).unwrap();
    }
    let beside = format!(
        "<PAMDataset><Metadata domain=\"OVERVIEWS\"><MDI key=\"OVERVIEW_FILE\">{}</MDI></Metadata></PAMDataset>",
        dir.path().join("b.tif").display()
    );
    std::fs::write(at.join("a.tif.aux.xml"), beside).unwrap();
    let found = refusal(&at.join("a.tif"), &own());
    assert!(found.as_ref().is_some_and(|why| why.contains("outside its own folder")), "{found:?}");
}

#[test]
fn overviews_that_are_named_are_plain_files_and_nothing_is_fetched_to_find_out() {
    let dir = folder();
    let at = dir.path().join("in");
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let remote = format!("/vsicurl/http://{}/x.tif", server.local_addr().unwrap());
    let outside = dir.path().join("b.tif").display().to_string();
    let document = |source: &str| vrt(&[(source, 0)]).replace('<', "&lt;");
    let names = |file: &str| {
        format!(
            "<PAMDataset><Metadata domain=\"OVERVIEWS\"><MDI key=\"OVERVIEW_FILE\">{file}</MDI></Metadata></PAMDataset>"
        )
    };
    let escapes = [
        remote.clone(),
        format!("vrt://{remote}?bands=1,2,3"),
        document(&remote),
        document(&outside),
        format!("vrt://{outside}?bands=1,2,3"),
        format!("GTIFF_DIR:1:{outside}"),
        format!(":::BASE:::GTIFF_DIR:1:{outside}"),
        "MEM:::DATAPOINTER=1,PIXELS=8,LINES=8,BANDS=3".into(),
    ];
    for file in &escapes {
        std::fs::write(at.join("a.tif.aux.xml"), names(file)).unwrap();
        let found = refusal(&at.join("a.tif"), &own());
        assert!(found.as_ref().is_some_and(|why| why.contains("names") || why.contains("reads")), "{file}: {found:?}");
    }
    // Overviews are opened by any driver, and can have overviews in turn.
    std::fs::remove_file(at.join("a.tif.aux.xml")).unwrap();
    let png = gdal::DriverManager::get_driver_by_name("PNG").unwrap();
    let source = crate::write::metadata::open_again(&at.join("a.tif")).unwrap();
    source.create_copy(&png, at.join("a.tif.ovr"), &gdal::raster::RasterCreationOptions::new()).unwrap();
    // Put after the folder, a driver's prefix names a file that is not there, which GDAL cannot open.
    for file in escapes.iter().filter(|file| !file.starts_with(":::BASE:::")) {
        std::fs::write(at.join("a.tif.ovr.aux.xml"), names(file)).unwrap();
        assert!(refusal(&at.join("a.tif"), &own()).is_some(), "{file} of overviews");
    }
    for name in ["a.tif.ovr", "a.tif.ovr.aux.xml"] {
        std::fs::remove_file(at.join(name)).unwrap();
    }
    for (name, next) in [("a.tif", "c.tif"), ("c.tif", "d.tif"), ("d.tif", escapes[1].as_str())] {
        let tiff = std::fs::read(dir.path().join("b.tif")).unwrap();
        std::fs::write(at.join(name), tiff).unwrap();
        let next = if name == "d.tif" { next.to_owned() } else { format!(":::BASE:::{next}") };
        std::fs::write(at.join(format!("{name}.aux.xml")), names(&next)).unwrap();
    }
    assert!(refusal(&at.join("a.tif"), &own()).is_some(), "overviews of overviews of overviews");
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody called");
    std::fs::remove_file(at.join("d.tif.aux.xml")).unwrap();
    assert_eq!(refusal(&at.join("a.tif"), &own()), None, "files of its own folder");
}

#[test]
fn content_decides_what_is_a_virtual_raster() {
    let dir = folder();
    let path = dir.path().join("in/scene.tif");
    std::fs::write(&path, vrt(&[("../b.tif", 1)])).unwrap();
    assert!(refusal(&path, &own()).is_some_and(|why| why.contains("outside its own folder")));
    let zip = dir.path().join("in/query.vrt");
    std::fs::write(&zip, vrt(&[("a.tif", 1)])).unwrap();
    let query = format!("vrt://{}?bands=1,2,3", dir.path().join("in/a.tif").display());
    assert!(open(&query, &own()).is_ok(), "a query of a local file is local");
    let outside = format!("vrt://{}?bands=1,2,3", path.display());
    assert!(open(&outside, &own()).err().is_some_and(|why| why.to_string().contains("outside its own folder")));
    for name in [
        format!("vrt://{}?oo=ROOT_PATH=/", zip.display()),
        "vrt://http://localhost/a.tif".into(),
        "MEM:::DATAPOINTER=1,PIXELS=1,LINES=1".into(),
        " <VRTDataset/>".into(),
        "/vsisubfile/0_100,/etc/passwd".into(),
        "/vsizip//vsicurl/http://localhost/a.zip/a.tif".into(),
    ] {
        assert!(open(&name, &own()).is_err(), "{name}");
    }
}

#[test]
fn a_header_that_names_other_data_is_refused() {
    let dir = folder();
    let path = dir.path().join("in/scene.ers");
    for (file, fine) in [("/etc/passwd", false), ("/vsicurl/http://localhost/a.tif", false), ("a.tif", true)] {
        let text = format!("DatasetHeader Begin\n\tDataFile\t= \"{file}\"\nDatasetHeader End\n");
        std::fs::write(&path, text).unwrap();
        let found = refuse_remote_header(&path.display().to_string());
        assert_eq!(found.is_ok(), fine, "{file}: {found:?}");
    }
}

#[test]
fn drivers_that_could_reach_elsewhere_are_gone() {
    drivers::confine();
    assert!(gdal::DriverManager::get_driver_by_name("WMS").is_err());
    assert!(gdal::DriverManager::get_driver_by_name("MEM").is_err());
    assert!(gdal::DriverManager::get_driver_by_name("COG").is_ok());
}
