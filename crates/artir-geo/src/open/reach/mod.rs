//! Restricts the files that GDAL opens for a raster to its own folder and the folders that the user allowed.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Component, Path, PathBuf},
};

use gdal::{Dataset, Metadata};

use super::{
    drivers::{self, open_with},
    length,
    policy::{Access, is_remote},
    references::{self, Named, shortened},
};
use crate::{
    error::{Permission, Reason},
    ffi,
};

/// Virtual rasters within virtual rasters, and overviews of overviews, that are followed.
const DEEPEST: usize = 8;
/// Different files that all of them together may name.
const MOST_FILES: usize = 200_000;
/// Bytes of all virtual rasters together.
const MOST_BYTES: usize = 256 << 20;
/// Reads of files that one read of the whole may cause: seven small files, each naming the next forty times, cause 10^11.
const MOST_READS: u64 = 1_000_000;

/// Location of a raster's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file or folder: the name for GDAL, and the path with all links resolved.
    File { name: String, real: PathBuf },
    /// A member of an archive, or a compressed file.
    InArchive(String),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::File { name, .. } | Self::InArchive(name) => name,
        }
    }

    /// The base of relative names in a virtual raster.
    fn folder(&self) -> String {
        match self {
            Self::File { real, .. } => {
                real.parent().unwrap_or(Path::new("/")).to_string_lossy().trim_end_matches('/').to_owned()
            }
            Self::InArchive(name) => name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()),
        }
    }

    /// The same for the same virtual raster, however it is named.
    fn key(&self) -> String {
        match self {
            Self::File { real, .. } => real.to_string_lossy().into_owned(),
            Self::InArchive(name) => name.clone(),
        }
    }
}

/// Total cost of reading a virtual raster once.
#[derive(Clone, Copy, Debug)]
struct Followed {
    reads: u64,
    /// Virtual rasters below it.
    depth: usize,
}

/// Follows the references of a raster. Each file is checked once.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Folders whose files may be read, links followed.
    folders: Vec<PathBuf>,
    /// The folder in an archive whose members may be read.
    archive: Option<String>,
    /// Virtual rasters by [`Place::key`]; `None` while one is being followed.
    followed: HashMap<String, Option<Followed>>,
    /// Names of images that passed the check.
    images: HashSet<String>,
    /// Names of parts of files that passed it.
    parts: HashSet<String>,
    /// Overviews of overviews that are being looked at.
    overviews: usize,
    bytes: usize,
    /// Names of files by folder, in lower case and in original case.
    listings: HashMap<String, BTreeSet<(String, String)>>,
}

impl Reach {
    pub(crate) fn new(place: &Place, access: &Access) -> Self {
        let mut folders: Vec<PathBuf> = access.folders.iter().filter_map(|f| std::fs::canonicalize(f).ok()).collect();
        let mut archive = None;
        match place {
            Place::File { name, real } => {
                let typed = Path::new(name).parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                folders.extend(std::fs::canonicalize(typed).ok());
                folders.extend(real.parent().map(Path::to_owned));
                // A raster that is a folder consists of the files in it.
                folders.push(real.clone());
            }
            Place::InArchive(_) => archive = Some(place.folder()),
        }
        Self {
            folders,
            archive,
            followed: HashMap::new(),
            images: HashSet::new(),
            parts: HashSet::new(),
            overviews: 0,
            bytes: 0,
            listings: HashMap::new(),
        }
    }

    /// Checks all references of a raster before GDAL opens any of them.
    ///
    /// # Errors
    /// The reason, naming the reference that is not allowed.
    pub(crate) fn follow(&mut self, place: &Place) -> Result<(), Reason> {
        self.check_beside(place)?;
        if references::is_virtual_raster(place.name()) {
            return self.follow_virtual(place, 0).map(drop).map_err(|why| {
                let what = format!("a virtual raster that {why}");
                match why.innermost() {
                    // No permission mends it.
                    Reason::Broken(_) => Reason::Unfit(what),
                    _ => Reason::not_allowed(what, why.needs().cloned().unwrap_or(Permission::Everything)),
                }
            });
        }
        refuse_remote_header(place.name())
    }

