//! Every kind of instructions against the others, gradients against differences, and what must be refused. PyTorch in
//! float64 is the reference: `models/tests/test_native.py`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Products, Trainer};
use crate::network::Architecture;
use crate::{Error, Instructions};

/// Widths of one unit, so that every loop's narrowest form is taken.
fn narrow() -> Architecture {
    Architecture { depths: [1, 1, 1, 1], width: 16, image_channels: 1, kernel_sizes: vec![3, 7, 13] }
}

/// Widths of three units, as in variant B.
fn wide() -> Architecture {
    Architecture { depths: [1, 1, 1, 0], width: 48, image_channels: 3, kernel_sizes: vec![15, 31] }
}

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// What one pass gives: the result, the parameters' gradients and the images'.
struct Pass {
    y: Vec<f32>,
    gradients: Vec<f32>,
    dx: Vec<f32>,
}

fn pass(of: &Architecture, products: Products, size: [usize; 2], batch: usize, threads: usize) -> Pass {
    let mut trainer = Trainer::new(of.clone(), products).unwrap();
    let parameters: Vec<f32> = values(trainer.parameters(), 7).iter().map(|v| 0.2 * v).collect();
    let shape = [batch, of.image_channels, size[0], size[1]];
    let count = shape.iter().product();
    let (x, dy) = (values(count, 8), values(count, 9));
    let (mut y, mut dx) = (vec![f32::NAN; count], vec![f32::NAN; count]);
    let mut gradients = vec![f32::NAN; trainer.parameters()];
    trainer.forward(&parameters, &x, &mut y, shape, threads, true).unwrap();
    trainer.backward(&dy, &mut gradients, Some(&mut dx), threads).unwrap();
    assert!(gradients.iter().any(|g| g.abs() > 1e-3), "gradients must not be nothing");
    Pass { y, gradients, dx }
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    let off = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    (off / a.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>()).sqrt() as f32
}

#[test]
fn all_instructions_agree() {
    let [best, others @ ..] = &Instructions::available()[..] else { unreachable!() };
    for (of, size) in [(narrow(), [4, 8]), (narrow(), [36, 52]), (wide(), [12, 20])] {
        let reference = pass(&of, Products::Exact(*best), size, 2, 1);
        for &by in others {
            let other = pass(&of, Products::Exact(by), size, 2, 1);
            for (a, b) in
                [(&reference.y, &other.y), (&reference.gradients, &other.gradients), (&reference.dx, &other.dx)]
            {
                assert!(apart(a, b) < 1e-5, "{by:?} {size:?}: {}", apart(a, b));
            }
        }
    }
}

#[test]
fn products_of_bfloat16_are_rounded_and_nothing_more() {
    if Instructions::fast().is_empty() {
        println!("skipped: this processor has no products of bfloat16");
        return;
    }
    for (of, size) in [(narrow(), [36, 52]), (wide(), [20, 28])] {
        let exact = pass(&of, Products::Exact(Instructions::available()[0]), size, 2, 2);
        for products in [Products::Pairs, Products::Best] {
            let fast = pass(&of, products, size, 2, 2);
            for (a, b) in [(&exact.y, &fast.y), (&exact.gradients, &fast.gradients), (&exact.dx, &fast.dx)] {
                assert!(apart(a, b) < 0.02 && apart(a, b) > 0.0, "{products:?} {size:?}: {}", apart(a, b));
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for products in [Products::Best, Products::Exact(Instructions::Portable)] {
        let one = pass(&narrow(), products, [12, 20], 3, 1);
        let many = pass(&narrow(), products, [12, 20], 3, 4);
        assert!(one.y == many.y && one.gradients == many.gradients && one.dx == many.dx);
    }
}

/// A step along the gradient changes the sum that it is the gradient of by what it promises.
#[test]
fn gradients_are_slopes() {
    let of = narrow();
    let by = Products::Exact(Instructions::available()[0]);
    let mut trainer = Trainer::new(of, by).unwrap();
    let count = trainer.parameters();
    let parameters: Vec<f32> = values(count, 7).iter().map(|v| 0.2 * v).collect();
    let shape = [1, 1, 12, 16];
    let (x, dy) = (values(192, 8), values(192, 9));
    let mut value = |parameters: &[f32]| {
        let mut y = vec![0.0; 192];
        trainer.forward(parameters, &x, &mut y, shape, 1, true).unwrap();
        let mut gradients = vec![0.0; count];
        trainer.backward(&dy, &mut gradients, None, 1).unwrap();
        (y.iter().zip(&dy).map(|(y, d)| f64::from(y * d)).sum::<f64>(), gradients)
    };
    let (_, gradients) = value(&parameters);
    let length = gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let step = 0.01 / length;
    let moved = |sign: f64| -> Vec<f32> {
        parameters.iter().zip(&gradients).map(|(p, g)| p + (sign * step * f64::from(*g)) as f32).collect()
    };
    let found = (value(&moved(1.0)).0 - value(&moved(-1.0)).0) / (2.0 * step);
    assert!((found / (length * length) - 1.0).abs() < 0.01, "{found} {}", length * length);
}

#[test]
fn what_does_not_fit_is_refused() {
    let by = Products::Exact(Instructions::Portable);
    let odd = Architecture { width: 24, ..narrow() };
    assert!(matches!(Trainer::new(odd, by), Err(Error::Architecture)));
    let even = Architecture { kernel_sizes: vec![3, 8], ..narrow() };
    assert!(matches!(Trainer::new(even, by), Err(Error::Architecture)));
    let mut trainer = Trainer::new(narrow(), by).unwrap();
    let parameters = vec![0.0; trainer.parameters()];
    for shape in [[1, 1, 6, 8], [1, 1, 8, 7], [1, 3, 8, 8], [1, 1, 0, 8]] {
        let count = shape.iter().product();
        let result = trainer.forward(&parameters, &vec![0.0; count], &mut vec![0.0; count], shape, 1, true);
        assert!(matches!(result, Err(Error::ImageShape { .. })), "{shape:?}");
    }
    let short = trainer.forward(&parameters[1..], &[0.0; 16], &mut [0.0; 16], [1, 1, 4, 4], 1, true);
    assert!(matches!(short, Err(Error::ListLength { .. })));
    let mut gradients = parameters.clone();
    assert!(matches!(trainer.backward(&[0.0; 16], &mut gradients, None, 1), Err(Error::NothingKept)));
    trainer.forward(&parameters, &[0.0; 16], &mut [0.0; 16], [1, 1, 4, 4], 1, false).unwrap();
    assert!(matches!(trainer.backward(&[0.0; 16], &mut gradients, None, 1), Err(Error::NothingKept)));
}
