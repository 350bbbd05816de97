//! One self-contained page that shows a scene before and after its restoration, the difference, and where it lies.
//!
//! The page carries its pictures and may load nothing: a Content-Security-Policy forbids every request, and admits one
//! style and one script by their hashes. It names files without their folders.

mod footprint;
mod grid;
mod map;
mod read;
mod stretch;

use std::path::Path;

use artir_page::{Inline, escape, fill, number, png};
use gdal::{Dataset, DatasetOptions, GdalOpenFlags};

use crate::{
    error::{Error, Reason},
    ffi,
    open::name::without_prefix,
    scene::check::is_white_zero,
};
use footprint::Crs;
pub(crate) use footprint::Footprint;
use map::{latitude, longitude};
use read::Picture;
use stretch::{Change, Stretch};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The long edge of a picture at most, px: more than most windows have, and three pictures still go by e-mail or chat.
const LONGEST: usize = 1600;

/// Bytes of GDAL's block cache; its own default, a share of the machine's memory, is no bound.
const CACHE_BYTES: i64 = 64 << 20;

/// The inputs of a preview.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Preview<'a> {
    /// The scene before, as GDAL opens it: a path or one of GDAL's own names (`/vsizip/...`).
    pub source: &'a str,
    /// The scene after, on the same pixels.
    pub result: &'a Path,
    /// The bands to show, counted from 1: red, green and blue, or one that is shown in grey.
    pub bands: &'a [usize],
    /// Name and version of the model.
    pub title: &'a str,
}

impl<'a> Preview<'a> {
    /// A preview of some bands, without a title.
    pub fn new(source: &'a str, result: &'a Path, bands: &'a [usize]) -> Self {
        Self { source, result, bands, title: "" }
    }

    /// Sets the name and the version of the model.
    pub fn with_title(mut self, title: &'a str) -> Self {
        self.title = title;
        self
    }
}

