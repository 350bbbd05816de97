//! Arrays in one NPZ file.

use std::io::{self, Seek, Write};

use ndarray::{ArrayBase, Data, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Writes an NPZ file: a ZIP archive of NPY arrays, as `numpy.load` reads it. The same arrays give the same bytes.
pub struct Npz<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Npz<W> {
    /// An empty archive.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new(to))
    }

    /// Adds an array.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn add<A: WritableElement, S: Data<Elem = A>, D: Dimension>(
        &mut self,
        name: &str,
        array: &ArrayBase<S, D>,
    ) -> io::Result<()> {
        // No time of the clock enters, and feature maps hardly get smaller by compression.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(array.len() > 1 << 28);
        self.0.start_file(format!("{name}.npy"), options)?;
        array.write_npy(&mut self.0).map_err(io::Error::other)
    }

    /// Writes the end of the archive.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.0.finish()?)
    }
}
