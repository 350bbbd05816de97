//! CT and PET series in, valid derived series out.
//!
//! [`scan`] finds the series under files and folders, and [`restore_series`] restores one of them with a model:
//!
//! ```no_run
//! use artir_core::{NoProgress, Restorer, Settings, zoo};
//! use artir_dicom::{Modality, RestoreOptions, restore_series, scan};
//!
//! # fn main() -> Result<(), artir_dicom::Error> {
//! let restorer = Restorer::new(zoo::open("ct-ldct-t")?, Settings::default())?;
//! let found = scan(&["study".into()], Modality::Ct)?;
//! for series in &found.series {
//!     let report = restore_series(series, &restorer, "restored".as_ref(), &RestoreOptions::default(), &NoProgress)?;
//!     println!("{} slices in {}", report.slices, report.folder.display());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The crate has four rooms, and each uses only those before it: `read/` turns files into slices in HU or SUV, `find/`
//! groups files into series, `write/` turns restored slices into derived objects, and `restore/` takes a series from the
//! first room to the last. `preview/` shows a result.
//!
//! No patient name, identifier or date enters an error or a log line.

#![deny(unsafe_code)]

mod codes;
mod decimal;
mod error;
mod find;
mod finding;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod modality;
mod preview;
mod read;
mod repair;
mod restore;
mod terms;
mod uid;
mod write;

pub use error::{CodecError, Error, Reason};
pub use find::{
    Details, Instance, Listing, Refused, Scan, ScanOptions, Selection, SelectionError, Series, SetAside, Shown,
    SuvSummary, files_of_dicomdir, is_archive, is_dicomdir, list, scan, scan_with, suv_problem, suv_summary,
    unpack_tar,
};
pub use finding::Finding;
pub use modality::Modality;
pub use preview::{DisplayWindow, PreviewWriter, WindowError, preview_series};
pub use read::{
    codec::TRANSFER_SYNTAXES,
    file::is_dicom,
    fov::outside_field_of_view,
    identify::{ObjectIdentity, identify},
    rescale::{Rescale, RescaleError, are_grey_levels, are_unscaled},
    slice::{PhysicalSlice, read_slice},
    suv::PetUnits,
    worker::{Decoder, serve},
};
pub use repair::Repair;
pub use restore::{
    Description, FileNames, NoiseChoice, OptionError, RestoreOptions, SeriesReport, SliceNoise, Timestamp, body_mean,
    choose_strength, choose_strength_of, identity::result_form, keep_non_negative, restore_series,
};
pub use write::{archive::ZipOutput, derive::IMPLEMENTATION_CLASS_UID, encode::OutputSyntax};
