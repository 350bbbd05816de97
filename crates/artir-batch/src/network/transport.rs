//! Requests of the client for stores, sent by the client that fetches series: one way to the network, without a second library
//! for HTTP and TLS.

use std::{cell::RefCell, fmt, io::Read, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    },
};
use ureq::{
    Agent, Body,
    http::{Method, Request, Response, Uri, request::Parts},
};

use super::{
    Miss,
    agent::{agent, kind},
};

/// The largest body of an answer, bytes: objects are read in smaller parts.
const MOST_ANSWER: u64 = 64 << 20;
/// The time that the body of one request may take. Parts of objects are small.
const BODY: Duration = Duration::from_secs(300);

/// How the last request of a thread ended. The client for stores keeps the status of a failed request to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) status: Option<u16>,
    /// The store's own word for what is wrong, such as `NoSuchBucket`.
    pub(super) code: String,
    /// Why there was no answer.
    pub(super) broken: Option<String>,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

/// How the last request of this thread ended. It is told once.
pub(super) fn last() -> Last {
    LAST.take()
}

/// Sends requests. Each is sent by the thread that waits for it.
#[derive(Clone, Debug)]
pub(super) struct Transport(Agent);

impl Transport {
    pub(super) fn new(encrypted: bool) -> Result<Self, Miss> {
        agent(encrypted, Some(BODY)).map(Self)
    }

    fn send(&self, mut parts: Parts, body: &[u8]) -> Result<HttpResponse, HttpError> {
        parts.uri = with_plain_blanks(parts.uri);
        let bodiless = [Method::GET, Method::HEAD, Method::DELETE].contains(&parts.method);
        let answer = if bodiless && body.is_empty() {
            self.0.run(Request::from_parts(parts, ()))
        } else {
            self.0.run(Request::from_parts(parts, body))
        };
        let answer = answer.map_err(|e| failed(&e))?;
        read(answer)
    }
}

/// Blanks in a query as `%20`, by which they are signed: some stores do not take the `+` of forms for one.
fn with_plain_blanks(uri: Uri) -> Uri {
    let text = uri.to_string();
    match text.split_once('?') {
        Some((path, query)) if query.contains('+') => {
            format!("{path}?{}", query.replace('+', "%20")).parse().unwrap_or(uri)
        }
        _ => uri,
    }
}

fn read(answer: Response<Body>) -> Result<HttpResponse, HttpError> {
    let (parts, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    let whole = body.as_reader().take(MOST_ANSWER + 1).read_to_end(&mut bytes);
    whole.map_err(|e| failed(&ureq::Error::Io(e)))?;
    if bytes.len() as u64 > MOST_ANSWER {
        return Err(broken(HttpErrorKind::Unknown, "its answer is longer than expected".into()));
    }
    let code = if parts.status.is_success() { String::new() } else { code(&bytes) };
    LAST.set(Last { status: Some(parts.status.as_u16()), code, broken: None });
    Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(bytes)))
}

/// The code in the XML of an error. Other answers have none.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    if code.bytes().all(|b| b.is_ascii_alphanumeric()) { code.to_owned() } else { String::new() }
}

fn failed(error: &ureq::Error) -> HttpError {
    let class = match error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    broken(class, kind(error))
}

fn broken(class: HttpErrorKind, reason: String) -> HttpError {
    LAST.set(Last { broken: Some(reason.clone()), ..Last::default() });
    HttpError::new(class, Broken(reason))
}

/// Why there was no answer, without an address.
#[derive(Debug)]
struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.send(parts, &body)
    }
}

impl HttpConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_sent_as_they_are_signed() {
        let sent = |text: &'static str| with_plain_blanks(Uri::from_static(text)).to_string();
        assert_eq!(sent("http://h/b+c?prefix=a+b%2Bc"), "http://h/b+c?prefix=a%20b%2Bc");
        assert_eq!(sent("http://h/b?prefix=a"), "http://h/b?prefix=a");
        assert_eq!(sent("http://h/b+c"), "http://h/b+c");
    }

    #[test]
    fn codes_are_words() {
        assert_eq!(code(b"<?xml?><Error><Code>NoSuchBucket</Code><Message>x</Message></Error>"), "NoSuchBucket");
        assert_eq!(code(b"<Code>/archive/DOE</Code>"), "");
        assert_eq!(code(b"no xml"), "");
    }
}
