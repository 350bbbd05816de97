//! Phantoms with known truth, and the report that shows what restoring did to them.

#![deny(unsafe_code)]

pub mod phantom;
pub mod report;
