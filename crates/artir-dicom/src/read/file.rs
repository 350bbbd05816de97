//! DICOM files: with and without preamble and meta header, deflated or not (PS3.10, 7.1; PS3.5, annex A).

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use crate::{
    Error, Reason, Repair,
    read::dataset::{DataSet, Form, Pixels, ReadError, Reader, Stop, Value, words},
};

/// Retired, but still in use.
pub(crate) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// GE's own: implicit VR, and big-endian pixels.
pub(crate) const GE_PRIVATE_BIG_ENDIAN_PIXELS: &str = "1.2.840.113619.5.2";
/// Largest size of an inflated data set. A larger one is treated as an attack.
const MAX_INFLATED: u64 = 768 << 20;

/// An open file: its data set and the location of its pixels.
pub(crate) struct DicomFile {
    /// TransferSyntaxUID, from the header or guessed.
    pub(crate) transfer_syntax: String,
    pub(crate) set: DataSet,
    /// Words of native pixels are big-endian.
    big_endian: bool,
    stream: Stream,
    repairs: BTreeSet<Repair>,
    /// The first fragment of each frame, where no offset table says it.
    frame_starts: Option<Vec<usize>>,
}

/// The bytes that offsets of pixels count in.
enum Stream {
    File(BufReader<File>),
    /// The inflated data set.
    Memory(Cursor<Vec<u8>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match (self, to) {
            // Seeking within the buffer needs no system call.
            (Self::File(file), SeekFrom::Start(to)) => {
                let at = file.stream_position()?;
                file.seek_relative(to.cast_signed() - at.cast_signed())?;
                Ok(to)
            }
            (Self::File(file), to) => file.seek(to),
            (Self::Memory(bytes), to) => bytes.seek(to),
        }
    }
}

/// The kind of a file.
pub(crate) enum Opened {
    Dicom(Box<DicomFile>),
    /// Not DICOM.
    Other,
}

/// Where a data set starts, and how it is encoded.
struct Start {
    at: u64,
    form: Form,
    transfer_syntax: String,
    /// Whether the way there follows the standard.
    regular: bool,
}

/// Whether a file is DICOM, be it damaged. One that cannot be read counts as one.
pub fn is_dicom(path: &Path) -> bool {
    path.is_file() && !matches!(DicomFile::look(path, Stop::AtPixels), Ok(Opened::Other))
}

