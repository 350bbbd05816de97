//! Results as one self-contained page.

use std::fmt::Write;

use artir_core::Progress;
use artir_metrics::Protocol;
use artir_page::{
    escape,
    report::{self, Panel, window},
};
use ndarray::Array3;

use super::{
    Error, ImageResult, Results, Statistic, Value, charts,
    run::{INPUT, Run, case},
};

/// Contents of the page other than the results.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The machine, the runtime, the model's card: names and values.
    pub facts: Vec<(String, String)>,
}

/// Images shown at each end.
const SHOWN: usize = 3;
/// Largest edge of a picture on the page, pixels.
const EDGE: usize = 512;

/// Writes the page; the images at both ends are restored once more for it.
pub fn page(run: &Run<'_>, results: &Results, context: &Context, progress: &dyn Progress) -> Result<String, Error> {
    let mut out = report::head(&format!("artir validate: {}", results.suite));
    facts(&mut out, results, context);
    summary(&mut out, results);
    plots(&mut out, results);
    cases(&mut out, run, results, progress)?;
    failures(&mut out, results);
    out.push_str("</body></html>\n");
    Ok(out)
}

fn facts(out: &mut String, results: &Results, context: &Context) {
    out.push_str("<table>");
    let protocol = format!("{}: {}", results.protocol.name, results.protocol.words);
    let mut rows = vec![("protocol".to_owned(), protocol)];
    if let Some(model) = &results.model {
        rows.push(("model".into(), format!("{} {}, sha256 {}", model.name, model.version, model.sha256)));
    }
    rows.push(("strength".into(), results.strength.to_string()));
    let seconds: Vec<f64> = results.images.iter().filter_map(|i| i.seconds).collect();
    if !seconds.is_empty() {
        let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
        rows.push(("network's time".into(), format!("{mean:.2} s an image on average")));
    }
    for (name, value) in rows.iter().chain(&context.facts) {
        let _ = write!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    out.push_str("</table>\n");
}

fn summary(out: &mut String, results: &Results) {
    let unit = &results.protocol.unit;
    let lpips = results.methods.iter().any(|m| m.lpips.is_some());
    let suv_max = results.methods.iter().any(|m| m.suv_max.is_some());
    let _ = write!(
        out,
        "<h2>Summary</h2><table><tr><th></th><th>images</th><th>PSNR, dB</th><th>SSIM</th><th>RMSE, {}</th>{}{}</tr>",
        escape(unit),
        if lpips { "<th>LPIPS</th>" } else { "" },
        if suv_max { "<th>SUVmax kept</th>" } else { "" }
    );
    let figure = |s: Option<Statistic>, digits: usize| {
        s.map_or_else(|| "<td>-</td>".into(), |s| format!("<td>{:.digits$} ± {:.digits$}</td>", s.mean, s.sd))
    };
    let digits = if unit == "1" { 4 } else { 3 };
    for m in &results.methods {
        let _ = write!(
            out,
            "<tr><th>{}</th><td>{}</td>{}{}{}{}{}</tr>",
            escape(&m.name),
            m.images,
            figure(m.psnr, 2),
            figure(m.ssim, 4),
            figure(m.rmse, digits),
            if lpips { figure(m.lpips, 4) } else { String::new() },
            if suv_max { figure(m.suv_max, 3) } else { String::new() }
        );
    }
    if let Some(published) = &results.published {
        let _ = write!(out, "<tr><th colspan=\"5\" class=\"part\">published: {}</th></tr>", escape(&published.source));
        let cell = |v: Option<f64>| format!("<td>{}</td>", v.map_or(String::new(), |v| v.to_string()));
        for r in &published.rows {
            let _ = write!(
                out,
                "<tr><th>{}</th><td></td>{}{}{}{}</tr>",
                escape(&r.method),
                cell(r.psnr),
                cell(r.ssim),
                cell(r.rmse),
                if lpips { cell(r.lpips) } else { String::new() }
            );
        }
    }
    out.push_str("</table>\n<p class=\"note\">Mean and standard deviation over images.");
    let identical: usize = results.methods.iter().map(|m| m.identical).sum();
    if identical > 0 {
        let _ = write!(out, " {identical} identical image(s) have the PSNR inf and are left out of the means.");
    }
    out.push_str("</p>\n");
}

fn psnr(image: &ImageResult, method: &str) -> Option<f64> {
    image.methods.get(method)?.psnr.map(|Value(v)| v).filter(|v| v.is_finite())
}

fn plots(out: &mut String, results: &Results) {
    let of = |name: &str| results.images.iter().map(|i| psnr(i, name)).collect::<Vec<_>>();
    let all: Vec<_> =
        results.methods.iter().map(|m| (m.name.clone(), of(&m.name).into_iter().flatten().collect())).collect();
    let others: Vec<_> =
        results.methods.iter().filter(|m| m.name != INPUT).map(|m| (m.name.clone(), of(&m.name))).collect();
    let _ = writeln!(
        out,
        "<h2>Image by image ({})</h2>{}{}",
        escape(&results.protocol.name),
        charts::distribution(&all),
        charts::scatter(&of(INPUT), &others)
    );
}

/// The largest gains and losses against the input.
fn cases(out: &mut String, run: &Run<'_>, results: &Results, progress: &dyn Progress) -> Result<(), Error> {
    let Some(model) = &results.model else { return Ok(()) };
    let gain = |i: &ImageResult| Some(psnr(i, &model.name)? - psnr(i, INPUT)?);
    let mut order: Vec<(f64, &ImageResult)> = results.images.iter().filter_map(|i| Some((gain(i)?, i))).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let worst: Vec<_> = order.iter().skip(SHOWN).rev().take(SHOWN).rev().collect();
    for (title, part) in [("Largest gains", order.iter().take(SHOWN).collect()), ("Smallest gains or losses", worst)] {
        if part.is_empty() {
            continue;
        }
        let _ = write!(out, "<h2>{title}</h2>");
        for (gain, image) in part {
            let (images, result) = case(run, image.index, progress)?;
            let Some(result) = result else { continue };
            let _ = write!(
                out,
                "<h3>{}: {:.2} dB to {:.2} dB ({gain:+.2})</h3><div class=\"panels\">",
                escape(&image.name),
                psnr(image, INPUT).unwrap_or(f64::NAN),
                psnr(image, &model.name).unwrap_or(f64::NAN)
            );
            let view = View::new(run.protocol());
            let reference = &images.reference.data;
            for (caption, data) in [("input", &images.input), ("result", &result), ("reference", reference)] {
                report::figure(out, &view.panel(caption, data)).map_err(Error::Page)?;
            }
            report::figure(out, &view.error(&result, reference)).map_err(Error::Page)?;
            out.push_str("</div>\n");
        }
    }
    Ok(())
}

fn failures(out: &mut String, results: &Results) {
    if results.failures.is_empty() {
        return;
    }
    out.push_str("<h2>Not measured</h2><table>");
    for failed in &results.failures {
        let _ = write!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(&failed.name), escape(&failed.reason));
    }
    out.push_str("</table>\n");
}

