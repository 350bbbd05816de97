//! A model file: an ONNX graph with its card and its checksum at the end.
//!
//! The exporter writes the serialised `ModelProto` without metadata and appends two
//! `metadata_props` entries: `artir.card` (the card as JSON) and, as the file's last bytes,
//! `artir.sha256` (SHA-256 over every byte before that entry, as 64 hexadecimal digits). Since
//! protobuf allows repeated fields anywhere, any ONNX reader takes the file as it is, and artir
//! checks each bit of it without a protobuf library.

use std::{borrow::Cow, fs::File, io::Read, path::Path};

use artir_files::hex;
use sha2::{Digest, Sha256};

use crate::{Card, Error, error::ModelFault, external::is_self_contained};

/// `ModelProto.metadata_props`, field 14, length-delimited.
const METADATA_TAG: u8 = 14 << 3 | 2;
const CARD_KEY: &[u8] = b"artir.card";
const HASH_KEY: &[u8] = b"artir.sha256";
/// Tag and length of the entry, tag and length of the key, the key, tag and length of the value,
/// the value: every length fits one byte.
const HASH_ENTRY_LEN: usize = 2 + 2 + HASH_KEY.len() + 2 + 64;
/// The largest model has 30 MB; artir refuses files above this size.
const MAX_BYTES: u64 = 256 << 20;

/// A checked model: its bytes, card and hash.
#[derive(Clone, Debug)]
pub struct Model {
    /// As errors name it.
    name: String,
    bytes: Cow<'static, [u8]>,
    card: Card,
    hash: String,
}

impl Model {
    /// Reads and checks a model file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let read_error = |source| Error::ModelRead { path: path.to_owned(), source };
        // Limit the bytes read rather than the reported length: a device has neither length nor end.
        let mut bytes = Vec::new();
        let mut file = File::open(path).map_err(read_error)?.take(MAX_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(read_error)?;
        if bytes.len() as u64 > MAX_BYTES {
            let (name, source) = (path.display().to_string(), ModelFault::Length(MAX_BYTES >> 20));
            return Err(Error::ModelDamaged { name, source });
        }
        Self::from_bytes(bytes, &path.display().to_string())
    }

    /// Checks a model in memory; `name` appears in errors.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>, name: &str) -> Result<Self, Error> {
        let bytes = bytes.into();
        let damaged = |source| Error::ModelDamaged { name: name.to_owned(), source };
        let hash = check_hash(&bytes).map_err(damaged)?;
        if !is_self_contained(&bytes) {
            return Err(damaged(ModelFault::Elsewhere));
        }
        let json = find_metadata(&bytes, CARD_KEY).ok_or_else(|| damaged(ModelFault::NoCard))?;
        let card = Card::parse(json).map_err(|e| damaged(e.into()))?;
        Ok(Self { name: name.to_owned(), bytes, card, hash })
    }

    /// The name that errors give it: its file, or the name that it was opened by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The model's card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// SHA-256 of the file up to its checksum entry, 64 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn check_hash(bytes: &[u8]) -> Result<String, ModelFault> {
    let split = bytes.len().checked_sub(HASH_ENTRY_LEN).ok_or(ModelFault::NoChecksum)?;
    let (body, entry) = bytes.split_at(split);
    let mut expected = vec![METADATA_TAG, (HASH_ENTRY_LEN - 2) as u8, 0x0a, HASH_KEY.len() as u8];
    expected.extend_from_slice(HASH_KEY);
    expected.extend_from_slice(&[0x12, 64]);
    let stored = entry.strip_prefix(expected.as_slice()).ok_or(ModelFault::NoChecksum)?;
    let actual = hex(&Sha256::digest(body));
    if actual.as_bytes() != stored {
        return Err(ModelFault::Checksum);
    }
    Ok(actual)
}

/// Appends the checksum to the bytes of a model file.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let hash = hex(&Sha256::digest(&body));
    body.extend([METADATA_TAG, (HASH_ENTRY_LEN - 2) as u8, 0x0a, HASH_KEY.len() as u8]);
    body.extend_from_slice(HASH_KEY);
    body.extend([0x12, 64]);
    body.extend(hash.as_bytes());
    body
}

/// The value of a `metadata_props` entry, found by walking the message's top level.
fn find_metadata<'a>(bytes: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut rest = bytes;
    let mut found = None;
    while !rest.is_empty() {
        let (field, value) = next_field(&mut rest)?;
        if field != 14 {
            continue;
        }
        let mut entry = value?;
        let (mut this_key, mut this_value) = (None, None);
        while !entry.is_empty() {
            match next_field(&mut entry)? {
                (1, v) => this_key = v,
                (2, v) => this_value = v,
                _ => {}
            }
        }
        if this_key == Some(key) {
            found = this_value;
        }
    }
    found
}

