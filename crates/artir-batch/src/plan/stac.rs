//! Scenes of a STAC catalogue in files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Lines, job, mosaic::lexical};
use crate::{Command, Error};

/// The deepest catalogue.
const DEEPEST: usize = 32;

#[derive(Deserialize)]
struct Item {
    id: Option<String>,
    /// Ids are unique within a collection.
    collection: Option<String>,
    #[serde(default)]
    assets: BTreeMap<String, Asset>,
}

#[derive(Deserialize)]
struct Asset {
    href: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

/// What a STAC file holds, apart from the items of a collection, which are written as they are read.
#[derive(Default)]
struct Parts {
    kind: Option<String>,
    id: Option<String>,
    collection: Option<String>,
    assets: BTreeMap<String, Asset>,
    links: Vec<Link>,
    features: bool,
    failed: Option<Error>,
}

/// The items of a STAC file, and of the files that a catalogue or collection links to.
pub(super) fn catalogue(path: &Path, lines: &mut Lines<'_>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let before = lines.planned.jobs;
    one(path, lines, &mut seen, 0)?;
    if lines.planned.jobs == before && lines.planned.left_out.is_empty() {
        return Err(Error::source(path, "no STAC item with a raster: neither a feature, nor a link to an item"));
    }
    Ok(())
}

fn one(path: &Path, lines: &mut Lines<'_>, seen: &mut BTreeSet<PathBuf>, depth: usize) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(Error::source(path, format!("the catalogue is deeper than {DEEPEST} levels")));
    }
    // A search of a catalogue's server gives its items page by page, and no page lies deeper than the one before.
    let mut page = Some(path.to_owned());
    while let Some(path) = page.filter(|path| seen.insert(path.clone())) {
        page = one_page(&path, lines, seen, depth)?;
    }
    Ok(())
}

/// The same for a file without the pages that follow it. Returns the next one.
fn one_page(
    path: &Path,
    lines: &mut Lines<'_>,
    seen: &mut BTreeSet<PathBuf>,
    depth: usize,
) -> Result<Option<PathBuf>, Error> {
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 20, file));
    let read = Reader { folder: &folder, lines: &mut *lines }.deserialize(&mut json);
    let parts = read.map_err(|e| Error::source(path, format!("not STAC: {e}")))?;
    if let Some(failed) = parts.failed {
        return Err(failed);
    }
    match parts.kind.as_deref() {
        Some("Feature") => {
            let Parts { id, collection, assets, .. } = parts;
            return scene(&folder, Item { id, collection, assets }, lines).map(|()| None);
        }
        Some("FeatureCollection") if parts.features => {}
        Some("Catalog" | "Collection") => {}
        _ => {
            return Err(Error::source(
                path,
                "not STAC: its type is none of Feature, FeatureCollection, Catalog, Collection",
            ));
        }
    }
    for link in parts.links.iter().filter(|link| ["item", "child"].contains(&link.rel.as_str())) {
        match file_of(&folder, &link.href) {
            Some(path) => one(&path, lines, seen, depth + 1)?,
            None => lines.leave_out("a link of the catalogue leads to a network: only files are read"),
        }
    }
    let Some(next) = parts.links.iter().find(|link| parts.features && link.rel == "next") else { return Ok(None) };
    let page = file_of(&folder, &next.href);
    if page.is_none() {
        lines.leave_out("the next page of items, which is on a network");
    }
    Ok(page)
}

/// The file that a reference names; `None` for one on a network. By the standard a reference is a URI, with `%20` for a blank, but
/// many programs write paths as they are: where a file has the name as it is written, that is meant.
fn file_of(folder: &Path, href: &str) -> Option<PathBuf> {
    const SCHEME: &str = "file://";
    let path = match href.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest.strip_prefix("localhost").unwrap_or(rest),
        _ if href.contains("://") => return None,
        _ => href,
    };
    let written = lexical(&folder.join(path));
    let decoded = path.contains('%').then(|| decoded(path)).flatten().map(|path| lexical(&folder.join(path)));
    Some(decoded.filter(|decoded| decoded.exists() && !written.exists()).unwrap_or(written))
}

