//! Grouping of objects into series.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    Instance, Series,
    group_key::{Group, Volume, thousandths},
    identity::{FRAME_OF_REFERENCE, STUDY},
    object::GroupedObject,
    times::Time,
};
use crate::{
    Finding, Modality, Repair,
    read::geometry::{Plane, SAME_POSITION, Stack},
};

/// One of the attributes, as findings name it.
struct Part {
    name: &'static str,
    of: fn(&mut Volume) -> &mut Option<String>,
}

const PARTS: [Part; 3] = [
    Part { name: "ConvolutionKernel (0018,1210)", of: |volume| &mut volume.kernel },
    Part { name: "StackID (0020,9056)", of: |volume| &mut volume.stack },
    Part { name: "EchoTime (0018,0081)", of: |volume| &mut volume.echo },
];

/// Splits the objects of one SeriesInstanceUID into series. `clashing` are the files that share a SOPInstanceUID with
/// one of `kept`; `findings` hold for all of the series.
///
/// A series is split by what makes it several volumes: study, frame of reference, class, matrix, orientation, spacing,
/// kernel, stack and echo. Time slices at the same positions, as of dynamic PET and 4D CT, stay together, and AcquisitionNumber never
/// splits: it rises along the body and from phase to phase alike.
pub(super) fn series_of(
    modality: Modality,
    mut kept: Vec<GroupedObject>,
    clashing: &[GroupedObject],
    findings: &[Finding],
) -> Vec<Series> {
    let mut clashing: Vec<GroupedObject> = clashing.to_vec();
    even_out(kept.iter_mut().chain(&mut clashing));
    let split = PARTS.iter().filter(|part| part.name_values(kept.iter_mut().chain(&mut clashing)));
    let mut findings = findings.to_vec();
    findings.extend(split.map(|part| Finding::Split(part.name)).collect::<Vec<_>>());
    let mut groups: BTreeMap<Group, Vec<GroupedObject>> = BTreeMap::new();
    for object in kept {
        groups.entry(object.group.clone()).or_default().push(object);
    }
    let mut out = Vec::new();
    for (group, objects) in groups {
        // The kept file may not belong to this series, and the skipped one may.
        let touches = |c: &&GroupedObject| c.group == group || objects.iter().any(|o| o.instance.uid == c.instance.uid);
        let left_out = clashing.iter().filter(touches).map(|c| c.instance.path.clone()).collect();
        out.push(assemble(modality, group, objects, left_out, &findings));
    }
    out
}

