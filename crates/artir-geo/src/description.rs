//! A raster's metadata as one value that can be written, compared and printed.

use std::collections::BTreeMap;

use gdal::Dataset;
use serde_json::{Value, json};

use crate::{
    ffi::{self, Nodata, Object},
    georef::Georef,
    open,
    tiff::has_endless_profile,
};

/// All metadata that artir preserves, as GDAL reports it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    /// Columns and rows.
    pub(crate) size: (usize, usize),
    pub(crate) georef: Georef,
    /// Metadata of the dataset, by domain.
    pub(crate) domains: Domains,
    /// A mask of valid pixels that all bands share.
    pub(crate) mask: bool,
    /// Columns and rows of each overview of the first band.
    pub(crate) overviews: Vec<(usize, usize)>,
    pub(crate) bands: Vec<BandDescription>,
}

/// Items by domain; those of a domain are sorted.
pub(crate) type Domains = BTreeMap<String, Vec<String>>;

/// One band's part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BandDescription {
    /// GDAL's number of the type.
    pub(crate) kind: u32,
    pub(crate) nodata: Option<Nodata>,
    /// GDAL's number of the colour interpretation.
    pub(crate) colour: u32,
    pub(crate) description: String,
    pub(crate) unit: String,
    /// 1 and 0 if the file has none, which means the same.
    pub(crate) scale: f64,
    pub(crate) offset: f64,
    pub(crate) categories: Vec<String>,
    pub(crate) colour_table: Vec<[i16; 4]>,
    /// Rows and columns of the attribute table.
    pub(crate) attribute_table: Option<[i32; 2]>,
    pub(crate) domains: Domains,
}

/// Domains that GDAL generates, or that describe the file rather than the scene.
const OWN_DOMAINS: [&str; 4] = ["IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "OVERVIEWS", "SUBDATASETS"];

impl Description {
    /// Reads a dataset's description.
    pub(crate) fn of(dataset: &Dataset) -> Result<Self, String> {
        let mut left = MOST_METADATA;
        let mut bands = Vec::new();
        for i in 1..=dataset.raster_count() {
            let band = dataset.rasterband(i).map_err(|e| e.to_string())?;
            bands.push(BandDescription {
                kind: ffi::type_number(&band),
                nodata: ffi::nodata(&band),
                colour: ffi::colour(&band),
                description: gdal::Metadata::description(&band).unwrap_or_default(),
                unit: band.unit(),
                scale: band.scale().unwrap_or(1.0),
                offset: band.offset().unwrap_or(0.0),
                categories: ffi::categories(&band),
                colour_table: ffi::colour_table(&band),
                attribute_table: ffi::attribute_table(&band),
                domains: domains(Object::band(&band), &Names::Listed, &mut left)?,
            });
        }
        let first = dataset.rasterband(1).map_err(|e| e.to_string())?;
        let flags = first.mask_flags().map_err(|e| e.to_string())?;
        let overviews = (0..first.overview_count().unwrap_or(0)).filter_map(|i| first.overview(i as usize).ok());
        Ok(Self {
            size: dataset.raster_size(),
            georef: Georef::of(dataset),
            domains: domains(Object::dataset(dataset), &names(dataset), &mut left)?,
            mask: flags.is_per_dataset() && !flags.is_alpha() && !flags.is_nodata(),
            overviews: overviews.map(|o| o.size()).collect(),
            bands,
        })
    }

    /// Whether listing all metadata domains would not end.
    pub(crate) fn is_endless(dataset: &Dataset) -> bool {
        matches!(names(dataset), Names::Known)
    }

    /// Whether a pixel's value is that of the point at its centre rather than of its area.
    pub(crate) fn is_point(&self) -> bool {
        self.domains.get("").is_some_and(|items| items.iter().any(|i| i == "AREA_OR_POINT=Point"))
    }

    /// Lists the differences, with both values as JSON.
    pub(crate) fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let mut out = Vec::new();
        if self.size != other.size {
            out.push(("size".into(), json!(self.size).to_string(), json!(other.size).to_string()));
        }
        out.extend(self.georef.differences(&other.georef));
        domain_differences("", &self.domains, &without_area(&other.domains, &self.domains), &mut out);
        if self.mask != other.mask {
            out.push(("mask".into(), self.mask.to_string(), other.mask.to_string()));
        }
        if self.bands.len() != other.bands.len() {
            out.push(("number of bands".into(), self.bands.len().to_string(), other.bands.len().to_string()));
        }
        for (i, (a, b)) in self.bands.iter().zip(&other.bands).enumerate() {
            a.differences(b, i + 1, &mut out);
        }
        out
    }

    /// As JSON, every field.
    pub(crate) fn json(&self) -> Value {
        let mut out = self.georef.json();
        out["columns"] = json!(self.size.0);
        out["rows"] = json!(self.size.1);
        out["metadata"] = json!(self.domains);
        out["mask"] = json!(self.mask);
        out["overviews"] = json!(self.overviews);
        out["bands"] = self.bands.iter().map(BandDescription::json).collect();
        out
    }
}

