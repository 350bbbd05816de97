//! Unusual properties of a series, and assumptions that were made about it.

use crate::Repair;

/// Something unusual about a series, which does not keep it from being restored slice by slice.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The number of slices that seem to be missing between others.
    Missing(usize),
    /// Neighbours are between these distances apart, mm.
    UnevenSpacing(f64, f64),
    /// The number of slices at the position of another slice.
    Coincident(usize),
    /// The number of time slices at each position.
    TimeSlices(usize),
    /// The stack is sheared by a tilted gantry, degrees.
    GantryTilt(f64),
    /// Pixels are not square: distance of rows, then of columns, mm.
    NonSquarePixels(f64, f64),
    /// The source's SeriesInstanceUID holds several values of an attribute, and this series is the slices of one.
    Split(&'static str),
    /// The number of files that have the SOPInstanceUID of another slice, but other contents.
    Clashing(usize),
    /// The frames of its objects form this many stacks.
    Stacks(usize),
    /// SeriesTime is not the start of the scan; this attribute was used instead.
    ScanStartFrom(&'static str),
    /// The injection seems to follow the start of the scan, by this many seconds.
    InjectionAfterStart(f64),
    /// The date of the injection does not fit that of the scan, and its time of day was used.
    InjectionDateIgnored,
    /// Date and time of the injection differ from its time of day, and were used.
    InjectionTimesDiffer,
    /// The scan's times were taken for those of the zone that the injection's time names.
    ZoneAssumed,
    /// CorrectedImage is missing: attenuation and decay were taken for corrected, by the methods of the corrections.
    CorrectionsAssumed,
    /// SUV comes from a real-world value mapping, since the header lacks what it could be computed from.
    SuvFromMapping,
    /// The tracer is not FDG, on which the model was trained.
    OtherTracer,
    /// Monoenergetic images of a dual-energy CT, whose values are HU.
    Monoenergetic,
    /// Cone-beam CT, whose values are often not calibrated to HU.
    ConeBeam,
    /// Slices have different SUV factors: least and largest.
    SuvFactorsDiffer(f64, f64),
    /// The number of real-world value mappings that were removed, since they cannot be restated for the new slope.
    MappingsDropped(usize),
    /// The number of restored PET values that would have been negative, though no value of their slice is, and became 0.
    NotBelowZero(usize),
    /// The number of slices that lack a neighbour, of those that the model sees.
    NeighboursMissing(usize),
    /// Files, so many, that were read in spite of a departure from the standard.
    Repaired(Repair, usize),
    /// artir has already restored it.
    Restored,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(n) => write!(f, "{n} slice(s) missing"),
            Self::UnevenSpacing(least, most) => write!(f, "uneven spacing, {least:.2} to {most:.2} mm"),
            Self::Coincident(n) => write!(f, "{n} slice(s) at the position of another slice"),
            Self::TimeSlices(n) => write!(f, "{n} time slices at each position, each time restored by itself"),
            Self::GantryTilt(degrees) => write!(f, "gantry tilted by {degrees:.1} degrees"),
            Self::NonSquarePixels(rows, columns) => write!(f, "pixels of {rows:.3} x {columns:.3} mm"),
            Self::Split(attribute) => {
                write!(f, "split from a series in which {attribute} differs")
            }
            Self::Clashing(n) => {
                write!(f, "{n} file(s) skipped that have the SOPInstanceUID of another slice, but other contents")
            }
            Self::Stacks(n) => write!(f, "{n} stacks of frames by StackID (0020,9056)"),
            Self::ScanStartFrom(attribute) => {
                write!(f, "SeriesTime (0008,0031) is not the start of the scan: {attribute} was used")
            }
            Self::InjectionAfterStart(seconds) => {
                write!(f, "injection {seconds:.0} s after the start of the scan, by their clocks")
            }
            Self::InjectionDateIgnored => write!(
                f,
                "RadiopharmaceuticalStartDateTime (0018,1078) does not fit the scan: the injection's time of day was used"
            ),
            Self::InjectionTimesDiffer => write!(
                f,
                "RadiopharmaceuticalStartDateTime (0018,1078) was used, from which RadiopharmaceuticalStartTime \
                 (0018,1072) differs"
            ),
            Self::ZoneAssumed => write!(
                f,
                "TimezoneOffsetFromUTC (0008,0201) is missing: the zone of RadiopharmaceuticalStartDateTime (0018,1078) \
                 was used"
            ),
            Self::CorrectionsAssumed => write!(
                f,
                "CorrectedImage (0028,0051) is missing: corrected by AttenuationCorrectionMethod (0054,1101) and \
                 DecayCorrection (0054,1102)"
            ),
            Self::SuvFromMapping => write!(f, "SUV by RealWorldValueMappingSequence (0040,9096)"),
            Self::OtherTracer => {
                write!(f, "the tracer is not FDG, on which the model was trained: check the result with care")
            }
            Self::Monoenergetic => write!(f, "monoenergetic images, restored as HU"),
            Self::ConeBeam => {
                write!(f, "cone-beam CT, whose values are often not calibrated to HU: check the result with care")
            }
            Self::SuvFactorsDiffer(least, most) => write!(f, "SUV factors from {least:.4e} to {most:.4e}"),
            Self::MappingsDropped(n) => write!(
                f,
                "{n} item(s) of RealWorldValueMappingSequence (0040,9096) removed: they do not fit the new RescaleSlope"
            ),
            Self::NotBelowZero(n) => {
                write!(f, "{n} restored value(s) below 0 became 0, since their slices hold no negative value")
            }
            Self::NeighboursMissing(n) => write!(
                f,
                "{n} slice(s) lack a neighbour on one side or both: the model saw those of the other side twice, or the slice alone"
            ),
            Self::Repaired(repair, files) => write!(f, "{files} file(s) read in spite of: {repair}"),
            Self::Restored => write!(f, "already restored by artir"),
        }
    }
}
