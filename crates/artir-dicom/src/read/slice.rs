//! One slice in the unit of networks and protocols.

use std::path::Path;

use artir_core::{Image, Shape, Source, Window};
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView2, Axis, Ix2, SliceInfo, SliceInfoElem, s};

use super::{
    codec, codestream,
    dataset::Stop,
    file::DicomFile,
    fov,
    frame::{Frame, PixelFormat},
    geometry::Plane,
    hu::{Encoding, Transform},
    suv,
    view::View,
    worker::Decoder,
};
use crate::{Error, Modality, Reason, terms::quotable};

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
/// ```no_run
/// let slice = artir_dicom::read_slice("0001.dcm".as_ref(), &mut artir_dicom::Decoder::in_process())?;
/// println!("mean {} {}", slice.data.mean().unwrap_or_default(), slice.modality.unit());
/// # Ok::<(), artir_dicom::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] for a file that is not such a slice, or that lacks an attribute for SUV.
pub fn read_slice(path: &Path, decoder: &mut Decoder) -> Result<PhysicalSlice, Error> {
    let fail = |reason: Reason| Error::file(path, reason);
    let mut file = DicomFile::open(path, Stop::AtEnd)?;
    let modality = match file.set.text(tags::MODALITY) {
        Some("CT") => Modality::Ct,
        Some("PT") => Modality::Pet,
        other => {
            let reason = format!("Modality (0008,0060) is {}, not CT or PT", quotable(other));
            return Err(fail(Reason::NotSlice(reason)));
        }
    };
    let format = PixelFormat::of_file(&mut file).map_err(fail)?;
    if format.frames != 1 {
        return Err(fail(Reason::unsupported("an object of several frames")));
    }
    let per_unit = match modality {
        Modality::Ct => 1.0,
        Modality::Pet => suv::of_slice(&View::new(&file.set, 0)).map_err(fail)?.factor,
    };
    let slice = Slice::read(&mut file, &format, 0, modality, per_unit, decoder).map_err(fail)?;
    let (data, valid) = (slice.values(), slice.valid());
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
    /// Its compression has lost information.
    pub(crate) lossy: bool,
}

impl Slice {
    /// Decodes frame `frame` of a file. `per_unit` is the network unit for each rescaled unit.
    ///
    /// # Errors
    /// The reason why it cannot be decoded.
    pub(crate) fn read(
        file: &mut DicomFile,
        format: &PixelFormat,
        frame: u32,
        modality: Modality,
        per_unit: f64,
        decoder: &mut Decoder,
    ) -> Result<Self, Reason> {
        let encoding = encoding(file, format, frame, modality)?;
        let stream = file.frame_bytes(frame, format.frames, format.layout.bytes() as u64)?;
        let lossy = codestream::is_lossy(&file.transfer_syntax, &stream);
        let is_wider = codec::is_wider(&file.transfer_syntax, &stream, format.layout);
        let bytes = decoder.decode(&file.transfer_syntax, stream, format.layout)?;
        if is_wider && format.exceeds(&bytes) {
            return Err(Reason::unsupported("values above BitsStored (0028,0101) in compressed pixels"));
        }
        let by_codec = codec::is_compressed(&file.transfer_syntax);
        let index = frame;
        let frame = if by_codec { format.decoded_frame(&bytes) } else { format.frame(&bytes) }?;
        let outside = match modality {
            Modality::Ct => fov::outside(&View::new(&file.set, index), &frame.stored, &encoding).map(Box::new),
            Modality::Pet => None,
        };
        Ok(Self { frame, encoding, outside, per_unit, lossy })
    }

    /// All values in HU or SUV.
    pub(crate) fn values(&self) -> Array2<f32> {
        self.values_of(self.frame.stored.view())
    }

    fn values_of(&self, stored: ArrayView2<'_, i32>) -> Array2<f32> {
        stored.mapv(|v| (self.encoding.rescale(v) * self.per_unit) as f32)
    }

    /// False at padding pixels and outside the field of view; `None` when there are none.
    pub(crate) fn valid(&self) -> Option<Array2<bool>> {
        let (rows, columns) = self.frame.stored.dim();
        self.valid_of(Window { row: 0, column: 0, rows, columns })
    }

    fn valid_of(&self, window: Window) -> Option<Array2<bool>> {
        let stored = self.frame.stored.slice(cut(window));
        let mut valid = self.encoding.padding.map(|p| stored.mapv(|v| !p.contains(v)));
        if let Some(outside) = self.outside.as_deref() {
            let all = || Array2::from_elem(stored.raw_dim(), true);
            let outside = outside.slice(cut(window));
            valid.get_or_insert_with(all).zip_mut_with(&outside, |valid, outside| *valid &= !outside);
        }
        valid
    }
}

/// The pixels of a window.
fn cut(w: Window) -> SliceInfo<[SliceInfoElem; 2], Ix2, Ix2> {
    s![w.row..w.row + w.rows, w.column..w.column + w.columns]
}

/// The conversion of a frame's stored values.
fn encoding(file: &DicomFile, format: &PixelFormat, frame: u32, modality: Modality) -> Result<Encoding, Reason> {
    let view = View::new(&file.set, frame);
    let group = view.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    let wanted = match modality {
        Modality::Ct => Some("HU"),
        Modality::Pet => None,
    };
    let transform = Transform::read(group, wanted, format.signed)?;
    Ok(Encoding { limits: format.limits(), transform, padding: format.padding })
}

/// Passes neighbouring slices to the pipeline, an odd number of one extent. Their HU or SUV are computed as they are read.
#[derive(Debug)]
pub(crate) struct SliceSource<'a>(pub(crate) Vec<&'a Slice>);

impl Source for SliceSource<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        let (rows, columns) = self.0[self.0.len() / 2].frame.stored.dim();
        Shape { channels: self.0.len(), rows, columns }
    }

    fn read(&mut self, window: Window) -> Result<Image, Error> {
        let image = |slice: &&Slice| {
            let data = slice.values_of(slice.frame.stored.slice(cut(window))).insert_axis(Axis(0));
            Image { data, valid: slice.valid_of(window) }
        };
        Ok(Image::of_neighbours(self.0.iter().map(image).collect()))
    }
}
