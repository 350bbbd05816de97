//! Sidecar files of an older result that GDAL would read with the new one.

use std::path::{Path, PathBuf};

use artir_files::{follows_name, follows_stem};
use gdal::DriverManager;

use super::{
    metadata::open_again,
    publish::{data_of, is_virtual, same_file},
};
use crate::{
    error::{Error, Reason},
    ffi,
    scene::description::Description,
};

/// Extensions of images, drawings and texts, which can share the sidecar files of one stem.
const OTHERS: [&str; 23] = [
    "tif", "tiff", "jp2", "j2k", "jpg", "jpeg", "png", "gif", "bmp", "img", "bil", "bip", "bsq", "dat", "ntf", "nitf",
    "ecw", "sid", "webp", "ers", "dxf", "dwg", "tex",
];

/// Extensions of files whose reference system is in a `.prj`, which GDAL does not read with any result.
const PROJECTED: [&str; 4] = ["shp", "asc", "flt", "grd"];

/// Extensions of the documents in which satellites' deliveries describe their images. Some are named after the delivery and
/// not after the image: `LC08_X_MTL.txt` is read with `LC08_X_B4.TIF`, `summary.txt` with any image of ALOS.
const DOCUMENTS: [&str; 8] = ["xml", "txt", "pvl", "rpc", "rpb", "imd", "eph", "dim"];

/// Sidecar files of an older file of this name. Names are compared without case, as GDAL does.
///
/// # Errors
/// [`Error::Write`] for a file that would be read with the result and may not, or must not, be removed.
pub(crate) fn in_the_way(out: &Path, overwrite: bool) -> Result<Vec<PathBuf>, Error> {
    let fail = |reason: Reason| Error::Write { path: out.display().to_string(), reason };
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lower = |p: Option<&std::ffi::OsStr>| p.unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, stem) = (lower(out.file_name()), lower(out.file_stem()));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(e.into())),
    };
    let (mut own, mut shared, mut other, mut unknown) = (Vec::new(), Vec::new(), None, Vec::new());
    let mut is_projected = false;
    for entry in entries {
        let path = out.with_file_name(entry.map_err(|e| fail(e.into()))?.file_name());
        let found = lower(path.file_name());
        if follows_name(out, &path) {
            own.push(path);
        } else if is_virtual(out) {
            // GDAL reads no other sidecar file with a virtual raster.
        } else if follows_stem(out, &path) {
            shared.push(path);
        } else if found == name || same_file(&path.to_string_lossy(), out) {
            // The older result itself.
        } else if OTHERS.contains(&&*lower(path.extension())) {
            if lower(path.file_stem()) == stem {
                other = Some(path);
            }
        } else if PROJECTED.contains(&&*lower(path.extension())) && lower(path.file_stem()) == stem {
            is_projected = true;
        } else if found.starts_with(&stem)
            || DOCUMENTS.contains(&&*lower(path.extension())) && !found.ends_with(".aux.xml")
        {
            unknown.push(path);
        }
    }
    if let Some(read) = read_along(out, &unknown).map_err(&fail)? {
        let reason = format!("GDAL would read {read} with it: move that file, or write to another name or folder");
        return Err(fail(reason.into()));
    }
    if is_projected {
        shared.retain(|path| lower(path.extension()) != "prj");
    }
    own.sort();
    shared.sort();
    if let (Some(shared), Some(other)) = (shared.first(), &other) {
        let (shared, other) = (shared.display(), other.display());
        let reason =
            format!("GDAL would read {shared} with it, which could belong to {other}: write to another name or folder");
        return Err(fail(reason.into()));
    }
    own.append(&mut shared);
    match own.first() {
        Some(first) if !overwrite => Err(fail(Reason::Stale(first.clone()))),
        _ => match own.iter().find(|p| p.is_dir() && !p.is_symlink()) {
            Some(folder) => {
                Err(fail(format!("GDAL would read {} with it, which is a folder", folder.display()).into()))
            }
            None => Ok(own),
        },
    }
}

/// Whether a file of that name would be read with a result.
pub fn is_read_with(out: &Path, file: &Path) -> bool {
    let one_folder = || artir_files::resolve(out).parent() == artir_files::resolve(file).parent();
    let named = |out: &Path| follows_name(out, file) || follows_stem(out, file) && !is_virtual(out);
    (named(out) || named(&data_of(out))) && one_folder()
}

