//! artir's own folders, by the XDG Base Directory Specification, and its source tree.

use std::{
    fs,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

/// `$XDG_DATA_HOME/artir`, by default `~/.local/share/artir`; `None` for a user without a home.
pub(crate) fn data() -> Option<PathBuf> {
    etcetera::base_strategy::Xdg::new().ok().map(|base| base.data_dir().join("artir"))
}

/// `$XDG_CACHE_HOME/artir`, by default `~/.cache/artir`; `None` for a user without a home.
pub(crate) fn cache() -> Option<PathBuf> {
    etcetera::base_strategy::Xdg::new().ok().map(|base| base.cache_dir().join("artir"))
}

/// The source tree that this build was made from, if the running executable lies in its `target` folder.
pub(crate) fn own_tree() -> Option<PathBuf> {
    let executable = std::env::current_exe().and_then(fs::canonicalize).ok()?;
    let tree = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).ok()?;
    executable.starts_with(tree.join("target")).then_some(tree)
}
