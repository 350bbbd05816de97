//! Refuses files that end before their pixels do, where GDAL reads what is missing as zeros.

use gdal::Dataset;

use super::drivers::driver;
use crate::{error::Reason, ffi};

/// Bytes of a netCDF file's header that are read. One of a thousand variables has some 100 kB.
const MOST_HEADER: usize = 16 << 20;

/// Checks that the file of an open raster is as long as its header claims.
///
/// # Errors
/// Both lengths.
pub(super) fn check(dataset: &Dataset, file: &str) -> Result<(), Reason> {
    let needed = match driver(dataset).as_str() {
        "ENVI" | "EHdr" => raw_bytes(dataset),
        "netCDF" if ffi::read_part(file, 0, 3).is_some_and(|start| start == b"CDF") => {
            ffi::read_part(file, 0, MOST_HEADER).and_then(|header| netcdf_bytes(&header))
        }
        _ => None,
    };
    match (needed, ffi::file_bytes(file)) {
        (Some(needed), Some(has)) if needed > has => {
            let why = format!("its pixels take {needed} bytes, but the file has {has}: it is incomplete");
            Err(Reason::broken(why))
        }
        _ => Ok(()),
    }
}

/// The fewest bytes that a file of a raw format has, which holds the pixels as they are.
fn raw_bytes(dataset: &Dataset) -> Option<u64> {
    let header = ffi::Object::dataset(dataset).domain("ENVI");
    let number = |key: &str| {
        let value = header.iter().find_map(|item| item.split_once('=').filter(|(k, _)| *k == key));
        value.and_then(|(_, value)| value.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    if number("file_compression") != 0 {
        return None;
    }
    let first = dataset.rasterband(1).ok()?;
    let bits = ffi::bits(&first).unwrap_or(8 * ffi::type_bytes(ffi::type_number(&first)) as u32);
    let (columns, rows) = dataset.raster_size();
    let values = (columns as u64).saturating_mul(rows as u64).saturating_mul(dataset.raster_count() as u64);
    Some((values.saturating_mul(u64::from(bits)) / 8).saturating_add(number("header_offset")))
}

/// The fewest bytes of a netCDF file of the classic formats (1, 2 and 5), by its header. The netCDF library checks
/// those of format 4, which are HDF5. `None` for a header that cannot be read.
fn netcdf_bytes(header: &[u8]) -> Option<u64> {
    let version = match header.get(..4)? {
        [b'C', b'D', b'F', version @ (1 | 2 | 5)] => *version,
        _ => return None,
    };
    let mut from = Header { rest: &header[4..], wide: version == 5 };
    let unknown = if from.wide { u64::MAX } else { u64::from(u32::MAX) };
    // A file that was written as a stream does not state its records.
    let records = from.count().map(|records| if records == unknown { 0 } else { records })?;
    let dimensions = from.list(|from| {
        from.name()?;
        from.count()
    })?;
    from.attributes()?;
    let variables = from.list(|from| {
        from.name()?;
        let mut places = Vec::new();
        for _ in 0..from.count()? {
            places.push(usize::try_from(from.count()?).ok()?);
        }
        from.attributes()?;
        let value = netcdf_type_bytes(from.four()?)?;
        from.count()?;
        let begin = if version == 1 { from.four()? } else { from.eight()? };
        let lengths = places.iter().map(|place| dimensions.get(*place).copied()).collect::<Option<Vec<u64>>>()?;
        // The dimension of records has no length of its own.
        let by_record = lengths.first() == Some(&0);
        let all =
            lengths.iter().skip(usize::from(by_record)).try_fold(value, |all, length| all.checked_mul(*length))?;
        Some(Variable { by_record, bytes: all, begin })
    })?;
    let of_records: Vec<&Variable> = variables.iter().filter(|variable| variable.by_record).collect();
    let record = match of_records.as_slice() {
        // Records of a single variable follow one another without a gap.
        [only] => only.bytes,
        many => many.iter().try_fold(0u64, |sum, variable| sum.checked_add(padded(variable.bytes)?))?,
    };
    let end = |variable: &Variable| match (variable.by_record, records.checked_sub(1)) {
        (false, _) => variable.begin.checked_add(variable.bytes),
        (true, None) => Some(0),
        (true, Some(before)) => before.checked_mul(record)?.checked_add(variable.begin)?.checked_add(variable.bytes),
    };
    variables.iter().map(end).try_fold(0, |most, end| Some(end?.max(most)))
}

/// A variable of a netCDF file.
struct Variable {
    by_record: bool,
    /// Of the whole variable, or of one record.
    bytes: u64,
    /// Where it begins.
    begin: u64,
}

/// What is left of a netCDF file's header. Its numbers are big-endian; counts have eight bytes in format 5, else four.
struct Header<'a> {
    rest: &'a [u8],
    wide: bool,
}

impl<'a> Header<'a> {
    fn take(&mut self, bytes: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(bytes).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: u64) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn four(&mut self) -> Option<u64> {
        self.number(4)
    }

    fn eight(&mut self) -> Option<u64> {
        self.number(8)
    }

    fn count(&mut self) -> Option<u64> {
        if self.wide { self.eight() } else { self.four() }
    }

    fn name(&mut self) -> Option<()> {
        let length = self.count()?;
        self.take(padded(length)?).map(drop)
    }

    fn attributes(&mut self) -> Option<()> {
        let skip = |from: &mut Self| {
            from.name()?;
            let value = netcdf_type_bytes(from.four()?)?;
            let bytes = from.count()?.checked_mul(value)?;
            from.take(padded(bytes)?).map(drop)
        };
        self.list(skip).map(drop)
    }

    /// A list: its kind, the number of its items, and these.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.four()?;
        let mut out = Vec::new();
        for _ in 0..self.count()? {
            out.push(item(self)?);
        }
        Some(out)
    }
}

