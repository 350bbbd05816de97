//! Results as a table on the terminal, and as CSV.

use super::{ImageResult, Results, Statistic, Value};

/// The summary and the published figures; every figure is printed under its protocol's name.
pub fn table(results: &Results) -> String {
    let unit = &results.protocol.unit;
    let lpips = results.methods.iter().any(|m| m.lpips.is_some())
        || results.published.iter().flat_map(|p| &p.rows).any(|r| r.lpips.is_some());
    let mut head = vec![String::new(), "images".into(), "PSNR dB".into(), "SSIM".into(), format!("RMSE {unit}")];
    if lpips {
        head.push("LPIPS".into());
    }
    let suv_max = results.methods.iter().any(|m| m.suv_max.is_some());
    if suv_max {
        head.push("SUVmax kept".into());
    }
    let figure = |s: Option<Statistic>, digits: usize| {
        s.map_or_else(|| "-".into(), |s| format!("{:.digits$} ± {:.digits$}", s.mean, s.sd))
    };
    // Print published figures with their own number of digits.
    let plain = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    let digits = if unit == "1" { 4 } else { 3 };
    let mut rows = vec![head];
    for m in &results.methods {
        let mut row = vec![m.name.clone(), m.images.to_string(), figure(m.psnr, 2), figure(m.ssim, 4)];
        row.push(figure(m.rmse, digits));
        if lpips {
            row.push(figure(m.lpips, 4));
        }
        if suv_max {
            row.push(figure(m.suv_max, 3));
        }
        rows.push(row);
    }
    let measured = rows.len();
    for r in results.published.iter().flat_map(|p| &p.rows) {
        let mut row = vec![r.method.clone(), String::new(), plain(r.psnr), plain(r.ssim), plain(r.rmse)];
        if lpips {
            row.push(plain(r.lpips));
        }
        if suv_max {
            row.push(String::new());
        }
        rows.push(row);
    }
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut out = format!("{}\nprotocol {}: {}\n\n", results.suite, results.protocol.name, results.protocol.words);
    for (i, row) in rows.iter().enumerate() {
        if i == measured
            && let Some(published) = &results.published
        {
            out += &format!("\npublished ({}):\n", published.source);
        }
        let pad = |c: usize| widths[c] - row[c].chars().count();
        let cells = row.iter().enumerate().map(|(c, cell)| match c {
            0 => format!("{cell}{}", " ".repeat(pad(c))),
            _ => format!("{}{cell}", " ".repeat(pad(c))),
        });
        out += cells.collect::<Vec<_>>().join("   ").trim_end();
        out.push('\n');
    }
    for m in &results.methods {
        // Means over other images than those of the other methods must not be compared unseen.
        let has_error = |image: &&ImageResult| image.methods.get(&m.name).is_some_and(|f| f.error.is_some());
        let failed = results.images.iter().filter(has_error).count();
        if failed > 0 {
            let reason = "image(s) without figures, left out of the means: results.csv states why";
            out += &format!("\n{}: {failed} {reason}\n", m.name);
        }
        if m.identical > 0 {
            out += &format!("\n{}: {} identical image(s), PSNR inf, left out of the mean\n", m.name, m.identical);
        }
        if m.left_out > 0 {
            out += &format!("\n{}: {} pixels left out (padding, masked, or not finite)\n", m.name, m.left_out);
        }
    }
    out
}

/// One line for each image and method.
pub fn csv(results: &Results) -> String {
    let mut out = format!(
        "index,name,method,protocol,psnr_db,ssim,rmse_{},lpips,suv_max_kept,left_out,seconds,error\n",
        match results.protocol.unit.as_str() {
            "HU" => "hu",
            "SUV" => "suv",
            "1" => "of_1",
            _ => "of_255",
        }
    );
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    for image in &results.images {
        for method in &results.methods {
            let Some(f) = image.methods.get(&method.name) else { continue };
            let is_model = results.model.as_ref().is_some_and(|m| m.name == method.name);
            let fields = [
                image.index.to_string(),
                quoted(&image.name),
                quoted(&method.name),
                quoted(&results.protocol.name),
                number(f.psnr.map(|Value(v)| v)),
                number(f.ssim),
                number(f.rmse),
                number(f.lpips),
                number(f.suv_max),
                f.left_out.to_string(),
                number(image.seconds.filter(|_| is_model)),
                quoted(f.error.as_deref().unwrap_or_default()),
            ];
            out += &fields.join(",");
            out.push('\n');
        }
    }
    out
}
