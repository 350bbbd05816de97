//! The `artir` program.

#![deny(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    artir_cli::run(std::env::args_os(), None)
}
