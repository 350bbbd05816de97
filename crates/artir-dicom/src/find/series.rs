//! A series that was found.

use std::path::PathBuf;

use crate::{Error, Finding, Modality, Reason, Repair, read::geometry::Plane};

/// One object, as its header describes it: a slice, or a multi-frame object of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its file.
    pub path: PathBuf,
    /// SOPInstanceUID.
    pub uid: String,
    /// InstanceNumber; orders slices at one position.
    pub instance_number: i64,
    /// AcquisitionNumber.
    pub acquisition: Option<i64>,
    /// Position along the slice normal of each frame, mm, in the object's own order.
    pub along_normal: Vec<f64>,
    /// Departures from the standard that its header was read in spite of.
    pub(super) repairs: Vec<Repair>,
    pub(super) planes: Vec<Plane>,
}

impl Instance {
    pub(super) fn first(&self) -> f64 {
        self.along_normal.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn frames(&self) -> u32 {
        self.along_normal.len() as u32
    }
}

/// A series that can be restored, its slices sorted along their normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its modality.
    pub modality: Modality,
    /// The source's SeriesInstanceUID.
    pub uid: String,
    /// Folder that the derived series goes to: `series-` and 12 digits of a hash of the properties that distinguish it.
    pub folder: String,
    /// Rows, pixels.
    pub rows: u32,
    /// Columns, pixels.
    pub columns: u32,
    /// Distance of rows, then of columns, mm.
    pub pixel_spacing: [f64; 2],
    /// Whether its objects hold several frames each.
    pub multi_frame: bool,
    /// Its objects.
    pub instances: Vec<Instance>,
    /// Files left out because they share a SOPInstanceUID with one of `instances` and hold other bytes. A series with
    /// such files is restored only as a partial one.
    pub clashing: Vec<PathBuf>,
    /// Findings for a reader of the series.
    pub findings: Vec<Finding>,
    /// Usual distance of neighbouring slices, mm; 0 for a single one.
    pub slice_spacing: f64,
}

impl Series {
    /// Slices, or frames.
    pub fn slices(&self) -> usize {
        self.instances.iter().map(|i| i.along_normal.len()).sum()
    }

    /// The error of a series with skipped files that share a SOPInstanceUID. It names the first of them.
    pub fn clash(&self) -> Option<Error> {
        let first = self.clashing.first()?;
        Some(Error::file(first, Reason::Clash(self.clashing.len())))
    }
}
