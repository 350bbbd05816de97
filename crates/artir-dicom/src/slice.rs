//! One slice in the unit of networks and protocols, and the conversion back.

use std::path::Path;

use artir_core::{Image, Shape, Source, Window};
use dicom_dictionary_std::tags;
use ndarray::{Array2, Axis, s};

use crate::{
    Error, Modality, codec,
    dataset::Stop,
    decimal::decimal_string,
    file::DicomFile,
    fov,
    frame::{Frame, PixelFormat},
    geometry::Plane,
    hu::{Encoding, Transform},
    mapping::{Line, NewRescale},
    suv,
    terms::quotable,
    view::View,
    worker::Decoder,
};

/// One slice in the unit of networks and protocols.
#[derive(Clone, Debug)]
pub struct PhysicalSlice {
    /// Unit of the values: HU for CT, SUVbw for PET.
    pub modality: Modality,
    /// `[row, column]`.
    pub data: Array2<f32>,
    /// False at padding pixels and outside the field of view; `None` when there are none.
    pub valid: Option<Array2<bool>>,
    /// Position along the normal of its plane, mm; `None` if the file has none.
    pub position: Option<f64>,
}

/// Reads one CT slice in HU, or one PET slice in SUVbw. Files from outside need an isolated decoder.
///
/// # Errors
/// [`Error::File`] for a file that is not such a slice, or that lacks an attribute for SUV.
pub fn read_slice(path: &Path, decoder: &mut Decoder) -> Result<PhysicalSlice, Error> {
    let fail = |reason: String| Error::file(path, reason);
    let mut file = DicomFile::open(path, Stop::AtEnd)?;
    let modality = match file.set.text(tags::MODALITY) {
        Some("CT") => Modality::Ct,
        Some("PT") => Modality::Pet,
        other => return Err(fail(format!("Modality (0008,0060) is {}, not CT or PT", quotable(other)))),
    };
    let format = PixelFormat::read(&file.set).map_err(fail)?;
    if format.frames != 1 {
        return Err(fail("an object of several frames".into()));
    }
    let per_unit = match modality {
        Modality::Ct => 1.0,
        Modality::Pet => suv::of_slice(&View::new(&file.set, 0)).map_err(fail)?.factor,
    };
    let slice = Slice::read(&mut file, &format, 0, modality, per_unit, decoder).map_err(fail)?;
    let SliceSource { data, valid } = slice.source();
    let view = View::new(&file.set, 0);
    let orientation = view.group(tags::PLANE_ORIENTATION_SEQUENCE).vector(tags::IMAGE_ORIENTATION_PATIENT);
    let position = view.group(tags::PLANE_POSITION_SEQUENCE).vector(tags::IMAGE_POSITION_PATIENT);
    let position =
        orientation.zip(position).map(|(orientation, position)| Plane { position, orientation }.along_normal());
    Ok(PhysicalSlice { modality, data, valid, position })
}

/// A decoded slice and the unit that the network sees it in.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) frame: Frame,
    pub(crate) encoding: Encoding,
    /// True outside the field of view of a CT, where a scanner fills in a constant; `None` when there is none.
    pub(crate) outside: Option<Box<Array2<bool>>>,
    /// Network unit (HU, SUV) for each rescaled unit (HU, Bq/mL).
    pub(crate) per_unit: f64,
}

impl Slice {
    /// Decodes frame `frame` of a file. `per_unit` is the network unit for each rescaled unit.
    ///
    /// # Errors
    /// The reason, as text.
    pub(crate) fn read(
        file: &mut DicomFile,
        format: &PixelFormat,
        frame: u32,
        modality: Modality,
        per_unit: f64,
        decoder: &mut Decoder,
    ) -> Result<Self, String> {
        let encoding = encoding(file, format, frame, modality)?;
        let stream = file.frame_bytes(frame, format.frames, format.layout.bytes() as u64)?;
        let bytes = decoder.decode(&file.transfer_syntax, stream, format.layout)?;
        let by_codec = codec::is_compressed(&file.transfer_syntax);
        let index = frame;
        let frame = if by_codec { format.decoded_frame(&bytes) } else { format.frame(&bytes) }?;
        let outside = match modality {
            Modality::Ct => fov::outside(&View::new(&file.set, index), &frame.stored, &encoding).map(Box::new),
            Modality::Pet => None,
        };
        Ok(Self { frame, encoding, outside, per_unit })
    }

