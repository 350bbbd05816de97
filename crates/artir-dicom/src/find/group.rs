//! Grouping of objects into series.

use std::{collections::BTreeMap, path::PathBuf};

use artir_files::hex;

use super::{Series, header::GroupedObject};
use crate::{
    Finding, Modality, Repair,
    read::geometry::{Plane, SAME_POSITION, Stack},
    uid,
};

/// Properties that all slices of a restorable series share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) series_uid: String,
    pub(super) study_uid: Option<String>,
    pub(super) patient_id: Option<Vec<u8>>,
    /// Positions of different frames of reference do not compare.
    pub(super) frame_of_reference: Option<String>,
    /// Multi-frame objects do not mix with slices.
    pub(super) sop_class: String,
    /// Direction cosines, in thousandths.
    pub(super) orientation: [i64; 6],
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// Pixel spacing, in micrometres.
    pub(super) spacing: [i64; 2],
    /// AcquisitionNumber, where a series holds several at the same positions.
    pub(super) acquisition: Option<i64>,
}

impl Group {
    /// Name of the derived series' folder. Every field enters it, so that the parts of a split series
    /// differ. The hashed text must not change between versions, since `--resume` depends on the name.
    fn folder(&self) -> String {
        let mut text = String::from("artir series, form 1\n");
        let mut line = |name: &str, value: &str| text.extend([name, "=", value, "\n"]);
        let uid = |uid: &Option<String>| uid.clone().unwrap_or_else(|| "-".into());
        let numbers = |numbers: &[i64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        line("series", &self.series_uid);
        line("study", &uid(&self.study_uid));
        line("patient", &self.patient_id.as_ref().map_or_else(|| "-".into(), |id| hex(id)));
        line("frame of reference", &uid(&self.frame_of_reference));
        line("class", &self.sop_class);
        line("orientation", &numbers(&self.orientation));
        line("matrix", &format!("{} {}", self.rows, self.columns));
        line("spacing", &numbers(&self.spacing));
        line("acquisition", &self.acquisition.map_or_else(|| "-".into(), |n| n.to_string()));
        format!("series-{}", uid::short(&text))
    }
}

/// Splits the objects of one SeriesInstanceUID into series. `clashing` are the files that share a SOPInstanceUID with
/// one of `kept`; `findings` hold for all of the series.
pub(super) fn series_of(
    modality: Modality,
    kept: Vec<GroupedObject>,
    clashing: &[GroupedObject],
    findings: &[Finding],
) -> Vec<Series> {
    let mut groups: BTreeMap<Group, Vec<GroupedObject>> = BTreeMap::new();
    for object in kept {
        groups.entry(object.group.clone()).or_default().push(object);
    }
    let mut out = Vec::new();
    for (group, objects) in groups {
        for (group, objects) in split_acquisitions(group, objects) {
            // The kept file may not belong to this series, and the skipped one may.
            let touches = |c: &&GroupedObject| {
                let part = group.acquisition.is_none() || group.acquisition == c.instance.acquisition;
                let own = part && c.group == Group { acquisition: None, ..group.clone() };
                own || objects.iter().any(|o| o.instance.uid == c.instance.uid)
            };
            let left_out = clashing.iter().filter(touches).map(|c| c.instance.path.clone()).collect();
            out.push(assemble(modality, group, objects, left_out, findings));
        }
    }
    out
}

/// Splits a group in which several acquisitions lie at the same positions, as the phases of one series do. Acquisitions
/// that follow each other along the body stay together.
fn split_acquisitions(group: Group, objects: Vec<GroupedObject>) -> Vec<(Group, Vec<GroupedObject>)> {
    let mut at: Vec<(f64, Option<i64>)> =
        objects.iter().map(|o| (o.instance.first(), o.instance.acquisition)).collect();
    at.sort_by(|a, b| a.0.total_cmp(&b.0));
    let overlap = at.windows(2).any(|w| w[1].0 - w[0].0 < SAME_POSITION && w[0].1 != w[1].1);
    if !overlap {
        return vec![(group, objects)];
    }
    let mut parts: BTreeMap<Option<i64>, Vec<GroupedObject>> = BTreeMap::new();
    for object in objects {
        parts.entry(object.instance.acquisition).or_default().push(object);
    }
    parts.into_iter().map(|(acquisition, part)| (Group { acquisition, ..group.clone() }, part)).collect()
}

fn assemble(
    modality: Modality,
    group: Group,
    mut objects: Vec<GroupedObject>,
    clashing: Vec<PathBuf>,
    known: &[Finding],
) -> Series {
    objects.sort_by(|a, b| {
        let (a, b) = (&a.instance, &b.instance);
        let position = a.first().total_cmp(&b.first());
        position.then(a.instance_number.cmp(&b.instance_number)).then_with(|| a.path.cmp(&b.path))
    });
    let pixel_spacing = objects.first().map_or([0.0; 2], |o| o.pixel_spacing);
    let restored = objects.iter().any(|o| o.restored);
    let mut planes: Vec<Plane> = objects.iter().flat_map(|o| o.instance.planes.iter().copied()).collect();
    planes.sort_by(|a, b| a.along_normal().total_cmp(&b.along_normal()));
    let stack = Stack::of(&planes);
    let mut findings = known.to_vec();
    if !clashing.is_empty() {
        findings.push(Finding::Clashing(clashing.len()));
    }
    if stack.missing > 0 {
        findings.push(Finding::Missing(stack.missing));
    }
    if let Some((least, most)) = stack.uneven {
        findings.push(Finding::UnevenSpacing(least, most));
    }
    if stack.coincident > 0 {
        findings.push(Finding::Coincident(stack.coincident));
    }
    if stack.tilt > 0.5 {
        findings.push(Finding::GantryTilt(stack.tilt));
    }
    let [rows_apart, columns_apart] = pixel_spacing;
    if (rows_apart / columns_apart - 1.0).abs() > 1e-3 {
        findings.push(Finding::NonSquarePixels(rows_apart, columns_apart));
    }
    let mut repairs: BTreeMap<Repair, usize> = BTreeMap::new();
    for repair in objects.iter().flat_map(|o| &o.instance.repairs) {
        *repairs.entry(*repair).or_default() += 1;
    }
    findings.extend(repairs.into_iter().map(|(repair, files)| Finding::Repaired(repair, files)));
    if restored {
        findings.push(Finding::Restored);
    }
    Series {
        modality,
        multi_frame: group.sop_class != modality.slice_class(),
        folder: group.folder(),
        uid: group.series_uid,
        rows: group.rows,
        columns: group.columns,
        pixel_spacing,
        instances: objects.into_iter().map(|o| o.instance).collect(),
        clashing,
        findings,
        slice_spacing: stack.spacing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Group {
        Group {
            series_uid: "1.2.3".into(),
            study_uid: Some("1.2".into()),
            patient_id: Some(b"P1".to_vec()),
            frame_of_reference: Some("1.2.9".into()),
            sop_class: "1.2.840.10008.5.1.4.1.1.2".into(),
            orientation: [1000, 0, 0, 0, 1000, 0],
            rows: 512,
            columns: 512,
            spacing: [797, 797],
            acquisition: None,
        }
    }

    #[test]
    fn folders_keep_their_names_between_versions_and_differ_in_every_field() {
        assert_eq!(group().folder(), "series-ccea05a9daf3");
        let others = [
            Group { series_uid: "1.2.4".into(), ..group() },
            Group { study_uid: None, ..group() },
            Group { patient_id: Some(b"P2".to_vec()), ..group() },
            Group { frame_of_reference: Some("1.2.8".into()), ..group() },
            Group { sop_class: "1.2.840.10008.5.1.4.1.1.2.1".into(), ..group() },
            Group { orientation: [1000, 0, 0, 0, 999, 0], ..group() },
            Group { rows: 511, ..group() },
            Group { columns: 511, ..group() },
            Group { spacing: [797, 798], ..group() },
            Group { acquisition: Some(1), ..group() },
            group(),
        ];
        let mut names: Vec<String> = others.iter().map(Group::folder).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), others.len());
    }
}