impl BandDescription {
    fn differences(&self, other: &Self, number: usize, out: &mut Vec<(String, String, String)>) {
        let (a, b) = (self.json(), other.json());
        let same = [
            ("type", self.kind == other.kind),
            ("nodata", self.nodata == other.nodata),
            ("colour_interpretation", self.colour == other.colour),
            ("description", self.description == other.description),
            ("unit", self.unit == other.unit),
            ("scale", self.scale == other.scale),
            ("offset", self.offset == other.offset),
            ("categories", self.categories == other.categories),
            ("colour_table", self.colour_table == other.colour_table),
            ("attribute_table", self.attribute_table == other.attribute_table),
        ];
        for (what, _) in same.iter().filter(|(_, same)| !same) {
            out.push((
                format!("{} of band {number}", what.replace('_', " ")),
                a[what].to_string(),
                b[what].to_string(),
            ));
        }
        domain_differences(&format!(" of band {number}"), &self.domains, &other.domains, out);
    }

    fn json(&self) -> Value {
        let nodata = self.nodata.map(|n| match n {
            // JSON has no NaN and no infinity.
            Nodata::Float(v) if !v.is_finite() => json!(v.to_string()),
            Nodata::Float(v) => json!(v),
            Nodata::Signed(v) => json!(v),
            Nodata::Unsigned(v) => json!(v),
        });
        json!({
            "type": ffi::type_name(self.kind),
            "nodata": nodata,
            "colour_interpretation": ffi::colour_name(self.colour),
            "description": self.description,
            "unit": self.unit,
            "scale": self.scale,
            "offset": self.offset,
            "categories": self.categories,
            "colour_table": self.colour_table,
            "attribute_table": self.attribute_table,
            "metadata": self.domains,
        })
    }
}

fn domain_differences(whose: &str, a: &Domains, b: &Domains, out: &mut Vec<(String, String, String)>) {
    let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for name in names {
        let (x, y) = (a.get(name), b.get(name));
        let same = x == y || name.starts_with("xml:") && tokens(x).is_some_and(|t| tokens(y) == Some(t));
        if !same {
            let what = if name.is_empty() { "metadata".into() } else { format!("metadata domain '{name}'") };
            // List only differing items: a domain can hold hundreds.
            let only = |this: Option<&Vec<String>>, that: Option<&Vec<String>>| -> Vec<String> {
                let that = that.map(Vec::as_slice).unwrap_or_default();
                this.into_iter().flatten().filter(|i| !that.contains(i)).cloned().collect()
            };
            out.push((format!("{what}{whose}"), json!(only(x, y)).to_string(), json!(only(y, x)).to_string()));
        }
    }
}

/// `domains` without AREA_OR_POINT=Area, unless `other` has it too. Area is the default, and every GeoTIFF writes it.
fn without_area(domains: &Domains, other: &Domains) -> Domains {
    const AREA: &str = "AREA_OR_POINT=Area";
    let says = |d: &Domains| d.get("").is_some_and(|items| items.iter().any(|i| i == AREA));
    let mut out = domains.clone();
    if !says(other) && says(domains) {
        let items = out.entry(String::new()).or_default();
        items.retain(|i| i != AREA);
        if items.is_empty() {
            out.remove("");
        }
    }
    out
}

/// An XML document's elements, attributes and texts, without the space between elements, which GDAL sets anew in the files
/// that it writes as sidecars. `None` for text that is not a document.
fn tokens(domain: Option<&Vec<String>>) -> Option<Vec<String>> {
    let [text] = domain?.as_slice() else { return None };
    let document = roxmltree::Document::parse(text).ok()?;
    let mut out = Vec::new();
    for node in document.descendants() {
        // The depth shows which elements contain which.
        let depth = node.ancestors().count();
        if node.is_element() {
            out.push(format!("{depth} <{:?}", node.tag_name()));
            out.extend(
                node.attributes().map(|a| format!("{} {}={}", a.namespace().unwrap_or(""), a.name(), a.value())),
            );
        } else if let Some(text) = node.text().map(str::trim).filter(|t| !t.is_empty()) {
            out.push(format!("{depth} {text}"));
        }
    }
    Some(out)
}

