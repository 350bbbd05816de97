//! Sentinel-2: `.SAFE` folders and their `MTD_MSIL1C.xml` and `MTD_MSIL2A.xml`, processing baselines before and after 04.00.

use std::path::{Path, PathBuf};

use super::{CloudMask, MaskKind, Product, ProductBand, ProductScene, files_of, lower, parsed, text_of, texts};
use crate::{
    error::Reason,
    open::{cutline::Polygon, name::SceneName},
};

/// Bands: name, number in the metadata, wavelength, colour, finest resolution.
type Band = (&'static str, usize, f64, Option<&'static str>, usize);
const BANDS: [Band; 12] = [
    ("B04", 3, 665.0, Some("Red"), 10),
    ("B03", 2, 560.0, Some("Green"), 10),
    ("B02", 1, 490.0, Some("Blue"), 10),
    ("B08", 7, 842.0, None, 10),
    ("B05", 4, 705.0, None, 20),
    ("B06", 5, 740.0, None, 20),
    ("B07", 6, 783.0, None, 20),
    ("B8A", 8, 865.0, None, 20),
    ("B11", 11, 1610.0, None, 20),
    ("B12", 12, 2190.0, None, 20),
    ("B01", 0, 443.0, None, 60),
    ("B09", 9, 945.0, None, 60),
];

/// Items of the metadata that the scene keeps.
const KEPT: [&str; 8] = [
    "PRODUCT_URI",
    "PROCESSING_LEVEL",
    "PRODUCT_TYPE",
    "PROCESSING_BASELINE",
    "PRODUCT_START_TIME",
    "GENERATION_TIME",
    "BOA_QUANTIFICATION_VALUE",
    "QUANTIFICATION_VALUE",
];

/// Whether a file of this name, in lower case, describes a product.
pub(super) fn is_metadata(name: &str) -> bool {
    name == "mtd_msil1c.xml" || name == "mtd_msil2a.xml"
}

/// Metadata file and part of a name such as `SENTINEL2_L2A:PATH/MTD_MSIL2A.xml:10m:EPSG_32632`.
pub(super) fn subdataset(name: &str) -> Option<(PathBuf, String)> {
    if !name.get(..10)?.eq_ignore_ascii_case("SENTINEL2_") || Path::new(name).exists() {
        return None;
    }
    let SceneName { file, part } = SceneName::of(name);
    let file = PathBuf::from(file);
    is_metadata(&lower(&file)).then(|| (file, part.unwrap_or_default()))
}

/// Reads a product: the bands of 10 m, or those of the resolution that `part` begins with.
pub(super) fn read(file: &Path, part: &str) -> Result<Product, Reason> {
    let text = text_of(file)?;
    let document = parsed(&text)?;
    let first = |name: &str| texts(&document, name).first().copied();
    let resolution: usize = match part.split(':').next().unwrap_or_default() {
        "" | "10m" => 10,
        "20m" => 20,
        "60m" => 60,
        other => return Err(format!("its part '{other}' is not one of 10m, 20m and 60m").into()),
    };
    let level2 = lower(file).contains("l2a");
    let number = |name: &str| first(name).and_then(|t| t.parse::<f64>().ok()).filter(|v| v.is_finite());
    let quantification = number(if level2 { "BOA_QUANTIFICATION_VALUE" } else { "QUANTIFICATION_VALUE" });
    let quantification = quantification.filter(|v| *v > 0.0).unwrap_or(10_000.0);
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let granule = granule(folder)?;
    let images = images(&granule);
    let find = |ending: &str| images.iter().find(|path| lower(path).ends_with(ending)).cloned();
    let mut bands = Vec::new();
    for (name, id, wavelength, colour, finest) in BANDS {
        let ending = |r: usize| format!("_{}_{r}m.jp2", name.to_lowercase());
        let path = if level2 {
            find(&ending(resolution))
        } else {
            (finest == resolution).then(|| find(&format!("_{}.jp2", name.to_lowercase()))).flatten()
        };
        let Some(path) = path else { continue };
        let offset = offset(&document, if level2 { "BOA_ADD_OFFSET" } else { "RADIO_ADD_OFFSET" }, id);
        let (scale, offset) = (1.0 / quantification, offset / quantification);
        bands.push(ProductBand { path, name: name.into(), wavelength, colour, scale, offset });
    }
    if !["B04", "B03", "B02"].iter().all(|name| bands.iter().any(|b| b.name == *name)) {
        return Err(format!("it lacks the images of bands B04, B03 and B02 with {resolution} m").into());
    }
    let metadata = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), first(key)?.to_owned()))).collect();
    let name = first("PRODUCT_URI").map(str::to_owned).or_else(|| {
        let folder = std::fs::canonicalize(folder).ok()?;
        Some(folder.file_name()?.to_string_lossy().into_owned())
    });
    let name = name.unwrap_or_else(|| "Sentinel-2".into());
    let name = name.trim_end_matches(".SAFE").replace(['/', '\\'], "_");
    let baseline = first("PROCESSING_BASELINE").map_or(String::new(), |b| format!(", processing baseline {b}"));
    let clouds = find("_scl_20m.jp2").map(|path| CloudMask { path, kind: MaskKind::Scl });
    let clouds = clouds.or_else(|| quality(&granule));
    Ok(Product {
        kind: format!("Sentinel-2 {}{baseline}, {resolution} m", if level2 { "L2A" } else { "L1C" }),
        name: if resolution == 10 { name } else { format!("{name}_{resolution}m") },
        scene: ProductScene::Stack { bands, metadata },
        clouds,
    })
}

