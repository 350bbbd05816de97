//! What GDAL does not tell of a TIFF file: a few tags of its first directory (TIFF 6.0, sections 2 and 8; BigTIFF).

use crate::ffi;

/// Tags of the first directory, as far as they decide how the result is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// 64-bit offsets.
    pub(crate) big: bool,
    /// Tag 262: 0 white is zero, 1 black is zero, 2 RGB, …
    pub(crate) photometric: Option<u64>,
    /// Tag 317: 2 horizontal differences, 3 floating point.
    pub(crate) predictor: Option<u64>,
    /// Tag 322 is there.
    pub(crate) tiled: bool,
    /// Tag 338, first value: 1 associated (premultiplied) alpha, 2 unassociated.
    pub(crate) extra_sample: Option<u64>,
}

/// Bytes that are looked at; a directory further back is read from its place.
const START: usize = 1 << 16;

impl Tags {
    /// Reads the tags of a file; `None` when it is no TIFF.
    pub(crate) fn read(path: &str) -> Option<Self> {
        Self::parse(&mut |at, length| ffi::read_part(path, at, length))
    }

    /// Reads the tags of a file that `fetch` reads parts of: fewer bytes than were asked for where the file ends.
    pub(crate) fn parse(fetch: &mut dyn FnMut(u64, usize) -> Option<Vec<u8>>) -> Option<Self> {
        let start = fetch(0, START)?;
        let little = match start.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let number = |bytes: &[u8]| {
            let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
            if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
        };
        let big = match number(start.get(2..4)?) {
            42 => false,
            43 => true,
            _ => return None,
        };
        let (offset, count_bytes, entry_bytes, value_at) =
            if big { (number(start.get(8..16)?), 8, 20, 12) } else { (number(start.get(4..8)?), 2, 12, 8) };
        let count = number(&fetch(offset, count_bytes)?);
        let count = usize::try_from(count).ok().filter(|n| *n <= 4096)?;
        let entries = fetch(offset.checked_add(count_bytes as u64)?, count * entry_bytes)?;
        let mut out = Self { big, ..Self::default() };
        for entry in entries.chunks_exact(entry_bytes) {
            // Short and long values stand in the entry, its first value first.
            let width = match number(&entry[2..4]) {
                3 => 2,
                4 => 4,
                _ => continue,
            };
            let value = Some(number(&entry[value_at..value_at + width]));
            match number(&entry[..2]) {
                262 => out.photometric = value,
                317 => out.predictor = value,
                322 => out.tiled = true,
                338 => out.extra_sample = value,
                _ => {}
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &[u8]) -> Option<Tags> {
        Tags::parse(&mut |at, length| {
            let rest = file.get(usize::try_from(at).ok()?..)?;
            Some(rest[..length.min(rest.len())].to_vec())
        })
    }

    #[test]
    fn both_byte_orders_and_sizes_are_read() {
        let mut little = b"II\x2a\0\x08\0\0\0\x02\0".to_vec();
        little.extend(b"\x06\x01\x03\0\x01\0\0\0\x02\0\0\0");
        little.extend(b"\x3d\x01\x03\0\x01\0\0\0\x02\0\0\0");
        let tags = parse(&little).unwrap();
        assert_eq!((tags.photometric, tags.predictor, tags.tiled, tags.big), (Some(2), Some(2), false, false));
        let mut big = b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01".to_vec();
        big.extend(b"\x01\x42\0\x03\0\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0");
        assert!(parse(&big).is_some_and(|t| t.big && t.tiled));
    }

    #[test]
    fn what_is_no_tiff_or_is_cut_short_is_none() {
        assert_eq!(parse(b"PNG"), None);
        assert_eq!(parse(b"II\x2a\0\xff\xff\0\0"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"II\x2a\0\x08\0\0\0\xff\xff"), None);
    }
}
