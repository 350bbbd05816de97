//! Finding series: a scan of headers, without pixels.
//!
//! Files are listed (`walk.rs`, `dicomdir.rs`) and their headers looked at (`header.rs`). An object that is not what the modality
//! measures (`quantity.rs`), or that artir derived itself, is skipped. The objects of one SeriesInstanceUID must be of
//! one patient (`identity.rs`); copies among them are skipped (`repeats.rs`), and the rest is split into series
//! (`group.rs`, `series.rs`). `survey.rs` finds the SUV factors of a PET series, and `list.rs` lists all of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    path::{Path, PathBuf},
};

mod archive;
mod dicomdir;
mod frames;
mod group;
mod group_key;
mod header;
mod identity;
mod list;
mod object;
mod quantity;
mod repeats;
mod select;
mod series;
pub(crate) mod survey;
mod times;
mod walk;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::header::place;
pub use self::{
    archive::{is_archive, unpack_tar},
    dicomdir::{files_of_dicomdir, is_dicomdir},
    list::{Listing, Shown, list},
    select::{Selection, SelectionError},
    series::{Details, Instance, Series},
    survey::{SuvSummary, suv_problem, suv_summary},
};
use self::{object::GroupedObject, quantity::NotUptake};
use tempfile::TempDir;

use crate::{Error, Modality, PetUnits, Reason};

/// Options of a scan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScanOptions {
    /// CT or PET.
    pub modality: Modality,
    /// Accept series that artir derived as sources.
    pub include_derived: bool,
    /// Unit of PET values for the network. Without SUV, the values need no attenuation correction.
    pub units: PetUnits,
    /// Conditions that an object must meet.
    pub select: Selection,
    /// SeriesInstanceUIDs to choose; empty chooses all.
    pub series: Vec<String>,
    /// Choose only the series with the most slices.
    pub largest: bool,
}

impl ScanOptions {
    /// Accepts objects of the modality that artir did not derive.
    pub fn new(modality: Modality) -> Self {
        Self {
            modality,
            include_derived: false,
            units: PetUnits::Suv,
            select: Selection::default(),
            series: Vec::new(),
            largest: false,
        }
    }
}

/// A skipped file or folder.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// The file.
    pub path: PathBuf,
    /// The reason, without patient data.
    pub reason: Reason,
}

/// The objects of one SeriesInstanceUID, when they cannot be one series.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Their files.
    pub files: Vec<PathBuf>,
    /// The reason, without patient data.
    pub reason: Reason,
}

impl Refused {
    /// An error that names the first file.
    pub fn error(&self) -> Error {
        Error::file(self.files.first().map_or(Path::new(""), PathBuf::as_path), self.reason.clone())
    }
}

/// The result of a scan.
#[derive(Debug, Default)]
pub struct Scan {
    /// Series, in a stable order.
    pub series: Vec<Series>,
    /// Skipped files: not slices of the modality.
    pub set_aside: Vec<SetAside>,
    /// Slices whose series is unknown.
    pub refused: Vec<Refused>,
    /// Files that are DICOM and cannot be read, images of a series that lack what tells their place, and files that a DICOMDIR
    /// names beside others and that are missing. Slices of a series may be among them.
    pub damaged: Vec<Error>,
    /// Archives that were unpacked, and their contents, which are removed with the scan.
    archives: Vec<(PathBuf, TempDir)>,
    /// SeriesInstanceUID of damaged files, as far as they can be read.
    series_of_damaged: BTreeMap<PathBuf, String>,
}

