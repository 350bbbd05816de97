//! Errors of the libraries with the flag that they are about, or the flag that helps. The libraries know no flags.

use artir_core::{DeviceError, Error, SettingError};
use artir_harness::{FileError, JournalError, NpyError};
use artir_photo::PictureError;

/// An error of the core.
pub(crate) fn core(e: &Error) -> String {
    match e {
        Error::Setting(setting) => match setting {
            SettingError::Strength(strength) => format!("--strength {strength}: {e}"),
            SettingError::Threads { threads, .. } => format!("--threads {threads}: {e}"),
            SettingError::Tile { tile, .. } => format!("--tile {tile}: {e}"),
            SettingError::Overlap { overlap, .. } => {
                format!("--overlap {overlap}: {e}: use a larger --tile, or more --memory for larger tiles")
            }
            SettingError::TileMemory { tile, .. } => {
                format!("--tile {tile}: {e}: use a smaller --tile, or more --memory")
            }
            _ => e.to_string(),
        },
        Error::Memory { .. } => format!("{e}: use more --memory"),
        Error::DeviceMemory { smaller_tiles: true } => format!("{e}: use a smaller --tile, or another --device"),
        Error::DeviceMemory { smaller_tiles: false } => format!("{e}: use another --device"),
        Error::Device { source: DeviceError::Disagrees { .. }, .. } => format!("{e}; use --device cpu"),
        _ => e.to_string(),
    }
}

/// An error of a photograph.
pub(crate) fn photo(e: &artir_photo::Error) -> String {
    match e {
        artir_photo::Error::Picture(picture) => format!("{e}{}", more_memory(picture)),
        artir_photo::Error::Core(e) => core(e),
        _ => e.to_string(),
    }
}

fn more_memory(e: &PictureError) -> &'static str {
    match e {
        PictureError::File { .. } | PictureError::Pixels { .. } => ": use more --memory",
        _ => "",
    }
}

/// An error of the harness.
pub(crate) fn harness(e: &artir_harness::Error) -> String {
    use artir_harness::Error;
    match e {
        Error::Core(e) => core(e),
        Error::File { source: FileError::Picture(picture), .. } => format!("{e}{}", more_memory(picture)),
        Error::File { source: FileError::Npy(NpyError::Memory { .. }), .. } => format!("{e}: use more --memory"),
        Error::Method(name) => format!("--also {name}: {e}"),
        Error::Journal { source: JournalError::OtherRun, .. } => {
            format!("{e}: use --overwrite, or another output folder")
        }
        _ => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_flag_and_its_value() {
        let overlap = SettingError::Overlap { overlap: 200, most: 64, tile: 128 };
        let text = core(&overlap.into());
        assert!(text.starts_with("--overlap 200: ") && text.ends_with("more --memory for larger tiles"), "{text}");
        let text = core(&SettingError::TileMemory { tile: 512, needed_mib: 9, allowed_mib: 3 }.into());
        assert!(text.starts_with("--tile 512: ") && text.contains("9 MiB"), "{text}");
        assert!(core(&Error::Memory { needed_mib: 9, allowed_mib: 3 }).ends_with("use more --memory"));
    }
}