    pub(crate) fn source(&self) -> SliceSource {
        let data = self.frame.stored.mapv(|v| (self.encoding.rescale(v) * self.per_unit) as f32);
        let mut valid = self.encoding.padding.map(|p| self.frame.stored.mapv(|v| !p.contains(v)));
        if let Some(outside) = self.outside.as_deref() {
            let all = || Array2::from_elem(outside.raw_dim(), true);
            valid.get_or_insert_with(all).zip_mut_with(outside, |valid, outside| *valid &= !outside);
        }
        SliceSource { data, valid }
    }

    /// Adds a residual in network units. A PET slice whose result its slope cannot hold, or holds too coarsely, gets a
    /// new one, which is returned. A CT slice keeps its own.
    pub(crate) fn apply(&mut self, residual: Array2<f32>, modality: Modality) -> Option<NewRescale> {
        let per_unit = self.per_unit;
        let mut rescaled = residual.mapv_into(|r| (f64::from(r) / per_unit) as f32);
        if let Some(outside) = self.outside.as_deref() {
            rescaled.zip_mut_with(outside, |r, outside| *r = if *outside { 0.0 } else { *r });
        }
        if modality == Modality::Pet
            && let Transform::Linear { slope, intercept } = self.encoding.transform
            && rescaled.iter().any(|r| *r != 0.0)
            && let Some(new) = self.new_slope(&rescaled, slope, intercept)
        {
            let wanted = |stored: i32, r: f32| (self.encoding.rescale(stored) + f64::from(r) - intercept) / new;
            let renewed = Encoding { transform: Transform::Linear { slope: new, intercept }, ..self.encoding.clone() };
            self.frame.stored.zip_mut_with(&rescaled, |stored, r| {
                if !renewed.is_padding(*stored) {
                    *stored = renewed.nearest(wanted(*stored, *r));
                }
            });
            self.encoding = renewed;
            let [from, to] = [slope, new].map(|slope| Line { slope, intercept });
            return Some(NewRescale { from, to, limits: self.encoding.limits });
        }
        self.encoding.add(&mut self.frame.stored, rescaled.view());
        None
    }

    /// The slope that a PET result needs, if not its own: the largest value must fit, and a step must stay under 0.1 %
    /// of it. Below 0 an unsigned slice ends, whatever its slope.
    fn new_slope(&self, residual: &Array2<f32>, slope: f64, intercept: f64) -> Option<f64> {
        let (lo, hi) = self.encoding.limits;
        let mut largest: f64 = 0.0;
        let mut least: f64 = 0.0;
        for (stored, r) in self.frame.stored.iter().zip(residual) {
            if !self.encoding.is_padding(*stored) {
                let value = self.encoding.rescale(*stored) + f64::from(*r) - intercept;
                largest = largest.max(value);
                least = least.min(value);
            }
        }
        let needed = (largest / f64::from(hi)).max(if lo < 0 { least / f64::from(lo) } else { 0.0 });
        let fits = needed <= slope.abs();
        let fine = slope.abs() <= 1e-3 * largest || largest <= 0.0;
        if slope <= 0.0 || needed <= 0.0 || (fits && fine) {
            return None;
        }
        let text = decimal_string(needed);
        text.parse().ok().filter(|new| !fits || *new < slope)
    }
}

/// The conversion of a frame's stored values.
fn encoding(file: &DicomFile, format: &PixelFormat, frame: u32, modality: Modality) -> Result<Encoding, String> {
    let view = View::new(&file.set, frame);
    let group = view.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    let wanted = match modality {
        Modality::Ct => Some("HU"),
        Modality::Pet => None,
    };
    let transform = Transform::read(group, wanted)?;
    Ok(Encoding { limits: format.limits(), transform, padding: format.padding })
}

/// Passes a slice to the pipeline.
pub(crate) struct SliceSource {
    pub(crate) data: Array2<f32>,
    pub(crate) valid: Option<Array2<bool>>,
}

impl Source for SliceSource {
    type Error = Error;

    fn shape(&self) -> Shape {
        let (rows, columns) = self.data.dim();
        Shape { channels: 1, rows, columns }
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let window = s![w.row..w.row + w.rows, w.column..w.column + w.columns];
        let data = self.data.slice(window).to_owned().insert_axis(Axis(0));
        Ok(Image { data, valid: self.valid.as_ref().map(|v| v.slice(window).to_owned()) })
    }
}
