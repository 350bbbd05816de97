//! TIFF tags that GDAL does not report, from the first directory (TIFF 6.0, sections 2 and 8; BigTIFF).

use crate::ffi;

/// Tags of the first directory that determine the layout of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// 64-bit offsets.
    pub(crate) big: bool,
    /// Tag 262: 0 white is zero, 1 black is zero, 2 RGB, …
    pub(crate) photometric: Option<u64>,
    /// Tag 317: 2 horizontal differences, 3 floating point.
    pub(crate) predictor: Option<u64>,
    /// Tag 322 is present.
    pub(crate) tiled: bool,
    /// Tag 338, first value: 1 associated (premultiplied) alpha, 2 unassociated.
    pub(crate) extra_sample: Option<u64>,
    /// Tag 274: 1 if the first row is at the top and the first column at the left, 2 to 8 for other places.
    pub(crate) orientation: Option<u64>,
}

/// Directories of one file that are looked at.
const MOST_DIRECTORIES: usize = 1024;

/// Reads so many bytes from a place in a file; fewer where it ends.
type Fetch<'a> = &'a mut dyn FnMut(u64, usize) -> Option<Vec<u8>>;

impl Tags {
    /// Reads the tags of a file; `None` if it is not a TIFF.
    pub(crate) fn read(path: &str) -> Option<Self> {
        Self::parse(&mut |at, length| ffi::read_part(path, at, length))
    }

    pub(crate) fn parse(fetch: Fetch<'_>) -> Option<Self> {
        let form = Form::of(&fetch(0, 16)?)?;
        let mut out = Self { big: form.big, ..Self::default() };
        let (entries, _) = form.directory(form.first, fetch)?;
        for entry in entries.chunks_exact(form.entry_bytes()) {
            let Some((tag, value)) = form.entry(entry) else { continue };
            match tag {
                262 => out.photometric = Some(value),
                274 => out.orientation = Some(value),
                317 => out.predictor = Some(value),
                322 => out.tiled = true,
                338 => out.extra_sample = Some(value),
                _ => {}
            }
        }
        Some(out)
    }
}

/// Whether a directory of a TIFF gives its colours by white point and primaries (tags 318 and 319) for values of more than 16
/// bits. For such, libtiff makes up a transfer function with an entry for each value, which GDAL (3.6.2) asks for with every
/// list of metadata domains: 2^32 entries of a file of 3 kB.
pub(crate) fn has_endless_profile(path: &str) -> bool {
    endless_profile(&mut |at, length| ffi::read_part(path, at, length)).unwrap_or(false)
}

pub(crate) fn endless_profile(fetch: Fetch<'_>) -> Option<bool> {
    let form = Form::of(&fetch(0, 16)?)?;
    let mut at = form.first;
    for _ in 0..MOST_DIRECTORIES {
        if at == 0 {
            break;
        }
        let (entries, next) = form.directory(at, fetch)?;
        // Of several entries of one tag, libtiff takes the first. Reading each of them could take millions of reads.
        let first = |tag| entries.chunks_exact(form.entry_bytes()).find(|entry| form.number(&entry[..2]) == tag);
        let colours = first(318).is_some() && first(319).is_some();
        // Bits that cannot be read may be many.
        if colours && first(258).is_some_and(|entry| form.bits(entry, fetch).is_none_or(|bits| bits > 16)) {
            return Some(true);
        }
        at = next;
    }
    Some(false)
}

/// How a TIFF's numbers are stored.
struct Form {
    little: bool,
    big: bool,
    /// Where its first directory begins.
    first: u64,
}

impl Form {
    fn of(start: &[u8]) -> Option<Self> {
        let little = match start.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let mut out = Self { little, big: false, first: 0 };
        out.big = match out.number(start.get(2..4)?) {
            42 => false,
            43 => true,
            _ => return None,
        };
        out.first = out.number(if out.big { start.get(8..16)? } else { start.get(4..8)? });
        Some(out)
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
        if self.little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
    }

