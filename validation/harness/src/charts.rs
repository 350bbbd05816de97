//! Plots as SVG, drawn with the page's own colours.

use std::fmt::Write;

use artir_page::escape;

/// Colours of methods: the input is grey, the model blue.
pub(super) const COLOURS: [&str; 6] = ["#8a8f98", "#2f6fde", "#c8702a", "#3b9a62", "#8b5cc4", "#c04a78"];

const WIDTH: f64 = 720.0;

/// A scale from values to pixels, with round ticks.
struct Axis {
    lo: f64,
    hi: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let margin = ((hi - lo) * 0.06).max(0.05);
        Self { lo: lo - margin, hi: hi + margin, from, to }
    }

    fn at(&self, v: f64) -> f64 {
        self.from + (v - self.lo) / (self.hi - self.lo) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        let raw = (self.hi - self.lo) / 6.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw).unwrap_or(raw);
        let first = (self.lo / step).ceil() as i64;
        let last = (self.hi / step).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

fn label(v: f64) -> String {
    let text = format!("{v:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Every image's PSNR, a line for each method: dots, quartiles, median.
pub(super) fn distribution(methods: &[(String, Vec<f64>)]) -> String {
    let methods: Vec<_> = methods.iter().enumerate().filter(|(_, (_, v))| !v.is_empty()).collect();
    if methods.is_empty() {
        return String::new();
    }
    let axis = Axis::new(methods.iter().flat_map(|(_, (_, v))| v.iter().copied()), 130.0, WIDTH - 20.0);
    let height = 46.0 * methods.len() as f64;
    let mut out = open("PSNR of every image, by method", height + 40.0);
    for tick in axis.ticks() {
        let x = axis.at(tick);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"4\" y2=\"{height}\"/>\
             <text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            height + 16.0,
            label(tick)
        );
    }
    for (row, (i, (name, values))) in methods.iter().enumerate() {
        let y = 46.0 * row as f64 + 25.0;
        let colour = COLOURS[i % COLOURS.len()];
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let at = q * (sorted.len() - 1) as f64;
            let low = sorted[at.floor() as usize];
            low + (sorted[at.ceil() as usize] - low) * at.fract()
        };
        let (a, m, b) = (axis.at(quantile(0.25)), axis.at(quantile(0.5)), axis.at(quantile(0.75)));
        let _ = write!(
            out,
            "<text x=\"120\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{a:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"26\" fill=\"{colour}\" fill-opacity=\".18\"/>\
             <line x1=\"{m:.1}\" x2=\"{m:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
            y + 4.0,
            escape(name),
            y - 13.0,
            (b - a).max(1.0),
            y - 13.0,
            y + 13.0
        );
        for (k, v) in values.iter().enumerate() {
            // Spread over the line's height, the same way every time.
            let offset = ((k * 7) % 11) as f64 * 1.8 - 9.0;
            let _ = write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.4\" fill=\"{colour}\" fill-opacity=\".75\"/>",
                axis.at(*v),
                y + offset
            );
        }
    }
    let _ = write!(
        out,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">PSNR, dB (box: quartiles, line: median)</text></svg>",
        (130.0 + WIDTH - 20.0) / 2.0,
        height + 34.0
    );
    out
}

/// PSNR of results against the input's: above the line an image got better.
pub(super) fn scatter(inputs: &[Option<f64>], methods: &[(String, Vec<Option<f64>>)]) -> String {
    let points: Vec<(usize, f64, f64)> = methods
        .iter()
        .enumerate()
        .flat_map(|(i, (_, values))| inputs.iter().zip(values).filter_map(move |(x, y)| Some((i, (*x)?, (*y)?))))
        .collect();
    if points.is_empty() {
        return String::new();
    }
    let height = 420.0;
    let both = || points.iter().flat_map(|(_, x, y)| [*x, *y]);
    let x_axis = Axis::new(both(), 60.0, WIDTH - 150.0);
    let y_axis = Axis::new(both(), height, 10.0);
    let mut out = open("PSNR of results against PSNR of inputs", height + 44.0);
    for tick in x_axis.ticks() {
        let (x, y) = (x_axis.at(tick), y_axis.at(tick));
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"10\" y2=\"{height}\"/>\
             <line class=\"grid\" x1=\"60\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\
             <text x=\"52\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - 150.0,
            height + 16.0,
            label(tick),
            y + 4.0,
            label(tick)
        );
    }
    let _ = write!(
        out,
        "<line class=\"even\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        x_axis.at(x_axis.lo),
        y_axis.at(y_axis.lo),
        x_axis.at(x_axis.hi),
        y_axis.at(y_axis.hi)
    );
    for (i, x, y) in &points {
        let _ = write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.4\" fill=\"{}\" fill-opacity=\".75\"/>",
            x_axis.at(*x),
            y_axis.at(*y),
            COLOURS[(i + 1) % COLOURS.len()]
        );
    }
    for (i, (name, _)) in methods.iter().enumerate() {
        let y = 24.0 + 20.0 * i as f64;
        let _ = write!(
            out,
            "<circle cx=\"{:.0}\" cy=\"{:.0}\" r=\"4\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            WIDTH - 136.0,
            y - 4.0,
            COLOURS[(i + 1) % COLOURS.len()],
            WIDTH - 126.0,
            y,
            escape(name)
        );
    }
    let _ = write!(
        out,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">PSNR of the input, dB</text>\
         <text transform=\"translate(14 {:.0}) rotate(-90)\" text-anchor=\"middle\">PSNR of the result, dB</text></svg>",
        (60.0 + WIDTH - 150.0) / 2.0,
        height + 36.0,
        height / 2.0
    );
    out
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg class=\"chart\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\"><title>{title}</title>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_becomes_a_dot() {
        let methods = vec![("input".to_owned(), vec![20.0, 21.0, 25.0]), ("m<".to_owned(), vec![30.0])];
        let plot = distribution(&methods);
        assert_eq!(plot.matches("<circle").count(), 4);
        assert!(plot.contains("m&lt;") && plot.ends_with("</svg>"));
        let plot = scatter(&[Some(20.0), None, Some(25.0)], &[("m".into(), vec![Some(30.0), Some(31.0), None])]);
        // One point, and one in the legend.
        assert_eq!(plot.matches("<circle").count(), 2);
        assert_eq!(distribution(&[]), "");
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::new([18.3, 31.9].into_iter(), 0.0, 100.0);
        let ticks = axis.ticks();
        assert!(ticks.len() >= 3 && ticks.iter().all(|t| (axis.lo..=axis.hi).contains(t)));
        assert_eq!(label(ticks[1] - ticks[0]), "5");
    }
}
