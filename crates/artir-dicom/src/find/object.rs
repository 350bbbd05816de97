//! An object that was found, with what decides which series it belongs to.

use super::{
    Details, Instance,
    group_key::{Group, Volume},
    identity::Identity,
    quantity,
};
use crate::Finding;

/// An object with the group that it belongs to.
#[derive(Clone)]
pub(crate) struct GroupedObject {
    pub(super) group: Group,
    pub(super) identity: Identity,
    pub(super) instance: Instance,
    pub(super) pixel_spacing: [f64; 2],
    /// Direction cosines of its first frame.
    pub(super) orientation: [f64; 6],
    /// For a listing.
    pub(super) details: Details,
    /// What is to be said of its values.
    pub(super) remarks: Vec<Finding>,
    /// What makes it part of a volume of its own.
    pub(super) volume: Volume,
    /// Whether artir derived it.
    pub(super) restored: bool,
    /// The reason why SUV cannot be computed from these PET values, although they can be restored in their own unit.
    pub(super) not_uptake: Option<quantity::NotUptake>,
}

impl GroupedObject {
    /// StudyInstanceUID.
    pub(super) fn study(&self) -> Option<&String> {
        self.identity.study()
    }
}
