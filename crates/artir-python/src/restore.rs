//! Restores a stack of images on a thread that outlives an interrupted call.
//!
//! The thread that called artir hands over copies of images and takes residuals back, so that the other never sees memory
//! of NumPy. After Ctrl-C the caller returns at once, and the other thread ends with its present tile.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use artir_core::{Error, Image, ImageSource, MemoryUse, Restorer, Shape, Sink, Work};
use ndarray::{Array3, ArrayView3, s};

use crate::progress::Counter;

/// An image of the stack, and its residual once it is restored.
pub(crate) struct Item {
    pub(crate) number: usize,
    image: Image,
    pub(crate) residual: Array3<f32>,
}

impl Item {
    pub(crate) fn new(number: usize, image: Image) -> Self {
        let residual = Array3::zeros(image.data.raw_dim());
        Self { number, image, residual }
    }
}

impl Work for Item {
    type Error = Error;
    type Source<'a> = ImageSource<'a>;
    type Sink<'a> = Collect<'a>;

    fn image(&mut self) -> Option<(ImageSource<'_>, Collect<'_>)> {
        Some((ImageSource(&self.image), Collect(&mut self.residual)))
    }
}

/// The worker of one call, as the calling thread sees it.
pub(crate) struct Worker {
    /// Taken away when all images are handed over.
    pub(crate) to: Option<SyncSender<Item>>,
    pub(crate) from: Receiver<Result<Item, Error>>,
}

/// Threads that may still run, of this call and of interrupted ones.
static RUNNING: Mutex<Running> = Mutex::new(Running { process: 0, threads: Vec::new() });

/// Threads, and the process that started them.
struct Running {
    process: u32,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// The threads of this process. One that was forked has its parent's list, but not the threads: a wait for them would not end.
    fn own(&mut self) -> &mut Vec<JoinHandle<()>> {
        let process = std::process::id();
        if self.process != process {
            // To drop the handles would detach threads that are not there.
            std::mem::forget(std::mem::take(&mut self.threads));
            self.process = process;
        }
        &mut self.threads
    }
}

/// Waits for the threads of interrupted calls. The interpreter must not end while they are inside ONNX Runtime.
pub(crate) fn wait() {
    let running = std::mem::take(RUNNING.lock().unwrap_or_else(PoisonError::into_inner).own());
    for thread in running {
        // A panic was reported to its call.
        let _ = thread.join();
    }
}

/// Images that may wait between two threads.
const QUEUE: usize = 2;

/// Starts a thread that restores `count` images of one extent.
///
/// # Errors
/// As [`Restorer::plan`].
pub(crate) fn start(
    restorer: &Arc<Restorer>,
    shape: Shape,
    count: usize,
    counter: &Arc<Counter>,
) -> Result<Worker, Error> {
    // Settings that cannot work are reported before anything runs.
    restorer.plan(shape, MemoryUse::default())?;
    let (to, images) = sync_channel(QUEUE);
    let (done, from) = sync_channel(QUEUE);
    let (restorer, counter) = (Arc::clone(restorer), Arc::clone(counter));
    let thread = thread::spawn(move || {
        let failed = done.clone();
        let work = || -> Result<(), Error> {
            let pool = restorer.pool(shape, MemoryUse::default(), count, &*counter)?;
            let (ended, ()) = pool.run(
                |feed| {
                    // Each side ends when nobody takes its items any more.
                    let _ = images.into_iter().try_for_each(|item| feed.send(item));
                },
                |restored| {
                    for item in restored {
                        if done.send(Ok(item)).is_err() {
                            break;
                        }
                    }
                },
            );
            ended
        };
        if let Err(e) = work() {
            // Nobody takes the error of an interrupted call.
            let _ = failed.send(Err(e));
        }
    });
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let running = running.own();
    running.retain(|thread| !thread.is_finished());
    running.push(thread);
    Ok(Worker { to: Some(to), from })
}

/// Keeps residuals.
pub(crate) struct Collect<'a>(&'a mut Array3<f32>);

impl Sink for Collect<'_> {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        self.0.slice_mut(s![.., first..first + residual.dim().1, ..]).assign(&residual);
        Ok(())
    }
}
