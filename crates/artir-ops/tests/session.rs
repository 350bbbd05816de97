//! The operator inside ONNX Runtime sessions: registered in-process and as a library, every element type, weights as
//! constants and as inputs, concurrent runs, and models that must be refused when the session is made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, sync::OnceLock};

use artir_ops::large_kernel::{Taps, reference};
use artir_tests::onnx::{Dim, Model, Type, Value};
use half::f16;
use ort::{
    environment::Environment,
    session::{Session, builder::SessionBuilder},
    value::Tensor,
};

const IMAGE: [Dim; 4] = [Dim::Named("N"), Dim::Is(1), Dim::Named("H"), Dim::Named("W")];

fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| ort::init_from(artir_tests::runtime()).unwrap().build().unwrap())
}

fn builder() -> SessionBuilder {
    let mut builder = Session::builder(environment()).unwrap().with_intra_threads(2).unwrap();
    artir_ops::register(&mut builder).unwrap();
    builder
}

/// Values from -1 to 1 without a pattern that a kernel could follow; halves hold them exactly.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f16::from_f32((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0).to_f32()
    };
    (0..count).map(|_| next()).collect()
}

/// Taps whose sum of magnitudes is about 1.
fn taps(k: usize, seed: u64) -> Vec<f32> {
    let scale = 2.0 / (k * k) as f32;
    values(k * k, seed).into_iter().map(|v| f16::from_f32(v * scale).to_f32()).collect()
}

fn raw(of: Type, values: &[f32]) -> Vec<u8> {
    match of {
        Type::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// A model of one node with constant weights.
fn model(of: Type, k: i64, w: &[f32], b: Option<&[f32]>) -> Vec<u8> {
    let mut model = Model::new().input("X", of, &IMAGE).output("Y", of, &IMAGE);
    model = model.constant("w", of, &[w.len() as i64], &raw(of, w));
    let mut inputs = vec!["X", "w"];
    if let Some(b) = b {
        model = model.constant("b", of, &[b.len() as i64], &raw(of, b));
        inputs.push("b");
    }
    model.node("artir.DynamicLargeKernel", &inputs, &["Y"], &[("kernel_size", Value::Int(k))]).finish()
}

/// Largest error of each map against float64, relative to the largest value.
fn error(map: &[f32], result: &[f32], (h, w): (usize, usize), taps: &Taps) -> f64 {
    let maps = map.chunks(h * w).zip(result.chunks(h * w));
    maps.map(|(map, result)| {
        let exact = reference(map, h, w, taps);
        let largest = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let worst = exact.iter().zip(result).fold(0.0f64, |m, (e, r)| m.max((e - f64::from(*r)).abs()));
        worst / largest
    })
    .fold(0.0, f64::max)
}

fn run(session: &mut Session, map: &[f32], shape: [usize; 4]) -> Vec<f32> {
    let input = Tensor::from_array((shape, map.to_vec())).unwrap();
    session.run(ort::inputs![input]).unwrap()[0].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

#[test]
fn constant_weights_with_and_without_bias_in_batches() {
    for (k, h, w) in [(1, 1, 1), (3, 7, 5), (7, 30, 41), (31, 33, 70), (63, 130, 96), (127, 40, 150)] {
        let (scale, add) = (taps(k, 1), taps(k, 2));
        for bias in [None, Some(add)] {
            let map = values(2 * h * w, 3);
            let mut session =
                builder().commit_from_memory(&model(Type::F32, k as i64, &scale, bias.as_deref())).unwrap();
            let result = run(&mut session, &map, [2, 1, h, w]);
            let taps = Taps::new(k as i64, scale.clone(), bias).unwrap();
            let error = error(&map, &result, (h, w), &taps);
            assert!(error < 1e-6, "K {k}, {h}x{w}, bias {}: {error:e}", taps.bias().is_some());
        }
    }
}

#[test]
fn halves_in_and_out() {
    let (k, h, w) = (31, 64, 50);
    let (scale, add) = (taps(k, 1), taps(k, 2));
    let map = values(h * w, 3);
    let mut session = builder().commit_from_memory(&model(Type::F16, k as i64, &scale, Some(&add))).unwrap();
    let halves: Vec<f16> = map.iter().map(|v| f16::from_f32(*v)).collect();
    let input = Tensor::from_array(([1, 1, h, w], halves)).unwrap();
    let result = session.run(ort::inputs![input]).unwrap();
    let result: Vec<f32> = result[0].try_extract_tensor::<f16>().unwrap().1.iter().map(|v| v.to_f32()).collect();
    let error = error(&map, &result, (h, w), &Taps::new(k as i64, scale, Some(add)).unwrap());
    // The sums are in single precision; rounding the result to 11 bits is all that halves cost.
    assert!(error < 5e-4, "{error:e}");
}

#[test]
fn weights_that_are_inputs_may_change_between_runs() {
    let (k, h, w) = (15usize, 40, 33);
    let taps_dim = [Dim::Is((k * k) as i64)];
    let model = Model::new()
        .input("X", Type::F32, &IMAGE)
        .input("w", Type::F32, &taps_dim)
        .input("b", Type::F32, &taps_dim)
        .output("Y", Type::F32, &IMAGE)
        .node("artir.DynamicLargeKernel", &["X", "w", "b"], &["Y"], &[("kernel_size", Value::Int(k as i64))]);
    let mut session = builder().commit_from_memory(&model.finish()).unwrap();
    let map = values(h * w, 3);
    for seed in [10, 20, 10] {
        let (scale, add) = (taps(k, seed), taps(k, seed + 1));
        let inputs = ort::inputs![
            Tensor::from_array(([1, 1, h, w], map.clone())).unwrap(),
            Tensor::from_array(([k * k], scale.clone())).unwrap(),
            Tensor::from_array(([k * k], add.clone())).unwrap()
        ];
        let outputs = session.run(inputs).unwrap();
        let result = outputs[0].try_extract_tensor::<f32>().unwrap().1;
        let error = error(&map, result, (h, w), &Taps::new(k as i64, scale, Some(add)).unwrap());
        assert!(error < 1e-6, "{error:e}");
    }
}

#[test]
fn sessions_on_eight_threads_give_what_one_gives() {
    let (k, h, w) = (31, 96, 120);
    let bytes = model(Type::F32, k, &taps(k as usize, 1), Some(&taps(k as usize, 2)));
    let map = values(h * w, 3);
    let expected = run(&mut builder().commit_from_memory(&bytes).unwrap(), &map, [1, 1, h, w]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut session = builder().commit_from_memory(&bytes).unwrap();
                for _ in 0..5 {
                    assert_eq!(run(&mut session, &map, [1, 1, h, w]), expected);
                }
            });
        }
    });
}

