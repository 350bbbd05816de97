//! Values that an error may quote. Any other value could be patient data, so only the standard's own terms are quoted.

/// Defined terms of RescaleType, Modality LUT Type, Units, SUVType, DecayCorrection, PhotometricInterpretation and
/// Modality, as far as errors speak of them (PS3.3, C.11.1.1.2, C.8.9.1.1, C.7.6.3.1.2, C.7.3.1.1.1).
const TERMS: [&str; 57] = [
    "OD",
    "HU",
    "US",
    "MGML",
    "Z_EFF",
    "ED",
    "EDW",
    "HU_MOD",
    "PCT",
    "CNTS",
    "NONE",
    "CM2",
    "CM2ML",
    "PCNT",
    "CPS",
    "BQML",
    "MGMINML",
    "UMOLMINML",
    "MLMING",
    "MLG",
    "1CM",
    "UMOLML",
    "PROPCNTS",
    "PROPCPS",
    "MLMINML",
    "MLML",
    "GML",
    "STDDEV",
    "BSA",
    "BW",
    "LBM",
    "LBMJANMA",
    "LBMJAMES128",
    "IBW",
    "START",
    "ADMIN",
    "MONOCHROME1",
    "MONOCHROME2",
    "PALETTE COLOR",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_PARTIAL_420",
    "YBR_ICT",
    "YBR_RCT",
    "CT",
    "PT",
    "MR",
    "NM",
    "OT",
    "CR",
    "DX",
    "XA",
    "SC",
    "SR",
    "SEG",
    "RTDOSE",
];

/// The value if it is a term, else a placeholder.
pub(crate) fn quotable(value: Option<&str>) -> &str {
    match value {
        None => "missing",
        Some(value) if TERMS.contains(&value) => value,
        Some(_) => "a value that is not in the standard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terms_are_quoted() {
        assert_eq!(quotable(Some("CNTS")), "CNTS");
        assert_eq!(quotable(None), "missing");
        assert!(!quotable(Some("SMITH^JOHN")).contains("SMITH"));
    }
}
