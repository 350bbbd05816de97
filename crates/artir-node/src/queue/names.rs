//! Names that tell nothing of a patient: hashes with a secret of the node.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use artir_files::{hex, open_regular, write_file};
use sha2::{Digest, Sha256};

/// The secret, 32 random bytes that never leave the node.
#[derive(Clone)]
pub(crate) struct Salt([u8; 32]);

/// Why a salt cannot be used.
const SHORT: &str =
    "it is shorter than 32 bytes: put it back from a backup, or delete it. Late objects then begin new series";
const LINK: &str = "it is no regular file";

/// Bytes of a hash in a name: enough that no two objects of a queue ever share one.
const LENGTH: usize = 12;

impl Salt {
    /// Reads the salt, or makes one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut bytes = [0; 32];
        match open_regular(path) {
            Ok(mut file) => file.read_exact(&mut bytes).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(e.kind(), SHORT),
                _ => e,
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !fs::exists(path)? => {
                getrandom::fill(&mut bytes).map_err(io::Error::other)?;
                write_file(path, false, &bytes)?;
            }
            Err(e) => return Err(if e.kind() == io::ErrorKind::NotFound { io::Error::new(e.kind(), LINK) } else { e }),
        }
        Ok(Self(bytes))
    }

    /// A hash that starts with the salt.
    pub(crate) fn hasher(&self) -> Sha256 {
        Sha256::new().chain_update(self.0)
    }

    /// The name of something.
    pub(crate) fn name(&self, of: &[u8]) -> String {
        name(self.hasher().chain_update(of))
    }
}

/// The name that a hash gives.
pub(crate) fn name(hash: Sha256) -> String {
    hex(&hash.finalize()[..LENGTH])
}

/// The file of an object: by its SOPInstanceUID, and by its bytes, so that a copy gets the same name.
pub(crate) fn object(instance: &str, content: &str) -> String {
    format!("{instance}-{content}.dcm")
}

/// The part of an object's file name that its SOPInstanceUID gives.
pub(crate) fn instance_of(name: &str) -> &str {
    name.split_once('-').map_or(name, |(instance, _)| instance)
}
