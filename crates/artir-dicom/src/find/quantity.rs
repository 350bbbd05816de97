//! Detection of objects whose values are not HU, activity or SUV.
//!
//! Maps of iodine, blood flow and the like, and colour renderings, are kept in the same classes as CT and PET images.
//! Four places show this: SamplesPerPixel and PhotometricInterpretation; the rescale type; the units of real-world values;
//! and ImageType from value 3 on. Reasons quote terms of this file alone, since an attribute can hold anything.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::{
    Finding, Modality, Reason,
    read::{dataset::DataSet, hu::is_hounsfield, suv::names_no_correction, view::View},
    terms::quotable,
};

/// Words of ImageType for a rendering: brightness, not a measurement.
const RENDERINGS: [&str; 6] = ["VRT", "SSD", "VOLREN", "RENDERING", "RENDERED", "SCREEN"];

/// Words of ImageType for a projection that slices are planned on.
const LOCALIZERS: [&str; 5] = ["LOCALIZER", "LOCALISER", "SCOUT", "TOPOGRAM", "SURVIEW"];

/// Terms of ImageType value 4 whose images are not of the modality's unit (PS3.3, C.8.2.1.1.1 and C.8.16.1.4).
const FOREIGN_TERMS: [&str; 11] = [
    "MAT_SPECIFIC",
    "MAT_FRACTIONAL",
    "MAT_MODIFIED",
    "MAT_VALUE_BASED",
    "EFF_ATOMIC_NUM",
    "ELECTRON_DENSITY",
    "DIVISION",
    "MULTIPLICATION",
    "QUANTITY",
    "STD_DEVIATION",
    "SUBTRACTION",
];

/// Words that makers use there for the same kinds of maps: of materials, of blood flow, of kinetic models.
const FOREIGN_WORDS: [&str; 21] = [
    "IODINE",
    "DENSITY",
    "ELECTRONDENSITY",
    "ZEFF",
    "EFFZ",
    "ATOMIC",
    "CBF",
    "CBV",
    "RCBF",
    "RCBV",
    "MTT",
    "TTP",
    "TTD",
    "TMAX",
    "PBV",
    "PBF",
    "PERMEABILITY",
    "PATLAK",
    "PARAMETRIC",
    "RHO",
    "BLOOD",
];

/// Words before and after the name of a material that mean its removal from the image. The rest is in HU.
const WITHOUT: [&str; 4] = ["NO", "NON", "WITHOUT", "MINUS"];
const REMOVED: [&str; 3] = ["REMOVED", "SUPPRESSED", "SUBTRACTED"];

/// The other quantity of an object, as a reason to skip it.
pub(super) fn foreign(set: &DataSet, frames: u32, modality: Modality) -> Option<Reason> {
    colour(set, frames)
        .or_else(|| (modality == Modality::Ct).then(|| rescale_type(set, frames)).flatten())
        .or_else(|| real_world_units(set, frames, modality))
        .or_else(|| image_type(set, frames, modality))
        .map(Reason::NotSlice)
}

/// PET values without SUV, which can still be restored in their own unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotUptake {
    /// No correction for attenuation, and the attribute that says so.
    Uncorrected(&'static str),
    /// A map in another unit.
    Unit(String),
}

impl NotUptake {
    /// The reason to skip the object.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Uncorrected(how) => format!("PET without attenuation correction: {how}"),
            Self::Unit(unit) => format!("a PET map in {unit}, Units (0054,1001): not activity"),
        }
    }
}

