//! A raster's metadata as one value that can be written, compared and printed.

use gdal::Dataset;
use gdal_sys::GDALColorInterp;
use serde_json::{Value, json};

use super::{
    check::is_white_zero,
    domains::{Domains, MOST_METADATA, Names, domain_differences, domains, names, without_area},
    georef::Georef,
};
use crate::{
    error::Reason,
    ffi::{self, Nodata, Object},
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

/// One band's part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BandDescription {
    /// GDAL's number of the type.
    pub(crate) kind: u32,
    /// Bits of a value, where they are fewer than the type's. They are a matter of the file: a result has whole values.
    pub(crate) bits: Option<u32>,
    pub(crate) nodata: Option<Nodata>,
    /// GDAL's number of the colour interpretation.
    pub(crate) colour: u32,
    pub(crate) description: String,
    pub(crate) unit: String,
    /// 1 and 0 if the file has none, which means the same.
    pub(crate) scale: f64,
    pub(crate) offset: f64,
    pub(crate) categories: Vec<String>,
    /// Whether the stored 0 is white, by a TIFF's photometric interpretation or by a table of greys.
    pub(crate) white_is_zero: bool,
    /// Any other colour table.
    pub(crate) colour_table: Vec<[i16; 4]>,
    /// Rows and columns of the attribute table.
    pub(crate) attribute_table: Option<[i32; 2]>,
    pub(crate) domains: Domains,
}

/// The metadata domain with the record of how a result was made.
pub(crate) const PROVENANCE: &str = "ARTIR";
/// How the tag that names the writing software begins.
const PROGRAM: &str = "artir ";

