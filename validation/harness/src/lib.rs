//! Measures a model on a data set and compares it with published figures.
//!
//! The data flow: a suite (`suite.rs`) names the images' paths and the protocol, `pairs.rs` and
//! `files.rs` find them, `load.rs`, `npy.rs` and `noise.rs` read or make them, `run.rs` restores and measures with a journal to resume from
//! (`hot_spots.rs`: SUVmax), `results.rs` sums up, and `table.rs` and `page.rs` show it.

#![deny(unsafe_code)]

mod charts;
mod files;
mod hot_spots;
mod load;
mod noise;
mod npy;
mod page;
mod pairs;
mod random_state;
mod results;
mod run;
pub mod safety;
mod suite;
mod table;

pub use files::Named;
pub use load::{Loaded, Reader, Values};
pub use page::{Context, page};
pub use pairs::{Pair, Pairs, Why, find};
pub use random_state::RandomState;
pub use results::{ImageResult, MethodFigures, MethodSummary, Results, Statistic, Value};
pub use run::{Options, Run};
pub use suite::{Noise, Published, PublishedRow, Side, Suite, TEMPLATE};
pub use table::{csv, table};

/// Why a suite cannot be run, or a pair not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The core failed.
    #[error(transparent)]
    Core(#[from] artir_core::Error),
    /// A file cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// The file, as it was found.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A suite's definition is wrong, or there is none of that name.
    #[error("suite {name}: {reason}")]
    Suite {
        /// Its name or file.
        name: String,
        /// The reason.
        reason: String,
    },
    /// The data set is missing, or has another layout.
    #[error("{folder}: {reason}; expected: {layout}")]
    Data {
        /// The folder.
        folder: String,
        /// The reason.
        reason: String,
        /// The layout that the suite expects.
        layout: String,
    },
    /// The output folder holds the results of another run.
    #[error("{path}: {reason}")]
    Journal {
        /// The journal.
        path: String,
        /// Why it does not fit.
        reason: String,
    },
    /// Two images cannot be measured against each other.
    #[error("{0}")]
    Metrics(#[from] artir_metrics::MetricsError),
    /// LPIPS cannot be measured.
    #[error(transparent)]
    Lpips(#[from] artir_metrics::LpipsError),
    /// A picture of the page cannot be encoded.
    #[error("the page cannot be made: {0}")]
    Page(#[source] std::io::Error),
    /// Result and reference were stored with different depths.
    #[error("{result} against {reference}")]
    Depth {
        /// Of the result.
        result: String,
        /// Of the reference.
        reference: String,
    },
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> artir_core::ErrorKind {
        match self {
            Self::Core(e) => e.kind(),
            Self::Lpips(e) => e.kind(),
            Self::Page(_) => artir_core::ErrorKind::Failed,
            Self::Suite { .. } | Self::Journal { .. } => artir_core::ErrorKind::Usage,
            _ => artir_core::ErrorKind::Input,
        }
    }
}
