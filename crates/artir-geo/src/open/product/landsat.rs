//! Landsat: folders and their `_MTL.txt`, `_MTL.xml` or `_MTL.json`, levels 1 and 2 of Collection 2, and level 1 before.

use std::path::Path;

use serde_json::Value;

use super::{CloudMask, MaskKind, Product, ProductBand, ProductScene, parsed, text_of, within};
use crate::error::Reason;

/// Bands of reflectance: number, wavelength, colour.
type Band = (usize, f64, Option<&'static str>);
const OLI: [Band; 7] = [
    (4, 655.0, Some("Red")),
    (3, 561.0, Some("Green")),
    (2, 482.0, Some("Blue")),
    (5, 865.0, None),
    (6, 1609.0, None),
    (7, 2201.0, None),
    (1, 443.0, None),
];
const TM: [Band; 6] = [
    (3, 660.0, Some("Red")),
    (2, 560.0, Some("Green")),
    (1, 485.0, Some("Blue")),
    (4, 835.0, None),
    (5, 1650.0, None),
    (7, 2220.0, None),
];

/// Items of the metadata that the scene keeps.
const KEPT: [&str; 8] = [
    "LANDSAT_PRODUCT_ID",
    "PROCESSING_LEVEL",
    "COLLECTION_NUMBER",
    "COLLECTION_CATEGORY",
    "SPACECRAFT_ID",
    "DATE_ACQUIRED",
    "SCENE_CENTER_TIME",
    "SUN_ELEVATION",
];

/// Whether a file of this name, in lower case, describes a product.
pub(super) fn is_metadata(name: &str) -> bool {
    ["_mtl.txt", "_mtl.xml", "_mtl.json"].iter().any(|ending| name.ends_with(ending))
}

/// Reads a product. Of items that stand in several groups, the first counts: level 2 comes before level 1.
pub(super) fn read(file: &Path) -> Result<Product, Reason> {
    let text = text_of(file)?;
    let items = match text.trim_start().chars().next() {
        Some('<') => of_xml(&text)?,
        Some('{') => of_json(&text)?,
        _ => of_text(&text),
    };
    let item = |key: &str| items.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let number = |key: &str| item(key).and_then(|v| v.parse::<f64>().ok()).filter(|v| v.is_finite());
    let spacecraft = item("SPACECRAFT_ID").unwrap_or_default();
    let bands: &[Band] = match spacecraft {
        "LANDSAT_8" | "LANDSAT_9" => &OLI,
        "LANDSAT_4" | "LANDSAT_5" | "LANDSAT_7" => &TM,
        other => {
            return Err(format!("its spacecraft '{other}' is none of LANDSAT_4 to LANDSAT_9 with visible bands").into());
        }
    };
    // Before Collection 2, the level is the type of the data.
    let level = item("PROCESSING_LEVEL").or_else(|| item("DATA_TYPE"));
    let level = level.ok_or("its metadata lacks PROCESSING_LEVEL")?;
    let level1 = level.starts_with("L1");
    if !level1 && !level.starts_with("L2") {
        return Err(format!("its processing level '{level}' is neither level 1 nor level 2").into());
    }
    // Level 1 is stored without the sun's angle.
    let sun = if level1 {
        let elevation = number("SUN_ELEVATION").filter(|v| *v > 0.0).ok_or("its metadata lacks SUN_ELEVATION")?;
        elevation.to_radians().sin()
    } else {
        1.0
    };
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut out = Vec::new();
    for (band, wavelength, colour) in bands {
        let Some(name) = item(&format!("FILE_NAME_BAND_{band}")) else { continue };
        let path = match within(folder, name) {
            Ok(path) => path,
            // Part of a delivery can be missing; red, green and blue cannot.
            Err(_) if colour.is_none() => continue,
            Err(e) => return Err(e),
        };
        let rescaling = |what: &str| number(&format!("REFLECTANCE_{what}_BAND_{band}"));
        let (Some(scale), Some(offset)) = (rescaling("MULT"), rescaling("ADD")) else {
            return Err(
                format!("its metadata lacks REFLECTANCE_MULT_BAND_{band} or REFLECTANCE_ADD_BAND_{band}").into()
            );
        };
        let name = format!("{}B{band}", if level1 { "" } else { "SR_" });
        let (scale, offset) = (scale / sun, offset / sun);
        out.push(ProductBand { path, name, wavelength: *wavelength, colour: *colour, scale, offset });
    }
    if out.iter().filter(|b| b.colour.is_some()).count() < 3 {
        return Err("its metadata lacks the files of red, green and blue".into());
    }
    let quality = item("FILE_NAME_QUALITY_L1_PIXEL").and_then(|name| within(folder, name).ok());
    let collection = number("COLLECTION_NUMBER").map_or(String::new(), |n| format!(" Collection {n}"));
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = item("LANDSAT_PRODUCT_ID").unwrap_or(&stem[..stem.len().saturating_sub(4)]).replace(['/', '\\'], "_");
    Ok(Product {
        kind: format!("{}{collection} {level}", spacecraft.replace("LANDSAT_", "Landsat ")),
        name,
        scene: ProductScene::Stack {
            bands: out,
            metadata: KEPT.iter().filter_map(|key| Some(((*key).to_owned(), item(key)?.to_owned()))).collect(),
        },
        clouds: quality.map(|path| CloudMask { path, kind: MaskKind::QaPixel }),
    })
}

/// `KEY = VALUE` lines, values perhaps in quotes.
fn of_text(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned())).collect()
}

/// Texts and numbers of all groups. The groups of a JSON object have no order: those of level 1 go last.
fn of_json(text: &str) -> Result<Vec<(String, String)>, Reason> {
    fn leaves(group: &str, value: &Value, out: &mut Vec<(bool, String, String)>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(_) => leaves(key, value, out),
                Value::String(text) => out.push((group.starts_with("LEVEL1"), key.clone(), text.trim().to_owned())),
                other => out.push((group.starts_with("LEVEL1"), key.clone(), other.to_string())),
            }
        }
    }
    let document: Value =
        serde_json::from_str(text).map_err(|e| format!("its metadata is no JSON that can be read ({e})"))?;
    let mut found = Vec::new();
    leaves("", &document, &mut found);
    found.sort_by_key(|(level1, ..)| *level1);
    Ok(found.into_iter().map(|(_, key, value)| (key, value)).collect())
}

/// Elements with a text.
fn of_xml(text: &str) -> Result<Vec<(String, String)>, Reason> {
    let document = parsed(text)?;
    let leaves = document.descendants().filter(|n| n.is_element() && !n.children().any(|c| c.is_element()));
    Ok(leaves.filter_map(|n| Some((n.tag_name().name().to_owned(), n.text()?.trim().to_owned()))).collect())
}
