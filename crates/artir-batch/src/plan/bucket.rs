//! Work in a store, by the names of its objects. No object is read.

use std::path::Path;

use super::{Ended, Lines, has_ending, job, job_of_file};
use crate::{
    Command, Error,
    network::{
        address::{Place, shown},
        bucket::Bucket,
    },
};

/// Archives that a series may lie in.
const ARCHIVES: [&str; 4] = [".zip", ".tar", ".tar.gz", ".tgz"];

/// The scenes or photographs below a prefix, by the endings of their names; or the folders below it that hold objects, and its
/// archives, each as one job of series.
pub(super) fn objects(address: &str, command: Option<Command>, lines: &mut Lines<'_>) -> Result<(), Error> {
    let fail = |reason: &str| Error::Archive { address: shown(address), reason: reason.to_owned() };
    let command = command.ok_or_else(|| {
        fail("name the kind of work with --command: objects of a store are listed by their names, not read")
    })?;
    let place = Place::required(address).map_err(fail)?;
    let (name, prefix) = (place.bucket, place.prefix());
    let bucket = Bucket::new(name).map_err(|miss| miss.of(address))?;
    if matches!(command, Command::Geo | Command::Image) {
        let listed = bucket.each(&prefix, false, |object| {
            let key = object.location.as_ref();
            if !has_ending(command, Path::new(key)) {
                return Ok(());
            }
            lines.add(&job_of_file(command, &format!("s3://{name}/{key}"))).map_err(Ended::Other)
        });
        return listed.map_err(|ended| ended.of(address));
    }
    let mut add = |keys: Vec<String>| {
        let input: Vec<String> = keys.into_iter().map(|key| format!("s3://{name}/{key}")).collect();
        lines.add(&job(command, &identity(&input), input)).map_err(Ended::Other)
    };
    let mut folders = Folders::default();
    let listed = bucket.each(&prefix, false, |object| folders.add(object.location.as_ref(), &mut add));
    listed.and_then(|()| folders.end(&mut add)).map_err(|ended| ended.of(address))
}

/// A job of series is named by its folder, or by its archive.
fn identity(input: &[String]) -> String {
    match input {
        [one] => one.clone(),
        many => many.first().and_then(|first| Some(first.rsplit_once('/')?.0.to_owned() + "/")).unwrap_or_default(),
    }
}

/// The folders that the last object lies in. A store lists keys in their order, so that all keys of a folder follow each other,
/// and no more than one way down is held in memory.
#[derive(Default)]
struct Folders {
    open: Vec<Open>,
    /// The folder of the last object.
    last: String,
}

struct Open {
    folder: String,
    keys: Vec<String>,
    /// Something else lies in it: an archive, or a folder.
    more: bool,
}

impl Folders {
    fn add<E>(&mut self, key: &str, job: &mut impl FnMut(Vec<String>) -> Result<(), E>) -> Result<(), E> {
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        let within = format!("{folder}/");
        while let Some(top) = self.open.last()
            && !(top.folder.is_empty() || within.starts_with(&format!("{}/", top.folder)))
        {
            self.close(job)?;
        }
        if self.open.last().is_none_or(|top| top.folder != folder) {
            if let Some(top) = self.open.last_mut() {
                top.more = true;
            }
            let more = self.last.starts_with(&within);
            self.open.push(Open { folder: folder.to_owned(), keys: Vec::new(), more });
        }
        folder.clone_into(&mut self.last);
        let Some(top) = self.open.last_mut() else { return Ok(()) };
        let lower = key.to_lowercase();
        if ARCHIVES.iter().any(|ending| lower.ends_with(ending)) {
            top.more = true;
            return job(vec![key.to_owned()]);
        }
        top.keys.push(key.to_owned());
        Ok(())
    }

    /// Ends the innermost folder: it is the input of a job where nothing else lies in it, else its objects are.
    fn close<E>(&mut self, job: &mut impl FnMut(Vec<String>) -> Result<(), E>) -> Result<(), E> {
        match self.open.pop() {
            Some(Open { keys, .. }) if keys.is_empty() => Ok(()),
            Some(Open { folder, more: false, .. }) if !folder.is_empty() => job(vec![format!("{folder}/")]),
            Some(Open { keys, .. }) => job(keys),
            None => Ok(()),
        }
    }

    fn end<E>(&mut self, job: &mut impl FnMut(Vec<String>) -> Result<(), E>) -> Result<(), E> {
        while !self.open.is_empty() {
            self.close(job)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(mut keys: Vec<&str>) -> Vec<Vec<String>> {
        let (mut folders, mut jobs) = (Folders::default(), Vec::new());
        let mut add = |keys: Vec<String>| -> Result<(), ()> {
            jobs.push(keys);
            Ok(())
        };
        keys.sort_unstable();
        keys.into_iter().try_for_each(|key| folders.add(key, &mut add)).unwrap();
        folders.end(&mut add).unwrap();
        jobs
    }

    #[test]
    fn folders_are_jobs_and_what_lies_beside_others_is_named() {
        let found = jobs(vec!["a/s1/1.dcm", "a/s1/2.dcm", "a/s2/1.dcm", "a/s2.b/1.dcm"]);
        assert_eq!(found, [["a/s1/"], ["a/s2.b/"], ["a/s2/"]]);
        // Folders before and behind the objects of their own folder.
        let found = jobs(vec!["b/1.dcm", "b/2", "b/0/x.dcm", "b/zz/y.dcm", "loose.dcm"]);
        let expected: [&[&str]; 4] = [&["b/0/"], &["b/zz/"], &["b/1.dcm", "b/2"], &["loose.dcm"]];
        assert_eq!(found, expected);
        let found = jobs(vec!["c/1.dcm", "c/all.ZIP", "c/z.dcm", "d/only.tar"]);
        let expected: [&[&str]; 3] = [&["c/all.ZIP"], &["c/1.dcm", "c/z.dcm"], &["d/only.tar"]];
        assert_eq!(found, expected);
        assert_eq!(identity(&["s3://x/b/1.dcm".into(), "s3://x/b/2".into()]), "s3://x/b/");
    }
}
