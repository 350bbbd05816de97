//! CT and PET series in, valid derived series out.
//!
//! The way of the data: [`scan`] finds series by their headers (`series.rs`), a slice's stored values become HU or SUV
//! (`frame.rs`, `hu.rs`, `suv.rs`), the core restores them, the result becomes stored values again, a derived object
//! (`derive.rs`, `uid.rs`) and a file (`write.rs`); `preview/` writes a page to look at it with. No patient name, identifier or date enters an error or a log line.

#![deny(unsafe_code)]

mod derive;
mod error;
mod frame;
mod header;
mod hu;
mod preview;
mod restore;
mod series;
mod suv;
mod uid;
mod write;

pub use error::Error;
pub use preview::{DisplayWindow, PreviewWriter};
pub use restore::{DeriveOptions, PhysicalSlice, SeriesReport, read_slice, restore_series};
pub use series::{Modality, Scan, Series, SetAside, SliceHeader, scan};
