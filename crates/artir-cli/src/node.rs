//! `artir node`: runs a DICOM node, checks its configuration, and looks after its queue.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use crate::{common::codec_process, outcome::Failure};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// Configuration, a TOML file
    #[arg(required = true, value_name = "CONFIG.toml")]
    config: Option<PathBuf>,
    /// Check the configuration, with the models and certificates that it names, and do nothing else
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the queue, and why series wait or have failed
    Status {
        /// Configuration, a TOML file
        #[arg(value_name = "CONFIG.toml")]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try failed series again, or one that waits: it is restored, or sent, from where it was
    Retry {
        /// Configuration, a TOML file
        #[arg(value_name = "CONFIG.toml")]
        config: PathBuf,
        /// The name of a series, as status shows it [default: all that have failed]
        #[arg(value_name = "SERIES")]
        series: Option<String>,
        /// Of objects that share a SOPInstanceUID, use the one that came last
        #[arg(long)]
        newest: bool,
    },
    /// Accept nothing more, finish what is in the queue, and end the node
    Drain {
        /// Configuration, a TOML file
        #[arg(value_name = "CONFIG.toml")]
        config: PathBuf,
    },
}

impl From<artir_node::Error> for Failure {
    fn from(e: artir_node::Error) -> Self {
        Self::new(e.kind(), e)
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match (&args.action, &args.config) {
        (None, Some(config)) if args.check => {
            let config = artir_node::check(config)?;
            say!("{} route(s), {} target(s): usable", config.routes.len(), config.targets.len());
        }
        (None, Some(config)) => artir_node::run(config, codec_process()?)?,
        (None, None) => return Err(Failure::usage("name a configuration")),
        (Some(Action::Status { config, json }), _) => status(&artir_node::Config::read(config)?, *json)?,
        (Some(Action::Retry { config, series, newest }), _) => {
            let count = artir_node::retry(&artir_node::Config::read(config)?, series.as_deref(), *newest)?;
            say!("{count} series to be tried again");
        }
        (Some(Action::Drain { config }), _) => {
            let ran = artir_node::drain(&artir_node::Config::read(config)?)?;
            say!("{}", if ran { "drained" } else { "no node runs" });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn status(config: &artir_node::Config, json: bool) -> Result<(), Failure> {
    let status = artir_node::status(config)?;
    if json {
        let routes: Vec<_> = status
            .routes
            .iter()
            .map(|route| {
                let [receiving, work, out, failed] = route.series;
                serde_json::json!({"route": route.route, "in": receiving, "work": work, "out": out, "failed": failed})
            })
            .collect();
        let waiting: Vec<_> = status.waiting.iter().map(|one| {
            serde_json::json!({"route": one.route, "series": one.series, "failed": one.failed, "reason": one.reason})
        }).collect();
        let all = serde_json::json!({"running": status.running, "routes": routes, "waiting": waiting});
        say!("{}", serde_json::to_string_pretty(&all).map_err(Failure::failed)?);
        return Ok(());
    }
    say!("{}", if status.running { "running" } else { "not running" });
    say!("{:<32} {:>6} {:>6} {:>6} {:>6}", "route", "in", "work", "out", "failed");
    for route in &status.routes {
        let [receiving, work, out, failed] = route.series;
        say!("{:<32} {receiving:>6} {work:>6} {out:>6} {failed:>6}", route.route);
    }
    for one in &status.waiting {
        let state = if one.failed { "failed" } else { "waits" };
        say!("{} {} {state}: {}", one.route, one.series, one.reason);
    }
    Ok(())
}