/// How values become grey or colour.
struct View {
    lo: f32,
    hi: f32,
    unit: &'static str,
    words: String,
}

impl View {
    fn new(protocol: &Protocol) -> Self {
        let (lo, hi, words) = match protocol.unit() {
            "HU" => (-160.0, 240.0, "abdominal window, -160 to 240 HU".to_owned()),
            "SUV" => (0.0, 10.0, "0 to 10 SUV".to_owned()),
            _ => (0.0, 1.0, String::new()),
        };
        Self { lo, hi, unit: protocol.unit(), words }
    }

    fn panel(&self, caption: &str, image: &Array3<f32>) -> Panel {
        let caption = if self.words.is_empty() { caption.to_owned() } else { format!("{caption} ({})", self.words) };
        picture(caption, image, |v| window(v, self.lo, self.hi))
    }

    /// Result minus reference, a quarter of the window to each side of grey.
    fn error(&self, result: &Array3<f32>, reference: &Array3<f32>) -> Panel {
        let span = (self.hi - self.lo) / 4.0;
        let unit = if ["HU", "SUV"].contains(&self.unit) { self.unit } else { "of 1" };
        let caption = format!("result minus reference (-{span} to {span} {unit})");
        picture(caption, &(result - reference), |v| window(v, -span, span))
    }
}

/// A picture of at most [`EDGE`] pixels: every n-th pixel, so that nothing is smoothed.
fn picture(caption: String, image: &Array3<f32>, grey: impl Fn(f32) -> u8) -> Panel {
    let (channels, rows, columns) = image.dim();
    let step = rows.max(columns).div_ceil(EDGE).max(1);
    let mut pixels = Vec::with_capacity(rows.div_ceil(step) * columns.div_ceil(step) * channels);
    for y in (0..rows).step_by(step) {
        for x in (0..columns).step_by(step) {
            pixels.extend((0..channels).map(|c| grey(image[(c, y, x)])));
        }
    }
    let caption = if step > 1 { format!("{caption}, every {step}th pixel") } else { caption };
    Panel { caption, size: (columns.div_ceil(step), rows.div_ceil(step)), pixels }
}