/// A path without the escapes of a URI; `None` if they are none, or make no text.
fn decoded(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend(rest.as_bytes());
    }
    String::from_utf8(out).ok()
}

/// Adds the job of an item. Its raster is the asset that shows it: `visual`, else one of the role `data`, else the first one.
fn scene(folder: &Path, item: Item, lines: &mut Lines<'_>) -> Result<(), Error> {
    let raster = |asset: &Asset| {
        let typed = asset.kind.as_deref().is_some_and(|kind| kind.starts_with("image/tiff") || kind == "image/jp2");
        let path = asset.href.to_lowercase();
        typed || [".tif", ".tiff", ".jp2", ".vrt"].iter().any(|ending| path.ends_with(ending))
    };
    let rasters: Vec<(&String, &Asset)> = item.assets.iter().filter(|(_, asset)| raster(asset)).collect();
    let role = |asset: &Asset, role: &str| asset.roles.iter().any(|own| own == role);
    let rank = |(name, asset): &(&String, &Asset)| match name.as_str() {
        "visual" => 0,
        _ if role(asset, "visual") => 1,
        _ if role(asset, "data") => 2,
        _ if role(asset, "thumbnail") || role(asset, "overview") || role(asset, "metadata") => 4,
        _ => 3,
    };
    let Some((_, asset)) = rasters.into_iter().min_by_key(rank) else {
        lines.leave_out("an item has no asset that is a raster");
        return Ok(());
    };
    let local = if asset.href.starts_with("/vsi") { None } else { file_of(folder, &asset.href) };
    let input = local.map_or_else(|| asset.href.clone(), |path| path.to_string_lossy().into_owned());
    let identity = match (&item.collection, &item.id) {
        (collection, Some(id)) => format!("{}/{id}", collection.as_deref().unwrap_or_default()),
        (_, None) => input.clone(),
    };
    lines.add(&job(Command::Geo, &identity, vec![input]))
}

/// Reads a STAC file. The features of a collection may be more than memory holds: each becomes a line when it is read.
struct Reader<'a, 'b> {
    folder: &'a Path,
    lines: &'a mut Lines<'b>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = Parts;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Parts, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a STAC object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Parts::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => parts.kind = Some(map.next_value()?),
                "id" => parts.id = map.next_value()?,
                "collection" => parts.collection = map.next_value()?,
                "assets" => parts.assets = map.next_value()?,
                "links" => parts.links = map.next_value()?,
                "features" => {
                    parts.features = true;
                    parts.failed = map.next_value_seed(Features { folder: self.folder, lines: &mut *self.lines })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(parts)
    }
}

struct Features<'a, 'b> {
    folder: &'a Path,
    lines: &'a mut Lines<'b>,
}

impl<'de> DeserializeSeed<'de> for Features<'_, '_> {
    type Value = Option<Error>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Features<'_, '_> {
    type Value = Option<Error>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of STAC items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut features: A) -> Result<Self::Value, A::Error> {
        let mut failed = None;
        while let Some(item) = features.next_element::<Item>()? {
            // What follows an error is read, as the reader of JSON needs it, and written no more.
            if failed.is_none() {
                failed = scene(self.folder, item, self.lines).err();
            }
        }
        Ok(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plan::planned;

    fn item(id: &str, assets: &str) -> String {
        format!("{{\"type\":\"Feature\",\"id\":\"{id}\",\"geometry\":null,\"assets\":{{{assets}}}}}")
    }

    #[test]
    fn references_are_uris_or_paths() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("a b")).unwrap();
        for name in ["a b/ü 0.tif", "100%25.tif", "plain.tif"] {
            fs::write(at(name), "").unwrap();
        }
        let root = dir.path().display();
        for (href, expected) in [
            ("./a%20b/%C3%BC%200.tif".to_owned(), "a b/ü 0.tif"),
            ("a b/ü 0.tif".to_owned(), "a b/ü 0.tif"),
            (format!("file://{root}/a%20b/%c3%bc%200.tif"), "a b/ü 0.tif"),
            (format!("FILE://localhost{root}/plain.tif"), "plain.tif"),
            ("100%25.tif".to_owned(), "100%25.tif"),
            ("lost%20.tif".to_owned(), "lost%20.tif"),
            ("100%".to_owned(), "100%"),
        ] {
            assert_eq!(file_of(dir.path(), &href), Some(at(expected)), "{href}");
        }
        assert_eq!(file_of(dir.path(), "https://x/a%20b.tif"), None);
    }

