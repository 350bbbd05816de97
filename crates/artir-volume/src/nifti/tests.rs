use super::*;

/// A header of 4 x 5 x 6 voxels of a datatype, without orientation.
fn header(two: bool, big_endian: bool, datatype: i16, sizes: &[i64]) -> Header {
    let version = if two { TWO } else { ONE };
    let mut header = Header { bytes: vec![0; version.length + 4], version, big_endian };
    header.set(0, (version.length as i32).to_le_bytes());
    let magic: &[u8] = if two { b"n+2\0\r\n\x1a\n" } else { b"n+1\0" };
    let at = if two { 4 } else { 344 };
    header.bytes[at..at + magic.len()].copy_from_slice(magic);
    header.set(version.datatype, datatype.to_le_bytes());
    for (i, size) in [sizes.len() as i64].iter().chain(sizes).enumerate() {
        let at = version.dim + i * version.dimension;
        if two { header.set(at, size.to_le_bytes()) } else { header.set(at, (*size as i16).to_le_bytes()) }
    }
    let offset = version.length + 4;
    if two {
        header.set(version.vox_offset, (offset as i64).to_le_bytes());
    } else {
        header.set(version.vox_offset, (offset as f32).to_le_bytes());
    }
    header
}

impl Header {
    fn set_named(&mut self, place: &str, values: &[f64]) {
        let at = match place {
            "pixdim" => self.version.pixdim,
            "quatern" => self.version.quatern,
            "cal_max" => self.version.cal_max,
            _ => self.version.srow,
        };
        self.set_floats(at, values);
    }

    fn set_code(&mut self, place: &str, code: i32) {
        let at = match place {
            "sform" => self.version.sform_code,
            "qform" => self.version.qform_code,
            _ => self.version.intent_code,
        };
        if self.version == ONE { self.set(at, (code as i16).to_le_bytes()) } else { self.set(at, code.to_le_bytes()) }
    }
}

fn reread(header: &Header) -> Result<Header, Reason> {
    Header::read(&mut header.bytes.as_slice())
}

#[test]
fn both_versions_are_read_in_both_orders() {
    for two in [false, true] {
        for big_endian in [false, true] {
            let mut made = header(two, big_endian, 4, &[4, 5, 6]);
            made.set_named("pixdim", &[-1.0, 0.5, 0.75, 2.0]);
            made.set_rescale(0.5, -1024.0);
            let read = reread(&made).unwrap();
            assert_eq!(read, made);
            let form = read.form().unwrap();
            assert_eq!((form.sizes, form.slope, form.intercept), (vec![4, 5, 6], 0.5, -1024.0));
            assert_eq!(form.spacing, [0.5, 0.75, 2.0]);
            assert_eq!(form.directions, None);
            // A rotation by 180 degrees about the third axis, to the left and the back, and a third axis that is turned round.
            made.set_code("qform", 1);
            made.set_named("quatern", &[0.0, 0.0, 1.0]);
            let turned = made.form().unwrap().directions.unwrap();
            assert_eq!(turned, [[0.5, 0.0, 0.0], [0.0, 0.75, 0.0], [0.0, 0.0, -2.0]]);
            // The sform counts where both are there.
            made.set_code("sform", 2);
            made.set_named("srow", &[0.0, 3.0, 0.0, 9.0, 2.0, 0.0, 0.0, 9.0, 0.0, 0.0, 4.0, 9.0]);
            assert_eq!(made.form().unwrap().directions.unwrap(), [[0.0, -2.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 4.0]]);
            // One without a size counts for nothing.
            made.set_named("srow", &[0.0; 12]);
            assert_eq!(made.form().unwrap().directions.unwrap(), turned);
        }
    }
}

#[test]
fn lengths_are_in_the_unit_that_is_stated() {
    for two in [false, true] {
        // Units of time are in the upper bits.
        for (units, length, mm) in [(0, 2.0, 2.0), (2 | 8, 2.0, 2.0), (1, 0.125, 125.0), (3 | 16, 500.0, 0.5)] {
            let mut made = header(two, true, 4, &[4, 5, 6]);
            let at = if two { 503 } else { 123 };
            made.bytes[at] = units;
            made.set_named("pixdim", &[1.0, length, length, length]);
            made.set_code("sform", 1);
            made.set_named("srow", &[length, 0.0, 0.0, 0.0, 0.0, length, 0.0, 0.0, 0.0, 0.0, length, 0.0]);
            let form = made.form().unwrap();
            assert_eq!(form.spacing, [mm; 3], "{units}");
            assert_eq!(form.directions.unwrap()[2], [0.0, 0.0, mm], "{units}");
        }
    }
}

