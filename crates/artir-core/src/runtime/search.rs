//! The search for ONNX Runtime. Anyone who can place a library in a searched folder runs code as artir's user, so the
//! list of folders is short.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    directories,
    error::{RuntimeError, Skipped},
};

/// The inputs of the search.
pub(super) struct Surroundings {
    /// `ORT_DYLIB_PATH`, unless it is empty.
    pub(super) named: Option<OsString>,
    /// The running executable, links resolved.
    pub(super) executable: Option<PathBuf>,
    /// artir's data folder.
    pub(super) data: Option<PathBuf>,
    /// The source tree that this build was made from.
    pub(super) tree: PathBuf,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            named: set("ORT_DYLIB_PATH"),
            executable: std::env::current_exe().and_then(fs::canonicalize).ok(),
            data: directories::data(),
            tree: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        }
    }

    /// The folders in their order: the executable's own, `../lib/artir` relative to it, artir's data folder and, for an
    /// executable that lies in the `target` folder of its own source tree, `.runtime` of that tree.
    fn folders(&self) -> Vec<PathBuf> {
        let beside = self.executable.as_deref().and_then(Path::parent);
        let mut out: Vec<PathBuf> =
            beside.iter().flat_map(|dir| [dir.to_path_buf(), dir.join("../lib/artir")]).collect();
        out.extend(self.data.clone());
        if let (Ok(tree), Some(executable)) = (fs::canonicalize(&self.tree), &self.executable)
            && executable.starts_with(tree.join("target"))
        {
            out.push(tree.join(".runtime"));
        }
        out
    }
}

/// The library to load, an absolute path with links resolved.
///
/// # Errors
/// [`RuntimeError::Named`], [`RuntimeError::NotAFile`] and [`RuntimeError::NotFound`].
pub(super) fn find(around: &Surroundings) -> Result<PathBuf, RuntimeError> {
    if let Some(named) = &around.named {
        // No fallback: the user asked for this library and no other.
        let path = PathBuf::from(named);
        let found = match fs::canonicalize(&path) {
            Ok(found) => found,
            Err(source) => return Err(RuntimeError::Named { path, source }),
        };
        return if found.is_file() { Ok(found) } else { Err(RuntimeError::NotAFile(path)) };
    }
    let places = around.folders();
    let mut skipped = Vec::new();
    for folder in &places {
        let Some(library) = library_in(folder) else { continue };
        match owned_by_few(&library) {
            Ok(library) => return Ok(library),
            Err(why) => skipped.push(why),
        }
    }
    Err(RuntimeError::NotFound { places, skipped })
}

/// The library of a folder. Of several the one whose name has the greatest version; `libonnxruntime.so` alone comes last.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let named = entries.filter_map(|e| Some((version_in_name(e.file_name().to_str()?)?, e.path())));
    named.filter(|(_, path)| path.is_file()).max().map(|(_, path)| path)
}

/// The numbers behind `libonnxruntime.so`; `None` for a file of another name, such as a provider's or a backup.
fn version_in_name(name: &str) -> Option<Vec<u32>> {
    match name.strip_prefix("libonnxruntime.so")? {
        "" => Some(Vec::new()),
        rest => rest.strip_prefix('.')?.split('.').map(|number| number.parse().ok()).collect(),
    }
}

/// Skips a library that any user could have placed, such as one next to an executable in `/tmp`: the library itself, its
/// folder, and both of them behind links.
#[cfg(unix)]
fn owned_by_few(library: &Path) -> Result<PathBuf, Skipped> {
    use std::os::unix::fs::PermissionsExt;
    let fail = |source| Skipped::Unreadable { path: library.to_owned(), source };
    let real = fs::canonicalize(library).map_err(fail)?;
    for path in [Some(real.as_path()), real.parent(), library.parent()].into_iter().flatten() {
        if fs::metadata(path).map_err(fail)?.permissions().mode() & 0o002 != 0 {
            return Err(Skipped::OpenToAll { path: library.to_owned(), open: path.to_owned() });
        }
    }
    Ok(real)
}

