//! The status page: the queue, what became of the last series, and why some failed. It is read-only and without scripts.

use artir_page::{Inline, escape, fill};

use super::obstacle;
use crate::{
    queue::{Record, State},
    report::journal::Line,
    state::Node,
};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// Failed series that are shown.
const SHOWN: usize = 100;

/// The page as HTML.
pub(crate) fn page(node: &Node) -> String {
    let config = node.config();
    let (mut queue, mut failed) = (String::new(), String::new());
    let mut left = SHOWN;
    for route in &config.routes {
        let counts = State::ALL.map(|state| node.queue.series(&route.name, state).map_or(0, |series| series.len()));
        let cells: String = counts.iter().map(|n| format!("<td>{n}</td>")).collect();
        let targets = escape(&route.targets.join(", "));
        queue += &format!("<tr><th>{}</th>{cells}<td class=\"text\">{targets}</td></tr>", escape(&route.name));
        let keys = node.queue.series(&route.name, State::Failed).unwrap_or_default();
        for key in keys.iter().take(left) {
            let record = Record::read(&node.queue.path(key, State::Failed));
            let reason = record.reason.unwrap_or_default();
            failed += &format!(
                "<tr><td class=\"text\">{}</td><td><code>{}</code></td><td class=\"text\">{}</td></tr>",
                escape(&key.route),
                escape(&key.series),
                escape(&reason)
            );
        }
        left = left.saturating_sub(keys.len());
    }
    let last: String = node.journal.last().iter().map(row).collect();
    let state = obstacle(node).unwrap_or("ready");
    let free = node.free_mib().to_string();
    let inline = Inline::without_script(STYLE);
    let mut values = inline.values().to_vec();
    values.extend([
        ("title", config.listen.ae_title.as_str()),
        ("state", state),
        ("free", &free),
        ("queue", &queue),
        ("failed", if failed.is_empty() { NONE } else { &failed }),
        ("last", if last.is_empty() { NONE } else { &last }),
    ]);
    let title = escape(&config.listen.ae_title);
    if let Some((_, value)) = values.iter_mut().find(|(name, _)| *name == "title") {
        *value = &title;
    }
    fill(TEMPLATE, &values)
}

const NONE: &str = "<tr><td class=\"text\">none</td></tr>";

fn row(line: &Line) -> String {
    let slices = line.slices.map_or(String::new(), |n| n.to_string());
    let seconds = line.seconds.map_or(String::new(), |s| format!("{s:.1}"));
    let text = line.target.iter().chain(&line.text).map(|text| escape(text)).collect::<Vec<_>>().join(": ");
    format!(
        "<tr><td>{}</td><td class=\"text\">{}</td><td><code>{}</code></td><td class=\"text\">{}</td><td>{slices}</td>\
         <td>{seconds}</td><td class=\"text\">{text}</td></tr>",
        escape(&line.time),
        escape(&line.route),
        escape(&line.series),
        escape(&line.event),
    )
}