/// Writes one HTML page that holds everything it shows. The file appears under its name when it is complete; after an error
/// no new file is left, and an existing one is unchanged.
///
/// Both scenes are read once, a few megapixels at a time, and averaged to at most 1600 px on the long edge. Both are
/// shown on one linear scale: from the 2nd to the 98th percentile of the valid pixels of both. The footprint is in
/// longitude and latitude, degrees of EPSG:4326.
///
/// # Errors
/// [`Error::Exists`] for an existing page without `overwrite`. [`Error::Preview`] for a page that would replace a scene, other
/// than one or three bands, bands that are missing or complex, a result of another size, and errors of GDAL or the file
/// system.
pub fn write_preview(page: &Path, preview: &Preview<'_>, overwrite: bool) -> Result<(), Error> {
    let fail = |reason: Reason| Error::Preview { path: page.display().to_string(), reason };
    if page.symlink_metadata().is_ok() {
        if !overwrite {
            return Err(Error::Exists { path: page.display().to_string() });
        }
        let same = |other: &Path| matches!((page.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if same(Path::new(preview.source)) || same(preview.result) {
            return Err(fail("it is one of the scenes".into()));
        }
        if page.is_dir() {
            return Err(fail("it is a folder".into()));
        }
    }
    let html = html(preview).map_err(fail)?;
    artir_files::write_file(page, overwrite, html.as_bytes()).map_err(|e| fail(e.into()))
}

/// Opens a scene. The error holds GDAL's reason without the path, which the caller knows.
fn open(path: &Path, what: &str) -> Result<Dataset, Reason> {
    ffi::set_cache(CACHE_BYTES);
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let (opened, noted) =
        ffi::watch(|| Dataset::open_ex(path, DatasetOptions { open_flags: flags, ..DatasetOptions::default() }));
    opened.map_err(|_| {
        let reason = Reason::Gdal(noted.unwrap_or_else(|| "GDAL cannot open it".into()).replace('\n', " "));
        reason.without_path(&path.to_string_lossy()).of(what)
    })
}

/// The page of a preview.
fn html(preview: &Preview<'_>) -> Result<String, Reason> {
    let Preview { source, result, bands, title } = *preview;
    if !matches!(bands.len(), 1 | 3) {
        return Err(format!("a preview shows one band or three, not {}", bands.len()).into());
    }
    let before = open(Path::new(source), "the source")?;
    let after = open(&without_prefix(result), "the result")?;
    let (columns, rows) = before.raster_size();
    if after.raster_size() != (columns, rows) {
        return Err("the result has another size than the source".into());
    }
    let read = |dataset: &Dataset, what: &str, path: &Path| {
        Picture::read(dataset, bands, LONGEST).map_err(|why| why.without_path(&path.to_string_lossy()).of(what))
    };
    let footprint = Footprint::of(&before);
    let is_negative = bands == [1] && is_white_zero(&before, 1);
    let before = read(&before, "the source", Path::new(source))?;
    let after = read(&after, "the result", result)?;
    let stretch = Stretch::of(&[&before, &after]).map(|scale| if is_negative { scale.negative() } else { scale });
    let scale = stretch.unwrap_or(Stretch { black: 0.0, white: 1.0 });
    let change = Change::of(&before, &after, scale);
    let picture = |(kind, samples): (_, Vec<u8>)| png(before.size, kind, &samples);
    let numbers: Vec<String> = bands.iter().map(usize::to_string).collect();
    let decimals = decimals(change.range);
    let values = [
        ("title", escape(title)),
        ("source", escape(&file_name(source))),
        ("result", escape(&result.file_name().unwrap_or_default().to_string_lossy())),
        ("columns", columns.to_string()),
        ("rows", rows.to_string()),
        ("width", before.size.0.to_string()),
        ("height", before.size.1.to_string()),
        ("bands", format!("{} {}", if bands.len() == 1 { "band" } else { "bands" }, numbers.join(", "))),
        ("reduced", reduced(before.factor)),
        ("system", escape(&footprint.crs.as_ref().map_or("none".into(), Crs::short))),
        ("range", number(change.range, decimals)),
        ("mean", number(change.mean, decimals)),
        ("scale", scale_in_words(stretch, decimals)),
        ("direction", if is_negative { "before minus after, since 0 is white" } else { "after minus before" }.into()),
        ("place", place(&footprint)),
        ("before", picture(scale.picture(&before))?),
        ("after", picture(scale.picture(&after))?),
        ("difference", picture(change.picture())?),
    ];
    let inline = Inline::new(STYLE, SCRIPT);
    let values = values.iter().map(|(name, value)| (*name, value.as_str())).chain(inline.values());
    Ok(fill(PAGE, &values.collect::<Vec<_>>()))
}

/// A file's name without its folders. The query of an address is dropped, since it may contain a key. A product in several files
/// has its own name.
fn file_name(source: &str) -> String {
    if let Some(product) = crate::open::product_in_memory(source) {
        return product.to_owned();
    }
    let remote = source.contains("://") || source.starts_with("/vsi");
    let path = if remote { source.split('?').next().unwrap_or_default() } else { source };
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

/// Decimals that distinguish values a hundredth of this apart.
fn decimals(range: f64) -> usize {
    (2.0 - range.abs().log10()).ceil().clamp(0.0, 12.0) as usize
}

fn reduced(factor: usize) -> String {
    match factor {
        1 => "Each pixel of the pictures is one of the scene.".into(),
        n => format!("Each pixel of the pictures is the mean of {n} × {n} of the scene."),
    }
}

fn scale_in_words(stretch: Option<Stretch>, decimals: usize) -> String {
    let Some(Stretch { black, white }) = stretch else { return "Neither scene has valid pixels.".into() };
    let (to_black, to_white) = if white < black { ("more", "less") } else { ("less", "more") };
    format!(
        "Both scenes are shown on one scale, that of the 2nd to the 98th percentile of both: {} and {to_black} is black, {} and \
         {to_white} is white.",
        number(black, decimals),
        number(white, decimals)
    )
}

/// Where the scene lies: a map, a table of the corners, and remarks, as HTML.
fn place(footprint: &Footprint) -> String {
    let mut out = String::new();
    if !footprint.outline.is_empty() {
        out += &format!(
            "<figure class=\"map\">{}<figcaption>Outline of the scene, north up, longitude and latitude in EPSG:4326. The \
             dot marks the first pixel.</figcaption></figure>",
            map::svg(&footprint.outline)
        );
    }
    out += "<div class=\"info\">";
    let geographic = footprint.crs.as_ref().is_some_and(|crs| crs.geographic);
    let unit = footprint.crs.as_ref().map_or("unit".into(), |crs| escape(&crs.unit));
    let (places, fine) = if geographic { (8, 10) } else { (3, 6) };
    if let Some(crs) = &footprint.crs {
        let code = crs.code.as_ref().map_or(String::new(), |code| format!(" ({})", escape(code)));
        out += &format!("<p>Coordinate reference system: <b id=\"crs\">{}</b>{code}</p>", escape(&crs.name));
    }
    if let Some([column, row]) = footprint.spacing {
        out += &format!("<p>Pixel size: {} × {} {unit}</p>", number(column, fine), number(row, fine));
    }
    for note in &footprint.notes {
        out += &format!("<p class=\"note\">{}</p>", escape(note));
    }
    if !footprint.corners.is_empty() {
        out += &format!(
            "<table><thead><tr><th scope=\"col\">Corner as stored</th><th scope=\"col\">x, {unit}</th>\
             <th scope=\"col\">y, {unit}</th><th scope=\"col\">Longitude</th><th scope=\"col\">Latitude</th></tr></thead>\
             <tbody>"
        );
        for (name, corner) in ["Upper left", "Upper right", "Lower right", "Lower left"].iter().zip(&footprint.corners)
        {
            let [x, y] = corner.at.map(|v| number(v, places));
            let [lon, lat] =
                corner.lonlat.map_or(["–".into(), "–".into()], |[lon, lat]| [longitude(lon, 6), latitude(lat, 6)]);
            out +=
                &format!("<tr><th scope=\"row\">{name}</th><td>{x}</td><td>{y}</td><td>{lon}</td><td>{lat}</td></tr>");
        }
        out += "</tbody></table>";
    }
    out + "</div>"
}

#[cfg(test)]
mod tests;