impl Description {
    /// Reads a dataset's description.
    pub(crate) fn of(dataset: &Dataset) -> Result<Self, Reason> {
        let mut left = MOST_METADATA;
        let mut bands = Vec::new();
        for i in 1..=dataset.raster_count() {
            let band = dataset.rasterband(i)?;
            let white_is_zero = is_white_zero(dataset, i);
            bands.push(BandDescription {
                kind: ffi::type_number(&band),
                bits: ffi::bits(&band),
                nodata: ffi::nodata(&band),
                colour: ffi::colour(&band),
                description: gdal::Metadata::description(&band).unwrap_or_default(),
                unit: band.unit(),
                scale: band.scale().unwrap_or(1.0),
                offset: band.offset().unwrap_or(0.0),
                categories: ffi::categories(&band),
                white_is_zero,
                colour_table: if white_is_zero { Vec::new() } else { ffi::colour_table(&band) },
                // One without rows or columns says nothing.
                attribute_table: ffi::attribute_table(&band).filter(|[rows, columns]| *rows > 0 && *columns > 0),
                domains: domains(Object::band(&band), &Names::Listed, &mut left)?,
            });
        }
        let first = dataset.rasterband(1)?;
        let flags = first.mask_flags()?;
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

    /// Whether all bands have the same nodata value, or none: a TIFF holds one for all of them.
    pub(crate) fn shares_nodata(&self) -> bool {
        self.bands.windows(2).all(|pair| pair[0].nodata == pair[1].nodata)
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

    /// The same with a record of how a result was made, which replaces that of an earlier result.
    pub(crate) fn with_provenance(&self, items: &[(String, String)]) -> Self {
        let mut out = self.clone();
        if items.is_empty() {
            return out;
        }
        let own = out.domains.entry(String::new()).or_default();
        let before = own.iter().find_map(|i| i.strip_prefix("TIFFTAG_SOFTWARE=")).map(str::to_owned);
        own.retain(|i| !i.starts_with("TIFFTAG_SOFTWARE="));
        own.push(format!("TIFFTAG_SOFTWARE={PROGRAM}{}", artir_core::VERSION));
        own.sort();
        let before = before.filter(|text| !text.starts_with(PROGRAM)).map(|text| format!("SOURCE_SOFTWARE={text}"));
        let mut record: Vec<String> = items.iter().map(|(key, value)| format!("{key}={value}")).chain(before).collect();
        record.sort();
        out.domains.insert(PROVENANCE.to_owned(), record);
        out
    }

    /// The same without what [`Self::with_provenance`] adds, for a comparison of scenes. `other` is the raster that it is
    /// compared with: the software of neither counts if artir wrote one of them.
    pub(crate) fn without_provenance(&self, other: &Self) -> Self {
        let software = |d: &Self| {
            let items = d.domains.get("").map(Vec::as_slice).unwrap_or_default();
            items.iter().any(|i| i.strip_prefix("TIFFTAG_SOFTWARE=").is_some_and(|s| s.starts_with(PROGRAM)))
        };
        let mut out = self.clone();
        out.domains.remove(PROVENANCE);
        if software(self) || software(other) {
            let own = out.domains.entry(String::new()).or_default();
            own.retain(|i| !i.starts_with("TIFFTAG_SOFTWARE="));
            if own.is_empty() {
                out.domains.remove("");
            }
        }
        out
    }

    /// Takes over what a written file holds where its format cannot hold this. Returns the names of what is lost; values,
    /// grid and nodata are never among it.
    pub(crate) fn give_way(&mut self, found: &Self) -> Vec<String> {
        let mut lost = Vec::new();
        let points = self.georef.names_points().then(|| self.georef.gcps.clone());
        self.georef.give_way(&found.georef);
        if points.is_some_and(|points| points != self.georef.gcps) {
            lost.push("names of the ground control points".to_owned());
        }
        let own = format!("metadata domain '{PROVENANCE}'");
        let mut differ = false;
        for (field, ..) in self.differences(found) {
            let dataset =
                field == "metadata" || field.starts_with("metadata domain '") && !field.contains("' of band ");
            differ |= dataset;
            // The scene does not state how its result was made.
            if dataset && field != own {
                lost.push(field);
            }
        }
        if differ {
            self.domains.clone_from(&found.domains);
        }
        for (i, (this, found)) in self.bands.iter_mut().zip(&found.bands).enumerate() {
            this.give_way(found, i + 1, &mut lost);
        }
        lost
    }

    /// Why a written file would show a band of this as another one: as opacity, or in a colour that is another band's. `None` where
    /// it says less than this.
    pub(crate) fn shown_as_another(&self, found: &Self) -> Option<String> {
        let colours = self.bands.iter().zip(&found.bands).map(|(own, found)| [own.colour, found.colour]);
        let (i, pair) = colours.enumerate().find(|(_, [own, found])| is_another(*own, *found))?;
        let [own, found] = pair.map(ffi::colour_name);
        Some(format!("it would show band {} ({own}) as {found}: write a GeoTIFF (.tif)", i + 1))
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

/// Whether a band that is called one colour must not be shown as another one. Opacity hides pixels. A band of which nothing is known,
/// or a grey one, may be shown in any colour.
fn is_another(own: u32, found: u32) -> bool {
    let names = GDALColorInterp::GCI_RedBand..=GDALColorInterp::GCI_YCbCr_CrBand;
    own != found && (found == GDALColorInterp::GCI_AlphaBand || names.contains(&own) && names.contains(&found))
}

impl BandDescription {
    fn differences(&self, other: &Self, number: usize, out: &mut Vec<(String, String, String)>) {
        let (a, b) = (self.json(), other.json());
        let same = [
            ("type", self.kind == other.kind),
            ("nodata", self.nodata == other.nodata),
            // Where 0 is white, the interpretation is what the format calls that: a palette, or nothing.
            ("colour_interpretation", self.colour == other.colour || self.white_is_zero && other.white_is_zero),
            ("white_is_zero", self.white_is_zero == other.white_is_zero),
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

    fn give_way(&mut self, found: &Self, number: usize, lost: &mut Vec<String>) {
        let mut differ = Vec::new();
        self.differences(found, number, &mut differ);
        let differs = |what: &str| differ.iter().any(|(field, ..)| field.starts_with(what));
        let lacks = |(name, items): (&String, &Vec<String>)| {
            items.iter().any(|item| !found.domains.get(name).is_some_and(|found| found.contains(item)))
        };
        // What the format adds, such as a name for each band, is no loss.
        let all = [
            ("colour interpretation", differs("colour interpretation")),
            ("description", differs("description") && !self.description.is_empty()),
            ("unit", differs("unit") && !self.unit.is_empty()),
            ("categories", differs("categories") && !self.categories.is_empty()),
            ("colour table", differs("colour table") && !self.colour_table.is_empty()),
            ("attribute table", differs("attribute table") && self.attribute_table.is_some()),
            ("metadata", self.domains.iter().any(lacks)),
        ];
        lost.extend(all.iter().filter(|(_, lost)| *lost).map(|(what, _)| format!("{what} of band {number}")));
        let other_domains = differs("metadata");
        let found = found.clone();
        *self = Self {
            kind: self.kind,
            bits: self.bits,
            nodata: self.nodata,
            scale: self.scale,
            offset: self.offset,
            colour: found.colour,
            description: found.description,
            unit: found.unit,
            categories: found.categories,
            white_is_zero: self.white_is_zero,
            colour_table: found.colour_table,
            attribute_table: found.attribute_table,
            domains: if other_domains { found.domains } else { std::mem::take(&mut self.domains) },
        };
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
            "bits": self.bits,
            "nodata": nodata,
            "colour_interpretation": ffi::colour_name(self.colour),
            "description": self.description,
            "unit": self.unit,
            "scale": self.scale,
            "offset": self.offset,
            "categories": self.categories,
            "white_is_zero": self.white_is_zero,
            "colour_table": self.colour_table,
            "attribute_table": self.attribute_table,
            "metadata": self.domains,
        })
    }
}
