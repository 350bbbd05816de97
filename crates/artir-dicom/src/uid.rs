//! Deterministic UIDs and short names.

use artir_files::hex;
use sha2::{Digest, Sha256};

/// A UID of the 2.25 form (PS3.5, B.2) from the SHA-256 of the parts; the same parts give the same UID.
pub(crate) fn derive(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // A UUID made by a hash of the maker's choice: version 8, variant 2 (RFC 9562, 5.8).
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

/// Twelve hexadecimal digits for the folder name of a derived series. They are not salted: the same series must get the same
/// folder in every run, and the UIDs among their inputs keep the others from being guessed.
pub(crate) fn short(text: &str) -> String {
    hex(&Sha256::digest(text)[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_valid_stable_and_distinct() {
        let a = derive(&[b"ab", b"c"]);
        assert_eq!(a, derive(&[b"ab", b"c"]));
        assert_ne!(a, derive(&[b"a", b"bc"]));
        assert!(a.len() <= 64 && a.starts_with("2.25.") && a[5..].bytes().all(|b| b.is_ascii_digit()));
        assert!(!a[5..].starts_with('0'));
    }
}
