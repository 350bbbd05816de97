//! Files that share a SOPInstanceUID: copies, and different slices.

use std::{collections::HashMap, fs::File, io, path::Path};

use sha2::{Digest, Sha256};

use super::{Scan, SetAside, object::GroupedObject};
use crate::{Error, Reason};

/// The first file of each SOPInstanceUID in the order of paths, and the later ones that are not its copies.
pub(super) struct Distinct {
    pub(super) kept: Vec<GroupedObject>,
    pub(super) clashing: Vec<GroupedObject>,
}

/// Skips byte-identical copies. Objects are of one SeriesInstanceUID; slices and a multi-frame object made
/// of them may share a SOPInstanceUID, since their classes keep them apart.
///
/// Only files that share a SOPInstanceUID are read.
pub(super) fn separate(objects: Vec<GroupedObject>, found: &mut Scan) -> Distinct {
    let key = |o: &GroupedObject| (o.group.sop_class.clone(), o.instance.uid.clone());
    let mut count: HashMap<_, usize> = HashMap::new();
    for object in &objects {
        *count.entry(key(object)).or_default() += 1;
    }
    let mut seen: HashMap<_, Vec<[u8; 32]>> = HashMap::new();
    let mut out = Distinct { kept: Vec::new(), clashing: Vec::new() };
    for object in objects {
        let key = key(&object);
        if count.get(&key) == Some(&1) {
            out.kept.push(object);
            continue;
        }
        let hash = match hash(&object.instance.path) {
            Ok(hash) => hash,
            Err(e) => {
                found.damaged.push(Error::file(&object.instance.path, e));
                continue;
            }
        };
        let others = seen.entry(key).or_default();
        if others.contains(&hash) {
            found.set_aside.push(SetAside { path: object.instance.path, reason: Reason::Copy });
            continue;
        }
        if others.is_empty() {
            out.kept.push(object);
        } else {
            out.clashing.push(object);
        }
        others.push(hash);
    }
    out
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash.finalize().into())
}
