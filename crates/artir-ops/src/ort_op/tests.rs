//! The operators of CUDA as nodes of ONNX Runtime sessions, with their kernels compiled for the CPU: what happens to a
//! model file on a GPU, but for the GPU.

use std::path::Path;
use std::sync::OnceLock;

use artir_tests::onnx::{Dim, Model, Type, Value};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor;

use super::{Set, add_to};
use crate::cuda::emulated::{error, values};
use crate::large_kernel::{Taps, reference};

fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| ort::init_from(artir_tests::runtime()).unwrap().build().unwrap())
}

fn session(model: &[u8], set: Set, optimized: Option<&Path>) -> ort::Result<Session> {
    let mut builder = Session::builder(environment()).unwrap().with_intra_threads(2).unwrap();
    add_to(&mut builder, set).unwrap();
    if let Some(path) = optimized {
        builder = builder.with_optimized_model_path(path).unwrap();
    }
    builder.commit_from_memory(model)
}

fn run(session: &mut Session, image: &[f32], shape: [usize; 4]) -> Vec<f32> {
    let input = Tensor::from_array((shape, image.to_vec())).unwrap();
    session.run(ort::inputs![input]).unwrap()[0].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

fn zoo(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/zoo");
    std::fs::read(folder.join(name).with_extension("onnx")).unwrap()
}

/// A whole model: ONNX Runtime takes `artir.Network` apart, and blocks and large kernels go to the operators.
#[test]
fn a_model_falls_apart_into_the_operators_and_gives_the_same() {
    for (name, channels, shape) in [("ct-ldct-t", 1, [2, 1, 20, 36]), ("geo-haze-t", 3, [1, 3, 36, 20])] {
        let model = zoo(name);
        let folder = tempfile::tempdir().unwrap();
        let optimized = folder.path().join("optimized.onnx");
        let mut gpu = session(&model, Set::Emulated, Some(&optimized)).unwrap();
        let written = std::fs::read(&optimized).unwrap();
        let count = |text: &[u8]| written.windows(text.len()).filter(|window| *window == text).count();
        // A node's type is field 4 of its message: variant T has eight blocks, and two mixers of three large kernels.
        assert_eq!(count(b"\x22\x0aGatedBlock"), 8, "{name}");
        assert_eq!(count(b"\x22\x12DynamicLargeKernel"), 6, "{name}");
        assert_eq!(count(b"\x22\x0aModulation"), 2, "{name}");
        assert_eq!(count(b"\x22\x11RefinedModulation"), 4, "{name}");
        assert_eq!(count(b"\x22\x07Network"), 0, "{name}");

        let image: Vec<f32> = values(shape.iter().product(), channels, 0.5).into_iter().map(|v| 0.5 + v).collect();
        let wanted = run(&mut session(&model, Set::Cpu, None).unwrap(), &image, shape);
        let got = run(&mut gpu, &image, shape);
        // Measured on what the network adds, which is the smaller part of its output.
        let added = |result: &[f32]| image.iter().zip(result).map(|(i, r)| r - i).collect::<Vec<_>>();
        let exact: Vec<f64> = added(&wanted).into_iter().map(f64::from).collect();
        let error = error(&added(&got), &exact);
        assert!(error < 2e-5, "{name}: {error:e}");
    }
}

#[test]
fn weights_of_a_large_kernel_are_tensors_like_the_map() {
    let (k, h, w) = (15usize, 21, 34);
    let taps = [Dim::Named("T")];
    let map = [Dim::Named("N"), Dim::Is(1), Dim::Named("H"), Dim::Named("W")];
    let model = Model::new()
        .input("X", Type::F32, &map)
        .input("w", Type::F32, &taps)
        .output("Y", Type::F32, &map)
        .node("artir.DynamicLargeKernel", &["X", "w"], &["Y"], &[("kernel_size", Value::Int(k as i64))])
        .finish();
    let mut session = session(&model, Set::Emulated, None).unwrap();
    let image = values(h * w, 1, 1.0);
    for seed in [2, 3] {
        let scale = values(k * k, seed, 0.01);
        let inputs = ort::inputs![
            Tensor::from_array(([1, 1, h, w], image.clone())).unwrap(),
            Tensor::from_array(([k * k], scale.clone())).unwrap()
        ];
        let outputs = session.run(inputs).unwrap();
        let got = outputs[0].try_extract_tensor::<f32>().unwrap().1;
        let exact = reference(&image, h, w, &Taps::new(k as i64, scale, None).unwrap());
        assert!(error(got, &exact) < 1e-6);
    }
    let short = ort::inputs![
        Tensor::from_array(([1usize, 1, h, w], image)).unwrap(),
        Tensor::from_array(([4usize], vec![0.0f32; 4])).unwrap()
    ];
    let error = session.run(short).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("kernel_size 15 needs [225]"), "{error}");
}

/// A block whose weights do not fit its attributes, and one that the kernel does not have.
#[test]
fn blocks_that_do_not_fit_are_refused() {
    let build = |channels: i64, expand_rows: i64, attribute: i64| {
        let c = channels;
        let shapes: [(&str, Vec<i64>); 13] = [
            ("norm1_weight", vec![c]),
            ("norm1_bias", vec![c]),
            ("expand_weight", vec![expand_rows, c, 1, 1]),
            ("expand_bias", vec![2 * c]),
            ("local_weight", vec![2 * c, 1, 3, 3]),
            ("local_bias", vec![2 * c]),
            ("project_weight", vec![c, c, 1, 1]),
            ("project_bias", vec![c]),
            ("norm2_weight", vec![c]),
            ("norm2_bias", vec![c]),
            ("feed_expand", vec![6 * c, c, 1, 1]),
            ("feed_local", vec![6 * c, 1, 3, 3]),
            ("feed_project", vec![c, 3 * c, 1, 1]),
        ];
        let map = [Dim::Named("N"), Dim::Is(c), Dim::Named("H"), Dim::Named("W")];
        let mut model = Model::new().input("x", Type::F32, &map).output("y", Type::F32, &map);
        for (name, shape) in &shapes {
            model = model.floats(name, shape, &values(shape.iter().product::<i64>() as usize, 5, 0.1));
        }
        let mut inputs = vec!["x"];
        inputs.extend(shapes.iter().map(|(name, _)| *name));
        let attributes = [("mixer_channels", Value::Int(attribute)), ("feed_channels", Value::Int(6 * c))];
        model.node("artir.GatedBlock", &inputs, &["y"], &attributes).finish()
    };
    let fails = |model: &[u8], channels: usize| {
        let mut session = session(model, Set::Emulated, None).map_err(|e| e.to_string())?;
        let image = Tensor::from_array(([1, channels, 4, 4], vec![0.5f32; channels * 16])).unwrap();
        session.run(ort::inputs![image]).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(fails(&build(16, 32, 32), 16), Ok(()));
    let error = fails(&build(16, 30, 32), 16).unwrap_err();
    assert!(error.contains("expand_weight") && error.contains("[32, 16, 1, 1]"), "{error}");
    let error = fails(&build(24, 48, 48), 24).unwrap_err();
    assert!(error.contains("24 channels"), "{error}");
    let error = fails(&build(16, 32, 31), 16).unwrap_err();
    assert!(error.contains("mixer_channels"), "{error}");
}
