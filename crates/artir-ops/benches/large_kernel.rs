//! The operator's engine on a 4K frame's bottleneck map (540x960), one thread, by kernel size and method.

use artir_ops::large_kernel::{Engine, Method, Serial, Shape, Taps};
use divan::{Bencher, black_box};

const SHAPE: Shape = Shape { batch: 1, height: 540, width: 960 };

fn main() {
    divan::main();
}

fn bench(bencher: Bencher<'_, '_>, size: usize, method: Method) {
    let taps: Vec<f32> = (0..size * size).map(|i| ((i * 37 % 101) as f32 - 50.0) / 500.0).collect();
    let taps = Taps::new(size as i64, taps.clone(), Some(taps)).expect("the kernel sizes below are odd");
    let engine = Engine::new(taps);
    let input: Vec<f32> = (0..540 * 960).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
    let mut output = vec![0.0; input.len()];
    bencher.bench_local(|| {
        engine.run_by(method, black_box(&input), &mut output, SHAPE, &Serial).expect("the buffers have the shape");
    });
}

#[divan::bench(args = [7, 15, 31, 63], sample_count = 10)]
fn fft(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, Method::Fft);
}

#[divan::bench(args = [7, 15, 31, 63], sample_count = 5)]
fn direct(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, Method::Direct);
}
