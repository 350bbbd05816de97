//! Scenes in, restored GeoTIFF or COG on exactly the same grid out.
//!
//! The data flow: a scene is opened with access only to files that the user allowed (`open.rs`, `vrt.rs`), and the bands to
//! restore are found (`raster.rs`, `bands.rs`, `interval.rs`). Strips of its rows (`strips.rs`) go through the core;
//! residuals are added to the stored values (`samples.rs`) while every other band passes through bit for bit (`sink.rs`).
//! The scene's metadata (`description.rs`, `georef.rs`) is written to a file with the layout of the source
//! (`write_metadata.rs`, `layout.rs`, `cog.rs`), which is opened again and compared, field by field, before it gets its name
//! (`write.rs`). An interrupted run keeps a journal of its restored rows (`journal.rs`). `compare.rs` compares any two rasters,
//! and `preview/` shows a scene before and after.
//! A scene whose data would be damaged is refused, and the error names the affected part.
//!
//! GDAL runs in this process, unlike DICOM's codecs: a scene passes through it strip by strip, both ways, and a child process
//! would have to hand over every strip. References of a file are checked before GDAL opens it, and a damaged file that
//! crashes GDAL ends the run before anything is published.

#![deny(unsafe_code)]

mod bands;
mod beside;
mod cog;
mod compare;
mod description;
mod drivers;
mod error;
#[allow(unsafe_code)]
mod ffi;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod georef;
mod identity;
mod interval;
mod journal;
mod layout;
mod name;
mod open;
mod preview;
mod publish;
mod raster;
mod reach;
mod rehearse;
mod samples;
mod sink;
mod small_scene;
mod space;
mod strips;
mod tiff;
mod virtual_raster;
mod vrt;
mod write;
mod write_metadata;

pub use beside::is_read_with;
pub use compare::{CompareOptions, Difference, compare};
pub use error::Error;
pub use interval::{Interval, RangeChoice};
pub use name::SceneName;
pub use open::Access;
pub use preview::{Preview, write_preview};
pub use publish::data_of;
pub use raster::{OpenOptions, Scene, inspect_raster, read_rgb};
pub use rehearse::{check_model, rehearse};
pub use small_scene::write_rgb_geotiff;
pub use space::least_space;
pub use write::{Format, SceneReport, WriteOptions, plan, recover, restore_scene};

/// The version of GDAL, such as `3.6.2`.
pub fn gdal_version() -> String {
    gdal::version::VersionInfo::release_name()
}
