//! Reading a data set: every length is checked against the rest of the stream before memory is allocated.
//!
//! Encodings: PS3.5, 7.1 (elements), 7.5 (sequences), A.1 to A.4 (transfer syntaxes), 6.2.2 (unknown VR).

mod fragments;
mod unknown;

use std::{
    collections::BTreeSet,
    io::{self, Read, Seek, SeekFrom},
};

use dicom_core::{DataDictionary, Tag, VR, dictionary::DataDictionaryEntry, dictionary::VirtualVr};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::{DataSet, Element, Pixels, Value};
use crate::{Reason, Repair};

/// Largest nesting depth of sequences. Valid objects have fewer than ten levels.
const MAX_DEPTH: usize = 40;
/// Items and elements of a file together. An enhanced object of 2,000 frames has some 200,000.
const MAX_ELEMENTS: usize = 8_000_000;
const UNDEFINED: u32 = 0xffff_ffff;
const ITEM: Tag = Tag(0xfffe, 0xe000);
const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);

/// How elements are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) explicit: bool,
    pub(crate) big_endian: bool,
}

impl Form {
    pub(crate) const IMPLICIT: Self = Self { explicit: false, big_endian: false };
    pub(crate) const EXPLICIT: Self = Self { explicit: true, big_endian: false };
    pub(crate) const BIG_ENDIAN: Self = Self { explicit: true, big_endian: true };
}

/// The part of a data set to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Up to the pixels, without parsing them.
    AtPixels,
    /// To its end; pixels are located but not loaded.
    AtEnd,
    /// Up to the first element of another group (the file meta information).
    AfterGroup(u16),
}

/// An error in a stream. The text quotes no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("damaged or truncated: {0}")]
    Damaged(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<ReadError> for Reason {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Damaged(what) => Self::Damaged(what),
            ReadError::Io(e) => e.into(),
        }
    }
}

fn damaged<T>(what: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Damaged(what.into()))
}

/// A header of an element or an item.
struct Head {
    tag: Tag,
    vr: Option<VR>,
    length: u32,
}

/// Reads elements from a stream of known length.
pub(crate) struct Reader<R> {
    stream: R,
    at: u64,
    length: u64,
    form: Form,
    elements: usize,
    /// PixelRepresentation, once seen: decides between US and SS. Items begin with that of the data set round them.
    signed: bool,
    retries: usize,
    /// Text that is not ASCII was seen.
    has_foreign_text: bool,
    repairs: BTreeSet<Repair>,
}

impl<R: Read + Seek> Reader<R> {
    /// Moves the stream to `at` and starts there.
    pub(crate) fn new(mut stream: R, at: u64, length: u64, form: Form) -> io::Result<Self> {
        stream.seek(SeekFrom::Start(at))?;
        Ok(Self {
            stream,
            at,
            length,
            form,
            elements: 0,
            signed: false,
            retries: 0,
            has_foreign_text: false,
            repairs: BTreeSet::new(),
        })
    }

    /// Bytes from the start of the stream.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// The departures from the standard that were read so far.
    pub(crate) fn repairs(&self) -> &BTreeSet<Repair> {
        &self.repairs
    }

    /// Reads the data set.
    pub(crate) fn read(&mut self, stop: Stop) -> Result<DataSet, ReadError> {
        let mut set = DataSet::default();
        self.read_into(&mut set, stop)?;
        if self.has_foreign_text && !set.contains(tags::SPECIFIC_CHARACTER_SET) {
            self.repairs.insert(Repair::NoCharacterSet);
        }
        Ok(set)
    }

