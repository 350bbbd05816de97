//! A virtual raster over the files of a product's bands.

use std::fmt::Write as _;

use gdal::Dataset;

use super::ProductBand;
use crate::{error::Reason, ffi};

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
        let (columns, rows) = dataset.raster_size();
        if i == 0 {
            write(&mut out, format_args!("<VRTDataset rasterXSize=\"{columns}\" rasterYSize=\"{rows}\">"));
            if let Ok(wkt) = dataset.spatial_ref().and_then(|crs| crs.to_wkt()) {
                write(&mut out, format_args!("<SRS dataAxisToSRSAxisMapping=\"1,2\">{}</SRS>", escaped(&wkt)));
            }
            if let Some(g) = ffi::geotransform(&dataset) {
                let numbers: Vec<String> = g.iter().map(|v| format!("{v:?}")).collect();
                write(&mut out, format_args!("<GeoTransform>{}</GeoTransform>", numbers.join(",")));
            }
            out += "<Metadata>";
            for (key, value) in metadata {
                write(&mut out, format_args!("<MDI key=\"{}\">{}</MDI>", escaped(key), escaped(value)));
            }
            out += "</Metadata>";
        }
        let kind = ffi::type_name(ffi::type_number(&first));
        let (width, height) = first.block_size();
        write(&mut out, format_args!("<VRTRasterBand dataType=\"{kind}\" band=\"{}\">", i + 1));
        write(
            &mut out,
            format_args!(
                "<Metadata><MDI key=\"BANDNAME\">{}</MDI><MDI key=\"WAVELENGTH\">{}</MDI><MDI key=\"WAVELENGTH_UNIT\">nm\
                 </MDI></Metadata>",
                escaped(&band.name),
                band.wavelength
            ),
        );
        if let Some(bits) = ffi::bits(&first) {
            write(
                &mut out,
                format_args!("<Metadata domain=\"IMAGE_STRUCTURE\"><MDI key=\"NBITS\">{bits}</MDI></Metadata>"),
            );
        }
        write(
            &mut out,
            format_args!(
                "<Description>{}</Description><NoDataValue>0</NoDataValue><Scale>{:?}</Scale><Offset>{:?}</Offset>\
                 <ColorInterp>{}</ColorInterp>",
                escaped(&band.name),
                band.scale,
                band.offset,
                band.colour.unwrap_or("Undefined")
            ),
        );
        let path = band.path.to_str().ok_or("its path is not UTF-8, which GDAL needs")?;
        write(
            &mut out,
            format_args!(
                "<SimpleSource><SourceFilename relativeToVRT=\"0\">{}</SourceFilename><SourceBand>1</SourceBand>\
                 <SourceProperties RasterXSize=\"{columns}\" RasterYSize=\"{rows}\" DataType=\"{kind}\" \
                 BlockXSize=\"{width}\" BlockYSize=\"{height}\"/></SimpleSource></VRTRasterBand>",
                escaped(path)
            ),
        );
    }
    Ok(out + "</VRTDataset>")
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// Text as XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
