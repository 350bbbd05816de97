//! `artir models export-plain` and `export-triton`: models for other runtimes and servers.

use std::{io::Write, path::Path, process::ExitCode};

use artir_core::{Card, ErrorKind, standard_operators, zoo};

use super::{NO_FILE_NAME, is_file_name};
use crate::{
    outcome::Failure,
    outputs::{Kind, Outputs, publish, publish_text},
};

/// Writes a model in standard operators.
pub(super) fn plain(model: &str, out: &Path, overwrite: bool) -> Result<ExitCode, Failure> {
    Outputs::new(zoo::file(model)).add("the model", out, Kind::File, overwrite)?;
    let bytes = standard_operators(&zoo::open(model)?)?;
    write(out, overwrite, &bytes)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `NAME/1/model.onnx` and `NAME/config.pbtxt` below a model repository.
pub(super) fn triton(model: &str, repository: &Path, library: &Path, overwrite: bool) -> Result<ExitCode, Failure> {
    let inputs = zoo::file(model);
    let named = model;
    let model = zoo::open(named)?;
    if !is_file_name(&model.card().name) {
        return Err(Failure::input(format!("{named}: {NO_FILE_NAME}")));
    }
    let library =
        std::fs::canonicalize(library).map_err(|e| Failure::input(format!("--library {}: {e}", library.display())))?;
    let library = library.to_str().filter(|path| !path.contains(['"', '\\', '\n']));
    let library = library.ok_or_else(|| Failure::input("--library: Triton cannot read this path"))?;
    let folder = repository.join(&model.card().name);
    let (file, config) = (folder.join("1/model.onnx"), folder.join("config.pbtxt"));
    let mut outputs = Outputs::new(inputs);
    outputs.add("the model", &file, Kind::File, overwrite)?;
    outputs.add("the configuration", &config, Kind::File, overwrite)?;
    write(&file, overwrite, model.bytes())?;
    publish_text(&config, overwrite, &configuration(model.card(), library))?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration for Triton's backend for ONNX Runtime. Triton resolves a relative path of a library against its own
/// working folder, so the path is absolute. Without `enable_mem_pattern` 0, every new size of image would take its memory
/// twice.
fn configuration(card: &Card, library: &str) -> String {
    let (name, channels) = (&card.name, card.input.channels);
    format!(
        "name: \"{name}\"\n\
         platform: \"onnxruntime_onnx\"\n\
         max_batch_size: 0\n\
         input [ {{ name: \"image\" data_type: TYPE_FP32 dims: [ -1, {channels}, -1, -1 ] }} ]\n\
         output [ {{ name: \"restored\" data_type: TYPE_FP32 dims: [ -1, {channels}, -1, -1 ] }} ]\n\
         model_operations {{ op_library_filename: [ \"{library}\" ] }}\n\
         parameters {{ key: \"enable_mem_pattern\" value {{ string_value: \"0\" }} }}\n"
    )
}

fn write(out: &Path, overwrite: bool, bytes: &[u8]) -> Result<(), Failure> {
    publish(out, overwrite, |file| {
        file.write_all(bytes).map_err(|e| Failure::new(ErrorKind::Output, format!("cannot write: {e}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_no_file_names() {
        for name in ["ct-ldct-t", "a_1.2"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "../up", "a/b", "/etc", "a\"b", "a b", "\u{e4}"] {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn the_configuration_names_the_library_and_the_channels() {
        let model = zoo::open("geo-haze-t").unwrap();
        let text = configuration(model.card(), "/opt/lib/libartir_ops.so");
        for part in [
            "name: \"geo-haze-t\"\nplatform: \"onnxruntime_onnx\"\nmax_batch_size: 0\n",
            "name: \"image\" data_type: TYPE_FP32 dims: [ -1, 3, -1, -1 ]",
            "op_library_filename: [ \"/opt/lib/libartir_ops.so\" ]",
            "key: \"enable_mem_pattern\" value { string_value: \"0\" }",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
