//! References of a virtual raster (VRT). An untrusted VRT can reference any file and any server, and run code.

use super::name::after_prefix;
use crate::{error::Reason, ffi};

/// Bytes of a VRT that are read: a mosaic of 100,000 scenes has some 50 MB.
const MOST_BYTES: usize = 64 << 20;

/// Elements, attributes and texts of a VRT.
const MOST_NODES: u32 = 4_000_000;

/// A file that a VRT names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// From the VRT's own folder on, not from the working folder.
    pub(crate) relative: bool,
    /// A part of the file: GDAL's name for it, before and after the file.
    pub(crate) part: Option<(String, String)>,
}

/// Whether GDAL takes a file for a VRT: by its first bytes, regardless of its name.
pub(crate) fn is_virtual_raster(path: &str) -> bool {
    ffi::read_part(path, 0, 1024).is_some_and(|start| start.windows(11).any(|w| w == b"<VRTDataset"))
}

/// Reads a VRT and lists its references, with repetitions.
///
/// # Errors
/// The reason why it must not be opened.
pub(crate) fn read(path: &str) -> Result<(Vec<Named>, usize), Reason> {
    let bytes = ffi::read_part(path, 0, MOST_BYTES + 1).ok_or("cannot be read")?;
    if bytes.len() > MOST_BYTES {
        return Err(format!("has more than {} MiB", MOST_BYTES >> 20).into());
    }
    Ok((named(&String::from_utf8_lossy(&bytes))?, bytes.len()))
}

/// GDAL looks for elements and attributes alike, in any case, wherever it reads a value. So names are compared without
/// case, and references in unusual places are refused.
pub(crate) fn named(text: &str) -> Result<Vec<Named>, Reason> {
    // Declarations of types, and with them entities that expand without end, are errors to this parser.
    let options = roxmltree::ParsingOptions { nodes_limit: MOST_NODES, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text, options)
        .map_err(|e| Reason::broken(format!("is not the XML that artir reads ({e})")))?;
    let mut out = Vec::new();
    let mut stack = vec![document.root_element()];
    while let Some(node) = stack.pop() {
        let name = node.tag_name().name().to_ascii_lowercase();
        check_attributes(&node, &name)?;
        match name.as_str() {
            "sourcefilename" => out.push(file_name(&node)?),
            // Holds documents of any kind, of which GDAL opens none.
            "metadata" => {
                items(&node, &mut out)?;
                continue;
            }
            "pixelfunctioncode" => return Err("runs code of its own".into()),
            "pixelfunctionlanguage" if !node.text().is_some_and(|t| t.trim().eq_ignore_ascii_case("c")) => {
                return Err("runs code of its own".into());
            }
            "gdalwarpoptions" => return Err("warps other rasters, whose files are not checked".into()),
            "ooi" => open_option(&node)?,
            "vrtdataset" => {}
            other if names_a_file(other) || other == "subclass" || other == "processingsteps" => {
                return Err(format!("holds <{}>, which is not checked", node.tag_name().name()).into());
            }
            _ => {}
        }
        // The last to be pushed is the next to be looked at.
        stack.extend(node.children().rev().filter(roxmltree::Node::is_element));
    }
    Ok(out)
}

/// Elements and attributes that could hold a file's name.
fn names_a_file(name: &str) -> bool {
    ["filename", "dataset", "datasetname", "path"].iter().any(|ending| name.ends_with(ending))
}

fn check_attributes(node: &roxmltree::Node<'_, '_>, element: &str) -> Result<(), Reason> {
    const KINDS: [&str; 5] = [
        "vrtpansharpeneddataset",
        "vrtpansharpenedrasterband",
        "vrtsourcedrasterband",
        "vrtderivedrasterband",
        "vrtdataset",
    ];
    for attribute in node.attributes() {
        let name = attribute.name().to_ascii_lowercase();
        if name == "subclass" && !KINDS.contains(&attribute.value().to_ascii_lowercase().as_str()) {
            return Err(format!("is of a kind that is not checked ({})", attribute.value()).into());
        }
        let code = name.starts_with("pixelfunctioncode") || name.starts_with("pixelfunctionlanguage");
        if code || names_a_file(&name) {
            return Err(format!("has the attribute {} in <{element}>, which is not checked", attribute.name()).into());
        }
    }
    Ok(())
}

