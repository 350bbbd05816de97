//! The page of an inspection.

use std::{fmt::Write, io};

use artir_page::{
    escape, number,
    report::{figure, head},
};
use ndarray::Axis;

use crate::{
    Channels, Inspection,
    embedding::LEAST_IMAGES,
    findings, pictures,
    reach::{LEAST_CHANGE, PERTURBATION},
};

/// Colours of folders, from ColorBrewer's Dark2.
const COLOURS: [&str; 8] = ["#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d", "#666666"];

pub(crate) fn html(from: &Inspection) -> io::Result<String> {
    let card = from.model.card();
    let mut out = head(&format!("Inside {}", card.name));
    facts(from, &mut out);
    images(from, &mut out)?;
    similarity(from, &mut out)?;
    reach(from, &mut out)?;
    kernels(from, &mut out)?;
    weights(from, &mut out);
    maps(from, &mut out)?;
    places(from, &mut out);
    out.push_str("</body></html>\n");
    Ok(out)
}

fn heading(out: &mut String, title: &str, note: &str) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(out, "<h2>{}</h2><p class=\"note\">{}</p>", escape(title), escape(note));
}

fn table(out: &mut String, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    out.push_str("<table><tr>");
    for column in columns {
        let _ = write!(out, "<th>{}</th>", escape(column));
    }
    out.push_str("</tr>");
    for row in rows {
        out.push_str("<tr>");
        for value in row {
            let _ = write!(out, "<td>{}</td>", escape(&value));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>\n");
}

fn facts(from: &Inspection, out: &mut String) {
    let card = from.model.card();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = [
        row("model", format!("{} {}, variant {}, {}", card.name, card.version, card.variant, card.task.name())),
        row("sha256", from.model.hash().to_owned()),
        row("artir", format!("{}; ONNX Runtime {}, CPU, f32", artir_core::VERSION, from.runtime)),
    ];
    table(out, &["", ""], rows);
}

fn images(from: &Inspection, out: &mut String) -> io::Result<()> {
    heading(
        out,
        "Images",
        "The network sees a window of each image. Pictures are those of the first image; figures are those of all.",
    );
    let rows = from.subjects.iter().map(|seen| {
        let (subject, w) = (&seen.subject, &seen.subject.window);
        let size = format!("{} x {}", subject.size.0, subject.size.1);
        let window = format!("{} x {} from row {}, column {}", w.rows, w.columns, w.row, w.column);
        vec![subject.name.clone(), size, window]
    });
    table(out, &["image", "rows x columns", "window"], rows);
    if let Some(seen) = from.subjects.first() {
        out.push_str("<div class=\"panels\">");
        let input = seen.subject.input.index_axis(Axis(0), 0);
        for panel in pictures::before_after(input, seen.view.restored.view()) {
            figure(out, &panel)?;
        }
        out.push_str("</div>\n");
    }
    Ok(())
}

fn similarity(from: &Inspection, out: &mut String) -> io::Result<()> {
    heading(
        out,
        "Similarity of channels",
        "The cosine between every two channels of what leaves a stage, each channel taken as one vector of its pixels. The mean of \
         its absolute value over all pairs is 0 for channels that have nothing in common, and 1 for channels that are multiples \
         of each other: they are redundant. The correlation is the cosine after each channel's mean is subtracted.",
    );
    let Some(first) = from.subjects.first() else { return Ok(()) };
    let rows = from.similarity().into_iter().zip(&first.view.stages).map(|((name, _, cosine, correlation), stage)| {
        let (channels, rows, columns) = stage.shape;
        let map = format!("{channels} x {rows} x {columns}");
        vec![name.to_owned(), map, number(cosine, 3), number(correlation, 3)]
    });
    table(out, &["stage", "map", "mean |cosine|", "mean |correlation|"], rows);
    out.push_str("<div class=\"panels\">");
    for stage in &first.view.stages {
        figure(out, &pictures::cosine(stage.stage.name.to_owned(), &stage.similarity.cosine))?;
    }
    out.push_str("</div><p class=\"note\">Blue is \u{2212}1, white 0, red 1.</p>\n");
    modulated(from, out);
    Ok(())
}

fn modulated(from: &Inspection, out: &mut String) {
    if from.network.steps.is_empty() {
        return;
    }
    out.push_str(
        "<h3>Channels that large kernels modulate</h3><p class=\"note\">A modulation (LKM) makes one map of all of these, their \
         mean, from which it takes the spatial weights of each.</p>",
    );
    let rows = from.network.steps.iter().enumerate().map(|(n, step)| {
        let all = || from.subjects.iter().filter_map(move |seen| seen.view.inputs.get(n));
        let (cosine, correlation) = findings::means(all());
        let channels = all().next().map_or(0, |s| s.cosine.nrows()).to_string();
        let name = format!("{}, step {}", step.block, step.step + 1);
        vec![name, step.size.to_string(), channels, number(cosine, 3), number(correlation, 3)]
    });
    table(out, &["modulation", "K", "channels", "mean |cosine|", "mean |correlation|"], rows);
}

fn reach(from: &Inspection, out: &mut String) -> io::Result<()> {
    let card = from.model.card();
    let note = format!(
        "The window's centre pixel is raised and lowered by {} of the network's range. The influence of a pixel on another is the \
         absolute change there over the change here. A radius holds its share of all influence inside the window. The furthest \
         pixel is the last that changes by {LEAST_CHANGE:.0e} of the perturbation. The card's reach, {} pixels to each side, is what \
         the convolutions allow; the global mean in the channel weights reaches everywhere.",
        number(f64::from(PERTURBATION), 2),
        card.reach
    );
    heading(out, "Effective reach", &note);
    let rows = from.subjects.iter().map(|seen| {
        let [half, most, all] = seen.reach.radii.map(|radius| number(radius, 1));
        let furthest = number(seen.reach.furthest, 1);
        vec![seen.subject.name.clone(), half, most, all, furthest, seen.reach.edge.to_string(), card.reach.to_string()]
    });
    table(out, &["image", "50 %", "90 %", "99 %", "furthest", "window's edge", "card"], rows);
    if let Some(seen) = from.subjects.first() {
        out.push_str("<div class=\"panels\">");
        let caption = "Influence of the centre pixel; each fifth of the brightness is a factor of ten";
        figure(out, &pictures::influence(caption.to_owned(), seen.reach.influence.view()))?;
        let (radius, near) = pictures::middle(&seen.reach.influence, seen.reach.radii[2]);
        figure(out, &pictures::influence(format!("The same, {radius} pixels around the centre"), near))?;
        out.push_str("</div>\n");
    }
    Ok(())
}

fn kernels(from: &Inspection, out: &mut String) -> io::Result<()> {
    if from.network.steps.is_empty() {
        heading(out, "Large kernels", "This network has no large-kernel modulation.");
        return Ok(());
    }
    heading(
        out,
        "Large kernels",
        "The spatial weights of a pixel are Xs = X' (a * X') + (b * X'), with X' the mean over channels. Blue is negative, red \
         positive; the largest tap outside of the centre sets the scale.",
    );
    out.push_str("<div class=\"panels\">");
    for step in &from.network.steps {
        let name = |letter: &str| format!("{}, step {}, {letter}", step.block, step.step + 1);
        let a = step.a.as_deref().and_then(|taps| pictures::kernel(&name("a"), step.size, taps));
        for panel in a.iter().chain(&pictures::kernel(&name("b"), step.size, &step.b)) {
            figure(out, panel)?;
        }
    }
    out.push_str("</div>\n");
    Ok(())
}

/// Height of a chart of channel weights, pixels.
const BAR: f32 = 70.0;

fn weights(from: &Inspection, out: &mut String) {
    let Some(first) = from.subjects.first().filter(|seen| seen.view.weights.iter().any(|w| !w.is_empty())) else {
        return;
    };
    heading(
        out,
        "Channel weights",
        "Wc of every step, from the global mean of X'. A line is a channel of the first image; the grey line is 0.",
    );
    for (step, weights) in from.network.steps.iter().zip(&first.view.weights).filter(|(_, w)| !w.is_empty()) {
        let title = format!("{}, step {}", escape(&step.block), step.step + 1);
        let most = weights.iter().fold(0.0_f32, |most, v| most.max(*v));
        let least = weights.iter().fold(0.0_f32, |least, v| least.min(*v));
        let scale = if most > least { BAR / (most - least) } else { 0.0 };
        let zero = most * scale;
        let width = 8 * weights.len();
        let _ = write!(
            out,
            "<h3>{title}</h3><p class=\"note\">{} to {}</p><svg class=\"chart\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 \
             {width} {BAR}\" width=\"{width}\"><line class=\"grid\" x1=\"0\" x2=\"{width}\" y1=\"{zero:.1}\" y2=\"{zero:.1}\"/>",
            number(f64::from(*weights.iter().min_by(|a, b| a.total_cmp(b)).unwrap_or(&0.0)), 3),
            number(f64::from(*weights.iter().max_by(|a, b| a.total_cmp(b)).unwrap_or(&0.0)), 3)
        );
        for (n, weight) in weights.iter().enumerate() {
            let (x, height) = (8 * n + 1, (weight * scale).abs());
            let y = if *weight > 0.0 { zero - height } else { zero };
            let colour = if *weight > 0.0 { COLOURS[0] } else { COLOURS[1] };
            let _ = write!(out, "<rect x=\"{x}\" y=\"{y:.1}\" width=\"6\" height=\"{height:.1}\" fill=\"{colour}\"/>");
        }
        out.push_str("</svg>\n");
    }
}

fn maps(from: &Inspection, out: &mut String) -> io::Result<()> {
    let Some(seen) = from.subjects.first().filter(|seen| !seen.view.steps.is_empty()) else { return Ok(()) };
    heading(
        out,
        "Feature maps",
        "A large-kernel mixer (LKFM) passes its channels through three steps, each with a large-kernel modulation (LKM). Shown are \
         the channels of the greatest variance before each modulation, the same after it, and the strongest that leave the step; \
         each map from its least to its greatest value.",
    );
    let row = |out: &mut String, name: &str, channels: &Channels| {
        let numbers: Vec<String> = channels.numbers.iter().map(ToString::to_string).collect();
        let caption = format!("{name}: channels {}", numbers.join(", "));
        figure(out, &pictures::tiles(caption, pictures::smaller(channels.values.view()).view()))
    };
    for mixer in &seen.view.mixers {
        let _ = write!(out, "<h3>{}</h3>", escape(&mixer.block));
        row(out, "before the mixer", &mixer.before)?;
        for step in seen.view.steps.iter().filter(|step| step.block == mixer.block) {
            let _ = write!(out, "<h3>Step {}, K = {}</h3>", step.step + 1, step.size);
            row(out, "before the modulation", &step.before)?;
            row(out, "after the modulation", &step.modulated)?;
            row(out, "after the step", &step.after)?;
        }
        out.push_str("<h3>Spatial weights Xs</h3><div class=\"panels\">");
        for step in seen.view.steps.iter().filter(|step| step.block == mixer.block) {
            let caption = format!("step {}, K = {}", step.step + 1, step.size);
            figure(out, &pictures::map(caption, step.spatial.view()))?;
        }
        out.push_str("</div><h3>The mixer as a whole</h3>\n");
        row(out, "what the mixer adds to the block's input", &mixer.after)?;
    }
    Ok(())
}

/// Edge of the plot of places, pixels.
const PLOT: f32 = 480.0;

fn places(from: &Inspection, out: &mut String) {
    if from.folders.len() < 2 {
        return;
    }
    let note = format!(
        "Every image of the folders by the means of the channels that leave {}, placed by t-SNE: images of similar features lie \
         together. Distances between groups have no meaning.",
        from.network.deepest()
    );
    heading(out, "Degradation features", &note);
    let Some(places) = &from.places else {
        let _ = write!(out, "<p class=\"note\">There are too few images: t-SNE needs {LEAST_IMAGES} or more.</p>");
        return;
    };
    let limits = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let at = |place: &[f32; 2], axis: usize| {
        let (low, high) = limits(axis);
        let share = if high > low { (place[axis] - low) / (high - low) } else { 0.5 };
        10.0 + share * (PLOT - 20.0)
    };
    let width = PLOT + 260.0;
    let height = PLOT.max(24.0 * from.folders.len() as f32);
    let _ = write!(
        out,
        "<svg class=\"chart\" role=\"img\" aria-label=\"t-SNE\" viewBox=\"0 0 {width} {height}\" width=\"{width}\">"
    );
    let folders = from.folders.iter().enumerate();
    let owners = folders.clone().flat_map(|(n, folder)| std::iter::repeat_n(n, folder.features.len()));
    for (place, owner) in places.iter().zip(owners) {
        let (x, y, colour) = (at(place, 0), at(place, 1), COLOURS[owner % COLOURS.len()]);
        let _ = write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" fill-opacity=\".8\"/>");
    }
    for (n, folder) in folders {
        let (y, colour) = (20.0 + 24.0 * n as f32, COLOURS[n % COLOURS.len()]);
        let x = PLOT + 14.0;
        let name = format!("{} ({})", escape(&folder.name), folder.features.len());
        let _ = write!(
            out,
            "<circle cx=\"{x}\" cy=\"{}\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{name}</text>",
            y - 4.0,
            x + 12.0
        );
    }
    out.push_str("</svg>\n");
}
