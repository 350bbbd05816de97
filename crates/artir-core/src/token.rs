//! Tokens in place of file names in reports and logs.
//!
//! An unsalted hash does not hide a name from anyone who can guess it by trying a list of patients.
//! Each process therefore salts its tokens with 128 random bits that it never writes. The same name has the same token
//! within a run, and another one in the next.

use std::sync::OnceLock;

use artir_files::hex;
use sha2::{Digest, Sha256};

/// The token of `name` in this run: twelve hexadecimal digits.
pub fn token(name: &str) -> String {
    static SALT: OnceLock<[u8; 16]> = OnceLock::new();
    salted(SALT.get_or_init(salt), name)
}

fn salted(salt: &[u8; 16], name: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(name).finalize();
    hex(&digest[..6])
}

fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    if getrandom::fill(&mut salt).is_err() {
        // The standard library's hash keys are random too, and there on every system that it runs on.
        use std::hash::{BuildHasher, RandomState};
        for half in salt.chunks_exact_mut(8) {
            half.copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
        }
    }
    salt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_token_in_a_run_and_others_in_other_runs() {
        assert_eq!(token("DOE^JANE.dcm"), token("DOE^JANE.dcm"));
        assert_ne!(token("DOE^JANE.dcm"), token("DOE^JOHN.dcm"));
        assert_eq!(token("DOE^JANE.dcm").len(), 12);
        let (one, other) = (salt(), salt());
        assert_ne!(one, other);
        assert_ne!(salted(&one, "DOE^JANE.dcm"), salted(&other, "DOE^JANE.dcm"));
        let plain = hex(&Sha256::digest("DOE^JANE.dcm")[..6]);
        assert_ne!(token("DOE^JANE.dcm"), plain);
    }
}
