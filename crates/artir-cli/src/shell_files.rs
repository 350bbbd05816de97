//! `artir shell-files`: man pages and completions, for packages of artir.

use std::{fs::File, io, path::PathBuf, process::ExitCode};

use artir_core::ErrorKind;
use clap_complete::Shell;

use crate::outcome::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for man/artir*.1, artir.bash, _artir (zsh) and artir.fish
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let fail = |e: io::Error| Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", args.folder.display()));
    write(args).map_err(fail)?;
    Ok(ExitCode::SUCCESS)
}

fn write(args: &Args) -> io::Result<()> {
    let man = args.folder.join("man");
    std::fs::create_dir_all(&man)?;
    let mut command = crate::definition();
    // Global options and the full names of subcommands are known after this.
    command.build();
    clap_mangen::Man::new(command.clone()).title("artir").render(&mut File::create(man.join("artir.1"))?)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let name = format!("artir-{}", sub.get_name());
        clap_mangen::Man::new(sub.clone()).render(&mut File::create(man.join(format!("{name}.1")))?)?;
    }
    for (shell, file) in [(Shell::Bash, "artir.bash"), (Shell::Zsh, "_artir"), (Shell::Fish, "artir.fish")] {
        // A command that was built already cannot be built again.
        let mut command = crate::definition();
        clap_complete::generate(shell, &mut command, "artir", &mut File::create(args.folder.join(file))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_a_completion() {
        let dir = tempfile::tempdir().unwrap();
        write(&Args { folder: dir.path().to_owned() }).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        for command in ["ct", "pet", "image", "metrics", "validate", "bench", "models", "doctor"] {
            let page = read(&format!("man/artir-{command}.1"));
            assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{command}");
            for shell in ["artir.bash", "_artir", "artir.fish"] {
                assert!(read(shell).contains(command), "{shell}: {command}");
            }
        }
        assert!(read("man/artir-ct.1").contains("strength") && read("artir.bash").contains("--strength"));
        assert!(!dir.path().join("man/artir-decode-frames.1").exists(), "what is hidden has no page");
    }
}
