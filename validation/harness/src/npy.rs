//! NPY arrays. The header is checked against the file's length before anything is allocated for it.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use ndarray::{Array3, ArrayD, Axis, Ix2, Ix3};
use ndarray_npy::{ReadNpyExt, ReadableElement};

use super::{NpyError, Values};

/// An array `[H, W]`, `[C, H, W]` or `[H, W, C]` with C of 1 or 3, as `[C, H, W]`; and the unit of its values.
pub(super) fn read(path: &Path, memory: u64) -> Result<(Array3<f32>, Values), NpyError> {
    let mut file = BufReader::new(File::open(path)?);
    let length = file.get_ref().metadata()?.len();
    let (header, start) = header(&mut file)?;
    let kind = quoted(&header, "descr").ok_or(NpyError::Entry("descr"))?;
    let shape = shape(&header).ok_or(NpyError::Entry("shape"))?;
    let bytes: u64 = kind.get(2..).and_then(|n| n.parse().ok()).ok_or(NpyError::Entry("descr"))?;
    let needed = shape.iter().try_fold(bytes, |n, d| n.checked_mul(*d)).and_then(|n| n.checked_add(start));
    if needed != Some(length) {
        return Err(NpyError::Length { length, shape, kind });
    }
    // The values as they are stored, as f32, and as f32 in the order of planes.
    let peak = length.saturating_add((length / bytes.max(1)).saturating_mul(4 + 4));
    if peak > memory {
        return Err(NpyError::Memory { shape, kind, needed_mib: peak.div_ceil(1 << 20), allowed_mib: memory >> 20 });
    }
    file.seek(SeekFrom::Start(0))?;
    let (array, values) = match kind.as_str() {
        "<f4" | ">f4" => (array::<f32>(file)?, Values::Plain),
        "<f8" | ">f8" => (array::<f64>(file)?.mapv(|v| v as f32), Values::Plain),
        "<i2" | ">i2" => (array::<i16>(file)?.mapv(f32::from), Values::Plain),
        "|u1" => (array::<u8>(file)?.mapv(|v| f32::from(v) / 255.0), Values::Display(8)),
        "<u2" | ">u2" => (array::<u16>(file)?.mapv(|v| f32::from(v) / 65535.0), Values::Display(16)),
        _ => return Err(NpyError::Kind(kind)),
    };
    let data = match array.shape() {
        [_, _] => array.into_dimensionality::<Ix2>().map(|a| a.insert_axis(Axis(0))),
        [1 | 3, _, _] => array.into_dimensionality::<Ix3>(),
        [_, _, 1 | 3] => array.into_dimensionality::<Ix3>().map(|a| a.permuted_axes([2, 0, 1])),
        other => return Err(NpyError::Shape(other.to_vec())),
    };
    Ok((data?.as_standard_layout().into_owned(), values))
}

fn array<T>(file: impl Read) -> Result<ArrayD<T>, NpyError>
where
    T: ReadableElement,
{
    Ok(ArrayD::read_npy(file)?)
}

/// The header's text, and where the values begin.
fn header(file: &mut impl Read) -> Result<(String, u64), NpyError> {
    let mut start = [0; 12];
    file.read_exact(&mut start[..10]).map_err(|_| NpyError::Short)?;
    // Version 1 has a length of two bytes, later ones of four.
    let (size, before) = if start[6] == 1 {
        (u64::from(u16::from_le_bytes([start[8], start[9]])), 10)
    } else {
        file.read_exact(&mut start[10..]).map_err(|_| NpyError::Short)?;
        (u64::from(u32::from_le_bytes([start[8], start[9], start[10], start[11]])), 12)
    };
    let mut text = Vec::new();
    file.take(size.min(1 << 16)).read_to_end(&mut text)?;
    if text.len() as u64 != size {
        return Err(NpyError::Short);
    }
    Ok((String::from_utf8_lossy(&text).into_owned(), before + size))
}

/// The text of an entry of the header, which is a Python dictionary.
fn entry<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{name}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(header: &str, name: &str) -> Option<String> {
    let rest = entry(header, name)?.strip_prefix('\'')?;
    Some(rest.split_once('\'')?.0.to_owned())
}

fn shape(header: &str) -> Option<Vec<u64>> {
    let (inside, _) = entry(header, "shape")?.strip_prefix('(')?.split_once(')')?;
    inside.split(',').map(str::trim).filter(|d| !d.is_empty()).map(|d| d.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use ndarray_npy::WriteNpyExt;

    use super::*;

    #[test]
    fn headers_that_lie_are_refused_before_memory_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        Array2::<f32>::zeros((4, 5)).write_npy(File::create(&path).unwrap()).unwrap();
        let read = |path: &Path| super::read(path, 1 << 30);
        assert_eq!(read(&path).unwrap().0.dim(), (1, 4, 5));
        assert!(matches!(super::read(&path, 300), Err(NpyError::Memory { allowed_mib: 0, .. })));
        let good = std::fs::read(&path).unwrap();
        for shape in ["(300000, 300000)", "(99999999999, 99999999999)", "(4, 6)"] {
            let text = String::from_utf8_lossy(&good[10..128]).replacen("(4, 5)", shape, 1);
            let mut bad = good[..10].to_vec();
            bad.extend(text.as_bytes().iter().take(118));
            bad.extend(&good[128..]);
            std::fs::write(&path, bad).unwrap();
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("has another size") || said.contains("usable"), "{shape}: {said}");
        }
        std::fs::write(&path, &good[..good.len() - 3]).unwrap();
        assert!(matches!(read(&path), Err(NpyError::Length { .. })));
        std::fs::write(&path, &good[..20]).unwrap();
        assert!(matches!(read(&path), Err(NpyError::Short)));
    }
}
