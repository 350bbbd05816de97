//! Restores a GeoTIFF: `cargo run --example restore_scene -- hazy.tif clear.tif`.

use artir_core::{NoProgress, Restorer, Settings, Task, zoo};
use artir_geo::{OpenOptions, Scene, WriteOptions, restore_scene};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = names.as_slice() else { return Err("usage: restore_scene IN.tif OUT.tif".into()) };
    let model = zoo::open(zoo::default_for(Task::Dehaze).ok_or("no model for scenes")?)?;
    let restorer = Restorer::new(model, Settings::default())?;
    let scene = Scene::open(from, &OpenOptions::default())?;
    let report = restore_scene(&scene, &restorer, to.as_ref(), &WriteOptions::default(), &NoProgress)?;
    println!("{}: {} tiles", report.path.display(), report.run.tiles);
    Ok(())
}
