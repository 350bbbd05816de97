//! One report over all shards: a table as CSV, and a page.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use artir_files::{NewFile, write_file};
use artir_page::{
    escape,
    report::{Panel, figure, head},
};

use crate::{
    Entry, Error, FOLDER, State, Status,
    shard::digest,
    status::{journals, lines, status},
};

/// Pictures of the contact sheet.
const PICTURES: usize = 60;
/// A larger file is no small picture of artir.
const LARGEST: u64 = 1 << 20;
/// Bars of a chart.
const BARS: usize = 40;

/// Writes `report.csv` and `report.html` into a folder: the jobs that have ended, in the order of the journals. Nothing in them
/// names a path or a person, unless ids or shown reasons do. Returns the paths.
///
/// # Errors
/// As [`status()`], and [`Error::Write`].
pub fn merge(out: &Path, into: &Path) -> Result<[PathBuf; 2], Error> {
    let sums = status(out)?;
    let journals = journals(out)?;
    // Of several ends of a job, the last one counts.
    let mut last: HashMap<[u8; 32], f64> = HashMap::new();
    each(&journals, |entry| {
        let end = entry.begun + entry.seconds;
        let place = last.entry(digest(&entry.id)).or_insert(end);
        *place = place.max(end);
    })?;
    let path = into.join("report.csv");
    let fail = |e: io::Error| Error::write(&path, e);
    let mut file = NewFile::create(&path).map_err(fail)?;
    let mut csv = BufWriter::new(file.file());
    let mut charts = Charts::default();
    let mut failed = writeln!(csv, "{HEAD}");
    each(&journals, |entry| {
        if last.get(&digest(&entry.id)).is_some_and(|end| *end == entry.begun + entry.seconds) && failed.is_ok() {
            failed = writeln!(csv, "{}", row(&entry));
            charts.add(&entry);
            last.remove(&digest(&entry.id));
        }
    })?;
    failed.and_then(|()| csv.flush()).map_err(fail)?;
    drop(csv);
    file.publish(true).map_err(fail)?;
    let page = into.join("report.html");
    let html = html(out, &sums, &charts).map_err(|e| Error::write(&page, e))?;
    write_file(&page, true, html.as_bytes()).map_err(|e| Error::write(&page, e))?;
    Ok([path, page])
}

fn each(journals: &[PathBuf], mut act: impl FnMut(Entry)) -> Result<(), Error> {
    for path in journals {
        lines(path, |line| {
            if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
                act(entry);
            }
        })?;
    }
    Ok(())
}

const HEAD: &str =
    "id,command,state,reason,begun_utc,seconds,waited_s,shard,bytes,pixels,slices,noise_before_hu,noise_after_hu";

fn row(entry: &Entry) -> String {
    let Entry { id, command, state, reason, begun, seconds, waited, shard, bytes, figures } = entry;
    let number = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let noise = |n: Option<f64>| n.map_or_else(String::new, |n| n.to_string());
    let begun = chrono::DateTime::from_timestamp_millis((begun * 1000.0) as i64);
    let begun = begun.map_or_else(String::new, |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    [
        id.clone(),
        command.name().to_owned(),
        state.name().to_owned(),
        cell(reason.as_deref().unwrap_or_default()),
        begun,
        seconds.to_string(),
        waited.to_string(),
        shard.clone(),
        bytes.to_string(),
        number(figures.pixels),
        number(figures.slices),
        noise(figures.noise_before_hu),
        noise(figures.noise_after_hu),
    ]
    .join(",")
}

/// A text as a cell. Spreadsheets take a cell that begins with one of a few signs for a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// What the charts show, gathered row by row.
#[derive(Default)]
struct Charts {
    seconds: Vec<f32>,
    ends: Vec<f64>,
    before: Vec<f32>,
    after: Vec<f32>,
    done: Vec<String>,
}

impl Charts {
    fn add(&mut self, entry: &Entry) {
        self.ends.push(entry.begun + entry.seconds);
        if matches!(entry.state, State::Done | State::Partial) {
            self.seconds.push(entry.seconds as f32);
            self.done.push(entry.id.clone());
        }
        if let (Some(before), Some(after)) = (entry.figures.noise_before_hu, entry.figures.noise_after_hu) {
            self.before.push(before as f32);
            self.after.push(after as f32);
        }
    }
}

fn html(out: &Path, sums: &Status, charts: &Charts) -> io::Result<String> {
    let mut page = head("artir batch");
    // Writing to a String cannot fail.
    page.push_str("<table>");
    let hours = |seconds: f64| format!("{:.2} h", seconds / 3600.0);
    let mut facts = vec![("jobs".to_owned(), sums.total.to_string())];
    facts.extend(sums.states.iter().map(|(state, count)| (state.name().to_owned(), count.to_string())));
    facts.extend([
        ("left".to_owned(), sums.left.to_string()),
        ("rate".to_owned(), format!("{:.1} jobs an hour", sums.rate_per_hour)),
        ("time of all jobs".to_owned(), hours(sums.work_seconds)),
        ("waiting for input".to_owned(), hours(sums.waited_seconds)),
        ("input".to_owned(), format!("{:.2} GB", sums.bytes as f64 / 1e9)),
        ("slices".to_owned(), sums.slices.to_string()),
        ("pixels".to_owned(), sums.pixels.to_string()),
    ]);
    for (name, value) in facts {
        let _ = write!(page, "<tr><th>{}</th><td>{}</td></tr>", escape(&name), escape(&value));
    }
    page.push_str("</table>\n");
    if !sums.reasons.is_empty() {
        page.push_str("<h2>Jobs that did not end well</h2><table><tr><th>jobs</th><th>state</th><th>reason</th></tr>");
        for why in &sums.reasons {
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                why.jobs,
                why.state.name(),
                escape(&why.reason)
            );
        }
        page.push_str("</table>\n");
    }
    bars(&mut page, "Time of a job, s", &charts.seconds.iter().map(|s| f64::from(*s)).collect::<Vec<_>>());
    let first = charts.ends.iter().copied().fold(f64::INFINITY, f64::min);
    bars(
        &mut page,
        "Jobs that ended, by hours since the first",
        &charts.ends.iter().map(|e| (e - first) / 3600.0).collect::<Vec<_>>(),
    );
    bars(&mut page, "Noise before, HU", &charts.before.iter().map(|n| f64::from(*n)).collect::<Vec<_>>());
    bars(&mut page, "Noise after, HU", &charts.after.iter().map(|n| f64::from(*n)).collect::<Vec<_>>());
    if !sums.slowest.is_empty() {
        page.push_str("<h2>Slowest jobs</h2><table><tr><th>job</th><th>command</th><th>seconds</th></tr>");
        for slow in &sums.slowest {
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{:.1}</td></tr>",
                escape(&slow.id),
                slow.command.name(),
                slow.seconds
            );
        }
        page.push_str("</table>\n");
    }
    contact_sheet(&mut page, out, &charts.done)?;
    page.push_str("</body></html>\n");
    Ok(page)
}

