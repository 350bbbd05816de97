//! Finding the pairs of a suite in a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    DataError, Error, Reader, Suite,
    error::without_path,
    files::{walk, without_ending},
    suite::{KeyKind, Side},
};

/// Two files that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Their common key.
    pub key: String,
    /// The degraded image; `None` when noise is added to the reference.
    pub input: Option<PathBuf>,
    /// The reference image.
    pub reference: PathBuf,
}

/// The reason why a file is in no pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No reference has its key.
    NoReference(String),
    /// No input has its key.
    NoInput(String),
    /// It is an unreadable DICOM file.
    Unreadable(String),
}

impl Why {
    /// In words; `shown` hides names that may contain a patient's.
    pub fn words(&self, shown: impl Fn(&str) -> String) -> String {
        match self {
            Self::NoReference(key) => format!("has no reference '{}'", shown(key)),
            Self::NoInput(key) => format!("has no input '{}'", shown(key)),
            Self::Unreadable(reason) => reason.clone(),
        }
    }
}

/// The pairs of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// In the order of their keys.
    pub pairs: Vec<Pair>,
    /// Files in no pair: path below the folder, and the reason.
    pub unmatched: Vec<(String, Why)>,
}

/// Finds a suite's pairs below a folder.
///
/// # Errors
/// [`Error::Data`] with the layout that is expected when a side has no file, or no pair is found.
pub fn find(suite: &Suite, folder: &Path, reader: &Reader) -> Result<Pairs, Error> {
    let missing = |source| {
        let certain = if suite.layout_is_certain { "" } else { " (the distributed layout is not known for certain)" };
        let layout = format!("{}{certain}", suite.layout);
        Error::Data { folder: folder.display().to_string(), source: Box::new(source), layout }
    };
    if !folder.is_dir() {
        return Err(missing(DataError::NotAFolder));
    }
    let mut out = Pairs::default();
    let mut list = |side: &Side| {
        let (files, unreadable) = keyed(side, folder, reader).map_err(missing)?;
        if let (true, Some((file, why))) = (files.is_empty(), unreadable.first()) {
            let (pattern, file, reason) = (side.files.clone(), file.clone(), why.clone());
            return Err(missing(DataError::Unreadable { pattern, file, reason }));
        }
        out.unmatched.extend(unreadable.into_iter().map(|(file, reason)| (file, Why::Unreadable(reason))));
        if files.is_empty() { Err(missing(DataError::NoFile(side.files.clone()))) } else { Ok(files) }
    };
    let mut references = BTreeMap::new();
    for (key, path) in list(&suite.reference)? {
        let key = transform(&suite.reference, &key);
        if references.insert(key.clone(), path).is_some() {
            return Err(missing(DataError::References(key)));
        }
    }
    let inputs = suite.input.as_ref().map(&mut list).transpose()?;
    let (Some(input), Some(inputs)) = (&suite.input, inputs) else {
        out.pairs = references.into_iter().map(|(key, reference)| Pair { key, input: None, reference }).collect();
        return Ok(out);
    };
    let mut used = std::collections::BTreeSet::new();
    for (key, path) in inputs {
        // Several degraded images may share one reference (SOTS); the input's own name distinguishes them.
        let shared = transform(input, &key);
        match references.get(&shared) {
            Some(reference) => {
                used.insert(shared);
                out.pairs.push(Pair { key, input: Some(path), reference: reference.clone() });
            }
            None => out.unmatched.push((below(folder, &path), Why::NoReference(shared))),
        }
    }
    for (key, path) in references.iter().filter(|(key, _)| !used.contains(*key)) {
        out.unmatched.push((below(folder, path), Why::NoInput(key.clone())));
    }
    if out.pairs.is_empty() {
        return Err(missing(DataError::NoPair));
    }
    Ok(out)
}

