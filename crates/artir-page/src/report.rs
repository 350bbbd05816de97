//! A report: images before, after and the reference, with their figures.

use std::{fmt::Write, io};

use crate::{Inline, Samples, escape, fill, png};

/// An 8-bit image: grey (one byte a pixel) or RGB (three).
#[derive(Clone, Debug)]
pub struct Panel {
    /// Caption.
    pub caption: String,
    /// Width and height, pixels.
    pub size: (usize, usize),
    /// Bytes, row by row.
    pub pixels: Vec<u8>,
}

/// One restored image.
#[derive(Clone, Debug)]
pub struct Case {
    /// Title.
    pub title: String,
    /// Origin and display window.
    pub note: String,
    /// Images, from left to right.
    pub panels: Vec<Panel>,
    /// Rows of a table: a name, and a value for each column.
    pub rows: Vec<(String, Vec<String>)>,
    /// The table's columns.
    pub columns: Vec<String>,
}

/// The page.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its title.
    pub title: String,
    /// Versions of artir, models and runtime.
    pub facts: Vec<(String, String)>,
    /// The restored images.
    pub cases: Vec<Case>,
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: .8rem 0; } th, td { padding: .25rem .9rem .25rem 0; text-align: left;
border-bottom: 1px solid var(--line); } td { font-variant-numeric: tabular-nums; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: .8rem; }
figure { margin: 0; } img { width: 100%; height: auto; display: block; border-radius: 3px; }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; } .part { padding-top: .9rem; font-weight: 400; opacity: .8; }
.chart { max-width: 100%; height: auto; display: block; margin: 1rem 0; font-size: 12px; fill: currentColor; }
.chart .grid { stroke: var(--line); } .chart .even { stroke: currentColor; stroke-dasharray: 4 4; opacity: .6; }
figcaption { font-size: .85rem; opacity: .8; padding-top: .25rem; } .note { max-width: 70ch; opacity: .85; }";

impl Report {
    /// The page as HTML.
    ///
    /// # Errors
    /// `InvalidInput` for a panel whose bytes do not fill its size.
    pub fn to_html(&self) -> io::Result<String> {
        let mut out = head(&self.title);
        out.push_str("<table>");
        for (name, value) in &self.facts {
            let _ = write!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
        }
        out.push_str("</table>\n");
        for case in &self.cases {
            case.write(&mut out)?;
        }
        out.push_str("</body></html>\n");
        Ok(out)
    }
}

impl Case {
    fn write(&self, out: &mut String) -> io::Result<()> {
        let _ = write!(
            out,
            "<h2>{}</h2><p class=\"note\">{}</p><table><tr><th></th>",
            escape(&self.title),
            escape(&self.note)
        );
        for column in &self.columns {
            let _ = write!(out, "<th>{}</th>", escape(column));
        }
        out.push_str("</tr>");
        for (name, values) in &self.rows {
            let _ = write!(out, "<tr><th>{}</th>", escape(name));
            for value in values {
                let _ = write!(out, "<td>{}</td>", escape(value));
            }
            out.push_str("</tr>");
        }
        out.push_str("</table><div class=\"panels\">");
        for panel in &self.panels {
            figure(out, panel)?;
        }
        out.push_str("</div>\n");
        Ok(())
    }
}

/// The page up to its first heading.
pub fn head(title: &str) -> String {
    const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{{policy}}\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{{title}}</title><style>{{style}}</style></head><body><h1>{{title}}</h1>";
    let inline = Inline::without_script(STYLE);
    let title = escape(title);
    let mut values = inline.values().to_vec();
    values.push(("title", &title));
    fill(HEAD, &values)
}

/// One captioned picture.
///
/// # Errors
/// `InvalidInput` for a panel whose bytes do not fill its size.
pub fn figure(out: &mut String, panel: &Panel) -> io::Result<()> {
    let caption = escape(&panel.caption);
    let kind = if panel.pixels.len() == panel.size.0 * panel.size.1 { Samples::Grey } else { Samples::Rgb };
    let data = png(panel.size, kind, &panel.pixels)?;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{data}\"><figcaption>{caption}</figcaption></figure>"
    );
    Ok(())
}

/// HU shown as grey by a window: everything below is black, everything above white.
pub fn window(hu: f32, lo: f32, hi: f32) -> u8 {
    ((hu - lo) / (hi - lo) * 255.0).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_escapes_its_text_and_names_no_other_place() {
        let panel = Panel { caption: "a \"b\"".into(), size: (2, 1), pixels: vec![0, 255] };
        let case = Case {
            title: "<script>alert(1)</script>".into(),
            note: "x & y".into(),
            panels: vec![panel],
            rows: vec![("PSNR".into(), vec!["1".into()])],
            columns: vec!["before".into()],
        };
        let html =
            Report { title: "t".into(), facts: vec![("k".into(), "<v>".into())], cases: vec![case] }.to_html().unwrap();
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;") && html.contains("x &amp; y"));
        assert!(html.contains("data:image/png;base64,iVBOR") && html.contains("default-src 'none'"));
        assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("//"));
    }

    #[test]
    fn windows_saturate() {
        assert_eq!(
            [window(-200.0, -160.0, 240.0), window(40.0, -160.0, 240.0), window(900.0, -160.0, 240.0)],
            [0, 128, 255]
        );
    }
}
