//! Making manifests: series of an archive, listed without their pixels, and scenes of a catalogue or a mosaic.

mod archive;
mod bucket;
mod dicom;
mod mosaic;
mod stac;

use std::{
    collections::{HashSet, VecDeque},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use artir_files::hex;
use sha2::{Digest, Sha256};

use crate::{
    Command, Error, Job,
    network::{Miss, address},
};

/// What a plan has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Lines that were written.
    pub jobs: u64,
    /// What was left out and why, with how often.
    pub left_out: Vec<(String, u64)>,
}

/// Lists the work below a source, and writes one line for each job: the CT and PET series of a folder or a DICOMDIR, the
/// items of a STAC catalogue, collection, item collection or item, the sources of a VRT mosaic, the CT and PET series of an
/// Orthanc (`http://` or `https://`), or the objects of a store (`s3://BUCKET/PREFIX`). `command` chooses one kind; a
/// folder gives scenes or photographs only when it is [`Command::Geo`] or [`Command::Image`], and a store needs it.
///
/// Paths are absolute, so that the manifest can be moved. Ids are hashes of the series' or scene's identity: they name nobody,
/// and stay the same when the plan is made again.
///
/// # Errors
/// [`Error::Source`] for a source that cannot be planned, and [`Error::Write`] with the path `to`.
pub fn plan(source: &Path, command: Option<Command>, out: &mut dyn Write, to: &Path) -> Result<Planned, Error> {
    let mut lines = Lines { out, to, ids: HashSet::new(), planned: Planned::default() };
    if let Some(address) = address_of(source) {
        if address::is_object(address) {
            bucket::objects(address, command, &mut lines)?;
        } else {
            archive::series(address, command, &mut lines)?;
        }
        return lines.end();
    }
    let source = source.canonicalize().map_err(|e| Error::read(source, e))?;
    let ending = source.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let series = matches!(command, None | Some(Command::Ct | Command::Pet));
    if source.is_dir() {
        match command {
            Some(command @ (Command::Geo | Command::Image)) => files(&source, command, &mut lines)?,
            _ => dicom::folder(&source, command, &mut lines)?,
        }
    } else if matches!(ending.as_str(), "json" | "geojson") && !series || ending.ends_with("json") && command.is_none()
    {
        stac::catalogue(&source, &mut lines)?;
    } else if ending == "vrt" && matches!(command, None | Some(Command::Geo)) {
        mosaic::sources(&source, &mut lines)?;
    } else if series {
        dicom::unit(std::slice::from_ref(&source), command, &mut lines)?;
    } else {
        return Err(Error::source(
            &source,
            "no source of jobs: name a folder, a STAC file, a .vrt mosaic or a DICOMDIR",
        ));
    }
    lines.end()
}

/// The address of an archive or a store on a network, if a source is one.
pub fn address_of(source: &Path) -> Option<&str> {
    source.to_str().filter(|source| address::is_http(source) || address::is_object(source))
}

/// An address for messages, without credentials that somebody put into it.
pub fn shown(address: &str) -> String {
    address::shown(address)
}

/// Why a list on a network ended early.
enum Ended {
    Other(Error),
    Miss(Miss),
}

impl Ended {
    fn of(self, address: &str) -> Error {
        match self {
            Self::Other(error) => error,
            Self::Miss(miss) => miss.of(address),
        }
    }
}

impl From<Miss> for Ended {
    fn from(miss: Miss) -> Self {
        Self::Miss(miss)
    }
}

/// The manifest that is being written.
struct Lines<'a> {
    out: &'a mut dyn Write,
    to: &'a Path,
    ids: HashSet<[u8; 16]>,
    planned: Planned,
}

impl Lines<'_> {
    fn end(mut self) -> Result<Planned, Error> {
        self.out.flush().map_err(|e| Error::write(self.to, e))?;
        self.planned.left_out.sort();
        Ok(self.planned)
    }

    fn add(&mut self, job: &Job) -> Result<(), Error> {
        if !self.ids.insert(short(job.id.as_bytes())) {
            self.leave_out("it is planned already: a copy, or a series in several folders of the archive");
            return Ok(());
        }
        let fail = |e: io::Error| Error::write(self.to, e);
        serde_json::to_writer(&mut *self.out, job).map_err(|e| fail(e.into()))?;
        self.out.write_all(b"\n").map_err(fail)?;
        self.planned.jobs += 1;
        Ok(())
    }

    fn leave_out(&mut self, reason: &str) {
        match self.planned.left_out.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => self.planned.left_out.push((reason.to_owned(), 1)),
        }
    }
}

/// What stands for a text among a million others.
fn short(text: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&Sha256::digest(text)[..16]);
    out
}

/// An id of a kind of work: the hash of what identifies it.
fn id(command: Command, identity: &str) -> String {
    format!("{}-{}", command.name(), hex(&Sha256::digest(identity)[..8]))
}

/// A job without options, whose id is that of its series or scene.
fn job(command: Command, identity: &str, input: Vec<String>) -> Job {
    Job { id: id(command, identity), command, input, output: None, mosaic: None, options: serde_json::Map::new() }
}

/// A job of one scene or photograph, named by its path.
fn job_of_file(command: Command, path: &str) -> Job {
    job(command, path, vec![path.to_owned()])
}

