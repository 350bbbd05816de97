//! CT and PET series in, valid derived series out.
//!
//! The data flow: [`scan`] finds series by their headers (`find/`, `geometry.rs`, `dicomdir.rs`). A file keeps
//! its bytes (`dataset.rs`, `file.rs`); a frame is decoded (`codestream.rs`, `codec.rs`, `rle.rs`, or in a child process,
//! `worker.rs`), its words become stored values (`frame.rs`) and these HU or SUV (`hu.rs`, `suv.rs`, `units.rs`,
//! `slice.rs`), outside the field of view none (`fov.rs`). The core restores them (`restore.rs`). The result becomes
//! stored values again and a derived object (`derive.rs`, `enhanced.rs`, `mapping.rs`, `codes.rs`, `uid.rs`), a file
//! (`write.rs`), and with all others a series (`staging.rs`);
//! `preview/` writes a page to look at it with.
//! No patient name, identifier or date enters an error or a log line.

#![deny(unsafe_code)]

mod codec;
mod codes;
mod codestream;
mod dataset;
mod decimal;
mod derive;
mod dicomdir;
mod enhanced;
mod error;
mod file;
mod find;
mod fov;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod geometry;
mod hu;
mod list;
mod mapping;
mod preview;
mod restore;
mod rle;
mod slice;
mod space;
mod staging;
mod suv;
mod terms;
mod uid;
mod units;
mod view;
mod worker;
mod write;

pub use codec::OutputSyntax;
pub use error::Error;
pub use file::is_dicom;
pub use find::{Finding, Instance, Modality, Refused, Scan, ScanOptions, Series, SetAside, scan, scan_with};
pub use list::{Listing, list};
pub use preview::{DisplayWindow, PreviewWriter, preview_series};
pub use restore::{RestoreOptions, SeriesReport, restore_series};
pub use slice::{PhysicalSlice, read_slice};
pub use suv::{PetUnits, SuvSummary, suv_problem, suv_summary};
pub use worker::{Decoder, serve};
