//! Standard input as the scene and standard output as the result: `-`, or GDAL's names `/vsistdin/` and `/vsistdout/`.
//!
//! GDAL reads a raster in any order and returns to what it has written, which pipes cannot do. Therefore the scene is copied
//! to a temporary file first, and the finished result is copied to standard output.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use artir_core::{ErrorKind, Progress};
use artir_files::OutputFolder;
use artir_geo::SceneReport;

use super::Args;
use crate::outcome::Failure;

/// What messages call the two streams.
const INPUT: &str = "standard input";
const OUTPUT: &str = "standard output";

/// The temporary files of the two streams. They are removed in the end.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The folder of the files, in the folder of `--work`, which goes again after it if it was made for them.
    folder: Option<(tempfile::TempDir, Option<OutputFolder>)>,
    writes: bool,
}

/// Whether a scene's name is that of standard input.
pub(super) fn is_input(scene: &str) -> bool {
    scene == "-" || scene.trim_end_matches('/') == "/vsistdin" || scene.starts_with("/vsistdin?")
}

/// Whether an output's name is that of standard output.
pub(super) fn is_output(out: &Path) -> bool {
    out.to_str().is_some_and(|out| out == "-" || out.trim_end_matches('/') == "/vsistdout")
}

/// The name of a scene for messages.
pub(super) fn label(scene: &str) -> &str {
    if is_input(scene) { INPUT } else { scene }
}

impl Streams {
    /// # Errors
    /// [`ErrorKind::Usage`] for flags that a stream cannot be combined with, before anything is read.
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        let reads = args.scenes.iter().any(|scene| is_input(scene));
        let writes = !args.inspect && args.output.as_deref().is_some_and(is_output);
        if reads {
            refuse_with_input(args)?;
        }
        if writes {
            refuse_with_output(args)?;
        }
        if !reads && !writes {
            return Ok(Self::default());
        }
        let place = args.work.clone().unwrap_or_else(std::env::temp_dir);
        let fail = |e| unwritable(&place, &e);
        let made = args.work.as_deref().map(OutputFolder::create).transpose().map_err(fail)?;
        let folder = tempfile::Builder::new().prefix("artir-scene-").tempdir_in(&place).map_err(fail)?;
        Ok(Self { folder: Some((folder, made)), writes })
    }

    fn within(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|(folder, _)| folder.path().join(name))
    }

    fn copy_of_input(&self) -> Option<PathBuf> {
        self.within("input")
    }

    /// The file that standard output will be copied from; `None` where results are files.
    pub(super) fn result(&self) -> Option<PathBuf> {
        self.within("result.tif").filter(|_| self.writes)
    }

    /// The folder for restored rows. Nobody could resume a run whose scene or result goes with it.
    pub(super) fn work(&self) -> Option<&Path> {
        self.folder.as_ref().map(|(folder, _)| folder.path())
    }

    /// The file to open for a scene. Standard input is read now, after everything that can be refused without it.
    pub(super) fn file(&self, scene: &str, progress: &dyn Progress) -> Result<String, Failure> {
        let Some(copy) = self.copy_of_input().filter(|_| is_input(scene)) else { return Ok(scene.to_owned()) };
        receive(&mut io::stdin().lock(), &copy, progress)?;
        let name = copy
            .to_str()
            .ok_or_else(|| unwritable(&copy, &io::Error::other("its path is not UTF-8, which GDAL needs")))?;
        Ok(name.to_owned())
    }

    /// Copies a finished result to standard output. Returns the report of the result under that name.
    pub(super) fn send(&self, done: SceneReport) -> Result<SceneReport, Failure> {
        if !self.writes {
            return Ok(done);
        }
        let copy = || {
            let mut out = io::stdout().lock();
            io::copy(&mut File::open(&done.path)?, &mut out).and_then(|_| out.flush())
        };
        copy().map_err(|e| Failure::new(ErrorKind::Output, format!("{OUTPUT}: cannot write: {e}")))?;
        Ok(SceneReport { path: OUTPUT.into(), ..done })
    }

    /// A text with the streams' names in place of those of their files.
    pub(super) fn in_text(&self, text: &str) -> String {
        let names = [(self.copy_of_input(), INPUT), (self.result(), OUTPUT)];
        let files = names.into_iter().filter_map(|(file, name)| Some((file?.display().to_string(), name)));
        files.fold(text.to_owned(), |text, (file, name)| text.replace(&file, name))
    }

    /// The failure with the streams' names in place of those of their files.
    pub(super) fn named(&self, failure: Failure) -> Failure {
        Failure::new(failure.kind, self.in_text(&failure.message))
    }
}

