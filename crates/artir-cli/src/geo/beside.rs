//! Files next to a result.

use std::path::Path;

use artir_geo::{Error, Scene};

use super::Args;

impl Args {
    /// Finds reasons why they cannot be written, before the scene is restored.
    pub(super) fn check_beside(&self, scene: &Scene, out: &Path) -> Result<(), Error> {
        if let Some(change) = &self.change {
            artir_geo::check_change(out, change, self.overwrite)?;
        }
        if self.stac {
            artir_geo::check_stac(scene, &out.with_extension("stac.json"))?;
        }
        Ok(())
    }
}