/// One field of a protobuf message: its number and, if length-delimited, its bytes. `None` for
/// bytes that are not protobuf.
pub(crate) fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let tag = varint(rest)?;
    let skip = |rest: &mut &'a [u8], n: u64| -> Option<&'a [u8]> {
        let (head, tail) = rest.split_at_checked(usize::try_from(n).ok()?)?;
        *rest = tail;
        Some(head)
    };
    let value = match tag & 7 {
        0 => varint(rest).map(|_| None)?,
        1 => skip(rest, 8).map(|_| None)?,
        2 => {
            let n = varint(rest)?;
            Some(skip(rest, n)?)
        }
        5 => skip(rest, 4).map(|_| None)?,
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const CARD: &str = r#"{"schema":1,"name":"test","version":"0","task":"ct-denoise",
        "variant":"T","parameters":1,"macs_256":1,"tile":64,"overlap":16,"multiple":4,"reach":0,
        "input":{"channels":1,"unit":"HU","range":[-1024,3072],"network_range":[0,1]},
        "training":{"summary":"","data":[],"patches":0,"patch_size":0,"hours":0,"hardware":""},
        "figures":[],"limits":"","licence":"MIT"}"#;

    fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
        fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
            let mut out = vec![tag];
            let mut n = bytes.len();
            while n >= 128 {
                out.push((n & 0x7f) as u8 | 0x80);
                n >>= 7;
            }
            out.push(n as u8);
            out.extend_from_slice(bytes);
            out
        }
        field(METADATA_TAG, &[field(0x0a, key), field(0x12, value)].concat())
    }

    pub(crate) fn file(card: &str) -> Vec<u8> {
        // ir_version 10, then a graph that has a name alone.
        let mut bytes = vec![0x08, 10, 0x3a, 3, 0x12, 1, b'g'];
        bytes.extend(entry(CARD_KEY, card.as_bytes()));
        sealed(bytes)
    }

    #[test]
    fn reads_the_card_behind_a_good_checksum() {
        let model = Model::from_bytes(file(CARD), "m").unwrap();
        assert_eq!(model.card().name, "test");
        assert_eq!(model.hash().len(), 64);
    }

    #[test]
    fn a_card_may_name_neighbouring_slices() {
        assert_eq!(Model::from_bytes(file(CARD), "m").unwrap().card().input.slices, 1);
        let card = CARD.replace("\"channels\":1", "\"channels\":3,\"slices\":3,\"slices_apart\":5.5");
        let input = Model::from_bytes(file(&card), "m").unwrap().card().input.clone();
        assert_eq!((input.channels, input.slices, input.slices_apart), (3, 3, Some(5.5)));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = Model::open(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("/dev/zero") && error.contains("256 MiB"), "{error}");
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let good = file(CARD);
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1 << (i % 8);
            assert!(Model::from_bytes(bad, "m").is_err(), "byte {i}");
        }
    }

    #[test]
    fn weights_in_another_file_are_refused() {
        // A graph of a tensor with an entry of external data.
        let mut bytes = vec![0x08, 10, 0x3a, 6, 0x2a, 4, 0x6a, 2, 0x0a, 0];
        bytes.extend(entry(CARD_KEY, CARD.as_bytes()));
        let error = Model::from_bytes(sealed(bytes), "m.onnx").unwrap_err().to_string();
        assert!(error.starts_with("m.onnx: ") && error.contains("other files"), "{error}");
    }

    #[test]
    fn truncated_empty_and_foreign_files_are_refused() {
        let good = file(CARD);
        for n in 0..good.len() {
            assert!(Model::from_bytes(good[..n].to_vec(), "m").is_err(), "{n} bytes");
        }
        assert!(Model::from_bytes(vec![b'x'; 5000], "m").is_err());
    }

    #[test]
    fn cards_that_make_no_sense_are_refused() {
        for (from, to) in [
            ("\"schema\":1", "\"schema\":2"),
            ("\"channels\":1", "\"channels\":0"),
            ("\"channels\":1", "\"channels\":1,\"slices\":3"),
            ("\"channels\":1", "\"channels\":2,\"slices\":2"),
            ("\"channels\":1", "\"channels\":1,\"slices_apart\":0"),
            ("[-1024,3072]", "[3072,-1024]"),
            ("\"multiple\":4", "\"multiple\":0"),
            ("\"overlap\":16", "\"overlap\":40"),
            ("\"overlap\":16", "\"overlap\":9223372036854775808"),
            ("\"tile\":64", "\"tile\":66"),
            ("\"tile\":64", "\"tile\":18446744073709551612"),
            ("\"name\":\"test\"", "\"name\":\"te\\u001b[2Jst\""),
            ("ct-denoise", "astrology"),
        ] {
            let card = CARD.replace(from, to);
            assert_ne!(card, CARD);
            assert!(Model::from_bytes(file(&card), "m").is_err(), "{to}");
        }
    }
}
