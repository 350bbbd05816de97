//! The pool: work items go in one after the other and come back in the same order, restored.
//!
//! A producer, the network and a consumer work side by side, each on a thread of its own, with a bounded number of items
//! between them. How many images the network sees at once is the pool's policy, which [`Restorer::pool`] chooses. Callers
//! do the same for one image, for images side by side on the threads of a CPU, and for batches on a GPU.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use super::{MemoryUse, Restorer, Sink, Source};
use crate::{Error, Progress, Shape, Window};

/// A work item: at most one image, and whatever has to keep its place in the order.
pub trait Work: Send {
    /// The domain's own error.
    type Error: From<Error> + Send;
    /// Reads the item's image.
    type Source<'a>: Source<Error = Self::Error> + Send
    where
        Self: 'a;
    /// Takes the residual of the item's image.
    type Sink<'a>: Sink<Error = Self::Error> + Send
    where
        Self: 'a;

    /// Both ends of the image, which must be cheap to make; `None` for an item that only passes through.
    fn image(&mut self) -> Option<(Self::Source<'_>, Self::Sink<'_>)>;
}

/// Items that may wait between two threads: enough to overlap work, few enough to bound memory.
const QUEUE: usize = 2;

/// A function that restores the images of some items.
type Restore<'a, W> = Box<dyn FnMut(&mut [&mut W]) -> Result<(), <W as Work>::Error> + 'a>;

/// Restores work items in order. See [`Restorer::pool`].
pub struct Pool<'a, W: Work> {
    at_once: usize,
    restore: Restore<'a, W>,
}

/// Takes items into a pool.
#[derive(Debug)]
pub struct Feed<W>(SyncSender<W>);

/// The pool has ended, and its result holds the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolEnded;

impl<W> Feed<W> {
    /// Hands over the next item. Waits while the pool is full.
    ///
    /// # Errors
    /// [`PoolEnded`] when the pool takes no more items.
    pub fn send(&self, work: W) -> Result<(), PoolEnded> {
        self.0.send(work).map_err(|_| PoolEnded)
    }
}

impl<W: Work> std::fmt::Debug for Pool<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

impl<'a, W: Work> Pool<'a, W> {
    /// A pool with any function that restores up to `at_once` items, each with an image.
    pub fn new(at_once: usize, restore: impl FnMut(&mut [&mut W]) -> Result<(), W::Error> + 'a) -> Self {
        Self { at_once: at_once.max(1), restore: Box::new(restore) }
    }

    /// Runs `produce` and `consume` on threads of their own, and the network on this one. Returns the first error of the
    /// network, and what `consume` returned, which has seen every item before that error.
    pub fn run<T: Send>(
        mut self,
        produce: impl FnOnce(Feed<W>) + Send,
        consume: impl FnOnce(&mut dyn Iterator<Item = W>) -> T + Send,
    ) -> (Result<(), W::Error>, T) {
        let queue = QUEUE.max(self.at_once);
        let (feed, fed) = sync_channel(queue);
        let (restored, done) = sync_channel(queue);
        thread::scope(|scope| {
            scope.spawn(move || produce(Feed(feed)));
            let consumer = scope.spawn(move || consume(&mut done.into_iter()));
            let result = self.restore_all(fed, restored);
            (result, consumer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Restores `at_once` images at a time and forwards all items in order.
    fn restore_all(&mut self, from: Receiver<W>, to: SyncSender<W>) -> Result<(), W::Error> {
        // Items from an image on that waits for others. Earlier items are forwarded immediately, so that whatever is
        // complete reaches the consumer even when the next image fails.
        let mut waiting: Vec<W> = Vec::new();
        let mut images = 0;
        for mut work in from {
            let is_image = work.image().is_some();
            waiting.push(work);
            images += usize::from(is_image);
            if (images == 0 || images >= self.at_once) && !self.forward(&mut waiting, &mut images, &to)? {
                // The consumer has ended and returns the reason.
                return Ok(());
            }
        }
        self.forward(&mut waiting, &mut images, &to).map(|_| ())
    }

    /// Restores the images among the waiting items and forwards all of them. Returns whether the consumer still runs.
    fn forward(&mut self, waiting: &mut Vec<W>, images: &mut usize, to: &SyncSender<W>) -> Result<bool, W::Error> {
        if std::mem::take(images) > 0 {
            let mut group: Vec<&mut W> = Vec::new();
            for work in waiting.iter_mut() {
                if work.image().is_some() {
                    group.push(work);
                }
            }
            (self.restore)(&mut group)?;
        }
        Ok(waiting.drain(..).all(|work| to.send(work).is_ok()))
    }
}

impl Restorer {
    /// A pool for about `count` images, each of the extent `shape`.
    ///
    /// On a GPU, images that need no tiles are restored in batches. On a CPU with more threads than one image keeps busy,
    /// images are restored side by side, as far as the memory allows. Otherwise one image follows another. The choice
    /// changes no bit on a CPU.
    ///
    /// # Errors
    /// As [`Restorer::plan`].
    pub fn pool<'a, W: Work + 'a>(
        &'a self,
        shape: Shape,
        held: MemoryUse,
        count: usize,
        progress: &'a dyn Progress,
    ) -> Result<Pool<'a, W>, Error> {
        let batch = self.batch_size(shape, held)?;
        if batch > 1 {
            return Ok(Pool::new(batch, move |group| self.restore_batch(group, progress)));
        }
        let lanes = match self.side_by_side(shape, held).min(count) {
            0 | 1 => Vec::new(),
            lanes => self.split_threads(lanes)?,
        };
        Ok(Pool::new(lanes.len(), move |group| match group {
            // All threads restore a single image faster than one lane's share of them.
            [_] => self.restore_each(group, progress),
            _ if lanes.is_empty() => self.restore_each(group, progress),
            _ => restore_side_by_side(&lanes, group, progress),
        }))
    }

    /// One image after the other.
    fn restore_each<W: Work>(&self, group: &mut [&mut W], progress: &dyn Progress) -> Result<(), W::Error> {
        for work in group {
            if let Some((mut source, mut sink)) = work.image() {
                self.run(&mut source, &mut sink, progress)?;
            }
        }
        Ok(())
    }

    /// All images in one run of the network.
    fn restore_batch<W: Work>(&self, group: &mut [&mut W], progress: &dyn Progress) -> Result<(), W::Error> {
        if let [_] = group {
            return self.restore_each(group, progress);
        }
        let mut ends: Vec<_> = group.iter_mut().filter_map(|work| work.image()).collect();
        let mut images = Vec::with_capacity(ends.len());
        for (source, _) in &mut ends {
            let Shape { rows, columns, .. } = source.shape();
            images.push(source.read(Window { row: 0, column: 0, rows, columns })?);
        }
        for ((_, sink), residual) in ends.iter_mut().zip(self.residuals(images, progress)?) {
            sink.write(0, residual.view())?;
        }
        Ok(())
    }
}

/// Each image by a restorer of its own, on a thread of its own.
fn restore_side_by_side<W: Work>(
    lanes: &[Restorer],
    group: &mut [&mut W],
    progress: &dyn Progress,
) -> Result<(), W::Error> {
    thread::scope(|scope| {
        let work = group.chunks_mut(1).zip(lanes);
        let running: Vec<_> = work.map(|(one, lane)| scope.spawn(move || lane.restore_each(one, progress))).collect();
        let results =
            running.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.collect()
    })
}

#[cfg(test)]
mod tests;
