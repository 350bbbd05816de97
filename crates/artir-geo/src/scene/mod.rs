//! A scene: its restored bands, its valid pixels, and what it states about itself.

pub(crate) mod bands;
pub(crate) mod check;
pub(crate) mod coverage;
pub(crate) mod description;
pub(crate) mod domains;
mod estimate;
mod fills;
pub(crate) mod georef;
pub(crate) mod marks;
mod nearby;
pub(crate) mod options;
pub(crate) mod radiometry;
pub(crate) mod region;
pub(crate) mod survey;
pub(crate) mod tags;
pub(crate) mod validity;

use std::{path::PathBuf, sync::OnceLock};

use artir_core::Shape;
use gdal::Dataset;

use self::{
    check::{check_plausible, refuse_unfit},
    description::Description,
    estimate::Grid,
    fills::Fill,
    marks::Marks,
    options::{NodataChoice, OpenOptions},
    radiometry::{Radiometry, limits, radiometry, white_of_sample},
    region::Region,
    tags::Tags,
    validity::{Validity, has_soft_mask, nodata_together, read_mask, validity},
};
use crate::{
    error::{Error, Reason},
    ffi::{self, Part},
    open::{self, Opened, drivers},
    values::{
        band::{self, BandValues},
        decimated::Decimated,
        interval::{Interval, RangeChoice},
        samples::{Planes, on_planes},
    },
};

/// Bytes of GDAL's block cache; its default, a share of the machine's memory, is too large.
pub(crate) const CACHE_BYTES: u64 = 64 << 20;
/// Bytes that a row of blocks may have, all bands together.
pub(crate) const MOST_BYTES: usize = 128 << 20;
/// No reflectance is larger, that of glint included.
const MOST_REFLECTANCE: f64 = 10.0;
/// Edge of the decimated scene that percentiles are taken from, pixels.
const SAMPLE: usize = 1024;

