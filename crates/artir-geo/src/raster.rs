//! Opening a scene, and refusing what this version would damage.

use std::path::Path;

use artir_core::{Image, Shape, Source, Window};
use gdal::{
    Dataset, DatasetOptions, GdalOpenFlags, Metadata,
    raster::{Buffer, ColorInterpretation, GdalDataType},
};
use ndarray::{Array2, Array3};

use crate::{Error, bands, ffi};

/// How a scene is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Red, green and blue band, counted from 1, where colour interpretation does not say.
    pub bands: Option<[usize; 3]>,
    /// Allow paths that GDAL reads over a network.
    pub allow_remote: bool,
}

/// Bytes of GDAL's block cache; its own default, a share of the machine's memory, is no bound.
const CACHE_BYTES: i64 = 64 << 20;
/// Path prefixes that GDAL reads over a network.
const REMOTE: [&str; 9] =
    ["/vsicurl", "/vsis3", "/vsigs", "/vsiaz", "/vsiadls", "/vsioss", "/vsiswift", "/vsiwebhdfs", "/vsihdfs"];

/// An opened scene that this version can restore without damage.
pub struct Scene {
    pub(crate) dataset: Dataset,
    pub(crate) path: String,
    pub(crate) rgb: [usize; 3],
    pub(crate) nodata: [Option<u8>; 3],
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("rgb", &self.rgb).field("nodata", &self.nodata).finish_non_exhaustive()
    }
}

impl Scene {
    /// Opens a scene.
    ///
    /// # Errors
    /// [`Error::Scene`] with the reason: not a raster, or something that would be damaged, by name.
    pub fn open(path: &str, options: &OpenOptions) -> Result<Self, Error> {
        Self::try_open(path, options).map_err(|reason| Error::Scene { path: path.to_owned(), reason })
    }

    fn try_open(path: &str, options: &OpenOptions) -> Result<Self, String> {
        let remote = path.contains("://") || REMOTE.iter().any(|prefix| path.contains(prefix));
        if remote && !options.allow_remote {
            return Err("lies on a network: use --allow-remote".into());
        }
        if !path.starts_with("/vsi") && !remote {
            std::fs::metadata(path).map_err(|e| e.to_string())?;
        }
        quiet();
        ffi::set_cache(CACHE_BYTES);
        let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
        let how = DatasetOptions { open_flags: flags, ..DatasetOptions::default() };
        let (opened, noted) = ffi::watch(|| Dataset::open_ex(path, how));
        let dataset = opened.map_err(|_| match noted {
            Some(message) => format!("GDAL cannot open it: {}", without_path(&message, path)),
            None => "GDAL cannot open it".into(),
        })?;
        refuse_unfit(&dataset)?;
        let rgb = bands::find_rgb(&dataset, options.bands)?;
        let nodata = nodata(&dataset, rgb)?;
        Ok(Self { dataset, path: path.to_owned(), rgb, nodata })
    }

    /// The scene's extent, with three channels.
    pub fn shape(&self) -> Shape {
        let (columns, rows) = self.dataset.raster_size();
        Shape { channels: 3, rows, columns }
    }

    /// The red, green and blue band, counted from 1.
    pub fn rgb_bands(&self) -> [usize; 3] {
        self.rgb
    }

    /// One window of one band.
    pub(crate) fn read_band(&self, band: usize, w: Window) -> Result<Vec<u8>, Error> {
        let fail = |why: String| Error::Scene { path: self.path.clone(), reason: format!("its pixels: {why}") };
        let size = (w.columns, w.rows);
        let read = || -> gdal::errors::Result<Buffer<u8>> {
            self.dataset.rasterband(band)?.read_as::<u8>((w.column as isize, w.row as isize), size, size, None)
        };
        let (buffer, noted) = ffi::watch(read);
        let buffer = buffer.map_err(|_| fail(noted.clone().unwrap_or_else(|| "cannot be read".into())))?;
        // A damaged block can be filled with zeros and only noted as an error.
        match noted {
            Some(message) => Err(fail(without_path(&message, &self.path))),
            None => Ok(buffer.data().to_vec()),
        }
    }
}

/// The red, green and blue band of a scene, `[channel, row, column]`.
///
/// # Errors
/// As for [`Scene::open`].
pub fn read_rgb(path: &Path) -> Result<Array3<u8>, Error> {
    let name = path.display().to_string();
    let scene = Scene::open(&name, &OpenOptions::default())?;
    let Shape { rows, columns, .. } = scene.shape();
    let all = Window { row: 0, column: 0, rows, columns };
    let mut out = Vec::with_capacity(3 * rows * columns);
    for band in scene.rgb {
        out.extend(scene.read_band(band, all)?);
    }
    Array3::from_shape_vec((3, rows, columns), out).map_err(|e| Error::Scene { path: name, reason: e.to_string() })
}

/// Sends GDAL's own messages nowhere; those that matter are asked for.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| gdal::config::set_error_handler(|_, _, _| {}));
}

