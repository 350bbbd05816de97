//! Scenes in, restored GeoTIFF or COG on exactly the same grid out.
//!
//! The data flow: a scene is opened with access only to files that the user allowed (`open`), and the bands to restore are
//! found (`scene`). Strips of its rows (`rows`) go through the core; residuals are added to the stored values while every
//! other band passes through bit for bit. The scene's metadata is written to a file with the layout of the source, which is
//! opened again and compared, field by field, before it gets its name (`write`). An interrupted run keeps a journal of its
//! restored rows. `inspect.rs` says what would be restored, `compare.rs` compares any two rasters, and `preview` shows a
//! scene before and after. A scene whose data would be damaged is refused, and the error names the affected part.
//!
//! GDAL runs in this process, unlike DICOM's codecs: a scene passes through it strip by strip, both ways, and a child process
//! would have to hand over every strip. References of a file are checked before GDAL opens it, and a damaged file that
//! crashes GDAL ends the run before anything is published.
//!
//! `examples/restore_scene.rs` restores a GeoTIFF with a built-in model. A scene is opened, inspected and compared like this:
//!
//! ```
//! use artir_geo::{CompareOptions, OpenOptions, Scene, compare, write_rgb_geotiff};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("scene.tif");
//! let rgb = ndarray::Array3::from_elem((3, 20, 30), 7);
//! write_rgb_geotiff(&path, &rgb, [500_000.0, 2.5, 0.0, 5_400_000.0, 0.0, -2.5], 32632)?;
//!
//! let name = path.display().to_string();
//! let scene = Scene::open(&name, &OpenOptions::default())?;
//! assert_eq!((scene.shape().rows, scene.shape().columns, scene.bands()), (20, 30, &[1, 2, 3][..]));
//! assert!(compare(&name, &name, &CompareOptions::default())?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod compare;
mod error;
#[allow(unsafe_code)]
mod ffi;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod inspect;
mod open;
mod preview;
mod rows;
mod scene;
mod stac;
mod values;
mod write;

pub use compare::{CompareOptions, Difference, compare};
pub use error::{Error, Permission, Reason};
pub use inspect::{Inspection, inspect_raster};
pub use open::{
    cutline::Cutline,
    files,
    name::SceneName,
    policy::{Access, is_remote},
    product_name,
};
pub use preview::{Preview, write_preview};
pub use scene::{
    Scene,
    bands::BandNumbers,
    options::{NodataChoice, OpenOptions},
    region::RegionChoice,
    survey::{MosaicRange, RangeRule, SceneValues},
};
pub use stac::{check_stac, write_stac};
pub use values::interval::{Interval, RangeChoice};
pub use write::{
    SceneReport,
    beside::is_read_with,
    change::{check_change, write_change},
    finished::finished,
    identity::SCENES,
    options::{CreationOption, Format, WriteOptions},
    plan,
    publish::data_of,
    recover,
    rehearse::{check_model, rehearse},
    restore_scene,
    small_scene::{read_rgb, write_rgb_geotiff},
    space::{Space, least_space},
};

/// The version of GDAL, such as `3.6.2`.
pub fn gdal_version() -> String {
    gdal::version::VersionInfo::release_name()
}
