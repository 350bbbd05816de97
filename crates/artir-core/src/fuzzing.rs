//! Entry point for fuzzers: model files, without an ONNX Runtime.

use crate::model::{Model, sealed};

/// Reads a model file as given, and again with a valid checksum, which a fuzzer would never find.
pub fn model(bytes: &[u8]) {
    for file in [bytes.to_vec(), sealed(bytes.to_vec())] {
        if let Ok(model) = Model::from_bytes(file, "fuzz") {
            let card = model.card();
            assert!(card.range().to_network(0.0).is_finite(), "a range that maps to no number");
            assert!(card.tile % card.multiple == 0 && card.overlap <= card.tile / 2, "tiles that do not tile");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{CARD, file};

    /// Seeds: with ARTIR_FUZZ_CORPUS they are left in that folder, in one folder a target.
    #[test]
    fn seeds_are_models() {
        let whole = file(CARD);
        // The bytes before the checksum. The target appends the checksum again.
        let body = whole[..whole.len() - sealed(Vec::new()).len()].to_vec();
        assert_eq!(sealed(body.clone()), whole);
        for (name, seed) in [("whole", whole), ("body", body), ("empty-card", file("{}")), ("nothing", Vec::new())] {
            model(&seed);
            if let Some(root) = std::env::var_os("ARTIR_FUZZ_CORPUS") {
                let folder = std::path::Path::new(&root).join("model");
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(name), seed).unwrap();
            }
        }
    }
}
