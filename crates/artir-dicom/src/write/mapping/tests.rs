use proptest::prelude::*;

use super::*;
use crate::read::frame::PixelFormat;

const SIGNED: (i32, i32) = (-32768, 32767);

fn rescale(from: f64, to: f64, limits: (i32, i32)) -> NewRescale {
    let [from, to] = [from, to].map(|slope| Line { slope, intercept: 0.0 });
    NewRescale { from, to, limits }
}

fn item(slope: f64, intercept: f64, range: Option<(i32, i32)>) -> DataSet {
    let mut item = DataSet::default();
    put_double(&mut item, tags::REAL_WORLD_VALUE_SLOPE, slope);
    put_double(&mut item, tags::REAL_WORLD_VALUE_INTERCEPT, intercept);
    if let Some((first, last)) = range {
        item.put_us(tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, first as u16);
        item.put_us(tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED, last as u16);
    }
    item
}

fn with(items: Vec<DataSet>) -> DataSet {
    let mut set = DataSet::default();
    set.put_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, items);
    set
}

/// Slope, intercept, first and last value of a mapping.
type Terms = (f64, f64, Option<(i32, i32)>);

/// Restates mappings: how many were left out, and those that were not.
fn restated(rescale: NewRescale, items: Vec<DataSet>) -> (usize, Vec<Terms>) {
    let mut set = with(items);
    let dropped = rescale.restate(&mut set);
    let read = |item| Mapping::read(item, rescale.limits).unwrap();
    let items = set.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE).iter().map(read);
    (dropped, items.map(|m| (m.line.slope, m.line.intercept, m.range)).collect())
}

#[test]
fn a_line_follows_the_slope_and_a_full_range_stays_full() {
    for to in [0.5, 40.0] {
        let (dropped, items) = restated(rescale(10.0, to, SIGNED), vec![item(0.0024, 7.0, Some(SIGNED))]);
        assert_eq!((dropped, items), (0, vec![(0.0024 * (to / 10.0), 7.0, Some(SIGNED))]));
    }
    // A new intercept moves the line: stored 3 is 2 x 3 + 5 = 11, which was 11 / 4 before.
    let moved = NewRescale { to: Line { slope: 2.0, intercept: 5.0 }, ..rescale(4.0, 1.0, SIGNED) };
    let (_, items) = restated(moved, vec![item(8.0, 1.0, None)]);
    assert_eq!(items, [(4.0, 11.0, None)]);
    assert_eq!(4.0 * 3.0 + 11.0, 8.0 * (11.0 / 4.0) + 1.0);
}

#[test]
fn a_range_of_signed_values_over_unsigned_pixels_covers_them() {
    let mut all = item(2.0, 0.0, None);
    for (tag, v) in
        [(tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, i16::MIN), (tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED, i16::MAX)]
    {
        all.insert(tag, Element { vr: VR::SS, value: Value::Bytes(v.to_le_bytes().to_vec()) });
    }
    assert_eq!(restated(rescale(10.0, 1.0, (0, 4095)), vec![all]), (0, vec![(0.2, 0.0, Some((0, 4095)))]));
}

#[test]
fn ranges_that_meet_still_do() {
    let pieces = || {
        vec![item(1.0, 0.0, Some((0, 999))), item(2.0, -999.0, Some((1000, 1000))), item(3.0, 0.0, Some((1001, 2000)))]
    };
    let finer: Vec<_> = restated(rescale(10.0, 1.0, SIGNED), pieces()).1.into_iter().map(|m| m.2.unwrap()).collect();
    assert_eq!(finer, [(-5, 9994), (9995, 10_004), (10_005, 20_004)]);
    // 1000 is no stored value any more when steps of 3 are left: 999 and 1002 are.
    let (dropped, coarser) = restated(rescale(1.0, 3.0, SIGNED), pieces());
    assert_eq!((dropped, coarser.len()), (0, 2), "nothing is lost with a range that no pixel has");
    assert_eq!((coarser[0].2, coarser[1].2), (Some((0, 333)), Some((334, 666))));
}