impl DicomFile {
    /// Opens a file that must be DICOM.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn open(path: &Path, stop: Stop) -> Result<Self, Error> {
        match Self::look(path, stop)? {
            Opened::Dicom(file) => Ok(*file),
            Opened::Other => Err(Error::file(path, Reason::NotDicom)),
        }
    }

    /// Opens any file.
    ///
    /// # Errors
    /// [`Error::File`] for one that is DICOM and damaged, or that cannot be read.
    pub(crate) fn look(path: &Path, stop: Stop) -> Result<Opened, Error> {
        Self::try_open(path, stop).map_err(|e| Error::file(path, e))
    }

    fn try_open(path: &Path, stop: Stop) -> Result<Opened, ReadError> {
        // Devices and pipes have no length to check against, and opening a pipe may block.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(Opened::Other);
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Self::read(Stream::File(BufReader::new(file)), length, stop)
    }

    /// Reads a file that is in memory.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn from_bytes(bytes: Vec<u8>, stop: Stop) -> Result<Opened, ReadError> {
        let length = bytes.len() as u64;
        Self::read(Stream::Memory(Cursor::new(bytes)), length, stop)
    }

    fn read(mut stream: Stream, length: u64, stop: Stop) -> Result<Opened, ReadError> {
        let Some(start) = find_start(&mut stream, length)? else { return Ok(Opened::Other) };
        let (mut stream, start_at, length) = if start.transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let inflated = inflate(&mut stream, start.at)?;
            let length = inflated.len() as u64;
            (Stream::Memory(Cursor::new(inflated)), 0, length)
        } else {
            (stream, start.at, length)
        };
        let mut reader = Reader::new(&mut stream, start_at, length, start.form)?;
        let set = reader.read(stop)?;
        let mut repairs = reader.repairs().clone();
        if !start.regular {
            repairs.insert(Repair::Start);
        }
        let big_endian = start.form.big_endian || start.transfer_syntax == GE_PRIVATE_BIG_ENDIAN_PIXELS;
        let transfer_syntax = start.transfer_syntax;
        Ok(Opened::Dicom(Box::new(Self { transfer_syntax, set, big_endian, stream, repairs, frame_starts: None })))
    }

    /// What a damaged file says before its damage; `None` where even that cannot be read.
    pub(crate) fn before_damage(path: &Path) -> Option<DataSet> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut stream = Stream::File(BufReader::new(file));
        let start = find_start(&mut stream, length).ok()??;
        let mut set = DataSet::default();
        // The damage is known; what comes before it counts.
        drop(Reader::new(&mut stream, start.at, length, start.form).ok()?.read_into(&mut set, Stop::AtPixels));
        Some(set)
    }

    /// What the first `most` bytes of a file hold, or those of its inflated data set, up to the pixels, with the transfer
    /// syntax. An element that they cut off is left out. `None` for a file that is not DICOM.
    pub(crate) fn beginning(path: &Path, most: u64) -> Result<Option<(DataSet, String)>, Error> {
        let read = || -> Result<_, ReadError> {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut stream = Stream::File(BufReader::new(file));
            let Some(start) = find_start(&mut stream, length)? else { return Ok(None) };
            let (mut stream, at, length) = if start.transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
                stream.seek(SeekFrom::Start(start.at))?;
                let mut bytes = Vec::new();
                // Damage shows when the object is restored. Until then, what comes before it counts.
                drop(flate2::read::DeflateDecoder::new(stream).take(most).read_to_end(&mut bytes));
                let length = bytes.len() as u64;
                (Stream::Memory(Cursor::new(bytes)), 0, length)
            } else {
                (stream, start.at, length.min(start.at.saturating_add(most)))
            };
            let mut set = DataSet::default();
            drop(Reader::new(&mut stream, at, length, start.form)?.read_into(&mut set, Stop::AtPixels));
            Ok(Some((set, start.transfer_syntax)))
        };
        read().map_err(|e| Error::file(path, e))
    }

    /// The departures from the standard that the file was read in spite of.
    pub(crate) fn repairs(&self) -> &BTreeSet<Repair> {
        &self.repairs
    }

    /// The departures from the standard that show in the pixels. Those of headers are findings of the search.
    pub(crate) fn pixel_repairs(&self) -> Vec<Repair> {
        self.repairs.iter().copied().filter(|repair| repair.is_of_pixels()).collect()
    }

    /// Whether the pixels are not compressed.
    pub(crate) fn is_native(&self) -> bool {
        matches!(self.pixels(), Some(Pixels::Native { .. }))
    }

    /// Records another departure, found in the pixels.
    pub(crate) fn add_repair(&mut self, repair: Repair) {
        self.repairs.insert(repair);
    }

    /// The fragments that start a frame.
    fn starts_of_frames(&mut self, fragments: &[(u64, u32)]) -> Result<Vec<usize>, Reason> {
        if let Some(starts) = &self.frame_starts {
            return Ok(starts.clone());
        }
        let mut starts = Vec::new();
        for (i, (at, length)) in fragments.iter().enumerate() {
            let mut head = Vec::new();
            self.stream.seek(SeekFrom::Start(*at))?;
            (&mut self.stream).take(u64::from(*length).min(16)).read_to_end(&mut head)?;
            if starts_frame(&head) {
                starts.push(i);
            }
        }
        self.frame_starts = Some(starts.clone());
        Ok(starts)
    }

    /// Where the pixels are; `None` for an object without.
    pub(crate) fn pixels(&self) -> Option<&Pixels> {
        match &self.set.get(tags::PIXEL_DATA)?.value {
            Value::Pixels(pixels) => Some(pixels),
            _ => None,
        }
    }

    /// A frame's bytes as they are stored, native ones little-endian.
    ///
    /// # Errors
    /// The reason.
    pub(crate) fn frame_bytes(&mut self, frame: u32, frames: u32, native_length: u64) -> Result<Vec<u8>, Reason> {
        let vr = self.set.get(tags::PIXEL_DATA).map(|e| e.vr);
        let ranges = match self
            .pixels()
            .ok_or_else(|| Reason::pixels("no pixel data: the file is truncated, or holds no image"))?
        {
            Pixels::Native { offset, length } => {
                let first = u64::from(frame) * native_length;
                // Native pixels of odd length should be padded, but not all are.
                if first + native_length > *length {
                    let needed = u64::from(frames) * native_length;
                    let reason = format!("{length} bytes of pixels, but {needed} are needed: the file is truncated");
                    return Err(Reason::Pixels(reason));
                }
                check_excess(*length, native_length, frames)?;
                vec![(offset + first, native_length)]
            }
            Pixels::Encapsulated { offsets, fragments } => {
                let (mut offsets, fragments) = (offsets.clone(), fragments.clone());
                if offsets.is_empty()
                    && let Some(table) = self.set.bytes(tags::EXTENDED_OFFSET_TABLE)
                {
                    offsets = words(table).map(u64::from_le_bytes).collect();
                }
                if frames > 1 && fragments.len() > frames as usize && offsets.len() != frames as usize {
                    let starts = self.starts_of_frames(&fragments)?;
                    if starts.len() != frames as usize {
                        let reason =
                            format!("{} fragments for {frames} frames, without an offset table", fragments.len());
                        return Err(Reason::Pixels(reason));
                    }
                    self.repairs.insert(Repair::NoOffsetTable);
                    let first = starts[frame as usize];
                    let end = starts.get(frame as usize + 1).copied().unwrap_or(fragments.len());
                    wide(&fragments[first..end])
                } else {
                    if frames == 1 && fragments.len() > 1 && self.starts_of_frames(&fragments)?.len() > 1 {
                        return Err(Reason::pixels(
                            "several compressed frames, although NumberOfFrames (0028,0008) is 1 or missing",
                        ));
                    }
                    frame_fragments(&offsets, &fragments, frame, frames)?
                }
            }
        };
        let native = self.is_native();
        let mut bytes = Vec::new();
        for (offset, length) in ranges {
            self.stream.seek(SeekFrom::Start(offset))?;
            let read = (&mut self.stream).take(length).read_to_end(&mut bytes)?;
            if read as u64 != length {
                return Err(Reason::pixels("the file has become shorter while it was read"));
            }
        }
        if native && self.big_endian && vr != Some(VR::OB) {
            for word in bytes.chunks_exact_mut(2) {
                word.swap(0, 1);
            }
        }
        Ok(bytes)
    }
}

