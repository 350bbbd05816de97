//! Elements whose VR is not known: the length of their value, and whether it holds items.

use std::io::{Read, Seek};

use dicom_core::{Tag, VR};

use super::{Form, Head, ITEM_END, ReadError, Reader, Repair, SEQUENCE_END, UNDEFINED};
use crate::read::dataset::DataSet;

/// The most elements that are read again in another encoding: each may hold others.
const MAX_RETRIES: usize = 64;
impl<R: Read + Seek> Reader<R> {
    /// The header of an explicit element whose VR is unknown: its length may have two or four bytes, or be in place of the
    /// VR. The next header tells which.
    pub(super) fn head_without_vr(&mut self, tag: Tag, letters: [u8; 2], end: u64) -> Result<Head, ReadError> {
        let start = self.at;
        let no_vr = || ReadError::Damaged(format!("{tag} has no value representation"));
        let short = self.u16()?;
        let implicit = match self.form.big_endian {
            false => u32::from(letters[0]) | u32::from(letters[1]) << 8 | u32::from(short) << 16,
            true => u32::from(letters[0]) << 24 | u32::from(letters[1]) << 16 | u32::from(short),
        };
        let long = if short == 0 { self.u32().ok() } else { None };
        let ways = [(start + 2, Some(u32::from(short))), (start + 6, long), (start + 2, Some(implicit))];
        for (at, length) in ways {
            let Some(length) = length.filter(|n| *n != UNDEFINED) else { continue };
            if self.follows(tag, at + u64::from(length), end)? {
                self.seek(at)?;
                self.repairs.insert(Repair::UnknownVr);
                return Ok(Head { tag, vr: None, length });
            }
        }
        Err(no_vr())
    }

    /// Whether an element after `tag`, or an end, is at a place.
    fn follows(&mut self, tag: Tag, at: u64, end: u64) -> Result<bool, ReadError> {
        if at == end || at == self.length {
            return Ok(true);
        }
        if at > end || self.length - at < 8 {
            return Ok(false);
        }
        self.seek(at)?;
        let next = Tag(self.u16()?, self.u16()?);
        let letters = self.take()?;
        Ok([ITEM_END, SEQUENCE_END].contains(&next) || next > tag && VR::from_binary(letters).is_some())
    }

    /// The items of a sequence whose VR was not known to its writer. They are encoded implicitly (PS3.5, 6.2.2, note 4), but
    /// some archives encode them explicitly.
    pub(super) fn unknown_items(&mut self, end: Option<u64>, depth: usize) -> Result<Vec<DataSet>, ReadError> {
        let start = self.at;
        let form = std::mem::replace(&mut self.form, Form::IMPLICIT);
        let mut items = self.items(end, depth);
        self.retries += 1;
        if matches!(items, Err(ReadError::Damaged(_))) && self.retries <= MAX_RETRIES {
            self.seek(start)?;
            self.form = Form::EXPLICIT;
            items = self.items(end, depth);
            if items.is_ok() {
                self.repairs.insert(Repair::SequenceAsUnknown);
            }
        }
        self.form = form;
        items
    }
}
