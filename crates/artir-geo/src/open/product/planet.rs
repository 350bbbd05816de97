//! PlanetScope: analytic images of four bands (blue, green, red, near infrared) or eight, and their usable data mask.

use std::path::{Path, PathBuf};

use super::{CloudMask, MaskKind, Product, ProductScene, files_of, lower};
use crate::error::Reason;

/// Whether a file of this name, in lower case, is an analytic image.
fn is_image(name: &str) -> bool {
    name.contains("_analyticms") && name.ends_with(".tif") && !name.contains("_udm") && !name.contains("_dn_udm")
}

/// The product of a folder's files; `None` for other folders.
pub(super) fn in_folder(files: &[PathBuf]) -> Option<Result<Product, Reason>> {
    let images: Vec<&PathBuf> = files.iter().filter(|f| is_image(&lower(f))).collect();
    match images.as_slice() {
        [] => None,
        [image] => file(image),
        many => Some(Err(format!("it has {} analytic images: name one of them", many.len()).into())),
    }
}

/// The product of an image by its name; `None` for other files.
pub(super) fn file(path: &Path) -> Option<Result<Product, Reason>> {
    let name = lower(path);
    if !is_image(&name) || !path.is_file() {
        return None;
    }
    let eight = name.contains("_8b");
    // The order of both is fixed: blue, green, red, near infrared; and coastal blue, blue, green I, green, yellow, red,
    // red edge, near infrared.
    let bands = if eight { vec![6, 4, 2] } else { vec![3, 2, 1] };
    let start = &name[..name.find("_analyticms").unwrap_or(0)];
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mask = files_of(folder)
        .into_iter()
        .find(|f| lower(f).starts_with(start) && lower(f).contains("_udm2") && lower(f).ends_with(".tif"));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Some(Ok(Product {
        kind: format!("PlanetScope, {} bands", if eight { 8 } else { 4 }),
        name: stem,
        // Bands that were copied out of an image are in another order, which the file may state.
        scene: ProductScene::File { path: path.to_owned(), bands: Some(bands), least: if eight { 8 } else { 4 } },
        clouds: mask.map(|path| CloudMask { path, kind: MaskKind::Udm2 }),
    }))
}
