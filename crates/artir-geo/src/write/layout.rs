//! The layout of the result: that of its source, unless it is lossy or the user overrides it.

use std::path::Path;

use gdal::{
    Dataset, DriverManager,
    raster::{ColorInterpretation, GdalType, RasterCreationOptions},
};

use super::{
    creation::{check, check_together, is_yes},
    options::{CreationOption, Format, WriteOptions},
};
use crate::{
    error::Reason,
    ffi,
    open::drivers::{driver, structure},
    scene::{MOST_BYTES, Scene, description::Description},
    values::samples::on_planes,
};

/// Options of GDAL's GTiff driver, as `KEY=VALUE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout(Vec<(String, String)>);

/// Lossless compressions that every GDAL build can write, by GDAL's name.
const LOSSLESS: [&str; 5] = ["LZW", "PACKBITS", "ZSTD", "DEFLATE", "LZMA"];

impl Layout {
    /// The scene's layout, overridden by the user's options.
    pub(crate) fn of(scene: &Scene, options: &WriteOptions, format: Format) -> Result<Self, Reason> {
        // Options for another driver come into play when it copies the file.
        let creation: &[CreationOption] = if format.is_copied() { &[] } else { &options.creation };
        let mut out = Self::default();
        let source = &scene.dataset;
        let compression = compression(scene);
        out.set("COMPRESS", compression);
        let tags = scene.info.tags.unwrap_or_default();
        if let Some(predictor) = tags.predictor.filter(|p| matches!(p, 2 | 3) && can_predict(compression)) {
            out.set("PREDICTOR", &predictor.to_string());
        }
        out.set("BIGTIFF", if tags.big { "YES" } else { "IF_SAFER" });
        // The haze of other bands is found in rows of the target that were just written. GDAL 3.6 crashes when a file is read
        // while its threads compress it.
        if compression != "NONE" && !options.all_bands {
            out.set("NUM_THREADS", &if options.threads == 0 { "ALL_CPUS".into() } else { options.threads.to_string() });
        }
        let pixel = structure(source, "INTERLEAVE").as_deref() == Some("PIXEL");
        // Other bands are written after red, green and blue. In blocks of all bands, compressed ones would be written twice.
        out.set("INTERLEAVE", if pixel && !options.all_bands { "PIXEL" } else { "BAND" });
        if scene.info.kind() == ffi::SIGNED_BYTE && !ffi::has_signed_byte() {
            out.set("PIXELTYPE", "SIGNEDBYTE");
        }
        if scene.info.has_holes && scene.info.description.shares_nodata() {
            // What the source does not hold takes no place in the result. Where the bands' nodata values differ, the TIFF has none
            // while it is written: GDAL would leave out blocks of real zeros, which would then read as nodata.
            out.set("SPARSE_OK", "TRUE");
        }
        out.photometric(scene);
        out.negative(scene);
        out.blocks(scene);
        for option in creation {
            // What the scene has is fine, whatever it is.
            if out.get(option.key()).is_none_or(|own| !own.eq_ignore_ascii_case(option.value())) {
                check(Format::GeoTiff, option)?;
                out.set(option.key(), option.value());
            }
        }
        out.tiles_of_strips(creation);
        if !format.is_copied() {
            check_together(&scene.info.description, format, &out.0)?;
        }
        if options.all_bands {
            // Also over the user's option and GDAL_NUM_THREADS, for the reason above.
            out.set("NUM_THREADS", "1");
        }
        Ok(out)
    }

    /// The height of the source's strips is no tile's when the user asks for tiles and names no size.
    fn tiles_of_strips(&mut self, creation: &[CreationOption]) {
        let tiled = self.get("TILED").is_some_and(is_yes);
        if !tiled {
            return;
        }
        self.0.retain(|(key, value)| {
            let size = matches!(key.as_str(), "BLOCKXSIZE" | "BLOCKYSIZE");
            let asked = creation.iter().any(|option| option.key() == key);
            !size || asked || value.parse::<usize>().is_ok_and(|n| n % 16 == 0)
        });
    }

