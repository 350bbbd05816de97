//! artir's own folders, by the XDG Base Directory Specification.

use std::path::PathBuf;

use etcetera::BaseStrategy;

/// `$XDG_DATA_HOME/artir`, by default `~/.local/share/artir`; `None` for a user without a home.
pub(crate) fn data() -> Option<PathBuf> {
    etcetera::base_strategy::Xdg::new().ok().map(|base| base.data_dir().join("artir"))
}

/// `$XDG_CACHE_HOME/artir`, by default `~/.cache/artir`; `None` for a user without a home.
pub(crate) fn cache() -> Option<PathBuf> {
    etcetera::base_strategy::Xdg::new().ok().map(|base| base.cache_dir().join("artir"))
}
