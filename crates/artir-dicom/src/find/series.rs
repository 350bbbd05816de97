//! A series that was found.

use std::path::PathBuf;

use dicom_dictionary_std::tags;

use super::times::{Time, Times};
use crate::{
    Error, Finding, Modality, Reason, Repair,
    read::{characters, dataset::DataSet, geometry::Plane, view::View},
};

/// One object, as its header describes it: a slice, or a multi-frame object of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its file.
    pub path: PathBuf,
    /// SOPInstanceUID.
    pub uid: String,
    /// InstanceNumber; orders slices at one position.
    pub instance_number: i64,
    /// Position along the slice normal of each frame, mm, in the object's own order.
    pub along_normal: Vec<f64>,
    /// Departures from the standard that its header was read in spite of.
    pub(super) repairs: Vec<Repair>,
    pub(super) planes: Vec<Plane>,
    /// The index of each frame's stack; empty for an object of one stack.
    pub(super) stacks: Vec<usize>,
    /// SliceThickness of the first frame, mm.
    pub(crate) thickness: Option<f64>,
    /// Several frames of a single-frame class: each becomes a slice.
    pub(super) are_slices: bool,
    /// Of each frame.
    pub(super) times: Vec<Times>,
    /// The attribute that tells the time slices of its series apart, if it has several.
    pub(super) time: Option<Time>,
}

impl Instance {
    /// Takes another orientation, which differs by rounding.
    pub(super) fn set_orientation(&mut self, orientation: [f64; 6]) {
        self.planes.iter_mut().for_each(|plane| plane.orientation = orientation);
        self.along_normal = self.planes.iter().map(Plane::along_normal).collect();
    }

    pub(super) fn first(&self) -> f64 {
        self.along_normal.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn frames(&self) -> u32 {
        self.along_normal.len() as u32
    }

    /// Whether its frames become objects of their own: it has several, and its class allows one.
    pub(crate) fn are_slices(&self) -> bool {
        self.are_slices
    }

    /// Centre of the first pixel of a frame, mm.
    pub(crate) fn position(&self, frame: u32) -> Option<[f64; 3]> {
        self.planes.get(frame as usize).map(|plane| plane.position)
    }

    /// The time slice of a frame: frames of one number are of one time. 0 where the series has no time slices.
    pub(crate) fn time(&self, frame: u32) -> f64 {
        let of = |time| self.times.get(frame as usize)?.get(time);
        self.time.and_then(of).unwrap_or(0.0)
    }

    /// The stack of a frame, among those of the object.
    pub(crate) fn stack(&self, frame: usize) -> usize {
        self.stacks.get(frame).copied().unwrap_or(0)
    }
}

/// What a listing shows of a series. Its description may name the patient.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Details {
    /// SeriesDescription.
    pub description: Option<String>,
    /// ConvolutionKernel.
    pub kernel: Option<String>,
    /// SliceThickness, mm.
    pub thickness_mm: Option<f64>,
    /// KVP.
    pub kvp: Option<f64>,
    /// Exposure, mAs.
    pub exposure_mas: Option<f64>,
    /// CTDIvol, mGy.
    pub ctdi_vol_mgy: Option<f64>,
}

impl Details {
    pub(super) fn read(set: &DataSet) -> Self {
        let view = View::new(set, 0);
        let text = |holder: &DataSet, tag| {
            let text = characters::decoded(set, holder.bytes(tag)?);
            let text = text.trim_matches([' ', '\0']).replace(char::is_control, "");
            (!text.is_empty()).then_some(text)
        };
        let exposure = view.group(tags::CT_EXPOSURE_SEQUENCE);
        Self {
            description: text(set, tags::SERIES_DESCRIPTION),
            kernel: text(view.group(tags::CT_RECONSTRUCTION_SEQUENCE), tags::CONVOLUTION_KERNEL),
            thickness_mm: view.group(tags::PIXEL_MEASURES_SEQUENCE).number(tags::SLICE_THICKNESS),
            kvp: view.group(tags::CTX_RAY_DETAILS_SEQUENCE).number(tags::KVP),
            exposure_mas: exposure.number(tags::EXPOSURE).or_else(|| exposure.number(tags::EXPOSURE_INM_AS)),
            ctdi_vol_mgy: exposure.number(tags::CTD_IVOL),
        }
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
    /// Of its first slice.
    pub details: Details,
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
