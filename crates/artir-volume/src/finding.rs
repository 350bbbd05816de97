//! Unusual properties of a volume, and assumptions that were made about it.

use std::fmt;

/// Something unusual about a volume, which does not keep it from being restored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The header states no orientation.
    NoOrientation,
    /// Voxels are not square within a slice: distance of rows, then of columns, mm.
    NonSquarePixels(f64, f64),
    /// Frames at the same positions.
    Frames(usize),
    /// Bytes after the voxels, which were left out.
    TrailingBytes,
    /// The number of voxels that are not finite, and were left as they are.
    NotFinite(usize),
    /// The number of restored PET values that would have been negative, though no value of their slice is, and became 0.
    NotBelowZero(usize),
    /// artir has already restored it.
    Restored,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrientation => {
                write!(
                    f,
                    "the header states no orientation: the planes of the first two axes were taken for axial slices"
                )
            }
            Self::NonSquarePixels(rows, columns) => write!(f, "pixels of {rows:.3} x {columns:.3} mm"),
            Self::Frames(n) => write!(f, "{n} frames, each restored by itself"),
            Self::TrailingBytes => write!(f, "bytes after the voxels, which were left out"),
            Self::NotFinite(n) => write!(f, "{n} voxel(s) are not finite and stay as they are"),
            Self::NotBelowZero(n) => {
                write!(f, "{n} restored value(s) below 0 became 0, since their slices hold no negative value")
            }
            Self::Restored => write!(f, "already restored by artir"),
        }
    }
}
