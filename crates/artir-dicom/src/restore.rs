//! One series from its files to its derived files.

use std::path::{Path, PathBuf};

use artir_core::{Image, Progress, Restorer, Shape, Sink, Source, Window};
use dicom_dictionary_std::tags;
use ndarray::{Array2, ArrayView3, Axis, s};

use crate::{
    Error, Modality, Series, SliceHeader,
    derive::{Derivation, derive},
    frame::Frame,
    header, suv, uid,
    write::Staging,
};

/// How a derived series is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeriveOptions {
    /// Replace a derived series that is there already.
    pub overwrite: bool,
    /// What is appended to SeriesDescription.
    pub suffix: String,
}

impl Default for DeriveOptions {
    fn default() -> Self {
        Self { overwrite: false, suffix: "artir".into() }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesReport {
    /// The folder.
    pub folder: PathBuf,
    /// File names in it, in slice order.
    pub files: Vec<String>,
    /// The derived SeriesInstanceUID.
    pub series_uid: String,
}

/// Restores a series into `out/FOLDER/NNNN.dcm`; nothing appears there before every slice is written.
///
/// # Errors
/// [`Error::File`] for a slice that cannot be used (the whole series is then refused), and what the core or the file
/// system reports.
pub fn restore_series(
    series: &Series,
    restorer: &Restorer,
    out: &Path,
    options: &DeriveOptions,
    progress: &dyn Progress,
) -> Result<SeriesReport, Error> {
    let pixels = |s: &SliceHeader| u64::from(s.rows) * u64::from(s.columns);
    progress.start(&series.folder, series.slices.iter().map(pixels).sum());
    let shape = series.slices.first().map_or(Shape { channels: 1, rows: 0, columns: 0 }, |s| Shape {
        channels: 1,
        rows: s.rows as usize,
        columns: s.columns as usize,
    });
    let provenance = restorer.provenance(shape)?.to_string();
    let description = restorer_description(restorer, &provenance);
    restore_with(series, &provenance, &description, out, options, &mut |slice| {
        let mut source = slice.source();
        let mut sink = Collect { residual: Array2::zeros(slice.frame.stored.raw_dim()) };
        restorer.run(&mut source, &mut sink, progress)?;
        Ok(sink.residual)
    })
}

/// One slice in the unit that networks and protocols see.
#[derive(Clone, Debug)]
pub struct PhysicalSlice {
    /// What the values are: HU for CT, SUVbw for PET.
    pub modality: Modality,
    /// `[row, column]`.
    pub data: Array2<f32>,
    /// False at padding pixels; `None` when the slice declares none.
    pub valid: Option<Array2<bool>>,
    /// Position along the normal of its plane, mm; `None` where the file does not say.
    pub position: Option<f64>,
}

/// Reads one CT slice in HU, or one PET slice in SUVbw.
///
/// # Errors
/// [`Error::File`] for a file that is no such slice, or that lacks what SUV needs.
pub fn read_slice(path: &Path) -> Result<PhysicalSlice, Error> {
    let object = header::open(path, true)?;
    let fail = |reason: String| Error::File { path: path.to_owned(), reason };
    let (modality, per_unit) = match header::text(&object, tags::MODALITY).as_deref() {
        Some("CT") => (Modality::Ct, 1.0),
        Some("PT") => (Modality::Pet, suv::factor(&object).map_err(fail)?),
        other => return Err(fail(format!("Modality (0008,0060) is {}, not CT or PT", other.unwrap_or("missing")))),
    };
    let frame = Frame::decode(&object, path)?;
    let SliceSource { data, valid } = Slice { frame, per_unit }.source();
    Ok(PhysicalSlice { modality, data, valid, position: position(&object) })
}

fn position(object: &dicom_object::InMemDicomObject) -> Option<f64> {
    let p = header::numbers(object, tags::IMAGE_POSITION_PATIENT).filter(|p| p.len() == 3)?;
    let o = header::numbers(object, tags::IMAGE_ORIENTATION_PATIENT).filter(|o| o.len() == 6)?;
    let normal = [o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]];
    Some(normal.iter().zip(&p).map(|(n, p)| n * p).sum())
}

/// DerivationDescription: what was done, by what; VR ST allows 1024 characters.
fn restorer_description(restorer: &Restorer, provenance: &str) -> String {
    let text = format!("Restored by a neural network ({}): {provenance}", restorer.card().task.name());
    text.chars().take(1024).collect()
}

/// The path of a series with any function that gives a slice's residual.
fn restore_with(
    series: &Series,
    provenance: &str,
    description: &str,
    out: &Path,
    options: &DeriveOptions,
    residual: &mut dyn FnMut(&Slice) -> Result<Array2<f32>, Error>,
) -> Result<SeriesReport, Error> {
    let staging = Staging::new(out.join(&series.folder), options.overwrite)?;
    let series_uid = uid::derive(&[b"series", series.folder.as_bytes(), series.uid.as_bytes(), provenance.as_bytes()]);
    let mut files = Vec::new();
    for (i, header) in series.slices.iter().enumerate() {
        let object = header::open(&header.path, true)?;
        let fail = |reason: String| Error::File { path: header.path.clone(), reason };
        let frame = Frame::decode(&object, &header.path)?;
        let per_unit = match series.modality {
            Modality::Ct => 1.0,
            Modality::Pet => suv::factor(&object).map_err(fail)?,
        };
        let slice = Slice { frame, per_unit };
        let residual = residual(&slice)?;
        let (frame, slope) = slice.apply(residual, series.modality);
        let pixels = frame.bytes();
        let source_uid = header::text(&object, tags::SOP_INSTANCE_UID)
            .ok_or_else(|| fail("SOPInstanceUID (0008,0018) is missing".into()))?;
        let sop_uid = uid::derive(&[b"instance", source_uid.as_bytes(), series_uid.as_bytes(), &pixels]);
        let derivation = Derivation {
            sop_instance_uid: &sop_uid,
            series_instance_uid: &series_uid,
            description,
            series_suffix: &options.suffix,
            slope,
        };
        let derived = derive(&object, &derivation, pixels, frame.bits_allocated);
        let name = format!("{:04}.dcm", i + 1);
        staging.write(&name, derived)?;
        files.push(name);
    }
    let folder = staging.publish()?;
    Ok(SeriesReport { folder, files, series_uid })
}

/// A decoded slice and the unit that the network sees it in.
struct Slice {
    frame: Frame,
    /// Network unit (HU, SUV) for each rescaled unit (HU, Bq/mL).
    per_unit: f64,
}

impl Slice {
    fn source(&self) -> SliceSource {
        let e = &self.frame.encoding;
        let data = self.frame.stored.mapv(|v| (e.rescale(v) * self.per_unit) as f32);
        let valid = e.padding.map(|p| self.frame.stored.mapv(|v| !p.contains(v)));
        SliceSource { data, valid }
    }