    /// The files of all virtual rasters that were followed, and the images that they name.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.followed.keys().chain(&self.images).map(PathBuf::from)
    }

    /// Checks an open raster: first its overviews, which GDAL opens to list files, then the list of files.
    pub(crate) fn check(&mut self, dataset: &Dataset, place: &Place) -> Result<(), Reason> {
        if let Some(file) = dataset.metadata_item("OVERVIEW_FILE", "OVERVIEWS") {
            // GDAL takes it for any name that it can open: one with a driver's prefix, a document, an address.
            let file = match file.strip_prefix(":::BASE:::") {
                Some(rest) => join(&given_folder(place), &references::plain(rest, true)?.name),
                None => references::plain(&file, false)?.name,
            };
            self.look_at_overviews(&file, place)?;
        }
        for file in ffi::file_list(dataset).iter().filter(|f| *f != place.name()) {
            if is_remote(file) {
                let what = format!("reads {} over a network", shortened(file));
                return Err(Reason::not_allowed(what, Permission::Network));
            }
            self.inside(file)?;
        }
        if drivers::driver(dataset) == "VRT" && !references::is_virtual_raster(place.name()) {
            // `vrt://FILE?OPTIONS`: GDAL opens the file as a source.
            return length::check(&open_with(place.name(), Some(&drivers::local()))?, place.name());
        }
        length::check(dataset, place.name())
    }

    /// One virtual raster and all below it.
    fn follow_virtual(&mut self, place: &Place, depth: usize) -> Result<Followed, Reason> {
        match self.followed.get(&place.key()) {
            Some(Some(done)) if depth + done.depth < DEEPEST => return Ok(*done),
            Some(None) => return Err(Reason::broken("names itself")),
            _ if depth >= DEEPEST => return Err(Reason::broken("nests virtual rasters too deeply")),
            Some(Some(_)) => return Err(Reason::broken("nests virtual rasters too deeply")),
            None => {}
        }
        self.followed.insert(place.key(), None);
        let (named, bytes) = references::read(place.name())?;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_BYTES {
            return Err(format!("has more than {} MiB with those that it names", MOST_BYTES >> 20).into());
        }
        let mut done = Followed { reads: 0, depth: 0 };
        for named in &named {
            let source = self.resolve(named, place)?;
            let below = match &named.part {
                None => self.follow_source(&source, depth)?,
                Some(part) => self.follow_part(&source, part)?,
            };
            done.reads = done.reads.saturating_add(below.reads);
            done.depth = done.depth.max(below.depth);
            if done.reads > MOST_READS {
                return Err(
                    format!("would be read from more than {MOST_READS} files, the same ones over and over").into()
                );
            }
        }
        self.followed.insert(place.key(), Some(done));
        Ok(done)
    }

    fn follow_source(&mut self, source: &Place, depth: usize) -> Result<Followed, Reason> {
        let name = shortened(source.name());
        if references::is_virtual_raster(source.name()) {
            if links_twice(source.name()) {
                return Err(format!("names {name}, a link to a link to a virtual raster").into());
            }
            let below = self.follow_virtual(source, depth + 1)?;
            self.open_image(source)?;
            return Ok(Followed { reads: below.reads.max(1), depth: below.depth + 1 });
        }
        self.open_image(source)?;
        Ok(Followed { reads: 1, depth: 0 })
    }

    /// A source that is a part of a file. The file is one that the user could name, and is trusted no less: it lies in the same
    /// folder.
    fn follow_part(&mut self, source: &Place, (before, after): &(String, String)) -> Result<Followed, Reason> {
        let name = format!("{before}{}{after}", source.name());
        let fail = |why: Reason| why.of(format!("names {}", shortened(&name)));
        if matches!(source, Place::InArchive(_)) {
            return Err(fail("which is a part of a file in an archive".into()));
        }
        self.images.insert(source.name().to_owned());
        if self.parts.insert(name.clone()) {
            self.check_beside(source).map_err(fail)?;
            let dataset = open_with(&name, Some(&drivers::local())).map_err(fail)?;
            self.check(&dataset, source).map_err(fail)?;
        }
        if self.images.len() + self.parts.len() > MOST_FILES {
            return Err(format!("names more than {MOST_FILES} files").into());
        }
        Ok(Followed { reads: 1, depth: 0 })
    }

    /// Opens a source as GDAL would, and checks its sidecar files.
    fn open_image(&mut self, source: &Place) -> Result<(), Reason> {
        if !self.images.insert(source.name().to_owned()) {
            return Ok(());
        }
        if self.images.len() > MOST_FILES {
            return Err(format!("names more than {MOST_FILES} files").into());
        }
        let fail = |why: Reason| why.of(format!("names {}", shortened(source.name())));
        self.check_beside(source).map_err(fail)?;
        // Listing a folder of many tiles once is enough.
        let _listing = ffi::ThreadOption::set("GDAL_DISABLE_READDIR_ON_OPEN", "TRUE");
        let dataset = open_with(source.name(), Some(&drivers::IMAGES)).map_err(fail)?;
        self.check(&dataset, source).map_err(fail)
    }

    /// The file that a virtual raster names.
    fn resolve(&self, named: &Named, by: &Place) -> Result<Place, Reason> {
        let name = shortened(&named.name);
        let full = if named.relative { join(&by.folder(), &named.name) } else { named.name.clone() };
        if full.starts_with("/vsi") {
            let inside = plain(&full).filter(|p| self.in_archive(p) && ffi::read_part(&full, 0, 1).is_some());
            return inside
                .map(|_| Place::InArchive(full))
                .ok_or_else(|| format!("names '{name}', which is not a file in its own folder").into());
        }
        if self.archive.is_some() {
            return Err(format!("names '{name}', which is not a file in its own archive").into());
        }
        let real = std::fs::canonicalize(&full)
            .map_err(|_| Reason::broken(format!("names '{name}', which does not exist")))?;
        if !real.is_file() {
            return Err(Reason::broken(format!("names '{name}', which is not a regular file")));
        }
        self.inside_real(&real, &name)?;
        Ok(Place::File { name: full, real })
    }

    /// Checks that a file that GDAL reads is in an allowed folder. A missing file passes, since it cannot be read.
    fn inside(&self, path: &str) -> Result<(), Reason> {
        if path.starts_with("/vsi") {
            let fine = plain(path).is_some_and(|p| self.in_archive(&p));
            return if fine { Ok(()) } else { Err(format!("reads {}, outside its archive", shortened(path)).into()) };
        }
        match std::fs::canonicalize(path) {
            Ok(real) => self.inside_real(&real, &shortened(path)),
            Err(_) => Ok(()),
        }
    }

    fn inside_real(&self, real: &Path, name: &str) -> Result<(), Reason> {
        if self.folders.iter().any(|folder| real.starts_with(folder)) {
            return Ok(());
        }
        let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
        Err(Reason::not_allowed(format!("names {name}, outside its own folder"), Permission::Folder(folder)))
    }

    fn in_archive(&self, path: &Path) -> bool {
        let root = self.archive.as_deref().and_then(plain);
        let handler = |c: Component<'_>| c.as_os_str().to_string_lossy().starts_with("vsi");
        root.is_some_and(|root| path.strip_prefix(root).is_ok_and(|rest| !rest.components().any(handler)))
    }

    /// Overviews and masks are found by name and opened with any driver.
    fn check_beside(&mut self, place: &Place) -> Result<(), Reason> {
        let folder = given_folder(place);
        let Some(file) = place.name().rsplit('/').next().filter(|f| !f.is_empty()) else { return Ok(()) };
        let start = format!("{}.", file.to_lowercase());
        let stem = format!("{}.", file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_lowercase());
        let listing = self.listing(&folder, place);
        let from = |start: &str| {
            let first = (start.to_owned(), String::new());
            let start = start.to_owned();
            listing.range(first..).take_while(move |(lower, _)| lower.starts_with(&start)).cloned()
        };
        let beside = from(&start).filter(|(lower, _)| [".ovr", ".msk"].iter().any(|e| lower.ends_with(e)));
        let auxiliary = from(&stem).filter(|(lower, _)| *lower == format!("{stem}aux") || lower.ends_with(".rrd"));
        let found: Vec<String> = beside.chain(auxiliary).map(|(_, name)| join(&folder, &name)).collect();
        found.iter().filter(|p| p.as_str() != place.name()).try_for_each(|path| self.look_at_overviews(path, place))
    }

    /// Looks at a file of overviews or a mask of another, which GDAL opens with any driver, and which can name others again.
    fn look_at_overviews(&mut self, path: &str, of: &Place) -> Result<(), Reason> {
        self.inside(path)?;
        if references::is_virtual_raster(path) {
            return Err(format!("{} is a virtual raster, not overviews or a mask", shortened(path)).into());
        }
        if !self.images.insert(path.to_owned()) {
            return Ok(());
        }
        if self.overviews >= DEEPEST {
            return Err("nests overviews too deeply".into());
        }
        let place = match of {
            Place::File { .. } => Place::File { name: path.to_owned(), real: PathBuf::from(path) },
            Place::InArchive(_) => Place::InArchive(path.to_owned()),
        };
        self.overviews += 1;
        self.check_beside(&place)?;
        // What none of the drivers opens is ignored by GDAL, too.
        if let Ok(dataset) = open_with(path, Some(&drivers::local())) {
            self.check(&dataset, &place)?;
        }
        self.overviews -= 1;
        Ok(())
    }

    /// The names in a folder, read once.
    fn listing(&mut self, folder: &str, place: &Place) -> &BTreeSet<(String, String)> {
        self.listings.entry(folder.to_owned()).or_insert_with(|| {
            let at = if folder.is_empty() { "/" } else { folder };
            let names: Vec<String> = match place {
                Place::File { .. } => std::fs::read_dir(at)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| e.file_name().to_string_lossy().into_owned())
                    .collect(),
                Place::InArchive(_) => gdal::vsi::read_dir(at, false)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|p| p.to_string_lossy().into_owned())
                    .collect(),
            };
            names.into_iter().map(|n| (n.to_lowercase(), n)).collect()
        })
    }
}

