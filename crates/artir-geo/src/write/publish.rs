//! Publishes a finished scene, with its sidecar files and its virtual raster.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use artir_files::{FileSet, HiddenFolder};

/// Endings of files that belong to a GeoTIFF.
pub(crate) const BESIDE: [&str; 4] = [".aux.xml", ".ovr", ".msk", ".msk.ovr"];

pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The folder within the hidden one in which files have their final names: a virtual raster names its TIFF.
const SET: &str = "set";

/// Whether a result is a virtual raster over a TIFF.
pub(crate) fn is_virtual(out: &Path) -> bool {
    out.extension().is_some_and(|e| e.eq_ignore_ascii_case("vrt"))
}

/// The TIFF of a result: the result itself, or the TIFF under its virtual raster.
pub fn data_of(out: &Path) -> PathBuf {
    if is_virtual(out) { out.with_extension("tif") } else { out.to_owned() }
}

/// Files with their final names in the hidden folder.
pub(crate) struct Staged {
    folder: PathBuf,
    set: FileSet,
}

impl Staged {
    /// Takes a finished TIFF with its sidecar files. Publishing removes the `stale` files of older results.
    pub(crate) fn new(hidden: &HiddenFolder, done: &Path, out: &Path, stale: &[PathBuf]) -> io::Result<Self> {
        let folder = hidden.create_folder(SET)?;
        let mut staged = Self { folder, set: FileSet::default() };
        let data = name_of(&data_of(out))?;
        let (mut beside, mut gone) = (Vec::new(), Vec::new());
        for ending in BESIDE {
            let name = format!("{data}{ending}");
            let from = with_ending(done, ending);
            if from.exists() {
                std::fs::rename(from, staged.folder.join(&name))?;
                beside.push(name);
            } else {
                gone.push(OsString::from(name));
            }
        }
        std::fs::rename(done, staged.folder.join(&data))?;
        let main = name_of(out)?;
        if main != data {
            // Beside an older virtual raster there may be files that would be read with the new one.
            gone.extend(BESIDE.map(|ending| OsString::from(format!("{main}{ending}"))));
            beside.insert(0, data);
        }
        let stale = stale.iter().filter_map(|path| path.file_name()).map(OsString::from);
        gone.extend(stale.filter(|name| beside.iter().all(|new| name != new.as_str())));
        let within = |name: &str| format!("{SET}/{name}");
        staged.set.main = within(&main);
        staged.set.beside = beside.into_iter().map(|name| (within(&name), name.into())).collect();
        staged.set.gone = gone;
        Ok(staged)
    }

    /// The TIFF.
    pub(crate) fn data(&self, out: &Path) -> PathBuf {
        self.folder.join(data_of(out).file_name().unwrap_or_default())
    }

    /// Path of the virtual raster.
    pub(crate) fn main(&self, out: &Path) -> PathBuf {
        self.folder.join(out.file_name().unwrap_or_default())
    }

    /// Publishes the files. Removes the sidecar files of an older result, which GDAL would read with the new one. Returns
    /// the sidecar files of the result.
    pub(crate) fn publish(self, hidden: &mut HiddenFolder, out: &Path, overwrite: bool) -> io::Result<Vec<PathBuf>> {
        hidden.publish_set(&self.set, overwrite)?;
        let folder = out.parent().unwrap_or(Path::new(""));
        Ok(self.set.beside.into_iter().map(|(_, name)| folder.join(name)).collect())
    }
}

fn name_of(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let reason = "its name is not UTF-8, which GDAL needs";
    name.map(str::to_owned).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, reason))
}

/// Whether a local path names the same file as another.
pub(crate) fn same_file(a: &str, b: &Path) -> bool {
    matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
