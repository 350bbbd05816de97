//! Measures a result against its reference: `cargo run --release -p artir-metrics --example measure`.

use artir_metrics::{Protocol, measure};
use ndarray::Array3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // RGB images with display values 0 to 1, [channel, row, column].
    let reference = Array3::from_shape_fn((3, 64, 64), |(c, y, x)| ((x + 2 * y + 5 * c) % 32) as f32 / 31.0);
    let result = reference.mapv(|v| 0.9 * v + 0.05);
    let figures = measure(result.view(), reference.view(), &Protocol::RGB)?;
    println!("{}: PSNR {:.2} dB, SSIM {:.4}", figures.protocol, figures.psnr, figures.ssim.unwrap_or(f64::NAN));
    Ok(())
}
