//! Virtual rasters over files made here.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Columns and rows.
pub(crate) type Size = (usize, usize);

/// A source of a virtual raster: a file that lies in the same place, and a part of it as first column and row, columns and rows.
pub(crate) fn source(file: &str, band: usize, [x, y, columns, rows]: [usize; 4]) -> String {
    let window = format!("xOff=\"{x}\" yOff=\"{y}\" xSize=\"{columns}\" ySize=\"{rows}\"");
    format!(
        "<SimpleSource><SourceFilename relativeToVRT=\"1\">{file}</SourceFilename><SourceBand>{band}</SourceBand>\
         <SrcRect {window}/><DstRect {window}/></SimpleSource>"
    )
}

/// A virtual raster whose bands have values of a kind and these contents; the first three are red, green and blue.
pub(crate) fn virtual_raster(path: &Path, kind: &str, size: Size, bands: &[String], more: &str) -> PathBuf {
    let colours = ["Red", "Green", "Blue"];
    let band = |(i, content): (usize, &String)| {
        let colour = colours.get(i).copied().unwrap_or("Undefined");
        format!(
            "<VRTRasterBand dataType=\"{kind}\" band=\"{}\"><ColorInterp>{colour}</ColorInterp>{content}</VRTRasterBand>",
            i + 1
        )
    };
    let bands: String = bands.iter().enumerate().map(band).collect();
    let text = format!("<VRTDataset rasterXSize=\"{}\" rasterYSize=\"{}\">{bands}{more}</VRTDataset>", size.0, size.1);
    fs::write(path, text).unwrap();
    path.to_owned()
}