/// An opened scene that can be restored without damage.
pub struct Scene {
    pub(crate) dataset: Dataset,
    pub(crate) info: SceneInfo,
    /// Whether its mask has soft edges, once that was looked at.
    soft_mask: OnceLock<bool>,
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
    /// What the stored values of each of them mean.
    pub(crate) values: Vec<BandValues>,
    /// Reflectance of each of them, where the scene states it.
    pub(crate) radiometry: Option<Vec<Radiometry>>,
    /// Fill that nobody declared.
    pub(crate) fill: Option<Fill>,
    pub(crate) validity: Validity,
    /// Whether black and white were estimated from a part of the scene.
    pub(crate) range_is_estimate: bool,
    /// Whether the file lacks some of the pixels: they have the value that GDAL gives to them, and are not restored.
    pub(crate) has_holes: bool,
    /// Files that mark pixels as invalid.
    pub(crate) marks: Vec<Marks>,
    /// The part that may change; `None` for all.
    pub(crate) region: Option<Region>,
    /// The product that was recognised, in words.
    pub(crate) product: Option<String>,
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
        let mut scene = Self::describe(path, options)?;
        scene.find_values()?;
        Ok(scene)
    }

    /// Opens a scene without a look at its pixels: black and white are not known yet.
    fn describe(path: &str, options: &OpenOptions) -> Result<Self, Reason> {
        ffi::set_cache(CACHE_BYTES as i64);
        let Opened { dataset, name, product } = open::open(path, &options.access)?;
        let (columns, rows) = dataset.raster_size();
        let parts = ffi::Object::dataset(&dataset).domain("SUBDATASETS");
        let parts = parts.iter().filter_map(|item| item.split_once("_NAME=").map(|(_, name)| name.to_owned()));
        let parts: Vec<String> = parts.collect();
        // GDAL shows the first image of these as if it were all of the file.
        let shows_first = matches!(drivers::driver(&dataset).as_str(), "GTiff" | "NITF");
        if !parts.is_empty() && (dataset.raster_count() == 0 || shows_first) {
            return Err(Reason::Container(parts));
        }
        if columns == 0 || rows == 0 || dataset.raster_count() == 0 {
            return Err("it has no raster bands".into());
        }
        check_plausible(&dataset, path)?;
        let stated = product.as_ref().and_then(|p| p.bands.clone());
        let asked = options.bands.as_ref().map(|bands| bands.as_slice().to_vec()).or(stated);
        let bands = bands::find(&dataset, asked)?;
        refuse_unfit(&dataset, &bands)?;
        let validity = validity(&dataset, &bands, options.nodata)?;
        if Description::is_endless(&dataset) {
            return Err(
                "its colour profile (TIFF tags 318 and 319, with values of more than 16 bits) is one that GDAL \
                        reads without end: take those tags away"
                    .into(),
            );
        }
        let description = Description::of(&dataset)?;
        let nodata = |number: usize| match options.nodata {
            NodataChoice::Declared => description.bands[number - 1].nodata.and_then(ffi::Nodata::value),
            NodataChoice::None => None,
            NodataChoice::Value(value) => Some(value),
        };
        let together = nodata_together(&dataset);
        let declared = |number: usize| {
            let own = description.bands[number - 1].nodata.and_then(ffi::Nodata::value);
            own.or(together.get(number - 1).copied())
        };
        let values = bands.iter().map(|number| BandValues {
            interval: Interval::UNIT,
            nodata: nodata(*number),
            declared: declared(*number),
            zero: 0.0,
            limits: limits(&description, *number),
        });
        let mut marks = Vec::new();
        if let Some(mask) = &options.mask {
            marks.push(Marks::zero_is_invalid(mask));
        }
        if options.mask_clouds {
            let clouds = product.as_ref().and_then(|p| p.clouds.clone());
            let clouds = clouds.ok_or("it has no mask of clouds that artir knows")?;
            marks.push(Marks::clouds(&clouds, &dataset)?);
        }
        for marks in &marks {
            marks.check(&options.access, &dataset)?;
        }
        let region = options.region.as_ref().map(|wanted| Region::of(wanted, &dataset)).transpose()?;
        let info = SceneInfo {
            values: values.collect(),
            radiometry: radiometry(&description, &bands),
            fill: None,
            range_is_estimate: false,
            has_holes: coverage::has_holes(&dataset, &bands)?,
            tags: Tags::read(path),
            block: dataset.rasterband(bands[0])?.block_size(),
            options: options.clone(),
            path: path.to_owned(),
            opened: name,
            product: product.map(|p| p.kind),
            description,
            bands,
            validity,
            marks,
            region,
        };
        Ok(Self { dataset, info, soft_mask: OnceLock::new() })
    }

    /// Sets the name by which errors and progress call the scene, in place of its path.
    pub fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.info.path);
        self
    }

    /// The scene's extent, with a channel for each restored band.
    pub fn shape(&self) -> Shape {
        self.info.shape()
    }

    /// The bands that are restored, counted from 1.
    pub fn bands(&self) -> &[usize] {
        &self.info.bands
    }

    /// The stored values for black and white, of each restored band.
    pub fn intervals(&self) -> Vec<Interval> {
        self.info.values.iter().map(|v| v.interval).collect()
    }

    /// The satellite's product that was recognised, in words.
    pub fn product(&self) -> Option<&str> {
        self.info.product.as_deref()
    }

    /// A value that all bands share around the scene or far below all others, and that no band declares as nodata, with the
    /// share of the pixels that have it. It is kept out of the range, and those pixels do not change.
    pub fn undeclared_fill(&self) -> Option<(f64, f64)> {
        self.info.fill.map(|fill| (fill.value, fill.share))
    }

    /// The name that GDAL opens the scene by, while this program runs.
    pub fn gdal_name(&self) -> &str {
        &self.info.opened
    }

    /// Whether its mask, which all bands share, has other values than 0 and 255. The first call reads the mask.
    pub(crate) fn has_soft_mask(&self) -> Result<bool, Reason> {
        if let Some(found) = self.soft_mask.get() {
            return Ok(*found);
        }
        let found = self.info.description.mask && has_soft_mask(&self.dataset).map_err(|why| why.of("its mask"))?;
        Ok(*self.soft_mask.get_or_init(|| found))
    }

    /// Finds undeclared fill, and black and white of every restored band.
    fn find_values(&mut self) -> Result<(), Reason> {
        let choice = self.info.options.range;
        let bytes = self.info.kind() == gdal_sys::GDALDataType::GDT_Byte;
        let (planes, valid, is_estimate) = self.sample()?;
        let by_sample = choice == RangeChoice::Percentile || choice == RangeChoice::Auto && !bytes;
        self.info.range_is_estimate = is_estimate && by_sample;
        if let Some(found) = &self.info.radiometry {
            let zeros: Vec<f64> = found.iter().map(|r| r.stored(0.0)).collect();
            self.info.values.iter_mut().zip(zeros).for_each(|(values, zero)| values.zero = zero);
        }
        let most = self.info.values[0].limits[1];
        let is_negative = self.info.is_negative();
        let counted = |values: &[BandValues]| band::counted(&planes, values, &valid);
        let of_one = |values: &mut Vec<BandValues>, interval: Interval| {
            values.iter_mut().for_each(|values| values.interval = interval);
        };
        match choice {
            RangeChoice::Interval(interval) => of_one(&mut self.info.values, interval),
            RangeChoice::EachBand(intervals) if self.info.values.len() == intervals.len() => {
                self.info.values.iter_mut().zip(intervals).for_each(|(values, interval)| values.interval = interval);
            }
            RangeChoice::EachBand(intervals) => {
                let has = self.info.values.len();
                return Err(format!("it has {has} restored band(s), and {} ranges are given", intervals.len()).into());
            }
            RangeChoice::Auto if bytes => {
                of_one(&mut self.info.values, Interval::new(0.0, most).unwrap_or(Interval::BYTES))
            }
            RangeChoice::Auto | RangeChoice::Percentile | RangeChoice::Reflectance => match &self.info.radiometry {
                Some(found) => {
                    let white = match choice {
                        RangeChoice::Reflectance => 1.0,
                        _ => white_of_sample(&counted(&self.info.values), found).unwrap_or(1.0),
                    };
                    for (values, radiometry) in self.info.values.iter_mut().zip(found) {
                        values.interval = radiometry.interval(0.0, white).unwrap_or(Interval::UNIT);
                    }
                }
                None if choice == RangeChoice::Reflectance => {
                    // Floating-point numbers are reflectance itself, unless they are larger than any.
                    let white = Interval::of_sample(&counted(&self.info.values)).map(Interval::white);
                    let itself =
                        most > f64::from(f32::MAX) / 2.0 && white.is_some_and(|white| white <= MOST_REFLECTANCE);
                    of_one(&mut self.info.values, if itself { Interval::UNIT } else { Interval::REFLECTANCE });
                }
                None => {
                    // A scene with one value, or none, has nothing to restore, so any interval works.
                    let counted = counted(&self.info.values);
                    let found = if is_negative {
                        Interval::of_negative(&counted, &self.info.values[0].limits)
                    } else {
                        Interval::of_sample(&counted)
                    };
                    of_one(&mut self.info.values, found.unwrap_or(Interval::UNIT));
                }
            },
        }
        // Reflectance grows with the stored value, however the file is to be shown.
        if is_negative && choice != RangeChoice::Reflectance {
            self.info.values.iter_mut().for_each(|values| values.interval = values.interval.negative());
        }
        Ok(())
    }

    /// A sample of the restored bands, which of its pixels count, and whether it is one of some blocks alone. Finds undeclared fill
    /// on the way.
    fn sample(&mut self) -> Result<(Planes, Vec<bool>, bool), Reason> {
        let (columns, rows) = self.dataset.raster_size();
        let mut out = (columns.min(SAMPLE), rows.min(SAMPLE));
        let whole = Decimated { part: Part { at: (0, 0), size: (columns, rows) }, out };
        let may = self.info.options.estimate && !self.info.has_holes;
        let grid = if may { Grid::of(&self.dataset, self.info.bands[0])? } else { None };
        let (mut planes, mut valid) = match &grid {
            Some(grid) => self.sample_of(&grid.parts)?,
            None => self.sample_of(&[whole])?,
        };
        if let Some(grid) = &grid {
            grid.arrange(&mut planes, &mut valid);
            out.0 = grid.columns();
        }
        if self.info.options.nodata == NodataChoice::Declared {
            let most = self.info.values[0].limits[1];
            self.info.fill = fills::find(&planes, self.info.bands.len(), out.0, &valid, most);
            let fill = self.info.fill.map(|fill| fill.value);
            if let Some(far) = self.info.far_fill() {
                // No band has such a value where the others have theirs, either.
                self.info.values.iter_mut().for_each(|values| values.nodata = values.nodata.or(Some(far)));
            }
            on_planes!(&planes, p => band::mark_valid(p, &self.info.values, fill, &mut valid));
        }
        if !self.info.has_holes {
            return Ok((planes, valid, grid.is_some()));
        }
        // Of a few small images in a wide raster, the whole sample may have met none.
        let parts = coverage::parts(&self.dataset, &self.info.bands)?;
        let all: f64 = parts.iter().map(|part| part.size.0 as f64 * part.size.1 as f64).sum();
        let factor = (all.sqrt() / SAMPLE as f64).max(1.0);
        let scaled = |n: usize| ((n as f64 / factor).round() as usize).clamp(1, n);
        let parts = parts.into_iter().map(|part| Decimated { part, out: (scaled(part.size.0), scaled(part.size.1)) });
        let parts: Vec<Decimated> = parts.collect();
        let (planes, mut valid) = self.sample_of(&parts)?;
        let blank = band::blank(&planes, &self.info.values);
        coverage::mark_gaps(&self.dataset, &self.info.bands, &parts, &blank, &mut valid)?;
        Ok((planes, valid, false))
    }

    /// A sample of parts of the restored bands, and which of its pixels count.
    fn sample_of(&self, parts: &[Decimated]) -> Result<(Planes, Vec<bool>), Reason> {
        let info = &self.info;
        let mut planes = info.planes();
        let read = planes.read_decimated(&self.dataset, &info.bands, parts);
        read.map_err(|why| why.without_path(&info.path).of("its pixels"))?;
        let mut valid = vec![true; parts.iter().map(Decimated::pixels).sum()];
        let mut rest = valid.as_mut_slice();
        for Decimated { part: Part { at, size }, out } in parts {
            let (this, after) = rest.split_at_mut(out.0 * out.1);
            rest = after;
            read_mask(&self.dataset, info.bands[0], info.validity, *at, *size, *out, this)?;
        }
        let fill = info.fill.map(|fill| fill.value);
        on_planes!(&planes, p => band::mark_valid(p, &info.values, fill, &mut valid));
        Ok((planes, valid))
    }
}

