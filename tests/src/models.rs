//! Networks that multiply their input, with the cards of real ones.

use serde_json::{Value, json};

use crate::onnx::{Dim, Model, Type};

/// A model of one channel whose output is its input times `factor`. `task` and `unit` are those of the card; `range`, in
/// the unit, is the network's 0 to 1.
pub fn multiplies(task: &str, unit: &str, range: [f64; 2], factor: f32) -> Vec<u8> {
    of_channels(1, task, unit, range, factor)
}

fn of_channels(channels: i64, task: &str, unit: &str, range: [f64; 2], factor: f32) -> Vec<u8> {
    let image = [Dim::Named("N"), Dim::Is(channels), Dim::Named("H"), Dim::Named("W")];
    let card = card(channels, task, unit, range);
    Model::new()
        .input("input", Type::F32, &image)
        .output("output", Type::F32, &image)
        .floats("factor", &[], &[factor])
        .node("Mul", &["input", "factor"], &["output"], &[])
        .finish_with_card(&card.to_string())
}

fn card(channels: i64, task: &str, unit: &str, range: [f64; 2]) -> Value {
    json!({
        "schema": 1, "name": "multiplies", "version": "1", "task": task, "variant": "T",
        "parameters": 1, "macs_256": 65536,
        "input": {"channels": channels, "unit": unit, "range": range, "network_range": [0.0, 1.0]},
        "tile": 512, "overlap": 64, "multiple": 4, "reach": 0,
        "training": {"summary": "none", "data": [], "patches": 0, "patch_size": 128, "hours": 0.0, "hardware": "none"},
        "figures": [], "limits": "a test", "licence": "MIT"
    })
}

/// A CT model that returns its input.
pub fn ct_identity() -> Vec<u8> {
    multiplies("ct-denoise", "HU", [-1024.0, 3071.0], 1.0)
}

/// A CT model of three neighbouring slices, each of whose channels becomes the mean of all, for slices up to `apart` mm apart.
pub fn ct_mean_of_neighbours(apart: f64) -> Vec<u8> {
    let image = [Dim::Named("N"), Dim::Is(3), Dim::Named("H"), Dim::Named("W")];
    let mut card = card(3, "ct-denoise", "HU", [-1024.0, 3071.0]);
    card["input"]["slices"] = json!(3);
    card["input"]["slices_apart"] = json!(apart);
    Model::new()
        .input("input", Type::F32, &image)
        .output("output", Type::F32, &image)
        .floats("third", &[3, 3, 1, 1], &[1.0 / 3.0; 9])
        .node("Conv", &["input", "third"], &["output"], &[])
        .finish_with_card(&card.to_string())
}

/// A dehazing model of three channels that returns its input.
pub fn rgb_identity() -> Vec<u8> {
    rgb_multiplies(1.0)
}

/// A dehazing model of three channels whose output is its input times `factor`.
pub fn rgb_multiplies(factor: f32) -> Vec<u8> {
    of_channels(3, "dehaze", "1", [0.0, 1.0], factor)
}

/// A model for any of several degradations of photographs whose output is its input times `factor`.
pub fn rgb_restorer(factor: f32) -> Vec<u8> {
    of_channels(3, "rgb-restore", "1", [0.0, 1.0], factor)
}

/// A model for noise in photographs whose output is its input times `factor`.
pub fn rgb_denoiser(factor: f32) -> Vec<u8> {
    of_channels(3, "rgb-denoise", "1", [0.0, 1.0], factor)
}
