//! Measures a model on a data set and compares it with published figures.
//!
//! The data flow: a suite (`suite.rs`) names the images' paths and the protocol, `pairs.rs` and
//! `files.rs` find them, `load.rs`, `npy.rs` and `noise.rs` read or make them, `run.rs` restores and measures with a journal to resume from
//! (`hot_spots.rs`: SUVmax), `results.rs` sums up, and `table.rs` and `page.rs` show it.
//!
//! ```
//! use artir_harness::Suite;
//!
//! let (suite, _text) = Suite::open("rice1")?;
//! assert_eq!((suite.task.name(), suite.protocol.as_str()), ("dehaze", "rgb"));
//! assert!(Suite::open("no-such-suite").is_err());
//! # Ok::<(), artir_harness::Error>(())
//! ```

#![deny(unsafe_code)]

mod charts;
mod error;
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

pub use error::{DataError, Error, FileError, JournalError, NpyError, SuiteError};
pub use files::Named;
pub use load::{Loaded, Reader, Values};
pub use page::{Context, page};
pub use pairs::{Pair, Pairs, Why, find};
pub use random_state::RandomState;
pub use results::{ImageResult, MethodFigures, MethodSummary, Results, Statistic, Value};
pub use run::{Options, Run};
pub use suite::{Noise, Published, PublishedRow, Side, Suite, TEMPLATE};
pub use table::{csv, table};
