//! The models of all routes, each loaded once.

use std::collections::HashMap;

use artir_core::{ErrorKind, Restorer, Settings, zoo};
use artir_dicom::Modality;

use crate::{
    Error,
    config::{Config, Work, task},
};

/// Loaded models by name.
pub(crate) struct Models {
    loaded: HashMap<String, Loaded>,
}

struct Loaded {
    restorer: Restorer,
    /// The strength that the model's card states.
    usual: f32,
}

/// The model of some work: its name, or that of the modality's task for the default.
fn name(modality: Modality, work: &Work) -> String {
    work.model.clone().unwrap_or_else(|| format!("default of {}", task(modality).name()))
}

/// Opens a model and checks that it is for the modality.
pub(crate) fn open(modality: Modality, work: &Work) -> Result<artir_core::Model, String> {
    let task = task(modality);
    let model = match &work.model {
        Some(name) => zoo::open(name),
        None => zoo::open_default(task),
    };
    let model = model.map_err(|e| e.to_string())?;
    let card = model.card();
    if card.task != task {
        return Err(format!("model '{}' is for {}, not for {}", card.name, card.task.name(), task.name()));
    }
    Ok(model)
}

impl Models {
    /// Loads the models of a configuration.
    pub(crate) fn load(config: &Config) -> Result<Self, Error> {
        let mut models = Self { loaded: HashMap::new() };
        for (modality, work) in config.routes.iter().flat_map(|route| route.work()) {
            models.get(config, modality, work)?;
        }
        Ok(models)
    }

    /// A model at the strength of some work.
    pub(crate) fn get(&mut self, config: &Config, modality: Modality, work: &Work) -> Result<&Restorer, Error> {
        let fail = |reason: String| Error::Config { path: config.folder.clone(), reason };
        let name = name(modality, work);
        if !self.loaded.contains_key(&name) {
            let model = open(modality, work).map_err(fail)?;
            let settings = Settings::default()
                .device(config.restore.device)
                .threads(config.restore.threads)
                .map_err(artir_core::Error::from)?
                .memory(config.restore.memory_mib << 20);
            let restorer = Restorer::new(model, settings)?;
            let usual = restorer.strength();
            tracing::info!(model = name, place = restorer.place(), "model loaded");
            self.loaded.insert(name.clone(), Loaded { restorer, usual });
        }
        let loaded = self.loaded.get_mut(&name).ok_or_else(|| fail(format!("model '{name}' is not loaded")))?;
        // -0 means 0, and must not lead to another derived UID.
        let strength = work.strength.map_or(loaded.usual, |strength| strength + 0.0);
        loaded.restorer.set_strength(strength).map_err(artir_core::Error::from)?;
        Ok(&loaded.restorer)
    }
}

/// Whether an error may be gone the next time.
pub(super) fn may_pass(kind: ErrorKind) -> bool {
    [ErrorKind::Output, ErrorKind::Device].contains(&kind)
}
