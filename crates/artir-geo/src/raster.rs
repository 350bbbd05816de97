//! A scene: its restored bands, its valid pixels, and checks for data that restoring would damage.

use std::path::Path;

use artir_core::{Card, Shape};
use gdal::{
    Dataset, Metadata,
    raster::{Buffer, ColorInterpretation, RasterBand},
};
use ndarray::Array3;

use crate::{
    Error, WriteOptions, bands,
    description::Description,
    ffi,
    interval::{Interval, RangeChoice},
    open::{self, Access, Opened, without_path},
    rehearse::{self, check_model},
    samples::{Planes, on_planes},
    tiff::Tags,
};

/// Options for opening a scene.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// The bands to restore, counted from 1 (red, green, blue), if colour interpretation is missing.
    pub bands: Option<Vec<usize>>,
    /// The rule for black and white.
    pub range: RangeChoice,
    /// Files and networks that the scene may access.
    pub access: Access,
}

/// Bytes of GDAL's block cache; its default, a share of the machine's memory, is too large.
pub(crate) const CACHE_BYTES: u64 = 64 << 20;
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

/// Marks of invalid pixels other than nodata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Nodata,
    /// A mask that all bands share.
    Mask,
    /// A band of opacity, counted from 1.
    Alpha(usize),
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

    fn try_open(path: &str, options: &OpenOptions) -> Result<Self, String> {
        ffi::set_cache(CACHE_BYTES as i64);
        let Opened { dataset, name } = open::open(path, &options.access)?;
        let (columns, rows) = dataset.raster_size();
        if columns == 0 || rows == 0 || dataset.raster_count() == 0 {
            return Err("it has no raster bands".into());
        }
        if !ffi::Object::dataset(&dataset).domain("SUBDATASETS").is_empty() && open::driver(&dataset) == "GTiff" {
            return Err("it has subdatasets (several images), of which only one would be kept".into());
        }
        check_plausible(&dataset, path)?;
        let bands = bands::find(&dataset, options.bands.as_deref())?;
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
            block: dataset.rasterband(bands[0]).map_err(|e| e.to_string())?.block_size(),
            interval: Interval { lo: 0.0, hi: 1.0 },
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

    fn find_interval(&self, choice: RangeChoice) -> Result<Interval, String> {
        let fixed =
            |lo, hi| Interval::new(lo, hi).ok_or("--range: the second value must be above the first".to_owned());
        match choice {
            RangeChoice::Interval([lo, hi]) => fixed(lo, hi),
            RangeChoice::Reflectance => fixed(0.0, 10_000.0),
            RangeChoice::Auto if self.info.kind() == gdal_sys::GDALDataType::GDT_Byte => fixed(0.0, 255.0),
            RangeChoice::Auto | RangeChoice::Percentile => self.percentiles(),
        }
    }

    fn percentiles(&self) -> Result<Interval, String> {
        let (columns, rows) = self.dataset.raster_size();
        let out = (columns.min(SAMPLE), rows.min(SAMPLE));
        let mut planes = self.info.planes();
        let mut valid = vec![true; out.0 * out.1];
        for band in &self.info.bands {
            let band = self.dataset.rasterband(*band).map_err(|e| e.to_string())?;
            planes
                .read_decimated(&band, out)
                .map_err(|why| format!("its pixels: {}", without_path(&why, &self.info.path)))?;
        }
        read_mask(&self.dataset, self.info.bands[0], self.info.validity, (0, 0), (columns, rows), out, &mut valid)?;
        on_planes!(&planes, p => bands::mark_valid(p, &self.info.nodata, &mut valid));
        // A scene with one value, or none, has nothing to restore, so any interval works.
        Ok(Interval::of_sample(&planes, self.info.bands.len(), &valid).unwrap_or(Interval { lo: 0.0, hi: 1.0 }))
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
    pub(crate) fn unreadable(&self, why: &str) -> Error {
        Error::Scene { path: self.path.clone(), reason: format!("its pixels: {}", without_path(why, &self.path)) }
    }
}

/// A raster's metadata as JSON, with the bands that a model would restore, or the reason for a refusal.
///
/// # Errors
/// [`Error::Scene`] when GDAL cannot open it.
pub fn inspect_raster(
    path: &str,
    options: &OpenOptions,
    card: &Card,
    write: &WriteOptions,
) -> Result<serde_json::Value, Error> {
    let fail = |reason: String| Error::Scene { path: path.to_owned(), reason };
    let refused = match Scene::open(path, options) {
        Ok(scene) => {
            let fit = check_model(&scene, card);
            let fit = fit.and_then(|()| rehearse::form(&scene, write).map_err(fail));
            let mut out = inspect(&scene.dataset, &scene.info.description, fit.is_ok().then_some(&scene.info));
            match fit {
                Ok(()) => {}
                Err(Error::Scene { reason, .. }) => out["refused"] = reason.into(),
                Err(e) => return Err(e),
            }
            return Ok(out);
        }
        Err(Error::Scene { reason, .. }) => reason,
        Err(e) => return Err(e),
    };
    let Opened { dataset, .. } = open::open(path, &options.access).map_err(fail)?;
    let description = Description::of(&dataset).map_err(fail)?;
    let mut out = inspect(&dataset, &description, None);
    out["refused"] = refused.into();
    Ok(out)
}

fn inspect(dataset: &Dataset, description: &Description, scene: Option<&SceneInfo>) -> serde_json::Value {
    let mut out = description.json();
    let structure = |key: &str| open::structure(dataset, key);
    out["driver"] = open::driver(dataset).into();
    out["compression"] = structure("COMPRESSION").into();
    out["interleave"] = structure("INTERLEAVE").into();
    out["block"] = dataset.rasterband(1).ok().map(|b| <[usize; 2]>::from(b.block_size())).into_iter().collect();
    if let Some(scene) = scene {
        out["restores"] = serde_json::json!({
            "bands": scene.bands,
            "range": [scene.interval.lo, scene.interval.hi],
            "validity": match scene.validity {
                Validity::Nodata => "nodata".to_owned(),
                Validity::Mask => "mask".into(),
                Validity::Alpha(band) => format!("alpha, band {band}"),
            },
        });
    }
    out
}

/// The red, green and blue band of an 8-bit scene, `[channel, row, column]`.
///
/// # Errors
/// As for [`Scene::open`], and for scenes of other types.
pub fn read_rgb(path: &Path) -> Result<Array3<u8>, Error> {
    let name = path.display().to_string();
    let scene = Scene::open(&name, &OpenOptions::default())?;
    let Shape { rows, columns, .. } = scene.shape();
    let fail = |reason: &str| Error::Scene { path: name.clone(), reason: reason.to_owned() };
    let mut planes = scene.info.planes();
    let all = ffi::RawRows { row: 0, rows, columns };
    planes.read_rows(&scene.dataset, &scene.info.bands, &all).map_err(|why| scene.info.unreadable(&why))?;
    match planes {
        Planes::U8(planes) if planes.len() == 3 => {
            Array3::from_shape_vec((3, rows, columns), planes.concat()).map_err(|e| fail(&e.to_string()))
        }
        _ => Err(fail("not an 8-bit image of three bands")),
    }
}

/// Checks a header's claimed size against the bytes of the file, unless the file is sparse.
fn check_plausible(dataset: &Dataset, path: &str) -> Result<(), String> {
    let (columns, rows) = dataset.raster_size();
    let first = dataset.rasterband(1).map_err(|e| e.to_string())?;
    let (width, height) = first.block_size();
    let bytes = ffi::type_bytes(ffi::type_number(&first)).max(1);
    let block = width.saturating_mul(height).saturating_mul(bytes);
    if block > 1 << 30 {
        return Err(format!("its blocks have {width}x{height} pixels, more than can be read at a time"));
    }
    if columns.checked_mul(rows).is_none_or(|n| n > 1 << 40) {
        return Err(format!("a raster of {columns}x{rows} pixels"));
    }
    // The most that any codec of GDAL expands its input by is about a thousand.
    let Ok(file) = std::fs::metadata(path) else { return Ok(()) };
    let claimed = columns as u64 * rows as u64 / 8 * dataset.raster_count() as u64;
    if open::driver(dataset) == "GTiff" && claimed > (64 << 20) && claimed / 4096 > file.len() {
        return Err(format!("its header claims {columns}x{rows} pixels, but the file has {} bytes", file.len()));
    }
    Ok(())
}

/// Refuses scenes with data that restoring would damage.
fn refuse_unfit(dataset: &Dataset, restored: &[usize]) -> Result<(), String> {
    let kind = |i: usize| dataset.rasterband(i).map(|b| ffi::type_number(&b)).map_err(|e| e.to_string());
    let first = kind(restored[0])?;
    for i in 1..=dataset.raster_count() {
        let this = kind(i)?;
        let name = ffi::type_name(this);
        if this != first {
            return Err(format!(
                "its bands have several types ({} and {name}), which one GeoTIFF cannot hold",
                ffi::type_name(first)
            ));
        }
        let band = dataset.rasterband(i).map_err(|e| e.to_string())?;
        let structure = |key: &str| band.metadata_item(key, "IMAGE_STRUCTURE");
        if let Some(bits) = structure("NBITS") {
            return Err(format!("band {i} is bit-packed ({bits} bits a value)"));
        }
        if structure("PIXELTYPE").is_some() {
            return Err(format!("band {i} holds signed bytes, which cannot be restored"));
        }
        let flags = band.mask_flags().map_err(|e| e.to_string())?;
        if !flags.is_all_valid() && !flags.is_per_dataset() && !flags.is_nodata() {
            return Err(format!("band {i} has a mask of its own"));
        }
        if !restored.contains(&i) {
            continue;
        }
        if Planes::of_type(this).is_none() {
            let complex = name.starts_with('C');
            return Err(format!(
                "band {i} holds {} values ({name}), which cannot be restored",
                if complex { "complex" } else { "64-bit integer" }
            ));
        }
        if !ffi::colour_table(&band).is_empty() {
            return Err(format!("band {i} has a colour table (palette), whose indices cannot be restored"));
        }
        if !ffi::categories(&band).is_empty() {
            return Err(format!("band {i} holds categories, which cannot be restored"));
        }
    }
    Ok(())
}

/// Finds the mask or alpha band that marks valid pixels. NAIP products tag near infrared as alpha, although it is not.
/// Real opacity is 0 or full nearly everywhere, reflectance is not.
fn validity(dataset: &Dataset, restored: &[usize]) -> Result<Validity, String> {
    let first = dataset.rasterband(restored[0]).map_err(|e| e.to_string())?;
    let flags = first.mask_flags().map_err(|e| e.to_string())?;
    if flags.is_per_dataset() && !flags.is_alpha() && !flags.is_nodata() {
        return Ok(Validity::Mask);
    }
    let alpha = ColorInterpretation::AlphaBand.c_int();
    for i in (1..=dataset.raster_count()).filter(|i| !restored.contains(i)) {
        let band = dataset.rasterband(i).map_err(|e| e.to_string())?;
        if ffi::colour(&band) == alpha && is_opacity(dataset, &band)? {
            return Ok(Validity::Alpha(i));
        }
    }
    Ok(Validity::Nodata)
}

fn is_opacity(dataset: &Dataset, band: &RasterBand<'_>) -> Result<bool, String> {
    let (columns, rows) = dataset.raster_size();
    let out = (columns.min(512), rows.min(512));
    let sample: Buffer<f64> = ffi::checked(|| band.read_as((0, 0), (columns, rows), out, None))?;
    let full = sample.data().iter().fold(0.0, |a: f64, v| a.max(*v));
    let extreme = sample.data().iter().filter(|v| **v == 0.0 || **v == full).count();
    // Reflectance is 0 or at its largest in few pixels.
    Ok(extreme * 2 > sample.data().len())
}

/// Clears `valid` where mask or alpha mark a pixel as invalid.
pub(crate) fn read_mask(
    dataset: &Dataset,
    band: usize,
    validity: Validity,
    at: (usize, usize),
    size: (usize, usize),
    out: (usize, usize),
    valid: &mut [bool],
) -> Result<(), String> {
    let text = |e: gdal::errors::GdalError| e.to_string();
    let (number, of_mask) = match validity {
        Validity::Nodata => return Ok(()),
        Validity::Mask => (band, true),
        Validity::Alpha(alpha) => (alpha, false),
    };
    let band = dataset.rasterband(number).map_err(text)?;
    let offset = (at.0 as isize, at.1 as isize);
    // Alpha has the scene's type, and any opacity counts.
    let buffer: Buffer<f32> = ffi::checked(|| {
        if of_mask {
            band.open_mask_band()?.read_as(offset, size, out, None)
        } else {
            band.read_as(offset, size, out, None)
        }
    })?;
    for (ok, v) in valid.iter_mut().zip(buffer.data()) {
        *ok &= *v != 0.0;
    }
    Ok(())
}

/// Whether a local path names the same file as another.
pub(crate) fn same_file(a: &str, b: &Path) -> bool {
    matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
