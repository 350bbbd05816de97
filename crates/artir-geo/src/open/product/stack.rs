//! Virtual rasters over the files of a product.

use std::{collections::BTreeMap, fmt::Write as _};

use gdal::{Dataset, raster::RasterBand};

use super::{ProductBand, ProductTile};
use crate::{
    error::Reason,
    ffi::{self, Crs, Of},
};

/// Metadata domains of a tile that hold for the whole image.
const KEPT: [&str; 4] = ["", "IMD", "IMAGERY", "RPC"];

/// The document of a virtual raster over bands that lie in files of one grid. `open` opens one of them.
pub(crate) fn document(
    bands: &[ProductBand],
    metadata: &[(String, String)],
    open: &mut dyn FnMut(&ProductBand) -> Result<Dataset, Reason>,
) -> Result<String, Reason> {
    let mut out = String::new();
    let mut grid = None;
    for (i, band) in bands.iter().enumerate() {
        let dataset = open(band)?;
        let this = (dataset.raster_size(), ffi::geotransform(&dataset));
        if *grid.get_or_insert(this) != this {
            return Err(format!("its band {} has another grid than {}", band.name, bands[0].name).into());
        }
        let first = dataset.rasterband(1)?;
        if i == 0 {
            start(&mut out, this.0, this.1, &dataset);
            out += "<Metadata>";
            metadata.iter().for_each(|(key, value)| item(&mut out, key, value));
            out += "</Metadata>";
        }
        let named = [
            ("BANDNAME", band.name.clone()),
            ("WAVELENGTH", band.wavelength.to_string()),
            ("WAVELENGTH_UNIT", "nm".into()),
        ];
        let [scale, offset] = [band.scale, band.offset];
        start_band(&mut out, &first, i + 1, &named);
        write(
            &mut out,
            format_args!(
                "<Description>{}</Description><NoDataValue>0</NoDataValue><Scale>{scale:?}</Scale>\
                 <Offset>{offset:?}</Offset><ColorInterp>{}</ColorInterp>",
                escaped(&band.name),
                band.colour.unwrap_or("Undefined")
            ),
        );
        source(&mut out, path(&band.path)?, &first, 1, [0, 0]);
        out += "</VRTRasterBand>";
    }
    Ok(out + "</VRTDataset>")
}

/// The document of a virtual raster over tiles that lie side by side, each with all bands. `open` opens one of them.
pub(crate) fn mosaic(
    tiles: &[ProductTile],
    open: &mut dyn FnMut(&ProductTile) -> Result<Dataset, Reason>,
) -> Result<String, Reason> {
    let mut opened = Vec::new();
    // Heights of the rows of tiles and widths of their columns.
    let mut extents = [BTreeMap::new(), BTreeMap::new()];
    for tile in tiles {
        let dataset = open(tile)?;
        let (columns, rows) = dataset.raster_size();
        for (extents, (at, extent)) in extents.iter_mut().zip([(tile.at[0], rows), (tile.at[1], columns)]) {
            if *extents.entry(at).or_insert(extent) != extent {
                return Err("its tiles have sizes that do not fit together".into());
            }
        }
        opened.push((tile, dataset));
    }
    opened.sort_by_key(|(tile, _)| tile.at);
    let [heights, widths] = extents;
    let before = |extents: &BTreeMap<usize, usize>, at: usize| extents.range(..at).map(|(_, n)| n).sum::<usize>();
    let whole = |extents: &BTreeMap<usize, usize>| {
        // A row or a column without any tile has no extent that is known.
        let complete = extents.keys().copied().eq(0..extents.len());
        if complete { Ok(extents.values().sum::<usize>()) } else { Err(Reason::from("it lacks tiles of its image")) }
    };
    let size = (whole(&widths)?, whole(&heights)?);
    let place = |tile: &ProductTile| [before(&widths, tile.at[1]), before(&heights, tile.at[0])];
    let Some((_, first)) = opened.first() else { return Err("it has no tiles".into()) };
    let grid = |(tile, dataset): &(&ProductTile, Dataset)| {
        let [x, y] = place(tile).map(|n| n as f64);
        ffi::geotransform(dataset)
            .map(|g| [g[0] - x * g[1] - y * g[2], g[1], g[2], g[3] - x * g[4] - y * g[5], g[4], g[5]])
    };
    let whole_grid = opened.first().and_then(grid);
    let fits = |other: Option<[f64; 6]>| match (whole_grid, other) {
        (Some(a), Some(b)) => {
            // A hundredth of a pixel at the origin, and over the whole image.
            let pixel = a[1].hypot(a[4]).max(f64::MIN_POSITIVE);
            let reach = size.0.max(size.1) as f64;
            let near = |i: usize, scale: f64| ((a[i] - b[i]) * scale).abs() < 0.01 * pixel;
            near(0, 1.0) && near(3, 1.0) && [1, 2, 4, 5].iter().all(|i| near(*i, reach))
        }
        (a, b) => a.is_none() && b.is_none(),
    };
    let kinds = |dataset: &Dataset| -> gdal::errors::Result<Vec<u32>> {
        (1..=dataset.raster_count()).map(|i| Ok(ffi::type_number(&dataset.rasterband(i)?))).collect()
    };
    for one in &opened {
        if !fits(grid(one)) || kinds(&one.1)? != kinds(first)? {
            return Err("its tiles do not lie on one grid, or have other bands".into());
        }
    }
    let mut out = String::new();
    start(&mut out, size, whole_grid, first);
    for domain in KEPT {
        let items = ffi::Object::dataset(first).domain(domain);
        write(&mut out, format_args!("<Metadata domain=\"{domain}\">"));
        items.iter().filter_map(|i| i.split_once('=')).for_each(|(key, value)| item(&mut out, key, value));
        out += "</Metadata>";
    }
    for number in 1..=first.raster_count() {
        let band = first.rasterband(number)?;
        start_band(&mut out, &band, number, &[]);
        if let Some(nodata) = band.no_data_value() {
            write(&mut out, format_args!("<NoDataValue>{nodata:?}</NoDataValue>"));
        }
        write(&mut out, format_args!("<ColorInterp>{}</ColorInterp>", ffi::colour_name(ffi::colour(&band))));
        for (tile, dataset) in &opened {
            source(&mut out, path(&tile.path)?, &dataset.rasterband(number)?, number, place(tile));
        }
        out += "</VRTRasterBand>";
    }
    Ok(out + "</VRTDataset>")
}

