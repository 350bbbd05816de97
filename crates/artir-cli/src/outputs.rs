//! Outputs: checked before any work, published only when complete.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use artir_core::ErrorKind;
use artir_files::{NewFile, free_space, is_taken, is_within, same_file, writable};
use serde::Serialize;

use crate::outcome::Failure;

/// The kind of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
}

/// The outputs of a command, each checked to be writable.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// Files and folders that are read.
    inputs: Vec<PathBuf>,
    outputs: Vec<(PathBuf, String)>,
    /// Bytes to be written by file system: path, free, needed.
    space: BTreeMap<u64, (PathBuf, u64, u64)>,
}

impl Outputs {
    /// Outputs that must not overwrite any of these inputs.
    pub(crate) fn new(inputs: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { inputs: inputs.into_iter().collect(), ..Self::default() }
    }

    /// Adds an output. `what` names it in errors; `replace` allows it to overwrite an existing result.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a path that exists, or that is an input or another output;
    /// [`ErrorKind::Output`] for a folder that cannot be written.
    pub(crate) fn add(&mut self, what: &str, path: &Path, kind: Kind, replace: bool) -> Result<(), Failure> {
        self.check(what, path, kind, replace)?;
        self.outputs.push((path.to_owned(), what.to_owned()));
        Ok(())
    }

    fn check(&self, what: &str, path: &Path, kind: Kind, replace: bool) -> Result<(), Failure> {
        let usage = |reason: &str| Err(Failure::usage(format!("{}: {reason}", path.display())));
        if path.file_name().is_none() {
            return usage(&format!("{what} needs a name"));
        }
        for input in &self.inputs {
            let lost = match kind {
                Kind::File => input.is_file() && same_file(input, path),
                Kind::Folder => is_within(input, path),
            };
            if lost {
                return usage(&format!("{what} would overwrite an input: choose another path"));
            }
        }
        self.apart(what, path)?;
        match (kind, path.is_dir()) {
            (Kind::File, true) => return usage(&format!("{what} cannot be written: it is a folder")),
            (Kind::Folder, false) if is_taken(path) => {
                return usage(&format!("{what} cannot be written: a file of that name exists"));
            }
            _ => {}
        }
        if is_taken(path) && !replace {
            return usage("already exists: use --overwrite");
        }
        // Devices and pipes are not results, and must not be replaced by files.
        if kind == Kind::File && path.metadata().is_ok_and(|meta| !meta.is_file()) {
            return usage(&format!("{what} cannot be written: it is not a regular file"));
        }
        writable(path).map_err(|e| unwritable(path, &e))
    }

    /// Checks that no other output has the same path.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for the path of an output that was added before.
    pub(crate) fn apart(&self, what: &str, path: &Path) -> Result<(), Failure> {
        let meet = |other: &Path| same_file(other, path) || is_within(other, path) || is_within(path, other);
        match self.outputs.iter().find(|(other, _)| meet(other)) {
            Some((_, name)) => {
                let reason = format!(
                    "{what} and {name} would have the same path, or one would lie in the other: choose different paths"
                );
                Err(Failure::usage(format!("{}: {reason}", path.display())))
            }
            None => Ok(()),
        }
    }

    /// Adds the bytes that will at least be written at a path.
    pub(crate) fn needs(&mut self, path: &Path, bytes: u64) {
        // A file system that does not report its free space is not refused.
        if let Ok((device, free)) = free_space(path) {
            let (_, _, needed) = self.space.entry(device).or_insert_with(|| (path.to_owned(), free, 0));
            *needed = needed.saturating_add(bytes);
        }
    }

    /// # Errors
    /// [`ErrorKind::Output`] if a file system has less free space than needed.
    pub(crate) fn check_space(&self) -> Result<(), Failure> {
        for (path, free, needed) in self.space.values() {
            if needed > free {
                let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
                let reason = format!("at least {} MiB are needed, and {} MiB are free", mib(needed), free >> 20);
                return Err(unwritable(path, &io::Error::other(reason)));
            }
        }
        Ok(())
    }
}

fn unwritable(path: &Path, e: &io::Error) -> Failure {
    Failure::new(ErrorKind::Output, format!("{}: cannot write: {e}", path.display()))
}