impl Scan {
    /// The damaged files in the folders of a series that may belong to it, and its images without a place, which may lie
    /// anywhere.
    pub fn damaged_beside<'a>(&'a self, series: &Series) -> impl Iterator<Item = &'a Error> {
        let folder_of = self.folders();
        let folders: BTreeSet<PathBuf> = series.instances.iter().filter_map(|i| folder_of(&i.path)).collect();
        self.damaged.iter().filter(move |e| {
            let Error::File { path, reason } = e else { return true };
            match self.series_of_damaged.get(path) {
                Some(uid) if *uid != series.uid => return false,
                Some(_) if matches!(reason, Reason::Incomplete(_)) => return true,
                _ => {}
            }
            // An incomplete folder listing is recorded under the folder's own path.
            folder_of(path).is_some_and(|p| folders.contains(&p)) || folders.contains(path)
        })
    }

    /// The folder of a file. That of one that was under gzip by itself is its archive's, since others of its series lie there.
    fn folders(&self) -> impl Fn(&Path) -> Option<PathBuf> {
        let unpacked: BTreeMap<&Path, &Path> = self.unpacked().collect();
        move |path| {
            let folder = path.parent()?;
            let archive = unpacked.get(folder).filter(|archive| archive.file_stem() == path.file_name());
            Some(archive.and_then(|archive| archive.parent()).unwrap_or(folder).to_owned())
        }
    }

    /// The reason to refuse a series before any of its pixels are decoded, unless it may be partial.
    pub fn obstacle(&self, series: &Series) -> Option<Error> {
        let doubtful = self.damaged_beside(series).count();
        if doubtful == 0 {
            return series.clash();
        }
        let path = series.instances.first().map_or(Path::new(""), |first| &first.path);
        Some(Error::file(path, Reason::UnreadableBeside(doubtful)))
    }

    /// The archives whose contents were searched.
    pub fn archives(&self) -> impl Iterator<Item = &Path> {
        self.archives.iter().map(|(path, _)| path.as_path())
    }

    /// The folders that archives were unpacked to, each with its archive.
    pub fn unpacked(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.archives.iter().map(|(path, folder)| (folder.path(), path.as_path()))
    }

    /// Skipped files by reason, in the order of the reasons' texts.
    pub fn set_aside_by_reason(&self) -> Vec<(&Reason, Vec<&Path>)> {
        let mut reasons: BTreeMap<String, (&Reason, Vec<&Path>)> = BTreeMap::new();
        for file in &self.set_aside {
            let (_, files) = reasons.entry(file.reason.to_string()).or_insert_with(|| (&file.reason, Vec::new()));
            files.push(&file.path);
        }
        reasons.into_values().collect()
    }

    /// The error of a scan that found nothing to restore; `None` when there is a series.
    pub fn nothing_found(&self, inputs: &[PathBuf], modality: Modality) -> Option<Error> {
        if !self.series.is_empty() {
            return None;
        }
        if let Some(refused) = self.refused.first() {
            return Some(refused.error());
        }
        if let ([Error::File { path, reason }], true) = (self.damaged.as_slice(), self.set_aside.is_empty()) {
            return Some(Error::file(path, reason.clone()));
        }
        let mut reasons: BTreeMap<String, (Reason, usize)> = BTreeMap::new();
        let damaged = self.damaged.iter().filter_map(|e| match e {
            Error::File { reason, .. } => Some(reason),
            _ => None,
        });
        for reason in self.set_aside.iter().map(|file| &file.reason).chain(damaged) {
            reasons.entry(reason.to_string()).or_insert_with(|| (reason.clone(), 0)).1 += 1;
        }
        let input: Vec<String> = inputs.iter().map(|p| p.display().to_string()).collect();
        let reasons = reasons.into_values().collect();
        Some(Error::NoSeries { input: input.join(", "), what: modality.name(), reasons })
    }
}

/// Searches files and folders for series of a modality.
///
/// ```no_run
/// let found = artir_dicom::scan(&["study".into()], artir_dicom::Modality::Pet)?;
/// for series in &found.series {
///     println!("{}: {} slices, {} findings", series.folder, series.slices(), series.findings.len());
/// }
/// # Ok::<(), artir_dicom::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] for a missing input, and if only slices of several patients were found;
/// [`Error::NoSeries`] when nothing can be restored.
pub fn scan(inputs: &[PathBuf], modality: Modality) -> Result<Scan, Error> {
    let found = scan_with(inputs, ScanOptions::new(modality))?;
    found.nothing_found(inputs, modality).map_or(Ok(found), Err)
}

