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
            let form = fit.and_then(|()| rehearse::form(&scene, write).map_err(fail));
            let mut json = inspect(&scene.dataset, &scene.info.description, form.is_ok().then_some(&scene.info));
            json["product"] = scene.product().into();
            return Ok(match form {
                Ok(lost) => {
                    json["restores"]["lost"] = lost.into();
                    Inspection { json, refused: None }
                }
                Err(refused) => Inspection { json, refused: Some(refused) },
            });
        }
        Err(e @ Error::Scene { .. }) => e,
        Err(e) => return Err(e),
    };
    let Opened { dataset, .. } = open::open(path, &options.access).map_err(fail)?;
    if dataset.raster_count() == 0 {
        return Err(refused);
    }
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
            "range": range(scene),
            "range_is_estimate": scene.range_is_estimate,
            "reflectance": scene.radiometry.as_ref().map(|found| {
                let values = &scene.values[0].interval;
                [found[0].physical(values.black()), found[0].physical(values.white())]
            }),
            "undeclared_fill": scene.fill.map(|fill| serde_json::json!({"value": fill.value, "share": fill.share})),
            "validity": match scene.validity {
                Validity::Nodata => "nodata".to_owned(),
                Validity::Mask => "mask".into(),
                Validity::Alpha(band) => format!("alpha, band {band}"),
            },
        });
    }
    out
}

/// Stored values for black and white: one pair, or one for each band where they differ.
fn range(scene: &SceneInfo) -> serde_json::Value {
    let pairs: Vec<[f64; 2]> = scene.values.iter().map(|v| [v.interval.black(), v.interval.white()]).collect();
    match pairs.first() {
        Some(first) if pairs.iter().all(|pair| pair == first) => serde_json::json!(first),
        _ => serde_json::json!(pairs),
    }
}
