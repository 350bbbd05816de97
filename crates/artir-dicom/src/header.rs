//! Reading attributes, and files that may be damaged.

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject, OpenFileOptions};

use crate::Error;

/// Whether a file bears the DICOM magic.
pub(crate) fn is_dicom(path: &Path) -> std::io::Result<bool> {
    let mut start = [0; 132];
    let mut file = std::fs::File::open(path)?;
    match file.read_exact(&mut start) {
        Ok(()) => Ok(&start[128..] == b"DICM"),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// Opens a file, whole or up to its pixels. What the parser cannot read, and what makes it panic, is an error.
pub(crate) fn open(path: &Path, pixels: bool) -> Result<DefaultDicomObject, Error> {
    let fail = |reason: String| Error::File { path: path.to_owned(), reason };
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let options = OpenFileOptions::new();
        let options = if pixels { options } else { options.read_until(tags::PIXEL_DATA) };
        options.open_file(path)
    }));
    match opened {
        Ok(Ok(object)) => Ok(object),
        // The parser's own text can quote a value, so only its kind is told.
        Ok(Err(_)) => Err(fail("damaged or truncated DICOM file".into())),
        Err(_) => Err(fail("damaged DICOM file (its structure cannot be parsed)".into())),
    }
}

/// An attribute as trimmed text; `None` when it is absent or empty.
pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = object.get(tag)?.to_str().ok()?;
    let text = text.trim_matches([' ', '\0']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// An attribute's numbers; `None` when it is absent or one of them is no number.
pub(crate) fn numbers(object: &InMemDicomObject, tag: Tag) -> Option<Vec<f64>> {
    object.get(tag)?.to_multi_float64().ok().filter(|n| n.iter().all(|v| v.is_finite()))
}

/// The first of an attribute's numbers.
pub(crate) fn number(object: &InMemDicomObject, tag: Tag) -> Option<f64> {
    numbers(object, tag)?.first().copied()
}

/// An attribute as an integer.
pub(crate) fn integer(object: &InMemDicomObject, tag: Tag) -> Option<i64> {
    object.get(tag)?.to_int::<i64>().ok()
}
