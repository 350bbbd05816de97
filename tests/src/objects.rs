//! A store that speaks as much of S3 as clients of artir need, on loopback, and fails as it is told.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};

/// Keys of one page of a list: small, so that lists have several.
const PAGE: usize = 4;

#[derive(Default)]
struct Shared {
    /// Objects by bucket and key.
    objects: BTreeMap<(String, String), Vec<u8>>,
    buckets: Vec<String>,
    /// Uploads that were begun, by their id: parts by their number.
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    begun: u32,
    asked: Vec<String>,
    /// A request line that contains this text is answered with this status.
    fails: Option<(String, u16)>,
    /// A request line that contains this text is answered after this time.
    waits: Option<(String, Duration)>,
}

/// The store.
#[derive(Clone)]
pub struct Objects {
    /// Its address, for `AWS_ENDPOINT_URL`.
    pub address: String,
    shared: Arc<Mutex<Shared>>,
}

/// The access key that it knows.
pub const KEY: &str = "AKIAARTIRTESTS";

impl Objects {
    /// Starts a store with one bucket.
    ///
    /// # Panics
    /// When loopback cannot be used.
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub fn start(bucket: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Mutex::new(Shared { buckets: vec![bucket.into()], ..Shared::default() }));
        let own = Self { address, shared };
        let store = own.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let store = store.clone();
                thread::spawn(move || drop(store.serve(&socket)));
            }
        });
        own
    }

    fn hold(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object.
    pub fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) {
        self.hold().objects.insert((bucket.into(), key.into()), bytes);
    }

    /// Removes an object.
    pub fn remove(&self, bucket: &str, key: &str) {
        self.hold().objects.remove(&(bucket.into(), key.into()));
    }

    /// The objects of a bucket below a prefix, by the rest of their keys.
    pub fn below(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let shared = self.hold();
        let own = shared.objects.iter().filter(|((of, _), _)| of == bucket);
        own.filter_map(|((_, key), bytes)| Some((key.strip_prefix(prefix)?.to_owned(), bytes.clone()))).collect()
    }

    /// Uploads of several parts that were neither completed nor given up.
    pub fn unfinished(&self) -> usize {
        self.hold().uploads.len()
    }

    /// The request lines since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.hold().asked)
    }

    /// Answers requests whose line contains a text with a status, or none of them any more.
    pub fn fail(&self, with: Option<(&str, u16)>) {
        self.hold().fails = with.map(|(text, status)| (text.into(), status));
    }

    /// Answers requests whose line contains a text after a time, or none of them any more.
    pub fn wait(&self, with: Option<(&str, Duration)>) {
        self.hold().waits = with.map(|(text, time)| (text.into(), time));
    }

    fn serve(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(socket);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            let own = head.iter().skip(1).filter_map(|line| line.split_once(':'));
            own.clone().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut body = vec![0; header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let line = format!("{method} {}", decoded(target));
        let (fails, wait) = {
            let mut shared = self.hold();
            shared.asked.push(line.clone());
            let fails = shared.fails.as_ref().filter(|(text, _)| line.contains(text)).map(|(_, status)| *status);
            let wait = shared.waits.as_ref().filter(|(text, _)| line.contains(text)).map(|(_, time)| *time);
            (fails, wait.unwrap_or_default())
        };
        thread::sleep(wait);
        let known = header("authorization").is_some_and(|value| value.contains(&format!("Credential={KEY}/")));
        let answer = match (fails, known) {
            (Some(status), _) => error(status, "Told"),
            (None, false) => error(403, "InvalidAccessKeyId"),
            (None, true) => self.answer(method, target, &header, body),
        };
        let Answer { status, mut headers, body } = answer;
        let _ = write!(headers, "Content-Length: {}\r\nConnection: close\r\n", body.len());
        socket.write_all(format!("HTTP/1.1 {status} X\r\n{headers}\r\n").as_bytes())?;
        if method != "HEAD" {
            socket.write_all(&body)?;
        }
        Ok(())
    }

    fn answer(&self, method: &str, target: &str, header: &dyn Fn(&str) -> Option<String>, body: Vec<u8>) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeMap<String, String> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
            .collect();
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let place = (decoded(bucket), decoded(key));
        let mut shared = self.hold();
        if !shared.buckets.contains(&place.0) {
            return error(404, "NoSuchBucket");
        }
        if place.1.is_empty() {
            return list(&shared, &place.0, &query);
        }
        let part = query.get("partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
        match (method, query.get("uploadId")) {
            ("GET" | "HEAD", _) => match shared.objects.get(&place) {
                Some(bytes) => object(bytes, header("range"), header("if-match")),
                None => error(404, "NoSuchKey"),
            },
            ("PUT", Some(id)) => match shared.uploads.get_mut(id) {
                Some(parts) => {
                    let headers = format!("ETag: {}\r\n", etag(&body));
                    parts.insert(part, body);
                    Answer { headers, ..Answer::default() }
                }
                None => error(404, "NoSuchUpload"),
            },
            ("PUT", None) => {
                let headers = format!("ETag: {}\r\n", etag(&body));
                shared.objects.insert(place, body);
                Answer { headers, ..Answer::default() }
            }
            ("POST", Some(id)) => match shared.uploads.remove(id) {
                Some(parts) => {
                    let whole: Vec<u8> = parts.into_values().flatten().collect();
                    let text = format!(
                        "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
                        etag(&whole)
                    );
                    shared.objects.insert(place, whole);
                    Answer { body: text.into_bytes(), ..Answer::default() }
                }
                None => error(404, "NoSuchUpload"),
            },
            ("POST", None) => {
                shared.begun += 1;
                let id = format!("upload-{}", shared.begun);
                shared.uploads.insert(id.clone(), BTreeMap::new());
                let text =
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
                Answer { body: text.into_bytes(), ..Answer::default() }
            }
            ("DELETE", id) => {
                match id {
                    Some(id) => drop(shared.uploads.remove(id)),
                    None => drop(shared.objects.remove(&place)),
                }
                Answer { status: 204, ..Answer::default() }
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { status: 200, headers: String::new(), body: Vec::new() }
    }
}

fn error(status: u16, code: &str) -> Answer {
    Answer { status, body: format!("<Error><Code>{code}</Code></Error>").into_bytes(), ..Answer::default() }
}

fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("\"{}\"", hash[..16].iter().map(|b| format!("{b:02x}")).collect::<String>())
}

fn object(bytes: &[u8], range: Option<String>, if_match: Option<String>) -> Answer {
    let tag = etag(bytes);
    if if_match.is_some_and(|own| own != tag) {
        return error(412, "PreconditionFailed");
    }
    let common = format!("ETag: {tag}\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n");
    let Some((first, last)) = range.as_deref().and_then(|r| r.strip_prefix("bytes=")?.split_once('-')) else {
        return Answer { headers: common, body: bytes.to_vec(), ..Answer::default() };
    };
    let first: usize = first.parse().unwrap_or(0);
    let end = last.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
    if first >= end {
        return error(416, "InvalidRange");
    }
    let headers = format!("{common}Content-Range: bytes {first}-{}/{}\r\n", end - 1, bytes.len());
    Answer { status: 206, headers, body: bytes[first..end].to_vec() }
}

fn list(shared: &Shared, bucket: &str, query: &BTreeMap<String, String>) -> Answer {
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let (prefix, delimiter) = (of("prefix"), of("delimiter"));
    // GDAL lists by the first version of the interface.
    let token = if of("marker").is_empty() { of("continuation-token") } else { of("marker") };
    let most = of("max-keys").parse().unwrap_or(PAGE).min(PAGE);
    let mut text = String::new();
    let (mut count, mut last, mut folders) = (0, String::new(), Vec::new());
    let mut more = false;
    for ((_, key), bytes) in shared.objects.iter().filter(|((of, key), _)| of == bucket && key.starts_with(prefix)) {
        let folder = (!delimiter.is_empty())
            .then(|| key[prefix.len()..].find(delimiter).map(|at| key[..=prefix.len() + at].to_owned()))
            .flatten();
        let name = folder.clone().unwrap_or_else(|| key.clone());
        if name.as_str() <= token || folders.contains(&name) {
            continue;
        }
        if count == most {
            more = true;
            break;
        }
        count += 1;
        last.clone_from(&name);
        let _ = match folder {
            Some(folder) => {
                folders.push(folder.clone());
                write!(text, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&folder))
            }
            None => write!(
                text,
                "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size>\
                 </Contents>",
                escaped(key),
                escaped(&etag(bytes)),
                bytes.len()
            ),
        };
    }
    let next = if more {
        format!("<NextContinuationToken>{0}</NextContinuationToken><NextMarker>{0}</NextMarker>", escaped(&last))
    } else {
        String::new()
    };
    let text = format!(
        "<ListBucketResult><Name>{bucket}</Name><Prefix>{}</Prefix><IsTruncated>{more}</IsTruncated>{next}{text}\
         </ListBucketResult>",
        escaped(prefix)
    );
    Answer { body: text.into_bytes(), ..Answer::default() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Takes percent signs out of a part of an address.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let byte = (*first == b'%').then(|| std::str::from_utf8(more.get(..2)?).ok()).flatten();
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &more[2..];
            }
            None => {
                out.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
