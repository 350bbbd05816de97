//! What a scene may read.

use std::path::PathBuf;

use super::name::SceneName;

/// Files and networks that a scene may access. The default is the scene's own folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// Allow everything: networks, every driver, and virtual rasters that reference any file.
    pub remote: bool,
    /// Folders, in addition to the scene's own, whose files its virtual raster may reference.
    pub folders: Vec<PathBuf>,
}

impl Access {
    /// Everything: networks, every driver, and virtual rasters that reference any file.
    pub fn everything() -> Self {
        Self { remote: true, folders: Vec::new() }
    }

    /// Allows a folder, in addition to those that are allowed already.
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.push(folder.into());
        self
    }
}

/// Path prefixes that GDAL reads over a network.
const REMOTE: [&str; 10] = [
    "/vsicurl",
    "/vsis3",
    "/vsigs",
    "/vsiaz",
    "/vsiadls",
    "/vsioss",
    "/vsiswift",
    "/vsiwebhdfs",
    "/vsihdfs",
    "/vsistdin",
];

/// Whether GDAL would read the path over a network.
pub fn is_remote(path: &str) -> bool {
    // Names of parts can hold the two slashes, as HDF5:"a.h5"://group/red does.
    SceneName::of(path).file.contains("://") || REMOTE.iter().any(|prefix| path.contains(prefix))
}