/// A length with the bytes that fill the last four.
fn padded(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(4)
}

/// Bytes of a value of a netCDF type.
fn netcdf_type_bytes(number: u64) -> Option<u64> {
    match number {
        1 | 2 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 5 | 9 => Some(4),
        6 | 10 | 11 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of format 1 or 5: the dimensions t (of records), y (3) and x (5), an attribute of each kind, and
    /// variables of bytes, each with its dimensions and its beginning.
    fn header(version: u8, records: u64, variables: &[(&[u64], u64)]) -> Vec<u8> {
        let mut out = vec![b'C', b'D', b'F', version];
        let count = |out: &mut Vec<u8>, n: u64| {
            let bytes = n.to_be_bytes();
            out.extend(if version == 5 { &bytes[..] } else { &bytes[4..] });
        };
        let four = |out: &mut Vec<u8>, n: u32| out.extend(n.to_be_bytes());
        let name = |out: &mut Vec<u8>| {
            count(out, 5);
            out.extend(b"names\0\0\0");
        };
        let attribute = |out: &mut Vec<u8>| {
            four(out, 12);
            count(out, 1);
            name(out);
            four(out, 3);
            count(out, 3);
            out.extend([0; 8]);
        };
        count(&mut out, records);
        four(&mut out, 10);
        count(&mut out, 3);
        for length in [0, 3, 5] {
            name(&mut out);
            count(&mut out, length);
        }
        attribute(&mut out);
        four(&mut out, 11);
        count(&mut out, variables.len() as u64);
        for (dimensions, begin) in variables {
            name(&mut out);
            count(&mut out, dimensions.len() as u64);
            dimensions.iter().for_each(|id| count(&mut out, *id));
            attribute(&mut out);
            four(&mut out, 1);
            count(&mut out, 0);
            // The place of a variable has eight bytes from format 2 on.
            count(&mut out, *begin);
        }
        out
    }

    fn bytes(version: u8, records: u64, variables: &[(&[u64], u64)]) -> Option<u64> {
        netcdf_bytes(&header(version, records, variables))
    }

    #[test]
    fn the_length_of_a_netcdf_file_follows_from_its_header() {
        for version in [1, 5] {
            assert_eq!(bytes(version, 0, &[]), Some(0));
            assert_eq!(bytes(version, 0, &[(&[1, 2], 400), (&[], 500)]), Some(501), "{version}");
            assert_eq!(bytes(version, 0, &[(&[1, 2], 600), (&[2], 500)]), Some(615));
            assert_eq!(bytes(version, 4, &[(&[0, 2], 500)]), Some(520), "records of one variable");
            // Records of 8 bytes and 16, three after the first.
            assert_eq!(bytes(version, 4, &[(&[0, 2], 500), (&[0, 1, 2], 508)]), Some(508 + 3 * 24 + 15));
            assert_eq!(bytes(version, 0, &[(&[0, 2], 500), (&[1], 400)]), Some(403), "no record");
            let unknown = if version == 5 { u64::MAX } else { u64::from(u32::MAX) };
            assert_eq!(bytes(version, unknown, &[(&[0, 2], 500)]), Some(0));
            assert_eq!(bytes(version, 0, &[(&[7], 500)]), None, "a dimension that does not exist");
            let whole = header(version, 4, &[(&[0, 2], 500)]);
            assert!((0..whole.len()).all(|end| netcdf_bytes(&whole[..end]).is_none()));
        }
        assert_eq!(netcdf_bytes(b"\x89HDF\r\n\x1a\n"), None);
    }
}
