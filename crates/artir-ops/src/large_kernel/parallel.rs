//! Who runs the independent jobs of one call.

use crate::Error;

/// A pool of threads that can run numbered, independent jobs. The operator brings ONNX Runtime's own.
pub trait Parallel: Sync {
    /// Calls `job(0)` to `job(jobs - 1)`, each exactly once, in any order and on any thread, and returns when all
    /// are done.
    ///
    /// # Errors
    /// When the pool refuses the work or a job panicked; some jobs may then not have run.
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) -> Result<(), Error>;
}

/// One job after the other on the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Serial;

impl Parallel for Serial {
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) -> Result<(), Error> {
        (0..jobs).for_each(job);
        Ok(())
    }
}
