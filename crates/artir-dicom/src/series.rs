//! Finding series: a scan of headers, without pixels.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use dicom_core::dictionary::{UidDictionary, UidDictionaryEntry};
use dicom_dictionary_std::{StandardSopClassDictionary, tags, uids};
use walkdir::WalkDir;

use crate::{
    Error,
    dataset::{DataSet, Stop},
    dicomdir,
    file::{DicomFile, Opened},
    geometry::{Plane, SAME_POSITION, Stack},
    uid,
    view::View,
};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Modality {
    /// CT Image Storage and its enhanced forms.
    Ct,
    /// Positron Emission Tomography Image Storage and its enhanced forms.
    Pet,
}

impl Modality {
    /// `CT` or `PET`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Pet => "PET",
        }
    }

    /// What values are in: `HU` or `SUV`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Ct => "HU",
            Self::Pet => "SUV",
        }
    }

    /// The storage class of single slices.
    fn slice_class(self) -> &'static str {
        match self {
            Self::Ct => uids::CT_IMAGE_STORAGE,
            Self::Pet => uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
        }
    }

    /// The storage classes of multi-frame objects.
    fn multi_frame_classes(self) -> [&'static str; 2] {
        match self {
            Self::Ct => [uids::ENHANCED_CT_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE],
            Self::Pet => [uids::ENHANCED_PET_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE],
        }
    }

    /// Whether an object is of this modality, by its class. Volumes of some CT consoles are secondary captures of many
    /// frames, with the functional groups of Enhanced CT and a rescale that says it leads to HU.
    fn owns(self, class: &str, set: &DataSet) -> bool {
        class == self.slice_class()
            || self.multi_frame_classes().contains(&class)
            || (self == Self::Ct
                && class == uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE
                && set.text(tags::MODALITY) == Some("CT")
                && set.text(tags::RESCALE_TYPE) == Some("HU"))
    }
}

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
    planes: Vec<Plane>,
}

impl Instance {
    fn first(&self) -> f64 {
        self.along_normal.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn frames(&self) -> u32 {
        self.along_normal.len() as u32
    }
}

/// A series that can be restored, its slices sorted along their normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is.
    pub modality: Modality,
    /// The source's SeriesInstanceUID.
    pub uid: String,
    /// Folder that the derived series goes to: `series-` and 12 digits hashed from what tells it from others.
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
    /// What a reader of the series should know.
    pub findings: Vec<Finding>,
    /// Usual distance of neighbouring slices, mm; 0 for a single one.
    pub slice_spacing: f64,
}

impl Series {
    /// Slices, or frames.
    pub fn slices(&self) -> usize {
        self.instances.iter().map(|i| i.along_normal.len()).sum()
    }
}

/// Something unusual about a series, which does not keep it from being restored slice by slice.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// So many slices seem to be missing between others.
    Missing(usize),
    /// Neighbours are between these distances apart, mm.
    UnevenSpacing(f64, f64),
    /// So many slices lie where another lies.
    Coincident(usize),
    /// The stack is sheared by a tilted gantry, degrees.
    GantryTilt(f64),
    /// Pixels are not square: distance of rows, then of columns, mm.
    NonSquarePixels(f64, f64),
    /// SeriesTime is no start of the scan. It was taken from this attribute.
    ScanStartFrom(&'static str),
    /// The injection seems to follow the start of the scan by so many seconds.
    InjectionAfterStart(f64),
    /// The date of the injection does not fit that of the scan, and its time of day was used.
    InjectionDateIgnored,
    /// Date and time of the injection differ from its time of day, and were used.
    InjectionTimesDiffer,
    /// The scan's times were taken for those of the zone that the injection's time names.
    ZoneAssumed,
    /// Slices have different SUV factors: least and largest.
    SuvFactorsDiffer(f64, f64),
    /// So many real-world value mappings could not be restated for a new slope, and were left out.
    MappingsDropped(usize),
    /// artir has restored it before.
    Restored,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(n) => write!(f, "{n} slice(s) missing"),
            Self::UnevenSpacing(least, most) => write!(f, "uneven spacing, {least:.2} to {most:.2} mm"),
            Self::Coincident(n) => write!(f, "{n} slice(s) at a position that is taken"),
            Self::GantryTilt(degrees) => write!(f, "gantry tilted by {degrees:.1} degrees"),
            Self::NonSquarePixels(rows, columns) => write!(f, "pixels of {rows:.3} x {columns:.3} mm"),
            Self::ScanStartFrom(attribute) => {
                write!(f, "SeriesTime (0008,0031) is not the start of the scan: {attribute} was used")
            }
            Self::InjectionAfterStart(seconds) => {
                write!(f, "injection {seconds:.0} s after the start of the scan, by their clocks")
            }
            Self::InjectionDateIgnored => write!(
                f,
                "RadiopharmaceuticalStartDateTime (0018,1078) does not fit the scan: the injection's time of day was used"
            ),
            Self::InjectionTimesDiffer => write!(
                f,
                "RadiopharmaceuticalStartDateTime (0018,1078) was used, from which RadiopharmaceuticalStartTime \
                 (0018,1072) differs"
            ),
            Self::ZoneAssumed => write!(
                f,
                "TimezoneOffsetFromUTC (0008,0201) is missing: the zone of RadiopharmaceuticalStartDateTime (0018,1078) \
                 was used"
            ),
            Self::SuvFactorsDiffer(least, most) => write!(f, "SUV factors from {least:.4e} to {most:.4e}"),
            Self::MappingsDropped(n) => write!(
                f,
                "{n} item(s) of RealWorldValueMappingSequence (0040,9096) left out: they cannot follow a new RescaleSlope"
            ),
            Self::Restored => write!(f, "restored by artir before"),
        }
    }
}

