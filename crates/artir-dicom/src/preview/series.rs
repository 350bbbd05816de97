//! The page of a restored series: source and derived slices are read again, so that it shows the written files.

use std::path::Path;

use ndarray::Array2;

use super::{DisplayWindow, PreviewWriter};
use crate::{
    Error, Modality, RestoreOptions, Series, SeriesReport,
    find::survey::Survey,
    read::{dataset::Stop, file::DicomFile, frame::PixelFormat, slice::Slice, suv::PetUnits, worker::Decoder},
    restore::{plan::places, scale::Scale},
};

/// Writes the page of a series that [`crate::restore_series`] has written.
///
/// # Errors
/// [`Error::File`] for a slice that cannot be read, [`Error::Write`] for the page.
pub fn preview_series(
    series: &Series,
    restored: &SeriesReport,
    heading: &str,
    page: &Path,
    window: DisplayWindow,
    options: &RestoreOptions,
) -> Result<(), Error> {
    let fail = |e: std::io::Error| Error::write(page, e);
    let (unit, scale) = match (series.modality, options.units) {
        (Modality::Pet, PetUnits::Native) => ("the series' own unit", Scale::Same(1.0)),
        (Modality::Pet, units) => (series.modality.unit(), Scale::Suv(Survey::of(series, units))),
        (Modality::Ct, _) => (series.modality.unit(), Scale::Same(1.0)),
    };
    let mut decoder = options.decoder();
    let mut writer = PreviewWriter::create(page, heading, unit, window, series.slices()).map_err(fail)?;
    let mut index = 0;
    for place in places(series, options) {
        let instance = place.instance;
        let derived = restored.folder.join(&place.name);
        // Missing slices of a partial series are not shown.
        if !derived.exists() {
            index += place.frames.len();
            continue;
        }
        let (mut before, mut after) = (Reader::open(&instance.path)?, Reader::open(&derived)?);
        if let Some(rescale) = options.rescale.filter(|_| series.modality == Modality::Ct) {
            rescale.put(&mut before.file.set);
        }
        for frame in place.frames.clone() {
            // A derived slice keeps the times of its source, and with them its factor.
            let per_unit = scale.per_unit(&instance.path, frame).map_err(|r| Error::file(&instance.path, r))?;
            let source = before.slice(frame, series, per_unit, &mut decoder)?;
            let result = after.slice(place.own(frame), series, per_unit, &mut decoder)?;
            let position = instance.along_normal.get(frame as usize).copied();
            writer.add(index, position, series.pixel_spacing, source.view(), result.view()).map_err(fail)?;
            index += 1;
        }
    }
    writer.finish().map_err(fail)?;
    Ok(())
}

struct Reader<'a> {
    path: &'a Path,
    file: DicomFile,
    format: PixelFormat,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let mut file = DicomFile::open(path, Stop::AtEnd)?;
        let format = PixelFormat::of_file(&mut file).map_err(|reason| Error::file(path, reason))?;
        Ok(Self { path, file, format })
    }

    fn slice(
        &mut self,
        frame: u32,
        series: &Series,
        per_unit: f64,
        decoder: &mut Decoder,
    ) -> Result<Array2<f32>, Error> {
        let slice = Slice::read(&mut self.file, &self.format, frame, series.modality, per_unit, decoder);
        Ok(slice.map_err(|reason| Error::file(self.path, reason))?.values())
    }
}
