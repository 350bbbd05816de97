//! Derived series in a ZIP.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use artir_files::{NewFile, PREFIX};
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::encode::OutputSyntax;
use crate::Error;

/// A larger file needs the form for 64 bits, which older programs cannot read.
const LARGE: u64 = u32::MAX as u64;

/// A ZIP of derived series. Series are made in a folder of its own and moved into the ZIP one by one; the ZIP appears under its
/// name when it is published, and not at all when it is dropped before.
#[derive(Debug)]
pub struct ZipOutput {
    zip: ZipWriter<BufWriter<File>>,
    file: NewFile,
    target: PathBuf,
    options: SimpleFileOptions,
}

impl ZipOutput {
    /// Begins a ZIP. Pixels that are compressed already are only stored.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn create(target: &Path, syntax: OutputSyntax) -> Result<Self, Error> {
        let create = || {
            let mut file = NewFile::create(target)?;
            let zip = ZipWriter::new(BufWriter::with_capacity(1 << 20, file.file().try_clone()?));
            Ok((file, zip))
        };
        let (file, zip) = create().map_err(|e| Error::write(target, e))?;
        let method =
            if syntax == OutputSyntax::Native { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        // No time of writing, so that the same input gives the same bytes.
        let options = SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::default());
        Ok(Self { zip, file, target: target.to_owned(), options })
    }

    /// The folder that series are to be made in.
    pub fn folder(&self) -> PathBuf {
        self.file.path().with_file_name("series")
    }

    /// Moves whatever is complete in the folder into the ZIP.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn add(&mut self) -> Result<(), Error> {
        self.add_folder().map_err(|e| Error::write(&self.target, e))
    }

    fn add_folder(&mut self) -> io::Result<()> {
        let folder = self.folder();
        if !folder.exists() {
            return Ok(());
        }
        for entry in walkdir::WalkDir::new(&folder).sort_by_file_name() {
            let entry = entry.map_err(io::Error::from)?;
            // artir's own files are of no use in a ZIP.
            let own = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
            if own || !entry.file_type().is_file() {
                continue;
            }
            let name = entry.path().strip_prefix(&folder).unwrap_or(entry.path()).to_string_lossy();
            let length = entry.metadata().map_err(io::Error::from)?.len();
            let options = self.options.large_file(length >= LARGE).unix_permissions(0o644);
            self.zip.start_file(name, options).map_err(io_error)?;
            io::copy(&mut File::open(entry.path())?, &mut self.zip)?;
        }
        fs::remove_dir_all(&folder)
    }

    /// Completes the ZIP and gives it its name.
    ///
    /// # Errors
    /// [`Error::Exists`] if the name is taken and may not be replaced, and [`Error::Write`].
    pub fn publish(self, overwrite: bool) -> Result<(), Error> {
        let Self { zip, file, target, options: _ } = self;
        let publish = || {
            zip.finish().map_err(io_error)?.flush()?;
            file.publish(overwrite)
        };
        publish().map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path: target.clone() },
            _ => Error::write(&target, e),
        })
    }
}

fn io_error(e: ZipError) -> io::Error {
    match e {
        ZipError::Io(e) => e,
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_zip_appears_whole_with_all_that_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.zip");
        let mut zip = ZipOutput::create(&target, OutputSyntax::Native).unwrap();
        zip.add().unwrap();
        for series in ["series-2", "series-1"] {
            let folder = zip.folder().join(series);
            fs::create_dir_all(&folder).unwrap();
            for name in ["0001.dcm", ".artir-manifest"] {
                fs::write(folder.join(name), series).unwrap();
            }
            zip.add().unwrap();
            assert!(!folder.exists());
        }
        assert!(!target.exists());
        zip.publish(false).unwrap();
        let mut read = zip::ZipArchive::new(File::open(&target).unwrap()).unwrap();
        let names: Vec<String> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["series-2/0001.dcm", "series-1/0001.dcm"]);
        let mut text = String::new();
        read.by_name("series-1/0001.dcm").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "series-1");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let again = ZipOutput::create(&target, OutputSyntax::Native).unwrap().publish(false);
        assert!(matches!(again, Err(Error::Exists { .. })));
        drop(ZipOutput::create(&dir.path().join("other.zip"), OutputSyntax::RleLossless).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
