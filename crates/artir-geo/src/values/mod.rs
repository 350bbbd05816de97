//! Stored values: their types, what they mean, and how residuals change them.

pub(crate) mod band;
pub(crate) mod decimated;
pub(crate) mod interval;
pub(crate) mod samples;
