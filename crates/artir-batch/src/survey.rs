//! One range for the scenes of a mosaic: found by a first pass, and used by all shards.

use std::{collections::BTreeMap, io, io::Read, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Error, FOLDER, Fault, Job, record::SCHEMA};

/// The name of the file in artir's folder.
const FILE: &str = "survey.json";

/// `OUT/.artir/survey.json`: what a first pass over decimated scenes has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    schema: u32,
    /// Version of artir.
    pub artir: String,
    /// The mosaics.
    pub mosaics: BTreeMap<String, Mosaic>,
    /// The scenes, by the ids of their jobs.
    pub scenes: BTreeMap<String, Found>,
}

/// What a survey says of a mosaic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mosaic {
    /// Scenes that were read.
    pub scenes: u64,
    /// What the range is counted in: stored values, reflectance, or a range that all scenes have by their type.
    pub unit: String,
    /// Black and white in that unit.
    pub range: [f64; 2],
}

/// What a survey says of a scene.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Stored values for black and white, as `--range` takes them.
    Range(String),
    /// Why it was left out of its mosaic.
    LeftOut(String),
}

impl Survey {
    /// A survey that knows no scene.
    pub fn new() -> Self {
        Self { schema: SCHEMA, artir: artir_core::VERSION.into(), ..Self::default() }
    }

    /// The survey of a folder of results; `None` where none was made.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Source`] for one that cannot be used: to run without it would give other values.
    pub fn read(out: &Path) -> Result<Option<Self>, Error> {
        let path = out.join(FOLDER).join(FILE);
        let mut text = Vec::new();
        match artir_files::open_regular(&path).and_then(|mut file| file.read_to_end(&mut text)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::read(&path, e)),
            Ok(_) => {}
        }
        match serde_json::from_slice::<Self>(&text) {
            Ok(survey) if survey.schema == SCHEMA => Ok(Some(survey)),
            Ok(_) => Err(Error::source(&path, "a survey of another version of artir: run artir batch --survey again")),
            Err(e) => Err(Error::source(&path, format!("not a survey: {e}"))),
        }
    }

    /// Writes the survey into a folder of results, in place of an earlier one.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, out: &Path) -> Result<(), Error> {
        let path = out.join(FOLDER).join(FILE);
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from).map_err(|e| Error::write(&path, e))?;
        artir_files::write_file(&path, true, (text + "\n").as_bytes()).map_err(|e| Error::write(&path, e))
    }

    /// Why a scene was left out; `None` for all others.
    pub fn left_out(&self, id: &str) -> Option<&str> {
        match self.scenes.get(id)? {
            Found::LeftOut(reason) => Some(reason),
            Found::Range(_) => None,
        }
    }

    /// Gives a scene the range of its mosaic. The range becomes an option of the job: it enters the record, so that a changed
    /// survey does the job again.
    pub(crate) fn apply(&self, mut job: Job) -> Result<Job, Fault> {
        if !job.takes_range_of_pixels() {
            return Ok(job);
        }
        match self.scenes.get(&job.id) {
            Some(Found::Range(range)) => {
                job.options.insert("range".into(), range.clone().into());
                Ok(job)
            }
            Some(Found::LeftOut(_)) => Ok(job),
            None => Err(Fault::NotSurveyed(job.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(line: &str) -> Job {
        Job::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn scenes_get_the_range_of_their_mosaic_and_others_keep_theirs() {
        let mut survey = Survey::new();
        survey.scenes.insert("a".into(), Found::Range("0,9000".into()));
        survey.scenes.insert("b".into(), Found::LeftOut("damaged".into()));
        let apply = |line: &str| survey.apply(job(line));
        let range = |line: &str| apply(line).unwrap().options.get("range").cloned();
        assert_eq!(range(r#"{"id":"a","command":"geo","input":"s"}"#), Some("0,9000".into()));
        assert_eq!(range(r#"{"id":"b","command":"geo","input":"s"}"#), None);
        assert_eq!(range(r#"{"id":"c","command":"ct","input":"s"}"#), None);
        let own = r#"{"id":"c","command":"geo","input":"s","options":{"range":"0,1"}}"#;
        assert_eq!(range(own), Some("0,1".into()));
        let new = apply(r#"{"id":"c","command":"geo","input":"s"}"#);
        assert_eq!(new, Err(Fault::NotSurveyed("c".into())));
        assert_eq!(survey.left_out("b"), Some("damaged"));
    }

    #[test]
    fn a_survey_that_cannot_be_used_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Survey::read(dir.path()).unwrap(), None);
        std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
        let survey = Survey::new();
        survey.write(dir.path()).unwrap();
        assert_eq!(Survey::read(dir.path()).unwrap(), Some(survey));
        std::fs::write(dir.path().join(FOLDER).join(FILE), "{}").unwrap();
        Survey::read(dir.path()).unwrap_err();
    }
}
