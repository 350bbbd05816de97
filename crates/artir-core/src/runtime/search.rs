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

/// The places where ONNX Runtime may lie, in the order of the search. `Default` has none.
#[derive(Clone, Debug, Default)]
pub struct RuntimeSearch {
    /// The library that the caller names. No other is used instead.
    pub path: Option<PathBuf>,
    /// `ORT_DYLIB_PATH`. No other is used instead.
    pub named: Option<OsString>,
    /// The running executable, links resolved: its own folder, and `../lib/artir` relative to it.
    pub executable: Option<PathBuf>,
    /// The source tree that this build was made from. Its `.runtime` serves executables below its `target`.
    pub tree: Option<PathBuf>,
    /// The folder with the library of an `onnxruntime` package, when the caller has already found it.
    pub package: Option<PathBuf>,
    /// Roots of active Python or conda environments, in which `onnxruntime` may be installed.
    pub environments: Vec<PathBuf>,
    /// artir's data folder.
    pub data: Option<PathBuf>,
}

impl RuntimeSearch {
    /// The places that this process has.
    pub fn of_this_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            path: None,
            named: set("ORT_DYLIB_PATH"),
            executable: std::env::current_exe().and_then(fs::canonicalize).ok(),
            tree: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")),
            package: None,
            environments: ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(set).map(PathBuf::from).collect(),
            data: directories::data(),
        }
    }

    /// The folders that are searched when no library is named, in their order.
    pub fn folders(&self) -> Vec<PathBuf> {
        let beside = self.executable.as_deref().and_then(Path::parent);
        let mut out: Vec<PathBuf> =
            beside.iter().flat_map(|dir| [dir.to_path_buf(), dir.join("../lib/artir")]).collect();
        // Before any environment, so that tests of a checkout run on the runtime that the checkout pins.
        if let (Some(tree), Some(executable)) = (&self.tree, &self.executable)
            && let Ok(tree) = fs::canonicalize(tree)
            && executable.starts_with(tree.join("target"))
        {
            out.push(tree.join(".runtime"));
        }
        out.extend(self.package.clone());
        out.extend(self.environments.iter().flat_map(|root| folders_in_environment(root)));
        out.extend(self.data.clone());
        out
    }

    /// The library to load, an absolute path with links resolved.
    ///
    /// # Errors
    /// [`RuntimeError::Named`], [`RuntimeError::NotAFile`] and [`RuntimeError::NotFound`].
    pub fn find(&self) -> Result<PathBuf, RuntimeError> {
        // No fallback for a name: the user asked for this library and no other.
        if let Some(path) = &self.path {
            return named(path, "the path");
        }
        if let Some(path) = &self.named {
            return named(Path::new(path), "ORT_DYLIB_PATH");
        }
        let places = self.folders();
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
}

fn named(path: &Path, what: &'static str) -> Result<PathBuf, RuntimeError> {
    let found = match fs::canonicalize(path) {
        Ok(found) => found,
        Err(source) => return Err(RuntimeError::Named { what, path: path.to_owned(), source }),
    };
    if found.is_file() { Ok(found) } else { Err(RuntimeError::NotAFile { what, path: path.to_owned() }) }
}

/// The folders of an environment that can hold the library: that of PyPI's `onnxruntime`, and the one where conda's C++
/// package has it.
fn folders_in_environment(root: &Path) -> Vec<PathBuf> {
    let lib = root.join("lib");
    let entries = fs::read_dir(&lib).into_iter().flatten().flatten();
    let pythons = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
    let mut out: Vec<PathBuf> =
        pythons.map(|python| python.path().join("site-packages/onnxruntime/capi")).filter(|f| f.is_dir()).collect();
    out.sort();
    out.push(lib);
    out
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
            self.around(executable).find().map_err(|e| e.to_string())
        }

        fn around(&self, executable: &str) -> RuntimeSearch {
            RuntimeSearch {
                executable: Some(self.at(executable)),
                environments: vec![self.at("venv")],
                data: Some(self.at("home/.local/share/artir")),
                tree: Some(self.at("tree/crates/../")),
                ..RuntimeSearch::default()
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
        let data = world.add("home/.local/share/artir/libonnxruntime.so.1.20.0");
        assert_eq!(world.found(INSTALLED), Ok(data));
        let conda = world.add("venv/lib/libonnxruntime.so.1.22.0");
        assert_eq!(world.found(INSTALLED), Ok(conda));
        let package = world.add("venv/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so.1.23.2");
        assert_eq!((world.found(INSTALLED), world.found(BUILT)), (Ok(package.clone()), Ok(package)));
        let known = world.add("site/onnxruntime/capi/libonnxruntime.so.1.24.0");
        let with_package = RuntimeSearch { package: known.parent().map(Into::into), ..world.around(INSTALLED) };
        assert_eq!(with_package.find().unwrap(), known);
        let tree = world.add("tree/.runtime/libonnxruntime.so.1.31.1");
        assert_eq!(world.found(BUILT), Ok(tree));
        let library = world.add("opt/lib/artir/libonnxruntime.so.1");
        assert_eq!(world.found(INSTALLED), Ok(library));
        let beside = world.add("opt/bin/libonnxruntime.so");
        assert_eq!(world.found(INSTALLED), Ok(beside));
        let named = world.add("elsewhere/any-name.so");
        let with_name = RuntimeSearch { named: Some(named.clone().into()), ..world.around(INSTALLED) };
        assert_eq!(with_name.find().unwrap(), named);
        let path = world.add("elsewhere/first.so");
        assert_eq!(RuntimeSearch { path: Some(path.clone()), ..with_name }.find().unwrap(), path);
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
            let path = world.at(named);
            let around = world.around(INSTALLED);
            let by_variable = RuntimeSearch { named: Some(path.clone().into()), ..around.clone() };
            for (search, what) in
                [(by_variable, "ORT_DYLIB_PATH"), (RuntimeSearch { path: Some(path), ..around }, "the path")]
            {
                let error = search.find().unwrap_err().to_string();
                assert!(error.contains(what) && error.contains(named) && error.contains(why), "{error}");
            }
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
