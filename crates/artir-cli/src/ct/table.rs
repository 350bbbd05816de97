//! `--list` as a table.

use artir_dicom::{Error, Modality, PetUnits, Scan, suv_summary};

use super::hint;

/// One line per series. It is shown to whoever asked for it, and goes into no file.
pub(super) fn render(scan: &Scan, units: PetUnits) -> String {
    let series = &scan.series;
    let is_pet = series.iter().any(|s| s.modality == Modality::Pet);
    let mut head = vec![
        "series",
        "what",
        "description",
        "kernel",
        "slices",
        "matrix",
        "pixels, mm",
        "thickness, mm",
        "spacing, mm",
    ];
    if is_pet {
        head.extend(["SUV factor", "uptake, min"]);
    }
    if !is_pet {
        head.extend(["kVp", "mAs", "CTDIvol, mGy"]);
    }
    head.extend(["UID", "findings"]);
    let rows = series.iter().enumerate().map(|(i, s)| {
        let form = if s.multi_frame { "multi-frame " } else { "" };
        let mut findings: Vec<String> = s.findings.iter().map(ToString::to_string).collect();
        let mut row = vec![
            (i + 1).to_string(),
            format!("{form}{}", s.modality.name()),
            text(&s.details.description),
            text(&s.details.kernel),
            s.slices().to_string(),
            format!("{} x {}", s.rows, s.columns),
            format!("{:.3} x {:.3}", s.pixel_spacing[0], s.pixel_spacing[1]),
            number(s.details.thickness_mm),
            if s.slice_spacing > 0.0 { format!("{:.2}", s.slice_spacing) } else { "-".into() },
        ];
        if is_pet {
            let suv = suv_summary(s, units);
            row.push(range(suv.factor, |factor| format!("{factor:.4e}")));
            row.push(range(suv.uptake_s, |seconds| format!("{:.1}", seconds / 60.0)));
            findings.extend(suv.findings.iter().map(ToString::to_string));
            findings.extend(suv.problem.map(|problem| format!("no SUV: {}", hint::reason(&problem))));
        }
        if let Some(Error::File { reason, .. }) = scan.obstacle(s) {
            findings.push(format!("would be refused: {}", hint::reason(&reason)));
        }
        if !is_pet {
            row.extend([s.details.kvp, s.details.exposure_mas, s.details.ctdi_vol_mgy].map(number));
        }
        row.push(s.uid.clone());
        row.push(if findings.is_empty() { "-".into() } else { findings.join("; ") });
        row
    });
    aligned(std::iter::once(head.into_iter().map(String::from).collect()).chain(rows).collect())
}

/// Rows with columns of one width.
pub(super) fn aligned(rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn text(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".into())
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "-".into(), |n| n.to_string())
}

/// Smallest and largest value, or one text if both format alike.
fn range(range: Option<[f64; 2]>, shown: impl Fn(f64) -> String) -> String {
    let Some([least, most]) = range.map(|r| r.map(shown)) else { return "-".into() };
    if least == most { least } else { format!("{least} to {most}") }
}
