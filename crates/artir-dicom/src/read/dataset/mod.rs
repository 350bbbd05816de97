//! A data set whose values keep the bytes of their file.
//!
//! Text is never decoded and encoded again, so every character set, private attribute and padding is preserved. Only the
//! byte order is changed, to little-endian. Pixels stay in the file until a frame is read.

mod reader;

use std::collections::BTreeMap;

use dicom_core::{Tag, VR};

pub(crate) use self::reader::{Form, ReadError, Reader, Stop, has_long_length, is_text};

/// A value of an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Anything that is not a sequence, little-endian, with its padding.
    Bytes(Vec<u8>),
    /// A sequence.
    Items(Vec<DataSet>),
    /// Encapsulated pixels within a sequence (an icon), or private data of the same form; first the offset table.
    Fragments(Vec<Vec<u8>>),
    /// The pixels of the data set itself, which stay where they are.
    Pixels(Pixels),
}

/// Where the pixels of a file are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pixels {
    /// One block, in bytes from the start of the stream.
    Native { offset: u64, length: u64 },
    /// Fragments, each its offset and length, the offset table left out.
    Encapsulated { offsets: Vec<u64>, fragments: Vec<(u64, u32)> },
}

/// An element without its tag.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Element {
    pub(crate) vr: VR,
    pub(crate) value: Value,
}

/// Elements by tag.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DataSet {
    elements: BTreeMap<Tag, Element>,
}

impl DataSet {
    pub(crate) fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.get(&tag)
    }

    pub(crate) fn contains(&self, tag: Tag) -> bool {
        self.elements.contains_key(&tag)
    }

    pub(crate) fn insert(&mut self, tag: Tag, element: Element) -> Option<Element> {
        self.elements.insert(tag, element)
    }

    pub(crate) fn remove(&mut self, tag: Tag) -> Option<Element> {
        self.elements.remove(&tag)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Tag, &mut Element) -> bool) {
        self.elements.retain(keep);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Tag, &Element)> {
        self.elements.iter().map(|(tag, element)| (*tag, element))
    }

    /// A value's bytes.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match &self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// An attribute as text without its padding; `None` when it is absent, empty or not ASCII.
    pub(crate) fn text(&self, tag: Tag) -> Option<&str> {
        let bytes = self.bytes(tag).filter(|b| b.is_ascii())?;
        let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\0']);
        (!text.is_empty()).then_some(text)
    }

    /// The values of a text attribute, each trimmed.
    pub(crate) fn texts(&self, tag: Tag) -> Vec<&str> {
        self.text(tag).map(|t| t.split('\\').map(str::trim).collect()).unwrap_or_default()
    }

    /// An attribute's numbers; `None` when it is absent, empty, or one of them is no finite number.
    pub(crate) fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let element = self.get(tag)?;
        let Value::Bytes(bytes) = &element.value else { return None };
        let numbers: Vec<f64> = match element.vr {
            VR::US | VR::OW => words(bytes).map(|w| f64::from(u16::from_le_bytes(w))).collect(),
            VR::SS => words(bytes).map(|w| f64::from(i16::from_le_bytes(w))).collect(),
            VR::UL => words(bytes).map(|w| f64::from(u32::from_le_bytes(w))).collect(),
            VR::SL => words(bytes).map(|w| f64::from(i32::from_le_bytes(w))).collect(),
            VR::FL | VR::OF => words(bytes).map(|w| f64::from(f32::from_le_bytes(w))).collect(),
            VR::FD | VR::OD => words(bytes).map(f64::from_le_bytes).collect(),
            VR::UV => words(bytes).map(|w| u64::from_le_bytes(w) as f64).collect(),
            VR::SV => words(bytes).map(|w| i64::from_le_bytes(w) as f64).collect(),
            // A private DS or IS comes as UN from an implicit file.
            VR::DS | VR::IS | VR::UN => self.texts(tag).iter().map(|t| t.parse().ok()).collect::<Option<_>>()?,
            _ => return None,
        };
        (!numbers.is_empty() && numbers.iter().all(|n| n.is_finite())).then_some(numbers)
    }

    /// The first of an attribute's numbers.
    pub(crate) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// A number that is whole.
    pub(crate) fn integer(&self, tag: Tag) -> Option<i64> {
        self.number(tag).filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64)
    }

    /// Exactly N numbers.
    pub(crate) fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag)?.try_into().ok()
    }

    /// The items of a sequence; none when it is absent.
    pub(crate) fn items(&self, tag: Tag) -> &[Self] {
        match self.get(tag).map(|e| &e.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// The items of a sequence, to be changed; an empty sequence where there is none.
    pub(crate) fn items_mut(&mut self, tag: Tag) -> &mut Vec<Self> {
        let element = self.elements.entry(tag).or_insert(Element { vr: VR::SQ, value: Value::Items(Vec::new()) });
        if !matches!(element.value, Value::Items(_)) {
            *element = Element { vr: VR::SQ, value: Value::Items(Vec::new()) };
        }
        match &mut element.value {
            Value::Items(items) => items,
            _ => unreachable!("it was made a sequence above"),
        }
    }

    /// Puts text, padded to an even length as its VR asks.
    pub(crate) fn put_text(&mut self, tag: Tag, vr: VR, text: &str) {
        self.put_raw_text(tag, vr, text.as_bytes().to_vec());
    }

    /// Puts text that is encoded already.
    pub(crate) fn put_raw_text(&mut self, tag: Tag, vr: VR, mut bytes: Vec<u8>) {
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == VR::UI { 0 } else { b' ' });
        }
        self.insert(tag, Element { vr, value: Value::Bytes(bytes) });
    }

    /// Puts an unsigned number of two bytes.
    pub(crate) fn put_us(&mut self, tag: Tag, value: u16) {
        self.insert(tag, Element { vr: VR::US, value: Value::Bytes(value.to_le_bytes().to_vec()) });
    }

    /// Puts a sequence.
    pub(crate) fn put_items(&mut self, tag: Tag, items: Vec<Self>) {
        self.insert(tag, Element { vr: VR::SQ, value: Value::Items(items) });
    }

    /// A private attribute, found by the name of the block's owner (PS3.5, 7.8.1). One owner may have several blocks.
    pub(crate) fn private(&self, group: u16, owner: &str, element: u8) -> Option<Tag> {
        (0x10..=0xff).find_map(|block: u16| {
            // De-identification may have changed the case and the blanks of the name.
            let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
            let is_owner = self.text(Tag(group, block)).is_some_and(|name| plain(name) == plain(owner));
            let tag = Tag(group, block << 8 | u16::from(element));
            (is_owner && self.contains(tag)).then_some(tag)
        })
    }
}

pub(crate) fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|c| {
        let mut word = [0; N];
        word.copy_from_slice(c);
        word
    })
}

#[cfg(test)]
pub(crate) mod tests;
