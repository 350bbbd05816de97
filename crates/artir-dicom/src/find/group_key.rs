//! What the slices of one series share, and the name of a series' folder.

use artir_files::hex;

use crate::uid;

/// Properties that all slices of a restorable series share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) series_uid: String,
    pub(super) study_uid: Option<String>,
    pub(super) patient_id: Option<Vec<u8>>,
    /// Positions of different frames of reference do not compare.
    pub(super) frame_of_reference: Option<String>,
    /// Multi-frame objects do not mix with slices.
    pub(super) sop_class: String,
    /// Direction cosines, in thousandths.
    pub(super) orientation: [i64; 6],
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// Pixel spacing, in micrometres.
    pub(super) spacing: [i64; 2],
    /// Its attributes of which the series holds several values.
    pub(super) volume: Volume,
}

/// Attributes that make objects of one series several volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Volume {
    /// ConvolutionKernel.
    pub(super) kernel: Option<String>,
    /// StackID.
    pub(super) stack: Option<String>,
    /// EchoNumbers or EchoTime.
    pub(super) echo: Option<String>,
}

impl Group {
    /// Name of the derived series' folder. Every field enters it, so that the parts of a split series
    /// differ. The hashed text must not change between versions, since `--resume` depends on the name.
    pub(super) fn folder(&self) -> String {
        let mut text = String::from("artir series, form 1\n");
        let mut line = |name: &str, value: &str| text.extend([name, "=", value, "\n"]);
        let uid = |uid: &Option<String>| uid.clone().unwrap_or_else(|| "-".into());
        let numbers = |numbers: &[i64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        line("series", &self.series_uid);
        line("study", &uid(&self.study_uid));
        line("patient", &self.patient_id.as_ref().map_or_else(|| "-".into(), |id| hex(id)));
        line("frame of reference", &uid(&self.frame_of_reference));
        line("class", &self.sop_class);
        line("orientation", &numbers(&self.orientation));
        line("matrix", &format!("{} {}", self.rows, self.columns));
        line("spacing", &numbers(&self.spacing));
        // Earlier versions split by AcquisitionNumber. The line stays, so that the names stay.
        line("acquisition", "-");
        let Volume { kernel, stack, echo } = &self.volume;
        for (name, value) in [("kernel", kernel), ("stack", stack), ("echo", echo)] {
            if let Some(value) = value {
                line(name, value);
            }
        }
        format!("series-{}", uid::short(&text))
    }
}

/// Direction cosines in thousandths, or millimetres in micrometres.
pub(super) fn thousandths<const N: usize>(values: [f64; N]) -> [i64; N] {
    values.map(|v| (v * 1e3).round() as i64)
}