    /// Adds a residual in network units. A PET slice whose result its slope cannot hold gets a larger one.
    fn apply(self, residual: Array2<f32>, modality: Modality) -> (Frame, Option<f64>) {
        let Self { mut frame, per_unit } = self;
        let rescaled = residual.mapv(|r| (f64::from(r) / per_unit) as f32);
        let e = frame.encoding;
        if modality == Modality::Pet && e.padding.is_none() {
            let wanted = |stored: i32, r: f32| (e.rescale(stored) + f64::from(r) - e.intercept) / e.slope;
            let largest = frame.stored.iter().zip(&rescaled).map(|(s, r)| wanted(*s, *r)).fold(f64::MIN, f64::max);
            let top = f64::from(e.limits().1);
            if largest > top {
                let slope: f64 =
                    suv::decimal_string(e.slope * largest / top).parse().unwrap_or(e.slope * largest / top);
                let grown = crate::hu::Encoding { slope, ..e };
                frame.stored.zip_mut_with(&rescaled, |s, r| *s = grown.nearest(wanted(*s, *r) * e.slope / slope));
                frame.encoding = grown;
                return (frame, Some(slope));
            }
        }
        e.add(&mut frame.stored, rescaled.view());
        (frame, None)
    }
}

/// Hands a slice to the pipeline.
struct SliceSource {
    data: Array2<f32>,
    valid: Option<Array2<bool>>,
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

/// Keeps a slice's residual.
struct Collect {
    residual: Array2<f32>,
}

impl Sink for Collect {
    type Error = Error;

    fn write(&mut self, first: usize, residual: ArrayView3<'_, f32>) -> Result<(), Error> {
        let rows = residual.dim().1;
        self.residual.slice_mut(s![first..first + rows, ..]).assign(&residual.index_axis(Axis(0), 0));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
