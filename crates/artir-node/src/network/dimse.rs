//! Messages: command sets (PS3.7, chapter 9, 10 and annex E), and the few data sets that the node itself reads and writes.
//! Both are Implicit VR Little Endian.

use std::collections::BTreeMap;

/// Elements of group 0000.
pub(crate) mod element {
    pub(crate) const AFFECTED_CLASS: u16 = 0x0002;
    pub(crate) const REQUESTED_CLASS: u16 = 0x0003;
    pub(crate) const COMMAND: u16 = 0x0100;
    pub(crate) const MESSAGE_ID: u16 = 0x0110;
    pub(crate) const ANSWERED_ID: u16 = 0x0120;
    pub(crate) const PRIORITY: u16 = 0x0700;
    pub(crate) const DATA_SET_TYPE: u16 = 0x0800;
    pub(crate) const STATUS: u16 = 0x0900;
    pub(crate) const ERROR_COMMENT: u16 = 0x0902;
    pub(crate) const AFFECTED_INSTANCE: u16 = 0x1000;
    pub(crate) const REQUESTED_INSTANCE: u16 = 0x1001;
    pub(crate) const EVENT_TYPE: u16 = 0x1002;
    pub(crate) const ACTION_TYPE: u16 = 0x1008;
}

pub(crate) const C_STORE: u16 = 0x0001;
pub(crate) const C_ECHO: u16 = 0x0030;
pub(crate) const N_EVENT_REPORT: u16 = 0x0100;
pub(crate) const N_ACTION: u16 = 0x0130;
/// Set in the command field of a response.
pub(crate) const RESPONSE: u16 = 0x8000;
/// DataSetType of a message without a data set.
const NO_DATA_SET: u16 = 0x0101;
/// The largest command set that is taken, bytes.
pub(crate) const MOST_COMMAND: usize = 64 << 10;

/// A command set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    elements: BTreeMap<u16, Vec<u8>>,
}

impl Command {
    /// A request or response without a data set.
    pub(crate) fn new(field: u16) -> Self {
        Self::default().number(element::COMMAND, field).number(element::DATA_SET_TYPE, NO_DATA_SET)
    }

    /// The response to a request.
    pub(crate) fn response(to: &Self, status: u16) -> Self {
        let mut out = Self::new(to.get(element::COMMAND).unwrap_or(0) | RESPONSE)
            .number(element::ANSWERED_ID, to.get(element::MESSAGE_ID).unwrap_or(0))
            .number(element::STATUS, status);
        for tag in [element::AFFECTED_CLASS, element::AFFECTED_INSTANCE, element::EVENT_TYPE] {
            if let Some(value) = to.elements.get(&tag) {
                out.elements.insert(tag, value.clone());
            }
        }
        out
    }

    pub(crate) fn number(mut self, tag: u16, value: u16) -> Self {
        self.elements.insert(tag, value.to_le_bytes().to_vec());
        self
    }

    /// Puts text, padded with `pad` to an even length.
    fn padded(mut self, tag: u16, text: &str, pad: u8) -> Self {
        self.elements.insert(tag, even(text, pad));
        self
    }

    pub(crate) fn uid(self, tag: u16, uid: &str) -> Self {
        self.padded(tag, uid, 0)
    }

    /// Why a request failed, in at most 64 characters (VR LO).
    pub(crate) fn comment(self, text: &str) -> Self {
        let short: String = text.chars().filter(|c| (' '..='~').contains(c) && *c != '\\').take(64).collect();
        self.padded(element::ERROR_COMMENT, &short, b' ')
    }

    /// Says that a data set follows.
    pub(crate) fn with_data_set(self) -> Self {
        self.number(element::DATA_SET_TYPE, 1)
    }

    pub(crate) fn has_data_set(&self) -> bool {
        self.get(element::DATA_SET_TYPE) != Some(NO_DATA_SET)
    }

    pub(crate) fn get(&self, tag: u16) -> Option<u16> {
        let value = self.elements.get(&tag)?;
        Some(u16::from_le_bytes(value.as_slice().try_into().ok()?))
    }

    pub(crate) fn text(&self, tag: u16) -> Option<&str> {
        text(self.elements.get(&tag)?)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (tag, value) in &self.elements {
            put(&mut body, (0, *tag), value);
        }
        let mut out = Vec::new();
        put(&mut out, (0, 0), &(body.len() as u32).to_le_bytes());
        out.extend(body);
        out
    }

