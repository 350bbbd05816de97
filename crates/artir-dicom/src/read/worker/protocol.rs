//! Messages between artir and its decoder process. Neither side allocates by a length before the bytes have arrived.

use std::{
    borrow::Cow,
    io::{self, Read, Write},
};

use crate::{CodecError, read::codec::Layout};

/// The longest block: twice the bytes of the largest frame.
const MAX_BLOCK: u32 = 256 << 20;
/// The longest transfer syntax, a UID (PS3.5, 9.1).
const MAX_SYNTAX: u16 = 64;
/// The most pixels of a frame, as in a header.
const MAX_PIXELS: usize = crate::read::frame::MAX_PIXELS;
/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;

/// One frame to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) syntax: String,
    pub(crate) layout: Layout,
    pub(crate) stream: Vec<u8>,
}

/// The frame's pixels as little-endian bytes, or the reason why there are none.
pub(crate) type Answer = Result<Vec<u8>, CodecError>;

impl Request {
    /// Encodes a request.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a request that [`Request::read`] would refuse.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        self.check().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let Layout { rows, columns, bits_allocated, bits_stored } = self.layout;
        let mut out = Vec::with_capacity(self.stream.len() + 128);
        for word in [rows, columns, bits_allocated, bits_stored, self.syntax.len() as u16] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.syntax.as_bytes());
        out.extend((self.stream.len() as u32).to_le_bytes());
        out.extend(&self.stream);
        Ok(out)
    }

    /// Reads a request; `None` at the end of the input.
    ///
    /// # Errors
    /// Errors of the pipe, and [`io::ErrorKind::InvalidData`] for bytes that are not a request.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut first = [0; 1];
        if from.read(&mut first)? == 0 {
            return Ok(None);
        }
        let rows = u16::from_le_bytes([first[0], take::<1>(from)?[0]]);
        let mut word = || take::<2>(from).map(u16::from_le_bytes);
        let (columns, bits_allocated, bits_stored, length) = (word()?, word()?, word()?, word()?);
        if length > MAX_SYNTAX {
            return Err(invalid("a transfer syntax that is too long"));
        }
        let mut syntax = vec![0; length.into()];
        from.read_exact(&mut syntax)?;
        let syntax = String::from_utf8(syntax).map_err(|_| invalid("a transfer syntax that is not text"))?;
        let layout = Layout { rows, columns, bits_allocated, bits_stored };
        let request = Self { syntax, layout, stream: Vec::new() };
        request.check().map_err(invalid)?;
        Ok(Some(Self { stream: read_block(from)?, ..request }))
    }

    fn check(&self) -> Result<(), &'static str> {
        let Layout { bits_allocated, bits_stored, .. } = self.layout;
        if ![8, 16].contains(&bits_allocated) || !(1..=bits_allocated).contains(&bits_stored) {
            return Err("a frame of samples that no header has");
        }
        if self.layout.pixels() == 0 || self.layout.pixels() > MAX_PIXELS {
            return Err("a frame of a size that no header has");
        }
        if self.syntax.len() > usize::from(MAX_SYNTAX) {
            return Err("a transfer syntax that is too long");
        }
        if self.stream.len() > MAX_BLOCK as usize {
            return Err("a compressed frame that is too long");
        }
        Ok(())
    }
}

/// Sends an answer.
///
/// # Errors
/// Errors of the pipe.
pub(crate) fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let (status, bytes) = match answer {
        Ok(bytes) => (0, Cow::Borrowed(bytes.as_slice())),
        Err(reason) => (1, Cow::Owned(reason.to_string().into_bytes())),
    };
    to.write_all(&[status])?;
    to.write_all(&(bytes.len() as u32).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads an answer. A reason is shown to the user, so it is cut short and freed of control characters.
///
/// # Errors
/// Errors of the pipe, and [`io::ErrorKind::InvalidData`] for bytes that are not an answer.
pub(crate) fn read_answer(from: &mut impl Read) -> io::Result<Answer> {
    let [status] = take::<1>(from)?;
    let bytes = read_block(from)?;
    match status {
        0 => Ok(Ok(bytes)),
        1 => {
            let text = String::from_utf8_lossy(&bytes);
            let reason: String = text.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
            Ok(Err(CodecError::new(reason)))
        }
        _ => Err(invalid("an answer of an unknown kind")),
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_block(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(take(from)?);
    if length > MAX_BLOCK {
        return Err(invalid("a message that is too long"));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let layout = Layout { rows: 2, columns: 3, bits_allocated: 16, bits_stored: 12 };
        Request { syntax: "1.2.840.10008.1.2.4.90".into(), layout, stream: vec![1, 2, 3, 4, 5] }
    }

    #[test]
    fn requests_and_answers_read_back() {
        let bytes = request().bytes().unwrap();
        let two = [bytes.clone(), bytes.clone()].concat();
        let mut from = two.as_slice();
        assert_eq!(Request::read(&mut from).unwrap(), Some(request()));
        assert_eq!(Request::read(&mut from).unwrap(), Some(request()));
        assert_eq!(Request::read(&mut from).unwrap(), None);
        for cut in 1..bytes.len() {
            assert!(Request::read(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        for answer in [Ok(vec![1, 2, 3]), Ok(Vec::new()), Err(CodecError::new("it is damaged"))] {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, &answer).unwrap();
            assert_eq!(read_answer(&mut bytes.as_slice()).unwrap(), answer);
            for cut in 0..bytes.len() {
                assert!(read_answer(&mut &bytes[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn what_no_partner_sends_is_refused_before_memory_is_taken() {
        let good = request();
        let layout = |rows, columns, bits_allocated, bits_stored| Layout { rows, columns, bits_allocated, bits_stored };
        for layout in [
            layout(65535, 65535, 16, 16),
            layout(0, 5, 16, 16),
            layout(5, 5, 32, 16),
            layout(5, 5, 8, 9),
            layout(5, 5, 16, 0),
        ] {
            assert!(Request { layout, ..good.clone() }.bytes().is_err(), "{layout:?}");
            let mut bytes = good.bytes().unwrap();
            let Layout { rows, columns, bits_allocated, bits_stored } = layout;
            for (at, word) in [rows, columns, bits_allocated, bits_stored].into_iter().enumerate() {
                bytes[2 * at..2 * at + 2].copy_from_slice(&word.to_le_bytes());
            }
            assert!(Request::read(&mut bytes.as_slice()).is_err(), "{layout:?}");
        }
        let mut long = good.bytes().unwrap();
        let length_at = 10 + good.syntax.len();
        long[length_at..length_at + 4].fill(0xff);
        assert!(Request::read(&mut long.as_slice()).is_err());
        assert!(read_answer(&mut [0, 0xff, 0xff, 0xff, 0xff].as_slice()).is_err());
        assert!(read_answer(&mut [7, 0, 0, 0, 0].as_slice()).is_err());
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, &Err(CodecError::new(format!("a\u{1b}[2J\nb{}", "c".repeat(9999))))).unwrap();
        let reason = read_answer(&mut bytes.as_slice()).unwrap().unwrap_err().to_string();
        assert!(reason.starts_with("a[2Jbc") && reason.len() == MAX_REASON, "{reason}");
    }
}
