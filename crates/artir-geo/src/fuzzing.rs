//! Entry points for fuzzers: parsers of untrusted bytes that run before GDAL, without files.

use crate::{
    open::references,
    scene::tags::{Tags, endless_profile},
};

/// The policy for virtual rasters: the files that a document references, or the reason to refuse it.
pub fn virtual_raster(bytes: &[u8]) {
    drop(references::named(&String::from_utf8_lossy(bytes)));
}

/// The tags of a TIFF's first directory, and the colours of all.
pub fn tiff_tags(bytes: &[u8]) {
    let mut fetched = 0;
    let mut fetch = |at: u64, length: usize| {
        let rest = bytes.get(usize::try_from(at).ok()?..)?;
        fetched += 1;
        Some(rest[..length.min(rest.len())].to_vec())
    };
    let tags = Tags::parse(&mut fetch);
    let _ = endless_profile(&mut fetch);
    assert!(fetched <= 1 << 14, "a directory that is read for ever");
    assert!(tags.is_none() || bytes.len() >= 8, "tags of a file without a header");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With ARTIR_FUZZ_CORPUS the seeds are left in that folder, in one folder a target.
    fn keep(target: &str, name: &str, bytes: &[u8]) {
        if let Some(root) = std::env::var_os("ARTIR_FUZZ_CORPUS") {
            let folder = std::path::Path::new(&root).join(target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    fn document(inside: &str) -> String {
        format!(
            "<VRTDataset rasterXSize=\"8\" rasterYSize=\"8\"><SRS>EPSG:32632</SRS><GeoTransform>1,2,0,3,0,-2</GeoTransform>\
             <VRTRasterBand dataType=\"Byte\" band=\"1\">{inside}</VRTRasterBand></VRTDataset>"
        )
    }

    #[test]
    fn seeds_of_virtual_rasters_are_read() {
        let source = "<SimpleSource><SourceFilename relativeToVRT=\"1\">a.tif</SourceFilename><SourceBand>1</SourceBand>\
                      <SrcRect xOff=\"0\" yOff=\"0\" xSize=\"8\" ySize=\"8\"/></SimpleSource>";
        for (name, inside) in [
            ("simple", source.to_owned()),
            ("complex", source.replace("Simple", "Complex").replace("</Source", "<ScaleRatio>2</ScaleRatio></Source")),
            ("absolute", source.replace("\"1\">a.tif", "\"0\">/data/a.tif")),
            ("prefix", source.replace("a.tif", "GTIFF_DIR:1:/data/a.tif")),
            ("network", source.replace("a.tif", "/vsicurl/https://example.org/a.tif")),
            ("inline", source.replace("a.tif", "&lt;VRTDataset/&gt;")),
            ("code", "<PixelFunctionCode><![CDATA[x]]></PixelFunctionCode>".to_owned()),
            ("geolocation", "<MDI key=\"X_DATASET\">x.tif</MDI><Metadata domain=\"xml:x\"><y/></Metadata>".to_owned()),
        ] {
            virtual_raster(document(&inside).as_bytes());
            keep("virtual_raster", name, document(&inside).as_bytes());
        }
        assert!(references::named(&document(source)).is_ok_and(|names| names.len() == 1));
        assert!(references::named(&document("<PixelFunctionCode>x</PixelFunctionCode>")).is_err());
    }

    #[test]
    fn seeds_of_tiff_tags_are_read() {
        let mut classic = b"II\x2a\0\x08\0\0\0\x04\0".to_vec();
        for (tag, value) in [(258u16, 32u32), (262, 2), (317, 2), (338, 1)] {
            classic.extend([tag.to_le_bytes(), 3u16.to_le_bytes()].concat());
            classic.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        classic.extend([0; 4]);
        let mut big = b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x02".to_vec();
        big.extend(b"\x01\x42\0\x03\0\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0");
        big.extend(b"\x01\x3e\0\x05\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x20");
        big.extend([0; 16]);
        for (name, file) in [("classic", &classic), ("big", &big)] {
            tiff_tags(file);
            keep("tiff_tags", name, file);
        }
        let found = Tags::parse(&mut |at, length| {
            let rest = classic.get(at as usize..)?;
            Some(rest[..length.min(rest.len())].to_vec())
        });
        assert!(found.is_some_and(|tags| tags.photometric == Some(2) && tags.predictor == Some(2)));
    }
}
