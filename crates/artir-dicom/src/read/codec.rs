//! Compressed frames to bytes.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use dicom_dictionary_std::uids;
use dicom_encoding::{
    Codec, TransferSyntaxIndex,
    adapters::{PixelDataObject, RawPixelData},
};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use crate::{
    CodecError,
    read::{
        codestream::{self, Claim},
        file::{EXPLICIT_VR_BIG_ENDIAN, GE_PRIVATE_BIG_ENDIAN_PIXELS},
        rle,
    },
};

/// The part of an image's header that codecs need. One sample a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    /// 8 or 16.
    pub(crate) bits_allocated: u16,
    pub(crate) bits_stored: u16,
}

impl Layout {
    pub(crate) fn pixels(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.pixels() * usize::from(self.bits_allocated / 8)
    }
}

/// The decoder for frames of a transfer syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Uncompressed: the frame's bytes are the pixels.
    Native,
    /// This crate's own decoder, which checks every step.
    Checked,
    /// A codec that damaged streams can crash.
    Fragile,
}

/// The transfer syntaxes that artir reads.
pub const TRANSFER_SYNTAXES: [&str; 20] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    GE_PRIVATE_BIG_ENDIAN_PIXELS,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids::RLE_LOSSLESS,
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.93",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
];

pub(crate) fn reading(transfer_syntax: &str) -> Reading {
    match transfer_syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN
        | uids::EXPLICIT_VR_LITTLE_ENDIAN
        | EXPLICIT_VR_BIG_ENDIAN
        | GE_PRIVATE_BIG_ENDIAN_PIXELS
        | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        | uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN => Reading::Native,
        uids::RLE_LOSSLESS => Reading::Checked,
        _ => Reading::Fragile,
    }
}

/// Decodes one frame to little-endian bytes, `layout.bytes()` of them.
///
/// # Errors
/// The reason why the frame or its transfer syntax cannot be decoded.
pub(crate) fn decode(transfer_syntax: &str, stream: Vec<u8>, layout: Layout) -> Result<Vec<u8>, CodecError> {
    let mut bytes = match reading(transfer_syntax) {
        Reading::Native => stream,
        Reading::Checked => rle::decode(&stream, layout.pixels(), usize::from(layout.bits_allocated / 8))?,
        Reading::Fragile => {
            check_claim(transfer_syntax, &stream, layout)?;
            by_codec(transfer_syntax, stream, layout)?
        }
    };
    if bytes.len() < layout.bytes() {
        let reason = format!("{} bytes of pixels were decoded, but {} are needed", bytes.len(), layout.bytes());
        return Err(CodecError::new(reason));
    }
    bytes.truncate(layout.bytes());
    Ok(bytes)
}

/// Whether the codec keeps sample values only. RLE keeps whole words including unused bits (PS3.5, G).
pub(crate) fn is_compressed(transfer_syntax: &str) -> bool {
    matches!(reading(transfer_syntax), Reading::Fragile)
}

/// What a compressed frame says of itself, and whether its codec returns samples as wide as it says.
fn claim(transfer_syntax: &str, stream: &[u8]) -> Result<(Claim, bool), CodecError> {
    // JPEG 2000 and its high-throughput form are registered as .90 to .93 and .201 to .203.
    Ok(match transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.") {
        Some("90" | "91" | "92" | "93" | "201" | "202" | "203") => (codestream::jpeg2000(stream)?, false),
        Some("50" | "51" | "57" | "70" | "80" | "81") => (codestream::jpeg(stream)?, true),
        _ => return Err(unknown(transfer_syntax)),
    })
}

/// Whether a codec's frame has samples of more bits than the header's BitsStored. Its words can hold larger values then.
pub(crate) fn is_wider(transfer_syntax: &str, stream: &[u8], layout: Layout) -> bool {
    is_compressed(transfer_syntax)
        && claim(transfer_syntax, stream).is_ok_and(|(claim, _)| u16::from(claim.bits) > layout.bits_stored)
}

