//! Classifies an object by its header: its place in a series, or the reason to skip it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use dicom_core::dictionary::{UidDictionary, UidDictionaryEntry};
use dicom_dictionary_std::{StandardSopClassDictionary, tags};

use super::{
    Details, Instance, ScanOptions,
    frames::Frames,
    group_key::{Group, Volume, thousandths},
    identity::Identity,
    object::GroupedObject,
    quantity,
    times::Times,
};
use crate::{
    Error, Modality, Reason, codes,
    read::{
        dataset::{DataSet, Stop},
        file::{DicomFile, Opened},
        geometry::Plane,
        view::View,
    },
};

/// Bytes of a file up to the end of its prefix (PS3.10, 7.1).
const PREAMBLE: u64 = 132;

/// A damaged file: the reason to skip it, if what comes before the damage shows that it is no image of the modality; else its
/// SeriesInstanceUID, as far as that is known.
pub(super) fn look_at_damaged(path: &Path, modality: Modality) -> Result<Reason, Option<String>> {
    let Some(set) = DicomFile::before_damage(path) else { return Err(None) };
    match set.text(tags::SOP_CLASS_UID) {
        Some(class) if !is_of(modality, class, &set) && !modality.may_own(class) => {
            Ok(Reason::NotSlice(format!("not a {} image: {}, and damaged", modality.name(), class_name(class))))
        }
        _ => Err(set.text(tags::SERIES_INSTANCE_UID).map(str::to_owned)),
    }
}

/// Whether a file that is not DICOM is named as a slice, and has nothing where one begins: a copy that failed leaves such files.
pub(super) fn is_lost(path: &Path) -> bool {
    let ends = |path: &Path, endings: &[&str]| {
        path.extension().is_some_and(|ending| endings.iter().any(|e| ending.eq_ignore_ascii_case(e)))
    };
    let unpacked = if ends(path, &["gz"]) { path.with_extension("") } else { path.to_owned() };
    let named = ends(&unpacked, &["dcm", "dicom", "ima"]);
    let is_blank = || -> io::Result<bool> {
        let mut head = Vec::new();
        File::open(path)?.take(PREAMBLE).read_to_end(&mut head)?;
        Ok(head.iter().all(|byte| *byte == 0))
    };
    named && is_blank().is_ok_and(|blank| blank)
}

/// Reads one header and returns its place in a series, or the reason to skip it.
pub(super) fn look(path: &Path, options: &ScanOptions) -> Result<Result<GroupedObject, Reason>, Error> {
    match DicomFile::look(path, Stop::AtPixels)? {
        Opened::Other => Ok(Err(Reason::NotDicom)),
        Opened::Dicom(file) => Ok(choose(&file.set, path, options).map(|mut object| {
            object.instance.repairs.extend(file.repairs().iter().filter(|repair| !repair.is_of_pixels()));
            object
        })),
    }
}

/// The SeriesInstanceUID of an object without a place, if it meets the conditions of the search.
pub(super) fn series_of_incomplete(path: &Path, options: &ScanOptions) -> Option<String> {
    let Ok(Opened::Dicom(file)) = DicomFile::look(path, Stop::AtPixels) else { return None };
    let uid = file.set.text(tags::SERIES_INSTANCE_UID)?;
    options.select.is_met(&file.set).then(|| uid.to_owned())
}

/// The place of an object that is chosen.
fn choose(set: &DataSet, path: &Path, options: &ScanOptions) -> Result<GroupedObject, Reason> {
    let object = place(set, path, options.modality)?;
    let named = options.series.is_empty() || options.series.contains(&object.group.series_uid);
    if named && options.select.is_met(set) { Ok(object) } else { Err(Reason::NotSelected) }
}

