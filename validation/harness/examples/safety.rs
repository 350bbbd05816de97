//! Writes what a CT model, built in or a file, takes away: `cargo run --release -p artir-harness --example safety -- MODEL FILE.md`.

use artir_core::{Restorer, Settings, zoo};
use artir_harness::safety;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [name, file] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "MODEL and FILE.md")?;
    let restorer = Restorer::new(zoo::open(&name)?, Settings::default())?;
    let doses = safety::measure(&restorer)?;
    let model = format!("{} {}", restorer.card().name, restorer.card().version);
    std::fs::write(file, safety::markdown(&model, restorer.strength(), &doses))?;
    Ok(())
}