#[test]
fn a_comment_is_added_behind_what_is_there() {
    for two in [false, true] {
        let mut plain = header(two, false, 4, &[4, 5, 6]);
        plain.add_comment("the model");
        let mut read = reread(&plain).unwrap();
        assert!(read.form().unwrap().restored && read.bytes.len().is_multiple_of(16));
        read.add_comment("another");
        let texts = read.extensions().iter().map(|(code, text)| (*code, text.to_vec())).collect::<Vec<_>>();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].1.starts_with(b"artir: the model\0") && texts[1].1.starts_with(b"artir: another\0"));
        assert!(!header(two, false, 4, &[4, 5, 6]).form().unwrap().restored);
    }
    // Padding without extensions is dropped.
    let mut padded = header(false, true, 4, &[4, 5, 6]);
    padded.bytes.resize(400, 7);
    padded.set(ONE.vox_offset, 400f32.to_le_bytes());
    let mut read = reread(&padded).unwrap();
    assert!(!read.form().unwrap().restored);
    read.add_comment("x");
    assert_eq!(read.extensions().len(), 1);
}

#[test]
fn what_is_no_volume_of_numbers_is_refused() {
    let refused = |header: &Header| header.form().unwrap_err().to_string();
    for (datatype, why) in [(128, "RGB"), (2304, "RGB"), (32, "complex"), (1024, "64-bit"), (3, "not of NIfTI")] {
        assert!(refused(&header(false, false, datatype, &[4, 5, 6])).contains(why), "{datatype}");
    }
    assert!(refused(&header(true, false, 4, &[4, 5, 6, 1, 3])).contains("four dimensions"));
    assert!(refused(&header(false, false, 4, &[4, 0, 6])).contains("not positive"));
    assert!(refused(&header(false, false, 4, &[4; 0])).contains("dim[0]"));
    let mut labels = header(true, true, 4, &[4, 5, 6]);
    labels.set_code("intent", 1002);
    assert!(refused(&labels).contains("intent_code 1002"));
    assert_eq!(header(false, false, 4, &[4, 5]).form().unwrap().sizes, [4, 5, 1]);
    // Values are not scaled by 0, nor by what is no number.
    for slope in [0.0, f64::NAN] {
        let mut unscaled = header(false, false, 4, &[4, 5, 6]);
        unscaled.set_rescale(slope, 7.0);
        let form = unscaled.form().unwrap();
        assert_eq!((form.slope, form.intercept), (1.0, 0.0));
    }
    // A scale without an offset that is a number could mean anything.
    let mut half = header(false, false, 4, &[4, 5, 6]);
    half.set_rescale(2.0, f64::NAN);
    assert!(refused(&half).contains("scl_inter"));
}

#[test]
fn headers_that_lie_are_damaged() {
    let whole = header(false, false, 4, &[4, 5, 6]);
    for cut in [0, 100, 347, 350] {
        assert!(Header::read(&mut &whole.bytes[..cut]).is_err(), "{cut}");
    }
    for offset in [100.0, 1e9, f32::NAN, 353.5] {
        let mut bad = whole.clone();
        bad.set(ONE.vox_offset, offset.to_le_bytes());
        assert!(matches!(reread(&bad), Err(Reason::Damaged(_))), "{offset}");
    }
    let mut pair = whole.clone();
    pair.bytes[344..348].copy_from_slice(b"ni1\0");
    assert!(is_nifti(&pair.bytes) && reread(&pair).unwrap_err().to_string().contains(".hdr"));
    assert!(!is_nifti(&[0; 400]) && matches!(Header::read(&mut [0; 400].as_slice()), Err(Reason::Other)));
    // An extension that claims more than is there is no extension.
    let mut torn = whole;
    torn.bytes[348] = 1;
    torn.bytes.resize(368, 0);
    torn.set(352, 4000i32.to_le_bytes());
    torn.set(ONE.vox_offset, 368f32.to_le_bytes());
    assert!(reread(&torn).unwrap().extensions().is_empty());
}

#[test]
fn the_display_range_follows_another_rescale() {
    for two in [false, true] {
        let carried = |range: [f64; 2], to: (f64, f64)| -> [f64; 2] {
            let mut made = header(two, true, 4, &[4, 5, 6]);
            made.set_named("cal_max", &range);
            made.carry_display_range((2.0, 8.0), to);
            made.floats(made.version.cal_max)
        };
        assert_eq!(carried([1264.0, 864.0], (2.0, -1016.0)), [240.0, -160.0]);
        assert_eq!(carried([1264.0, 864.0], (-1.0, 0.0)), [-428.0, -628.0]);
        // None is stated.
        for range in [[0.0, 0.0], [7.0, 9.0]] {
            assert_eq!(carried(range, (2.0, -1016.0)), range);
        }
    }
    // The places of the standards: cal_max, then cal_min.
    assert_eq!((ONE.cal_max, TWO.cal_max), (124, 192));
}