/// Searches files and folders. The result may be empty.
///
/// # Errors
/// [`Error::File`] for a missing input.
pub fn scan_with(inputs: &[PathBuf], options: ScanOptions) -> Result<Scan, Error> {
    let modality = options.modality;
    let mut found = Scan::default();
    let (mut placed, mut incomplete) = (Vec::new(), Vec::new());
    let mut files = VecDeque::from(walk::files(inputs, modality, &mut found)?);
    while let Some(path) = files.pop_front() {
        match header::look(&path, &options) {
            Ok(Ok(object)) => placed.push(object),
            Ok(Err(Reason::NotDicom)) if header::is_lost(&path) => {
                let reason = "the file is named as DICOM, and is empty or begins with zeros alone";
                found.damaged.push(Error::file(&path, Reason::Damaged(reason.into())));
            }
            Ok(Err(Reason::NotDicom)) if found.archives.iter().any(|(_, a)| path.starts_with(a.path())) => {
                let reason = if archive::is_archive(&path) {
                    Reason::NotSearched("an archive within an archive: unpack the outer one first")
                } else {
                    Reason::NotDicom
                };
                found.set_aside.push(SetAside { path, reason });
            }
            Ok(Err(Reason::NotDicom)) => match archive::unpack(&path) {
                Ok(None) => {
                    let reason = if archive::is_metadata(&path) { Reason::Metadata } else { Reason::NotDicom };
                    found.set_aside.push(SetAside { path, reason });
                }
                Ok(Some(folder)) => {
                    files.extend(walk::files(&[folder.path().to_owned()], modality, &mut found)?);
                    found.archives.push((path, folder));
                }
                Err(e) => found.damaged.push(e),
            },
            Ok(Err(reason @ Reason::Incomplete(_))) => incomplete.push((path, reason)),
            Ok(Err(reason)) => found.set_aside.push(SetAside { path, reason }),
            Err(e) => match header::look_at_damaged(&path, modality) {
                Ok(reason) => found.set_aside.push(SetAside { path, reason }),
                Err(series) => {
                    if let Some(uid) = series {
                        found.series_of_damaged.insert(path, uid);
                    }
                    found.damaged.push(e);
                }
            },
        }
    }
    let mut by_series: BTreeMap<String, Vec<GroupedObject>> = BTreeMap::new();
    for object in chosen(placed, &options, &mut found.set_aside) {
        by_series.entry(object.group.series_uid.clone()).or_default().push(object);
    }
    for mut objects in by_series.into_values() {
        if let Some(attribute) = identity::conflict(objects.iter().map(|o| &o.identity)) {
            found.refused.push(of_several_patients(objects, attribute));
            continue;
        }
        let findings = group::enter(&mut objects);
        let repeats::Distinct { kept, clashing } = repeats::separate(objects, &mut found);
        found.series.extend(group::series_of(modality, kept, &clashing, &findings));
    }
    if options.largest {
        keep_largest(&mut found);
    }
    for (path, reason) in incomplete {
        let uid = header::series_of_incomplete(&path, &options);
        match uid.filter(|uid| found.series.iter().any(|series| series.uid == *uid)) {
            // Without it, its series would lack a slice.
            Some(uid) => {
                found.damaged.push(Error::file(&path, reason));
                found.series_of_damaged.insert(path, uid);
            }
            None => found.set_aside.push(SetAside { path, reason }),
        }
    }
    Ok(found)
}

/// Keeps the series with the most slices; of several, the first.
fn keep_largest(found: &mut Scan) {
    let most = found.series.iter().map(Series::slices).max();
    let largest = found.series.iter().position(|series| Some(series.slices()) == most);
    for (i, series) in std::mem::take(&mut found.series).into_iter().enumerate() {
        if Some(i) == largest {
            found.series.push(series);
        } else {
            let skipped = series.instances.into_iter().map(|i| SetAside { path: i.path, reason: Reason::NotSelected });
            found.set_aside.extend(skipped);
        }
    }
}

/// Skips objects that artir derived, and PET objects without SUV.
fn chosen(placed: Vec<GroupedObject>, options: &ScanOptions, set_aside: &mut Vec<SetAside>) -> Vec<GroupedObject> {
    let corrected: HashSet<Option<String>> =
        placed.iter().filter(|o| o.not_uptake.is_none() && !o.restored).map(|o| o.study().cloned()).collect();
    let mut out = Vec::with_capacity(placed.len());
    for object in placed {
        // With native units every PET image can be restored. If a study has both, only the corrected images are used:
        // the user hardly wants the uncorrected ones.
        let wanted = match (&object.not_uptake, options.units) {
            (None, _) => true,
            (Some(NotUptake::Uncorrected(_)), PetUnits::Native) => !corrected.contains(&object.study().cloned()),
            (Some(NotUptake::Unit(_)), PetUnits::Native) => true,
            (Some(_), _) => false,
        };
        let reason = match &object.not_uptake {
            _ if object.restored && !options.include_derived => Reason::Restored,
            Some(what) if !wanted => match (what, corrected.contains(&object.study().cloned())) {
                (NotUptake::Uncorrected(_), true) => Reason::Uncorrected(what.reason()),
                _ => Reason::NotUptake(what.reason()),
            },
            _ => {
                out.push(object);
                continue;
            }
        };
        set_aside.push(SetAside { path: object.instance.path, reason });
    }
    out
}

fn of_several_patients(objects: Vec<GroupedObject>, attribute: &'static str) -> Refused {
    let files: Vec<PathBuf> = objects.into_iter().map(|o| o.instance.path).collect();
    let reason = Reason::SeveralPatients { others: files.len().saturating_sub(1), attribute };
    Refused { files, reason }
}
