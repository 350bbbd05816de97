//! `artir.Network` in ONNX Runtime sessions: the operator against the function body that defines it, which the same
//! runtime runs where the operators are not registered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, sync::OnceLock};

use artir_ops::{PRECISION_OPTION, THREADS_OPTION};
use ort::{environment::Environment, session::Session, value::Tensor};

const MODELS: [(&str, usize); 2] = [("ct-ldct-t", 1), ("geo-haze-t", 3)];

fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| ort::init_from(artir_tests::runtime()).unwrap().build().unwrap())
}

fn model(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/zoo").join(name).with_extension("onnx")
}

/// A session with an option of the operators.
fn session_with(name: &str, option: &str, value: &str) -> Result<Session, artir_ops::Error> {
    let mut builder = Session::builder(environment()).unwrap().with_config_entry(option, value).unwrap();
    artir_ops::register(&mut builder)?;
    Ok(builder.commit_from_file(model(name)).unwrap())
}

fn session(name: &str, threads: usize, registered: bool) -> Session {
    let mut builder = Session::builder(environment()).unwrap().with_intra_threads(threads).unwrap();
    if registered {
        artir_ops::register(&mut builder).unwrap();
    }
    builder.commit_from_file(model(name)).unwrap()
}

/// A picture with smooth parts, edges and noise, from 0 to 1.
fn picture(shape: [usize; 4]) -> Vec<f32> {
    let [_, _, rows, columns] = shape;
    let mut state = 12_345u32;
    (0..shape.iter().product())
        .map(|i| {
            let (x, y) = (i % columns, i / columns % rows);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32;
            let edge = f32::from(u8::from((x / 7 + y / 5) % 3 == 0));
            (0.3 * (x as f32 * 0.05).sin().abs() + 0.4 * edge + 0.3 * noise).clamp(0.0, 1.0)
        })
        .collect()
}

fn run(session: &mut Session, image: &[f32], shape: [usize; 4]) -> Vec<f32> {
    let input = Tensor::from_array((shape, image.to_vec())).unwrap();
    session.run(ort::inputs![input]).unwrap()[0].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

#[test]
fn the_operator_is_the_function() {
    for (name, channels) in MODELS {
        let (mut body, mut operator) = (session(name, 2, false), session(name, 2, true));
        for (batch, rows, columns) in [(1, 4, 4), (1, 4, 20), (1, 12, 4), (3, 36, 52), (1, 132, 260)] {
            let shape = [batch, channels, rows, columns];
            let image = picture(shape);
            let (wanted, got) = (run(&mut body, &image, shape), run(&mut operator, &image, shape));
            // Measured on what the network adds, which is the smaller part of its output.
            let largest = image.iter().zip(&wanted).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            let worst = wanted.iter().zip(&got).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst < 2e-5 * largest, "{name} {shape:?}: {worst:e} of {largest:e}");
        }
    }
}

#[test]
fn the_session_option_chooses_the_precision() {
    for (name, channels) in MODELS {
        let shape = [1, channels, 68, 52];
        let image = picture(shape);
        let exact = run(&mut session(name, 2, true), &image, shape);
        assert!(run(&mut session_with(name, PRECISION_OPTION, "f32").unwrap(), &image, shape) == exact, "{name}");
        let fast = run(&mut session_with(name, PRECISION_OPTION, "fast").unwrap(), &image, shape);
        let norm = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        let share = norm(&exact, &fast) / norm(&exact, &image);
        assert_eq!(share > 0.0, artir_ops::Precision::Fast.gains(), "{name}: {share:e}");
        assert!(share < 0.01, "{name}: {share:e}");
    }
    let refused = session_with(MODELS[0].0, PRECISION_OPTION, "half").map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("'half'"), "{refused}");
}

#[test]
fn the_session_option_divides_the_work_and_changes_no_bit() {
    let (name, channels) = MODELS[0];
    let shape = [1, channels, 100, 292];
    let image = picture(shape);
    let one = run(&mut session_with(name, THREADS_OPTION, "1").unwrap(), &image, shape);
    for threads in ["3", "64"] {
        assert!(run(&mut session_with(name, THREADS_OPTION, threads).unwrap(), &image, shape) == one, "{threads}");
    }
    for wrong in ["0", "many", ""] {
        let refused = session_with(name, THREADS_OPTION, wrong).map(|_| ()).unwrap_err();
        assert_eq!(refused, artir_ops::Error::Threads(wrong.to_owned()));
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for (name, channels) in MODELS {
        let shape = [1, channels, 100, 292];
        let image = picture(shape);
        let one = run(&mut session(name, 1, true), &image, shape);
        for threads in [2, 5] {
            assert!(run(&mut session(name, threads, true), &image, shape) == one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn unusual_values_reach_as_far_as_in_the_function() {
    let (name, channels) = MODELS[0];
    let (mut body, mut operator) = (session(name, 2, false), session(name, 2, true));
    let shape = [1, channels, 64, 80];
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 1e-40, -0.0] {
        let mut image = picture(shape);
        image[20 * 80 + 33] = value;
        let (wanted, got) = (run(&mut body, &image, shape), run(&mut operator, &image, shape));
        let largest = wanted.iter().filter(|v| v.is_finite()).fold(0.0f32, |m, v| m.max(v.abs()));
        for (i, (w, g)) in wanted.iter().zip(&got).enumerate() {
            assert_eq!(w.is_finite(), g.is_finite(), "{value} changes pixel {i}: {w} {g}");
            assert!(!w.is_finite() || (w - g).abs() < 2e-5 * largest, "{value}, pixel {i}: {w} {g}");
        }
    }
}

#[test]
fn sizes_that_the_network_does_not_have_are_refused() {
    let mut session = session("ct-ldct-t", 1, true);
    for shape in [[1, 1, 6, 8], [1, 1, 8, 0]] {
        let count: usize = shape.iter().product();
        let input = Tensor::from_array((shape, vec![0.5f32; count]));
        let Ok(input) = input else { continue };
        let error = session.run(ort::inputs![input]).unwrap_err().to_string();
        assert!(error.contains("multiples of 4"), "{shape:?}: {error}");
    }
}