pub(crate) fn place(set: &DataSet, path: &Path, modality: Modality) -> Result<GroupedObject, Reason> {
    if set.contains(tags::DIRECTORY_RECORD_SEQUENCE) {
        return Err(Reason::not_slice("a DICOMDIR"));
    }
    let class = set.text(tags::SOP_CLASS_UID).ok_or_else(|| Reason::not_slice("DICOM without a SOP class"))?;
    if let Some(other) = modality.other().filter(|other| is_of(*other, class, set)) {
        return Err(Reason::OtherModality(other));
    }
    if !is_of(modality, class, set) {
        return Err(Reason::NotSlice(format!("not a {} image: {}", modality.name(), class_name(class))));
    }
    let groups = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len().max(1) as u32;
    if quantity::is_localizer(set, groups) {
        return Err(Reason::not_slice("a localizer"));
    }
    let missing = |what: &str| Reason::Incomplete(format!("a {} image without {what}", modality.name()));
    if let Some(what) = quantity::foreign(set, groups, modality) {
        return Err(what);
    }
    let Frames { planes, spacing, stacks, stack, are_slices, repairs } = Frames::read(set, class, modality)?;
    let count = planes.len() as u32;
    let size = |tag, name| {
        let n = set.integer(tag).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        n.ok_or_else(|| missing(name))
    };
    let uid = set.text(tags::SOP_INSTANCE_UID).ok_or_else(|| missing("SOPInstanceUID"))?;
    let first = planes.first().ok_or_else(|| missing("frames"))?;
    let series_uid = set.text(tags::SERIES_INSTANCE_UID).ok_or_else(|| missing("SeriesInstanceUID"))?;
    let group = Group {
        series_uid: series_uid.to_owned(),
        study_uid: None,
        patient_id: None,
        frame_of_reference: None,
        sop_class: class.to_owned(),
        orientation: thousandths(first.orientation),
        rows: size(tags::ROWS, "Rows")?,
        columns: size(tags::COLUMNS, "Columns")?,
        spacing: thousandths(spacing),
        volume: Volume::default(),
    };
    let orientation = first.orientation;
    let volume = Volume { kernel: kernel(set), stack, echo: echo(set) };
    let instance = Instance {
        path: path.to_owned(),
        uid: uid.to_owned(),
        instance_number: set.integer(tags::INSTANCE_NUMBER).unwrap_or(0),
        repairs,
        along_normal: planes.iter().map(Plane::along_normal).collect(),
        planes,
        stacks,
        thickness: View::new(set, 0).group(tags::PIXEL_MEASURES_SEQUENCE).number(tags::SLICE_THICKNESS),
        are_slices,
        time: None,
        times: (0..count).map(|frame| Times::read(&View::new(set, frame))).collect(),
    };
    Ok(GroupedObject {
        group,
        identity: Identity::read(set),
        instance,
        pixel_spacing: spacing,
        orientation,
        volume,
        details: Details::read(set),
        remarks: if modality == Modality::Ct { quantity::remarks(set) } else { Vec::new() },
        restored: is_restored(set),
        not_uptake: (modality == Modality::Pet).then(|| quantity::not_uptake(set)).flatten(),
    })
}

/// Whether an object is of a modality, by its class. Volumes of some CT consoles are secondary captures of many frames, with the
/// functional groups of Enhanced CT and a rescale that says it leads to HU.
fn is_of(modality: Modality, class: &str, set: &DataSet) -> bool {
    class == modality.slice_class()
        || modality.multi_frame_classes().contains(&class)
        || (modality.may_own(class)
            && set.text(tags::MODALITY) == Some("CT")
            && set.text(tags::RESCALE_TYPE) == Some("HU"))
}

/// ConvolutionKernel of CT, which makes a volume of its own. Some scanners write the strength of their iterative reconstruction
/// as a second value.
fn kernel(set: &DataSet) -> Option<String> {
    let view = View::new(set, 0);
    let values = view.group(tags::CT_RECONSTRUCTION_SEQUENCE).texts(tags::CONVOLUTION_KERNEL);
    let kernel = values.join("\\").to_ascii_uppercase();
    (!kernel.is_empty()).then_some(kernel)
}