/// Parallel branches of one graph run at once and share the session's threads and the scratch of each.
#[test]
fn parallel_nodes_of_one_session_do_not_disturb_each_other() {
    let (k, h, w) = (31usize, 96, 120);
    let names: Vec<String> = (0..8).map(|i| format!("Y{i}")).collect();
    let mut model = Model::new().input("X", Type::F32, &IMAGE).floats("w", &[(k * k) as i64], &taps(k, 1)).floats(
        "b",
        &[(k * k) as i64],
        &taps(k, 2),
    );
    for name in &names {
        let size = [("kernel_size", Value::Int(k as i64))];
        model =
            model.node("artir.DynamicLargeKernel", &["X", "w", "b"], &[name], &size).output(name, Type::F32, &IMAGE);
    }
    let mut options = builder().with_parallel_execution(true).unwrap().with_inter_threads(8).unwrap();
    let mut session = options.commit_from_memory(&model.finish()).unwrap();
    let map = values(h * w, 3);
    let taps = Taps::new(k as i64, taps(k, 1), Some(taps(k, 2))).unwrap();
    for _ in 0..5 {
        let input = Tensor::from_array(([1, 1, h, w], map.clone())).unwrap();
        let outputs = session.run(ort::inputs![input]).unwrap();
        for i in 0..names.len() {
            let error = error(&map, outputs[i].try_extract_tensor::<f32>().unwrap().1, (h, w), &taps);
            assert!(error < 1e-6, "{error:e}");
        }
    }
}

#[test]
fn wrong_weights_and_sizes_are_refused_when_the_session_is_made() {
    let nine = values(9, 1);
    for (k, w, b, reason) in [
        (4, values(16, 1), None, "odd"),
        (-3, nine.clone(), None, "odd"),
        (129, values(129 * 129, 1), None, "127"),
        (3, values(8, 1), None, "w"),
        (3, nine.clone(), Some(values(10, 1)), "b"),
        (3, vec![f32::NAN; 9], None, "NaN"),
    ] {
        let error = builder().commit_from_memory(&model(Type::F32, k, &w, b.as_deref())).unwrap_err().to_string();
        assert!(error.contains(reason), "K {k}: {error}");
    }
}

#[test]
fn the_shared_library_registers_the_same_operator() {
    // target/PROFILE/deps/TEST; the library is in the folder of the tests and one folder up.
    let library: PathBuf = std::env::current_exe().unwrap().with_file_name("libartir_ops.so");
    let (k, h, w) = (7, 20, 30);
    let (scale, map) = (taps(k, 1), values(h * w, 3));
    let bytes = model(Type::F32, k as i64, &scale, None);
    let plain = Session::builder(environment()).unwrap().commit_from_memory(&bytes);
    assert!(plain.is_err(), "without the library the operator is unknown");
    let mut options = Session::builder(environment()).unwrap().with_operator_library(&library).unwrap();
    let mut session = options.commit_from_memory(&bytes).unwrap();
    let result = run(&mut session, &map, [1, 1, h, w]);
    let expected = run(&mut builder().commit_from_memory(&bytes).unwrap(), &map, [1, 1, h, w]);
    assert_eq!(result, expected);
}
