//! Telling how far the work is, and being told to stop.

/// Listens to the pipeline. Every method has a default that does nothing.
pub trait Progress: Sync {
    /// A piece of work begins: what it is, and how many pixels it has.
    fn start(&self, _what: &str, _pixels: u64) {}
    /// So many more pixels are done.
    fn advance(&self, _pixels: u64) {}
    /// Asked between tiles; `true` ends the run with [`crate::Error::Interrupted`].
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