    #[test]
    fn items_are_found_through_links_and_in_collections() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let visual = "\"B04\":{\"href\":\"b.tif\",\"roles\":[\"data\"]},\"visual\":{\"href\":\"./v.tif\"},\
            \"thumbnail\":{\"href\":\"t.png\",\"type\":\"image/png\"}";
        write("a/one.json", item("one", visual));
        write("a/two.json", item("two", "\"x\":{\"href\":\"s3://b/x\",\"type\":\"image/tiff; application=geotiff\"}"));
        let links = ["a/one.json", "a/two.json", "a/one.json"]
            .map(|href| format!("{{\"rel\":\"item\",\"href\":\"./{href}\"}}"))
            .join(",");
        let more = ",{\"rel\":\"child\",\"href\":\"catalog.json\"},{\"rel\":\"item\",\"href\":\"https://x/y.json\"}";
        let path = write("catalog.json", format!("{{\"type\":\"Catalog\",\"id\":\"c\",\"links\":[{links}{more}]}}"));
        let (jobs, found) = planned(&path, None).unwrap();
        assert_eq!(jobs.len(), 2);
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(jobs[0].input[0], root.join("a/v.tif").to_str().unwrap());
        assert_eq!(jobs[1].input[0], "s3://b/x");
        assert_eq!(found.left_out.len(), 1);
        let features = [item("one", visual), item("three", "\"t\":{\"href\":\"t.json\"}")].join(",");
        let path = write("all.json", format!("{{\"features\":[{features}],\"type\":\"FeatureCollection\"}}"));
        let (again, found) = planned(&path, Some(Command::Geo)).unwrap();
        // The id follows the item's, wherever it was found.
        assert_eq!((again.len(), again[0].id.as_str()), (1, jobs[0].id.as_str()));
        assert_eq!(found.left_out[0].1, 1);
        // A page of a search, whose next page is still on a server.
        let next = "{\"rel\":\"next\",\"href\":\"https://x/search?page=2\"}";
        let features = item("one", visual);
        let text = format!("{{\"type\":\"FeatureCollection\",\"features\":[{features}],\"links\":[{next}]}}");
        let (jobs, found) = planned(&write("page.json", text), None).unwrap();
        assert_eq!((jobs.len(), found.left_out.len()), (1, 1), "{:?}", found.left_out);
        // Pages that were saved. The last one leads to the first again.
        for n in 0..100 {
            let (features, next) = (item(&format!("of {n}"), visual), (n + 1) % 100);
            let links = format!("[{{\"rel\":\"next\",\"href\":\"./page {next}.json\"}}]");
            let text = format!("{{\"type\":\"FeatureCollection\",\"features\":[{features}],\"links\":{links}}}");
            write(&format!("page {n}.json"), text);
        }
        assert_eq!(planned(&dir.path().join("page 0.json"), None).unwrap().0.len(), 100);
        for bad in ["{}", "[]", "{\"type\":\"Feature\"", "{\"type\":\"Catalog\",\"links\":[]}", "no json"] {
            let path = write("bad.json", bad.into());
            assert!(planned(&path, None).is_err(), "{bad}");
        }
    }
}
