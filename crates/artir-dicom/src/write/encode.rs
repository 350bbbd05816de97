//! Frames in the transfer syntax of the derived object.

use dicom_dictionary_std::uids;
use dicom_encoding::{Codec, TransferSyntaxIndex, adapters::EncodeOptions};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use crate::{
    CodecError,
    read::{
        codec::{Layout, OneFrame},
        rle,
    },
};

/// Transfer syntax of the derived pixels, always lossless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputSyntax {
    /// Explicit VR Little Endian, not compressed.
    #[default]
    Native,
    /// JPEG-LS Lossless.
    JpegLsLossless,
    /// RLE Lossless.
    RleLossless,
}

impl OutputSyntax {
    pub(crate) fn uid(self) -> &'static str {
        match self {
            Self::Native => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            Self::JpegLsLossless => uids::JPEGLS_LOSSLESS,
            Self::RleLossless => uids::RLE_LOSSLESS,
        }
    }
}

/// Encodes one frame of little-endian bytes; the result has an even length.
///
/// # Errors
/// Words for a frame that the codec cannot hold.
pub(crate) fn encode(syntax: OutputSyntax, frame: Vec<u8>, layout: Layout) -> Result<Vec<u8>, CodecError> {
    let mut out = match syntax {
        OutputSyntax::Native => frame,
        OutputSyntax::RleLossless => rle::encode(&frame, layout.columns.into(), usize::from(layout.bits_allocated / 8)),
        OutputSyntax::JpegLsLossless => {
            let codec = TransferSyntaxRegistry.get(syntax.uid()).map(dicom_encoding::TransferSyntax::codec);
            let Some(Codec::EncapsulatedPixelData(_, Some(writer))) = codec else {
                return Err(CodecError::new("JPEG-LS cannot be written by this build"));
            };
            let object =
                OneFrame { transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN, data: frame, layout, native: true };
            let mut out = Vec::new();
            writer
                .encode_frame(&object, 0, EncodeOptions::default(), &mut out)
                .map_err(|_| CodecError::new("its pixels cannot be encoded as JPEG-LS"))?;
            out
        }
    };
    if out.len() % 2 == 1 {
        out.push(0);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{codec::decode, frame::tests::format};

    #[test]
    fn samples_come_back_from_jpeg_ls_whatever_their_words_are() {
        for (allocated, stored, signed) in
            [(8, 8, false), (8, 8, true), (16, 8, false), (16, 8, true), (16, 9, true), (16, 12, true), (16, 16, false)]
        {
            let format = format(allocated, stored, stored - 1, signed);
            let samples = [1, 127, 128, 255u16];
            let bytes: Vec<u8> = match allocated {
                8 => samples.iter().map(|sample| *sample as u8).collect(),
                _ => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            };
            let frame = format.frame(&bytes).unwrap();
            let format = format.for_jpeg_ls().unwrap();
            let encoded = encode(OutputSyntax::JpegLsLossless, format.bytes(&frame, true), format.layout).unwrap();
            let decoded = decode(uids::JPEGLS_LOSSLESS, encoded, format.layout).unwrap();
            let back = format.decoded_frame(&decoded).unwrap();
            assert_eq!(back.stored, frame.stored, "{stored} bits in {allocated}, signed: {signed}");
        }
    }
}
