//! The manifest of a folder of results: its files, and a hash of the inputs of each.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    encoding::{hash_file, hex},
    file::open_regular,
};

/// A larger file is not a manifest of artir.
const LONGEST: u64 = 64 << 20;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hash of all that it was made from.
    pub key: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its name. It does not begin with a dot, and has no control character and no slash.
    pub name: String,
}

/// The files of a folder of results. As text:
///
/// ```text
/// artir-manifest 1
/// series HASH          shared by all files, and unchanged when files are added
/// settings HASH        other settings that determine their bytes
/// file KEY SHA256 NAME
/// end HASH             of the lines above
/// ```
///
/// It holds hashes and file names, and nothing else of a patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Hash of what makes the results one series.
    pub series: String,
    /// Hash of the other settings that determine bytes.
    pub settings: String,
    /// The files.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// The name of the file.
    pub const NAME: &str = ".artir-manifest";
    const FORM: &str = "artir-manifest 1";

    /// As text.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\nseries {}\nsettings {}\n", Self::FORM, self.series, self.settings);
        for Entry { key, sha256, name } in &self.entries {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "file {key} {sha256} {name}");
        }
        let end = hex(&Sha256::digest(&out));
        out + &format!("end {end}\n")
    }

    /// From text. `None` if it is not a complete manifest of this version.
    pub fn from_text(text: &str) -> Option<Self> {
        let end = text.rfind("end ")?;
        let (body, last) = text.split_at(end);
        if last != format!("end {}\n", hex(&Sha256::digest(body))) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != Self::FORM {
            return None;
        }
        let series = hash(lines.next()?.strip_prefix("series ")?)?;
        let settings = hash(lines.next()?.strip_prefix("settings ")?)?;
        let entry = |line: &str| {
            let mut words = line.strip_prefix("file ")?.splitn(3, ' ');
            let (key, sha256, name) = (hash(words.next()?)?, hash(words.next()?)?, words.next()?);
            let plain =
                !name.is_empty() && !name.starts_with('.') && !name.contains(|c: char| c.is_control() || c == '/');
            plain.then(|| Entry { key, sha256, name: name.to_owned() })
        };
        let entries = lines.map(entry).collect::<Option<_>>()?;
        Some(Self { series, settings, entries })
    }

    /// The manifest of a folder; `None` where there is none that can be used.
    pub fn read(folder: &Path) -> Option<Self> {
        let mut text = String::new();
        open_regular(&folder.join(Self::NAME)).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
        Self::from_text(&text)
    }

    /// A file of the folder with its entry's bytes. `None` when it is not there, or was changed.
    pub fn open(folder: &Path, entry: &Entry) -> Option<File> {
        let mut file = open_regular(&folder.join(&entry.name)).ok()?;
        let found = hash_file(&mut file).ok()?;
        io::Seek::rewind(&mut file).ok()?;
        (found == entry.sha256).then_some(file)
    }
}

fn hash(text: &str) -> Option<String> {
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let entry = |n: u8| Entry {
            key: hex(&Sha256::digest([n])),
            sha256: hex(&Sha256::digest([n, n])),
            name: format!("{n:04}.dcm"),
        };
        Manifest {
            series: hex(&Sha256::digest("series")),
            settings: hex(&Sha256::digest("settings")),
            entries: vec![entry(1), entry(2)],
        }
    }

    #[test]
    fn the_form_is_pinned() {
        let text = example().to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "artir-manifest 1");
        assert_eq!(lines[1], "series 9cda38ea3a2bd78cbaecd4b8bbd646abc14cee8d99c59860ac2a301f722b8be0");
        assert_eq!(
            lines[3],
            "file 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a \
             9dcf97a184f32623d11a73124ceb99a5709b083721e878a16d78f596718ba7b2 0001.dcm"
        );
        assert_eq!(Manifest::from_text(&text), Some(example()));
    }

    #[test]
    fn whatever_is_not_whole_is_refused() {
        let text = example().to_text();
        for cut in 0..text.len() {
            assert_eq!(Manifest::from_text(&text[..cut]), None, "{cut}");
        }
        let other = text.replacen("artir-manifest 1", "artir-manifest 2", 1);
        assert_eq!(Manifest::from_text(&other), None);
        for (name, usable) in [
            ("../x", false),
            (".hidden", false),
            ("a/b", false),
            ("a\nb", false),
            ("", false),
            ("a b-\u{e9}.dcm", true),
        ] {
            let mut changed = example();
            changed.entries[0].name = name.into();
            assert_eq!(Manifest::from_text(&changed.to_text()).is_some(), usable, "{name}");
        }
    }

    #[test]
    fn a_file_that_was_changed_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("0001.dcm"), [1, 1]).unwrap();
        let entry = &example().entries[0];
        assert!(Manifest::open(dir.path(), entry).is_some());
        std::fs::write(dir.path().join("0001.dcm"), [1, 2]).unwrap();
        assert!(Manifest::open(dir.path(), entry).is_none());
    }
}