/// The name in `<SourceFilename relativeToVRT="1">`: one text, so that no two readers see different ones.
fn file_name(node: &roxmltree::Node<'_, '_>) -> Result<Named, Reason> {
    let mut children = node.children();
    let text = match (children.next(), children.next()) {
        // GDAL takes a CDATA section for a text of its own, and reads the first text alone.
        (Some(only), None) if only.is_text() && !node.document().input_text()[node.range()].contains("<![") => {
            only.text().unwrap_or_default()
        }
        _ => return Err("names a file in a form that is not checked".into()),
    };
    let mut relative = None;
    for attribute in node.attributes().filter(|a| a.name().eq_ignore_ascii_case("relativeToVRT")) {
        let value = match attribute.value() {
            "0" => false,
            "1" => true,
            other => return Err(format!("has relativeToVRT=\"{other}\", which is neither 0 nor 1").into()),
        };
        if relative.replace(value).is_some() {
            return Err("has relativeToVRT twice".into());
        }
    }
    let relative = relative.unwrap_or(false);
    part(text, relative).map_or_else(|| plain(text, relative), Ok)
}

/// A part of a file, in those of GDAL's forms that can be read in one way only. `None` for all other names.
fn part(text: &str, relative: bool) -> Option<Named> {
    let (driver, rest) = text.split_once(':')?;
    let (before, file, after) = match driver.to_ascii_uppercase().as_str() {
        "GTIFF_DIR" | "NITF_IM" => {
            let (number, file) = rest.split_once(':')?;
            let fine = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            (fine.then(|| format!("{driver}:{number}:"))?, file, String::new())
        }
        "NETCDF" | "HDF5" => {
            let (file, variable) = rest.strip_prefix('"')?.split_once("\":")?;
            let fine = !variable.is_empty() && !text.contains('\\') && !format!("{file}{variable}").contains('"');
            (fine.then(|| format!("{driver}:\""))?, file, format!("\":{variable}"))
        }
        _ => return None,
    };
    let named = plain(file, relative).ok()?;
    Some(Named { part: Some((before, after)), ..named })
}

/// A name that GDAL, too, takes for a plain file.
pub(crate) fn plain(text: &str, relative: bool) -> Result<Named, Reason> {
    let refuse = || Err(format!("names '{}', which is not a plain file", shortened(text)).into());
    if text.is_empty() || text.trim() != text || text.contains('\u{fffd}') || text.starts_with('<') {
        return refuse();
    }
    let scheme = text.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("vrt:"));
    if scheme || text.contains("://") || after_prefix(text).is_some() {
        return refuse();
    }
    // GDAL could read text before a colon as a driver's name, so such a name is refused.
    let first = text.split('/').next().unwrap_or_default();
    if !relative && first.contains(':') {
        return refuse();
    }
    Ok(Named { name: text.to_owned(), relative, part: None })
}

/// A text from a file for a message of one line.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    let mut out: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

