//! Lower bound of the disk space of a derived series.

use crate::{
    RestoreOptions, Series,
    read::{dataset::Stop, file::DicomFile, frame::PixelFormat},
    write::encode::OutputSyntax,
};

/// Largest lossless compression ratio, since slices are noisy.
const MOST_COMPRESSED: u64 = 8;

impl Series {
    /// Lower bound of the bytes of its derived series.
    pub fn least_space(&self, options: &RestoreOptions) -> u64 {
        // The first slice represents all. An unreadable slice is reported when it is restored.
        let format = self.instances.first().and_then(|first| {
            let file = DicomFile::open(&first.path, Stop::AtPixels).ok()?;
            PixelFormat::read(&file.set).ok()
        });
        let frame = format.map_or(0, |format| format.layout.bytes() as u64);
        let pixels = frame.saturating_mul(self.slices() as u64);
        match options.syntax {
            OutputSyntax::Native => pixels,
            _ => pixels / MOST_COMPRESSED,
        }
    }
}
