//! The loops against themselves: every kind of instructions, any number of threads, and what must be refused. What the
//! network means is its function body; `tests/network.rs` holds the operator to that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Architecture, Network, Tensor};
use crate::large_kernel::{Parallel, Serial};
use crate::{Error, Instructions, Precision};

/// Widths of one unit, so that every loop's narrowest form is taken.
fn narrow() -> Architecture {
    Architecture { depths: [1, 2, 1, 1], width: 16, image_channels: 1, kernel_sizes: vec![3, 7, 13] }
}

/// Widths of three units, as in variant B.
fn wide() -> Architecture {
    Architecture { depths: [2, 1, 1, 1], width: 48, image_channels: 3, kernel_sizes: vec![15, 31] }
}

fn values(count: usize, seed: u64, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * size
    };
    (0..count).map(|_| next()).collect()
}

/// The shapes that an architecture asks for, in the operator's order.
fn shapes(of: &Architecture) -> Vec<Vec<usize>> {
    fn feed(c: usize) -> Vec<Vec<usize>> {
        vec![vec![c], vec![c], vec![6 * c, c, 1, 1], vec![6 * c, 1, 3, 3], vec![c, 3 * c, 1, 1]]
    }
    fn near(c: usize) -> Vec<Vec<usize>> {
        let mut out = vec![vec![c], vec![c], vec![2 * c, c, 1, 1], vec![2 * c], vec![2 * c, 1, 3, 3], vec![2 * c]];
        out.extend([vec![c, c, 1, 1], vec![c]]);
        out.extend(feed(c));
        out
    }
    fn far(c: usize, kernels: &[usize]) -> Vec<Vec<usize>> {
        let mut out = vec![vec![c], vec![c], vec![2 * c, c, 1, 1], vec![2 * c]];
        for (i, k) in kernels.iter().enumerate() {
            let n = c >> (kernels.len() - 1 - i);
            out.extend([vec![k * k], vec![k * k], vec![n, 1, 1, 1], vec![n], vec![n, 1, 3, 3], vec![n]]);
            if i + 1 < kernels.len() {
                out.extend([vec![2 * n, 1, 7, 7], vec![2 * n]]);
            }
        }
        out.extend([vec![c, c, 1, 1], vec![c]]);
        out.extend(feed(c));
        out
    }
    let (c, image, [l1, l2, l3, l4]) = (of.width, of.image_channels, of.depths);
    let mut out = vec![vec![c, image, 3, 3], vec![c]];
    out.extend((0..l1).flat_map(|_| near(c)));
    out.push(vec![2 * c, c, 3, 3]);
    out.extend((0..l2).flat_map(|_| near(2 * c)));
    out.push(vec![4 * c, 2 * c, 3, 3]);
    out.extend((0..2 * l3).flat_map(|_| far(4 * c, &of.kernel_sizes)));
    out.extend([vec![2 * c, 4 * c, 3, 3], vec![2 * c, 4 * c, 1, 1]]);
    out.extend((0..l2).flat_map(|_| near(2 * c)));
    out.extend([vec![c, 2 * c, 3, 3], vec![c, 2 * c, 1, 1]]);
    out.extend((0..l1 + l4).flat_map(|_| near(c)));
    out.extend([vec![image, c, 3, 3], vec![image]]);
    out
}

/// Random weights whose sums stay about as large as what goes in.
fn tensors(of: &Architecture) -> Vec<Tensor> {
    let make = |(i, shape): (usize, Vec<usize>)| {
        let inputs: usize = shape.iter().skip(1).product();
        let taps = shape.len() == 1 && of.kernel_sizes.iter().any(|k| shape[0] == k * k);
        let size = if taps { 0.1 } else { 1.0 / (inputs as f32).sqrt() };
        Tensor { name: format!("w{i}"), values: values(shape.iter().product(), i as u64 + 1, size), shape }
    };
    shapes(of).into_iter().enumerate().map(make).collect()
}

/// As many threads as asked for, each taking the next job.
struct Threads(usize);

impl Parallel for Threads {
    fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) -> Result<(), Error> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if n >= jobs {
                            break;
                        }
                        job(n);
                    }
                });
            }
        });
        Ok(())
    }
}