/// The folder in GDAL's name, in which GDAL searches for sidecar files.
fn given_folder(place: &Place) -> String {
    match place.name().rsplit_once('/') {
        Some((folder, _)) => folder.to_owned(),
        None => ".".into(),
    }
}

fn join(folder: &str, name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether a name is a link to another link. GDAL resolves relative names from the first link's target.
fn links_twice(path: &str) -> bool {
    let Ok(target) = std::fs::read_link(path) else { return false };
    let target = Path::new(path).parent().unwrap_or(Path::new("/")).join(target);
    std::fs::symlink_metadata(target).is_ok_and(|m| m.is_symlink())
}

/// ER Mapper headers name their data, which GDAL opens at once.
fn refuse_remote_header(path: &str) -> Result<(), Reason> {
    const MOST: usize = 1 << 20;
    let start = ffi::read_part(path, 0, 1024).unwrap_or_default();
    if !start.windows(19).any(|w| w.eq_ignore_ascii_case(b"DatasetHeader Begin")) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&ffi::read_part(path, 0, MOST).unwrap_or_default()).to_lowercase();
    let names = text.lines().filter_map(|l| l.trim_start().strip_prefix("datafile"));
    for name in names.map(|n| n.trim_matches(|c: char| c.is_whitespace() || c == '=' || c == '"')) {
        if name.starts_with('/') || name.contains("..") || name.contains([':', '\\', '<']) {
            return Err(Reason::not_allowed("a header whose data lie elsewhere", Permission::Everything));
        }
    }
    Ok(())
}

/// A path without dots; `None` when they lead above its start.
fn plain(path: &str) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
