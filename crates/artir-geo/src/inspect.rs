//! What a raster states, and what would be restored of it.

use artir_core::Card;
use gdal::Dataset;

use crate::{
    error::{Error, Reason},
    open::{self, Opened, drivers},
    scene::{Scene, SceneInfo, description::Description, options::OpenOptions, validity::Validity},
    write::{
        options::WriteOptions,
        rehearse::{self, check_model},
    },
};

/// A raster's metadata, and whether a model would restore it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The metadata as JSON, with the bands that would be restored.
    pub json: serde_json::Value,
    /// Why it would be refused.
    pub refused: Option<Error>,
}

/// A raster's metadata, with the bands that a model would restore, or the reason for a refusal.
///
/// # Errors
/// [`Error::Scene`] when GDAL cannot open it.
pub fn inspect_raster(
    path: &str,
    options: &OpenOptions,
    card: &Card,
    write: &WriteOptions,
) -> Result<Inspection, Error> {
    let fail = |reason: Reason| Error::Scene { path: path.to_owned(), reason };
    let refused = match Scene::open(path, options) {
        Ok(scene) => {
            let fit = check_model(&scene, card);
            let refused = fit.and_then(|()| rehearse::form(&scene, write).map_err(fail)).err();
            let json = inspect(&scene.dataset, &scene.info.description, refused.is_none().then_some(&scene.info));
            return Ok(Inspection { json, refused });
        }
        Err(e @ Error::Scene { .. }) => e,
        Err(e) => return Err(e),
    };
    let Opened { dataset, .. } = open::open(path, &options.access).map_err(fail)?;
    let description = Description::of(&dataset).map_err(fail)?;
    Ok(Inspection { json: inspect(&dataset, &description, None), refused: Some(refused) })
}

fn inspect(dataset: &Dataset, description: &Description, scene: Option<&SceneInfo>) -> serde_json::Value {
    let mut out = description.json();
    let structure = |key: &str| drivers::structure(dataset, key);
    out["driver"] = drivers::driver(dataset).into();
    out["compression"] = structure("COMPRESSION").into();
    out["interleave"] = structure("INTERLEAVE").into();
    out["block"] = dataset.rasterband(1).ok().map(|b| <[usize; 2]>::from(b.block_size())).into_iter().collect();
    if let Some(scene) = scene {
        out["restores"] = serde_json::json!({
            "bands": scene.bands,
            "range": [scene.interval.black(), scene.interval.white()],
            "validity": match scene.validity {
                Validity::Nodata => "nodata".to_owned(),
                Validity::Mask => "mask".into(),
                Validity::Alpha(band) => format!("alpha, band {band}"),
            },
        });
    }
    out
}
