//! The rows of a scene between reading and writing.

pub(crate) mod journal;
mod missing;
pub(crate) mod sink;
pub(crate) mod strips;
