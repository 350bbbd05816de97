//! The paper's networks without trained weights: their time and memory do not depend on values.

use std::io::Read;

use artir_core::{Card, Model, zoo};
use flate2::read::GzDecoder;

use crate::{Count, Error, Network, count, proto};

/// A size of the paper's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// 0.85 M parameters.
    T,
    /// 2.46 M.
    S,
    /// 7.27 M.
    B,
}

impl Variant {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::T, Self::S, Self::B];

    /// Its name in the paper.
    pub fn name(self) -> &'static str {
        match self {
            Self::T => "T",
            Self::S => "S",
            Self::B => "B",
        }
    }

    /// Graph, function bodies and shapes of weights, as `artir_train.bare` writes them.
    fn file(self) -> &'static [u8] {
        match self {
            Self::T => include_bytes!("../networks/t.onnx.gz"),
            Self::S => include_bytes!("../networks/s.onnx.gz"),
            Self::B => include_bytes!("../networks/b.onnx.gz"),
        }
    }

    /// The network for images of three channels with values that follow from their place, and its count for 256 x 256 pixels.
    ///
    /// # Errors
    /// [`Error::Graph`], which means that the built-in file is damaged.
    pub fn network(self) -> Result<(Model, Count), Error> {
        let name = format!("paper-{}", self.name().to_ascii_lowercase());
        let damaged = |reason: String| Error::Graph { name: name.clone(), reason };
        let mut bytes = Vec::new();
        GzDecoder::new(self.file()).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        let filled = proto::filled(&bytes, value).map_err(|e| damaged(e.to_string()))?;
        let other = zoo::open("geo-haze-t")?;
        let card = |count: Count| Card {
            name: name.clone(),
            variant: self.name().into(),
            parameters: count.parameters,
            macs_256: count.multiply_adds,
            ..other.card().clone()
        };
        let sealed = |count: Count| -> Result<Model, Error> {
            let text = serde_json::to_string(&card(count)).map_err(|e| damaged(e.to_string()))?;
            Ok(Model::from_bytes(proto::sealed(filled.clone(), &text), &name)?)
        };
        let count = count(&Network::of(&sealed(Count { parameters: 0, multiply_adds: 0 })?)?, 256, 256);
        Ok((sealed(count)?, count))
    }
}

/// A value of a weight by its number: small enough that no map overflows, and none is 0, which some processors treat apart.
fn value(name: &str, dims: &[i64], number: usize) -> f32 {
    let inputs: i64 = dims.iter().skip(1).product::<i64>().max(1);
    let share = (number.wrapping_mul(2_654_435_761) % 1009) as f32 / 504.5 - 0.999;
    match dims.len() {
        1 if name.ends_with("norm1.weight") || name.ends_with("norm2.weight") => 1.0,
        1 if name.contains(".kernel.") => share / dims[0] as f32,
        1 => 0.01 * share,
        _ => share / (inputs as f32).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use artir_core::{Device, Precision, Session};
    use ndarray::Array4;

    use super::*;

    /// The paper's Table 15 rounds these parameters and has 12.76, 23.73 and 63.14 G. A file holds the residual scales, two for
    /// each block and channel, as parts of other weights.
    #[test]
    fn the_networks_are_of_the_papers_size_and_run() {
        let paper = [(849_455, 1_152, 12.75), (2_460_819, 3_328, 23.72), (7_266_555, 6_720, 63.11)];
        for (variant, (parameters, scales, macs)) in Variant::ALL.into_iter().zip(paper) {
            let (model, found) = variant.network().unwrap();
            assert_eq!(found.parameters + scales, parameters, "{variant:?}");
            assert!((found.multiply_adds as f64 / 1e9 - macs).abs() < 0.005, "{variant:?}: {}", found.multiply_adds);
            let session = Session::new(&model, Device::Cpu, 1, Precision::F32).unwrap();
            let input = Array4::from_shape_fn((1, 3, 32, 32), |(_, c, y, x)| ((c + y * 3 + x) % 7) as f32 / 7.0);
            let output = session.run(input.view()).unwrap();
            let change = output.iter().zip(&input).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(change > 1e-3 && change < 1e3, "{variant:?}: {change}");
        }
    }
}
