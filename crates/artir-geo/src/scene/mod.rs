//! A scene: its restored bands, its valid pixels, and what it states about itself.

pub(crate) mod bands;
mod check;
pub(crate) mod description;
pub(crate) mod domains;
pub(crate) mod georef;
pub(crate) mod interval;
pub(crate) mod options;
pub(crate) mod tags;
pub(crate) mod validity;

use artir_core::Shape;
use gdal::Dataset;

use self::{
    check::{check_plausible, refuse_unfit},
    description::Description,
    interval::{Interval, RangeChoice},
    options::OpenOptions,
    tags::Tags,
    validity::{Validity, read_mask, validity},
};
use crate::{
    error::{Error, Reason},
    ffi,
    open::{self, Opened, drivers},
    rows::{
        samples::{Planes, on_planes},
        values,
    },
};

/// Bytes of GDAL's block cache; its default, a share of the machine's memory, is too large.
pub(crate) const CACHE_BYTES: u64 = 64 << 20;
/// Bytes that a row of blocks may have, all bands together.
pub(crate) const MOST_BYTES: usize = 128 << 20;
/// Edge of the decimated scene that percentiles are taken from, pixels.
const SAMPLE: usize = 1024;

/// An opened scene that can be restored without damage.
pub struct Scene {
    pub(crate) dataset: Dataset,
    pub(crate) info: SceneInfo,
}

/// Properties of a scene. Threads share them, each with a separate handle on the file.
#[derive(Clone, Debug)]
pub(crate) struct SceneInfo {
    pub(crate) path: String,
    /// The name that GDAL knows it by.
    opened: String,
    pub(crate) description: Description,
    /// The bands that are restored, counted from 1.
    pub(crate) bands: Vec<usize>,
    /// Nodata value of each of them.
    pub(crate) nodata: Vec<Option<f64>>,
    pub(crate) validity: Validity,
    pub(crate) interval: Interval,
    /// Tags of a TIFF.
    pub(crate) tags: Option<Tags>,
    /// Columns and rows of the scene's blocks.
    pub(crate) block: (usize, usize),
    options: OpenOptions,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Scene {
    /// Opens a scene.
    ///
    /// # Errors
    /// [`Error::Scene`] with the reason: not a raster, or data that restoring would damage.
    pub fn open(path: &str, options: &OpenOptions) -> Result<Self, Error> {
        Self::try_open(path, options).map_err(|reason| Error::Scene { path: path.to_owned(), reason })
    }

    fn try_open(path: &str, options: &OpenOptions) -> Result<Self, Reason> {
        ffi::set_cache(CACHE_BYTES as i64);
        let Opened { dataset, name } = open::open(path, &options.access)?;
        let (columns, rows) = dataset.raster_size();
        if columns == 0 || rows == 0 || dataset.raster_count() == 0 {
            return Err("it has no raster bands".into());
        }
        if !ffi::Object::dataset(&dataset).domain("SUBDATASETS").is_empty() && drivers::driver(&dataset) == "GTiff" {
            return Err("it has subdatasets (several images), of which only one would be kept".into());
        }
        check_plausible(&dataset, path)?;
        let bands = bands::find(&dataset, options.bands.as_ref())?;
        refuse_unfit(&dataset, &bands)?;
        let validity = validity(&dataset, &bands)?;
        if Description::is_endless(&dataset) {
            return Err(
                "its colour profile (TIFF tags 318 and 319, with values of more than 16 bits) is one that GDAL \
                        reads without end: take those tags away"
                    .into(),
            );
        }
        let description = Description::of(&dataset)?;
        let nodata = bands.iter().map(|b| match description.bands[b - 1].nodata {
            Some(ffi::Nodata::Float(v)) => Some(v),
            _ => None,
        });
        let info = SceneInfo {
            nodata: nodata.collect(),
            tags: Tags::read(path),
            block: dataset.rasterband(bands[0])?.block_size(),
            interval: Interval::UNIT,
            options: options.clone(),
            path: path.to_owned(),
            opened: name,
            description,
            bands,
            validity,
        };
        let mut scene = Self { dataset, info };
        scene.info.interval = scene.find_interval(options.range)?;
        Ok(scene)
    }

    /// The scene's extent, with a channel for each restored band.
    pub fn shape(&self) -> Shape {
        self.info.shape()
    }

    /// The bands that are restored, counted from 1.
    pub fn bands(&self) -> &[usize] {
        &self.info.bands
    }

    /// The stored values for black and white.
    pub fn interval(&self) -> Interval {
        self.info.interval
    }

    fn find_interval(&self, choice: RangeChoice) -> Result<Interval, Reason> {
        match choice {
            RangeChoice::Interval(interval) => Ok(interval),
            RangeChoice::Reflectance => Ok(Interval::REFLECTANCE),
            RangeChoice::Auto if self.info.kind() == gdal_sys::GDALDataType::GDT_Byte => Ok(Interval::BYTES),
            RangeChoice::Auto | RangeChoice::Percentile => self.percentiles(),
        }
    }

    fn percentiles(&self) -> Result<Interval, Reason> {
        let (columns, rows) = self.dataset.raster_size();
        let out = (columns.min(SAMPLE), rows.min(SAMPLE));
        let mut planes = self.info.planes();
        let mut valid = vec![true; out.0 * out.1];
        for band in &self.info.bands {
            let band = self.dataset.rasterband(*band)?;
            planes.read_decimated(&band, out).map_err(|why| why.without_path(&self.info.path).of("its pixels"))?;
        }
        read_mask(&self.dataset, self.info.bands[0], self.info.validity, (0, 0), (columns, rows), out, &mut valid)?;
        on_planes!(&planes, p => values::mark_valid(p, &self.info.nodata, &mut valid));
        // A scene with one value, or none, has nothing to restore, so any interval works.
        Ok(Interval::of_sample(&planes, self.info.bands.len(), &valid).unwrap_or(Interval::UNIT))
    }
}

impl SceneInfo {
    pub(crate) fn shape(&self) -> Shape {
        let (columns, rows) = self.description.size;
        Shape { channels: self.bands.len(), rows, columns }
    }

    /// GDAL's number of the restored bands' type.
    pub(crate) fn kind(&self) -> u32 {
        self.description.bands[self.bands[0] - 1].kind
    }

    /// Bytes of so many rows of all bands.
    pub(crate) fn row_of_blocks(&self, rows: usize) -> usize {
        let (columns, all) = self.description.size;
        let values = columns.saturating_mul(rows.min(all)).saturating_mul(self.description.bands.len());
        values.saturating_mul(ffi::type_bytes(self.kind()))
    }

    /// Empty planes of the restored bands' type.
    pub(crate) fn planes(&self) -> Planes {
        // Types without planes were refused when the scene was opened.
        Planes::of_type(self.kind()).unwrap_or(Planes::U8(Vec::new()))
    }

    /// A second handle on the scene, for another thread.
    pub(crate) fn reopen(&self) -> Result<Dataset, Error> {
        open::again(&self.opened, &self.options.access)
            .map_err(|reason| Error::Scene { path: self.path.clone(), reason })
    }

    /// An error about its pixels.
    pub(crate) fn unreadable(&self, why: impl Into<Reason>) -> Error {
        Error::Scene { path: self.path.clone(), reason: why.into().without_path(&self.path).of("its pixels") }
    }
}
