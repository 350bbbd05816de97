//! Restores a photograph: `cargo run --release -p artir-photo --example restore_photo -- IN.png OUT.png MODEL.onnx`.

use std::{env, error::Error, fs::File, path::Path};

use artir_core::{NoProgress, Restorer, Settings, zoo};
use artir_photo::{Format, Photo, PhotoSink, PhotoSource};

fn main() -> Result<(), Box<dyn Error>> {
    let [from, to, model] = env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "IN OUT MODEL")?;
    let restorer = Restorer::new(zoo::open(&model)?, Settings::default())?;
    let photo = Photo::read(Path::new(&from), 2 << 30)?;
    let mut source = PhotoSource::new(&photo, restorer.card().input.channels);
    let mut sink = PhotoSink::new(photo.clone());
    restorer.run(&mut source, &mut sink, &NoProgress)?;
    Ok(sink.into_photo().write(File::create(&to)?, Format::of(Path::new(&to))?)?)
}
