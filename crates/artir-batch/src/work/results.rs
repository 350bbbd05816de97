//! Results, by their files and their size.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::{Job, Record, Results, State, Store, network::Miss};

/// Whether the result of a record is where it was, by its size.
pub(super) fn are_there(store: &Store, job: &Job, record: &Record) -> Result<bool, Miss> {
    if !matches!(record.entry.state, State::Done | State::Partial) {
        return Ok(true);
    }
    Ok(record.results
        == match store.upload() {
            Some(upload) => upload.results(&job.output())?,
            None => results(&store.place(job)),
        })
}

/// The files of a result. Hidden files, such as the manifest of a series, belong to it; hidden folders of interrupted runs do
/// not.
pub(crate) fn files_of(path: &Path) -> impl Iterator<Item = walkdir::Result<PathBuf>> {
    let work = |entry: &walkdir::DirEntry| {
        entry.depth() > 0
            && entry.file_type().is_dir()
            && entry.file_name().to_string_lossy().starts_with(artir_files::PREFIX)
    };
    let below = WalkDir::new(path).into_iter().filter_entry(move |entry| !work(entry));
    below
        .filter(|entry| entry.as_ref().map_or(true, |entry| entry.file_type().is_file()))
        .map(|entry| entry.map(walkdir::DirEntry::into_path))
}

/// The size of a result.
pub(super) fn results(path: &Path) -> Results {
    let files = files_of(path).filter_map(|file| file.ok()?.metadata().ok());
    files.fold(Results::default(), |sum, meta| Results { files: sum.files + 1, bytes: sum.bytes + meta.len() })
}