fn below(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

/// Files by key, and files that cannot be read with the reason.
type Keyed = (BTreeMap<String, PathBuf>, Vec<(String, String)>);

/// The files of a side by key. A reference's key is transformed; an input's is not yet, so that it stays its own.
fn keyed(side: &Side, folder: &Path, reader: &Reader) -> Result<Keyed, DataError> {
    let pattern =
        glob::Pattern::new(&side.files).map_err(|source| DataError::Pattern { pattern: side.files.clone(), source })?;
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    // The part before the first wildcard is the same for all.
    let fixed: PathBuf = Path::new(&side.files).iter().take_while(|p| !p.to_string_lossy().contains('*')).collect();
    let base = folder.join(fixed);
    let (mut out, mut unreadable) = (BTreeMap::new(), Vec::new());
    for path in walk(&base) {
        let Ok(relative) = path.strip_prefix(folder) else { continue };
        if !pattern.matches_path_with(relative, options) {
            continue;
        }
        let key = match side.key {
            KeyKind::Path => without_ending(path.strip_prefix(&base).unwrap_or(&path)),
            KeyKind::Position => match reader.slice(&path) {
                Ok(slice) => match slice.position {
                    Some(mm) => format!("{:012.2}", mm + 1e6),
                    None => {
                        unreadable.push((below(folder, &path), "has no position".into()));
                        continue;
                    }
                },
                Err(e) if is_dicom(&path) => {
                    unreadable.push((below(folder, &path), without_path(&e)));
                    continue;
                }
                Err(_) => continue,
            },
        };
        if let Some(other) = out.insert(key.clone(), path.clone()) {
            return Err(DataError::SameKey { one: below(folder, &other), other: below(folder, &path), key });
        }
    }
    Ok((out, unreadable))
}

/// Whether a file has DICOM's preamble.
fn is_dicom(path: &Path) -> bool {
    let mut start = [0; 132];
    let read = std::fs::File::open(path).and_then(|mut f| std::io::Read::read_exact(&mut f, &mut start));
    read.is_ok() && &start[128..] == b"DICM"
}

fn transform(side: &Side, key: &str) -> String {
    let mut key = key.to_owned();
    if let Some((from, to)) = &side.replace {
        key = key.replace(from, to);
    }
    if let Some(until) = &side.until {
        let name = key.rfind('/').map_or(0, |i| i + 1);
        if let Some(end) = key[name..].find(until) {
            key.truncate(name + end);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::tree;

    fn suite(input: &str, reference: &str) -> Suite {
        let text = super::super::TEMPLATE;
        let (head, _) = text.split_once("[input]").unwrap();
        toml::from_str(&format!("{head}[input]\n{input}\n[reference]\n{reference}\n")).unwrap()
    }

    #[test]
    fn pairs_are_found_by_name_prefix_and_replacement() {
        for (files, input, reference, expected) in [
            (
                vec!["in/b.png", "in/a.png", "gt/a.jpg", "gt/b.jpg"],
                "files = 'in/*'",
                "files = 'gt/*'",
                vec![("a", "gt/a.jpg"), ("b", "gt/b.jpg")],
            ),
            (
                vec!["hazy/1400_1.png", "hazy/1400_2.png", "gt/1400.png"],
                "files = 'hazy/*'\nuntil = '_'",
                "files = 'gt/*'",
                vec![("1400_1", "gt/1400.png"), ("1400_2", "gt/1400.png")],
            ),
            (
                vec!["test/x/blur/1.png", "test/x/sharp/1.png", "test/y/blur/1.png", "test/y/sharp/1.png"],
                "files = 'test/*/blur/*'\nreplace = ['/blur/', '/sharp/']",
                "files = 'test/*/sharp/*'",
                vec![("x/blur/1", "test/x/sharp/1.png"), ("y/blur/1", "test/y/sharp/1.png")],
            ),
        ] {
            let dir = tree(&files);
            let found = find(&suite(input, reference), dir.path(), &Reader::default()).unwrap();
            let pairs: Vec<_> = found.pairs.iter().map(|p| (p.key.as_str(), below(dir.path(), &p.reference))).collect();
            let expected: Vec<_> = expected.into_iter().map(|(k, p)| (k, p.to_owned())).collect();
            assert_eq!(pairs, expected);
            assert!(found.unmatched.is_empty());
        }
    }

    #[test]
    fn files_without_a_partner_are_named() {
        let dir = tree(&["in/a.png", "in/b.png", "gt/a.png", "gt/c.png"]);
        let found = find(&suite("files = 'in/*'", "files = 'gt/*'"), dir.path(), &Reader::default()).unwrap();
        assert_eq!(found.pairs.len(), 1);
        let names: Vec<_> = found.unmatched.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(names, ["in/b.png", "gt/c.png"]);
    }

    #[test]
    fn what_is_missing_is_said_with_the_layout() {
        let dir = tree(&["in/a.png"]);
        let error =
            find(&suite("files = 'in/*'", "files = 'gt/*'"), dir.path(), &Reader::default()).unwrap_err().to_string();
        assert!(error.contains("gt/*") && error.contains("expected"), "{error}");
        let twice = tree(&["in/a.png", "in/a.jpg", "gt/a.png"]);
        let error =
            find(&suite("files = 'in/*'", "files = 'gt/*'"), twice.path(), &Reader::default()).unwrap_err().to_string();
        assert!(error.contains("same key"), "{error}");
    }
}