/// Units of maps that are computed from activity (PS3.3, C.8.9.1.1.3). Those of activity and uptake are checked by the SUV
/// factor, whose errors name the missing attribute.
const MAP_UNITS: [&str; 9] = ["CM2", "PCNT", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM", "MLMINML", "STDDEV"];

/// The reason why SUV cannot be computed for a PET object, regardless of dose and weight.
pub(super) fn not_uptake(set: &DataSet) -> Option<NotUptake> {
    let view = View::new(set, 0);
    let corrections = view.text(tags::CORRECTED_IMAGE);
    let said = view.text(tags::ATTENUATION_CORRECTED);
    if corrections.is_some_and(|c| !c.split('\\').any(|c| c.trim().eq_ignore_ascii_case("ATTN"))) {
        return Some(NotUptake::Uncorrected("CorrectedImage (0028,0051) lacks ATTN"));
    }
    if said == Some("NO") {
        return Some(NotUptake::Uncorrected("AttenuationCorrected (0018,9759) is NO"));
    }
    // The method speaks where nothing else does.
    let method = view.text(tags::ATTENUATION_CORRECTION_METHOD);
    if corrections.is_none() && said.is_none() && method.is_some_and(names_no_correction) {
        return Some(NotUptake::Uncorrected("AttenuationCorrectionMethod (0054,1101) names none"));
    }
    let units = view.text(tags::UNITS).filter(|u| MAP_UNITS.contains(u));
    units.map(|u| NotUptake::Unit(quotable(Some(u)).to_owned()))
}

fn colour(set: &DataSet, frames: u32) -> Option<String> {
    if set.integer(tags::SAMPLES_PER_PIXEL).is_some_and(|n| n != 1) {
        return Some("a colour image: SamplesPerPixel (0028,0002) is not 1".into());
    }
    match set.text(tags::PHOTOMETRIC_INTERPRETATION) {
        None | Some("MONOCHROME1" | "MONOCHROME2") => {}
        other => return Some(format!("PhotometricInterpretation (0028,0004) is {}, not monochrome", quotable(other))),
    }
    let types = [tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, tags::PET_FRAME_TYPE_SEQUENCE];
    let of_frame = |frame| types.map(|t| View::new(set, frame).group(t));
    let mut holders = (0..frames).flat_map(of_frame).chain(std::iter::once(set));
    let is_colour = holders.any(|p| p.text(tags::PIXEL_PRESENTATION).is_some_and(|p| p.contains("COLOR")));
    is_colour.then(|| "a map that is shown in colour".into())
}

/// RescaleType, or ModalityLUTType. Older CT objects have none, or US for unspecified (PS3.3, C.8.2.1). Other attributes
/// decide then.
fn rescale_type(set: &DataSet, frames: u32) -> Option<String> {
    let not_hu = |value: Option<&str>, name: &str| {
        let value = value.filter(|v| !is_hounsfield(v) && *v != "US")?;
        Some(format!("{name} is {}, not HU", quotable(Some(value))))
    };
    (0..frames).find_map(|frame| {
        let group = View::new(set, frame).group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let table = group.items(tags::MODALITY_LUT_SEQUENCE).first();
        not_hu(group.text(tags::RESCALE_TYPE), "RescaleType (0028,1054)")
            .or_else(|| not_hu(table?.text(tags::MODALITY_LUT_TYPE), "ModalityLUTType (0028,3004)"))
    })
}

/// The units that real-world values are mapped to: none of them is the modality's.
fn real_world_units(set: &DataSet, frames: u32, modality: Modality) -> Option<String> {
    let is_own = |unit: &str| match modality {
        Modality::Ct => ["[hnsf'U]", "HU", "hnsf'U"].contains(&unit),
        Modality::Pet => {
            let unit = unit.to_ascii_lowercase();
            ["bq/", "suv", "g/ml", "cm2/ml", "counts", "cps", "ci/"].iter().any(|own| unit.contains(own))
                && !unit.contains("min")
        }
    };
    let foreign = |frame| {
        // A frame's own mappings, or those that it shares, or those of the object.
        let view = View::new(set, frame);
        let mappings = view.items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
        let mut units = mappings.iter().filter_map(unit_of).peekable();
        units.peek().is_some() && !units.any(is_own)
    };
    (0..frames).any(foreign).then(|| format!("a map whose real-world values are not {}", quantity_of(modality)))
}

fn unit_of(mapping: &DataSet) -> Option<&str> {
    mapping.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).first()?.text(tags::CODE_VALUE)
}

fn quantity_of(modality: Modality) -> &'static str {
    match modality {
        Modality::Ct => "HU",
        Modality::Pet => "activity or SUV",
    }
}

