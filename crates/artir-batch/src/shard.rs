//! Shards: which process runs which jobs.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// One of several equal parts of a manifest.
///
/// A job belongs to the shard `hash_of_id(id) % count`. The place of a job depends on its id and on the number of shards alone,
/// so that lines may be added, removed and moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// The text is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be I/N, with I from 0 to N - 1, such as 0/16")]
pub struct ShardError;

/// The first 8 bytes of the SHA-256 of the id, as a big-endian number.
///
/// ```
/// assert_eq!(artir_batch::hash_of_id("series-1"), 0x67a4_361d_c5f9_49ca);
/// ```
pub fn hash_of_id(id: &str) -> u64 {
    number(&digest(id))
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn number(digest: &[u8; 32]) -> u64 {
    digest[..8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Shard {
    /// Whether a job of this id belongs to it.
    pub fn holds(self, id: &str) -> bool {
        self.holds_digest(&digest(id))
    }

    pub(crate) fn holds_digest(self, digest: &[u8; 32]) -> bool {
        number(digest) % u64::from(self.count) == u64::from(self.index)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, count) = text.split_once('/').ok_or(ShardError)?;
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u32>().map_err(|_| ShardError),
            false => Err(ShardError),
        };
        let (index, count) = (number(index)?, number(count)?);
        if index < count { Ok(Self { index, count }) } else { Err(ShardError) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other programs compute the same. A change would move jobs between shards.
    #[test]
    fn the_hash_is_pinned() {
        let parts: Vec<u64> = ["a", "series-1", "S2A_32UQD_20240501"].iter().map(|id| hash_of_id(id) % 16).collect();
        assert_eq!(hash_of_id("a"), 0xca97_8112_ca1b_bdca);
        assert_eq!(parts, GOLDEN);
    }

    const GOLDEN: [u64; 3] = [10, 10, 13];

    #[test]
    fn every_job_has_one_shard_and_shards_are_even() {
        let shards: Vec<Shard> = (0..7).map(|i| format!("{i}/7").parse().unwrap()).collect();
        let mut counts = [0; 7];
        for n in 0..7000 {
            let id = format!("job-{n}");
            let of: Vec<usize> = (0..7).filter(|i| shards[*i].holds(&id)).collect();
            assert_eq!(of.len(), 1);
            counts[of[0]] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
        assert!(Shard::default().holds("anything"));
    }

    #[test]
    fn shards_read_as_they_are_written() {
        assert_eq!("3/16".parse::<Shard>().unwrap().to_string(), "3/16");
        for bad in ["", "1", "1/1", "2/1", "0/0", "-1/4", "+0/4", "a/b", "1/2/3", "0/4294967296", " 0/1"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