#[cfg(not(unix))]
fn owned_by_few(library: &Path) -> Result<PathBuf, Skipped> {
    fs::canonicalize(library).map_err(|source| Skipped::Unreadable { path: library.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source tree, an installation and a home in one temporary folder, without any library.
    struct World(tempfile::TempDir);

    impl World {
        fn new() -> Self {
            let world = Self(tempfile::tempdir().unwrap());
            world.add("tree/target/debug/artir");
            world.add("opt/bin/artir");
            world
        }

        fn at(&self, path: &str) -> PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join(path)
        }

        fn add(&self, path: &str) -> PathBuf {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        }

        /// The library that an executable finds if `ORT_DYLIB_PATH` is not set.
        fn found(&self, executable: &str) -> Result<PathBuf, String> {
            find(&self.around(executable, None)).map_err(|e| e.to_string())
        }

        fn around(&self, executable: &str, named: Option<&Path>) -> Surroundings {
            Surroundings {
                named: named.map(Into::into),
                executable: Some(self.at(executable)),
                data: Some(self.at("home/.local/share/artir")),
                tree: self.at("tree/crates/../"),
            }
        }
    }

    const INSTALLED: &str = "opt/bin/artir";
    const BUILT: &str = "tree/target/debug/artir";

    #[test]
    fn places_come_in_their_order() {
        let world = World::new();
        fs::create_dir_all(world.at("tree/crates")).unwrap();
        assert!(world.found(BUILT).unwrap_err().contains("tree/.runtime"));
        for executable in [INSTALLED, BUILT] {
            assert!(world.found(executable).unwrap_err().contains("home/.local/share/artir"), "{executable}");
        }
        let tree = world.add("tree/.runtime/libonnxruntime.so.1.31.1");
        assert_eq!(world.found(BUILT), Ok(tree));
        let data = world.add("home/.local/share/artir/libonnxruntime.so.1.20.0");
        assert_eq!((world.found(BUILT), world.found(INSTALLED)), (Ok(data.clone()), Ok(data)));
        let library = world.add("opt/lib/artir/libonnxruntime.so.1");
        assert_eq!(world.found(INSTALLED), Ok(library));
        let beside = world.add("opt/bin/libonnxruntime.so");
        assert_eq!(world.found(INSTALLED), Ok(beside));
        let named = world.add("elsewhere/any-name.so");
        assert_eq!(find(&world.around(INSTALLED, Some(&named))).unwrap(), named);
    }

    #[test]
    fn the_development_folder_serves_its_own_tree_alone() {
        let world = World::new();
        fs::create_dir_all(world.at("tree/crates")).unwrap();
        world.add("tree/.runtime/libonnxruntime.so.1.31.1");
        // A copy of the binary in another tree of the same shape, with a library in the place where it used to be found.
        world.add("stranger/target/debug/artir");
        world.add("stranger/.runtime/libonnxruntime.so.1.31.1");
        world.add("tree/bin/artir");
        for executable in ["stranger/target/debug/artir", "tree/bin/artir", INSTALLED] {
            let error = world.found(executable).unwrap_err();
            assert!(!error.contains(".runtime"), "{executable}: {error}");
        }
    }

    #[test]
    fn a_library_that_was_asked_for_is_not_replaced_by_another() {
        let world = World::new();
        world.add("opt/bin/libonnxruntime.so");
        for (named, why) in [("missing.so", "No such file"), ("opt", "not a file")] {
            let error = find(&world.around(INSTALLED, Some(&world.at(named)))).unwrap_err().to_string();
            assert!(error.contains("ORT_DYLIB_PATH") && error.contains(named) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_greatest_version_of_a_folder_is_taken() {
        let world = World::new();
        for name in ["libonnxruntime.so", "libonnxruntime.so.1.9.0", "libonnxruntime.so.1.31.1"] {
            world.add(&format!("opt/bin/{name}"));
        }
        for other in ["libonnxruntime.so.1.40.0.bak", "libonnxruntime_providers_cuda.so", "libonnxruntime.so.x"] {
            world.add(&format!("opt/bin/{other}"));
        }
        fs::create_dir(world.at("opt/bin/libonnxruntime.so.2.0.0")).unwrap();
        assert_eq!(world.found(INSTALLED), Ok(world.at("opt/bin/libonnxruntime.so.1.31.1")));
    }

    #[cfg(unix)]
    #[test]
    fn a_library_that_anyone_may_replace_is_passed_over() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let world = World::new();
        let data = world.add("home/.local/share/artir/libonnxruntime.so");
        let library = world.add("opt/bin/libonnxruntime.so");
        let open = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(&library, 0o666);
        assert_eq!(world.found(INSTALLED), Ok(data.clone()));
        // A folder like /tmp keeps files from being replaced, not from being added.
        open(&library, 0o644);
        open(&world.at("opt/bin"), 0o1777);
        assert_eq!(world.found(INSTALLED), Ok(data.clone()));
        fs::remove_file(&data).unwrap();
        let error = world.found(INSTALLED).unwrap_err();
        assert!(error.contains("was skipped") && error.contains("opt/bin"), "{error}");
        symlink(&library, &data).unwrap();
        assert!(world.found(INSTALLED).is_err(), "a link to it is no better");
    }
}
