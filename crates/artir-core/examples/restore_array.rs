//! Restores an array: `cargo run --release -p artir-core --example restore_array`.

use artir_core::{Image, NoProgress, Restorer, Settings, zoo};
use ndarray::Array3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A CT slice in HU, [channel, row, column]: soft tissue of 40 HU with a pattern of 15 HU.
    let slice = Array3::from_shape_fn((1, 64, 64), |(_, y, x)| 40.0 + ((x * 7 + y * 13) % 5) as f32 * 15.0 - 30.0);
    let restorer = Restorer::new(zoo::open("ct-ldct-t")?, Settings::default())?;
    let restored = restorer.restore(&Image::new(slice.clone()), &NoProgress)?;
    println!("standard deviation: {:.1} HU before, {:.1} HU after", slice.std(0.0), restored.std(0.0));
    Ok(())
}
