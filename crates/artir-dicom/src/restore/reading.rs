//! Reading slices ahead of the network: several lanes decode, each with a decoder of its own, and the slices come in order.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use artir_core::Feed;
use ndarray::Array2;

use super::{
    neighbours::{FrameAt, without_lost},
    options::RestoreOptions,
    place::Place,
    step::{Run, Seen, Step, open},
};
use crate::{
    Error, Instance, Repair,
    read::{
        codec::{self, Reading},
        dataset::Stop,
        file::DicomFile,
        frame::PixelFormat,
        slice::Slice,
        worker::Decoder,
    },
    write::object::Header,
};

/// More decoders than these starve each other of memory bandwidth.
const MOST_LANES: usize = 8;
/// Slices that are kept for their neighbours, beside those that one slice needs. Frames of one object may come in another
/// order than that of their positions.
const KEPT: usize = 8;

/// What of a frame is needed once, when it is restored itself.
struct Own {
    /// The object's, with its first frame.
    header: Option<Box<Header>>,
    /// The departures from the standard in the pixels, as far as they are known.
    repairs: Vec<Repair>,
}

/// A frame that was read.
struct Decoded {
    slice: Option<Arc<Slice>>,
    own: Option<Result<Own, Error>>,
}

/// The frames that came last, since their neighbours see them too.
struct Recent<T> {
    held: VecDeque<(FrameAt, T)>,
    most: usize,
}

impl<T> Recent<T> {
    /// For a model that sees so many slices.
    fn new(slices: usize) -> Self {
        Self { held: VecDeque::new(), most: if slices > 1 { slices + KEPT } else { 0 } }
    }

    fn find(&mut self, at: FrameAt) -> Option<&mut T> {
        self.held.iter_mut().find(|(held, _)| *held == at).map(|(_, value)| value)
    }

    /// Keeps a frame. Returns the one that is no longer kept.
    fn keep(&mut self, at: FrameAt, value: T) -> Option<T> {
        self.held.push_back((at, value));
        if self.held.len() > self.most { self.held.pop_front().map(|(_, value)| value) } else { None }
    }
}

/// The frames that have to be read for some frames to be restored, in their order.
fn reads(run: &Run<'_>, units: &[FrameAt]) -> Vec<FrameAt> {
    let mut recent = Recent::new(run.slices());
    let mut out = Vec::new();
    for at in units.iter().flat_map(|unit| run.seen(*unit)) {
        if recent.find(at).is_none() {
            out.push(at);
            recent.keep(at, ());
        }
    }
    out
}

/// Feeds every frame of some of the run's objects to the pool.
pub(super) fn feed(run: &Run<'_>, todo: &[usize], decoder: &mut Decoder, feed: &Feed<Step>) {
    let frames = |object: usize| run.objects[object].place.frames.clone().map(move |frame| FrameAt { object, frame });
    let units: Vec<FrameAt> = todo.iter().flat_map(|object| frames(*object)).collect();
    let lanes = lanes(run.options, todo.first().map(|object| &run.objects[*object].place)).min(units.len());
    if lanes < 2 {
        let mut file = None;
        send(run, &units, feed, false, |at| Some(read(run, at, &mut file, decoder)));
        return;
    }
    let reads = reads(run, &units);
    let mut more: Vec<Decoder> = (1..lanes).map(|_| run.options.decoder()).collect();
    // The first may have a process already.
    let decoders: Vec<&mut Decoder> = std::iter::once(decoder).chain(&mut more).collect();
    thread::scope(|scope| {
        let mut channels: Vec<Receiver<Decoded>> = Vec::new();
        for (lane, decoder) in decoders.into_iter().enumerate() {
            let (to, from): (SyncSender<_>, _) = sync_channel(1);
            channels.push(from);
            let reads = reads.iter().skip(lane).step_by(lanes);
            scope.spawn(move || {
                let mut file = None;
                for at in reads {
                    if to.send(read(run, *at, &mut file, decoder)).is_err() {
                        return;
                    }
                }
            });
        }
        // The channels go with this closure, so that lanes whose slices are no longer wanted end.
        let mut next = channels.len() - 1;
        send(run, &units, feed, true, move |_| {
            next = (next + 1) % lanes;
            channels[next].recv().ok()
        });
    });
}

