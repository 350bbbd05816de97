//! The loop over tiles: reading, inference and writing overlap.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ndarray::{Array3, Array4, ArrayView4, Axis, concatenate, s};

use super::{RunReport, Sink, Source, prepared::Tile};
use crate::{Error, Progress, Range, Shape, TilePlan, Window, blend::Blend};

/// The network, as a function of padded tiles of one size, `[tile, channel, row, column]`.
pub(super) type Infer<'a> = &'a mut dyn FnMut(ArrayView4<'_, f32>) -> Result<Array4<f32>, Error>;

/// The processing of every tile.
pub(super) struct Job<'a> {
    pub(super) plan: &'a TilePlan,
    pub(super) range: Range,
    pub(super) strength: f32,
    /// Rows before this one are already written.
    pub(super) first_row: usize,
    /// The largest batch of tiles for the network.
    pub(super) batch: usize,
}

/// Rows on their way to the sink: the image row of the first, and their residual.
type Rows = (usize, Residual);

/// The residual of rows.
enum Residual {
    /// `[channel, row, column]`.
    Some(Array3<f32>),
    /// Nothing, in so many rows.
    None(usize),
}

/// A complete row band goes to the sink in this many parts, of which three may be queued.
const PARTS: usize = 4;

impl Job<'_> {
    /// Runs all tiles. Source and sink have a thread each where there is more than one tile.
    pub(super) fn run<E, S, K>(
        &self,
        source: &mut S,
        sink: &mut K,
        progress: &dyn Progress,
        infer: Infer<'_>,
    ) -> Result<RunReport, E>
    where
        E: From<Error> + Send,
        S: Source<Error = E> + Send,
        K: Sink<Error = E> + Send,
    {
        let Shape { channels, columns, .. } = source.shape();
        let mut write = |(first, residual): Rows| -> Result<(), E> {
            let rows = match residual {
                Residual::Some(residual) => {
                    sink.write(first, residual.view())?;
                    residual.dim().1
                }
                Residual::None(rows) => {
                    sink.pass(first, Shape { channels, rows, columns })?;
                    rows
                }
            };
            progress.advance((rows * columns) as u64);
            Ok(())
        };
        if self.plan.len() == 1 {
            let mut read = |at| self.read(at, source);
            return self.blend(channels, progress, infer, &mut read, &mut |rows| write(rows).map(|()| true));
        }
        std::thread::scope(|scope| {
            let (tile_out, tile_in) = sync_channel(1);
            let (rows_out, rows_in): (SyncSender<Rows>, Receiver<Rows>) = sync_channel(1);
            scope.spawn(move || {
                for at in self.tiles() {
                    let tile = self.read(at, source);
                    let failed = tile.is_err();
                    if tile_out.send(tile).is_err() || failed {
                        return;
                    }
                }
            });
            let writer = scope.spawn(move || rows_in.into_iter().try_for_each(write));
            // The reader stops early only after an error, which it has already sent.
            let mut read = |_| tile_in.recv().unwrap_or_else(|_| Err(Error::Interrupted.into()));
            let result = self.blend(channels, progress, infer, &mut read, &mut |rows| Ok(rows_out.send(rows).is_ok()));
            drop((tile_in, rows_out));
            match writer.join() {
                // Its own error is the reason why the loop stopped.
                Ok(written) => written.and(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Tiles in their order, by index in the plan.
    fn tiles(&self) -> impl Iterator<Item = (usize, usize)> {
        let columns = self.plan.columns.len();
        (self.first_tile_row()..self.plan.rows.len()).flat_map(move |i| (0..columns).map(move |j| (i, j)))
    }

    /// The first row of tiles that the rows still to be written need.
    fn first_tile_row(&self) -> usize {
        self.plan.rows.iter().position(|r| r.end() > self.first_row).unwrap_or(self.plan.rows.len())
    }

    /// Reads a tile; `None` for one that is known to be empty.
    fn read<E: From<Error>, S: Source<Error = E>>(
        &self,
        at: (usize, usize),
        source: &mut S,
    ) -> Result<Option<Tile>, E> {
        let (rows, columns) = (self.plan.rows[at.0], self.plan.columns[at.1]);
        let window = Window { row: rows.start, column: columns.start, rows: rows.len, columns: columns.len };
        if source.is_empty(window)? {
            return Ok(None);
        }
        let image = source.read(window)?;
        let expected = (source.shape().channels, rows.len, columns.len);
        if image.data.dim() != expected {
            return Err(Error::WindowSize { expected, found: image.data.dim() }.into());
        }
        Ok(Some(Tile::prepare(image, self.range)))
    }

    /// Processes tiles in order and passes complete rows to `write`, which returns false once the sink has stopped.
    fn blend<E: From<Error>>(
        &self,
        channels: usize,
        progress: &dyn Progress,
        infer: Infer<'_>,
        read: &mut dyn FnMut((usize, usize)) -> Result<Option<Tile>, E>,
        write: &mut dyn FnMut(Rows) -> Result<bool, E>,
    ) -> Result<RunReport, E> {
        let plan = self.plan;
        let mut report = RunReport::default();
        let mut blend = Blend::new(channels, plan, self.first_tile_row());
        for i in self.first_tile_row()..plan.rows.len() {
            let columns: Vec<usize> = (0..plan.columns.len()).collect();
            for some in columns.chunks(self.batch.max(1)) {
                let mut seen = Vec::with_capacity(some.len());
                for &j in some {
                    if progress.is_cancelled() {
                        return Err(Error::Interrupted.into());
                    }
                    let tile = read((i, j))?;
                    let own = |spans: &[crate::Span], k: usize| {
                        spans.get(k + 1).map_or(spans[k].len, |next| next.start - spans[k].start)
                    };
                    let (down, across) = (own(&plan.rows, i), own(&plan.columns, j));
                    let Some(tile) = tile else {
                        report.invalid_pixels += (down * across) as u64;
                        report.skipped += 1;
                        continue;
                    };
                    report.invalid_pixels += tile.invalid(down, across);
                    if tile.any_valid {
                        seen.push((j, tile));
                    } else {
                        report.skipped += 1;
                    }
                }
                report.tiles += seen.len();
                self.see(i, seen, infer, &mut blend)?;
            }
            let blank = blend.is_blank();
            let (first, band) = blend.complete(plan, i);
            let count = band.dim().1;
            let part = if blank { count } else { count.div_ceil(PARTS) }.max(1);
            for start in (0..count).step_by(part) {
                let end = count.min(start + part);
                let from = start.max(self.first_row.saturating_sub(first));
                if from >= end {
                    continue;
                }
                let residual = match blank {
                    true => Residual::None(end - from),
                    false => Residual::Some(band.slice(s![.., from..end, ..]).to_owned()),
                };
                if !write((first + from, residual))? {
                    return Ok(report);
                }
            }
            blend.advance(plan, i);
        }
        Ok(report)
    }

    /// Runs the network on tiles of row `i` and blends the residuals.
    fn see(&self, i: usize, tiles: Vec<(usize, Tile)>, infer: Infer<'_>, blend: &mut Blend) -> Result<(), Error> {
        let size = |j: usize| (self.plan.rows[i].padded, self.plan.columns[j].padded);
        // All tiles have one size, unless the image is smaller than a tile.
        for together in tiles.chunk_by(|(a, _), (b, _)| size(*a) == size(*b)) {
            let (rows, columns) = size(together[0].0);
            let output = match together {
                [(_, tile)] => infer(tile.padded(rows, columns).view())?,
                many => {
                    let inputs: Vec<_> = many.iter().map(|(_, tile)| tile.padded(rows, columns)).collect();
                    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
                    infer(concatenate(Axis(0), &views).map_err(Error::from)?.view())?
                }
            };
            for ((j, tile), output) in together.iter().zip(output.outer_iter()) {
                let mut add = |channel, row, line: &[f32]| blend.add(self.plan, (i, *j), channel, row, line);
                tile.residual(output, self.range, self.strength, &mut add)?;
            }
        }
        Ok(())
    }
}
