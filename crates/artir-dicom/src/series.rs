//! Finding series: a scan of headers, without pixels.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use walkdir::WalkDir;

use crate::{Error, header, uid};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Modality {
    /// CT Image Storage.
    Ct,
    /// Positron Emission Tomography Image Storage.
    Pet,
}

impl Modality {
    fn name(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Pet => "PET",
        }
    }

    fn sop_class(self) -> &'static str {
        match self {
            Self::Ct => uids::CT_IMAGE_STORAGE,
            Self::Pet => uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
        }
    }
}

/// One slice, as its header describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceHeader {
    /// Its file.
    pub path: PathBuf,
    /// Position along the slice normal, mm.
    pub along_normal: f64,
    /// InstanceNumber; orders slices at one position.
    pub instance_number: i64,
    /// Rows, pixels.
    pub rows: u32,
    /// Columns, pixels.
    pub columns: u32,
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
    /// The slices.
    pub slices: Vec<SliceHeader>,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Series, in a stable order.
    pub series: Vec<Series>,
    /// Files left out.
    pub set_aside: Vec<SetAside>,
}

/// What all slices of a restorable series share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    series_uid: String,
    /// Direction cosines, in thousandths.
    orientation: [i64; 6],
    rows: u32,
    columns: u32,
    /// Pixel spacing, in micrometres.
    spacing: [i64; 2],
}

/// Searches files and folders for series of a modality.
///
/// # Errors
/// [`Error::File`] for a DICOM file that cannot be parsed (a slice is never left out in silence) and for an input that
/// is not there; [`Error::NoSeries`] when nothing can be restored.
pub fn scan(inputs: &[PathBuf], modality: Modality) -> Result<Scan, Error> {
    let mut groups: BTreeMap<Group, Vec<SliceHeader>> = BTreeMap::new();
    let mut set_aside = Vec::new();
    for path in files(inputs)? {
        match look(&path, modality)? {
            Ok((group, slice)) => groups.entry(group).or_default().push(slice),
            Err(reason) => set_aside.push(SetAside { path, reason }),
        }
    }
    if groups.is_empty() {
        return Err(none_found(inputs, modality, &set_aside));
    }
    let series = groups
        .into_iter()
        .map(|(group, mut slices)| {
            slices.sort_by(|a, b| {
                let position = a.along_normal.total_cmp(&b.along_normal);
                position.then(a.instance_number.cmp(&b.instance_number)).then_with(|| a.path.cmp(&b.path))
            });
            let folder = format!("series-{}", uid::short(&format!("{group:?}")));
            Series { modality, uid: group.series_uid, folder, slices }
        })
        .collect();
    Ok(Scan { series, set_aside })
}

fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut out = Vec::new();
    for input in inputs {
        for entry in WalkDir::new(input).follow_links(true).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() => out.push(entry.into_path()),
                Ok(_) => {}
                Err(e) => {
                    let path = e.path().unwrap_or(input).to_owned();
                    let reason = e.io_error().map_or_else(|| "cannot be read".into(), ToString::to_string);
                    return Err(Error::File { path, reason });
                }
            }
        }
    }
    Ok(out)
}

fn none_found(inputs: &[PathBuf], modality: Modality, set_aside: &[SetAside]) -> Error {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for file in set_aside {
        *reasons.entry(&file.reason).or_default() += 1;
    }
    let found: Vec<String> = reasons.iter().map(|(reason, n)| format!("{n} file(s): {reason}")).collect();
    let detail = if found.is_empty() { " (no files)".into() } else { format!(" ({})", found.join("; ")) };
    let input: Vec<String> = inputs.iter().map(|p| p.display().to_string()).collect();
    Error::NoSeries { input: input.join(", "), what: modality.name(), detail }
}

/// Reads one header: its place in a series, or the reason why it has none.
fn look(path: &Path, modality: Modality) -> Result<Result<(Group, SliceHeader), String>, Error> {
    let magic = header::is_dicom(path).map_err(|e| Error::File { path: path.to_owned(), reason: e.to_string() })?;
    if !magic {
        return Ok(Err("not a DICOM file".into()));
    }
    let object = header::open(path, false)?;
    Ok(place(&object, path, modality))
}

fn place(object: &InMemDicomObject, path: &Path, modality: Modality) -> Result<(Group, SliceHeader), String> {
    let class = header::text(object, tags::SOP_CLASS_UID).ok_or("DICOM without a SOP class")?;
    if class != modality.sop_class() {
        let multi = [uids::ENHANCED_CT_IMAGE_STORAGE, uids::ENHANCED_PET_IMAGE_STORAGE];
        return Err(if multi.contains(&class.as_str()) {
            "an enhanced multi-frame object, which this version does not read".into()
        } else {
            format!("not a {} image", modality.name())
        });
    }
    let image_type = header::text(object, tags::IMAGE_TYPE).unwrap_or_default();
    let says = |what: &str| image_type.split('\\').any(|v| v.trim() == what);
    if says("LOCALIZER") {
        return Err("a localizer".into());
    }
    if header::integer(object, tags::NUMBER_OF_FRAMES).is_some_and(|n| n != 1) {
        return Err("a multi-frame object, which this version does not read".into());
    }
    let missing = |what: &str| format!("a {} image without {what}", modality.name());
    let orientation = header::numbers(object, tags::IMAGE_ORIENTATION_PATIENT);
    let orientation: [f64; 6] =
        orientation.and_then(|o| o.try_into().ok()).ok_or_else(|| missing("ImageOrientationPatient"))?;
    let position = header::numbers(object, tags::IMAGE_POSITION_PATIENT);
    let position: [f64; 3] = position.and_then(|p| p.try_into().ok()).ok_or_else(|| missing("ImagePositionPatient"))?;
    let normal = normal(orientation);
    // A tilted gantry leans by up to 30 degrees; sagittal and coronal reformats stand at 90.
    if normal[2].abs() < 0.7 {
        return Err("not an axial image".into());
    }
    let size = |tag, name| {
        let n = header::integer(object, tag).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        n.ok_or_else(|| missing(name))
    };
    let (rows, columns) = (size(tags::ROWS, "Rows")?, size(tags::COLUMNS, "Columns")?);
    let spacing = header::numbers(object, tags::PIXEL_SPACING).unwrap_or_default();
    let spacing: [f64; 2] = spacing.try_into().map_err(|_| missing("PixelSpacing"))?;
    let group = Group {
        series_uid: header::text(object, tags::SERIES_INSTANCE_UID).ok_or_else(|| missing("SeriesInstanceUID"))?,
        orientation: orientation.map(|v| (v * 1e3).round() as i64),
        rows,
        columns,
        spacing: spacing.map(|v| (v * 1e3).round() as i64),
    };
    let slice = SliceHeader {
        path: path.to_owned(),
        along_normal: position.iter().zip(normal).map(|(p, n)| p * n).sum(),
        instance_number: header::integer(object, tags::INSTANCE_NUMBER).unwrap_or(0),
        rows,
        columns,
    };
    Ok((group, slice))
}

/// Row direction times column direction (PS3.3, C.7.6.2.1.1).
fn normal([rx, ry, rz, cx, cy, cz]: [f64; 6]) -> [f64; 3] {
    [ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx]
}
