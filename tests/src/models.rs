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
    let card: Value = json!({
        "schema": 1, "name": "multiplies", "version": "1", "task": task, "variant": "T",
        "parameters": 1, "macs_256": 65536,
        "input": {"channels": channels, "unit": unit, "range": range, "network_range": [0.0, 1.0]},
        "tile": 512, "overlap": 64, "multiple": 4, "reach": 0,
        "training": {"summary": "none", "data": [], "patches": 0, "patch_size": 128, "hours": 0.0, "hardware": "none"},
        "figures": [], "limits": "a test", "licence": "MIT"
    });
    Model::new()
        .input("input", Type::F32, &image)
        .output("output", Type::F32, &image)
        .floats("factor", &[], &[factor])
        .node("Mul", &["input", "factor"], &["output"], &[])
        .finish_with_card(&card.to_string())
}

/// A CT model that returns its input.
pub fn ct_identity() -> Vec<u8> {
    multiplies("ct-denoise", "HU", [-1024.0, 3071.0], 1.0)
}

/// A dehazing model of three channels that returns its input.
pub fn rgb_identity() -> Vec<u8> {
    rgb_multiplies(1.0)
}

/// A dehazing model of three channels whose output is its input times `factor`.
pub fn rgb_multiplies(factor: f32) -> Vec<u8> {
    of_channels(3, "dehaze", "1", [0.0, 1.0], factor)
}

/// A model for noise in photographs whose output is its input times `factor`.
pub fn rgb_denoiser(factor: f32) -> Vec<u8> {
    of_channels(3, "rgb-denoise", "1", [0.0, 1.0], factor)
}
