//! GeoTIFF scenes in, restored GeoTIFF on exactly the same grid out.
//!
//! The way of the data: a scene is opened and checked (`raster.rs`), its red, green and blue bands are found
//! (`bands.rs`), windows go through the core, and the residual is added to the stored bytes while every other band
//! passes through bit for bit (`write.rs`). What the scene says of itself is carried over (`georef.rs`), and the file
//! is opened again and compared, field by field, before it gets its name (`verify.rs`). Whatever this version would
//! damage is refused by name.

#![deny(unsafe_code)]

mod bands;
mod error;
#[allow(unsafe_code)]
mod ffi;
mod georef;
mod preview;
mod raster;
mod verify;
mod write;

pub use error::Error;
pub use preview::{Preview, write_preview};
pub use raster::{OpenOptions, Scene, read_rgb};
pub use write::{SceneReport, WriteOptions, restore_scene, write_rgb_geotiff};

/// The version of GDAL, such as `3.6.2`.
pub fn gdal_version() -> String {
    gdal::version::VersionInfo::release_name()
}
