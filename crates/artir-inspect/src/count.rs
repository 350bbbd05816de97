//! Parameters and multiply-adds of a network, counted from its file.

use crate::Network;

/// What a file holds, and what it does for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Floating-point weights. The learned residual scales, two for each block and channel, are parts of other weights in a file.
    pub parameters: u64,
    /// Multiply-adds of all convolutions, as the paper counts them: 2 K^2 a pixel for each large kernel; norms, gates and resizing
    /// are not counted.
    pub multiply_adds: u64,
}

/// Counts a network for an image of so many rows and columns, multiples of 4.
///
/// A convolution's weights are each multiplied once for every pixel of its result, whose size follows from the weight's name.
pub fn count(network: &Network, rows: usize, columns: usize) -> Count {
    let pixels = (rows * columns) as u64;
    let mut out = Count { parameters: 0, multiply_adds: 0 };
    for (name, dims) in network.weights() {
        let values: u64 = dims.iter().map(|n| u64::try_from(*n).unwrap_or(0)).product();
        out.parameters += values;
        out.multiply_adds += values * pixels_of(name, dims.len(), pixels);
    }
    out
}

/// Pixels at which every value of a weight is multiplied; 0 for biases and norms.
fn pixels_of(name: &str, dims: usize, pixels: u64) -> u64 {
    // The one pixel that is the mean of all.
    if name.ends_with(".weigh.weight") {
        return 1;
    }
    let is_large_kernel = name.ends_with(".kernel.a") || name.ends_with(".kernel.b");
    if dims != 4 && !is_large_kernel {
        return 0;
    }
    match name.split('.').next().unwrap_or_default() {
        "encoder3" | "decoder3" | "down2" => pixels / 16,
        "encoder2" | "decoder2" | "down1" | "up2" | "merge2" => pixels / 4,
        _ => pixels,
    }
}

#[cfg(test)]
mod tests {
    use artir_core::zoo;

    use super::*;

    /// The card's figures come from the network's definition in the trainer.
    #[test]
    fn the_file_holds_what_the_card_states() {
        for name in zoo::names() {
            let model = zoo::open(name).unwrap();
            let found = count(&Network::of(&model).unwrap(), 256, 256);
            assert_eq!(found.multiply_adds, model.card().macs_256, "{name}");
            // T has 2 scales in 2 blocks of 128 channels, 2 of 64 and 6 of 32.
            assert_eq!(found.parameters + 2 * (2 * 128 + 2 * 64 + 6 * 32), model.card().parameters, "{name}");
        }
    }
}