    fn entry_bytes(&self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// The entries of the directory at an offset, and the offset of the next; 0 ends the chain.
    fn directory(&self, at: u64, fetch: Fetch<'_>) -> Option<(Vec<u8>, u64)> {
        let (count_bytes, offset_bytes) = if self.big { (8, 8) } else { (2, 4) };
        let count = self.number(fetch(at, count_bytes)?.get(..count_bytes)?);
        let count = usize::try_from(count).ok().filter(|n| *n <= 4096)?;
        let length = count * self.entry_bytes();
        let mut entries = fetch(at.checked_add(count_bytes as u64)?, length + offset_bytes)?;
        // A file can end right behind its last directory, or within it.
        let next = entries.get(length..length + offset_bytes).map_or(0, |b| self.number(b));
        if entries.len() < length {
            return None;
        }
        entries.truncate(length);
        Some((entries, next))
    }

    /// Tag and first value of an entry of short or long values, which are stored in the entry itself.
    fn entry(&self, entry: &[u8]) -> Option<(u64, u64)> {
        let width = match self.number(&entry[2..4]) {
            3 => 2,
            4 => 4,
            _ => return None,
        };
        let at = if self.big { 12 } else { 8 };
        Some((self.number(&entry[..2]), self.number(&entry[at..at + width])))
    }

    /// Bits of a value (tag 258) of the first band. Numbers of several bands can lie elsewhere in the file. `None` for numbers
    /// that are no integers.
    fn bits(&self, entry: &[u8], fetch: Fetch<'_>) -> Option<u64> {
        let width = match self.number(&entry[2..4]) {
            1 | 6 => 1,
            3 | 8 => 2,
            4 | 9 => 4,
            16 | 17 => 8,
            _ => return None,
        };
        let (count_at, at) = if self.big { (4, 12) } else { (4, 8) };
        let here = entry.len() - at;
        let count = self.number(&entry[count_at..at]);
        if count.checked_mul(width as u64)? <= here as u64 {
            return Some(self.number(entry.get(at..at + width)?));
        }
        Some(self.number(fetch(self.number(&entry[at..]), width)?.get(..width)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &[u8]) -> Option<Tags> {
        Tags::parse(&mut of(file))
    }

    /// As a file is read: up to its end.
    fn of(file: &[u8]) -> impl FnMut(u64, usize) -> Option<Vec<u8>> + '_ {
        |at, length| {
            let rest = file.get(usize::try_from(at).ok()?..)?;
            let read = rest[..length.min(rest.len())].to_vec();
            (!read.is_empty() || length == 0).then_some(read)
        }
    }

    #[test]
    fn a_profile_that_gdal_never_ends_to_read_is_seen() {
        let file = |bits: u8, tags: &[u8], next: &[u8]| {
            let mut out = b"II\x2a\0\x08\0\0\0".to_vec();
            out.extend([1 + tags.len() as u8, 0]);
            out.extend([2, 1, 3, 0, 1, 0, 0, 0, bits, 0, 0, 0]);
            for tag in tags {
                out.extend([*tag, 1, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
            }
            out.extend(next);
            out
        };
        let seen = |bytes: &[u8]| endless_profile(&mut of(bytes)).unwrap_or(false);
        let end = [0; 4];
        assert!(seen(&file(32, &[62, 63], &end)), "white point and primaries of 32-bit values");
        assert!(!seen(&file(16, &[62, 63], &end)) && !seen(&file(32, &[62], &end)));
        assert!(!seen(&file(32, &[], &[8, 0, 0, 0])), "a chain that bites its tail ends");
        assert!(!seen(&file(32, &[62, 62], &end)), "one of both, twice");
        let bits = |entries: &[[u8; 10]]| {
            let mut out = b"II\x2a\0\x08\0\0\0".to_vec();
            out.extend([2 + entries.len() as u8, 0]);
            entries.iter().for_each(|entry| out.extend([&[2, 1], &entry[..]].concat()));
            [62, 63].iter().for_each(|tag| out.extend([*tag, 1, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0]));
            out.extend(end);
            seen(&out)
        };
        let short = |bits: u8| [3, 0, 1, 0, 0, 0, bits, 0, 0, 0];
        assert!(bits(&[short(32), short(8)]) && !bits(&[short(8), short(32)]), "the first entry of a tag counts");
        assert!(bits(&[[1, 0, 3, 0, 0, 0, 32, 32, 32, 0], short(8)]), "bytes");
        assert!(bits(&[[4, 0, 1, 0, 0, 0, 32, 0, 0, 0]]) && !bits(&[[4, 0, 1, 0, 0, 0, 16, 0, 0, 0]]), "long numbers");
        assert!(bits(&[[12, 0, 1, 0, 0, 0, 0, 0, 0, 0]]), "what cannot be read may be any number");
        let mut second = file(8, &[], &[26, 0, 0, 0]);
        second.extend(&file(64, &[62, 63], &end)[8..]);
        assert!(seen(&second), "any directory counts");
    }

    #[test]
    fn a_file_of_repeated_tags_takes_few_reads() {
        // A directory of white point, primaries and many entries for bits that lie elsewhere, next after itself.
        let count = 4000u16;
        let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
        file.extend(count.to_le_bytes());
        for tag in [62, 63].into_iter().chain(std::iter::repeat(2)).take(count.into()) {
            file.extend([tag, 1, 3, 0, 9, 0, 0, 0, 4, 0, 0, 0]);
        }
        file.extend(8u32.to_le_bytes());
        let mut reads = 0;
        let mut fetch = of(&file);
        let found = endless_profile(&mut |at, length| {
            reads += 1;
            fetch(at, length)
        });
        assert_eq!(found, Some(false));
        assert!(reads <= 1 + 3 * MOST_DIRECTORIES, "{reads}");
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
