//! Writing TIFF files by the library under `image`, whose own encoder marks neither opacity, so that a reader may take the
//! fourth sample for anything, nor the orientation.

use std::io::{Seek, Write};

use tiff::{
    TiffResult,
    encoder::{
        TiffEncoder, TiffValue,
        colortype::{ColorType, Gray8, Gray16, RGB8, RGB16},
    },
    tags::{ExtraSamples, Tag},
};

/// What a file states of its samples.
pub(crate) struct Fields<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// One sample for colour, grey, instead of three.
    pub(crate) grey: bool,
    /// One more sample is opacity.
    pub(crate) opacity: bool,
    /// Samples have 16 bits instead of 8.
    pub(crate) wide: bool,
    /// As in EXIF.
    pub(crate) orientation: u8,
    pub(crate) icc: Option<&'a [u8]>,
}

impl Fields<'_> {
    /// Writes samples, interleaved, row after row.
    ///
    /// # Errors
    /// The library's own.
    pub(crate) fn write<'a>(&self, out: impl Write + Seek, samples: impl Iterator<Item = &'a u16>) -> TiffResult<()> {
        match (self.grey, self.wide) {
            (true, false) => self.put::<Gray8>(out, samples.map(|v| *v as u8)),
            (true, true) => self.put::<Gray16>(out, samples.copied()),
            (false, false) => self.put::<RGB8>(out, samples.map(|v| *v as u8)),
            (false, true) => self.put::<RGB16>(out, samples.copied()),
        }
    }

    fn put<C: ColorType>(&self, out: impl Write + Seek, mut samples: impl Iterator<Item = C::Inner>) -> TiffResult<()>
    where
        [C::Inner]: TiffValue,
    {
        let mut encoder = TiffEncoder::new(out)?;
        let mut image = encoder.new_image::<C>(self.width, self.height)?;
        if self.opacity {
            image.extra_samples(&[ExtraSamples::UnassociatedAlpha])?;
        }
        image.encoder().write_tag(Tag::Orientation, u16::from(self.orientation))?;
        if let Some(icc) = self.icc {
            image.encoder().write_tag(Tag::IccProfile, icc)?;
        }
        loop {
            let count = image.next_strip_sample_count() as usize;
            if count == 0 {
                return image.finish();
            }
            image.write_strip(&samples.by_ref().take(count).collect::<Vec<_>>())?;
        }
    }
}
