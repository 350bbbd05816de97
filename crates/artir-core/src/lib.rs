//! Image restoration with ArtIR models through ONNX Runtime.
//!
//! Every image, a CT slice or a satellite scene, takes the same steps:
//!
//! ```text
//! read -> normalise -> tile -> infer -> blend -> denormalise -> write
//! ```
//!
//! Reading and writing belong to the domain crates, which implement [`Source`] and [`Sink`]; the
//! middle is here. The pipeline returns the *residual* (restored minus input, in physical
//! units), so that a sink can add it to its own stored values at full precision: a network that
//! changes nothing changes no bit, whatever the data type.

#![deny(unsafe_code)]

mod blend;
mod card;
mod directories;
mod error;
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
mod tile;
mod token;
pub mod zoo;

pub use artir_ops::{Precision, multiply_adds_per_second};
pub use card::{Card, CardInput, DataSource, Figure, Task, Training, Unit};
pub use error::{Error, ErrorKind};
pub use image::{Image, Shape, Window};
pub use model::Model;
pub use pipeline::{
    ALGORITHM, MOST_THREADS, MemoryUse, Provenance, Restorer, RunReport, Settings, Sink, Source, precision_name,
};
pub use progress::{NoProgress, Progress};
pub use provider::{Device, Provider, Requirement, placement::NodePlacement};
pub use range::Range;
pub use runtime::{RuntimeSearch, environment, runtime_path, runtime_version, search_runtime};
pub use session::Session;
pub use tile::{Span, TileLimits, TilePlan};
pub use token::token;

/// The version of artir, as written to descriptions of derived objects.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