/// Bytes of metadata that a scene may have, in all domains of all bands together.
const MOST_METADATA: usize = 64 << 20;
/// Domains of one band or dataset.
const MOST_DOMAINS: usize = 10_000;

/// The source of the names of metadata domains.
enum Names {
    /// GDAL's list.
    Listed,
    /// Those that are common, without the colour profile: GDAL's list would not end.
    Known,
}

/// The names of the domains.
fn names(dataset: &Dataset) -> Names {
    let endless = || ffi::file_list(dataset).first().is_some_and(|f| has_endless_profile(f));
    if open::driver(dataset) == "GTiff" && endless() { Names::Known } else { Names::Listed }
}

/// All metadata that artir preserves. Statistics are dropped, since they do not apply to restored pixels. `left` are the
/// bytes that may still be read.
fn domains(object: Object, names: &Names, left: &mut usize) -> Result<Domains, String> {
    let mut names = match names {
        Names::Listed => object.domains(),
        Names::Known => ["RPC", "IMD", "IMAGERY", "EXIF", "xml:XMP", "GEOLOCATION"].map(str::to_owned).to_vec(),
    };
    if names.len() > MOST_DOMAINS {
        return Err(format!("it has {} metadata domains, more than the {MOST_DOMAINS} that are read", names.len()));
    }
    names.push(String::new());
    names.sort();
    names.dedup();
    let mut out = BTreeMap::new();
    for name in names {
        if OWN_DOMAINS.contains(&name.as_str()) || name.starts_with('_') {
            continue;
        }
        let kept = |i: &String| !i.starts_with("STATISTICS_");
        let items = object
            .domain_within(&name, *left)
            .ok_or_else(|| format!("it has more than {} MiB of metadata, by domain '{name}'", MOST_METADATA >> 20))?;
        *left -= items.iter().map(String::len).sum::<usize>().min(*left);
        let mut items: Vec<String> = items.into_iter().filter(kept).collect();
        if name == "RPC" {
            // Minus one stands for an unknown error, which files that do not name one get.
            let unknown = ["ERR_BIAS=-1", "ERR_RAND=-1"];
            items = items.iter().map(|i| plain_numbers(i)).filter(|i| !unknown.contains(&i.as_str())).collect();
        }
        items.sort();
        if !items.is_empty() {
            out.insert(name, items);
        }
    }
    Ok(out)
}

/// An RPC item with its numbers alone, to the 15 digits that GDAL prints of a double: sidecar files and TIFF tags write the
/// same number differently, the former with its unit.
fn plain_numbers(item: &str) -> String {
    let Some((key, value)) = item.split_once('=') else { return item.to_owned() };
    let words: Vec<&str> = value.split_whitespace().collect();
    let numbers: Vec<f64> = words.iter().filter_map(|w| w.parse().ok()).collect();
    let unit = words.len() == numbers.len() + 1 && words.last().is_some_and(|w| w.parse::<f64>().is_err());
    if numbers.is_empty() || !(unit || words.len() == numbers.len()) {
        return item.to_owned();
    }
    let shortest = |v: &f64| format!("{v:.14e}").parse::<f64>().unwrap_or(*v).to_string();
    format!("{key}={}", numbers.iter().map(shortest).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_compare_by_what_they_hold() {
        let of = |text: &str| tokens(Some(&vec![text.to_owned()]));
        assert_eq!(of("<a x=\"1\"><b>t</b></a>"), of("<a x=\"1\">\n  <b>t</b>\n</a>\n"));
        for other in ["<a x=\"2\"><b>t</b></a>", "<a x=\"1\"><b>u</b></a>", "<a x=\"1\"/>", "<a x=\"1\"><b/>t</a>"] {
            assert_ne!(of("<a x=\"1\"><b>t</b></a>"), of(other), "{other}");
        }
        assert_eq!(of("not xml"), None);
    }

    #[test]
    fn numbers_of_an_rpc_compare_as_numbers() {
        assert_eq!(plain_numbers("LINE_OFF=0006846.00"), "LINE_OFF=6846");
        assert_eq!(plain_numbers("SAMP_NUM_COEFF= 1.50E-03  -2 "), "SAMP_NUM_COEFF=0.0015 -2");
        assert_eq!(plain_numbers("HEIGHT_OFF=187.00 meters"), "HEIGHT_OFF=187");
        assert_eq!(plain_numbers("K=-1.660629248792338E-05"), plain_numbers("K=-1.66062924879234e-05"));
        assert_eq!(plain_numbers("NAME=a b"), "NAME=a b");
        assert_eq!(plain_numbers("NAME=1 2 of 3"), "NAME=1 2 of 3");
    }
}