/// Refuses uncompressed pixels of more whole frames than the header has: frames would be lost, or the words are wider
/// than it says. Any other surplus is padding.
fn check_excess(length: u64, frame: u64, frames: u32) -> Result<(), Reason> {
    let needed = u64::from(frames) * frame;
    // Pixels of odd length have a byte of padding.
    let excess = length.saturating_sub(needed);
    if excess > 1 && excess >= frame && excess % frame <= 1 {
        return Err(Reason::Pixels(format!(
            "{length} bytes of pixels, where the header describes {needed}: NumberOfFrames (0028,0008), Rows, Columns \
             or BitsAllocated (0028,0100) is wrong"
        )));
    }
    Ok(())
}

/// Whether a fragment starts a frame, by its first bytes: an RLE header (PS3.5, G.5), or the first marker of JPEG, JPEG-LS or
/// JPEG 2000.
fn starts_frame(head: &[u8]) -> bool {
    match head {
        [0xff, 0xd8, 0xff, ..] | [0xff, 0x4f, 0xff, 0x51, ..] => true,
        // The signature box of a JP2 file.
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => true,
        [1..=15, 0, 0, 0, 64, 0, 0, 0, ..] => true,
        _ => false,
    }
}

fn wide(fragments: &[(u64, u32)]) -> Vec<(u64, u64)> {
    fragments.iter().map(|(at, n)| (*at, u64::from(*n))).collect()
}

/// The fragments of one frame (PS3.5, A.4): one for each frame, or as the offset table has it.
fn frame_fragments(
    offsets: &[u64],
    fragments: &[(u64, u32)],
    frame: u32,
    frames: u32,
) -> Result<Vec<(u64, u64)>, Reason> {
    let frame = frame as usize;
    if fragments.is_empty() {
        return Err(Reason::pixels("its pixel data is empty"));
    }
    if frames == 1 {
        return Ok(wide(fragments));
    }
    if fragments.len() == frames as usize {
        return Ok(wide(&fragments[frame..=frame]));
    }
    if offsets.len() != frames as usize {
        let reason = format!("{} fragments for {frames} frames, without an offset table", fragments.len());
        return Err(Reason::Pixels(reason));
    }
    // Offsets count from the first fragment's item, of which the header has eight bytes.
    let base = fragments[0].0 - 8;
    let starts = |i: usize| offsets.get(i).and_then(|o| base.checked_add(*o)?.checked_add(8));
    let first = fragments.iter().position(|(at, _)| Some(*at) == starts(frame));
    let end = match starts(frame + 1) {
        Some(next) => fragments.iter().position(|(at, _)| *at == next),
        None => Some(fragments.len()),
    };
    match (first, end) {
        (Some(first), Some(end)) if first < end => Ok(wide(&fragments[first..end])),
        _ => Err(Reason::pixels("the offset table does not fit the fragments")),
    }
}

fn inflate(stream: &mut (impl Read + Seek), at: u64) -> Result<Vec<u8>, ReadError> {
    stream.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    let mut inflated = flate2::read::DeflateDecoder::new(stream).take(MAX_INFLATED + 1);
    inflated.read_to_end(&mut bytes).map_err(|_| ReadError::Damaged("its data set cannot be inflated".into()))?;
    if bytes.len() as u64 > MAX_INFLATED {
        return Err(ReadError::Damaged(format!("its data set inflates to over {} MiB", MAX_INFLATED >> 20)));
    }
    Ok(bytes)
}

/// How far from its place the start of the header may be, bytes.
const ASTRAY: usize = 4;

