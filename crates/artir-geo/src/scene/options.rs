//! Options for opening a scene.

use super::{bands::BandNumbers, interval::RangeChoice};
use crate::open::policy::Access;

/// Options for opening a scene. The default finds red, green and blue by the file's own words, and reads files of the
/// scene's folder alone.
///
/// ```
/// use artir_geo::{BandNumbers, OpenOptions, RangeChoice};
///
/// let options = OpenOptions::default()
///     .with_bands(BandNumbers::new([4, 3, 2]).expect("three different bands"))
///     .with_range(RangeChoice::Reflectance);
/// assert_eq!(options.range, RangeChoice::Reflectance);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// The bands to restore (red, green, blue), if colour interpretation is missing.
    pub bands: Option<BandNumbers>,
    /// The rule for black and white.
    pub range: RangeChoice,
    /// Files and networks that the scene may access.
    pub access: Access,
}

impl OpenOptions {
    /// Restores these bands.
    pub fn with_bands(mut self, bands: BandNumbers) -> Self {
        self.bands = Some(bands);
        self
    }

    /// Sets the rule for black and white.
    pub fn with_range(mut self, range: RangeChoice) -> Self {
        self.range = range;
        self
    }

    /// Sets the files and networks that the scene may access.
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }
}
