//! What was read although the standard does not allow it.

use std::fmt;

/// A departure from the standard that a file was read in spite of. What artir writes does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// The file has no preamble, or bytes before or after its header that do not belong there.
    Start,
    /// An element of an explicit file has no known VR, or VR UN although the standard has one for it.
    UnknownVr,
    /// An element is repeated; the first one counts.
    RepeatedElement,
    /// A sequence has VR UN.
    SequenceAsUnknown,
    /// Numbers have a decimal comma.
    DecimalComma,
    /// Text that is not ASCII has no SpecificCharacterSet.
    NoCharacterSet,
    /// Bytes after the pixels are no elements.
    TrailingBytes,
    /// Encapsulated pixels have no valid sequence delimiter.
    NoDelimiter,
    /// Frames of several fragments have no offset table.
    NoOffsetTable,
    /// Pixels exceed BitsStored.
    BitsStored,
    /// A class of single slices with several frames. Each frame becomes a slice.
    FramesInSlice,
    /// Frames without positions and SpacingBetweenSlices.
    FrameSpacing,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "preamble or header damaged",
            Self::UnknownVr => "element of unknown VR, read by the dictionary",
            Self::RepeatedElement => "element repeated, of which the first was kept",
            Self::SequenceAsUnknown => "sequence of VR UN",
            Self::DecimalComma => "decimal comma",
            Self::NoCharacterSet => "SpecificCharacterSet (0008,0005) missing",
            Self::TrailingBytes => "bytes after the pixels, which were left out",
            Self::NoDelimiter => "compressed pixels without a valid sequence delimiter",
            Self::NoOffsetTable => "several fragments a frame without an offset table",
            Self::BitsStored => "values above BitsStored (0028,0101), which were read as 16 bits",
            Self::FramesInSlice => {
                "several frames in a class of single slices: each was placed along the normal and became a slice"
            }
            Self::FrameSpacing => {
                "SpacingBetweenSlices (0018,0088) missing: frames were placed by SliceThickness (0018,0050)"
            }
        })
    }
}

impl Repair {
    /// Whether it shows only when the pixels are read.
    pub(crate) fn is_of_pixels(self) -> bool {
        matches!(self, Self::TrailingBytes | Self::NoDelimiter | Self::NoOffsetTable | Self::BitsStored)
    }
}