    /// Reads the data set; what comes before an error stays in `set`.
    pub(crate) fn read_into(&mut self, set: &mut DataSet, stop: Stop) -> Result<(), ReadError> {
        let mut last = None;
        while self.at < self.length {
            let start = self.at;
            if let Stop::AfterGroup(group) = stop {
                // The following group may have another encoding, so only its first word is read.
                let next = self.u16()?;
                self.seek(start)?;
                if next != group {
                    return Ok(());
                }
            }
            // Once the pixels are found, nothing behind them is needed.
            let after_pixels = last.is_some_and(|tag| tag >= tags::PIXEL_DATA);
            let head = match self.head(self.length) {
                Ok(head) if after_pixels && Some(head.tag) <= last => return self.stop_at_trailing_bytes(),
                Err(ReadError::Damaged(_)) if after_pixels => return self.stop_at_trailing_bytes(),
                head => head?,
            };
            let ends = stop == Stop::AtPixels && (head.tag >= tags::PIXEL_DATA || is_float_pixels(head.tag));
            if ends {
                self.seek(start)?;
                return Ok(());
            }
            let tag = head.tag;
            match self.element(set, head, 0) {
                Err(ReadError::Damaged(_)) if after_pixels => return self.stop_at_trailing_bytes(),
                element => element?,
            }
            last = Some(tag);
        }
        Ok(())
    }

    fn stop_at_trailing_bytes(&mut self) -> Result<(), ReadError> {
        self.repairs.insert(Repair::TrailingBytes);
        Ok(())
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        self.at = to;
        self.stream.seek(SeekFrom::Start(to)).map(|_| ())
    }