#[test]
fn what_cannot_follow_is_left_out() {
    let mut table = item(1.0, 0.0, Some((0, 9)));
    table.remove(tags::REAL_WORLD_VALUE_SLOPE);
    put_double(&mut table, tags::REAL_WORLD_VALUE_LUT_DATA, 1.0);
    let mut both = item(1.0, 0.0, Some((0, 9)));
    put_double(&mut both, tags::REAL_WORLD_VALUE_LUT_DATA, 1.0);
    let mut set = with(vec![table.clone(), both, item(1.0, 0.0, None), DataSet::default()]);
    assert_eq!(rescale(1.0, 2.0, SIGNED).restate(&mut set), 3);
    let items = set.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
    assert_eq!(items.len(), 2, "the line of the second stays");
    assert!(items.iter().all(|i| !i.contains(tags::REAL_WORLD_VALUE_LUT_DATA)));
    let mut alone = with(vec![table]);
    assert_eq!(rescale(1.0, 2.0, SIGNED).restate(&mut alone), 1);
    assert_eq!(alone, DataSet::default(), "no empty sequence");
    assert_eq!(rescale(1.0, 2.0, SIGNED).restate(&mut DataSet::default()), 0);
}

#[test]
fn first_and_last_values_have_the_vr_of_the_pixels() {
    for (limits, vr, first, last) in [(SIGNED, VR::SS, -2, 1), ((0, 4095), VR::US, 0, 1)] {
        // The source's are US in either case, -1 written as 65535.
        let mut set = with(vec![item(1.0, 0.0, Some((if limits.0 < 0 { -1 } else { 0 }, 1)))]);
        rescale(2.0, 1.5, limits).restate(&mut set);
        let item = &set.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0];
        let value = |tag| (item.get(tag).unwrap().vr, item.integer(tag).unwrap() as i32);
        assert_eq!(value(tags::REAL_WORLD_VALUE_FIRST_VALUE_MAPPED), (vr, first));
        assert_eq!(value(tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED), (vr, last));
    }
}

#[test]
fn ranges_in_double_precision_are_not_rounded() {
    let mut line = item(1.0, 0.0, None);
    put_double(&mut line, tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED, 3.0);
    put_double(&mut line, tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED, 32767.0);
    let mut set = with(vec![line]);
    rescale(1.0, 4.0, SIGNED).restate(&mut set);
    let item = &set.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0];
    assert_eq!(item.number(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_FIRST_VALUE_MAPPED), Some(0.75));
    assert_eq!(item.number(tags::DOUBLE_FLOAT_REAL_WORLD_VALUE_LAST_VALUE_MAPPED), Some(32767.0));
}

proptest! {
    /// Every new stored value has the piece, and in it the value, of the source's value that it is nearest to.
    #[test]
    fn pieces_map_as_in_the_source(
        from in 0.01f64..100.0, finer in 0.01f64..4.0, first in -2000i32..2000, lengths in prop::array::uniform3(1i32..500),
        stored in -32768i32..32767
    ) {
        let rescale = rescale(from, from * finer, SIGNED);
        let mut at = first;
        let pieces: Vec<(i32, i32)> = lengths.iter().map(|n| { at += n; (at - n, at - 1) }).collect();
        let piece_of = |v: i32| pieces.iter().position(|(first, last)| (*first..=*last).contains(&v));
        let source = f64::from(stored) * finer;
        // At a border either piece is right.
        prop_assume!((source - source.floor() - 0.5).abs() > 1e-6);
        for (i, piece) in pieces.iter().enumerate() {
            let (_, items) = restated(rescale, vec![item(0.5, 1.0, Some(*piece))]);
            let holds = items.first().is_some_and(|m| {
                let (first, last) = m.2.unwrap();
                (first..=last).contains(&stored)
            });
            prop_assert_eq!(holds, piece_of(source.round() as i32) == Some(i));
            for (slope, intercept, _) in items {
                prop_assert!((slope * f64::from(stored) + intercept - (0.5 * source + 1.0)).abs() < 1e-6);
            }
        }
    }
}

