//! Options for opening a scene.

use super::{bands::BandNumbers, region::RegionChoice};
use crate::{open::policy::Access, values::interval::RangeChoice};

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
    /// Which stored value is nodata.
    pub nodata: NodataChoice,
    /// A raster of the scene's extent that is 0 where a pixel does not count.
    pub mask: Option<String>,
    /// Whether pixels that the product marks as cloud do not count.
    pub mask_clouds: bool,
    /// The part of the scene that may change.
    pub region: Option<RegionChoice>,
    /// Whether black and white may be estimated from some blocks of a large scene.
    pub estimate: bool,
}

/// Which stored value is nodata in the restored bands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum NodataChoice {
    /// What the bands declare, and fill that nobody declared.
    #[default]
    Declared,
    /// None: every value counts.
    None,
    /// This value.
    Value(f64),
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

    /// Sets which stored value is nodata.
    pub fn with_nodata(mut self, nodata: NodataChoice) -> Self {
        self.nodata = nodata;
        self
    }

    /// Sets a raster of the scene's extent that is 0 where a pixel does not count.
    pub fn with_mask(mut self, mask: impl Into<String>) -> Self {
        self.mask = Some(mask.into());
        self
    }

    /// Whether pixels that the product marks as cloud do not count.
    pub fn with_mask_clouds(mut self, mask_clouds: bool) -> Self {
        self.mask_clouds = mask_clouds;
        self
    }

    /// Whether black and white may be estimated from some blocks of a large scene without overviews, for a preview. They differ
    /// from those of a scene that is opened to be restored.
    pub fn with_estimate(mut self, estimate: bool) -> Self {
        self.estimate = estimate;
        self
    }

    /// Sets the part of the scene that may change.
    pub fn with_region(mut self, region: RegionChoice) -> Self {
        self.region = Some(region);
        self
    }
}
