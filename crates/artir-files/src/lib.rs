//! Results that appear whole or not at all, whatever ends the run that makes them.
//!
//! Every writer of artir uses the same steps. A result `OUT/NAME` is made in a hidden folder `OUT/.artir-NAME`, which one run
//! at a time may enter ([`HiddenFolder`]); it is written to the disk, and then gets its name by one rename. A single file is
//! a [`NewFile`], a folder of files is published by [`HiddenFolder::publish_folder`], and a file with sidecar files by
//! [`HiddenFolder::publish_set`]. A run that was killed leaves the old result, or the new one; its other files are
//! continued or removed when the next run opens the hidden folder.
//!
//! ```
//! let folder = std::env::temp_dir().join(format!("artir-files-{}", std::process::id()));
//! let mut file = artir_files::NewFile::create(&folder.join("result.txt"))?;
//! std::io::Write::write_all(file.file(), b"whole")?;
//! // Until now, there is no file of this name.
//! file.publish(false)?;
//! assert_eq!(std::fs::read(folder.join("result.txt"))?, b"whole");
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The inputs of a result are written as an [`Encoding`], whose hash identifies a [`Manifest`] or a journal.

#![deny(unsafe_code)]

mod check;
mod encoding;
mod file;
mod folder;
mod hidden;
mod list;
mod manifest;
mod place;
mod publish;
mod sidecar;

pub use check::{free_space, is_taken, is_within, resolve, same_file, writable};
pub use encoding::{Encoding, hash_file, hex};
pub use file::{NewFile, append_to, open_regular, write_file};
pub use folder::OutputFolder;
pub use hidden::HiddenFolder;
pub use list::FileSet;
pub use manifest::{Entry, Manifest};
pub use place::sync_folder;
pub use sidecar::{follows_name, follows_stem, pixels_of};

/// The beginning of the names of artir's own files in folders of results: hidden folders and manifests.
pub const PREFIX: &str = ".artir-";
