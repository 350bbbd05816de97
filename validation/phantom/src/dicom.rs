//! The phantoms as valid CT and PET Image Storage objects (PS3.3, A.3 and A.21), with a fictitious patient.

use std::{io, path::Path};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use ndarray::Array2;
use sha2::{Digest, Sha256};

/// Millimetres between slices.
const SPACING: f64 = 5.0;
/// The fictitious patient's weight in kg, and the dose given in Bq, an hour before the scan.
const WEIGHT: f64 = 70.0;
const DOSE: f64 = 3.5e8;
/// Half-life of fluorine-18, seconds.
const HALF_LIFE: f64 = 6586.2;
const UPTAKE_SECONDS: f64 = 3600.0;

/// Writes CT slices in HU as `0001.dcm`, `0002.dcm` and so on; the same slices give the same files.
///
/// # Errors
/// Errors of the file system.
pub fn write_series(folder: &Path, slices: &[Array2<f32>], pixel: f64) -> io::Result<()> {
    write(folder, slices, pixel, ct)
}

/// The same for PET slices in SUVbw, stored as Bq/mL.
///
/// # Errors
/// Errors of the file system.
pub fn write_pet_series(folder: &Path, slices: &[Array2<f32>], pixel: f64) -> io::Result<()> {
    write(folder, slices, pixel, |o, suv, i| pet(o, suv, i, slices.len()))
}

fn write(
    folder: &Path,
    slices: &[Array2<f32>],
    pixel: f64,
    modality: impl Fn(&mut InMemDicomObject, &Array2<f32>, usize),
) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (i, slice) in slices.iter().enumerate() {
        let mut object = common(slice.dim(), i, pixel);
        modality(&mut object, slice, i);
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

fn put(o: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    o.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

/// Attributes that CT and PET objects share.
fn common((rows, columns): (usize, usize), index: usize, pixel: f64) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    let mut text = |tag: Tag, vr: VR, value: &str| put(&mut o, tag, vr, value);
    let z = index as f64 * SPACING;
    let corner = -(columns as f64 - 1.0) / 2.0 * pixel;
    text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
    text(tags::STUDY_DATE, VR::DA, "20000101");
    text(tags::STUDY_TIME, VR::TM, "120000");
    text(tags::ACCESSION_NUMBER, VR::SH, "");
    text(tags::MANUFACTURER, VR::LO, "artir");
    text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "");
    text(tags::PATIENT_NAME, VR::PN, "PHANTOM^ARTIR");
    text(tags::PATIENT_ID, VR::LO, "ARTIR-PHANTOM");
    text(tags::PATIENT_BIRTH_DATE, VR::DA, "");
    text(tags::PATIENT_SEX, VR::CS, "O");
    text(tags::BODY_PART_EXAMINED, VR::CS, "ABDOMEN");
    text(tags::SLICE_THICKNESS, VR::DS, &SPACING.to_string());
    text(tags::PATIENT_POSITION, VR::CS, "HFS");
    text(tags::STUDY_INSTANCE_UID, VR::UI, &uid("study"));
    text(tags::STUDY_ID, VR::SH, "1");
    text(tags::SERIES_NUMBER, VR::IS, "1");
    text(tags::INSTANCE_NUMBER, VR::IS, &(index + 1).to_string());
    text(tags::IMAGE_POSITION_PATIENT, VR::DS, &format!("{corner}\\{corner}\\{z}"));
    text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
    text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &uid("frame of reference"));
    text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    text(tags::PIXEL_SPACING, VR::DS, &format!("{pixel}\\{pixel}"));
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, number(rows)),
        (tags::COLUMNS, number(columns)),
        (tags::BITS_ALLOCATED, 16),
    ] {
        o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    o
}

fn ct(o: &mut InMemDicomObject, hu: &Array2<f32>, index: usize) {
    for (tag, vr, value) in [
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &uid(&format!("instance {index}"))),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::SERIES_DESCRIPTION, VR::LO, "Phantom, low dose"),
        (tags::KVP, VR::DS, "120"),
        (tags::SERIES_INSTANCE_UID, VR::UI, &uid("series")),
        (tags::ACQUISITION_NUMBER, VR::IS, "1"),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        (tags::RESCALE_SLOPE, VR::DS, "1"),
        (tags::RESCALE_TYPE, VR::LO, "HU"),
    ] {
        put(o, tag, vr, value);
    }
    stored(o, 12, false, hu.iter().map(|v| (v + 1024.0).round().clamp(0.0, 4095.0) as u16).collect());
}

