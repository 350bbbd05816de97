//! Image restoration with ArtIR models through ONNX Runtime.
//!
//! Every image, a CT slice or a satellite scene, takes the same steps:
//!
//! ```text
//! read -> tile -> normalise -> infer -> denormalise -> blend -> write
//! ```
//!
//! Reading and writing belong to the domain crates, which implement [`Source`] and [`Sink`]; the
//! middle is here. The pipeline returns the *residual* (restored minus input, in physical
//! units), so that a sink can add it to its own stored values at full precision: a network that
//! changes nothing changes no bit, whatever the data type.
//!
//! Call [`switch_off_telemetry`] first in `main`: ONNX Runtime's telemetry is off in any case, but only there can setting its
//! variable meet no other thread.
//!
//! An array in memory needs no source and no sink:
//!
//! ```no_run
//! use artir_core::{Image, NoProgress, Restorer, Settings, zoo};
//!
//! # let slice = ndarray::Array3::zeros((1, 512, 512));
//! // A CT slice in HU, `[channel, row, column]`.
//! let restorer = Restorer::new(zoo::open("ct-ldct-t")?, Settings::default())?;
//! let restored = restorer.restore(&Image::new(slice), &NoProgress)?;
//! # Ok::<(), artir_core::Error>(())
//! ```

#![deny(unsafe_code)]

mod blend;
mod card;
mod directories;
mod error;
mod external;
mod fill;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod image;
mod model;
mod pipeline;
mod progress;
mod provider;
mod range;
pub mod resident;
mod runtime;
mod session;
mod settings;
mod tile;
mod token;
pub mod zoo;

pub use artir_ops::{Precision, multiply_adds_per_second, switch_off_telemetry};
pub use card::{Card, CardInput, DataSource, Figure, Task, Training, Unit};
pub use error::{
    CardError, DeviceError, Error, ErrorKind, InferenceError, Missing, ModelFault, ProfileError, RuntimeError,
    SettingError, Skipped,
};
pub use external::is_self_contained;
pub use image::{Image, Shape, Window};
pub use model::Model;
pub use pipeline::{
    ALGORITHM, Feed, ImageSource, MemoryUse, Pool, PoolEnded, Provenance, Restorer, RunReport, Sink, Source, Work,
    every, mirrored, network_input, precision_name,
};
pub use progress::{NoProgress, Progress};
pub use provider::{Device, Provider, Requirement, UnknownDevice, placement::NodePlacement};
pub use range::Range;
pub use runtime::{RuntimeSearch, environment, runtime_path, runtime_version, search_runtime};
pub use session::{Session, standard_operators};
pub use settings::{MOST_THREADS, Settings};
pub use tile::{Span, TileLimits, TilePlan};
pub use token::token;

/// The version of artir, as written to descriptions of derived objects.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