/// A slice of four signed pixels.
fn slice(stored: [i16; 4], slope: f64) -> Slice {
    let mut set = DataSet::default();
    for (tag, value) in [
        (tags::ROWS, 1),
        (tags::COLUMNS, 4),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 1),
        (tags::SAMPLES_PER_PIXEL, 1),
    ] {
        set.put_us(tag, value);
    }
    set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    let format = PixelFormat::read(&set).unwrap();
    let bytes: Vec<u8> = stored.iter().flat_map(|v| v.to_le_bytes()).collect();
    let transform = crate::read::hu::Transform::Linear { slope, intercept: 0.0 };
    let encoding = crate::read::hu::Encoding { limits: format.limits(), transform, padding: format.padding };
    Slice { frame: format.frame(&bytes).unwrap(), encoding, outside: None, per_unit: 1.0, lossy: false }
}

#[test]
fn a_mapping_that_went_wrong_is_found_on_reading() {
    let rescale = rescale(10.0, 0.5, SIGNED);
    let source = with(vec![item(0.0024, 0.0, Some((0, 100)))]);
    let check = |derived: &DataSet, slope| {
        rescale.check(&slice([0, 1, 1900, 2010], slope), &View::new(&source, 0), &View::new(derived, 0))
    };
    let mut right = source.clone();
    rescale.restate(&mut right);
    assert!(check(&right, 0.5).is_ok());
    assert!(check(&source, 0.5).is_err(), "the source's own mapping");
    assert!(check(&DataSet::default(), 0.5).is_err(), "no mapping");
    assert!(check(&right, 0.6).is_err(), "another slope in the file");
    let mut short = right.clone();
    short.items_mut(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)[0].put_us(tags::REAL_WORLD_VALUE_LAST_VALUE_MAPPED, 1899);
    assert!(check(&short, 0.5).is_err(), "a value that is not mapped any more");
}

#[test]
fn every_frame_gets_the_mappings_that_are_in_effect() {
    let mapped = |slope| with(vec![item(slope, 0.0, None)]);
    let aside = |sequence, slope| {
        let mut groups = DataSet::default();
        groups.put_items(sequence, vec![mapped(slope)]);
        groups
    };
    let slopes = |shared: DataSet, mut object: DataSet| {
        let mut own = mapped(1.0);
        own.put_items(tags::FRAME_CONTENT_SEQUENCE, vec![]);
        object.put_items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
        object.put_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![own, aside(ASIDE[1], 2.0)]);
        unshare(&mut object);
        let frames = object.remove(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).unwrap();
        let mut rest = object.clone();
        unshare(&mut rest);
        assert!(in_effect(&View::new(&rest, 0)).is_empty(), "nothing stays outside the frames");
        let Value::Items(frames) = frames.value else { unreachable!("it was put as items") };
        assert!(frames[0].contains(tags::FRAME_CONTENT_SEQUENCE), "all else stays");
        let slope = |frame: &DataSet| {
            let items = frame.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
            items.iter().map(|i| i.number(tags::REAL_WORLD_VALUE_SLOPE).unwrap()).collect::<Vec<_>>()
        };
        frames.iter().map(slope).collect::<Vec<_>>()
    };
    assert_eq!(slopes(mapped(3.0), mapped(4.0)), [[1.0], [3.0]]);
    assert_eq!(slopes(DataSet::default(), mapped(4.0)), [[1.0], [4.0]]);
    assert_eq!(slopes(aside(ASIDE[0], 5.0), DataSet::default()), [[1.0], [2.0]]);
}