/// ImageType, and the FrameType of each frame.
fn types(set: &DataSet, frames: u32) -> Vec<(Vec<&str>, Tag)> {
    let frame_type = |frame| {
        let view = View::new(set, frame);
        [tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, tags::PET_FRAME_TYPE_SEQUENCE].map(|t| (view.group(t), tags::FRAME_TYPE))
    };
    let mut holders: Vec<(&DataSet, Tag)> = vec![(set, tags::IMAGE_TYPE)];
    holders.extend((0..frames).flat_map(frame_type));
    holders.into_iter().map(|(holder, tag)| (holder.texts(tag), tag)).collect()
}

/// Whether an object, or a frame of it, is a projection that slices are planned on.
pub(super) fn is_localizer(set: &DataSet, frames: u32) -> bool {
    let types = types(set, frames);
    types.iter().flat_map(|(values, _)| values).flat_map(|v| words(v)).any(|w| term(&LOCALIZERS, w).is_some())
}

/// ImageType, or FrameType, from value 3 on.
fn image_type(set: &DataSet, frames: u32, modality: Modality) -> Option<String> {
    types(set, frames).into_iter().find_map(|(values, tag)| {
        let name = if tag == tags::IMAGE_TYPE { "ImageType (0008,0008)" } else { "FrameType (0008,9007)" };
        let rendering = values.iter().skip(2).flat_map(|v| words(v)).find_map(|w| term(&RENDERINGS, w));
        if let Some(word) = rendering {
            return Some(format!("a rendering, not {}: {name} has {word}", quantity_of(modality)));
        }
        // Writers that leave out value 3 have the kind of map in its place.
        let map = values.iter().skip(2).find_map(|v| term(&FOREIGN_TERMS, v).or_else(|| foreign_word(v)));
        map.map(|word| format!("a map, not {}: {name} has {word}", quantity_of(modality)))
    })
}

/// What is to be said of CT values that are taken for HU.
pub(super) fn remarks(set: &DataSet) -> Vec<Finding> {
    let values = set.texts(tags::IMAGE_TYPE);
    let image_words: Vec<&str> = values.iter().skip(2).flat_map(|v| words(v)).collect();
    let is_energy = |word: &str| {
        let digits = word.to_ascii_uppercase();
        digits.strip_suffix("KEV").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    };
    let monoenergetic =
        image_words.iter().any(|w| term(&["VMI", "MONOENERGETIC", "MONO"], w).is_some() || is_energy(w));
    let described = [tags::MANUFACTURER_MODEL_NAME, tags::SERIES_DESCRIPTION, tags::PROTOCOL_NAME];
    let cone_beam = described.iter().filter_map(|tag| set.text(*tag)).chain(values).any(|text| {
        let text = text.to_ascii_uppercase();
        text.contains("CBCT") || text.contains("CONE BEAM") || text.contains("CONEBEAM")
    });
    let found = [(monoenergetic, Finding::Monoenergetic), (cone_beam, Finding::ConeBeam)];
    found.into_iter().filter(|(is, _)| *is).map(|(_, finding)| finding).collect()
}

fn words(value: &str) -> Vec<&str> {
    value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect()
}

fn term(terms: &'static [&'static str], value: &str) -> Option<&'static str> {
    terms.iter().copied().find(|t| t.eq_ignore_ascii_case(value))
}

