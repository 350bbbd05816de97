//! Reading: from the bytes of a file to a slice in HU or SUV.
//!
//! A file keeps its bytes (`file.rs`, `dataset`). A frame is decoded (`codestream.rs`, `codec.rs`, `rle.rs`, or in a
//! child process, `worker`), its words become stored values (`frame.rs`) and these HU or SUV (`hu.rs`, `suv`,
//! `slice.rs`), without the pixels outside the field of view (`fov.rs`). For users alone, text becomes characters
//! (`characters.rs`).

pub(crate) mod characters;
pub(crate) mod codec;
pub(crate) mod codestream;
pub(crate) mod dataset;
pub(crate) mod file;
pub(crate) mod fov;
pub(crate) mod frame;
pub(crate) mod geometry;
pub(crate) mod hu;
pub(crate) mod identify;
pub(crate) mod rescale;
pub(crate) mod rle;
pub(crate) mod slice;
pub(crate) mod suv;
pub(crate) mod view;
pub(crate) mod worker;