fn pet(o: &mut InMemDicomObject, suv: &Array2<f32>, index: usize, slices: usize) {
    // SUVbw = activity x weight in g / dose at the time of the scan.
    let decayed = DOSE * 0.5f64.powf(UPTAKE_SECONDS / HALF_LIFE);
    let activity = suv.mapv(|v| f64::from(v) * decayed / (WEIGHT * 1000.0));
    let greatest = activity.iter().copied().fold(1.0, f64::max);
    // As VR DS can hold it.
    let slope = (greatest / 32_767.0 * 1e6).ceil() / 1e6;
    for (tag, vr, value) in [
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY"),
        (tags::SOP_CLASS_UID, VR::UI, uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &uid(&format!("PET instance {index}"))),
        (tags::MODALITY, VR::CS, "PT"),
        (tags::SERIES_DESCRIPTION, VR::LO, "Phantom, low count"),
        (tags::SERIES_INSTANCE_UID, VR::UI, &uid("PET series")),
        (tags::SERIES_DATE, VR::DA, "20000101"),
        (tags::SERIES_TIME, VR::TM, "120000"),
        (tags::ACQUISITION_DATE, VR::DA, "20000101"),
        (tags::ACQUISITION_TIME, VR::TM, "120000"),
        (tags::SERIES_TYPE, VR::CS, "STATIC\\IMAGE"),
        (tags::UNITS, VR::CS, "BQML"),
        (tags::COUNTS_SOURCE, VR::CS, "EMISSION"),
        (tags::CORRECTED_IMAGE, VR::CS, "ATTN\\DECY\\NORM"),
        (tags::DECAY_CORRECTION, VR::CS, "START"),
        (tags::COLLIMATOR_TYPE, VR::CS, "NONE"),
        (tags::FRAME_REFERENCE_TIME, VR::DS, "0"),
        (tags::ACTUAL_FRAME_DURATION, VR::IS, "120000"),
        (tags::DECAY_FACTOR, VR::DS, "1"),
        (tags::PATIENT_WEIGHT, VR::DS, &WEIGHT.to_string()),
        (tags::RESCALE_INTERCEPT, VR::DS, "0"),
        (tags::RESCALE_SLOPE, VR::DS, &slope.to_string()),
    ] {
        put(o, tag, vr, value);
    }
    for (tag, value) in [(tags::IMAGE_INDEX, index + 1), (tags::NUMBER_OF_SLICES, slices)] {
        o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(u16::try_from(value).unwrap_or(u16::MAX))));
    }
    let code = |value: &str, scheme: &str, meaning: &str| {
        let mut item = InMemDicomObject::new_empty();
        put(&mut item, tags::CODE_VALUE, VR::SH, value);
        put(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
        put(&mut item, tags::CODE_MEANING, VR::LO, meaning);
        DataSetSequence::from(vec![item])
    };
    let mut drug = InMemDicomObject::new_empty();
    put(&mut drug, tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "110000");
    put(&mut drug, tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, &DOSE.to_string());
    put(&mut drug, tags::RADIONUCLIDE_HALF_LIFE, VR::DS, &HALF_LIFE.to_string());
    let nuclide = code("C-111A1", "SRT", "^18^Fluorine");
    drug.put(DataElement::new(tags::RADIONUCLIDE_CODE_SEQUENCE, VR::SQ, nuclide));
    let fdg = code("C-B1031", "SRT", "Fluorodeoxyglucose F^18^");
    drug.put(DataElement::new(tags::RADIOPHARMACEUTICAL_CODE_SEQUENCE, VR::SQ, fdg));
    let drugs = DataSetSequence::from(vec![drug]);
    o.put(DataElement::new(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, VR::SQ, drugs));
    // The codes mean the same as PatientPosition for CT: supine, head first. PS3.3 forbids both together.
    o.remove_element(tags::PATIENT_POSITION);
    for (tag, value, meaning) in [
        (tags::PATIENT_ORIENTATION_CODE_SEQUENCE, "F-10450", "recumbent"),
        (tags::PATIENT_GANTRY_RELATIONSHIP_CODE_SEQUENCE, "F-10470", "headfirst"),
    ] {
        o.put(DataElement::new(tag, VR::SQ, code(value, "SRT", meaning)));
    }
    stored(o, 16, true, activity.iter().map(|v| (v / slope).round() as u16).collect());
}

fn stored(o: &mut InMemDicomObject, bits: u16, signed: bool, pixels: Vec<u16>) {
    for (tag, value) in
        [(tags::BITS_STORED, bits), (tags::HIGH_BIT, bits - 1), (tags::PIXEL_REPRESENTATION, u16::from(signed))]
    {
        o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_are_valid_dicom() {
        let dir = tempfile::tempdir().unwrap();
        let slices = [Array2::from_elem((16, 16), 2.0), Array2::zeros((16, 16))];
        write_series(&dir.path().join("ct"), &slices, 0.75).unwrap();
        write_pet_series(&dir.path().join("pet"), &slices, 4.0).unwrap();
        for file in ["ct/0002.dcm", "pet/0001.dcm"] {
            let Ok(out) = std::process::Command::new("dciodvfy").arg(dir.path().join(file)).output() else {
                assert!(std::env::var_os("ARTIR_ALL_TOOLS").is_none(), "dciodvfy is not installed");
                println!("skipped: dciodvfy is not installed");
                return;
            };
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            let errors: Vec<_> = said.lines().filter(|l| l.starts_with("Error")).collect();
            assert!(errors.is_empty(), "{file}: {errors:#?}");
        }
    }

    #[test]
    fn pet_reads_back_in_suv() {
        let dir = tempfile::tempdir().unwrap();
        let suv = Array2::from_shape_fn((16, 16), |(y, x)| (y * 16 + x) as f32 / 32.0);
        write_pet_series(dir.path(), std::slice::from_ref(&suv), 4.0).unwrap();
        let read = artir_dicom::read_slice(&dir.path().join("0001.dcm"), &mut artir_dicom::Decoder::in_process())
            .unwrap()
            .data;
        for (a, b) in read.iter().zip(&suv) {
            assert!((a - b).abs() < 2e-4, "{a} {b}");
        }
    }
}
