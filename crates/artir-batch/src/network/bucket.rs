//! A bucket of a store that speaks S3.

use std::{
    env,
    fmt::Write as _,
    fs::File,
    io::{Read, Write as _},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path as Key,
};

use super::{
    Miss,
    address::{is_encrypted, is_http},
    transport::{Last, Transport, last},
};

/// Objects are read and written in parts of so many bytes, which are held in memory.
const PART: u64 = 16 << 20;
/// Stores take no more parts of an object than 10,000.
const MOST_PARTS: u64 = 9_000;
/// Objects that are copied at once: the answer to a small one takes longer than its bytes.
const AT_ONCE: usize = 8;

/// Whether the process has been asked to stop.
pub(crate) type Stops<'a> = &'a (dyn Fn() -> bool + Sync);

/// A bucket, reached with the credentials of the environment.
#[derive(Debug)]
pub(crate) struct Bucket {
    name: String,
    s3: AmazonS3,
}

impl Bucket {
    pub(crate) fn new(name: &str) -> Result<Self, Miss> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let mut builder =
            AmazonS3Builder::new().with_bucket_name(name).with_disable_bulk_delete(true).with_retry(RetryConfig {
                max_retries: 4,
                retry_timeout: Duration::from_secs(60),
                ..RetryConfig::default()
            });
        let mut encrypted = true;
        if let Some(endpoint) = endpoint {
            if !is_http(&endpoint) || endpoint.contains('@') {
                return Err(Miss::later("AWS_ENDPOINT_URL must be http://HOST or https://HOST, without credentials"));
            }
            encrypted = is_encrypted(&endpoint);
            builder = builder.with_endpoint(endpoint).with_allow_http(true);
        }
        if let Some(region) = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
            builder = builder.with_region(region);
        }
        builder = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => builder.with_access_key_id(id).with_secret_access_key(secret),
            (None, None) => builder.with_skip_signature(true),
            _ => return Err(Miss::later("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set, or neither")),
        };
        if let Some(token) = variable("AWS_SESSION_TOKEN") {
            builder = builder.with_token(token);
        }
        let s3 = builder.with_http_connector(Transport::new(encrypted)?).build();
        let s3 = s3.map_err(|_| Miss::later("the store's settings in the environment (AWS_...) cannot be used"))?;
        Ok(Self { name: name.to_owned(), s3 })
    }

    /// Some of the objects whose keys begin with a text, in their order, and the token of the next ones.
    fn page(&self, prefix: &str, options: PaginatedListOptions) -> Result<(Vec<ObjectMeta>, Option<String>), Miss> {
        let prefix = (!prefix.is_empty()).then_some(prefix);
        let mut page = wait(self.s3.list_paginated(prefix, options)).map_err(|e| miss(&e))?;
        // Some programs mark a folder by an empty object.
        page.result.objects.retain(|object| object.size > 0);
        Ok((page.result.objects, page.page_token))
    }

    /// Hands on the objects whose keys begin with a text, in their order; with `flat`, those that have no slash after it.
    pub(crate) fn each<E: From<Miss>>(
        &self,
        prefix: &str,
        flat: bool,
        mut work: impl FnMut(ObjectMeta) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut page_token = None;
        loop {
            let delimiter = flat.then(|| "/".into());
            let options = PaginatedListOptions { delimiter, page_token, ..PaginatedListOptions::default() };
            let (objects, next) = self.page(prefix, options)?;
            objects.into_iter().try_for_each(&mut work)?;
            if next.is_none() {
                return Ok(());
            }
            page_token = next;
        }
    }

    fn list(&self, prefix: &str, flat: bool) -> Result<Vec<ObjectMeta>, Miss> {
        let mut all = Vec::new();
        self.each(prefix, flat, |object| -> Result<(), Miss> {
            all.push(object);
            Ok(())
        })?;
        Ok(all)
    }

    /// The first object whose key begins with a text. It shows whether the bucket answers.
    pub(crate) fn first(&self, prefix: &str) -> Result<Option<ObjectMeta>, Miss> {
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        Ok(self.page(prefix, options)?.0.into_iter().next())
    }

    /// The object of a key: no other key that begins with it comes before it.
    pub(crate) fn object(&self, key: &str) -> Result<Option<ObjectMeta>, Miss> {
        Ok(self.first(key)?.filter(|object| object.location.as_ref() == key))
    }

    /// The objects of a folder and its folders.
    pub(crate) fn folder(&self, key: &str) -> Result<Vec<ObjectMeta>, Miss> {
        self.list(&format!("{}/", key.trim_end_matches('/')), false)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An object, and those beside it that are read with it by their names, such as world files and overviews; nothing where the
    /// object is missing.
    pub(crate) fn with_sidecars(&self, key: &str) -> Result<Vec<ObjectMeta>, Miss> {
        let found = self.around(key)?;
        if found.iter().any(|object| object.location.as_ref() == key) { Ok(found) } else { Ok(Vec::new()) }
    }

    /// The same, whether the object itself is there or not.
    pub(crate) fn around(&self, key: &str) -> Result<Vec<ObjectMeta>, Miss> {
        let scene = Path::new(key);
        let stem = scene.with_extension("");
        let stem = stem.to_str().unwrap_or(key);
        // One page holds all keys that begin like the scene's, unless they are many: of a million numbered scenes, a ninth begin
        // with 1. Names of sidecar files go on with a point or with `_rpc`.
        let flat = PaginatedListOptions { delimiter: Some("/".into()), ..PaginatedListOptions::default() };
        let (mut found, more) = self.page(stem, flat)?;
        if more.is_some() {
            found = self.object(key)?.into_iter().collect();
            for ending in [".", "_r", "_R"] {
                let listed = self.list(&format!("{stem}{ending}"), true)?;
                found.extend(listed.into_iter().filter(|object| object.location.as_ref() != key));
            }
        }
        found.retain(|object| {
            let other = Path::new(object.location.as_ref());
            other == scene || artir_files::follows_name(scene, other) || artir_files::follows_stem(scene, other)
        });
        Ok(found)
    }

    /// What changes when an object does.
    pub(crate) fn version(&self, object: &ObjectMeta) -> String {
        let ObjectMeta { location, last_modified, size, e_tag, .. } = object;
        let tag = e_tag.clone().unwrap_or_else(|| last_modified.to_rfc3339());
        format!("{}\n{location}\n{size}\n{tag}", self.name)
    }

    /// Copies objects into files; `false` when `stops` says so.
    pub(crate) fn get(&self, objects: &[(&ObjectMeta, &Path)], stops: Stops<'_>) -> Result<bool, Miss> {
        at_once(objects.len(), stops, &|index| self.get_one(objects[index].0, objects[index].1, stops))
    }

    fn get_one(&self, object: &ObjectMeta, to: &Path, stops: Stops<'_>) -> Result<bool, Miss> {
        let disk = |e: std::io::Error| Miss::later(format!("the copy of an object cannot be stored: {}", e.kind()));
        let mut file = File::create_new(to).map_err(disk)?;
        let mut at = 0;
        while at < object.size {
            if stops() {
                return Ok(false);
            }
            let end = object.size.min(at + PART);
            let options = GetOptions {
                // An object that is replaced meanwhile is not read half old and half new.
                if_match: object.e_tag.clone(),
                range: Some((at..end).into()),
                ..GetOptions::default()
            };
            let part = wait(async { self.s3.get_opts(&object.location, options).await?.bytes().await });
            let part = part.map_err(|e| miss(&e))?;
            if part.len() as u64 != end - at {
                return Err(Miss::later("the store sent another number of bytes than was asked for"));
            }
            file.write_all(&part).map_err(disk)?;
            at = end;
        }
        Ok(true)
    }

    /// Copies files into objects; `false` when `stops` says so. Each object is there whole, or not at all.
    pub(crate) fn put(&self, files: &[(&Path, String)], stops: Stops<'_>) -> Result<bool, Miss> {
        at_once(files.len(), stops, &|index| self.put_file(files[index].0, &files[index].1, stops))
    }

    fn put_file(&self, from: &Path, key: &str, stops: Stops<'_>) -> Result<bool, Miss> {
        let disk = |e: std::io::Error| Miss::later(format!("the result cannot be read: {}", e.kind()));
        let mut file = File::open(from).map_err(disk)?;
        let length = file.metadata().map_err(disk)?.len();
        let part = PART.max(length.div_ceil(MOST_PARTS));
        let mut next = || -> Result<Vec<u8>, Miss> {
            let mut bytes = Vec::new();
            Read::by_ref(&mut file).take(part).read_to_end(&mut bytes).map_err(disk)?;
            Ok(bytes)
        };
        if length <= part {
            let bytes = next()?;
            return self.put_bytes(key, bytes).map(|()| true);
        }
        let key = parse(key)?;
        let mut upload = wait(self.s3.put_multipart(&key)).map_err(|e| miss(&e))?;
        let mut parts = || -> Result<bool, Miss> {
            let mut sent = 0;
            while sent < length {
                if stops() {
                    return Ok(false);
                }
                let bytes = next()?;
                if bytes.is_empty() {
                    return Err(Miss::later("the result became shorter while it was read"));
                }
                sent += bytes.len() as u64;
                wait(upload.put_part(bytes.into())).map_err(|e| miss(&e))?;
            }
            wait(upload.complete()).map_err(|e| miss(&e)).map(|_| true)
        };
        let ended = parts();
        if !matches!(ended, Ok(true)) {
            // The parts cost their owner money; nothing else reads them.
            if let Err(error) = wait(upload.abort()) {
                tracing::warn!("parts of an upload that was given up remain in the store: {}", miss(&error).reason);
            }
        }
        ended
    }

    pub(crate) fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<(), Miss> {
        wait(self.s3.put(&parse(key)?, PutPayload::from(bytes))).map(drop).map_err(|e| miss(&e))
    }

    /// Removes an object, if it is there.
    pub(crate) fn remove(&self, key: &str) -> Result<(), Miss> {
        match wait(self.s3.delete(&parse(key)?)) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(miss(&e)),
        }
    }
}

