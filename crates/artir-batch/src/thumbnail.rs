//! A small picture of a result, from the page that `--preview` writes.

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageFormat, codecs::png::PngEncoder};

/// Longer edge of a small picture, pixels.
const EDGE: u32 = 160;

/// The picture of a preview page's result, made small, as PNG: the scene after restoration, or the middle slice of a series.
/// `None` for a page without one.
pub fn thumbnail(page: &str) -> Option<Vec<u8>> {
    let scene = page.split_once("id=\"after\"").and_then(|(_, rest)| rest.split_once("data:image/png;base64,"));
    let data = match scene {
        Some((_, rest)) => rest,
        None => {
            let slices: Vec<usize> = page.match_indices("\"after\":\"").map(|(at, key)| at + key.len()).collect();
            &page[*slices.get(slices.len() / 2)?..]
        }
    };
    let png = STANDARD.decode(&data[..data.find('"')?]).ok()?;
    let picture = image::load_from_memory_with_format(&png, ImageFormat::Png).ok()?;
    let mut out = Vec::new();
    picture.thumbnail(EDGE, EDGE).to_rgb8().write_with_encoder(PngEncoder::new(&mut out)).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(edge: u32, grey: u8) -> String {
        let mut png = Vec::new();
        image::GrayImage::from_pixel(edge, edge, image::Luma([grey]))
            .write_with_encoder(PngEncoder::new(&mut png))
            .unwrap();
        STANDARD.encode(png)
    }

    fn shown(page: &str) -> (u32, u8) {
        let small = image::load_from_memory(&thumbnail(page).unwrap()).unwrap().to_rgb8();
        (small.width(), small.get_pixel(0, 0).0[0])
    }

    #[test]
    fn the_result_is_shown_and_not_the_source() {
        let (before, after) = (picture(300, 10), picture(300, 200));
        let scene = format!(
            "<div id=\"before\"><img src=\"data:image/png;base64,{before}\"></div>\
             <div id=\"after\"><img src=\"data:image/png;base64,{after}\"></div>"
        );
        assert_eq!(shown(&scene), (160, 200));
        let slice = |grey| format!("{{\"before\":\"{before}\",\"after\":\"{}\"}}", picture(64, grey));
        let series = [slice(1), slice(2), slice(3)].join(",\n");
        assert_eq!(shown(&series), (160, 2));
        assert_eq!(thumbnail("<p>no picture</p>"), None);
    }
}