/// The files that GDAL reads with a TIFF of that name, found with an empty TIFF in a folder of links to them.
fn read_along(out: &Path, files: &[PathBuf]) -> Result<Option<String>, Reason> {
    const MOST: usize = 10_000;
    if files.is_empty() {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    for file in files.iter().take(MOST) {
        if let (Some(name), true) = (file.file_name(), file.is_file()) {
            let from = std::fs::canonicalize(file)?;
            link(&from, &folder.path().join(name))?;
        }
    }
    let trial = folder.path().join(out.file_name().unwrap_or_default());
    let driver = DriverManager::get_driver_by_name("GTiff")?;
    ffi::checked(|| driver.create_with_band_type::<u8, _>(&trial, 1, 1, 1)?.close())?;
    let read = ffi::file_list(&open_again(&trial)?).into_iter().find(|f| !same_file(f, &trial));
    Ok(read.map(|f| f.rsplit('/').next().unwrap_or(&f).to_owned()))
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to).map(drop)
}

/// Opens a result by its final name, as its users will, and compares it with the intended description.
///
/// # Errors
/// Text that names the differing fields, and the files that GDAL reads with the result.
pub(crate) fn verify(promised: &Description, out: &Path, written: &[PathBuf]) -> Result<(), Reason> {
    let published = open_again(out)?;
    let found = Description::of(&published)?;
    let files = ffi::file_list(&published);
    let foreign: Vec<&str> = files
        .iter()
        .filter(|f| !same_file(f, out) && !written.iter().any(|w| same_file(f, w)))
        .map(String::as_str)
        .collect();
    let data = data_of(out);
    if is_virtual(out) && !files.iter().any(|f| same_file(f, &data)) {
        return Err(format!("it was written, but does not name its pixels, {}", data.display()).into());
    }
    let fields: Vec<String> = promised.differences(&found).into_iter().map(|(field, ..)| field).collect();
    let with = if foreign.is_empty() { String::new() } else { format!(", with {}", foreign.join(", ")) };
    if fields.is_empty() && foreign.is_empty() {
        return Ok(());
    }
    let what = if fields.is_empty() { "by more than its own files".into() } else { fields.join(", ") };
    Err(format!("it was written, but reads differently under its final name: {what}{with}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::tests::virtual_raster::{source, virtual_raster};

    fn touch(dir: &Path, names: &[&str]) {
        for name in names {
            std::fs::write(dir.join(name), "x").unwrap();
        }
    }

    #[test]
    fn what_an_older_file_left_is_in_the_way() {
        for name in
            ["o.tfw", "O.TFW", "o.RPB", "o.IMD", "o.tif.aux.xml", "o.tif.ovr", "o.tif.msk", "o_RPC.TXT", "o.wld"]
        {
            let dir = tempfile::tempdir().unwrap();
            touch(dir.path(), &[name, "other.tfw", "oo.tfw", "o.html", "o.tif.json"]);
            let out = dir.path().join("o.tif");
            let refused = in_the_way(&out, false).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains("is left from an older file"), "{refused}");
            let stale = in_the_way(&out, true).unwrap();
            assert_eq!(stale, [dir.path().join(name)]);
            stale.iter().for_each(|path| std::fs::remove_file(path).unwrap());
            assert!(in_the_way(&out, false).unwrap().is_empty());
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "nothing else goes");
        }
    }

    #[test]
    fn a_virtual_raster_that_lost_its_pixels_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (out, data) = (dir.path().join("o.vrt"), dir.path().join("o.tif"));
        let driver = DriverManager::get_driver_by_name("GTiff").unwrap();
        driver.create_with_band_type::<u8, _>(&data, 4, 3, 1).unwrap().close().unwrap();
        let over = |name: &str| virtual_raster(&out, "Byte", (4, 3), &[source(name, 1, [0, 0, 4, 3])], "");
        let promised = Description::of(&open_again(&over("o.tif")).unwrap()).unwrap();
        verify(&promised, &out, std::slice::from_ref(&data)).unwrap();
        over(".hidden/o.tif");
        let why = verify(&promised, &out, &[data]).unwrap_err().to_string();
        assert!(why.contains("does not name its pixels"), "{why}");
    }

    #[test]
    fn names_that_would_be_read_with_a_result_are_known() {
        let with = |out: &str, file: &str| is_read_with(Path::new(out), Path::new(file));
        for (out, file) in [
            ("d/o.tif", "d/o.tif.aux.xml"),
            ("d/o.tif", "./d/O.TFW"),
            ("o.vrt", "o.vrt.aux.xml"),
            ("o.vrt", "o.tif.msk"),
            ("o.vrt", "o.tfw"),
        ] {
            assert!(with(out, file), "{out} {file}");
        }
        for (out, file) in [("d/o.tif", "o.tif.aux.xml"), ("o.tif", "o.json"), ("o.tif", "p.tif.aux.xml")] {
            assert!(!with(out, file), "{out} {file}");
        }
    }

    #[test]
    fn what_only_gdal_knows_to_belong_to_it_is_named_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("o.tif");
        std::fs::write(dir.path().join("o.xml"), "<notes/>").unwrap();
        assert!(in_the_way(&out, false).unwrap().is_empty(), "a document of its own");
        let delivery = "<isd><IMD><VERSION>1</VERSION><SATID>\"W\"</SATID></IMD></isd>";
        std::fs::write(dir.path().join("o.xml"), delivery).unwrap();
        for overwrite in [false, true] {
            let refused = in_the_way(&out, overwrite).unwrap_err().to_string();
            assert!(refused.contains("o.xml"), "{refused}");
        }
    }

    #[test]
    fn a_document_of_a_delivery_is_found_by_another_name_than_the_image() {
        let dir = tempfile::tempdir().unwrap();
        let landsat = "GROUP = L1_METADATA_FILE\n  GROUP = PRODUCT_METADATA\n    SPACECRAFT_ID = \"LANDSAT_8\"\n  \
                       END_GROUP = PRODUCT_METADATA\nEND_GROUP = L1_METADATA_FILE\nEND\n";
        std::fs::write(dir.path().join("LC08_X_MTL.txt"), landsat).unwrap();
        touch(dir.path(), &["HDR-ALAV2A.txt", "RPC-ALAV2A.txt"]);
        std::fs::write(dir.path().join("summary.txt"), "Lbi_Satellite=\"ALOS\"\n").unwrap();
        for (name, read) in [("LC08_X_B4.TIF", "LC08_X_MTL.txt"), ("IMG-ALAV2A.tif", "ALAV2A")] {
            let refused = in_the_way(&dir.path().join(name), false).unwrap_err().to_string();
            assert!(refused.contains(read) || refused.contains("summary.txt"), "{refused}");
        }
        // GDAL reads the summary of ALOS with any image; the other documents belong to their own.
        std::fs::remove_file(dir.path().join("summary.txt")).unwrap();
        assert!(in_the_way(&dir.path().join("other.tif"), false).unwrap().is_empty());
    }

    #[test]
    fn what_could_belong_to_another_image_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["o.wld", "o.jpg"]);
        let refused = in_the_way(&dir.path().join("o.tif"), true).unwrap_err().to_string();
        assert!(refused.contains("o.jpg") && refused.contains("o.wld"), "{refused}");
        // A footprint of the scene, of the same name, is a file of several.
        touch(dir.path(), &["f.shp", "f.shx", "f.dbf", "f.prj", "f.tif"]);
        assert!(in_the_way(&dir.path().join("f.tif"), true).unwrap().is_empty());
        touch(dir.path(), &["f.tfw"]);
        assert_eq!(in_the_way(&dir.path().join("f.tif"), true).unwrap(), [dir.path().join("f.tfw")]);
        touch(dir.path(), &["q.prj"]);
        assert_eq!(in_the_way(&dir.path().join("q.tif"), true).unwrap(), [dir.path().join("q.prj")]);
        touch(dir.path(), &["t.tex", "t.aux"]);
        assert!(in_the_way(&dir.path().join("t.tif"), true).unwrap_err().to_string().contains("t.tex"));
        touch(dir.path(), &["p.tif", "p.tfw"]);
        assert_eq!(in_the_way(&dir.path().join("p.tif"), true).unwrap().len(), 1, "the older result's own");
        assert!(in_the_way(&dir.path().join("new/p.tif"), false).unwrap().is_empty());
    }
}