impl SceneInfo {
    /// Whether brightness falls with the stored value of the only restored band.
    pub(crate) fn is_negative(&self) -> bool {
        self.radiometry.is_none() && self.bands == [1] && self.description.bands[0].white_is_zero
    }

    /// Fill that nobody declared, where it is a number far from all others. Zero and the largest whole number are fill
    /// where all bands have them, and can be values of one band.
    fn far_fill(&self) -> Option<f64> {
        let most = self.values[0].limits[1];
        let is_far = |value: &f64| *value != 0.0 && (*value != most || most >= f64::from(f32::MAX));
        self.fill.map(|fill| fill.value).filter(is_far)
    }

    /// The stored value that is no value of a band, also of one that the network does not see.
    pub(crate) fn nodata_of(&self, number: usize) -> Option<f64> {
        match self.options.nodata {
            NodataChoice::Value(value) => Some(value),
            _ => self.description.bands[number - 1].nodata.and_then(ffi::Nodata::value).or(self.far_fill()),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        let (columns, rows) = self.description.size;
        Shape { channels: self.bands.len(), rows, columns }
    }

    /// The extent as a model takes it: a single band goes in as often as the model has channels.
    pub(crate) fn shape_for(&self, channels: usize) -> Shape {
        let shape = self.shape();
        if shape.channels == 1 { Shape { channels, ..shape } } else { shape }
    }

    /// Handles on the files that mark pixels as invalid.
    pub(crate) fn open_marks(&self) -> Result<Vec<marks::OpenMarks>, Error> {
        let fail = |reason| Error::Scene { path: self.path.clone(), reason };
        self.marks.iter().map(|marks| marks.open(&self.options.access).map_err(fail)).collect()
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

    /// The local files of a raster that marks pixels, or else of the scene. Those of virtual rasters within virtual rasters, which GDAL
    /// does not list, are among them.
    pub(crate) fn files_of(&self, marks: Option<&Marks>) -> Vec<PathBuf> {
        open::files(marks.map_or(self.opened.as_str(), Marks::path), &self.options.access)
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
