//! What a virtual raster (VRT) points at. One from a stranger can name any file and any server.

use std::path::{Component, Path, PathBuf};

use crate::{ffi, open::is_remote};

/// Bytes of a VRT that are read: a mosaic of 100,000 scenes has some 50 MB.
const MOST: usize = 256 << 20;

/// VRTs within VRTs that are followed.
const DEEPEST: usize = 8;

/// Says why a VRT may not be opened unless anything is allowed: it points outside its folder, or to a network, or runs
/// code. Nothing is wrong with what is no VRT.
pub(crate) fn points_outside(path: &str) -> Option<String> {
    look(path, folder_of(path), 0)
}

fn look(path: &str, root: &str, depth: usize) -> Option<String> {
    let start = ffi::read_part(path, 0, 1024)?;
    if !start.windows(11).any(|w| w == b"<VRTDataset") {
        return None;
    }
    if depth == DEEPEST {
        return Some("nests virtual rasters too deeply".into());
    }
    let text = ffi::read_part(path, 0, MOST)?;
    let names = match named(&String::from_utf8_lossy(&text)) {
        Ok(names) => names,
        Err(why) => return Some(why),
    };
    for (target, relative) in names {
        let full = if relative { join(folder_of(path), &target) } else { target };
        if is_remote(&full) || !is_inside(&full, root) {
            return Some("points outside its own folder".into());
        }
        if let Some(why) = look(&full, root, depth + 1) {
            return Some(why);
        }
    }
    None
}

/// The files that a VRT names, each with whether it is sought from the VRT's own folder on.
///
/// # Errors
/// Words that say why the VRT is not to be opened.
pub(crate) fn named(text: &str) -> Result<Vec<(String, bool)>, String> {
    let document = roxmltree::Document::parse(text).map_err(|_| "is no well-formed XML")?;
    let mut out = Vec::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        if node.tag_name().name() == "PixelFunctionCode" {
            return Err("runs code of its own".into());
        }
        let Some(target) = target(&node) else { continue };
        let relative = ["relativeToVRT", "relativetoVRT"].iter().any(|a| node.attribute(*a) == Some("1"));
        out.push((target.to_owned(), relative));
    }
    Ok(out)
}

/// The file that an element names.
fn target<'a>(node: &roxmltree::Node<'a, '_>) -> Option<&'a str> {
    let text = || node.text().map(str::trim).filter(|t| !t.is_empty());
    match node.tag_name().name() {
        "SourceFilename" | "SourceDataset" | "SourceDatasetName" | "GeolocationDataset" => text(),
        "MDI" if matches!(node.attribute("key"), Some("X_DATASET" | "Y_DATASET")) => text(),
        _ => None,
    }
}

fn folder_of(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(i) => &path[..i],
        None => ".",
    }
}

fn join(folder: &str, name: &str) -> String {
    // A source can be given as driver:path or driver:"path", which no folder can be put before; what is left is then
    // compared as it stands.
    if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether a path lies in a folder, once dots and links are resolved.
fn is_inside(path: &str, root: &str) -> bool {
    if path.starts_with("/vsi") {
        // Inside an archive nothing can be linked; dots are enough.
        return plain(Path::new(path)).is_some_and(|p| plain(Path::new(root)).is_some_and(|r| p.starts_with(r)));
    }
    match (std::fs::canonicalize(path), std::fs::canonicalize(root)) {
        (Ok(path), Ok(root)) => path.starts_with(root),
        // A file that is not there: GDAL will say so, if it is looked for inside.
        _ => plain(Path::new(path)).is_some_and(|p| plain(Path::new(root)).is_some_and(|r| p.starts_with(r))),
    }
}

/// A path without dots; `None` when they lead above its start.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vrt(source: &str, relative: u8) -> String {
        format!(
            "<VRTDataset rasterXSize=\"1\" rasterYSize=\"1\"><VRTRasterBand dataType=\"Byte\" band=\"1\"><SimpleSource>\
             <SourceFilename relativeToVRT=\"{relative}\">{source}</SourceFilename></SimpleSource></VRTRasterBand>\
             </VRTDataset>"
        )
    }

    #[test]
    fn only_what_lies_beside_a_vrt_is_inside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("in/a.tif"), "x").unwrap();
        std::fs::write(dir.path().join("b.tif"), "x").unwrap();
        let path = dir.path().join("in/scene.vrt");
        let absolute = |name: &str| dir.path().join(name).display().to_string();
        for (source, relative, fine) in [
            ("a.tif".to_owned(), 1, true),
            ("../b.tif".into(), 1, false),
            ("../in/a.tif".into(), 1, true),
            (absolute("in/a.tif"), 0, true),
            (absolute("b.tif"), 0, false),
            ("/vsicurl/http://example.org/a.tif".into(), 0, false),
            ("http://example.org/a.tif".into(), 0, false),
            ("/etc/passwd".into(), 0, false),
        ] {
            std::fs::write(&path, vrt(&source, relative)).unwrap();
            let found = points_outside(&path.display().to_string());
            assert_eq!(found.is_none(), fine, "{source}: {found:?}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.path().join("b.tif"), dir.path().join("in/link.tif")).unwrap();
            std::fs::write(&path, vrt("link.tif", 1)).unwrap();
            assert!(points_outside(&path.display().to_string()).is_some(), "a link leads outside");
        }
    }

    #[test]
    fn a_vrt_within_a_vrt_is_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("inner.vrt"), vrt("/etc/passwd", 0)).unwrap();
        let outer = dir.path().join("outer.vrt");
        std::fs::write(&outer, vrt("inner.vrt", 1)).unwrap();
        assert!(points_outside(&outer.display().to_string()).is_some());
        std::fs::write(&outer, vrt("outer.vrt", 1)).unwrap();
        assert!(points_outside(&outer.display().to_string()).is_some_and(|why| why.contains("deeply")));
        std::fs::write(&outer, "<VRTDataset").unwrap();
        assert!(points_outside(&outer.display().to_string()).is_some());
    }
}