/// How many values lie in each of equal parts of their range, as a chart.
fn bars(page: &mut String, title: &str, values: &[f64]) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() || !(high - low).is_finite() {
        return;
    }
    let mut counts = [0_usize; BARS];
    let width = if high > low { (high - low) / BARS as f64 } else { 1.0 };
    for value in values {
        counts[(((value - low) / width) as usize).min(BARS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let title = escape(title);
    let _ = write!(
        page,
        "<h2>{title}</h2><svg class=\"chart\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {} 150\" width=\"{}\" height=\"150\">",
        BARS * 16,
        BARS * 16
    );
    for (n, count) in counts.iter().enumerate() {
        let height = 110.0 * *count as f64 / most as f64;
        let _ = write!(
            page,
            "<rect x=\"{}\" y=\"{:.1}\" width=\"14\" height=\"{height:.1}\"><title>{:.3} to {:.3}: {count}</title></rect>",
            n * 16 + 1,
            120.0 - height,
            low + n as f64 * width,
            low + (n + 1) as f64 * width
        );
    }
    let _ = writeln!(
        page,
        "<text x=\"0\" y=\"140\">{low:.3}</text><text x=\"{}\" y=\"140\" text-anchor=\"end\">{high:.3}</text>\
         <text x=\"0\" y=\"9\">{most}</text></svg>",
        BARS * 16
    );
}

/// Pictures of jobs from the whole batch.
fn contact_sheet(page: &mut String, out: &Path, done: &[String]) -> io::Result<()> {
    let place = |id: &String| out.join(FOLDER).join("previews").join(format!("{id}.png"));
    let small = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() < LARGEST);
    let shown: Vec<&String> = done.iter().filter(|id| small(&place(id))).collect();
    let step = shown.len().div_ceil(PICTURES).max(1);
    let mut begun = false;
    for id in shown.into_iter().step_by(step) {
        let Ok(picture) = image::load_from_memory_with_format(&fs::read(place(id))?, image::ImageFormat::Png) else {
            continue;
        };
        if !begun {
            page.push_str("<h2>Contact sheet</h2><div class=\"panels\">");
            begun = true;
        }
        let picture = picture.to_rgb8();
        let size = (picture.width() as usize, picture.height() as usize);
        figure(page, &Panel { caption: id.clone(), size, pixels: picture.into_raw() })?;
    }
    if begun {
        page.push_str("</div>\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &str = "{\"journal\":1,\"shard\":\"0/1\",\"total\":3,\"begun\":0.0}\n\
        {\"id\":\"a\",\"command\":\"ct\",\"state\":\"failed\",\"reason\":\"full\",\"begun\":1.0,\"seconds\":1.0,\"waited\":0.0,\
        \"shard\":\"0/1\",\"bytes\":5}\n\
        {\"id\":\"a\",\"command\":\"ct\",\"state\":\"done\",\"begun\":5.0,\"seconds\":2.0,\"waited\":0.0,\"shard\":\"0/1\",\
        \"bytes\":5,\"slices\":3,\"noise_before_hu\":20.0,\"noise_after_hu\":10.0}\n\
        {\"id\":\"b\",\"command\":\"geo\",\"state\":\"unusable\",\"reason\":\"=1, \\\"x\\\" <b>\",\"begun\":8.0,\"seconds\":1.0,\
        \"waited\":0.0,\"shard\":\"0/1\",\"bytes\":0}\n";

    #[test]
    fn each_job_has_one_row_and_the_page_loads_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        for name in ["journal", "previews"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("journal/0.jsonl"), JOURNAL).unwrap();
        image::RgbImage::new(4, 4).save(folder.join("previews/a.png")).unwrap();
        let [csv, page] = merge(dir.path(), dir.path()).unwrap();
        let csv = fs::read_to_string(csv).unwrap();
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 3, "{csv}");
        assert_eq!(rows[1], "a,ct,done,,1970-01-01T00:00:05Z,2,0,0/1,5,,3,20,10");
        assert_eq!(rows[2], "b,geo,unusable,\"'=1, \"\"x\"\" <b>\",1970-01-01T00:00:08Z,1,0,0/1,0,,,,");
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains("&lt;b&gt;") && page.contains("Contact sheet") && page.contains("<svg"), "{page}");
        assert!(page.contains("default-src 'none'") && !page.contains("http:") && !page.contains("https:"));
    }
}