/// What a band's stored values have in addition; 0 in products before baseline 04.00, which do not state it.
fn offset(document: &roxmltree::Document<'_>, element: &str, id: usize) -> f64 {
    let mut found = document.descendants().filter(|n| n.tag_name().name() == element);
    let of_band = found.find(|n| n.attribute("band_id").is_some_and(|band| band.trim() == id.to_string()));
    of_band.and_then(|n| n.text()?.trim().parse().ok()).filter(|v: &f64| v.is_finite()).unwrap_or(0.0)
}

/// The folder of the product's one granule.
fn granule(folder: &Path) -> Result<PathBuf, Reason> {
    let granules =
        std::fs::read_dir(folder.join("GRANULE")).map_err(|_| "it lacks the folder GRANULE with its images")?;
    let granules: Vec<PathBuf> = granules.flatten().map(|e| e.path()).filter(|p| p.join("IMG_DATA").is_dir()).collect();
    let [granule] = granules.as_slice() else {
        return Err(format!("it has {} granules with images, and one is read: name its images", granules.len()).into());
    };
    Ok(granule.clone())
}

/// The images of a granule.
fn images(granule: &Path) -> Vec<PathBuf> {
    let data = granule.join("IMG_DATA");
    let folders = [data.join("R10m"), data.join("R20m"), data.join("R60m"), data];
    folders.iter().flat_map(|f| files_of(f)).collect()
}

/// The mask of clouds of a level without classification: a raster since baseline 04.00, polygons before.
fn quality(granule: &Path) -> Option<CloudMask> {
    let files = files_of(&granule.join("QI_DATA"));
    let find = |word: &str, ending: &str| {
        files.iter().find(|path| lower(path).contains(word) && lower(path).ends_with(ending)).cloned()
    };
    let raster = find("msk_classi", ".jp2").map(|path| CloudMask { path, kind: MaskKind::Classi });
    raster.or_else(|| find("msk_clouds", ".gml").map(|path| CloudMask { path, kind: MaskKind::Polygons }))
}

/// The opaque clouds in a mask of polygons, in the product's reference system.
pub(super) fn clouds(file: &Path) -> Result<Vec<Polygon>, Reason> {
    let text = text_of(file)?;
    let document = parsed(&text)?;
    let mut polygons: Vec<Polygon> = Vec::new();
    for mask in document.descendants().filter(|n| n.tag_name().name() == "MaskFeature") {
        let kind = mask.descendants().find(|n| n.tag_name().name() == "maskType").and_then(|n| n.text());
        // Cirrus is thin: it is what the network removes.
        if kind.map(str::trim) != Some("OPAQUE") {
            continue;
        }
        // The lists of a polygon follow one another.
        let mut last = None;
        for list in mask.descendants().filter(|n| n.tag_name().name() == "posList") {
            let dimension: usize = list.attribute("srsDimension").and_then(|d| d.parse().ok()).unwrap_or(2);
            let numbers: Option<Vec<f64>> =
                list.text().unwrap_or_default().split_ascii_whitespace().map(|n| n.parse().ok()).collect();
            let numbers = numbers.filter(|all| dimension >= 2 && all.iter().all(|v| v.is_finite()));
            let numbers = numbers.ok_or("its polygons are not lists of numbers")?;
            let ring: Vec<[f64; 2]> = numbers.chunks_exact(dimension).map(|point| [point[0], point[1]]).collect();
            let is_polygon = |n: &roxmltree::Node<'_, '_>| matches!(n.tag_name().name(), "Polygon" | "PolygonPatch");
            let own = list.ancestors().find(is_polygon).map(|n| n.id());
            match polygons.last_mut() {
                Some(polygon) if own.is_some() && own == last => polygon.push(ring),
                _ => polygons.push(vec![ring]),
            }
            last = own;
        }
    }
    Ok(polygons)
}