/// GDAL's message without the path, which stands in the error already.
fn without_path(message: &str, path: &str) -> String {
    message.replace(path, "the file").replace('\n', " ")
}

/// Names what this version would damage.
fn refuse_unfit(dataset: &Dataset) -> Result<(), String> {
    let driver = dataset.driver().short_name();
    if driver != "GTiff" {
        return Err(format!("a {driver} raster: this version reads GeoTIFF"));
    }
    let (columns, rows) = dataset.raster_size();
    if columns == 0 || rows == 0 || dataset.raster_count() == 0 {
        return Err("it has no raster bands".into());
    }
    if !dataset.gcps().is_empty() {
        return Err("it is georeferenced by ground control points, which this version does not carry over".into());
    }
    let object = ffi::Object::dataset(dataset);
    for (domain, what) in [
        ("RPC", "rational polynomial coefficients (RPC)"),
        ("GEOLOCATION", "geolocation arrays"),
        ("SUBDATASETS", "subdatasets"),
    ] {
        if !object.domain(domain).is_empty() {
            return Err(format!("it has {what}, which this version does not carry over"));
        }
    }
    for i in 1..=dataset.raster_count() {
        let band = dataset.rasterband(i).map_err(|e| e.to_string())?;
        let kind = band.band_type();
        if kind != GdalDataType::UInt8 {
            return Err(format!("band {i} holds {kind} values: this version restores 8-bit scenes"));
        }
        if band.metadata_item("NBITS", "IMAGE_STRUCTURE").is_some() {
            return Err(format!("band {i} is bit-packed (NBITS), which this version does not write"));
        }
        if band.metadata_item("PIXELTYPE", "IMAGE_STRUCTURE").is_some() {
            return Err(format!("band {i} holds signed bytes, which this version does not restore"));
        }
        if band.color_table().is_some() {
            return Err(format!("band {i} has a colour table (palette), which this version does not restore"));
        }
        refuse_mask(dataset, &band, i)?;
    }
    Ok(())
}

/// A mask band, or an alpha band that works as one. NAIP ships near infrared as a fourth band tagged alpha, which it
/// is not: opacity is 0 or 255 nearly everywhere, reflectance is not.
fn refuse_mask(dataset: &Dataset, band: &gdal::raster::RasterBand<'_>, number: usize) -> Result<(), String> {
    let flags = band.mask_flags().map_err(|e| e.to_string())?;
    if flags.is_per_dataset() && !flags.is_alpha() && !flags.is_nodata() {
        return Err("it has a mask of valid pixels, which this version does not carry over".into());
    }
    if band.color_interpretation() != ColorInterpretation::AlphaBand {
        return Ok(());
    }
    let (columns, rows) = dataset.raster_size();
    let small = (columns.min(512), rows.min(512));
    let sample = band.read_as::<u8>((0, 0), (columns, rows), small, None).map_err(|e| e.to_string())?;
    let data = sample.data();
    let extreme = data.iter().filter(|v| matches!(**v, 0 | 255)).count();
    if extreme * 2 > data.len() {
        return Err(format!("band {number} is an alpha band (opacity), which this version does not carry over"));
    }
    Ok(())
}

/// Nodata values of the three bands, as far as 8-bit pixels can hold them.
fn nodata(dataset: &Dataset, rgb: [usize; 3]) -> Result<[Option<u8>; 3], String> {
    let mut out = [None; 3];
    for (to, i) in out.iter_mut().zip(rgb) {
        let value = dataset.rasterband(i).map_err(|e| e.to_string())?.no_data_value();
        // A value that no pixel can hold (-9999) marks nothing, and is carried over all the same.
        *to = value.filter(|v| v.fract() == 0.0 && (0.0..=255.0).contains(v)).map(|v| v as u8);
    }
    Ok(out)
}

/// Hands a scene to the pipeline.
pub(crate) struct SceneSource<'a>(pub(crate) &'a Scene);

impl Source for SceneSource<'_> {
    type Error = Error;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&mut self, w: Window) -> Result<Image, Error> {
        let scene = self.0;
        let mut data = Array3::zeros((3, w.rows, w.columns));
        let mut invalid = Array2::from_elem((w.rows, w.columns), true);
        for ((mut plane, band), nodata) in data.outer_iter_mut().zip(scene.rgb).zip(scene.nodata) {
            let values = scene.read_band(band, w)?;
            for ((to, flag), v) in plane.iter_mut().zip(invalid.iter_mut()).zip(values) {
                *to = f32::from(v) / 255.0;
                *flag &= nodata == Some(v);
            }
        }
        let any = invalid.iter().any(|v| *v);
        Ok(Image { data, valid: any.then(|| invalid.mapv(|v| !v)) })
    }
}

/// Whether a local path names the same file as another.
pub(crate) fn same_file(a: &str, b: &Path) -> bool {
    matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
