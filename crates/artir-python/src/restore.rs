//! Restores a stack of images on threads that outlive an interrupted call.
//!
//! The thread that called artir hands over copies of images and takes residuals back, so that workers never see memory
//! of NumPy. After Ctrl-C it returns at once, and the workers end with their present tile.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use artir_core::{Error, Image, MemoryUse, Restorer, Shape, Sink, Source, Window};
use ndarray::{Array3, ArrayView3, s};

use crate::progress::Counter;

/// An image with its number in the stack.
pub(crate) type Numbered<T> = (usize, T);

/// The workers of one call.
pub(crate) struct Workers {
    /// Taken away when all images are handed over.
    pub(crate) to: Option<SyncSender<Numbered<Image>>>,
    pub(crate) from: Receiver<Result<Numbered<Array3<f32>>, Error>>,
    /// Images that can be handed over before one comes back.
    pub(crate) room: usize,
}

/// Workers that may still run, of this call and of interrupted ones.
static RUNNING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Waits for the workers of interrupted calls. The interpreter must not end while they are inside ONNX Runtime.
pub(crate) fn wait() {
    let running = std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
    for worker in running {
        // A worker's panic was reported to its call.
        let _ = worker.join();
    }
}

/// Starts workers for `count` images of one extent.
///
/// # Errors
/// As [`Restorer::plan`].
pub(crate) fn start(
    restorer: &Arc<Restorer>,
    shape: Shape,
    count: usize,
    counter: &Arc<Counter>,
) -> Result<Workers, Error> {
    // Settings that cannot work are reported before anything runs.
    restorer.plan(shape, MemoryUse::default())?;
    let lanes: Vec<Arc<Restorer>> = match restorer.side_by_side(shape, MemoryUse::default()).min(count) {
        0 | 1 => vec![Arc::clone(restorer)],
        lanes => restorer.split_threads(lanes)?.into_iter().map(Arc::new).collect(),
    };
    let room = lanes.len() + 1;
    let (to, images) = sync_channel(room);
    let (residuals, from) = sync_channel(room);
    let images = Arc::new(Mutex::new(images));
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|worker| !worker.is_finished());
    for restorer in lanes {
        let (images, residuals, counter) = (Arc::clone(&images), residuals.clone(), Arc::clone(counter));
        running.push(thread::spawn(move || {
            loop {
                let next = images.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((number, image)) = next else { return };
                let done = residual(&restorer, image, &counter).map(|residual| (number, residual));
                // Nobody takes results of an interrupted call.
                if residuals.send(done).is_err() {
                    return;
                }
            }
        }));
    }
    Ok(Workers { to: Some(to), from, room })
}

fn residual(restorer: &Restorer, image: Image, counter: &Counter) -> Result<Array3<f32>, Error> {
    let mut sink = Collect(Array3::zeros(image.data.raw_dim()));
    restorer.run(&mut Whole(image), &mut sink, counter)?;
    Ok(sink.0)
}

struct Whole(Image);

impl Source for Whole {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let (rows, columns) = (w.row..w.row + w.rows, w.column..w.column + w.columns);
        Ok(Image {
            data: self.0.data.slice(s![.., rows.clone(), columns.clone()]).to_owned(),
            valid: self.0.valid.as_ref().map(|valid| valid.slice(s![rows, columns]).to_owned()),
        })
    }
}

struct Collect(Array3<f32>);

impl Sink for Collect {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        self.0.slice_mut(s![.., first..first + residual.dim().1, ..]).assign(&residual);
        Ok(())
    }
}