/// A file that is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct SetAside {
    /// The file.
    pub path: PathBuf,
    /// Why, in words that name no patient's data.
    pub reason: String,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Series, in a stable order.
    pub series: Vec<Series>,
    /// Files left out: what is no slice of the modality.
    pub set_aside: Vec<SetAside>,
    /// Files that are DICOM and cannot be read. Slices of a series may be among them.
    pub damaged: Vec<Error>,
}

impl Scan {
    /// The damaged files in the folders that a series lies in: nobody can say whether they belong to it.
    pub fn damaged_beside<'a>(&'a self, series: &Series) -> impl Iterator<Item = &'a Error> {
        let folders: BTreeSet<PathBuf> =
            series.instances.iter().filter_map(|i| i.path.parent().map(Path::to_owned)).collect();
        self.damaged.iter().filter(move |e| {
            let Error::File { path, .. } = e else { return true };
            path.parent().is_some_and(|p| folders.contains(p))
        })
    }
}

/// What all slices of a restorable series share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    series_uid: String,
    /// Multi-frame objects do not mix with slices.
    sop_class: String,
    /// Direction cosines, in thousandths.
    orientation: [i64; 6],
    rows: u32,
    columns: u32,
    /// Pixel spacing, in micrometres.
    spacing: [i64; 2],
    /// AcquisitionNumber, where a series holds several at the same positions.
    acquisition: Option<i64>,
}

/// An object with the group that it belongs to.
pub(crate) struct Placed {
    group: Group,
    instance: Instance,
    pixel_spacing: [f64; 2],
    restored: bool,
}

/// Searches files and folders for series of a modality.
///
/// # Errors
/// [`Error::File`] for an input that is not there; [`Error::NoSeries`] when nothing can be restored.
pub fn scan(inputs: &[PathBuf], modality: Modality) -> Result<Scan, Error> {
    let mut found = Scan::default();
    let mut placed = Vec::new();
    for path in files(inputs, &mut found)? {
        match look(&path, modality) {
            Ok(Ok(object)) => placed.push(object),
            Ok(Err(reason)) => found.set_aside.push(SetAside { path, reason }),
            Err(e) => found.damaged.push(e),
        }
    }
    let mut groups: BTreeMap<Group, Vec<Placed>> = BTreeMap::new();
    for object in without_copies(placed, &mut found.set_aside) {
        groups.entry(object.group.clone()).or_default().push(object);
    }
    for (group, objects) in groups {
        for (group, objects) in split_acquisitions(group, objects) {
            found.series.push(assemble(modality, group, objects));
        }
    }
    if found.series.is_empty() {
        return Err(none_found(inputs, modality, found));
    }
    Ok(found)
}