    fn left(&self) -> u64 {
        self.length - self.at
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        if self.left() < N as u64 {
            return damaged("it ends within an element");
        }
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16, ReadError> {
        let bytes = self.take()?;
        Ok(if self.form.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        let bytes = self.take()?;
        Ok(if self.form.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn value(&mut self, length: u32) -> Result<Vec<u8>, ReadError> {
        if u64::from(length) > self.left() {
            return damaged(format!("an element claims {length} bytes, but {} are left", self.left()));
        }
        let mut bytes = vec![0; length as usize];
        self.stream.read_exact(&mut bytes)?;
        self.at += u64::from(length);
        Ok(bytes)
    }

    /// Reads a header. `end` is where the data set, the sequence or the item ends, as far as it is known.
    fn head(&mut self, end: u64) -> Result<Head, ReadError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return damaged("it has too many elements");
        }
        let tag = Tag(self.u16()?, self.u16()?);
        if tag.group() == 0xfffe || !self.form.explicit {
            return Ok(Head { tag, vr: None, length: self.u32()? });
        }
        let letters = self.take()?;
        let Some(vr) = VR::from_binary(letters) else { return self.head_without_vr(tag, letters, end) };
        let length = if has_long_length(vr) {
            self.take::<2>()?;
            self.u32()?
        } else {
            u32::from(self.u16()?)
        };
        Ok(Head { tag, vr: Some(vr), length })
    }

    fn element(&mut self, set: &mut DataSet, head: Head, depth: usize) -> Result<(), ReadError> {
        let Head { tag, vr, length } = head;
        if tag.group() == 0xfffe {
            // Stray delimiters without a value are ignored; one with a value is an error.
            return if length == 0 { Ok(()) } else { damaged(format!("{tag} appears outside a sequence")) };
        }
        let mut vr = vr.unwrap_or_else(|| self.dictionary_vr(tag, length));
        let is_pixels = (tag == tags::PIXEL_DATA || is_float_pixels(tag)) && vr != VR::SQ;
        let value = match (is_pixels, length) {
            (true, UNDEFINED) if depth == 0 => Value::Pixels(self.fragments()?),
            (true, UNDEFINED) => Value::Fragments(self.small_fragments()?),
            (true, _) if depth == 0 => {
                let (offset, length) = (self.at, u64::from(length));
                if length > self.left() {
                    return damaged(format!("the pixels claim {length} bytes, but {} are left", self.left()));
                }
                self.seek(offset + length)?;
                Value::Pixels(Pixels::Native { offset, length })
            }
            (_, UNDEFINED) if vr == VR::UN && self.form.explicit => Value::Items(self.unknown_items(None, depth + 1)?),
            _ if vr == VR::UN && dictionary_has_sequence(tag) => {
                let (start, end) = (self.at, self.at + u64::from(length));
                if end > self.length {
                    return damaged(format!("a sequence claims {length} bytes, but {} are left", self.left()));
                }
                match self.unknown_items(Some(end), depth + 1) {
                    Ok(items) => {
                        self.repairs.insert(Repair::SequenceAsUnknown);
                        Value::Items(items)
                    }
                    // Its content is of no use, and stays as it is.
                    Err(ReadError::Damaged(_)) => {
                        self.seek(start)?;
                        Value::Bytes(self.value(length)?)
                    }
                    Err(e) => return Err(e),
                }
            }
            (_, UNDEFINED) if [VR::OB, VR::OW].contains(&vr) => self.fragments_or_items(depth + 1)?,
            (_, UNDEFINED) => Value::Items(self.items(None, depth + 1)?),
            _ if vr == VR::SQ => {
                if u64::from(length) > self.left() {
                    return damaged(format!("a sequence claims {length} bytes, but {} are left", self.left()));
                }
                Value::Items(self.items(Some(self.at + u64::from(length)), depth + 1)?)
            }
            _ => {
                let mut bytes = self.value(length)?;
                if self.form.big_endian {
                    swap(vr, &mut bytes);
                }
                if vr == VR::UN
                    && let Some(known) = self.known_vr(tag, length)
                {
                    // Values of VR UN are little-endian, whatever the file is (PS3.5, 6.2.2).
                    self.repairs.insert(Repair::UnknownVr);
                    vr = known;
                }
                if [VR::DS, VR::IS].contains(&vr) && point_for_comma(&mut bytes) {
                    self.repairs.insert(Repair::DecimalComma);
                }
                self.has_foreign_text |= is_text(vr) && !bytes.is_ascii();
                Value::Bytes(bytes)
            }
        };
        let vr = if matches!(value, Value::Items(_)) { VR::SQ } else { vr };
        if tag == tags::PIXEL_REPRESENTATION
            && let Value::Bytes(bytes) = &value
        {
            self.signed = bytes.first() == Some(&1);
        }
        let element = Element { vr, value };
        match set.get(tag) {
            None => {
                set.insert(tag, element);
            }
            Some(first) if contradict(tag, first, &element) => {
                return damaged(format!("{tag} appears twice, with different values"));
            }
            Some(_) => {
                self.repairs.insert(Repair::RepeatedElement);
            }
        }
        Ok(())
    }

    fn items(&mut self, end: Option<u64>, depth: usize) -> Result<Vec<DataSet>, ReadError> {
        if depth > MAX_DEPTH {
            return damaged("sequences are nested too deeply");
        }
        let mut items = Vec::new();
        while end.is_none_or(|end| self.at < end) {
            let head = self.head(end.unwrap_or(self.length))?;
            match (head.tag, end) {
                (SEQUENCE_END, _) => break,
                (ITEM, _) => items.push(self.item(head.length, depth)?),
                _ => return damaged(format!("{} appears in place of an item", head.tag)),
            }
        }
        if end.is_some_and(|end| self.at > end) {
            return damaged("an item is longer than its sequence");
        }
        Ok(items)
    }

    fn item(&mut self, length: u32, depth: usize) -> Result<DataSet, ReadError> {
        let end = (length != UNDEFINED).then(|| self.at + u64::from(length));
        if end.is_some_and(|end| end > self.length) {
            return damaged(format!("an item claims {length} bytes, but {} are left", self.left()));
        }
        let mut set = DataSet::default();
        // An icon's PixelRepresentation holds for the icon alone.
        let signed = self.signed;
        while end.is_none_or(|end| self.at < end) {
            let head = self.head(end.unwrap_or(self.length))?;
            if head.tag == ITEM_END {
                if end.is_none() {
                    break;
                }
                continue;
            }
            self.element(&mut set, head, depth)?;
        }
        self.signed = signed;
        if end.is_some_and(|end| self.at > end) {
            return damaged("an element is longer than its item");
        }
        Ok(set)
    }

    /// The VR of an attribute of the standard that a writer did not know, where a value of that length can have it.
    fn known_vr(&self, tag: Tag, length: u32) -> Option<VR> {
        let vr = self.dictionary_vr(tag, length);
        let is_known = tag.group().is_multiple_of(2) && ![VR::UN, VR::SQ].contains(&vr) && tag != tags::PIXEL_DATA;
        let is_whole = (length as usize).is_multiple_of(word_bytes(vr).unwrap_or(1));
        // What is written with this VR must hold the length.
        let fits = has_long_length(vr) || length <= u32::from(u16::MAX);
        (is_known && is_whole && fits).then_some(vr)
    }

    /// The VR of an element that is encoded without one.
    fn dictionary_vr(&self, tag: Tag, length: u32) -> VR {
        let private = tag.group() % 2 == 1;
        if private {
            // Owners of private blocks are LO; the VR of their elements is not known (PS3.5, 7.8.1 and 6.2.2).
            return if length == UNDEFINED {
                VR::SQ
            } else if (0x10..=0xff).contains(&tag.element()) {
                VR::LO
            } else {
                VR::UN
            };
        }
        if tag.element() == 0 {
            return VR::UL;
        }
        let found = StandardDataDictionary.by_tag(tag).map(DataDictionaryEntry::vr);
        match found {
            Some(VirtualVr::Exact(vr)) if length == UNDEFINED && vr != VR::SQ => VR::SQ,
            Some(VirtualVr::Exact(vr)) => vr,
            Some(VirtualVr::Xs) => {
                if self.signed {
                    VR::SS
                } else {
                    VR::US
                }
            }
            Some(_) => VR::OW,
            None if length == UNDEFINED => VR::SQ,
            None => VR::UN,
        }
    }
}

/// Text by which an object is known, or that decides SUV.
const DECISIVE: [Tag; 17] = [
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::SERIES_DATE,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_DATE_TIME,
    tags::SERIES_TIME,
    tags::ACQUISITION_TIME,
    tags::MODALITY,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
];

/// Whether a repeated element leaves open what is true: two meanings of the pixels, of their place or of the patient
/// cannot both be right. Of other descriptions and of private elements the first counts.
fn contradict(tag: Tag, first: &Element, second: &Element) -> bool {
    match tag.group() {
        0x0008 | 0x0010 => DECISIVE.contains(&tag) && unpadded(first) != unpadded(second),
        group => group.is_multiple_of(2) && first != second,
    }
}

/// A text without the padding at its end.
fn unpadded(element: &Element) -> Option<&[u8]> {
    let Value::Bytes(bytes) = &element.value else { return None };
    let end = bytes.iter().rposition(|b| ![b' ', 0].contains(b)).map_or(0, |last| last + 1);
    bytes.get(..end)
}

/// FloatPixelData and DoubleFloatPixelData.
fn is_float_pixels(tag: Tag) -> bool {
    [tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA].contains(&tag)
}

fn dictionary_has_sequence(tag: Tag) -> bool {
    StandardDataDictionary.by_tag(tag).is_some_and(|entry| entry.vr() == VirtualVr::Exact(VR::SQ))
}

/// Whether values of a VR are in the character set of SpecificCharacterSet (PS3.5, 6.1.2.3).
pub(crate) fn is_text(vr: VR) -> bool {
    matches!(vr, VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT)
}

/// Puts a point for the comma of decimal numbers. Numbers with both, or with several commas, stay as they are.
fn point_for_comma(bytes: &mut [u8]) -> bool {
    let mut changed = false;
    for number in bytes.split_mut(|b| *b == b'\\') {
        let commas = number.iter().filter(|b| **b == b',').count();
        if commas == 1 && !number.contains(&b'.') {
            number.iter_mut().filter(|b| **b == b',').for_each(|b| *b = b'.');
            changed = true;
        }
    }
    changed
}

/// Whether an explicit element of this VR has a length of four bytes (PS3.5, 7.1.2).
pub(crate) fn has_long_length(vr: VR) -> bool {
    use VR::{OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV};
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

/// Converts big-endian values to little-endian.
fn swap(vr: VR, bytes: &mut [u8]) {
    let Some(width) = word_bytes(vr) else { return };
    for word in bytes.chunks_exact_mut(width) {
        word.reverse();
    }
}

/// Bytes of a word of a binary VR.
fn word_bytes(vr: VR) -> Option<usize> {
    Some(match vr {
        VR::US | VR::SS | VR::OW | VR::AT => 2,
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => return None,
    })
}
