//! An object of a derived series, with the part of a source that it is made of.

use std::ops::Range;

use crate::{Instance, write::single::SingleFrame};

/// An object of the derived series: all of an instance, or one of its frames.
pub(crate) struct Place<'a> {
    /// Its file's name in the series.
    pub(crate) name: String,
    pub(crate) instance: &'a Instance,
    /// Its frames of the instance.
    pub(crate) frames: Range<u32>,
    /// Where a frame becomes a slice of its own: what it is known by.
    pub(crate) single: Option<SingleFrame>,
}

impl Place<'_> {
    /// The frame of the object that is made of a frame of the instance.
    pub(crate) fn own(&self, frame: u32) -> u32 {
        frame - self.frames.start
    }
}

/// An object to be made of an instance.
pub(super) struct Planned<'a> {
    /// Hash of its sources.
    pub(super) key: String,
    pub(super) place: Place<'a>,
}
