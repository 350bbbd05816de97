//! A DICOM node: series come in over the network, are restored, and go where they belong.
//!
//! [`run`] runs a node until a signal ends it. Everything that it has yet to do lies in the folders of its queue, so that it
//! goes on after whatever ended it: `queue` describes them. A series takes this way:
//!
//! ```text
//! receive/ ─▶ in ─▶ watch.rs ─▶ work ─▶ restore/ ─▶ out ─▶ send/ ─▶ kept for a time, deleted
//!                                                          └─▶ failed
//! ```
//!
//! `network/` is DICOM's protocol, `web/` serves status and metrics, `control` is what administrators ask of a node.
//!
//! No name, identifier or date of a patient enters a log line, a metric, the journal or the page. Series go by salted hashes.

#![deny(unsafe_code)]

mod config;
mod control;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod network;
mod queue;
mod receive;
mod report;
mod restore;
mod retry;
mod run;
mod send;
mod state;
mod watch;
mod web;

pub use config::{
    Config, Disk, Duplicates, Http, Listen, ListenTls, Network, Restore, Retry, Route, Syntax, Target, TargetTls,
    Units, Work,
};
pub use control::{RouteStatus, Status, Waiting, drain, retry, status};
pub use error::Error;
pub use run::{check, run};