/// Gives slices whose orientation or spacing differ by rounding the same: over the whole image, the difference must stay
/// below half a pixel. The smallest of them stands for all, so that the order of files does not matter.
fn even_out<'a>(objects: impl Iterator<Item = &'a mut GroupedObject>) {
    let mut objects: Vec<&mut GroupedObject> = objects.collect();
    let key = |o: &GroupedObject| (o.orientation, o.pixel_spacing);
    objects.sort_by(|a, b| {
        let ((a, spacing_a), (b, spacing_b)) = (key(a), key(b));
        let numbers = a.iter().chain(&spacing_a).zip(b.iter().chain(&spacing_b));
        numbers.map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    let mut known: Vec<([f64; 6], [f64; 2])> = Vec::new();
    for object in objects {
        let near = 0.5 / f64::from(object.group.rows.max(object.group.columns).max(1));
        let (orientation, spacing) = key(object);
        let is_near = |(o, s): &&([f64; 6], [f64; 2])| {
            o.iter().zip(orientation).all(|(a, b)| (a - b).abs() < near)
                && s.iter().zip(spacing).all(|(a, b)| (a / b - 1.0).abs() < near)
        };
        let (orientation, spacing) = match known.iter().find(is_near) {
            Some(first) => *first,
            None => {
                known.push((orientation, spacing));
                (orientation, spacing)
            }
        };
        object.group.orientation = thousandths(orientation);
        object.group.spacing = thousandths(spacing);
        if orientation != object.orientation && object.instance.planes.len() == 1 {
            // Positions along normals that differ do not compare.
            object.instance.set_orientation(orientation);
        }
    }
}

impl Part {
    /// Enters the attribute of every object into its group, if the series has several values, and returns whether it has. An
    /// object without one is taken for one of the first value.
    fn name_values<'a>(&self, objects: impl Iterator<Item = &'a mut GroupedObject>) -> bool {
        let objects: Vec<&mut GroupedObject> = objects.collect();
        let mut objects: Vec<_> = objects.into_iter().map(|o| ((self.of)(&mut o.volume).clone(), o)).collect();
        let values: BTreeSet<String> = objects.iter().filter_map(|(value, _)| value.clone()).collect();
        if values.len() < 2 {
            return false;
        }
        for (value, object) in &mut objects {
            *(self.of)(&mut object.group.volume) = value.take().or_else(|| values.first().cloned());
        }
        true
    }
}

fn assemble(
    modality: Modality,
    group: Group,
    mut objects: Vec<GroupedObject>,
    clashing: Vec<PathBuf>,
    known: &[Finding],
) -> Series {
    let times = time_slices(&objects);
    let time = |o: &GroupedObject| times.and_then(|(_, of)| of.of_object(&o.instance)).unwrap_or(0.0);
    objects.sort_by(|a, b| {
        let by_time = time(a).total_cmp(&time(b));
        let (a, b) = (&a.instance, &b.instance);
        let position = a.first().total_cmp(&b.first());
        by_time.then(position).then(a.instance_number.cmp(&b.instance_number)).then_with(|| a.path.cmp(&b.path))
    });
    let pixel_spacing = objects.first().map_or([0.0; 2], |o| o.pixel_spacing);
    let restored = objects.iter().any(|o| o.restored);
    let details = objects.first().map(|o| o.details.clone()).unwrap_or_default();
    let mut stacks: BTreeMap<usize, Vec<Plane>> = BTreeMap::new();
    for instance in objects.iter().map(|o| &o.instance) {
        for (frame, plane) in instance.planes.iter().enumerate() {
            stacks.entry(instance.stack(frame)).or_default().push(*plane);
        }
    }
    let sorted = |planes: &mut Vec<Plane>| {
        planes.sort_by(|a, b| a.along_normal().total_cmp(&b.along_normal()));
        Stack::of(planes)
    };
    let stack = Stack::joined(&stacks.values_mut().map(sorted).collect::<Vec<_>>());
    let mut findings = known.to_vec();
    if !clashing.is_empty() {
        findings.push(Finding::Clashing(clashing.len()));
    }
    if stacks.len() > 1 {
        findings.push(Finding::Stacks(stacks.len()));
    }
    if stack.missing > 0 {
        findings.push(Finding::Missing(stack.missing));
    }
    if let Some((least, most)) = stack.uneven {
        findings.push(Finding::UnevenSpacing(least, most));
    }
    match times {
        Some((slices, _)) => findings.push(Finding::TimeSlices(slices)),
        None if stack.coincident > 0 => findings.push(Finding::Coincident(stack.coincident)),
        None => {}
    }
    if stack.tilt > 0.5 {
        findings.push(Finding::GantryTilt(stack.tilt));
    }
    let [rows_apart, columns_apart] = pixel_spacing;
    if (rows_apart / columns_apart - 1.0).abs() > 1e-3 {
        findings.push(Finding::NonSquarePixels(rows_apart, columns_apart));
    }
    for remark in objects.iter().flat_map(|o| &o.remarks) {
        if !findings.contains(remark) {
            findings.push(remark.clone());
        }
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
        instances: objects.into_iter().map(|o| Instance { time: times.map(|(_, time)| time), ..o.instance }).collect(),
        clashing,
        findings,
        slice_spacing: stack.spacing,
        details,
    }
}

/// How many time slices there are at each position, and the attribute that tells them apart; `None` unless each of them covers
/// all positions.
fn time_slices(objects: &[GroupedObject]) -> Option<(usize, Time)> {
    let at = |position: f64| (position / SAME_POSITION).round() as i64;
    let frames = || {
        objects.iter().map(|o| &o.instance).flat_map(|instance| {
            let frames = instance.along_normal.iter().zip(&instance.times).enumerate();
            frames.map(|(i, (position, times))| ((instance.stack(i), at(*position)), times))
        })
    };
    let positions: BTreeSet<(usize, i64)> = frames().map(|(position, _)| position).collect();
    let count = frames().count();
    if positions.len() == count {
        return None;
    }
    Time::ALL.into_iter().find_map(|time| {
        let mut seen = BTreeSet::new();
        let mut slices = BTreeSet::new();
        for (position, times) in frames() {
            let value = times.get(time)?.to_bits();
            slices.insert(value);
            // Two slices at one place and time.
            if !seen.insert((value, position)) {
                return None;
            }
        }
        (slices.len() > 1 && slices.len() * positions.len() == count).then_some((slices.len(), time))
    })
}

/// Enters patient, study and frame of reference into the groups of one series' objects. An object without one takes that
/// of the others where they agree. Returns the attributes that split the series.
pub(super) fn enter(objects: &mut [GroupedObject]) -> Vec<Finding> {
    let only = |values: Vec<&String>| {
        let first = values.first().copied().cloned();
        let several = values.iter().any(|v| Some(*v) != first.as_ref());
        (if several { None } else { first }, several)
    };
    let (study, studies) = only(objects.iter().filter_map(|o| o.identity.study_uid.as_ref()).collect());
    let (frame, frames) = only(objects.iter().filter_map(|o| o.identity.frame_of_reference.as_ref()).collect());
    // Patients that differ are refused before.
    let patient = objects.iter().find_map(|o| o.identity.patient_id.clone());
    for object in objects {
        let own = object.identity.clone();
        object.group.study_uid = own.study_uid.or_else(|| study.clone());
        object.group.frame_of_reference = own.frame_of_reference.or_else(|| frame.clone());
        object.group.patient_id = patient.clone();
    }
    let split = [(studies, STUDY), (frames, FRAME_OF_REFERENCE)];
    split.into_iter().filter(|(several, _)| *several).map(|(_, name)| Finding::Split(name)).collect()
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
            volume: Volume::default(),
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
            Group { volume: Volume { kernel: Some("BONE".into()), ..Volume::default() }, ..group() },
            Group { volume: Volume { stack: Some("BONE".into()), ..Volume::default() }, ..group() },
            Group { volume: Volume { echo: Some("BONE".into()), ..Volume::default() }, ..group() },
            group(),
        ];
        let mut names: Vec<String> = others.iter().map(Group::folder).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), others.len());
    }
}