/// A word for a map, unless its neighbours mean its removal from the image.
fn foreign_word(value: &str) -> Option<&'static str> {
    let words = words(value);
    words.iter().enumerate().find_map(|(i, word)| {
        // Some writers leave out the blank, as in IODINEMAP.
        let upper = word.to_ascii_uppercase();
        let stem = ["MAPS", "MAP"].into_iter().find_map(|end| upper.strip_suffix(end)).unwrap_or(&upper);
        let found = term(&FOREIGN_WORDS, stem)?;
        let before = i.checked_sub(1).and_then(|i| term(&WITHOUT, words[i]));
        let after = words.get(i + 1).and_then(|w| term(&REMOVED, w));
        (before.is_none() && after.is_none()).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;

    fn object(values: &[(Tag, &str)]) -> DataSet {
        let mut set = DataSet::default();
        for (tag, value) in values {
            set.put_text(*tag, VR::CS, value);
        }
        set
    }

    fn told_of(values: &[(Tag, &str)], modality: Modality) -> Option<String> {
        foreign(&object(values), 1, modality).map(|reason| reason.to_string())
    }

    #[test]
    fn image_types_of_maps_are_known_and_of_hu_let_pass() {
        let ct = |value: &str| told_of(&[(tags::IMAGE_TYPE, value)], Modality::Ct);
        for map in [
            "DERIVED\\PRIMARY\\AXIAL\\IODINE",
            "DERIVED\\PRIMARY\\AXIAL\\Iodine_no_Water",
            "DERIVED\\SECONDARY\\AXIAL\\CT_SOM7 SPI DUAL\\IODINE",
            "DERIVED\\PRIMARY\\AXIAL\\MAT_SPECIFIC\\X",
            "DERIVED\\PRIMARY\\AXIAL\\WATER(IODINE)",
            "DERIVED\\PRIMARY\\AXIAL\\ELECTRON DENSITY",
            "DERIVED\\PRIMARY\\PERFUSION\\RCBF",
            "DERIVED\\PRIMARY\\VOLUME\\STD_DEVIATION",
            "DERIVED\\SECONDARY\\OTHER\\VRT",
            "DERIVED\\SECONDARY\\VRT",
            "DERIVED\\SECONDARY\\SCREEN SAVE",
            "DERIVED\\SECONDARY\\AXIAL\\IodineMap",
            "DERIVED\\SECONDARY\\IODINE",
            "DERIVED\\SECONDARY\\AXIAL\\BLOOD_FLOW",
        ] {
            assert!(ct(map).is_some_and(|why| why.contains("not HU")), "{map}");
        }
        for image in [
            "ORIGINAL\\PRIMARY\\AXIAL",
            "ORIGINAL\\PRIMARY\\AXIAL\\ADD",
            "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI",
            "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM7 SPI DUAL",
            "ORIGINAL\\PRIMARY\\VOLUME\\NONE",
            "DERIVED\\PRIMARY\\AXIAL\\VMI",
            "DERIVED\\PRIMARY\\VOLUME\\ENERGY_PROP_WT",
            "DERIVED\\PRIMARY\\AXIAL\\IODINE_REMOVED",
            "DERIVED\\PRIMARY\\AXIAL\\VIRTUAL NON IODINE",
            "DERIVED\\SECONDARY\\AXIAL",
        ] {
            assert_eq!(ct(image), None, "{image}");
        }
    }

    #[test]
    fn localizers_are_known_however_they_are_written_and_by_frame() {
        let is = |value: &str| is_localizer(&object(&[(tags::IMAGE_TYPE, value)]), 1);
        for kind in ["LOCALIZER\\CT_SOM5 TOP", "localizer", "SCOUT"] {
            assert!(is(&format!("ORIGINAL\\PRIMARY\\{kind}")), "{kind}");
        }
        assert!(!is("ORIGINAL\\PRIMARY\\AXIAL") && !is_localizer(&DataSet::default(), 1));
        let mut group = DataSet::default();
        group.put_items(
            tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
            vec![object(&[(tags::FRAME_TYPE, "ORIGINAL\\PRIMARY\\LOCALIZER\\NONE")])],
        );
        let mut set = object(&[(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\VOLUME\\NONE")]);
        set.put_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![DataSet::default(), group]);
        assert!(is_localizer(&set, 2) && !is_localizer(&set, 1));
    }

    #[test]
    fn rescale_types_and_colours_are_looked_at() {
        let ct = |tag, value: &str| told_of(&[(tag, value)], Modality::Ct);
        for other in ["MGML", "Z_EFF", "ED", "HU_MOD", "PCT", "OD"] {
            assert!(ct(tags::RESCALE_TYPE, other).unwrap().contains(other));
        }
        assert!(ct(tags::RESCALE_TYPE, "SMITH").unwrap().contains("not in the standard"));
        for hu in ["HU", "hu", "US"] {
            assert_eq!(ct(tags::RESCALE_TYPE, hu), None);
        }
        assert!(ct(tags::PHOTOMETRIC_INTERPRETATION, "RGB").unwrap().contains("RGB"));
        assert!(ct(tags::PHOTOMETRIC_INTERPRETATION, "PALETTE COLOR").is_some());
        assert_eq!(ct(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME1"), None);
        let mut colour = DataSet::default();
        colour.put_us(tags::SAMPLES_PER_PIXEL, 3);
        assert!(foreign(&colour, 1, Modality::Pet).unwrap().to_string().contains("colour"));
        // PET has its unit in Units.
        assert_eq!(told_of(&[(tags::RESCALE_TYPE, "BQML")], Modality::Pet), None);
    }

    #[test]
    fn one_frame_of_another_unit_is_enough() {
        let group = |unit: &str| {
            let mut item = DataSet::default();
            item.put_items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![object(&[(tags::RESCALE_TYPE, unit)])]);
            item
        };
        let mut set = DataSet::default();
        set.put_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![group("HU"), group("HU")]);
        assert!(foreign(&set, 2, Modality::Ct).is_none());
        set.put_items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, vec![group("HU"), group("MGML")]);
        assert!(foreign(&set, 2, Modality::Ct).unwrap().to_string().contains("MGML"));
    }

    fn mapped(units: &[&str]) -> DataSet {
        let mapping = |unit: &&str| {
            let mut item = DataSet::default();
            item.put_items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![object(&[(tags::CODE_VALUE, unit)])]);
            item
        };
        let mut set = DataSet::default();
        set.put_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, units.iter().map(mapping).collect());
        set
    }

    #[test]
    fn real_world_values_tell_the_quantity() {
        for (units, modality, own) in [
            (vec!["[hnsf'U]"], Modality::Ct, true),
            (vec!["mg/cm3"], Modality::Ct, false),
            (vec!["[hnsf'U]", "g/cm3"], Modality::Ct, true),
            (vec![], Modality::Ct, true),
            (vec!["Bq/ml"], Modality::Pet, true),
            (vec!["g/ml{SUVbw}"], Modality::Pet, true),
            (vec!["{SUVlbm}g/ml"], Modality::Pet, true),
            (vec!["{counts}"], Modality::Pet, true),
            (vec!["mL/min/mL"], Modality::Pet, false),
            (vec!["1"], Modality::Pet, false),
        ] {
            assert_eq!(foreign(&mapped(&units), 1, modality).is_none(), own, "{units:?}");
        }
    }

    #[test]
    fn pet_without_attenuation_correction_is_no_uptake() {
        let of = |tag, value: &str| not_uptake(&object(&[(tag, value)]));
        let by = |told: Option<NotUptake>| told.map(|told| told.reason()).unwrap_or_default();
        assert!(by(of(tags::CORRECTED_IMAGE, "DECY\\SCAT\\NORM")).contains("CorrectedImage (0028,0051) lacks ATTN"));
        assert_eq!(of(tags::CORRECTED_IMAGE, "DECY\\ ATTN\\NORM"), None);
        assert_eq!(not_uptake(&DataSet::default()), None);
        assert!(by(of(tags::ATTENUATION_CORRECTED, "NO")).contains("AttenuationCorrected (0018,9759) is NO"));
        assert_eq!(of(tags::ATTENUATION_CORRECTED, "YES"), None);
        for method in ["NONE", "none, 0.000000 cm-1,", "No Attenuation Correction", "non-corrected"] {
            let told = by(of(tags::ATTENUATION_CORRECTION_METHOD, method));
            assert!(told.contains("AttenuationCorrectionMethod (0054,1101) names none"), "{method}");
        }
        for method in ["measured,, 0.096000 cm-1,", "CT", "calculated"] {
            assert_eq!(of(tags::ATTENUATION_CORRECTION_METHOD, method), None, "{method}");
        }
        // What says that it is corrected counts.
        let both = [(tags::CORRECTED_IMAGE, "ATTN\\DECY"), (tags::ATTENUATION_CORRECTION_METHOD, "NONE")];
        assert_eq!(not_uptake(&object(&both)), None);
        assert!(of(tags::UNITS, "MLMINML").unwrap().reason().contains("MLMINML"));
        for activity in ["BQML", "GML", "CNTS", "PROPCPS"] {
            assert_eq!(of(tags::UNITS, activity), None);
        }
    }
}
