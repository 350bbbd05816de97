//! How much disk a derived series takes at least.

use crate::{OutputSyntax, RestoreOptions, Series, dataset::Stop, file::DicomFile, frame::PixelFormat};

/// Pixels compress at most by so much without loss: slices are noisy.
const MOST_COMPRESSED: u64 = 8;

impl Series {
    /// Bytes that its derived series takes at least.
    pub fn least_space(&self, options: &RestoreOptions) -> u64 {
        // The first slice stands for all; one that cannot be read is reported when its turn comes.
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
