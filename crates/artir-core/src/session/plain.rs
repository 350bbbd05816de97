//! A model in standard operators alone, for runtimes that neither have artir's operators nor read function bodies.

use std::sync::Arc;

use ort::session::{Session as OrtSession, builder::GraphOptimizationLevel};

use crate::{
    Error, Model,
    error::{InferenceError, ModelFault, ProfileError, RuntimeError},
    runtime,
};

/// The model's file with the bodies of its functions in place of their calls: standard ONNX operators alone. Results differ
/// from artir's in their last digits, since the order of sums does.
///
/// ONNX Runtime makes the file. It expands every function that it has no operator for, and here it has none of artir's.
///
/// # Errors
/// [`Error::Runtime`], [`Error::ModelDamaged`] and errors of the file system, as [`Error::Inference`].
pub fn standard_operators(model: &Model) -> Result<Vec<u8>, Error> {
    let environment = runtime::loaded_environment()?;
    let folder = |e| Error::from(InferenceError::from(ProfileError::Folder(e)));
    let dir = tempfile::tempdir().map_err(folder)?;
    let path = dir.path().join("plain.onnx");
    let refused = |e: ort::Error| Error::from(Arc::new(RuntimeError::Refused(e)));
    // Optimisations would put operators of this processor into the file.
    let mut builder = OrtSession::builder(environment)
        .map_err(refused)?
        .with_optimization_level(GraphOptimizationLevel::Disable)
        .map_err(|e| refused(e.into()))?
        .with_optimized_model_path(&path)
        .map_err(|e| refused(e.into()))?;
    let damaged = |e: ort::Error| Error::ModelDamaged { name: model.name().to_owned(), source: ModelFault::from(e) };
    builder.commit_from_memory(model.bytes()).map_err(damaged)?;
    std::fs::read(&path).map_err(folder)
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use ort::value::TensorRef;

    use super::*;
    use crate::{Device, Precision, Session, zoo};

    /// The numbers of the fields of a `ModelProto`, which are numbers and texts.
    fn fields(mut rest: &[u8]) -> Vec<u64> {
        fn varint(rest: &mut &[u8]) -> u64 {
            let length = rest.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            let (bytes, after) = rest.split_at(length);
            *rest = after;
            bytes.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
        }
        let mut out = Vec::new();
        while !rest.is_empty() {
            let tag = varint(&mut rest);
            let value = varint(&mut rest);
            if tag & 7 == 2 {
                rest = &rest[value as usize..];
            }
            out.push(tag >> 3);
        }
        out
    }

    /// The file runs where artir's operators are not registered, and agrees with them to 1e-4.
    #[test]
    fn the_plain_model_needs_no_operator_of_artir_and_agrees() {
        let model = zoo::open("ct-ldct-t").unwrap();
        let plain = standard_operators(&model).unwrap();
        // `ModelProto.functions` is field 25.
        assert!(fields(model.bytes()).contains(&25));
        assert!(!fields(&plain).contains(&25));
        let image = Array4::from_shape_fn((1, 1, 40, 56), |(_, _, y, x)| ((y * 7 + x * 3) % 23) as f32 / 23.0);
        let expected = Session::new(&model, Device::Cpu, 1, Precision::F32).unwrap().run(image.view()).unwrap();
        let mut stock = OrtSession::builder(runtime::environment().unwrap()).unwrap();
        let mut stock = stock.commit_from_memory(&plain).unwrap();
        let outputs = stock.run(ort::inputs![TensorRef::from_array_view(image.view()).unwrap()]).unwrap();
        let found = outputs[0].try_extract_array::<f32>().unwrap();
        let apart = found.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(apart < 1e-4, "{apart}");
    }
}
