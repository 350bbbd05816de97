//! The inputs that determine a result's bytes, as text with a version. A run resumes only from a journal of equal hash.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
};

use artir_files::{Encoding, hash_file, hex};
use sha2::{Digest, Sha256};

use super::{layout, options::WriteOptions};
use crate::{
    ffi,
    scene::{Scene, region::Region},
};

/// The version of the form of results. Raise it with every change after which the same model, settings and sources give
/// another file, so that interrupted runs begin anew.
pub const SCENES: u32 = 4;

/// Bytes of a file that is not read whole.
const HEAD: usize = 1 << 20;

/// Model, settings, sources and form. Sources count by their bytes, so that a file that was replaced by one of the same
/// size and time starts anew; of those that are read over a network, or within an archive, the first part counts.
pub(crate) fn identity(scene: &Scene, pixels: &str, options: &WriteOptions) -> Encoding {
    let WriteOptions {
        overwrite: _,
        resume: _,
        format: _,
        creation,
        threads: _,
        strict,
        work: _,
        one_file: _,
        all_bands,
        provenance,
    } = options;
    let mut out = Encoding::new("artir-scene", SCENES)
        // A result that lost something is none of a strict run.
        .text("strict", if *strict { "yes" } else { "no" })
        .text("pixels", pixels)
        .text("bands", &scene.info.bands.iter().map(usize::to_string).collect::<Vec<_>>().join(" "))
        // The one that is written: like its source, a COG gives a COG.
        .text("format", layout::format(scene, options).driver());
    for values in &scene.info.values {
        out = out.float("black", values.interval.black()).float("white", values.interval.white());
        out = out.float("nodata", values.nodata.unwrap_or(f64::NAN)).float("zero", values.zero);
        out = out.float("least", values.limits[0]).float("most", values.limits[1]);
    }
    out = out.float("fill", scene.info.fill.map_or(f64::NAN, |fill| fill.value));
    for number in scene.info.region.iter().flat_map(Region::numbers) {
        out = out.float("region", number);
    }
    for marks in &scene.info.marks {
        out = file(out, marks.path());
        out = others(out, &[marks.path().to_owned()], scene.info.files_of(Some(marks)));
    }
    out = out.text("all bands", if *all_bands { "yes" } else { "no" });
    for (key, value) in provenance {
        out = out.text("stated", &format!("{key}={value}"));
    }
    for option in creation {
        out = out.text("option", &format!("{}={}", option.key(), option.value()));
    }
    let listed = ffi::file_list(&scene.dataset);
    for name in &listed {
        out = file(out, name);
    }
    out = others(out, &listed, scene.info.files_of(None));
    // The description as GDAL reads it, which also depends on GDAL's version and settings.
    out.text("description", &scene.info.description.json().to_string())
}

/// A file's bytes; of one that is read over a network, in an archive or in memory, those of its beginning.
fn file(out: Encoding, name: &str) -> Encoding {
    match File::open(Path::new(name)).and_then(hash_file) {
        Ok(sha256) => out.text("file", &sha256),
        Err(_) => {
            // Reading all of it would transfer it twice.
            let head = ffi::read_part(name, 0, HEAD).unwrap_or_default();
            out.text("remote", name).text("head", &hex(&Sha256::digest(head)))
        }
    }
}

/// The bytes of files that are not among those listed.
fn others(out: Encoding, listed: &[String], files: Vec<PathBuf>) -> Encoding {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let seen: BTreeSet<PathBuf> = listed.iter().filter_map(|name| real(Path::new(name))).collect();
    // In an order that is that of every run.
    let all: BTreeSet<PathBuf> = files.iter().filter_map(|path| real(path)).collect();
    all.difference(&seen).fold(out, |out, path| file(out, &path.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::{CreationOption, Format, OpenOptions, write_rgb_geotiff};

    #[test]
    fn the_form_is_pinned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scene.tif");
        write_rgb_geotiff(&path, &Array3::from_elem((3, 8, 9), 7), [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 32632).unwrap();
        let open = || Scene::open(&path.display().to_string(), &OpenOptions::default()).unwrap();
        let scene = open();
        let creation = vec![CreationOption::new("COMPRESS", "ZSTD").unwrap()];
        let options = WriteOptions { format: Format::Cog, creation, ..WriteOptions::default() };
        let text = identity(&scene, "artir-pixels 1\nmodel=x\n", &options);
        let sha256 = hash_file(File::open(&path).unwrap()).unwrap();
        let band = "black=0000000000000000\nwhite=406fe00000000000\nnodata=7ff8000000000000\nzero=0000000000000000\n\
                    least=0000000000000000\nmost=406fe00000000000\n";
        let form = format!(
            "artir-scene 4\nstrict=no\npixels=artir-pixels 1\\nmodel=x\\n\nbands=1 2 3\nformat=COG\n{band}{band}{band}\
             fill=7ff8000000000000\nall bands=no\noption=COMPRESS=ZSTD\nfile={sha256}\ndescription={{"
        );
        assert!(text.as_str().starts_with(&form), "{}", text.as_str());
        // Other bytes of the same size and time are another source.
        let modified = path.metadata().unwrap().modified().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_ne!(identity(&scene, "artir-pixels 1\nmodel=x\n", &options).hash(), text.hash());
    }
}
