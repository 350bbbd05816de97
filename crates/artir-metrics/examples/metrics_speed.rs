//! Times every protocol over pairs of 1024x1024 RGB arrays in memory; `validation/lab/metrics_speed.py` compares.

use std::time::Instant;

use artir_metrics::{Protocol, measure};
use ndarray::Array3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pairs: usize = std::env::args().nth(1).unwrap_or_default().parse()?;
    let mut state = 1u32;
    let mut image = || {
        Array3::from_shape_simple_fn((3, 1024, 1024), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32
        })
    };
    let images: Vec<_> = (0..pairs).map(|_| (image(), image())).collect();
    for protocol in Protocol::ALL {
        let begun = Instant::now();
        for (a, b) in &images {
            measure(a.view(), b.view(), &protocol)?;
        }
        println!("{} {}", protocol.name(), begun.elapsed().as_secs_f64());
    }
    Ok(())
}