/// Finds the data set; `None` for a file that is not DICOM.
fn find_start(stream: &mut (impl Read + Seek), length: u64) -> Result<Option<Start>, ReadError> {
    let mut head = Vec::new();
    stream.seek(SeekFrom::Start(0))?;
    (&mut *stream).take(160).read_to_end(&mut head)?;
    // The preamble may be missing, or some bytes too long or too short.
    let near = (0..=ASTRAY).flat_map(|n| [128 + n, 128 - n]).chain(0..=ASTRAY);
    let magic = near.into_iter().find(|at| head.get(*at..*at + 4) == Some(b"DICM".as_slice()));
    let (preamble, at) = (magic.is_some(), magic.map_or(0, |at| at + 4));
    let mut regular = magic.is_none_or(|at| at == 128);
    let Some(start) = head.get(at..at + 8) else {
        return if preamble { Err(ReadError::Damaged("it ends after its preamble".into())) } else { Ok(None) };
    };
    let at = at as u64;
    if start[..2] != [2, 0] || VR::from_binary([start[4], start[5]]).is_none() {
        return Ok(guess(stream, at, preamble)?.map(|start| Start { regular: regular && preamble, ..start }));
    }
    let mut reader = Reader::new(&mut *stream, at, length, Form::EXPLICIT)?;
    let meta = match reader.read(Stop::AfterGroup(2)) {
        Ok(meta) => meta,
        Err(_) if !preamble => return Ok(None),
        Err(e) => return Err(e),
    };
    regular &= preamble;
    let mut at = reader.position();
    // A stray byte between the header and the data set.
    let deflated = meta.text(tags::TRANSFER_SYNTAX_UID) == Some(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
    if !deflated && !is_start(stream, at)? && is_start(stream, at + 1)? {
        at += 1;
        regular = false;
    }
    let Some(uid) = meta.text(tags::TRANSFER_SYNTAX_UID) else {
        return Ok(guess(stream, at, true)?.map(|start| Start { regular, ..start }));
    };
    let form = match uid {
        uids::IMPLICIT_VR_LITTLE_ENDIAN | GE_PRIVATE_BIG_ENDIAN_PIXELS => Form::IMPLICIT,
        EXPLICIT_VR_BIG_ENDIAN => Form::BIG_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => Form::EXPLICIT,
        // Some writers declare explicit VR but encode implicitly. The first element shows which one is used.
        _ if first_is_implicit(stream, at)? => Form::IMPLICIT,
        _ => Form::EXPLICIT,
    };
    Ok(Some(Start { at, form, transfer_syntax: uid.to_owned(), regular }))
}

/// Whether the first element of an image may be at a place: one of group 8 in either byte order.
fn is_start(stream: &mut (impl Read + Seek), at: u64) -> io::Result<bool> {
    let mut head = [0; 8];
    stream.seek(SeekFrom::Start(at))?;
    if stream.read_exact(&mut head).is_err() {
        return Ok(false);
    }
    let short = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) <= 256;
    Ok(match head[..4] {
        [8, 0, ..] => short || VR::from_binary([head[4], head[5]]).is_some(),
        [0, 8, ..] => VR::from_binary([head[4], head[5]]).is_some(),
        _ => false,
    })
}

fn first_is_implicit(stream: &mut (impl Read + Seek), at: u64) -> io::Result<bool> {
    let mut head = [0; 8];
    stream.seek(SeekFrom::Start(at))?;
    Ok(stream.read_exact(&mut head).is_ok() && VR::from_binary([head[4], head[5]]).is_none())
}

/// Detects the encoding of a data set without meta header from its first element.
fn guess(stream: &mut (impl Read + Seek), at: u64, sure: bool) -> Result<Option<Start>, ReadError> {
    let mut head = [0; 8];
    stream.seek(SeekFrom::Start(at))?;
    if stream.read_exact(&mut head).is_err() {
        return if sure { Err(ReadError::Damaged("it ends after its header".into())) } else { Ok(None) };
    }
    let explicit = VR::from_binary([head[4], head[5]]).is_some();
    let (form, transfer_syntax) = match (&head[..2], explicit) {
        ([8, 0], true) => (Form::EXPLICIT, uids::EXPLICIT_VR_LITTLE_ENDIAN),
        ([0, 8], true) => (Form::BIG_ENDIAN, EXPLICIT_VR_BIG_ENDIAN),
        // The first element of an image is short: a group length, a character set, an image type, a class.
        ([8, 0], false) if u32::from_le_bytes([head[4], head[5], head[6], head[7]]) <= 256 => {
            (Form::IMPLICIT, uids::IMPLICIT_VR_LITTLE_ENDIAN)
        }
        _ if sure => return Err(ReadError::Damaged("its encoding is unknown".into())),
        _ => return Ok(None),
    };
    Ok(Some(Start { at, form, transfer_syntax: transfer_syntax.to_owned(), regular: true }))
}