fn files(inputs: &[PathBuf], found: &mut Scan) -> Result<Vec<PathBuf>, Error> {
    let mut out = Vec::new();
    for input in inputs {
        if input.is_file() && dicomdir::is_dicomdir(input) {
            out.extend(dicomdir::files(input, &mut found.set_aside)?);
            continue;
        }
        for entry in WalkDir::new(input).follow_links(true).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() => out.push(entry.into_path()),
                Ok(_) => {}
                Err(e) => {
                    let path = e.path().unwrap_or(input);
                    let reason = e.io_error().map_or_else(|| "cannot be read".into(), ToString::to_string);
                    return Err(Error::file(path, reason));
                }
            }
        }
    }
    // A file that is named twice is read once.
    let mut seen = BTreeSet::new();
    out.retain(|path| seen.insert(path.clone()));
    Ok(out)
}

fn none_found(inputs: &[PathBuf], modality: Modality, mut found: Scan) -> Error {
    if found.damaged.len() == 1 && found.set_aside.is_empty() {
        return found.damaged.remove(0);
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &found.set_aside {
        *reasons.entry(&file.reason).or_default() += 1;
    }
    for error in &found.damaged {
        if let Error::File { reason, .. } = error {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let listed: Vec<String> = reasons.iter().map(|(reason, n)| format!("{n} file(s): {reason}")).collect();
    let detail = if listed.is_empty() { " (no files)".into() } else { format!(" ({})", listed.join("; ")) };
    let input: Vec<String> = inputs.iter().map(|p| p.display().to_string()).collect();
    Error::NoSeries { input: input.join(", "), what: modality.name(), detail }
}

/// Reads one header: its place in a series, or the reason why it has none.
fn look(path: &Path, modality: Modality) -> Result<Result<Placed, String>, Error> {
    match DicomFile::look(path, Stop::AtPixels)? {
        Opened::Other => Ok(Err("not a DICOM file".into())),
        Opened::Dicom(file) => Ok(place(&file.set, path, modality)),
    }
}

pub(crate) fn place(set: &DataSet, path: &Path, modality: Modality) -> Result<Placed, String> {
    if set.contains(tags::DIRECTORY_RECORD_SEQUENCE) {
        return Err("a DICOMDIR".into());
    }
    let class = set.text(tags::SOP_CLASS_UID).ok_or("DICOM without a SOP class")?;
    if !modality.owns(class, set) {
        return Err(format!("not a {} image: {}", modality.name(), class_name(class)));
    }
    if set.texts(tags::IMAGE_TYPE).contains(&"LOCALIZER") {
        return Err("a localizer".into());
    }
    if let Some(what) = foreign_quantity(set, modality) {
        return Err(what);
    }
    let missing = |what: &str| format!("a {} image without {what}", modality.name());
    let frames = set.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1);
    let multi_frame = class != modality.slice_class();
    if !multi_frame && frames != 1 {
        return Err(format!("a single-frame class with {frames} frames"));
    }
    let present = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len();
    if multi_frame && usize::try_from(frames) != Ok(present) {
        return Err(format!("{frames} frames, and functional groups for {present}"));
    }
    let mut planes = Vec::new();
    let mut spacing = None;
    for frame in 0..u32::try_from(frames).map_err(|_| missing("NumberOfFrames"))? {
        let view = View::new(set, frame);
        let orientation = view
            .group(tags::PLANE_ORIENTATION_SEQUENCE)
            .vector(tags::IMAGE_ORIENTATION_PATIENT)
            .ok_or_else(|| missing("ImageOrientationPatient"))?;
        let position = view
            .group(tags::PLANE_POSITION_SEQUENCE)
            .vector(tags::IMAGE_POSITION_PATIENT)
            .ok_or_else(|| missing("ImagePositionPatient"))?;
        let plane = Plane { position, orientation };
        if !plane.is_axial() {
            return Err("a reformat: not an axial image".into());
        }
        planes.push(plane);
        spacing = spacing.or(view.group(tags::PIXEL_MEASURES_SEQUENCE).vector(tags::PIXEL_SPACING));
    }
    let spacing = spacing.ok_or_else(|| missing("PixelSpacing"))?;
    let size = |tag, name| {
        let n = set.integer(tag).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        n.ok_or_else(|| missing(name))
    };
    let uid = set.text(tags::SOP_INSTANCE_UID).ok_or_else(|| missing("SOPInstanceUID"))?;
    let first = planes.first().ok_or_else(|| missing("frames"))?;
    let group = Group {
        series_uid: set.text(tags::SERIES_INSTANCE_UID).ok_or_else(|| missing("SeriesInstanceUID"))?.to_owned(),
        sop_class: class.to_owned(),
        orientation: first.orientation.map(|v| (v * 1e3).round() as i64),
        rows: size(tags::ROWS, "Rows")?,
        columns: size(tags::COLUMNS, "Columns")?,
        spacing: spacing.map(|v| (v * 1e3).round() as i64),
        acquisition: None,
    };
    let instance = Instance {
        path: path.to_owned(),
        uid: uid.to_owned(),
        instance_number: set.integer(tags::INSTANCE_NUMBER).unwrap_or(0),
        acquisition: set.integer(tags::ACQUISITION_NUMBER),
        along_normal: planes.iter().map(Plane::along_normal).collect(),
        planes,
    };
    let equipment = set.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE);
    let restored = equipment.iter().any(|e| e.text(tags::MANUFACTURER_MODEL_NAME) == Some("artir"));
    Ok(Placed { group, instance, pixel_spacing: spacing, restored })
}

/// What else the values are, when they are not what the modality measures: maps of blood flow, dose and the like are kept
/// in the same classes (PS3.3, C.7.6.16.2.11 and C.8.16.2.1.1).
fn foreign_quantity(set: &DataSet, modality: Modality) -> Option<String> {
    let shared = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let frames = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let groups = || shared.iter().chain(frames).chain(std::iter::once(set));
    let mut mappings = groups().flat_map(|g| g.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE));
    let units = |mapping: &DataSet| {
        let code = mapping.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first()?;
        code.text(tags::CODE_VALUE).map(str::to_owned)
    };
    if modality == Modality::Ct && mappings.any(|m| units(m).is_some_and(|unit| unit != "[hnsf'U]")) {
        return Some("a map whose real-world values are not HU".into());
    }
    let types = [tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, tags::PET_FRAME_TYPE_SEQUENCE];
    let mut presentations = groups().flat_map(|g| types.map(|t| g.items(t))).flatten().chain(std::iter::once(set));
    let is_colour = presentations.any(|p| p.text(tags::PIXEL_PRESENTATION).is_some_and(|p| p.contains("COLOR")));
    is_colour.then(|| "a map that is shown in colour".into())
}

