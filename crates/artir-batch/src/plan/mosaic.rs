//! Scenes of a mosaic.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use super::{Lines, job_of_file};
use crate::{Command, Error};

/// A larger file is no description of a mosaic that is held in memory here.
const LARGEST: u64 = 512 << 20;

/// The source files of a virtual raster, each once.
pub(super) fn sources(path: &Path, lines: &mut Lines<'_>) -> Result<(), Error> {
    let fail = |e| Error::read(path, e);
    if path.metadata().map_err(fail)?.len() > LARGEST {
        return Err(Error::source(path, format!("larger than {} MiB", LARGEST >> 20)));
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    let options = roxmltree::ParsingOptions { nodes_limit: u32::MAX, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(&text, options)
        .map_err(|e| Error::source(path, format!("not a virtual raster: {e}")))?;
    if document.root_element().tag_name().name() != "VRTDataset" {
        return Err(Error::source(path, "not a virtual raster: its root element is not VRTDataset"));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut seen = BTreeSet::new();
    for source in document.descendants().filter(|node| node.has_tag_name("SourceFilename")) {
        let name = source.text().unwrap_or_default().trim();
        let relative = source.attribute("relativeToVRT") == Some("1");
        let scene = if relative { lexical(&folder.join(name)) } else { PathBuf::from(name) };
        let Some(scene) = scene.to_str() else { continue };
        if !name.is_empty() && seen.insert(scene.to_owned()) {
            lines.add(&job_of_file(Command::Geo, scene))?;
        }
    }
    if seen.is_empty() {
        return Err(Error::source(path, "the virtual raster names no source"));
    }
    Ok(())
}

/// Takes `..` out of a path without looking at the file system: sources may lie on another machine.
pub(super) fn lexical(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::plan::planned;

    #[test]
    fn each_source_of_a_mosaic_is_one_job() {
        let dir = tempfile::tempdir().unwrap();
        let source = |relative: u8, name: &str| {
            format!("<SimpleSource><SourceFilename relativeToVRT=\"{relative}\">{name}</SourceFilename></SimpleSource>")
        };
        let band = source(1, "../t/a.tif") + &source(0, "/data/b.tif");
        let path = dir.path().join("m.vrt");
        fs::write(
            &path,
            format!(
                "<VRTDataset><VRTRasterBand>{band}</VRTRasterBand><VRTRasterBand>{band}</VRTRasterBand></VRTDataset>"
            ),
        )
        .unwrap();
        let (jobs, planned) = planned(&path, None).unwrap();
        assert_eq!(planned.jobs, 2);
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(jobs[0].input[0], root.parent().unwrap().join("t/a.tif").to_str().unwrap());
        assert_eq!(jobs[1].input[0], "/data/b.tif");
        for bad in ["<x/>", "no xml", "<VRTDataset/>"] {
            fs::write(&path, bad).unwrap();
            assert!(super::super::planned(&path, None).is_err(), "{bad}");
        }
    }
}
