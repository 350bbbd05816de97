//! The rows of a scene between reading and writing.

pub(crate) mod samples;
pub(crate) mod sink;
pub(crate) mod space;
pub(crate) mod strips;
pub(crate) mod values;
