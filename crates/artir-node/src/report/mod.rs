//! What the node writes down of its work: metrics and a journal. Neither holds data of a patient.

pub(crate) mod journal;
pub(crate) mod metrics;
