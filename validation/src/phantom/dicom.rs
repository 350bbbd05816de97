//! The CT phantom as valid CT Image Storage objects (PS3.3, A.3), with a fictitious patient.

use std::{io, path::Path};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use ndarray::Array2;
use sha2::{Digest, Sha256};

/// Millimetres between slices.
const SPACING: f64 = 5.0;

/// Writes slices in HU as `0001.dcm`, `0002.dcm` and so on; the same slices give the same files.
///
/// # Errors
/// What the file system reports.
pub fn write_series(folder: &Path, slices: &[Array2<f32>], pixel: f64) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (i, hu) in slices.iter().enumerate() {
        let object = object(hu, i, pixel);
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let file = object.with_meta(meta).map_err(io::Error::other)?;
        file.write_to_file(folder.join(format!("{:04}.dcm", i + 1))).map_err(io::Error::other)?;
    }
    Ok(())
}

fn uid(what: &str) -> String {
    let digest = Sha256::digest(format!("artir phantom {what}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

fn object(hu: &Array2<f32>, index: usize, pixel: f64) -> InMemDicomObject {
    let (rows, columns) = hu.dim();
    let mut o = InMemDicomObject::new_empty();
    let mut text = |tag: Tag, vr: VR, value: &str| {
        o.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    let z = index as f64 * SPACING;
    let corner = -(columns as f64 - 1.0) / 2.0 * pixel;
    text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
    text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL");
    text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    text(tags::SOP_INSTANCE_UID, VR::UI, &uid(&format!("instance {index}")));
    text(tags::STUDY_DATE, VR::DA, "20000101");
    text(tags::STUDY_TIME, VR::TM, "120000");
    text(tags::ACCESSION_NUMBER, VR::SH, "");
    text(tags::MODALITY, VR::CS, "CT");
    text(tags::MANUFACTURER, VR::LO, "artir");
    text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "");
    text(tags::SERIES_DESCRIPTION, VR::LO, "Phantom, low dose");
    text(tags::PATIENT_NAME, VR::PN, "PHANTOM^ARTIR");
    text(tags::PATIENT_ID, VR::LO, "ARTIR-PHANTOM");
    text(tags::PATIENT_BIRTH_DATE, VR::DA, "");
    text(tags::PATIENT_SEX, VR::CS, "O");
    text(tags::BODY_PART_EXAMINED, VR::CS, "ABDOMEN");
    text(tags::SLICE_THICKNESS, VR::DS, &SPACING.to_string());
    text(tags::KVP, VR::DS, "120");
    text(tags::PATIENT_POSITION, VR::CS, "HFS");
    text(tags::STUDY_INSTANCE_UID, VR::UI, &uid("study"));
    text(tags::SERIES_INSTANCE_UID, VR::UI, &uid("series"));
    text(tags::STUDY_ID, VR::SH, "1");
    text(tags::SERIES_NUMBER, VR::IS, "1");
    text(tags::ACQUISITION_NUMBER, VR::IS, "1");
    text(tags::INSTANCE_NUMBER, VR::IS, &(index + 1).to_string());
    text(tags::IMAGE_POSITION_PATIENT, VR::DS, &format!("{corner}\\{corner}\\{z}"));
    text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
    text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &uid("frame of reference"));
    text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    text(tags::PIXEL_SPACING, VR::DS, &format!("{pixel}\\{pixel}"));
    text(tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    text(tags::RESCALE_SLOPE, VR::DS, "1");
    text(tags::RESCALE_TYPE, VR::LO, "HU");
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, number(rows)),
        (tags::COLUMNS, number(columns)),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    let stored: Vec<u16> = hu.iter().map(|v| (v + 1024.0).round().clamp(0.0, 4095.0) as u16).collect();
    o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.into())));
    o
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_is_valid_dicom() {
        let dir = tempfile::tempdir().unwrap();
        write_series(dir.path(), &[Array2::zeros((16, 16)), Array2::zeros((16, 16))], 0.75).unwrap();
        let Ok(out) = std::process::Command::new("dciodvfy").arg(dir.path().join("0002.dcm")).output() else {
            println!("skipped: dciodvfy is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let errors: Vec<_> = said.lines().filter(|l| l.starts_with("Error")).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
