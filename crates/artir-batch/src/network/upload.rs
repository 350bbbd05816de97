//! Results in a store in place of the folder of results.

use std::{collections::HashSet, path::Path};

use super::{
    Miss,
    address::{Place, shown},
    bucket::{Bucket, Stops},
};
use crate::{Error, FOLDER, Job, Record, Results, work::files_of};

/// Where results are put: below `s3://BUCKET/PREFIX`. A result is whole when its record is there, in `.artir/done/ID.json`
/// below the prefix: the record is removed before anything of the result, and put after all of it.
#[derive(Debug)]
pub struct Upload {
    bucket: Bucket,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl Upload {
    /// Checks the address, and that the bucket answers.
    ///
    /// # Errors
    /// [`Error::Archive`] for an address that cannot be used or a bucket that does not exist, [`Error::Network`] when another
    /// try may help.
    pub fn new(address: &str) -> Result<Self, Error> {
        let fail = |reason: &str| Error::Archive { address: shown(address), reason: reason.to_owned() };
        // Its place may be the whole bucket, so that the words for an input do not fit.
        let place = Place::of(address).unwrap_or(Err("not a store: write s3://BUCKET/PREFIX")).map_err(fail)?;
        let prefix = place.prefix();
        let at = |miss: Miss| miss.of(address);
        let bucket = Bucket::new(place.bucket).map_err(at)?;
        bucket.first(&prefix).map_err(at)?;
        Ok(Self { bucket, prefix })
    }

    fn key(&self, output: &str) -> String {
        format!("{}{output}", self.prefix)
    }

    /// The place of a result, as text.
    pub(crate) fn place(&self, output: &str) -> String {
        format!("{}/{}", self.bucket.name(), self.key(output))
    }

    fn record_key(&self, id: &str) -> String {
        self.key(&format!("{FOLDER}/done/{id}.json"))
    }

    /// The size of a result: of the object of its name, or of those below it.
    pub(crate) fn results(&self, output: &str) -> Result<Results, Miss> {
        let key = self.key(output);
        let found = match self.bucket.object(&key)? {
            Some(object) => vec![object],
            None => self.bucket.folder(&key)?,
        };
        Ok(Results { files: found.len() as u64, bytes: found.iter().map(|object| object.size).sum() })
    }

    /// Whether objects that no upload of this job has put there would be replaced or removed by the result in a folder.
    pub(crate) fn meets_others(&self, job: &Job, folder: &Path) -> Result<bool, Miss> {
        if self.bucket.object(&self.record_key(&job.id))?.is_some() {
            return Ok(false);
        }
        let key = self.key(&job.output());
        let mut there = match folder.join(job.output()).is_file() {
            true => self.bucket.around(&key)?,
            false => self.bucket.object(&key)?.into_iter().collect(),
        };
        for other in job.files_at(Path::new(&key)).iter().skip(1).filter_map(|file| file.to_str()) {
            there.extend(self.bucket.object(other)?);
        }
        Ok(!there.is_empty() || !self.bucket.folder(&key)?.is_empty())
    }

    /// Puts all files below a folder, and removes what an earlier result of this name had and this one has not: objects below
    /// it, and for a file those beside it that are read with it; `false` when `stops` says so.
    pub(crate) fn put(&self, folder: &Path, output: &str, stops: Stops<'_>) -> Result<bool, Miss> {
        let unread = |e: walkdir::Error| Miss::later(format!("the result cannot be listed: {e}"));
        let files = files_of(folder).collect::<Result<Vec<_>, _>>().map_err(unread)?;
        let named = files.iter().map(|file| {
            let name = file.strip_prefix(folder).ok().and_then(Path::to_str);
            let name = name.ok_or_else(|| Miss::never("the name of the result cannot be a key of the store"))?;
            Ok((file.as_path(), self.key(name)))
        });
        let named = named.collect::<Result<Vec<_>, Miss>>()?;
        if !self.bucket.put(&named, stops)? {
            return Ok(false);
        }
        let own: HashSet<&str> = named.iter().map(|(_, key)| key.as_str()).collect();
        let key = self.key(output);
        let beside = if own.contains(key.as_str()) { self.bucket.with_sidecars(&key)? } else { Vec::new() };
        for old in self.bucket.folder(&key)?.into_iter().chain(beside) {
            if !own.contains(old.location.as_ref()) {
                self.bucket.remove(old.location.as_ref())?;
            }
        }
        Ok(true)
    }

    /// Puts the record of a job, which makes its result one.
    pub(crate) fn put_record(&self, record: &Record) -> Result<(), Miss> {
        let text = serde_json::to_string_pretty(record);
        let text = text.map_err(|e| Miss::later(format!("the record cannot be written: {e}")))?;
        self.bucket.put_bytes(&self.record_key(&record.entry.id), (text + "\n").into_bytes())
    }

    pub(crate) fn remove_record(&self, id: &str) -> Result<(), Miss> {
        self.bucket.remove(&self.record_key(id))
    }
}
