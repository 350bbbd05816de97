//! `--report`: a record of the run as JSON.

use artir_core::Restorer;
use artir_geo::{Scene, SceneReport};
use serde::Serialize;

use crate::{names::Names, outcome::Failure};

/// Version of the report's schema. It grows when a field changes its meaning or is removed.
const SCHEMA: u32 = 2;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    names: Names,
    schema: u32,
    artir: &'static str,
    /// Absent if no model could be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_sha256: Option<String>,
    scenes: Vec<Entry>,
    /// The error that ended the whole run early.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Entry {
    scene: usize,
    /// The scene as typed with `--show-paths`, else without its folder. Scenes are not patients: their files are named.
    name: String,
    /// `written` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
}

#[derive(Debug, Serialize)]
struct Done {
    /// The result.
    result: String,
    /// Columns x rows.
    size: String,
    columns: usize,
    rows: usize,
    /// The bands that were restored, counted from 1.
    bands: Vec<usize>,
    /// The satellite's product.
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    /// Stored values that the network saw as black and white, of each band.
    range: Vec<[f64; 2]>,
    /// What the result cannot hold of what the scene states.
    lost: Vec<String>,
    /// A value that all bands share and that no band declares as nodata, and its share of the pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    undeclared_fill: Option<(f64, f64)>,
    tiles: usize,
    tiles_without_valid_pixel: usize,
    invalid_pixels: u64,
    /// Rows that an earlier run had completed.
    rows_resumed: usize,
    /// Sidecar files of the result.
    files_beside: usize,
    plan: String,
    strength: f32,
}

impl Report {
    pub(super) fn new(names: Names) -> Self {
        let (schema, artir) = (SCHEMA, artir_core::VERSION);
        Self { names, schema, artir, model: None, model_sha256: None, scenes: Vec::new(), problem: None }
    }

    pub(super) fn model(&mut self, restorer: &Restorer) {
        self.model = Some(restorer.card().name.clone());
        self.model_sha256 = Some(restorer.model_hash().to_owned());
    }

    /// Records the error that ended the whole run.
    pub(super) fn ended(&mut self, failure: &Failure) {
        self.problem = Some(self.names.in_text(&failure.message));
    }

    /// In the order of the command line: finished and refused scenes are known before any other is restored.
    fn add(&mut self, entry: Entry) {
        self.scenes.push(entry);
        self.scenes.sort_by_key(|entry| entry.scene);
    }

    pub(super) fn written(&mut self, index: usize, path: &str, scene: &Scene, done: &SceneReport, restorer: &Restorer) {
        let shape = scene.shape();
        let done = Done {
            result: self.names.in_text(&done.path.display().to_string()),
            size: format!("{}x{}", shape.columns, shape.rows),
            columns: shape.columns,
            rows: shape.rows,
            bands: scene.bands().to_vec(),
            product: scene.product().map(str::to_owned),
            range: scene.intervals().iter().map(|i| [i.black(), i.white()]).collect(),
            lost: done.lost.clone(),
            undeclared_fill: scene.undeclared_fill(),
            tiles: done.run.tiles,
            tiles_without_valid_pixel: done.run.skipped,
            invalid_pixels: done.run.invalid_pixels,
            rows_resumed: done.rows_resumed,
            files_beside: done.beside.len(),
            plan: artir_geo::plan(scene, restorer).unwrap_or_default(),
            strength: restorer.strength(),
        };
        let name = self.names.in_text(path);
        self.add(Entry { scene: index + 1, name, outcome: "written", done: Some(done), problem: None });
    }

    pub(super) fn failed(&mut self, index: usize, path: &str, failure: &Failure) {
        let (name, problem) = (self.names.in_text(path), Some(self.names.in_text(&failure.message)));
        self.add(Entry { scene: index + 1, name, outcome: "failed", problem, done: None });
    }
}
