//! Work lists: many independent jobs, run by any number of processes on any number of machines.
//!
//! A manifest has one [`Job`] a line. A process runs one [`Shard`] of it ([`run`]), and writes into one folder, `OUT`, that all
//! processes share. What is done is known from files in `OUT/.artir`, and from nothing else ([`Store`]):
//!
//! ```text
//! .artir/done/ID.json      record of a job that ended: restored, or unusable
//! .artir/running/ID        locked by the process that works on the job; how often it was begun
//! .artir/journal/*.jsonl   one line for each job that ended, a file a process: for status and merge
//! .artir/places/ID         a hash of the place that the result of a job without a record may replace
//! .artir/previews/ID.png   a small picture of a result that has a preview
//! .artir/survey.json       one range for the scenes of each mosaic
//! .artir/staged/ID         a result that is put into a store, and ID.json beside it, its record
//! .artir/salt              random, so that hashes in records cannot be guessed
//! ```
//!
//! Engines (Slurm, Kubernetes, Dask) start the processes and start them again. Nothing here schedules.

#![deny(unsafe_code)]

mod error;
mod job;
mod manifest;
mod merge;
mod network;
pub mod plan;
mod record;
mod shard;
mod sources;
mod status;
mod store;
mod survey;
mod thumbnail;
mod work;

pub use error::{Error, Fault};
pub use job::{Command, Job};
pub use manifest::Manifest;
pub use merge::merge;
pub use network::upload::Upload;
pub use record::{Entry, Figures, ModelName, Record, Results, State};
pub use shard::{Shard, ShardError, hash_of_id};
pub use sources::Sources;
pub use status::{Slow, Status, status};
pub use store::{Store, folder_of};
pub use survey::{Found, Mosaic, Survey};
pub use thumbnail::thumbnail;
pub use work::{End, Look, Ran, run, say_end};

/// The folder of artir's own files in the folder of results.
pub const FOLDER: &str = ".artir";
