//! Data sets that artir wrote, in Implicit VR Little Endian: for targets that take nothing else, as every node must.
//!
//! artir writes sequences and items with undefined lengths, so that only the headers of elements change.

use std::io::{self, Read};

const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
const UNDEFINED: u32 = 0xffff_ffff;

/// Reads Explicit VR Little Endian and returns Implicit VR Little Endian.
pub(super) struct Implicit<R> {
    from: R,
    /// A header that was not yet returned.
    head: Vec<u8>,
    /// Bytes of a value that follow.
    value: u64,
}

impl<R: Read> Implicit<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, head: Vec::new(), value: 0 }
    }

    /// Reads the next header. `false` at the end of the data set.
    fn next(&mut self) -> io::Result<bool> {
        let mut tag = [0; 4];
        if self.from.read(&mut tag[..1])? == 0 {
            return Ok(false);
        }
        self.from.read_exact(&mut tag[1..])?;
        let mut word = [0; 4];
        self.from.read_exact(&mut word)?;
        let unexpected = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let length = if tag[..2] == [0xfe, 0xff] {
            let length = u32::from_le_bytes(word);
            if length != 0 && length != UNDEFINED {
                return Err(unexpected("compressed pixels cannot be sent as Implicit VR Little Endian"));
            }
            length
        } else if LONG.iter().any(|vr| word[..2] == **vr) {
            let is_sequence = word[..2] == *b"SQ";
            self.from.read_exact(&mut word)?;
            let length = u32::from_le_bytes(word);
            if is_sequence != (length == UNDEFINED) {
                return Err(unexpected("a sequence of defined length, or another element of undefined length"));
            }
            length
        } else {
            u32::from(u16::from_le_bytes([word[2], word[3]]))
        };
        self.head.extend(tag);
        self.head.extend(length.to_le_bytes());
        self.value = if length == UNDEFINED { 0 } else { length.into() };
        Ok(true)
    }
}

impl<R: Read> Read for Implicit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.head.is_empty() && self.value == 0 {
            if !self.next()? {
                return Ok(0);
            }
        }
        if !self.head.is_empty() {
            let n = self.head.len().min(buffer.len());
            buffer[..n].copy_from_slice(&self.head[..n]);
            self.head.drain(..n);
            return Ok(n);
        }
        let n = usize::try_from(self.value).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.from.read(&mut buffer[..n])?;
        if n == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.value -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_change_and_values_stay() {
        let explicit = [
            b"\x08\x00\x60\x00CS\x02\x00CT".as_slice(),
            b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff",
            b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
            b"\x08\x00\x55\x11UI\x04\x001.2\x00",
            b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",
            b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",
            b"\xe0\x7f\x10\x00OW\x00\x00\x04\x00\x00\x00\x01\x02\x03\x04",
        ]
        .concat();
        let implicit = [
            b"\x08\x00\x60\x00\x02\x00\x00\x00CT".as_slice(),
            b"\x08\x00\x15\x11\xff\xff\xff\xff",
            b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
            b"\x08\x00\x55\x11\x04\x00\x00\x001.2\x00",
            b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",
            b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",
            b"\xe0\x7f\x10\x00\x04\x00\x00\x00\x01\x02\x03\x04",
        ]
        .concat();
        let mut out = Vec::new();
        Implicit::new(explicit.as_slice()).read_to_end(&mut out).unwrap();
        assert_eq!(out, implicit);
        for cut in 1..explicit.len() {
            let mut out = Vec::new();
            // Whole elements are a shorter data set; anything else is an error.
            if Implicit::new(&explicit[..cut]).read_to_end(&mut out).is_ok() {
                assert_eq!(out, implicit[..out.len()]);
            }
        }
        let fragments = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00";
        assert!(Implicit::new(fragments.as_slice()).read_to_end(&mut Vec::new()).is_err());
    }
}
