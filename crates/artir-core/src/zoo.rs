//! The models that are built in, and those found by name in a folder.

use std::path::{Path, PathBuf};

use artir_zoo::MODELS;

use crate::{Error, Model, Task, directories};

/// Names of the built-in models.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|(name, _)| *name)
}

/// The name of a task's model. It is built in, except that for several degradations, which the command line opens only where it
/// is named: every task needs a name here.
pub fn default_name(task: Task) -> &'static str {
    match task {
        Task::CtDenoise => "ct-ldct-t",
        Task::Dehaze => "geo-haze-t",
        Task::PetEnhance => "pet-lowcount-3-t",
        Task::RgbDenoise => "rgb-denoise-free-t",
        Task::RgbRestore => "rgb-aio-t",
    }
}

/// Opens the model of a task that is used unless another is named. It is built in, except for several degradations. Models in
/// [`folders`] are used when they are named, since their licences differ.
///
/// # Errors
/// The reasons why the file is not a usable model.
pub fn open_default(task: Task) -> Result<Model, Error> {
    open(default_name(task))
}

/// Whether a model is named by its file: by an ending, or by a folder.
pub fn is_path(name: &str) -> bool {
    name.ends_with(".onnx") || name.contains(std::path::is_separator)
}

/// The file that [`open`] reads for a name; `None` for a model that is built in, or unknown.
pub fn file(name: &str) -> Option<PathBuf> {
    if is_path(name) {
        return Some(name.into());
    }
    if names().any(|known| known == name) { None } else { find(name) }
}

/// The file of a model that is not built in.
fn find(name: &str) -> Option<PathBuf> {
    let file = format!("{name}.onnx");
    folders().into_iter().map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// Folders that are searched for `NAME.onnx`: those that `ARTIR_MODELS` names, then `models` in artir's data folder, and for an
/// executable in the `target` folder of its own source tree `models/noncommercial` of that tree.
pub fn folders() -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::env::var_os("ARTIR_MODELS")
        .map(|v| std::env::split_paths(&v).filter(|p| !p.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    out.extend(directories::data().map(|data| data.join("models")));
    out.extend(directories::own_tree().map(|tree| tree.join("models/noncommercial")));
    out
}

/// Names of the models that [`open`] finds in [`folders`], in their order.
pub fn found() -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for folder in folders() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let is_model = |path: &PathBuf| path.extension().is_some_and(|e| e == "onnx") && path.is_file();
        let files = entries.map(|entry| entry.path()).filter(is_model);
        let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        names.sort();
        // The first of a name is the one that is opened.
        names.retain(|name| !out.contains(name) && !self::names().any(|known| known == name));
        out.append(&mut names);
    }
    out
}

/// Opens a model by file (anything that ends in `.onnx` or names a folder) or by name.
pub fn open(name: &str) -> Result<Model, Error> {
    if is_path(name) {
        return Model::open(Path::new(name));
    }
    if let Some((name, bytes)) = MODELS.iter().find(|(known, _)| *known == name) {
        return Model::from_bytes(*bytes, name);
    }
    match find(name) {
        Some(path) => Model::open(&path),
        None => Err(Error::ModelUnknown {
            name: name.to_owned(),
            known: names().map(str::to_owned).chain(found()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_models_that_are_not_built_in_have_a_file() {
        assert_eq!(file("./ct-ldct-t"), Some("./ct-ldct-t".into()));
        assert_eq!(file("new.onnx"), Some("new.onnx".into()));
        assert_eq!(file("ct-ldct-t"), None);
        assert_eq!(file("no-such-model"), None);
    }
}
