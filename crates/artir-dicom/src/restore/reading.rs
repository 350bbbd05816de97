//! Reading slices ahead of the network: several lanes decode, each with a decoder of its own, and the slices come in order.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use artir_core::Feed;
use ndarray::Array2;

use super::{
    options::RestoreOptions,
    place::{Place, Planned},
    step::{Run, Step, open},
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

/// A frame to be read: its object, and whether it is the first or the last of it.
#[derive(Clone, Copy)]
struct Unit<'a> {
    object: &'a Planned<'a>,
    frame: u32,
}

impl Unit<'_> {
    fn is_first(&self) -> bool {
        self.frame == self.object.place.frames.start
    }

    fn is_last(&self) -> bool {
        self.frame + 1 == self.object.place.frames.end
    }
}

/// A frame that was read.
struct Decoded {
    /// The object's, with its first frame.
    header: Option<Box<Header>>,
    slice: Slice,
    /// The departures from the standard in the pixels, as far as they are known.
    repairs: Vec<Repair>,
}

/// Feeds every frame of some objects to the pool.
pub(super) fn feed(run: &Run<'_>, todo: &[Planned<'_>], decoder: &mut Decoder, feed: &Feed<Step>) {
    let units: Vec<Unit<'_>> =
        todo.iter().flat_map(|object| object.place.frames.clone().map(move |frame| Unit { object, frame })).collect();
    let lanes = lanes(run.options, todo).min(units.len());
    if lanes < 2 {
        let mut file = None;
        send(&units, feed, false, |_, unit| Some(read(run, unit, &mut file, decoder)));
        return;
    }
    let mut more: Vec<Decoder> = (1..lanes).map(|_| run.options.decoder()).collect();
    // The first may have a process already.
    let decoders: Vec<&mut Decoder> = std::iter::once(decoder).chain(&mut more).collect();
    thread::scope(|scope| {
        let mut channels: Vec<Receiver<Result<Decoded, Error>>> = Vec::new();
        for (lane, decoder) in decoders.into_iter().enumerate() {
            let (to, from): (SyncSender<_>, _) = sync_channel(1);
            channels.push(from);
            let units = units.iter().skip(lane).step_by(lanes);
            scope.spawn(move || {
                let mut file = None;
                for unit in units {
                    if to.send(read(run, *unit, &mut file, decoder)).is_err() {
                        return;
                    }
                }
            });
        }
        // The channels go with this closure, so that lanes whose slices are no longer wanted end.
        send(&units, feed, true, move |i, _| channels[i % lanes].recv().ok());
    });
}

/// How many lanes keep up with the network: one, unless codecs have to decode.
fn lanes(options: &RestoreOptions, todo: &[Planned<'_>]) -> usize {
    if let Some(decoders) = options.decoders {
        return decoders;
    }
    let first = todo.first().map(|object| DicomFile::open(&object.place.instance.path, Stop::AtPixels));
    match first {
        Some(Ok(file)) if codec::reading(&file.transfer_syntax) == Reading::Fragile => {
            thread::available_parallelism().map_or(1, usize::from).min(MOST_LANES)
        }
        _ => 1,
    }
}

/// Sends the frames in order. An object ends with its first frame that cannot be read; `ahead` is true where the others are
/// read nevertheless.
fn send<'a>(
    units: &[Unit<'a>],
    feed: &Feed<Step>,
    ahead: bool,
    mut next: impl FnMut(usize, Unit<'a>) -> Option<Result<Decoded, Error>>,
) {
    let mut failed = false;
    let mut found: Vec<Repair> = Vec::new();
    for (i, unit) in units.iter().enumerate() {
        if unit.is_first() {
            failed = false;
            found.clear();
        }
        if failed && !ahead {
            continue;
        }
        let Some(decoded) = next(i, *unit) else { return };
        if failed {
            continue;
        }
        let sent = match decoded {
            Ok(Decoded { header, slice, repairs }) => {
                found.extend(repairs.into_iter().filter(|repair| !found.contains(repair)).collect::<Vec<_>>());
                let opened = header.map_or(Ok(()), |header| feed.send(Step::Open(unit.object.key.clone(), header)));
                let framed = opened.and_then(|()| feed.send(Step::Frame(slice, Array2::default((0, 0)))));
                framed.and_then(|()| {
                    if unit.is_last() { feed.send(Step::Close(std::mem::take(&mut found))) } else { Ok(()) }
                })
            }
            Err(e) => {
                failed = true;
                feed.send(Step::Failed(e))
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A file that a lane has open: objects that are made of one file follow each other.
type OpenFile<'a> = Option<(&'a Instance, DicomFile, PixelFormat)>;

/// Reads one frame.
fn read<'a>(run: &Run<'_>, unit: Unit<'a>, last: &mut OpenFile<'a>, decoder: &mut Decoder) -> Result<Decoded, Error> {
    let Run { series, scale, options, .. } = *run;
    let Place { instance, single, .. } = &unit.object.place;
    let known = last.take().filter(|(of, ..)| std::ptr::eq(*of, *instance));
    let (_, file, format) = last.insert(match known {
        Some(known) => known,
        None => open(series, instance, options.rescale).map(|(file, format)| (*instance, file, format))?,
    });
    let slice = scale
        .per_unit(&instance.path, unit.frame)
        .and_then(|per_unit| Slice::read(file, format, unit.frame, series.modality, per_unit, decoder))
        .map_err(|reason| Error::file(&instance.path, reason))?;
    let header = unit.is_first().then(|| {
        let (source, format) = (file.set.clone(), format.clone());
        let (path, multi_frame) = (instance.path.clone(), series.multi_frame);
        Box::new(Header { path, source, format, multi_frame, single: *single })
    });
    Ok(Decoded { header, slice, repairs: file.pixel_repairs() })
}