fn parse(key: &str) -> Result<Key, Miss> {
    Key::parse(key).map_err(|_| Miss::never("the name of the result cannot be a key of the store"))
}

/// Waits for the client, which is asynchronous. Its requests are sent by this thread.
fn wait<T>(work: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|e| object_store::Error::Generic { store: "S3", source: e.into() })?;
    runtime.block_on(work)
}

/// Does pieces of work in several threads, until one fails; `false` when `stops` says so.
fn at_once(count: usize, stops: Stops<'_>, work: &(dyn Fn(usize) -> Result<bool, Miss> + Sync)) -> Result<bool, Miss> {
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first: Mutex<Result<bool, Miss>> = Mutex::new(Ok(true));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let done = if stops() { Ok(false) } else { work(index) };
                    if !matches!(done, Ok(true)) {
                        ended.store(true, Ordering::Relaxed);
                        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                        if matches!(*first, Ok(true)) {
                            *first = done;
                        }
                    }
                }
            });
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Why a request failed, without names: records must hold none.
fn miss(error: &object_store::Error) -> Miss {
    if let object_store::Error::InvalidPath { .. } = error {
        return Miss::never(
            "a key below it has an empty part, '.', '..' or a control character, which artir does not read: rename that object",
        );
    }
    of_last(last())
}

