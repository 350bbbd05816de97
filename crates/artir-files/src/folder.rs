//! Output folders that leave no trace when nothing was written.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A folder that is made where it is missing. Those that were made, and are still empty when this is dropped, go again:
/// a run that fails leaves nothing.
#[derive(Debug)]
pub struct OutputFolder {
    /// From the innermost outwards.
    made: Vec<PathBuf>,
}

impl OutputFolder {
    /// Makes a folder and those above it.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let missing = |p: &&Path| !p.as_os_str().is_empty() && !p.exists();
        let made = path.ancestors().take_while(missing).map(Path::to_owned).collect();
        std::fs::create_dir_all(path)?;
        Ok(Self { made })
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        for folder in &self.made {
            // A folder that holds something is not removed by this call, and is meant to stay.
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_folders_that_were_made_go_again() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        drop(OutputFolder::create(&deep).unwrap());
        assert!(!dir.path().join("a").exists() && dir.path().exists());
        let kept = OutputFolder::create(&deep).unwrap();
        std::fs::write(deep.join("x"), "x").unwrap();
        drop(kept);
        assert!(deep.join("x").exists());
    }
}