pub(crate) fn check_claim(transfer_syntax: &str, stream: &[u8], layout: Layout) -> Result<(), CodecError> {
    let (claim, by_claim) = claim(transfer_syntax, stream)?;
    if (claim.rows, claim.columns) != (layout.rows.into(), layout.columns.into()) || claim.components != 1 {
        return Err(CodecError::new(format!(
            "its compressed frame has {}x{} pixels of {} component(s), its header {}x{}",
            claim.rows, claim.columns, claim.components, layout.rows, layout.columns
        )));
    }
    // The JPEG and JPEG-LS codecs return one byte for up to eight bits, else two. The header must agree.
    let widths_differ = by_claim && (claim.bits > 8) != (layout.bits_allocated == 16);
    if u16::from(claim.bits) > layout.bits_allocated || widths_differ {
        let reason = format!("its compressed frame has {} bits in {}", claim.bits, layout.bits_allocated);
        return Err(CodecError::new(reason));
    }
    Ok(())
}

/// Quotes only UIDs of the standard's root.
fn unknown(transfer_syntax: &str) -> CodecError {
    let standard = transfer_syntax.starts_with("1.2.840.10008.") && transfer_syntax.len() < 30;
    let which = if standard { transfer_syntax } else { "(not one of the DICOM standard)" };
    CodecError::new(format!("its transfer syntax {which} cannot be decoded"))
}

fn by_codec(transfer_syntax: &str, stream: Vec<u8>, layout: Layout) -> Result<Vec<u8>, CodecError> {
    let syntax = TransferSyntaxRegistry.get(transfer_syntax);
    let Some(Codec::EncapsulatedPixelData(Some(reader), _)) = syntax.map(dicom_encoding::TransferSyntax::codec) else {
        return Err(unknown(transfer_syntax));
    };
    let object = OneFrame { transfer_syntax, data: stream, layout, native: false };
    let mut out = Vec::new();
    match catch_unwind(AssertUnwindSafe(|| reader.decode_frame(&object, 0, &mut out))) {
        Ok(Ok(())) => Ok(out),
        Ok(Err(_)) => Err(CodecError::new("its compressed pixels cannot be decoded")),
        Err(_) => Err(CodecError::new("its compressed pixels are damaged")),
    }
}

/// One frame in the form that the codecs need.
pub(crate) struct OneFrame<'a> {
    pub(crate) transfer_syntax: &'a str,
    pub(crate) data: Vec<u8>,
    pub(crate) layout: Layout,
    pub(crate) native: bool,
}

impl PixelDataObject for OneFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.transfer_syntax
    }

    fn rows(&self) -> Option<u16> {
        Some(self.layout.rows)
    }

    fn cols(&self) -> Option<u16> {
        Some(self.layout.columns)
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(self.layout.bits_allocated)
    }

    fn bits_stored(&self) -> Option<u16> {
        Some(self.layout.bits_stored)
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        Some("MONOCHROME2")
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        (!self.native).then_some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(&self.data))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData { fragments: vec![self.data.clone()].into(), offset_table: Vec::new().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transfer_syntax_that_is_listed_has_a_decoder() {
        for syntax in TRANSFER_SYNTAXES.iter().filter(|syntax| reading(syntax) == Reading::Fragile) {
            let known = TransferSyntaxRegistry.get(syntax).map(dicom_encoding::TransferSyntax::codec);
            assert!(matches!(known, Some(Codec::EncapsulatedPixelData(Some(_), _))), "{syntax}");
            let layout = Layout { rows: 1, columns: 1, bits_allocated: 16, bits_stored: 16 };
            // The empty stream is at fault, and not the transfer syntax.
            let refused = check_claim(syntax, &[], layout).unwrap_err();
            assert!(!refused.to_string().contains("transfer syntax"), "{syntax}: {refused}");
        }
    }
}