/// How many lanes keep up with the network: one, unless codecs have to decode.
fn lanes(options: &RestoreOptions, first: Option<&Place<'_>>) -> usize {
    if let Some(decoders) = options.decoders {
        return decoders;
    }
    let first = first.map(|place| DicomFile::open(&place.instance.path, Stop::AtPixels));
    match first {
        Some(Ok(file)) if codec::reading(&file.transfer_syntax) == Reading::Fragile => {
            thread::available_parallelism().map_or(1, usize::from).min(MOST_LANES)
        }
        _ => 1,
    }
}

/// Sends the frames in order, each with its neighbours. `next` reads a frame that is not at hand. An object ends with its
/// first frame that cannot be read; `ahead` is true where the others are read nevertheless.
fn send(
    run: &Run<'_>,
    units: &[FrameAt],
    feed: &Feed<Step>,
    ahead: bool,
    mut next: impl FnMut(FrameAt) -> Option<Decoded>,
) {
    let mut recent = Recent::new(run.slices());
    let mut failed = false;
    let mut found: Vec<Repair> = Vec::new();
    for unit in units {
        let object = &run.objects[unit.object];
        if unit.frame == object.place.frames.start {
            failed = false;
            found.clear();
        }
        if failed && !ahead {
            continue;
        }
        let (mut seen, mut own) = (Vec::new(), None);
        for at in run.seen(*unit) {
            let mut come = None;
            if recent.find(at).is_none() {
                let Some(decoded) = next(at) else { return };
                come = recent.keep(at, decoded);
            }
            // A model of one slice keeps none: what comes goes at once.
            let held = if recent.most == 0 { come.as_mut() } else { recent.find(at) };
            let Some(Decoded { slice, own: its }) = held else { return };
            if at == *unit {
                own = own.or_else(|| its.take());
            }
            seen.push(slice.clone());
        }
        if failed {
            continue;
        }
        let sent = match own {
            Some(Ok(Own { header, repairs })) => {
                let Some(seen) = without_lost(&seen).map(Seen) else { return };
                found.extend(repairs.into_iter().filter(|repair| !found.contains(repair)).collect::<Vec<_>>());
                let opened = header.map_or(Ok(()), |header| feed.send(Step::Open(object.key.clone(), header)));
                let framed = opened.and_then(|()| feed.send(Step::Frame(seen, Array2::default((0, 0)))));
                framed.and_then(|()| {
                    let is_last = unit.frame + 1 == object.place.frames.end;
                    if is_last { feed.send(Step::Close(std::mem::take(&mut found))) } else { Ok(()) }
                })
            }
            Some(Err(e)) => {
                failed = true;
                feed.send(Step::Failed(e))
            }
            None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A file that a lane has open: objects that are made of one file follow each other.
type OpenFile<'a> = Option<(&'a Instance, DicomFile, PixelFormat)>;

/// Reads one frame.
fn read<'a>(run: &Run<'a>, at: FrameAt, last: &mut OpenFile<'a>, decoder: &mut Decoder) -> Decoded {
    match read_slice(run, at, last, decoder) {
        Ok((slice, own)) => Decoded { slice: Some(Arc::new(slice)), own: Some(Ok(own)) },
        Err(e) => Decoded { slice: None, own: Some(Err(e)) },
    }
}

fn read_slice<'a>(
    run: &Run<'a>,
    at: FrameAt,
    last: &mut OpenFile<'a>,
    decoder: &mut Decoder,
) -> Result<(Slice, Own), Error> {
    let Run { series, scale, options, objects, .. } = *run;
    let Place { instance, single, frames, .. } = &objects[at.object].place;
    let known = last.take().filter(|(of, ..)| std::ptr::eq(*of, *instance));
    let (_, file, format) = last.insert(match known {
        Some(known) => known,
        None => open(series, instance, options.rescale).map(|(file, format)| (*instance, file, format))?,
    });
    let slice = scale
        .per_unit(&instance.path, at.frame)
        .and_then(|per_unit| Slice::read(file, format, at.frame, series.modality, per_unit, decoder))
        .map_err(|reason| Error::file(&instance.path, reason))?;
    let header = (at.frame == frames.start).then(|| {
        let (source, format) = (file.set.clone(), format.clone());
        let (path, multi_frame) = (instance.path.clone(), series.multi_frame);
        Box::new(Header { path, source, format, multi_frame, single: *single })
    });
    Ok((slice, Own { header, repairs: file.pixel_repairs() }))
}