    /// `None` for bytes that are no command set.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = bytes;
        let mut out = Self::default();
        while !at.is_empty() {
            let (tag, length) = head(&mut at)?;
            let value = at.split_off(..usize::try_from(length).ok()?)?;
            if tag.0 != 0 {
                return None;
            }
            if tag.1 != 0 {
                out.elements.insert(tag.1, value.to_vec());
            }
        }
        Some(out)
    }
}

fn even(text: &str, pad: u8) -> Vec<u8> {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(pad);
    }
    value
}

/// A value as text without its padding.
fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?.trim_matches(['\0', ' ']);
    (!text.is_empty()).then_some(text)
}

type Tag = (u16, u16);

fn put(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    put_head(out, tag, value.len() as u32);
    out.extend(value);
}

fn put_head(out: &mut Vec<u8>, tag: Tag, length: u32) {
    out.extend(tag.0.to_le_bytes());
    out.extend(tag.1.to_le_bytes());
    out.extend(length.to_le_bytes());
}

fn head(at: &mut &[u8]) -> Option<(Tag, u32)> {
    let head = at.split_off(..8)?;
    let word = |i: usize| u16::from_le_bytes([head[i], head[i + 1]]);
    Some(((word(0), word(2)), u32::from_le_bytes([head[4], head[5], head[6], head[7]])))
}

const ITEM: Tag = (0xfffe, 0xe000);
const ITEM_END: Tag = (0xfffe, 0xe00d);
const SEQUENCE_END: Tag = (0xfffe, 0xe0dd);
const UNDEFINED: u32 = 0xffff_ffff;
const CLASS: Tag = (0x0008, 0x1150);
const INSTANCE: Tag = (0x0008, 0x1155);
const TRANSACTION: Tag = (0x0008, 0x1195);
const FAILURE_REASON: Tag = (0x0008, 0x1197);
const FAILED: Tag = (0x0008, 0x1198);
const REFERENCED: Tag = (0x0008, 0x1199);
/// The largest data set that the node itself reads, bytes: a report of some 10,000 objects.
pub(crate) const MOST_DATA_SET: usize = 2 << 20;

/// An object that a storage commitment names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) class: String,
    pub(crate) instance: String,
}

/// A request for storage commitment (PS3.4, J.3.2.1): its data set.
pub(crate) fn commitment_request(transaction: &str, objects: &[Reference]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, TRANSACTION, &even(transaction, 0));
    put_head(&mut out, REFERENCED, UNDEFINED);
    for object in objects {
        let mut item = Vec::new();
        put(&mut item, CLASS, &even(&object.class, 0));
        put(&mut item, INSTANCE, &even(&object.instance, 0));
        put(&mut out, ITEM, &item);
    }
    put_head(&mut out, SEQUENCE_END, 0);
    out
}

/// The report of a storage commitment (PS3.4, J.3.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommitmentReport {
    pub(crate) transaction: String,
    /// SOPInstanceUIDs that the target keeps.
    pub(crate) kept: Vec<String>,
    /// SOPInstanceUIDs that it does not keep, with its reasons.
    pub(crate) failed: Vec<(String, u16)>,
}

impl CommitmentReport {
    /// `None` for bytes that are no such report.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = bytes;
        let mut out = Self::default();
        while !at.is_empty() {
            let (tag, length) = head(&mut at)?;
            if tag == REFERENCED || tag == FAILED {
                for item in items(&mut at, length)? {
                    let instance = item.instance?;
                    match tag {
                        REFERENCED => out.kept.push(instance),
                        _ => out.failed.push((instance, item.reason.unwrap_or(0))),
                    }
                }
            } else {
                let value = at.split_off(..usize::try_from(length).ok()?)?;
                if tag == TRANSACTION {
                    out.transaction = text(value)?.to_owned();
                }
            }
        }
        (!out.transaction.is_empty()).then_some(out)
    }
}

#[derive(Default)]
struct Item {
    instance: Option<String>,
    reason: Option<u16>,
}

/// The items of a sequence whose header was read.
fn items(at: &mut &[u8], length: u32) -> Option<Vec<Item>> {
    let mut inside = if length == UNDEFINED { *at } else { at.split_off(..usize::try_from(length).ok()?)? };
    let mut out = Vec::new();
    loop {
        if inside.is_empty() && length != UNDEFINED {
            return Some(out);
        }
        let (tag, item_length) = head(&mut inside)?;
        match tag {
            SEQUENCE_END if length == UNDEFINED => {
                *at = inside;
                return Some(out);
            }
            ITEM => out.push(item(&mut inside, item_length)?),
            _ => return None,
        }
    }
}