/// The beginning of a document: its size, and the grid and the reference system of a dataset.
fn start(out: &mut String, (columns, rows): (usize, usize), grid: Option<[f64; 6]>, dataset: &Dataset) {
    write(out, format_args!("<VRTDataset rasterXSize=\"{columns}\" rasterYSize=\"{rows}\">"));
    if let Some(Crs { wkt, axes, epoch }) = ffi::crs(dataset, Of::Grid) {
        *out += "<SRS";
        if !axes.is_empty() {
            // The first axis of many systems, such as EPSG:4326, is the latitude, and not x.
            let axes: Vec<String> = axes.iter().map(i32::to_string).collect();
            write(out, format_args!(" dataAxisToSRSAxisMapping=\"{}\"", axes.join(",")));
        }
        if epoch != 0.0 {
            write(out, format_args!(" coordinateEpoch=\"{epoch:?}\""));
        }
        write(out, format_args!(">{}</SRS>", escaped(&wkt)));
    }
    if let Some(g) = grid {
        let numbers: Vec<String> = g.iter().map(|v| format!("{v:?}")).collect();
        write(out, format_args!("<GeoTransform>{}</GeoTransform>", numbers.join(",")));
    }
}

/// The beginning of a band that is like another, with items of metadata.
fn start_band(out: &mut String, like: &RasterBand<'_>, number: usize, items: &[(&str, String)]) {
    let kind = ffi::type_name(ffi::type_number(like));
    write(out, format_args!("<VRTRasterBand dataType=\"{kind}\" band=\"{number}\"><Metadata>"));
    items.iter().for_each(|(key, value)| item(out, key, value));
    *out += "</Metadata>";
    if let Some(bits) = ffi::bits(like) {
        write(out, format_args!("<Metadata domain=\"IMAGE_STRUCTURE\"><MDI key=\"NBITS\">{bits}</MDI></Metadata>"));
    }
}

/// A band of a file as a source, with its first pixel at this column and row.
fn source(out: &mut String, path: &str, band: &RasterBand<'_>, number: usize, [x, y]: [usize; 2]) {
    let ((columns, rows), (width, height)) = (band.size(), band.block_size());
    let kind = ffi::type_name(ffi::type_number(band));
    write(
        out,
        format_args!(
            "<SimpleSource><SourceFilename relativeToVRT=\"0\">{}</SourceFilename><SourceBand>{number}</SourceBand>\
             <SourceProperties RasterXSize=\"{columns}\" RasterYSize=\"{rows}\" DataType=\"{kind}\" \
             BlockXSize=\"{width}\" BlockYSize=\"{height}\"/>\
             <SrcRect xOff=\"0\" yOff=\"0\" xSize=\"{columns}\" ySize=\"{rows}\"/>\
             <DstRect xOff=\"{x}\" yOff=\"{y}\" xSize=\"{columns}\" ySize=\"{rows}\"/></SimpleSource>",
            escaped(path)
        ),
    );
}

fn item(out: &mut String, key: &str, value: &str) {
    write(out, format_args!("<MDI key=\"{}\">{}</MDI>", escaped(key), escaped(value)));
}

fn path(path: &std::path::Path) -> Result<&str, Reason> {
    path.to_str().ok_or_else(|| "its path is not UTF-8, which GDAL needs".into())
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// Text as XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
