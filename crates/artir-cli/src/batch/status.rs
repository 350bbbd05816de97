//! `artir batch --status`: how far all shards are.

use std::{path::Path, process::ExitCode};

use artir_batch::{State, Status};

use crate::outcome::Failure;

/// Reasons that the table shows.
const MOST_REASONS: usize = 20;

pub(super) fn show(out: &Path, json: bool) -> Result<ExitCode, Failure> {
    let status = artir_batch::status(out)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&status).map_err(Failure::failed)?);
    } else {
        say!("{}", table(&status).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn table(status: &Status) -> String {
    let mut rows = vec![("jobs".to_owned(), status.total.to_string())];
    for state in State::ALL {
        rows.push((state.name().to_owned(), status.states.get(&state).copied().unwrap_or(0).to_string()));
    }
    rows.push(("left".to_owned(), status.left.to_string()));
    rows.push(("running".to_owned(), status.running.to_string()));
    rows.push(("rate".to_owned(), format!("{:.1} jobs an hour", status.rate_per_hour)));
    rows.push(("time left".to_owned(), status.seconds_left.map_or_else(|| "unknown".into(), duration)));
    let mut out: String = rows.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
    if !status.reasons.is_empty() {
        out += "\njobs      state     reason\n";
        for why in status.reasons.iter().take(MOST_REASONS) {
            out += &format!("{:<9} {:<9} {}\n", why.jobs, why.state.name(), why.reason);
        }
        if let Some(more) = status.reasons.len().checked_sub(MOST_REASONS + 1) {
            out += &format!("and {} more reasons: --json lists them\n", more + 1);
        }
    }
    if !status.slowest.is_empty() {
        out += "\nseconds   command   slowest jobs\n";
        for slow in &status.slowest {
            out += &format!("{:<9.1} {:<9} {}\n", slow.seconds, slow.command.name(), slow.id);
        }
    }
    for (id, ends) in &status.ended_processes {
        out += &format!("\n{id}: {ends} process(es) ended while they worked on it");
    }
    out
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        assert_eq!([duration(30.0), duration(5400.0), duration(200_000.0)], ["1 min", "1 h 30 min", "2 d 7 h"]);
    }
}
