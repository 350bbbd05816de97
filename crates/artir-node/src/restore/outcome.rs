//! What becomes of an attempt to restore a series.

use crate::queue::record::Derived;

/// A restored series.
pub(super) struct Done {
    /// Names of the objects that it was made of.
    pub(super) sources: Vec<String>,
    pub(super) derived: Vec<Derived>,
    /// Why parts of it were not restored.
    pub(super) refused: Vec<String>,
}

/// How an attempt ended.
pub(super) enum Outcome {
    Restored(Done),
    /// Nothing of it is to be restored: not selected, not an axial image, or a result of artir.
    Skipped(String),
    Failed(String),
    /// The disk is full or the device is busy: it is tried again.
    Later(String),
    /// The node stops.
    Interrupted,
}

impl Outcome {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}
