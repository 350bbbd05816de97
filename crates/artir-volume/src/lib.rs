//! CT and PET volumes of research formats in, restored volumes of the same form out: NIfTI-1 and NIfTI-2 (`.nii`, `.nii.gz`),
//! and NRRD, attached and detached (`.nrrd`, `.nhdr`).
//!
//! ```no_run
//! use artir_core::{NoProgress, Restorer, Settings, zoo};
//! use artir_volume::{Options, Quantity, Volume};
//!
//! # fn main() -> Result<(), artir_volume::Error> {
//! let restorer = Restorer::new(zoo::open("ct-ldct-t")?, Settings::default())?;
//! let volume = Volume::open("thorax.nii.gz".as_ref())?;
//! let plan = volume.plan(artir_dicom::Modality::Ct, &Options::default().quantity(Quantity::Hounsfield))?;
//! let report = volume.restore(&plan, &restorer, "restored.nii.gz".as_ref(), &NoProgress)?;
//! println!("{} slices", report.slices);
//! # Ok(())
//! # }
//! ```
//!
//! Headers are kept byte for byte (`nifti`, `nrrd.rs`), and only voxels change. The affine of a volume shows how its axial
//! slices lie (`grid.rs`); each is restored as a DICOM slice of the same values would be, by the rules of `artir-dicom` for
//! values that are not HU and constants outside the field of view (`restore.rs`).

#![deny(unsafe_code)]

mod error;
mod finding;
mod form;
mod grid;
mod nifti;
mod nrrd;
mod plan;
mod restore;
mod sample;
mod volume;
mod write;

pub use error::{Error, Reason};
pub use finding::Finding;
pub use plan::{Options, Plan, Quantity};
pub use restore::{VolumeNoise, VolumeReport};
pub use volume::{Summary, Volume, is_volume};
