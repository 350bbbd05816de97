//! The weights that artir has built in, as data: `artir-core` reads them.
//!
//! Each model is an ONNX file that carries its card and its checksum, with the same card as Markdown next to it. Training
//! writes into this folder, and this crate packages it: each file exists once.

#![forbid(unsafe_code)]

/// Name and file of each built-in model. A constant would be copied into every crate that uses it, 10 MB each time.
pub static MODELS: &[(&str, &[u8])] = &[
    ("ct-ldct-t", include_bytes!("ct-ldct-t.onnx")),
    ("geo-haze-t", include_bytes!("geo-haze-t.onnx")),
    ("pet-lowcount-3-t", include_bytes!("pet-lowcount-3-t.onnx")),
    ("pet-lowcount-t", include_bytes!("pet-lowcount-t.onnx")),
    ("rgb-denoise-free-t", include_bytes!("rgb-denoise-free-t.onnx")),
];
