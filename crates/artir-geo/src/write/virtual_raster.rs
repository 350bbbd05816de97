//! Writes a result as a virtual raster: a TIFF with the pixels, and a VRT of the same name that describes it.

use std::path::Path;

use gdal::{DriverManager, raster::RasterCreationOptions};

use super::metadata::open_again;
use crate::{
    error::Reason,
    ffi::{self, Object},
    open::name::without_prefix,
    scene::description::Description,
};

/// Bytes of the VRT that are looked at.
const MOST_BYTES: usize = 64 << 20;

/// Writes the VRT over a TIFF, and compares it with a description.
pub(crate) fn copy(wanted: &Description, data: &Path, to: &Path) -> Result<(), Reason> {
    // GDAL names the TIFF from the VRT's own folder on if the paths of both begin alike.
    let (data, to) = (without_prefix(data), without_prefix(to));
    let source = open_again(&data)?;
    let driver = DriverManager::get_driver_by_name("VRT")?;
    let copy = ffi::checked(|| source.create_copy(&driver, &to, &RasterCreationOptions::new()))?;
    // GDAL copies some domains; a VRT holds any.
    for (name, items) in &wanted.domains {
        Object::dataset(&copy).set_domain(name, items);
    }
    // Beside a table of greys, GDAL calls the band a palette.
    for (i, wanted) in wanted.bands.iter().enumerate() {
        let band = copy.rasterband(i + 1)?;
        if ffi::colour(&band) != wanted.colour {
            ffi::set_colour(&band, wanted.colour);
        }
        for (name, items) in wanted.domains.iter().filter(|(name, _)| !holds_sources(name)) {
            Object::band(&band).set_domain(name, items);
        }
    }
    ffi::checked(|| copy.close())?;
    let written = ffi::read_part(&to.to_string_lossy(), 0, MOST_BYTES).unwrap_or_default();
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    if !names_only(&String::from_utf8_lossy(&written), &name) {
        return Err(format!("the virtual raster would not name {name} alone, by its own folder").into());
    }
    let differences = wanted.differences(&Description::of(&open_again(&to)?)?);
    match differences.first() {
        Some((what, ..)) => Err(format!("the virtual raster would differ in {what}").into()),
        None => Ok(()),
    }
}

/// Whether GDAL takes the items of a band's metadata domain for the sources of a VRT.
fn holds_sources(domain: &str) -> bool {
    ["vrt_sources", "new_vrt_sources"].iter().any(|name| name.eq_ignore_ascii_case(domain))
}

/// Whether a VRT names this file alone, from its own folder on: it is written in a folder that goes away.
fn names_only(text: &str, name: &str) -> bool {
    // What this parser does not read, such as control characters in metadata, GDAL may.
    let Ok(document) = roxmltree::Document::parse(text) else { return true };
    let mut sources = document.descendants().filter(|n| n.has_tag_name("SourceFilename"));
    sources.all(|n| {
        let fine = n.attribute("relativeToVRT") == Some("1") && n.text() == Some(name);
        // Metadata may hold documents of any kind.
        fine || n.ancestors().any(|a| a.has_tag_name("Metadata"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_lie_in_the_folder_of_the_virtual_raster() {
        let of = |source: &str| names_only(&format!("<VRTDataset>{source}</VRTDataset>"), "S2_10:15.tif");
        let source = |attribute: &str, name: &str| format!("<SourceFilename {attribute}>{name}</SourceFilename>");
        let fine = source("relativeToVRT=\"1\"", "S2_10:15.tif");
        assert!(of(&fine));
        for (attribute, name) in
            [("relativeToVRT=\"0\"", "S2_10:15.tif"), ("", "S2_10:15.tif"), ("relativeToVRT=\"1\"", "../S2_10:15.tif")]
        {
            assert!(!of(&format!("{fine}{}", source(attribute, name))), "{attribute} {name}");
        }
        assert!(of(&format!("{fine}<Metadata domain=\"xml:X\">{}</Metadata>", source("", "b.tif"))));
        assert!(holds_sources("new_vrt_sources") && !holds_sources("sources"));
    }
}
