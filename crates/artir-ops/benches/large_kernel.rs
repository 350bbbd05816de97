//! The operator on a 4K frame's bottleneck map (540x960), by kernel size: the engine's two ways on one thread, and
//! inside ONNX Runtime on two threads, compared with the Conv form of a stock runtime.

use std::sync::OnceLock;

use artir_ops::large_kernel::{Engine, Method, Serial, Shape, Taps};
use artir_tests::onnx::{Dim, Model, Type, Value};
use divan::{Bencher, black_box};
use ort::{environment::Environment, session::Session, value::Tensor};

const SHAPE: Shape = Shape { batch: 1, height: 540, width: 960 };
const THREADS: usize = 2;

fn main() {
    divan::main();
}

fn taps(size: usize) -> Vec<f32> {
    (0..size * size).map(|i| ((i * 37 % 101) as f32 - 50.0) / 500.0).collect()
}

fn map() -> Vec<f32> {
    (0..SHAPE.height * SHAPE.width).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect()
}

fn engine(bencher: Bencher<'_, '_>, size: usize, method: Method) {
    let taps = Taps::new(size as i64, taps(size), Some(taps(size))).expect("the kernel sizes below are odd");
    let engine = Engine::new(taps);
    let input = map();
    let mut output = vec![0.0; input.len()];
    bencher.bench_local(|| {
        engine.run_by(method, black_box(&input), &mut output, SHAPE, &Serial).expect("the buffers have the shape");
    });
}

#[divan::bench(args = [7, 9, 11, 13, 15, 31, 63, 127], sample_count = 10)]
fn engine_fft(bencher: Bencher<'_, '_>, size: usize) {
    engine(bencher, size, Method::Fft);
}

#[divan::bench(args = [7, 9, 11, 13, 15, 31, 63], sample_count = 5)]
fn engine_direct(bencher: Bencher<'_, '_>, size: usize) {
    engine(bencher, size, Method::Direct);
}

/// ONNX Runtime allows one environment a process.
fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let runtime = ort::init_from(artir_tests::runtime()).expect("bootstrap.sh brings it");
        runtime.build().expect("the first environment of the process")
    })
}

/// X -> Y with the node(s) that `add` puts between.
fn session(bencher: Bencher<'_, '_>, size: usize, add: impl Fn(Model) -> Model) {
    let image = [Dim::Named("N"), Dim::Is(1), Dim::Named("H"), Dim::Named("W")];
    let model = add(Model::new().input("X", Type::F32, &image).output("Y", Type::F32, &image));
    let environment = environment();
    let made = Session::builder(environment).and_then(|b| Ok(b.with_intra_threads(THREADS)?));
    let mut builder = made.expect("plain options");
    artir_ops::register(&mut builder).expect("the runtime takes the operator");
    let mut session = builder.commit_from_memory(&model.finish()).unwrap_or_else(|e| panic!("K {size}: {e}"));
    let shape = [1, 1, SHAPE.height, SHAPE.width];
    let input = Tensor::from_array((shape, map())).expect("the map has the shape");
    bencher.bench_local(|| drop(session.run(ort::inputs![&input]).expect("the session runs")));
}

#[divan::bench(args = [15, 31, 63], sample_count = 20)]
fn session_operator(bencher: Bencher<'_, '_>, size: usize) {
    let side = size as i64;
    session(bencher, size, |model| {
        model.floats("w", &[side * side], &taps(size)).floats("b", &[side * side], &taps(size)).node(
            "artir.DynamicLargeKernel",
            &["X", "w", "b"],
            &["Y"],
            &[("kernel_size", Value::Int(side))],
        )
    });
}

/// The model file's function body as a stock runtime executes it, after constant folding.
#[divan::bench(args = [15, 31, 63], sample_count = 3)]
fn session_conv_form(bencher: Bencher<'_, '_>, size: usize) {
    let side = size as i64;
    session(bencher, size, |model| {
        model
            .floats("taps", &[2, 1, side, side], &[taps(size), taps(size)].concat())
            .node("Conv", &["X", "taps"], &["both"], &[("auto_pad", Value::Text("SAME_UPPER"))])
            .node("Split", &["both"], &["scale", "add"], &[("axis", Value::Int(1)), ("num_outputs", Value::Int(2))])
            .node("Mul", &["X", "scale"], &["product"], &[])
            .node("Add", &["product", "add"], &["Y"], &[])
    });
}