fn restored(network: &Network, shape: [usize; 4], parallel: &dyn Parallel) -> Vec<f32> {
    let input = values(shape.iter().product(), 99, 1.0);
    let mut output = vec![f32::NAN; input.len()];
    network.run(&input, &mut output, shape, parallel).unwrap();
    let change = input.iter().zip(&output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(change > 0.05, "the network must do something: {change}");
    output
}

#[test]
fn all_instructions_agree() {
    agree(&[(44, 60), (76, 140)]);
}

/// Few enough sums for valgrind, in every loop's narrowest and next form.
#[test]
fn all_instructions_agree_on_small_images() {
    agree(&[(4, 4), (8, 4), (4, 36)]);
}

fn agree(sizes: &[(usize, usize)]) {
    for of in [narrow(), wide()] {
        let networks: Vec<Network> = Instructions::available()
            .into_iter()
            .map(|by| Network::with_instructions(of.clone(), tensors(&of), by).unwrap())
            .collect();
        for &(rows, columns) in sizes {
            let shape = [1, of.image_channels, rows, columns];
            let results: Vec<Vec<f32>> = networks.iter().map(|n| restored(n, shape, &Serial)).collect();
            let largest = results[0].iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for other in &results[1..] {
                let worst = results[0].iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-5 * largest, "{rows}x{columns}: {worst} of {largest}");
            }
        }
    }
}

#[test]
fn fast_products_are_rounded_and_nothing_more() {
    let all = Instructions::fast();
    if all.is_empty() {
        println!("skipped: this processor has no products of bfloat16");
    }
    for (of, by) in all.into_iter().flat_map(|by| [(narrow(), by), (wide(), by)]) {
        let exact = Network::new(of.clone(), tensors(&of), Precision::F32).unwrap();
        let fast = Network::with_instructions(of.clone(), tensors(&of), by).unwrap();
        for (rows, columns) in [(4, 4), (8, 4), (4, 36), (44, 60), (76, 140)] {
            let shape = [1, of.image_channels, rows, columns];
            let (a, b) = (restored(&exact, shape, &Serial), restored(&fast, shape, &Serial));
            let input = values(shape.iter().product(), 99, 1.0);
            let added: f64 = a.iter().zip(&input).map(|(a, x)| f64::from(a - x).powi(2)).sum();
            let off: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            // bfloat16 keeps 8 bits: each product is off by up to 2^-8, and sums average that out.
            let share = (off / added).sqrt();
            assert!(share > 1e-5 && share < 0.02, "{by:?}, {rows}x{columns}: {share}");
        }
        let shape = [1, of.image_channels, 132, 68];
        assert!(restored(&fast, shape, &Threads(3)) == restored(&fast, shape, &Serial), "{by:?}");
    }
}

#[test]
fn threads_and_batches_change_no_bit() {
    let of = narrow();
    let network = Network::new(of.clone(), tensors(&of), Precision::F32).unwrap();
    let shape = [1, 1, 132, 300];
    let one = restored(&network, shape, &Serial);
    for threads in [2, 3, 8] {
        assert!(restored(&network, shape, &Threads(threads)) == one, "{threads} threads");
    }
    let batch = [3, 1, 52, 40];
    let together = restored(&network, batch, &Threads(3));
    let input = values(batch.iter().product(), 99, 1.0);
    for (n, image) in input.chunks(52 * 40).enumerate() {
        let mut alone = vec![0.0; image.len()];
        network.run(image, &mut alone, [1, 1, 52, 40], &Threads(2)).unwrap();
        assert!(alone == together[n * 52 * 40..(n + 1) * 52 * 40], "image {n}");
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let of = narrow();
    let mut short = tensors(&of);
    short.pop();
    assert!(matches!(Network::new(of.clone(), short, Precision::F32), Err(Error::WeightCount { more: false })));
    let mut long = tensors(&of);
    long.push(long[0].clone());
    assert!(matches!(Network::new(of.clone(), long, Precision::F32), Err(Error::WeightCount { more: true })));
    let mut bent = tensors(&of);
    bent[2].shape = vec![17];
    assert!(
        matches!(Network::new(of.clone(), bent, Precision::F32), Err(Error::WeightShape { name, .. }) if name == "w2")
    );
    let mut broken = tensors(&of);
    broken[5].values[3] = f32::INFINITY;
    assert!(
        matches!(Network::new(of.clone(), broken, Precision::F32), Err(Error::WeightValue { name }) if name == "w5")
    );
    let odd = Architecture { width: 24, ..of };
    assert!(matches!(Network::new(odd.clone(), tensors(&odd), Precision::F32), Err(Error::Architecture)));
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let of = narrow();
    let network = Network::new(of.clone(), tensors(&of), Precision::F32).unwrap();
    for shape in [[1, 1, 6, 8], [1, 1, 8, 7], [1, 3, 8, 8], [1, 1, 0, 8]] {
        let count = shape.iter().product();
        let result = network.run(&vec![0.0; count], &mut vec![0.0; count], shape, &Serial);
        assert!(matches!(result, Err(Error::ImageShape { .. })), "{shape:?}");
    }
    let short = network.run(&[0.0; 15], &mut [0.0; 16], [1, 1, 4, 4], &Serial);
    assert!(matches!(short, Err(Error::BufferLength { .. })));
    assert_eq!(network.run(&[], &mut [], [0, 1, 4, 4], &Serial), Ok(()));
}
