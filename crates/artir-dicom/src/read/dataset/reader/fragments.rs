//! Encapsulated pixels: the places of their fragments (PS3.5, A.4).

use std::io::{Read, Seek};

use super::{ITEM, ReadError, Reader, Repair, SEQUENCE_END, damaged};
use crate::read::dataset::{Pixels, Value, words};

impl<R: Read + Seek> Reader<R> {
    /// The places of a frame's fragments; the offset table is read.
    pub(super) fn fragments(&mut self) -> Result<Pixels, ReadError> {
        let mut table = None;
        let mut fragments = Vec::new();
        loop {
            let start = self.at;
            let found_any = !fragments.is_empty();
            if self.left() < 8 && found_any {
                self.repairs.insert(Repair::NoDelimiter);
                self.seek(self.length)?;
                break;
            }
            let head = match self.head(self.length) {
                Err(ReadError::Damaged(_)) if found_any => {
                    self.repairs.insert(Repair::NoDelimiter);
                    self.seek(start)?;
                    break;
                }
                head => head?,
            };
            match head.tag {
                SEQUENCE_END => {
                    if head.length != 0 {
                        self.repairs.insert(Repair::NoDelimiter);
                    }
                    break;
                }
                ITEM if u64::from(head.length) > self.left() => {
                    return damaged(format!("a fragment claims {} bytes, but {} are left", head.length, self.left()));
                }
                ITEM if table.is_none() => table = Some(self.value(head.length)?),
                ITEM => {
                    fragments.push((self.at, head.length));
                    self.seek(self.at + u64::from(head.length))?;
                }
                // Something else takes the place of the delimiter.
                _ if found_any => {
                    self.repairs.insert(Repair::NoDelimiter);
                    self.seek(start)?;
                    break;
                }
                other => return damaged(format!("{other} appears among the fragments of the pixels")),
            }
        }
        let table = table.unwrap_or_default();
        let offsets = words(&table).map(u32::from_le_bytes).map(u64::from).collect();
        Ok(Pixels::Encapsulated { offsets, fragments })
    }

    /// A value of undefined length and of VR OB or OW that is no pixels: some writers encapsulate private data, and
    /// some give a sequence this VR.
    pub(super) fn fragments_or_items(&mut self, depth: usize) -> Result<Value, ReadError> {
        let start = self.at;
        match self.small_fragments() {
            Err(ReadError::Damaged(_)) => {
                self.seek(start)?;
                Ok(Value::Items(self.items(None, depth)?))
            }
            fragments => fragments.map(Value::Fragments),
        }
    }

    pub(super) fn small_fragments(&mut self) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut fragments = Vec::new();
        loop {
            let head = self.head(self.length)?;
            match head.tag {
                SEQUENCE_END => return Ok(fragments),
                ITEM => fragments.push(self.value(head.length)?),
                other => return damaged(format!("{other} appears among the fragments of an icon")),
            }
        }
    }
}
