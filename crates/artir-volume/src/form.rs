//! What the header of a volume states, whatever its format.

use crate::{Reason, sample::Storage};

/// The most bytes of voxels that are allocated for a file, for each of its bytes. Images shrink to a tenth, masked ones to less.
const MOST_RATIO: u64 = 200;
/// Voxels that a file may have in any case, bytes.
const SMALL: u64 = 1 << 30;

/// The unit that a header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Hounsfield,
    Suv,
}

impl Unit {
    /// A unit in words of a header, such as `HU` or `SUVbw (g/ml)`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.find_map(|word| match word {
            "hu" | "hounsfield" | "hnsf" => Some(Self::Hounsfield),
            "suv" | "suvbw" => Some(Self::Suv),
            _ => None,
        })
    }
}

/// What a header states.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    pub(crate) storage: Storage,
    /// Length of each axis, the fastest first.
    pub(crate) sizes: Vec<usize>,
    /// The three axes of space among them.
    pub(crate) space: [usize; 3],
    /// The step of each axis of space in the patient's coordinates (left, posterior, superior), mm.
    pub(crate) directions: Option<[[f64; 3]; 3]>,
    /// Distance of voxels along each axis of space, mm; 1 where it is unknown.
    pub(crate) spacing: [f64; 3],
    /// Value = stored x slope + intercept.
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
    pub(crate) unit: Option<Unit>,
    /// Whether artir made it.
    pub(crate) restored: bool,
}

impl Form {
    pub(crate) fn voxels(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Bytes of the voxels.
    pub(crate) fn bytes(&self) -> usize {
        self.voxels() * self.storage.sample.width()
    }

    /// Checks that a file can hold the voxels that its header claims.
    ///
    /// # Errors
    /// [`Reason::Damaged`].
    pub(crate) fn check_size(&self, file: u64, compressed: bool) -> Result<(), Reason> {
        let mut sizes = self.sizes.iter().map(|n| *n as u64).chain([self.storage.sample.width() as u64]);
        let claimed = sizes.try_fold(1u64, |product, n| product.checked_mul(n)).filter(|n| *n > 0);
        let claimed = claimed.ok_or_else(|| Reason::damaged("its dimensions have no size"))?;
        if !compressed && claimed > file {
            return Err(Reason::Damaged(format!("its header claims {claimed} bytes of voxels, but {file} are there")));
        }
        if compressed && claimed > file.saturating_mul(MOST_RATIO).max(SMALL) {
            let reason =
                format!("its header claims {claimed} bytes of voxels, more than {file} compressed bytes may hold");
            return Err(Reason::Damaged(reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_from_words() {
        for (text, unit) in [
            ("HU", Some(Unit::Hounsfield)),
            ("Hounsfield units", Some(Unit::Hounsfield)),
            ("[hnsf'U]", Some(Unit::Hounsfield)),
            ("SUVbw (g/ml)", Some(Unit::Suv)),
            ("thu", None),
            ("Bq/ml", None),
            ("", None),
        ] {
            assert_eq!(Unit::read(text), unit, "{text}");
        }
    }
}