/// Files in metadata: those of overviews, which GDAL opens, and of geolocation arrays, which warping would.
fn items(metadata: &roxmltree::Node<'_, '_>, out: &mut Vec<Named>) -> Result<(), Reason> {
    for item in metadata.children().filter(|n| n.tag_name().name().eq_ignore_ascii_case("MDI")) {
        // GDAL takes the first attribute for the key, whatever it is called, and what follows an equals sign in it for a value.
        for key in item.attributes().map(|a| a.value().to_ascii_uppercase()) {
            let key = key.split(['=', ':']).next().unwrap_or_default().trim();
            match key {
                "OVERVIEW_FILE" => return Err("names a file of overviews in its metadata".into()),
                "X_DATASET" | "Y_DATASET" => out.push(plain(item.text().unwrap_or_default().trim(), false)?),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Options that sources are opened with can name files as well.
fn open_option(node: &roxmltree::Node<'_, '_>) -> Result<(), Reason> {
    const HARMLESS: [&str; 3] = ["OVERVIEW_LEVEL", "NUM_THREADS", "IGNORE_COG_LAYOUT_BREAK"];
    let key = node.attributes().find(|a| a.name().eq_ignore_ascii_case("key")).map_or("", |a| a.value());
    if HARMLESS.iter().any(|k| k.eq_ignore_ascii_case(key)) {
        return Ok(());
    }
    Err(format!("opens a source with the option '{}', which is not checked", shortened(key)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(inside: &str) -> Result<Vec<Named>, Reason> {
        named(&format!(
            "<VRTDataset rasterXSize=\"1\" rasterYSize=\"1\"><VRTRasterBand dataType=\"Byte\" band=\"1\">{inside}\
             </VRTRasterBand></VRTDataset>"
        ))
    }

    fn source(name: &str, attributes: &str) -> Result<Vec<Named>, Reason> {
        with(&format!("<SimpleSource><SourceFilename {attributes}>{name}</SourceFilename></SimpleSource>"))
    }

    #[test]
    fn names_are_listed_as_often_as_they_stand_there() {
        let twice =
            "<SimpleSource><SourceFilename relativeToVRT=\"1\" shared=\"0\">a.tif</SourceFilename></SimpleSource>";
        let found = with(&twice.repeat(2)).unwrap();
        assert_eq!(found, vec![Named { name: "a.tif".into(), relative: true, part: None }; 2]);
        let found = source("/a/b &amp; c.tif", "relativetoVRT=\"0\"").unwrap();
        assert_eq!(found, [Named { name: "/a/b & c.tif".into(), relative: false, part: None }]);
        assert_eq!(source("S2_10:15:30.tif", "relativeToVRT=\"1\"").unwrap().len(), 1, "a colon is a letter of a name");
        let any_case = with("<simplesource><SOURCEFILENAME>x</SOURCEFILENAME></simplesource>").unwrap();
        assert_eq!(any_case.len(), 1, "GDAL knows no case");
    }

    #[test]
    fn what_is_no_plain_name_is_refused() {
        for name in [
            "GTIFF_DIR:off:1:x.tif",
            "GTIFF_DIR:1:NITF_IM:0:x.ntf",
            "GTIFF_RAW:x.tif",
            "NETCDF:x.nc:a",
            "NETCDF:\"http://localhost/x.nc\":a",
            "NETCDF:\"x.nc\":a\"b",
            "NETCDF:\"x\\\".nc\":a",
            "HDF5:\"x\":",
            "HDF4_SDS:UNKNOWN:\"x.hdf\":0",
            "DERIVED_SUBDATASET:AMPLITUDE:x.tif",
            "MEM:::DATAPOINTER=1,PIXELS=1,LINES=1",
            "vrt://a.tif?bands=1",
            "http://localhost/a.tif",
            "XYZ:whatever",
            " a.tif",
            "a.tif\n",
            "",
            "a<!-- -->.tif",
            "a<![CDATA[.tif]]>",
            "<![CDATA[a.tif]]>",
            "<b>a.tif</b>",
            "&lt;VRTDataset/>",
        ] {
            assert!(source(name, "").is_err(), "{name}");
            if name != "XYZ:whatever" {
                assert!(source(name, "relativeToVRT=\"1\"").is_err(), "{name}");
            }
        }
        assert!(source("a", "relativeToVRT=\"01\"").is_err());
        assert!(source("a", "relativeToVRT=\"0\" relativetovrt=\"1\"").is_err());
    }

    #[test]
    fn parts_of_files_are_names_of_these_files() {
        for (text, before, file, after) in [
            ("GTIFF_DIR:1:/etc/x.tif", "GTIFF_DIR:1:", "/etc/x.tif", ""),
            ("nitf_im:0:x.ntf", "nitf_im:0:", "x.ntf", ""),
            ("NETCDF:&quot;a/x.nc&quot;:red", "NETCDF:\"", "a/x.nc", "\":red"),
            ("HDF5:&quot;x.h5&quot;://group/red", "HDF5:\"", "x.h5", "\"://group/red"),
        ] {
            let part = Some((before.into(), after.into()));
            let found = source(text, "relativeToVRT=\"1\"").unwrap();
            assert_eq!(found, [Named { name: file.into(), relative: true, part }], "{text}");
        }
    }

    #[test]
    fn what_runs_code_or_hides_a_name_is_refused() {
        for inside in [
            "<PixelFunctionCode>x</PixelFunctionCode>",
            "<pixelfunctionlanguage>Python</pixelfunctionlanguage>",
            "<SimpleSource SourceFilename=\"/etc/x.tif\"/>",
            "<SimpleSource><OpenOptions><OOI key=\"ROOT_PATH\">/etc</OOI></OpenOptions></SimpleSource>",
            "<subClass>VRTRawRasterBand</subClass>",
            "<GDALWarpOptions/>",
            "<SourceDataset>a.tif</SourceDataset>",
            "<Metadata domain=\"OVERVIEWS\"><MDI key=\"overview_file\">/etc/x.tif</MDI></Metadata>",
            "<Metadata domain=\"OVERVIEWS\"><MDI name=\"OVERVIEW_FILE\">/etc/x.tif</MDI></Metadata>",
            "<Metadata domain=\"OVERVIEWS\"><MDI key=\"OVERVIEW_FILE=/etc/x.tif\">y</MDI></Metadata>",
        ] {
            assert!(with(inside).is_err(), "{inside}");
        }
        for root in [
            "<VRTDataset subClass=\"VRTWarpedDataset\"/>",
            "<VRTDataset SUBCLASS=\"VRTProcessedDataset\"/>",
            "<VRTDataset><VRTRasterBand subclass=\"vrtrawrasterband\"/></VRTDataset>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><VRTDataset>&b;</VRTDataset>",
            "<VRTDataset>",
        ] {
            assert!(named(root).is_err(), "{root}");
        }
        assert!(
            with("<Metadata domain=\"xml:X\" format=\"xml\"><a><SourceFilename>x</SourceFilename></a></Metadata>")
                .is_ok()
        );
        assert!(with("<PixelFunctionLanguage>C</PixelFunctionLanguage>").is_ok());
    }
}
