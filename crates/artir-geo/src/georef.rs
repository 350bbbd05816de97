//! What a scene says of itself, read as one value that can be written and compared.

use gdal::{Dataset, Metadata, raster::ColorInterpretation};

use crate::ffi::{self, Object};

/// Everything that is carried over, as GDAL reports it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) size: (usize, usize),
    /// WKT2 of the coordinate reference system.
    pub(crate) crs: Option<String>,
    /// Bits of the six coefficients, so that comparing them is exact.
    pub(crate) geotransform: Option<[u64; 6]>,
    /// Metadata of the dataset, by domain; items sorted.
    pub(crate) domains: Vec<(String, Vec<String>)>,
    pub(crate) bands: Vec<BandDescription>,
}

/// One band's part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BandDescription {
    /// Bits of the nodata value.
    pub(crate) nodata: Option<u64>,
    pub(crate) colour: i32,
    pub(crate) description: String,
    pub(crate) unit: String,
    /// Bits of scale and offset; 1 and 0 where the file names none, which means the same.
    pub(crate) scale: u64,
    pub(crate) offset: u64,
    pub(crate) domains: Vec<(String, Vec<String>)>,
}

/// Domains that GDAL makes itself, or that describe the file and not the scene.
const OWN_DOMAINS: [&str; 5] = ["IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "OVERVIEWS", "SUBDATASETS", "COLOR_PROFILE"];

impl Description {
    /// Reads a dataset's description.
    pub(crate) fn of(dataset: &Dataset) -> Result<Self, String> {
        let crs = match dataset.spatial_ref() {
            Ok(crs) => Some(crs.to_wkt().map_err(|_| "its coordinate reference system cannot be read")?),
            Err(_) => None,
        };
        let mut bands = Vec::new();
        for i in 1..=dataset.raster_count() {
            let band = dataset.rasterband(i).map_err(|e| e.to_string())?;
            bands.push(BandDescription {
                nodata: band.no_data_value().map(f64::to_bits),
                colour: band.color_interpretation().c_int() as i32,
                description: band.description().map_err(|e| e.to_string())?,
                unit: band.unit(),
                scale: band.scale().unwrap_or(1.0).to_bits(),
                offset: band.offset().unwrap_or(0.0).to_bits(),
                domains: domains(band.metadata_domains(), Object::band(&band)),
            });
        }
        Ok(Self {
            size: dataset.raster_size(),
            crs,
            geotransform: ffi::geotransform(dataset).map(|g| g.map(f64::to_bits)),
            domains: domains(dataset.metadata_domains(), Object::dataset(dataset)),
            bands,
        })
    }

    /// Writes the description into a new dataset of the same size and number of bands.
    pub(crate) fn apply(&self, source: &Dataset, target: &mut Dataset) -> Result<(), String> {
        let text = |e: gdal::errors::GdalError| e.to_string();
        if self.crs.is_some() {
            target.set_spatial_ref(&source.spatial_ref().map_err(text)?).map_err(text)?;
        }
        if let Some(geotransform) = self.geotransform {
            target.set_geo_transform(&geotransform.map(f64::from_bits)).map_err(text)?;
        }
        set_domains(Object::dataset(target), &self.domains)?;
        for (i, wanted) in self.bands.iter().enumerate() {
            let mut band = target.rasterband(i + 1).map_err(text)?;
            if let Some(value) = wanted.nodata {
                band.set_no_data_value(Some(f64::from_bits(value))).map_err(text)?;
            }
            if !wanted.description.is_empty() {
                band.set_description(&wanted.description).map_err(text)?;
            }
            if !wanted.unit.is_empty() && !ffi::set_unit(&band, &wanted.unit) {
                return Err(format!("the unit of band {} cannot be kept", i + 1));
            }
            let (scale, offset) = (f64::from_bits(wanted.scale), f64::from_bits(wanted.offset));
            if (scale, offset) != (1.0, 0.0) {
                band.set_scale(scale).map_err(text)?;
                band.set_offset(offset).map_err(text)?;
            }
            let colour = source.rasterband(i + 1).map_err(text)?.color_interpretation();
            if colour != ColorInterpretation::Undefined {
                band.set_color_interpretation(colour).map_err(text)?;
            }
            set_domains(Object::band(&band), &wanted.domains)?;
        }
        Ok(())
    }
}

/// All metadata that is carried over. Statistics are dropped: they are no longer true of restored pixels.
fn domains(names: Vec<String>, object: Object) -> Vec<(String, Vec<String>)> {
    let mut names = names;
    if !names.iter().any(String::is_empty) {
        names.push(String::new());
    }
    names.sort();
    names.dedup();
    let mut out = Vec::new();
    for name in names {
        if OWN_DOMAINS.contains(&name.as_str()) {
            continue;
        }
        let mut items: Vec<String> =
            object.domain(&name).into_iter().filter(|i| !i.starts_with("STATISTICS_")).collect();
        items.sort();
        if !items.is_empty() {
            out.push((name, items));
        }
    }
    out
}

fn set_domains(object: Object, domains: &[(String, Vec<String>)]) -> Result<(), String> {
    for (name, items) in domains {
        if !object.set_domain(name, items) {
            return Err(format!("metadata domain '{name}' cannot be kept"));
        }
    }
    Ok(())
}
