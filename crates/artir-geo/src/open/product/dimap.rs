//! Pleiades and SPOT: DIMAP, version 2. GDAL reads an image with its georeferencing and its RPCs; the document says which bands
//! are red, green and blue. A large image comes in tiles.

use std::path::Path;

use super::{Product, ProductScene, ProductTile, parsed, text_of, texts, within};
use crate::error::Reason;

/// Whether a file of this name, in lower case, describes a product.
pub(super) fn is_metadata(name: &str) -> bool {
    name.starts_with("dim_") && name.ends_with(".xml")
}

/// Reads a product.
pub(super) fn read(file: &Path) -> Result<Product, Reason> {
    let text = text_of(file)?;
    let document = parsed(&text)?;
    let first = |name: &str| texts(&document, name).first().copied();
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut tiles = Vec::new();
    for node in document.descendants().filter(|n| n.tag_name().name() == "Data_File") {
        let path = node.children().find(|c| c.tag_name().name() == "DATA_FILE_PATH").and_then(|n| n.attribute("href"));
        let Some(path) = path else { continue };
        // Counted from 1 in the document.
        let at = |name: &str| node.attribute(name).map_or(Some(0), |n| n.trim().parse::<usize>().ok()?.checked_sub(1));
        let (Some(row), Some(column)) = (at("tile_R"), at("tile_C")) else {
            return Err("its metadata states no place for one of its images".into());
        };
        if tiles.iter().any(|tile: &ProductTile| tile.at == [row, column]) {
            // Such as those of the two sensors of Pleiades Neo.
            return Err("it has several images of one place: name one of them, or make a virtual raster of them".into());
        }
        tiles.push(ProductTile { path: within(folder, path)?, at: [row, column] });
    }
    if tiles.is_empty() {
        return Err("its metadata names no image".into());
    }
    // Indices of bands by name, in the order of the image.
    let indices: Vec<(&str, usize)> = document
        .descendants()
        .filter(|n| n.tag_name().name() == "Raster_Index")
        .filter_map(|n| {
            let child = |name: &str| n.children().find(|c| c.tag_name().name() == name)?.text().map(str::trim);
            Some((child("BAND_ID")?, child("BAND_INDEX")?.parse().ok()?))
        })
        .collect();
    let bands: Option<Vec<usize>> = ["RED_CHANNEL", "GREEN_CHANNEL", "BLUE_CHANNEL"]
        .iter()
        .map(|channel| {
            let id = first(channel)?;
            indices.iter().find(|(name, _)| *name == id).map(|(_, index)| *index)
        })
        .collect();
    let bands = bands.filter(|b| b[0] != b[1] && b[1] != b[2] && b[0] != b[2] && b.iter().all(|b| *b > 0));
    let mission = first("MISSION").unwrap_or("DIMAP");
    let level = first("PROCESSING_LEVEL").unwrap_or_default();
    let name = first("DATASET_NAME")
        .map_or_else(|| file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned);
    Ok(Product {
        kind: format!("{mission} {} {level}", first("MISSION_INDEX").unwrap_or_default()).trim().replace("  ", " "),
        name: name.replace(['/', '\\'], "_"),
        scene: match <[ProductTile; 1]>::try_from(tiles) {
            Ok([one]) => ProductScene::File { path: one.path, bands, least: 0 },
            Err(tiles) => ProductScene::Mosaic { tiles, bands },
        },
        clouds: None,
    })
}