fn class_name(uid: &str) -> &str {
    let entry = StandardSopClassDictionary.by_uid(uid);
    entry.map_or("a class that is not in the standard", UidDictionaryEntry::name)
}

/// Sets aside files that repeat the class and the SOPInstanceUID of another. Which of two is right cannot be told, so the first in
/// the order of paths stays, and the other is listed.
fn without_copies(placed: Vec<Placed>, set_aside: &mut Vec<SetAside>) -> Vec<Placed> {
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(placed.len());
    for object in placed {
        if !seen.insert((object.group.sop_class.clone(), object.instance.uid.clone())) {
            let reason = "its SOPInstanceUID is another file's too".into();
            set_aside.push(SetAside { path: object.instance.path, reason });
        } else {
            kept.push(object);
        }
    }
    kept
}

/// Splits a group in which several acquisitions lie at the same positions, as the phases of one series do. Acquisitions
/// that follow each other along the body stay together.
fn split_acquisitions(group: Group, objects: Vec<Placed>) -> Vec<(Group, Vec<Placed>)> {
    let mut at: Vec<(f64, Option<i64>)> =
        objects.iter().map(|o| (o.instance.first(), o.instance.acquisition)).collect();
    at.sort_by(|a, b| a.0.total_cmp(&b.0));
    let overlap = at.windows(2).any(|w| w[1].0 - w[0].0 < SAME_POSITION && w[0].1 != w[1].1);
    if !overlap {
        return vec![(group, objects)];
    }
    let mut parts: BTreeMap<Option<i64>, Vec<Placed>> = BTreeMap::new();
    for object in objects {
        parts.entry(object.instance.acquisition).or_default().push(object);
    }
    parts.into_iter().map(|(acquisition, part)| (Group { acquisition, ..group.clone() }, part)).collect()
}

fn assemble(modality: Modality, group: Group, mut objects: Vec<Placed>) -> Series {
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
    let mut findings = Vec::new();
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
    if restored {
        findings.push(Finding::Restored);
    }
    let folder = format!("series-{}", uid::short(&format!("{group:?}")));
    Series {
        modality,
        multi_frame: group.sop_class != modality.slice_class(),
        uid: group.series_uid,
        folder,
        rows: group.rows,
        columns: group.columns,
        pixel_spacing,
        instances: objects.into_iter().map(|o| o.instance).collect(),
        findings,
        slice_spacing: stack.spacing,
    }
}
