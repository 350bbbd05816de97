//! `--list` for eyes.

use artir_dicom::Series;

use super::findings;

/// A line for each series. No UID, name or description: those can tell who the patient is.
pub(super) fn render(series: &[Series]) -> String {
    let head = ["series", "what", "slices", "matrix", "pixels, mm", "spacing, mm", "findings"].map(String::from);
    let rows = series.iter().enumerate().map(|(i, s)| {
        let form = if s.multi_frame { "multi-frame " } else { "" };
        [
            (i + 1).to_string(),
            format!("{form}{}", s.modality.name()),
            s.slices().to_string(),
            format!("{} x {}", s.rows, s.columns),
            format!("{:.3} x {:.3}", s.pixel_spacing[0], s.pixel_spacing[1]),
            if s.slice_spacing > 0.0 { format!("{:.2}", s.slice_spacing) } else { "-".into() },
            if s.findings.is_empty() { "-".into() } else { findings(s) },
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<usize> =
        (0..7).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 7]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
