//! Metadata domains: which are kept, how they are bounded, and how they compare.

use std::collections::BTreeMap;

use gdal::Dataset;
use serde_json::json;

use super::tags::has_endless_profile;
use crate::{
    error::Reason,
    ffi::{self, Object},
    open::drivers,
};

/// How items begin that state figures of the pixels, which are no longer true of restored ones: those of GDAL, of TIFF (tags 280 and
/// 281) and of netCDF.
const STATISTICS: [&str; 4] = ["STATISTICS_", "TIFFTAG_MINSAMPLEVALUE=", "TIFFTAG_MAXSAMPLEVALUE=", "actual_range="];

/// Items by domain; those of a domain are sorted.
pub(crate) type Domains = BTreeMap<String, Vec<String>>;

/// Domains that GDAL generates, or that describe the file rather than the scene.
const OWN_DOMAINS: [&str; 4] = ["IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "OVERVIEWS", "SUBDATASETS"];

pub(super) fn domain_differences(whose: &str, a: &Domains, b: &Domains, out: &mut Vec<(String, String, String)>) {
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
pub(super) fn without_area(domains: &Domains, other: &Domains) -> Domains {
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
pub(super) const MOST_METADATA: usize = 64 << 20;
/// Domains of one band or dataset.
const MOST_DOMAINS: usize = 10_000;

/// The source of the names of metadata domains.
pub(super) enum Names {
    /// GDAL's list.
    Listed,
    /// Those that are common, without the colour profile: GDAL's list would not end.
    Known,
}

/// The names of the domains.
pub(super) fn names(dataset: &Dataset) -> Names {
    let endless = || ffi::file_list(dataset).first().is_some_and(|f| has_endless_profile(f));
    if drivers::driver(dataset) == "GTiff" && endless() { Names::Known } else { Names::Listed }
}

/// All metadata that artir preserves. Statistics are dropped, since they do not apply to restored pixels. `left` are the
/// bytes that may still be read.
pub(super) fn domains(object: Object, names: &Names, left: &mut usize) -> Result<Domains, Reason> {
    let mut names = match names {
        Names::Listed => object.domains(),
        Names::Known => ["RPC", "IMD", "IMAGERY", "EXIF", "xml:XMP", "GEOLOCATION"].map(str::to_owned).to_vec(),
    };
    if names.len() > MOST_DOMAINS {
        return Err(
            format!("it has {} metadata domains, more than the {MOST_DOMAINS} that are read", names.len()).into()
        );
    }
    names.push(String::new());
    names.sort();
    names.dedup();
    let mut out = BTreeMap::new();
    for name in names {
        if OWN_DOMAINS.contains(&name.as_str()) || name.starts_with('_') {
            continue;
        }
        let kept = |i: &String| !STATISTICS.iter().any(|start| i.starts_with(start));
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