/// Whether a file is a scene or a photograph by the ending of its name.
fn has_ending(command: Command, path: &Path) -> bool {
    let endings: &[&str] = match command {
        Command::Image => &["png", "jpg", "jpeg", "tif", "tiff"],
        _ => &["tif", "tiff", "jp2", "vrt", "img"],
    };
    path.extension().is_some_and(|e| endings.contains(&e.to_string_lossy().to_lowercase().as_str()))
}

/// The scenes or photographs of a folder, by the endings of their names. Links are followed after all else, so that what a folder
/// holds itself keeps its own name, and its id.
fn files(folder: &Path, command: Command, lines: &mut Lines<'_>) -> Result<(), Error> {
    let mut listing = Listing { command, lines, seen: HashSet::new(), links: VecDeque::new() };
    listing.folder(folder, folder)?;
    while let Some(link) = listing.links.pop_front() {
        match link.canonicalize() {
            Ok(real) if real.is_dir() => listing.folder(&link, &real)?,
            Ok(real) if real.is_file() => listing.file(&link, &real)?,
            Err(_) if has_ending(command, &link) => listing.lines.leave_out("a link that leads nowhere"),
            _ => {}
        }
    }
    Ok(())
}

/// A folder that is being listed.
struct Listing<'a, 'b> {
    command: Command,
    lines: &'a mut Lines<'b>,
    /// Hashes of the files and folders that were listed, with all links resolved.
    seen: HashSet<[u8; 16]>,
    /// Links that are still to be followed.
    links: VecDeque<PathBuf>,
}

impl Listing<'_, '_> {
    /// Lists a folder that is reached by a path; `real` is the same without links.
    fn folder(&mut self, folder: &Path, real: &Path) -> Result<(), Error> {
        let mut entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|e| Error::read(folder, e.into()))?;
            let below = entry.path().strip_prefix(folder).unwrap_or(Path::new(""));
            let own = if entry.depth() == 0 { real.to_owned() } else { real.join(below) };
            let kind = entry.file_type();
            if kind.is_file() {
                self.file(entry.path(), &own)?;
            } else if kind.is_symlink() && entry.depth() > 0 {
                self.links.push_back(entry.into_path());
            } else if (kind.is_dir() || entry.depth() == 0) && !self.is_new(&own) {
                entries.skip_current_dir();
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, real: &Path) -> Result<(), Error> {
        if !has_ending(self.command, path) {
            return Ok(());
        }
        if !self.is_new(real) {
            self.lines.leave_out("a link to a file that is listed under another name");
            return Ok(());
        }
        match path.to_str() {
            Some(path) => self.lines.add(&job_of_file(self.command, path))?,
            None => self.lines.leave_out("its name is no Unicode, which JSON needs"),
        }
        Ok(())
    }

    fn is_new(&mut self, real: &Path) -> bool {
        self.seen.insert(short(real.as_os_str().as_bytes()))
    }
}

#[cfg(test)]
pub(super) fn planned(source: &Path, command: Option<Command>) -> Result<(Vec<Job>, Planned), Error> {
    let mut out = Vec::new();
    let planned = plan(source, command, &mut out, Path::new("jobs.jsonl"))?;
    let jobs = out.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(|line| Job::parse(line).unwrap());
    Ok((jobs.collect(), planned))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn scenes_of_a_folder_are_listed_by_their_endings() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for name in ["a.tif", "b/c.JP2", "d.txt", "e.png"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let (jobs, planned) = planned(dir.path(), Some(Command::Geo)).unwrap();
        assert_eq!(planned.jobs, 2);
        let names: Vec<_> = jobs.iter().map(|job| job.input[0].rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.tif", "c.JP2"]);
        assert!(jobs[0].id.starts_with("geo-") && jobs[0].id != jobs[1].id);
        let again = super::planned(dir.path(), Some(Command::Geo)).unwrap().0;
        assert_eq!(again, jobs);
    }

    #[test]
    fn links_are_followed_once_and_what_a_folder_holds_keeps_its_name() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["archive/2024", "view/own", "elsewhere"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for name in ["archive/2024/a.tif", "archive/b.tif", "view/own/z.tif", "elsewhere/d.tif"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("elsewhere/d.tif"), at("view/c.tif")).unwrap();
        symlink(at("view/own/z.tif"), at("view/a.tif")).unwrap();
        symlink(at("archive"), at("view/all")).unwrap();
        symlink(at("archive/2024"), at("view/year")).unwrap();
        symlink(at("view"), at("archive/back")).unwrap();
        symlink("nowhere.tif", at("view/lost.tif")).unwrap();
        symlink("itself.tif", at("view/itself.tif")).unwrap();
        symlink("/dev/null", at("view/device.tif")).unwrap();
        let (jobs, planned) = planned(&at("view"), Some(Command::Geo)).unwrap();
        let root = format!("{}/", at("view").canonicalize().unwrap().display());
        let names: Vec<_> = jobs.iter().map(|job| job.input[0].strip_prefix(&root).unwrap()).collect();
        assert_eq!(names, ["own/z.tif", "all/2024/a.tif", "all/b.tif", "c.tif"]);
        let left_out: Vec<_> = planned.left_out.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        let expected = [("a link that leads nowhere", 2), ("a link to a file that is listed under another name", 1)];
        assert_eq!(left_out, expected);
    }
}