/// EchoNumbers, or the echo time, of an object that has one: each echo is a volume.
fn echo(set: &DataSet) -> Option<String> {
    let view = View::new(set, 0);
    let time = || {
        view.number(tags::ECHO_TIME).or_else(|| view.group(tags::MR_ECHO_SEQUENCE).number(tags::EFFECTIVE_ECHO_TIME))
    };
    let number = view.number(tags::ECHO_NUMBERS).map(|n| format!("number {n}"));
    number.or_else(|| time().map(|time| format!("{time} ms")))
}

fn class_name(uid: &str) -> &str {
    let entry = StandardSopClassDictionary.by_uid(uid);
    entry.map_or("a class that is not in the standard", UidDictionaryEntry::name)
}

/// Whether artir derived an object. Any mark is enough: an archive may drop the equipment, the derivation code or the text.
fn is_restored(set: &DataSet) -> bool {
    let by_artir = |item: &DataSet| {
        [tags::MANUFACTURER, tags::MANUFACTURER_MODEL_NAME].iter().any(|tag| item.text(*tag) == Some("artir"))
    };
    let described = |item: &DataSet| {
        let text = item.bytes(tags::DERIVATION_DESCRIPTION).map(String::from_utf8_lossy);
        text.is_some_and(|text| text.contains(codes::DESCRIPTION) && text.contains("artir "))
    };
    let derived =
        |item: &DataSet| described(item) || codes::RESTORATION.is_among(item.items(tags::DERIVATION_CODE_SEQUENCE));
    let shared = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let mut groups = shared.iter().chain(set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE));
    set.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE).iter().any(by_artir)
        || derived(set)
        || groups.any(|g| g.items(tags::DERIVATION_IMAGE_SEQUENCE).iter().any(derived))
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;

    fn restored(change: impl FnOnce(&mut DataSet)) -> bool {
        let mut set = DataSet::default();
        change(&mut set);
        is_restored(&set)
    }

    #[test]
    fn a_copy_that_failed_is_known_by_its_name_and_its_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let is = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            is_lost(&path)
        };
        assert!(is("1.dcm", b"") && is("1.DCM", &[0; 100]) && is("1.IMA", &[0; 4000]));
        assert!(is("1.dcm.gz", b"") && !is("1.gz", b""));
        assert!(!is("done", b"") && !is("1.dcm", b"text") && !is("._1.dcm", b"\x00\x05\x16\x07"));
        assert!(!is_lost(&dir.path().join("nowhere.dcm")));
    }

    #[test]
    fn artir_s_own_results_are_known_by_equipment_and_by_code() {
        let derivation = || {
            let mut item = DataSet::default();
            codes::RESTORATION.put(&mut item, tags::DERIVATION_CODE_SEQUENCE);
            item
        };
        assert!(!restored(|_| {}));
        let equipment = |name: &str| {
            let mut item = DataSet::default();
            item.put_text(tags::MANUFACTURER_MODEL_NAME, VR::LO, name);
            restored(|set| set.put_items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![item]))
        };
        assert!(equipment("artir") && !equipment("another"));
        assert!(restored(|set| *set = derivation()));
        let described = |text: &str| restored(|set| set.put_text(tags::DERIVATION_DESCRIPTION, VR::ST, text));
        assert!(described("Averaged\r\nRestored by a neural network (denoising): artir 0.2.0; model x."));
        assert!(!described("Averaged") && !described("Restored by a neural network (denoising): another"));
        let frames = |sequence, steps: Vec<DataSet>| {
            let mut groups = DataSet::default();
            groups.put_items(tags::DERIVATION_IMAGE_SEQUENCE, steps);
            restored(|set| set.put_items(sequence, vec![groups]))
        };
        let (own, shared) = (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        assert!(frames(own, vec![DataSet::default(), derivation()]));
        assert!(frames(shared, vec![derivation()]));
        assert!(!frames(own, vec![DataSet::default()]));
    }
}
