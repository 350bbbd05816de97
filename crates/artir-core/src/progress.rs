//! Progress reporting and cancellation.

/// Receives progress from the pipeline. Every method has a default that does nothing.
pub trait Progress: Sync {
    /// Called when a work item starts, with its name and its number of pixels.
    fn start(&self, _what: &str, _pixels: u64) {}
    /// Called when more pixels are done, with their number.
    fn advance(&self, _pixels: u64) {}
    /// Called between tiles; `true` ends the run with [`crate::Error::Interrupted`].
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Ignores all progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
