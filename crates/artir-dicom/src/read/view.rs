//! Attributes that apply to one frame: its own, shared ones, and the object's (PS3.3, C.7.6.16).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::read::dataset::DataSet;

/// A frame's view of its object. Classic objects are their own only frame.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) set: &'a DataSet,
    shared: Option<&'a DataSet>,
    own: Option<&'a DataSet>,
}

impl<'a> View<'a> {
    /// The view of frame `frame`, counted from 0.
    pub(crate) fn new(set: &'a DataSet, frame: u32) -> Self {
        let shared = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
        let own = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).get(frame as usize);
        Self { set, shared, own }
    }

    /// The data set that holds a functional group's attributes: the group's item, or the object itself, when it is
    /// classic or keeps them for all frames.
    pub(crate) fn group(&self, sequence: Tag) -> &'a DataSet {
        let within = |groups: Option<&'a DataSet>| groups.and_then(|g| g.items(sequence).first());
        within(self.own).or_else(|| within(self.shared)).unwrap_or(self.set)
    }

    /// The data sets that apply to the frame: its own groups, the shared ones, the object.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'a DataSet> {
        [self.own, self.shared, Some(self.set)].into_iter().flatten()
    }

    /// The items of a sequence in a frame's functional groups, or in a classic object.
    pub(crate) fn items(&self, sequence: Tag) -> &'a [DataSet] {
        let within = |groups: Option<&'a DataSet>| groups.map(|g| g.items(sequence)).filter(|items| !items.is_empty());
        within(self.own).or_else(|| within(self.shared)).unwrap_or_else(|| self.set.items(sequence))
    }

    /// The data set that holds an attribute which converted objects keep aside (PS3.3, C.7.6.16.2.25.1 and .2).
    fn holder(&self, tag: Tag) -> Option<&'a DataSet> {
        let aside = |groups: Option<&'a DataSet>, sequence| groups.and_then(|g| g.items(sequence).first());
        let places = [
            Some(self.set),
            aside(self.own, tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE),
            aside(self.shared, tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE),
        ];
        places.into_iter().flatten().find(|set| set.contains(tag))
    }

    pub(crate) fn text(&self, tag: Tag) -> Option<&'a str> {
        self.holder(tag)?.text(tag)
    }

    pub(crate) fn number(&self, tag: Tag) -> Option<f64> {
        self.holder(tag)?.number(tag)
    }

    /// The items of a sequence, wherever the object keeps it.
    pub(crate) fn all_items(&self, sequence: Tag) -> &'a [DataSet] {
        self.holder(sequence).map_or(&[], |set| set.items(sequence))
    }

    /// A private attribute of a block's owner, wherever the object keeps it.
    pub(crate) fn private(&self, group: u16, owner: &str, element: u8) -> Option<(&'a DataSet, Tag)> {
        let holders = (0x10..=0xff).filter_map(|block| self.holder(Tag(group, block)));
        holders.into_iter().find_map(|set| set.private(group, owner, element).map(|tag| (set, tag)))
    }
}