    fn set(&mut self, key: &str, value: &str) {
        let key = key.to_ascii_uppercase();
        self.0.retain(|(k, _)| *k != key);
        self.0.push((key, value.to_owned()));
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Sets the photometric interpretation from the source. Otherwise GDAL assumes that three bands are red, green and blue.
    fn photometric(&mut self, scene: &Scene) {
        let colours: Vec<u32> = scene.info.description.bands.iter().map(|b| b.colour).collect();
        let is = |i: usize, wanted: ColorInterpretation| colours.get(i) == Some(&wanted.c_int());
        let rgb = is(0, ColorInterpretation::RedBand)
            && is(1, ColorInterpretation::GreenBand)
            && is(2, ColorInterpretation::BlueBand);
        let tag = scene.info.tags.and_then(|t| t.photometric);
        self.set(
            "PHOTOMETRIC",
            match tag {
                _ if rgb => "RGB",
                Some(0) => "MINISWHITE",
                Some(5) if colours.len() >= 4 => "CMYK",
                _ => "MINISBLACK",
            },
        );
        let alpha = (0..colours.len()).any(|i| is(i, ColorInterpretation::AlphaBand));
        self.set(
            "ALPHA",
            match (alpha, scene.info.tags.and_then(|t| t.extra_sample)) {
                (true, Some(1)) => "PREMULTIPLIED",
                (true, _) => "NON-PREMULTIPLIED",
                (false, _) => "NO",
            },
        );
    }

    /// Of a band of few bits whose 0 is white, the black is the largest value of those bits, not of the type.
    fn negative(&mut self, scene: &Scene) {
        let first = &scene.info.description.bands[0];
        if let Some(bits) = first.bits.filter(|_| first.white_is_zero) {
            self.set("NBITS", &bits.to_string());
            self.0.retain(|(key, _)| key != "PREDICTOR");
        }
    }

    fn blocks(&mut self, scene: &Scene) {
        let (columns, rows) = scene.info.description.size;
        let (width, height) = scene.info.block;
        match scene.info.tags {
            // One row of such blocks would not fit where memory is to be bounded.
            _ if scene.info.row_of_blocks(height) > MOST_BYTES => self.tiles(256, 256),
            Some(tags) if tags.tiled && width % 16 == 0 && height % 16 == 0 => self.tiles(width, height),
            Some(tags) if !tags.tiled && height <= rows => self.set("BLOCKYSIZE", &height.to_string()),
            // Formats without strips are read by tiles best.
            None if columns.min(rows) >= 1024 => self.tiles(256, 256),
            _ => {}
        }
    }

    fn tiles(&mut self, width: usize, height: usize) {
        self.set("TILED", "YES");
        self.set("BLOCKXSIZE", &width.to_string());
        self.set("BLOCKYSIZE", &height.to_string());
    }

    /// The layout of a file that is only copied again: fast to write, and as small as that allows.
    pub(crate) fn intermediate(mut self) -> Self {
        self.set("COMPRESS", "NONE");
        self.0.retain(|(k, _)| !matches!(k.as_str(), "PREDICTOR" | "NUM_THREADS"));
        self.set("BIGTIFF", "IF_SAFER");
        // The COG driver keeps it, and calls a file of separate planes no COG.
        self.set("INTERLEAVE", "PIXEL");
        self.tiles(512, 512);
        self
    }

    /// The same layout without any block, for a file that is only to be compared.
    pub(crate) fn empty(mut self) -> Self {
        self.set("SPARSE_OK", "TRUE");
        self
    }

    /// Creates the file with the description's size.
    pub(crate) fn create(&self, scene: &Scene, description: &Description, path: &Path) -> Result<Dataset, Reason> {
        fn typed<T: GdalType>(
            _: &[Vec<T>],
            path: &Path,
            (columns, rows): (usize, usize),
            count: usize,
            options: &RasterCreationOptions,
        ) -> gdal::errors::Result<Dataset> {
            let driver = DriverManager::get_driver_by_name("GTiff")?;
            ffi::create(&driver, path, (columns, rows), count, T::gdal_ordinal(), options)
        }
        let options = to_options(&self.0)?;
        let (size, count) = (description.size, description.bands.len());
        ffi::checked(|| on_planes!(&scene.info.planes(), p => typed(p, path, size, count, &options)))
    }

    /// Rows of a block.
    pub(crate) fn block_rows(&self) -> usize {
        self.get("BLOCKYSIZE").and_then(|v| v.parse().ok()).unwrap_or(1)
    }
}

/// The format of a scene's result.
pub(crate) fn format(scene: &Scene, options: &WriteOptions) -> Format {
    match options.format {
        Format::LikeSource if structure(&scene.dataset, "LAYOUT").as_deref() == Some("COG") => Format::Cog,
        Format::LikeSource => Format::GeoTiff,
        other => other,
    }
}

/// Pairs as the gdal crate takes them.
pub(crate) fn to_options(pairs: &[(String, String)]) -> gdal::errors::Result<RasterCreationOptions> {
    let mut out = RasterCreationOptions::new();
    for (key, value) in pairs {
        out.add_name_value(key, value)?;
    }
    Ok(out)
}

/// The source's compression, or DEFLATE in place of a lossy one.
pub(crate) fn compression(scene: &Scene) -> &'static str {
    let name = structure(&scene.dataset, "COMPRESSION");
    let known = |name: &str| LOSSLESS.into_iter().find(|n| *n == name);
    match name.as_deref() {
        None if driver(&scene.dataset) == "GTiff" => "NONE",
        None => "DEFLATE",
        Some(name) => known(name).unwrap_or_else(|| {
            tracing::info!("the source is compressed with {name}, which is lossy or rare: writing DEFLATE");
            "DEFLATE"
        }),
    }
}

/// Whether a compression takes differences of neighbouring values.
pub(crate) fn can_predict(compression: &str) -> bool {
    matches!(compression, "LZW" | "ZSTD" | "DEFLATE")
}