/// Writes a file under a temporary name and renames it when complete.
pub(crate) fn publish(
    out: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let fail = |e: io::Error| match e.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!("{}: already exists: use --overwrite", out.display())),
        _ => unwritable(out, &e),
    };
    let mut file = NewFile::create(out).map_err(fail)?;
    write(file.file()).map_err(|f| Failure::new(f.kind, format!("{}: {}", out.display(), f.message)))?;
    file.publish(overwrite).map_err(fail)
}

/// Writes a text as a file.
pub(crate) fn publish_text(out: &Path, overwrite: bool, text: &str) -> Result<(), Failure> {
    publish(out, overwrite, |file| {
        let fail = |e: io::Error| Failure::new(ErrorKind::Output, format!("cannot write: {e}"));
        io::Write::write_all(file, text.as_bytes()).map_err(fail)
    })
}

/// Whether a run may replace the report at a path: with `overwrite`, or with `resume` where an earlier run wrote it.
pub(crate) fn may_replace_report(path: &Path, overwrite: bool, resume: bool) -> bool {
    let is_report = || {
        let report: serde_json::Value = serde_json::from_reader(io::BufReader::new(File::open(path).ok()?)).ok()?;
        Some(report.get("schema")?.is_u64() && report.get("artir")?.is_string())
    };
    overwrite || resume && is_report() == Some(true)
}

/// Ends a run with its report. The error that ended the run matters more than a report that cannot be written.
pub(crate) fn end_with_report(
    ended: Result<ExitCode, Failure>,
    path: &Path,
    replace: bool,
    report: &impl Serialize,
) -> Result<ExitCode, Failure> {
    let write = || {
        let text = serde_json::to_string_pretty(report).map_err(Failure::failed)?;
        publish_text(path, replace, &(text + "\n"))
    };
    match (ended, write()) {
        (Ok(_), Err(failure)) => Err(failure),
        (Err(ended), Err(failure)) => {
            say_error!("artir: {}", failure.message);
            Err(ended)
        }
        (ended, Ok(())) => ended,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refused(result: Result<(), Failure>) -> (ErrorKind, String) {
        let failure = result.unwrap_err();
        (failure.kind, failure.message)
    }

    #[test]
    fn places_that_are_taken_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("in/series-1")).unwrap();
        for name in ["in/series-1/a.dcm", "there"] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(at("in"), at("link")).unwrap();
        let mut outputs = Outputs::new([at("in/series-1/a.dcm")]);
        let mut add = |path: &str, kind, replace| outputs.add("the report", &at(path), kind, replace);
        for replace in [false, true] {
            for (path, kind) in [
                ("link/series-1/a.dcm", Kind::File),
                ("link/series-1", Kind::Folder),
                ("in", Kind::Folder),
                ("in", Kind::File),
                ("there", Kind::Folder),
            ] {
                let (kind, message) = refused(add(path, kind, replace));
                assert_eq!(kind, ErrorKind::Usage, "{path} {message}");
            }
        }
        assert!(refused(add("there", Kind::File, false)).1.contains("--overwrite"));
        add("there", Kind::File, true).unwrap();
        add("out/series-2", Kind::Folder, false).unwrap();
        for path in ["there", "out/series-2", "out/series-2/r.json", "out"] {
            assert!(refused(add(path, Kind::File, true)).1.contains("the same path"), "{path}");
        }
        add("out/series-2.html", Kind::File, false).unwrap();
        let (kind, message) = refused(add("in/series-1/a.dcm/below", Kind::File, false));
        assert!(kind == ErrorKind::Output && message.contains("not a folder"), "{message}");
        let device = Outputs::default().add("the report", Path::new("/dev/null"), Kind::File, true);
        assert!(refused(device).1.contains("not a regular file"));
    }

    #[test]
    fn only_a_report_is_replaced_by_a_run_that_resumes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        for (text, replaced) in [("{\"schema\": 1, \"artir\": \"0.1.0\"}", true), ("{}", false), ("notes", false)] {
            fs::write(&path, text).unwrap();
            assert_eq!(may_replace_report(&path, false, true), replaced, "{text}");
            assert!(!may_replace_report(&path, false, false) && may_replace_report(&path, true, false));
        }
    }

    #[test]
    fn space_is_counted_by_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let mut outputs = Outputs::default();
        outputs.needs(&dir.path().join("a"), 1);
        outputs.check_space().unwrap();
        outputs.needs(&dir.path().join("b"), u64::MAX / 2);
        let (kind, message) = refused(outputs.check_space());
        assert!(kind == ErrorKind::Output && message.contains("MiB are free"), "{message}");
    }
}
