//! Recognises the result of an earlier run of the same model, settings and sources, which `resume` leaves as it is.

use std::path::{Path, PathBuf};

use artir_core::{Restorer, RunReport};
use artir_files::is_taken;
use gdal::Metadata;

use super::{
    SceneReport,
    identity::identity,
    options::WriteOptions,
    publish::{BESIDE, data_of, with_ending},
    with_provenance,
};
use crate::{
    error::Error,
    open::{
        drivers::{IMAGES, open_with},
        name::without_prefix,
    },
    rows::strips::memory_use,
    scene::{
        Scene,
        description::{Description, PROVENANCE},
    },
};

/// The item of a result's record that holds the hash of everything that determined its bytes.
const RUN: &str = "RUN";

/// The result that an earlier run of the same model, settings and sources has finished under this name. `None` where there is
/// none, where it is another run's, and where its format could not hold the record of its run.
///
/// # Errors
/// Errors of the core.
pub fn finished(
    scene: &Scene,
    restorer: &Restorer,
    out: &Path,
    options: &WriteOptions,
) -> Result<Option<SceneReport>, Error> {
    let shape = scene.info.shape_for(restorer.card().input.channels);
    let decides = restorer.decides_for(shape, memory_use(&scene.info))?;
    Ok(of_run(scene, decides.as_str(), out, &with_provenance(scene, restorer, options)))
}

/// As [`finished`], with the pixels' own part of the identity.
pub(super) fn of_run(scene: &Scene, pixels: &str, out: &Path, options: &WriteOptions) -> Option<SceneReport> {
    let data = data_of(out);
    if !is_taken(out) || !is_taken(&data) {
        return None;
    }
    let stated = run_of(&data)?;
    // All sources are read for this, so that it comes last.
    if stated != identity(scene, pixels, options).hash() {
        return None;
    }
    let beside: Vec<PathBuf> = BESIDE.iter().map(|ending| with_ending(&data, ending)).filter(|p| p.exists()).collect();
    let own = (data != out).then_some(data);
    Some(SceneReport {
        path: out.to_owned(),
        beside: own.into_iter().chain(beside).collect(),
        run: RunReport::default(),
        rows_resumed: scene.shape().rows,
        lost: Vec::new(),
    })
}

/// The run that a file states it was made by. The file may be anybody's: only images are opened.
fn run_of(data: &Path) -> Option<String> {
    let drivers: Vec<&str> = IMAGES.iter().copied().filter(|name| *name != "VRT").collect();
    open_with(&without_prefix(data).to_string_lossy(), Some(&drivers)).ok()?.metadata_item(RUN, PROVENANCE)
}

impl Description {
    /// States the run in the record of how the result was made, where there is one.
    pub(super) fn state_run(&mut self, run: &str) {
        if let Some(record) = self.domains.get_mut(PROVENANCE) {
            record.push(format!("{RUN}={run}"));
            record.sort();
        }
    }
}