fn item(at: &mut &[u8], length: u32) -> Option<Item> {
    let mut inside = if length == UNDEFINED { *at } else { at.split_off(..usize::try_from(length).ok()?)? };
    let mut out = Item::default();
    loop {
        if inside.is_empty() && length != UNDEFINED {
            return Some(out);
        }
        let (tag, length_of_value) = head(&mut inside)?;
        if tag == ITEM_END && length == UNDEFINED {
            *at = inside;
            return Some(out);
        }
        let value = inside.split_off(..usize::try_from(length_of_value).ok()?)?;
        match tag {
            INSTANCE => out.instance = text(value).map(str::to_owned),
            FAILURE_REASON => out.reason = value.try_into().ok().map(u16::from_le_bytes),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_they_were_written() {
        let request = Command::new(C_STORE)
            .number(element::MESSAGE_ID, 7)
            .number(element::PRIORITY, 0)
            .uid(element::AFFECTED_CLASS, "1.2.3")
            .uid(element::AFFECTED_INSTANCE, "1.2.3.4")
            .with_data_set();
        let bytes = request.bytes();
        assert_eq!(Command::read(&bytes).unwrap(), request);
        assert!(request.has_data_set() && bytes.len().is_multiple_of(2));
        let response = Command::response(&request, 0xa700).comment("the disk is full\\");
        assert_eq!(response.get(element::COMMAND), Some(0x8001));
        assert_eq!((response.get(element::ANSWERED_ID), response.get(element::STATUS)), (Some(7), Some(0xa700)));
        assert_eq!(response.text(element::AFFECTED_INSTANCE), Some("1.2.3.4"));
        assert_eq!(response.text(element::ERROR_COMMENT), Some("the disk is full"));
        assert!(!response.has_data_set());
        for cut in 1..bytes.len() {
            // Whole elements are a shorter command set; anything else is none.
            if let Some(command) = Command::read(&bytes[..cut]) {
                assert!(command.elements.len() < request.elements.len());
            }
        }
        assert_eq!(Command::read(&[8, 0, 0x18, 0, 0, 0, 0, 0]), None, "of another group");
    }

    #[test]
    fn reports_are_read_with_defined_and_undefined_lengths() {
        let mut item = Vec::new();
        put(&mut item, CLASS, b"1.2.\0\0");
        put(&mut item, INSTANCE, b"1.2.3\0");
        let mut failed_item = Vec::new();
        put(&mut failed_item, INSTANCE, b"1.2.4\0");
        put(&mut failed_item, FAILURE_REASON, &0x0112_u16.to_le_bytes());
        let expected = CommitmentReport {
            transaction: "2.25.1".into(),
            kept: vec!["1.2.3".into()],
            failed: vec![("1.2.4".into(), 0x0112)],
        };
        for undefined in [false, true] {
            let wrap = |tag: Tag, inside: &[u8], end: Tag| {
                let mut out = Vec::new();
                if undefined {
                    put_head(&mut out, tag, UNDEFINED);
                    out.extend(inside);
                    put_head(&mut out, end, 0);
                } else {
                    put(&mut out, tag, inside);
                }
                out
            };
            let mut bytes = Vec::new();
            put(&mut bytes, TRANSACTION, b"2.25.1");
            bytes.extend(wrap(FAILED, &wrap(ITEM, &failed_item, ITEM_END), SEQUENCE_END));
            bytes.extend(wrap(REFERENCED, &wrap(ITEM, &item, ITEM_END), SEQUENCE_END));
            assert_eq!(CommitmentReport::read(&bytes), Some(expected.clone()), "undefined: {undefined}");
            for cut in 0..bytes.len() {
                // No cut is a panic, and none is the whole report.
                assert_ne!(CommitmentReport::read(&bytes[..cut]), Some(expected.clone()));
            }
        }
        let request = commitment_request("2.25.1", &[Reference { class: "1.2".into(), instance: "1.2.3".into() }]);
        let read = CommitmentReport::read(&request).unwrap();
        assert_eq!((read.transaction.as_str(), read.kept), ("2.25.1", vec!["1.2.3".to_owned()]));
    }
}
