use super::*;

#[test]
fn marks_of_clouds_are_read_as_their_makers_define_them() {
    for (value, cloud) in [(4.0, false), (10.0, false), (9.0, true), (3.0, true), (0.0, true)] {
        assert_eq!(MaskKind::Scl.is_cloud(value), cloud, "SCL {value}");
    }
    // Clear land, cloud of high confidence, cloud shadow, fill, cirrus alone.
    for (value, cloud) in [(21_824.0, false), (22_280.0, true), (23_888.0, true), (1.0, true), (54_596.0, false)] {
        assert_eq!(MaskKind::QaPixel.is_cloud(value), cloud, "QA_PIXEL {value}");
    }
    assert!(MaskKind::Udm2.is_cloud(0.0) && !MaskKind::Udm2.is_cloud(1.0));
}

#[test]
fn a_product_names_files_of_its_own_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    for name in ["a.tif", "in/b.tif"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let folder = dir.path().join("in");
    assert!(within(&folder, "b.tif").is_ok());
    for name in ["../a.tif", "/etc/passwd", "", "none.tif", "../in/b.tif"] {
        assert!(within(&folder, name).is_err(), "{name}");
    }
}

#[test]
fn a_document_of_pleiades_names_its_image_and_its_colours() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("DIM_PHR1A_PMS.XML");
    std::fs::write(dir.path().join("IMG_R1C1.JP2"), "x").unwrap();
    let index =
        |id: &str, n: u8| format!("<Raster_Index><BAND_ID>{id}</BAND_ID><BAND_INDEX>{n}</BAND_INDEX></Raster_Index>");
    let text = |href: &str| {
        format!(
            "<Dimap_Document><Dataset_Identification><DATASET_NAME>PHR1A</DATASET_NAME></Dataset_Identification>\
             <Data_Files><Data_File><DATA_FILE_PATH href=\"{href}\"/></Data_File></Data_Files>\
             <Band_Display_Order><RED_CHANNEL>B2</RED_CHANNEL><GREEN_CHANNEL>B1</GREEN_CHANNEL><BLUE_CHANNEL>B0</BLUE_CHANNEL>\
             </Band_Display_Order>{}{}{}{}<MISSION>PHR</MISSION><MISSION_INDEX>1A</MISSION_INDEX></Dimap_Document>",
            index("B0", 3),
            index("B1", 2),
            index("B2", 1),
            index("B3", 4)
        )
    };
    std::fs::write(&file, text("IMG_R1C1.JP2")).unwrap();
    let product = recognise(&file.display().to_string()).unwrap().unwrap();
    let bands = Some(vec![1, 2, 3]);
    assert_eq!(product.scene, ProductScene::File { path: dir.path().join("IMG_R1C1.JP2"), bands, least: 0 });
    assert_eq!((product.name.as_str(), product.kind.as_str()), ("PHR1A", "PHR 1A"));
    std::fs::write(&file, text("../IMG_R1C1.JP2")).unwrap();
    assert!(recognise(&dir.path().display().to_string()).unwrap().is_err());
}

#[test]
fn other_rasters_are_no_products() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["scene.tif", "mtd.xml", "LC08_MTL.geojson", "AnalyticMS.tif"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
        assert!(recognise(&dir.path().join(name).display().to_string()).is_none(), "{name}");
    }
    // What macOS keeps beside a file is none of the product's.
    std::fs::write(dir.path().join("._LC08_X_MTL.txt"), "x").unwrap();
    assert!(recognise(&dir.path().display().to_string()).is_none());
    std::fs::write(dir.path().join("LC08_X_MTL.txt"), "x").unwrap();
    assert!(recognise(&dir.path().display().to_string()).is_some());
    assert!(recognise("NETCDF:\"a.nc\":red").is_none() && recognise("").is_none());
}
