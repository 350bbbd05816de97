//! The pixels of one slice: checked, decoded, and put back.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use dicom_core::header::HasLength;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use dicom_pixeldata::PixelDecoder;
use ndarray::Array2;

use crate::{
    Error, header,
    hu::{Encoding, Padding},
};

/// Largest slice that is decoded, pixels: no scanner makes more, and a damaged header may claim anything.
const MAX_PIXELS: u64 = 8192 * 8192;

/// A decoded slice.
pub(crate) struct Frame {
    /// Stored values, `[row, column]`.
    pub(crate) stored: Array2<i32>,
    pub(crate) encoding: Encoding,
    pub(crate) bits_allocated: u16,
}

impl Frame {
    /// Decodes a slice's pixels after checking that what the header claims can be true.
    pub(crate) fn decode(object: &DefaultDicomObject, path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::File { path: path.to_owned(), reason };
        Self::try_decode(object).map_err(fail)
    }

    fn try_decode(object: &DefaultDicomObject) -> Result<Self, String> {
        let required = |tag, name: &str| {
            let value = header::integer(object, tag).and_then(|v| u16::try_from(v).ok());
            value.ok_or_else(|| format!("{name} is missing or out of range"))
        };
        let rows = required(tags::ROWS, "Rows (0028,0010)")?;
        let columns = required(tags::COLUMNS, "Columns (0028,0011)")?;
        let bits_allocated = required(tags::BITS_ALLOCATED, "BitsAllocated (0028,0100)")?;
        let bits_stored = required(tags::BITS_STORED, "BitsStored (0028,0101)")?;
        let high_bit = required(tags::HIGH_BIT, "HighBit (0028,0102)")?;
        let signed = match required(tags::PIXEL_REPRESENTATION, "PixelRepresentation (0028,0103)")? {
            0 => false,
            1 => true,
            n => return Err(format!("PixelRepresentation (0028,0103) is {n}")),
        };
        if required(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel (0028,0002)")? != 1 {
            return Err("a colour image".into());
        }
        match header::text(object, tags::PHOTOMETRIC_INTERPRETATION).as_deref() {
            Some("MONOCHROME2") => {}
            other => {
                return Err(format!("PhotometricInterpretation {} is not MONOCHROME2", other.unwrap_or("(absent)")));
            }
        }
        if ![8, 16].contains(&bits_allocated) || !(1..=bits_allocated).contains(&bits_stored) {
            return Err(format!("{bits_stored} bits stored in {bits_allocated} are not supported"));
        }
        if high_bit + 1 != bits_stored {
            return Err(format!("HighBit {high_bit} with {bits_stored} bits stored is not supported by this version"));
        }
        if object.get(tags::MODALITY_LUT_SEQUENCE).is_some() {
            return Err("a modality LUT sequence (0028,3000) is not supported by this version".into());
        }
        let pixels = u64::from(rows) * u64::from(columns);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(format!("a slice of {rows}x{columns} pixels"));
        }
        let bytes = decode_bytes(object, pixels, bits_allocated)?;
        let shift = 32 - u32::from(bits_stored);
        let extend =
            |raw: u32| if signed { ((raw << shift) as i32) >> shift } else { ((raw << shift) >> shift) as i32 };
        let stored: Vec<i32> = if bits_allocated == 8 {
            bytes.iter().map(|b| extend(u32::from(*b))).collect()
        } else {
            bytes.chunks_exact(2).map(|c| extend(u32::from(u16::from_le_bytes([c[0], c[1]])))).collect()
        };
        let stored = Array2::from_shape_vec((rows.into(), columns.into()), stored).map_err(|e| e.to_string())?;
        let slope = header::number(object, tags::RESCALE_SLOPE).unwrap_or(1.0);
        let intercept = header::number(object, tags::RESCALE_INTERCEPT).unwrap_or(0.0);
        if slope == 0.0 {
            return Err("RescaleSlope (0028,1053) is 0".into());
        }
        let padding = padding(object, bits_stored, signed);
        Ok(Self { stored, encoding: Encoding { bits_stored, signed, slope, intercept, padding }, bits_allocated })
    }

    /// The pixels as PixelData of Explicit VR Little Endian, padded to an even length.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out: Vec<u8> = if self.bits_allocated == 8 {
            self.stored.iter().map(|v| *v as u8).collect()
        } else {
            self.stored.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect()
        };
        if out.len() % 2 == 1 {
            out.push(0);
        }
        out
    }
}

/// The slice's bytes, little endian.
fn decode_bytes(object: &DefaultDicomObject, pixels: u64, bits_allocated: u16) -> Result<Vec<u8>, String> {
    let wanted = pixels as usize * usize::from(bits_allocated / 8);
    let element = object.get(tags::PIXEL_DATA).ok_or("no pixel data: the file is truncated, or holds no image")?;
    // Encapsulated data has no length of its own here; native data must be all there before it is touched.
    if let Some(length) = element.length().get()
        && element.fragments().is_none()
        && (length as usize) < wanted
    {
        return Err(format!("{length} bytes of pixels where {wanted} are needed: the file is truncated"));
    }
    // Codecs are known to panic on damaged streams.
    let decoded = catch_unwind(AssertUnwindSafe(|| object.decode_pixel_data()));
    let decoded = match decoded {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(_)) => return Err("its pixels cannot be decoded: damaged, or a transfer syntax without a codec".into()),
        Err(_) => return Err("its pixels are damaged".into()),
    };
    let data = decoded.data();
    if data.len() < wanted || data.len() > wanted + 1 {
        return Err(format!("{} bytes of pixels were decoded where {wanted} are needed", data.len()));
    }
    Ok(data[..wanted].to_vec())
}

/// PixelPaddingValue and PixelPaddingRangeLimit; some scanners write a negative value as if it were unsigned.
fn padding(object: &InMemDicomObject, bits_stored: u16, signed: bool) -> Option<Padding> {
    let read = |tag| {
        let value = header::integer(object, tag).and_then(|v| i32::try_from(v).ok())?;
        let half = 1 << (bits_stored.max(16) - 1);
        Some(if signed && value >= half { value - 2 * half } else { value })
    };
    let value = read(tags::PIXEL_PADDING_VALUE)?;
    let limit = read(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    Some(Padding { lo: value.min(limit), hi: value.max(limit) })
}