fn refuse_with_input(args: &Args) -> Result<(), Failure> {
    let why = if args.compare.is_some() {
        "--compare: standard input cannot be compared: name two files"
    } else if args.scenes.len() > 1 {
        "standard input is restored alone: run the other scenes separately"
    } else if args.resume {
        "--resume: standard input cannot be read a second time: save the scene to a file"
    } else if io::stdin().is_terminal() {
        "standard input is a terminal: send a scene through a pipe"
    } else {
        return Ok(());
    };
    Err(Failure::usage(why))
}

fn refuse_with_output(args: &Args) -> Result<(), Failure> {
    let beside = |flag: &str| format!("{flag}: its file lies next to the result: name an output file with --output");
    let why = if args.scenes.len() > 1 {
        "--output: standard output takes one result: name a folder for several scenes".into()
    } else if args.preview {
        beside("--preview")
    } else if args.stac {
        beside("--stac")
    } else if args.resume {
        "--resume: standard output cannot be continued: name an output file with --output".into()
    } else if args.dry_run {
        "--dry-run: the plan would take the result's place on standard output: name an output file with --output".into()
    } else if io::stdout().is_terminal() {
        "--output: standard output is a terminal: send the result to a file or through a pipe".into()
    } else {
        return Ok(());
    };
    Err(Failure::usage(why))
}

/// Copies a stream to a new file.
fn receive(from: &mut dyn Read, to: &Path, progress: &dyn Progress) -> Result<(), Failure> {
    const BYTES: usize = 1 << 20;
    let fail = |e| unwritable(to, &e);
    let mut file = File::create_new(to).map_err(fail)?;
    let mut part = vec![0; BYTES];
    let mut empty = true;
    loop {
        // Ctrl-C ends the program that sends the scene, too, so that the stream ends early.
        if progress.is_cancelled() {
            return Err(artir_core::Error::Interrupted.into());
        }
        match from.read(&mut part) {
            Ok(0) if progress.is_cancelled() => {}
            Ok(0) if empty => return Err(Failure::input(format!("{INPUT}: is empty"))),
            Ok(0) => return Ok(()),
            Ok(count) => file.write_all(&part[..count]).map_err(fail)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failure::input(format!("{INPUT}: cannot read: {e}"))),
        }
        empty = false;
    }
}

fn unwritable(place: &Path, e: &io::Error) -> Failure {
    let hint = "--work names another folder for temporary files";
    Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}: {hint}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Cancelled(bool);

    impl Progress for Cancelled {
        fn advance(&self, _: u64) {}

        fn is_cancelled(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn names_of_streams_are_those_of_gdal_and_a_dash() {
        for (name, is) in [("-", true), ("/vsistdin/", true), ("/vsistdin", true), ("./-", false), ("a/-", false)] {
            assert_eq!(is_input(name), is, "{name}");
        }
        assert!(is_input("/vsistdin?buffer_limit=1GB") && !is_input("/vsistdin/x.tif"));
        for (name, is) in [("-", true), ("/vsistdout/", true), ("/vsistdout", true), ("/vsistdout/x.tif", false)] {
            assert_eq!(is_output(Path::new(name)), is, "{name}");
        }
    }

    #[test]
    fn a_stream_is_copied_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
        receive(&mut bytes.as_slice(), &at("whole"), &Cancelled(false)).unwrap();
        assert_eq!(std::fs::read(at("whole")).unwrap(), bytes);
        let empty = receive(&mut io::empty(), &at("empty"), &Cancelled(false)).unwrap_err();
        assert!(empty.kind == ErrorKind::Input && empty.message.contains("is empty"), "{empty:?}");
        let ended = receive(&mut bytes.as_slice(), &at("ended"), &Cancelled(true)).unwrap_err();
        assert_eq!(ended.kind, ErrorKind::Interrupted);
        let taken = receive(&mut bytes.as_slice(), &at("whole"), &Cancelled(false)).unwrap_err();
        assert!(taken.kind == ErrorKind::Output && taken.message.contains("--work"), "{taken:?}");
    }
}
