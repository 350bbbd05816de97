//! Restores the CT series of a folder: `cargo run --example restore_series -- STUDY RESTORED`.

use artir_core::{NoProgress, Restorer, Settings, zoo};
use artir_dicom::{Modality, RestoreOptions, restore_series, scan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut folders = std::env::args_os().skip(1);
    let (study, out) = folders.next().zip(folders.next()).ok_or("usage: restore_series STUDY RESTORED")?;
    let restorer = Restorer::new(zoo::open("ct-ldct-t")?, Settings::default())?;
    for series in &scan(&[study.into()], Modality::Ct)?.series {
        let done = restore_series(series, &restorer, out.as_ref(), &RestoreOptions::default(), &NoProgress)?;
        println!("{} slices in {}", done.slices, done.folder.display());
    }
    Ok(())
}
