//! Writing: derived objects, and the folder that they appear in.
//!
//! The restored values become stored values again (`stored.rs`) and a derived object (`derive.rs`, `enhanced.rs`,
//! `mapping`), a file (`encode.rs`, `dataset`, `object.rs`), and with all others a series (`staging`).

pub(crate) mod archive;
pub(crate) mod dataset;
pub(crate) mod derive;
pub(crate) mod encode;
pub(crate) mod enhanced;
pub(crate) mod mapping;
pub(crate) mod object;
pub(crate) mod single;
pub(crate) mod staging;
pub(crate) mod stored;