fn of_last(last: Last) -> Miss {
    let Last { status, code, broken } = last;
    if let Some(reason) = broken {
        return Miss::later(format!("the store cannot be reached: {reason}"));
    }
    let Some(status) = status else { return Miss::later("the store's answer cannot be read") };
    let mut said = format!("HTTP {status}");
    if !code.is_empty() {
        let _ = write!(said, ", {code}");
    }
    match (status, code.as_str()) {
        (404, "NoSuchBucket") => Miss::never("the store has no such bucket"),
        (404, _) => Miss::never(format!("the store has no such object ({said})")),
        (401 | 403, _) => Miss::later(format!(
            "the store refuses the access ({said}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        )),
        (300..400, _) => Miss::later(format!("the store redirects ({said}): AWS_REGION must be that of the bucket")),
        (400, _) => Miss::later(format!("the store answered with {said}: check AWS_REGION and the credentials")),
        (412, _) => Miss::later("the object changed while it was read"),
        (200..300, _) => Miss::later("the store's answer cannot be read"),
        _ => Miss { reason: format!("the store answered with {said}"), ..Miss::of_status("the store", status) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    #[test]
    fn answers_tell_what_another_try_may_change() {
        let of = |status: u16, code: &str| of_last(Last { status: Some(status), code: code.into(), broken: None });
        let states = [(403, "AccessDenied"), (301, ""), (400, "ExpiredToken"), (412, ""), (503, "SlowDown"), (200, "")];
        assert!(states.iter().all(|(status, code)| of(*status, code).state == State::Failed));
        assert_eq!(of(404, "NoSuchBucket").state, State::Unusable);
        assert_eq!(of(404, "NoSuchKey").state, State::Unusable);
        assert_eq!(of(410, "").state, State::Unusable);
        assert!(of(403, "SignatureDoesNotMatch").reason.contains("SignatureDoesNotMatch"));
        let broken = of_last(Last { broken: Some("connection refused".into()), ..Last::default() });
        assert!(broken.state == State::Failed && broken.reason.contains("connection refused"));
    }

    #[test]
    fn pieces_end_at_the_first_failure_or_stop() {
        let count = |stops: bool, fails: usize| {
            let done = AtomicUsize::new(0);
            let work = |index: usize| {
                done.fetch_add(1, Ordering::Relaxed);
                if index == fails { Err(Miss::later("no")) } else { Ok(true) }
            };
            let ended = at_once(500, &|| stops, &work);
            (ended, done.into_inner())
        };
        assert_eq!(count(false, 1000), (Ok(true), 500));
        assert_eq!(count(true, 1000), (Ok(false), 0));
        let (ended, done) = count(false, 0);
        assert!(ended.is_err() && done < 500, "{done}");
    }
}
