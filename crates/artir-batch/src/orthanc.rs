//! Series of an Orthanc: listed by its REST API, and fetched as ZIP archives. Nothing else is asked of it.

use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::Response,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::State;

/// Series that are asked for at once.
const PAGE: usize = 200;
/// The longest list of series that is read, bytes.
const MOST_LIST: u64 = 256 << 20;
/// The largest archive of a series that is fetched, bytes.
const MOST_ARCHIVE: u64 = 16 << 30;
const ANSWER: Duration = Duration::from_secs(60);
/// Authorities of Debian and of most other systems, for https.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why something was not fetched, and whether another try may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    pub(crate) state: State,
    pub(crate) reason: String,
}

impl Miss {
    fn later(reason: impl Into<String>) -> Self {
        Self { state: State::Failed, reason: reason.into() }
    }

    fn never(reason: impl Into<String>) -> Self {
        Self { state: State::Unusable, reason: reason.into() }
    }

    fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => {
                Self::later("the archive asks for other credentials: set ARTIR_ORTHANC_USER and ARTIR_ORTHANC_PASSWORD")
            }
            408 | 429 | 500.. => Self::later(format!("the archive answered with HTTP {status}")),
            _ => Self::never(format!("the archive answered with HTTP {status}")),
        }
    }
}

/// A series, as the list of an Orthanc shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Series {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) main_dicom_tags: Tags,
    #[serde(default)]
    instances: Vec<String>,
    #[serde(default)]
    last_update: String,
}

/// The tags that decide whether a series is work.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tags {
    #[serde(default)]
    pub(crate) modality: String,
    #[serde(default, rename = "SeriesInstanceUID")]
    pub(crate) uid: String,
}

impl Series {
    /// Whether its id is one of Orthanc's, which an address may hold.
    pub(crate) fn has_plain_id(&self) -> bool {
        !self.id.is_empty() && self.id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    }
}

/// Whether an input is an address on a network.
pub(crate) fn is_address(input: &str) -> bool {
    begins(input, "http://") || is_encrypted(input)
}

/// Whether it is reached by TLS.
pub(crate) fn is_encrypted(address: &str) -> bool {
    begins(address, "https://")
}

fn begins(address: &str, scheme: &str) -> bool {
    address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The address of an Orthanc as its user gives it: without a slash at the end.
///
/// # Errors
/// The reason why it cannot be used.
pub(crate) fn base(address: &str) -> Result<&str, &'static str> {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err("credentials belong into ARTIR_ORTHANC_USER and ARTIR_ORTHANC_PASSWORD, not into the address");
    }
    let plain = !rest.contains(['?', '#']) && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    if host.is_empty() || !plain {
        return Err("not the address of an Orthanc, such as http://127.0.0.1:8042");
    }
    Ok(address.trim_end_matches('/'))
}

/// A connection to an Orthanc.
#[derive(Debug)]
pub(crate) struct Orthanc {
    agent: Agent,
    authorization: Option<String>,
}

impl Orthanc {
    /// With the credentials of the environment.
    pub(crate) fn new(address: &str) -> Result<Self, Miss> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Series come from the address that the user named, and not from a proxy that an environment variable names.
            .proxy(None)
            .timeout_connect(Some(ANSWER))
            .timeout_recv_response(Some(Duration::from_secs(600)))
            .user_agent("artir-batch");
        if is_encrypted(address) {
            let path = env::var_os("SSL_CERT_FILE").unwrap_or_else(|| AUTHORITIES.into());
            let fail = |e: &dyn std::fmt::Display| {
                Miss::later(format!("the authorities of https in SSL_CERT_FILE or {AUTHORITIES} cannot be read: {e}"))
            };
            let pem = std::fs::read(path).map_err(|e| fail(&e))?;
            let mut authorities: Vec<Certificate<'static>> = Vec::new();
            for item in parse_pem(&pem) {
                if let PemItem::Certificate(one) = item.map_err(|e| fail(&e))? {
                    authorities.push(one);
                }
            }
            let tls = TlsConfig::builder()
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .root_certs(RootCerts::Specific(Arc::new(authorities)));
            config = config.tls_config(tls.build());
        }
        let user = env::var("ARTIR_ORTHANC_USER").ok();
        let authorization = user.map(|user| {
            let password = env::var("ARTIR_ORTHANC_PASSWORD").unwrap_or_default();
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        });
        Ok(Self { agent: config.build().new_agent(), authorization })
    }

    fn get(&self, address: &str) -> Result<Response<Body>, Miss> {
        let mut request = self.agent.get(address);
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        let response =
            request.call().map_err(|e| Miss::later(format!("the archive cannot be reached: {}", kind(&e))))?;
        match response.status().as_u16() {
            200 => Ok(response),
            status => Err(Miss::of_status(status)),
        }
    }

    fn json<T: for<'de> Deserialize<'de>>(&self, address: &str) -> Result<T, Miss> {
        let mut text = Vec::new();
        let mut response = self.get(address)?;
        let read = response.body_mut().as_reader().take(MOST_LIST + 1).read_to_end(&mut text);
        read.map_err(|e| Miss::later(format!("the archive's answer cannot be read: {}", e.kind())))?;
        if text.len() as u64 > MOST_LIST {
            return Err(Miss::never(format!("the archive's answer is longer than {} MiB", MOST_LIST >> 20)));
        }
        serde_json::from_slice(&text).map_err(|_| Miss::never("the archive's answer is not that of an Orthanc"))
    }

    /// Hands all series on, page after page.
    pub(crate) fn series<E: From<Miss>>(
        &self,
        base: &str,
        mut each: impl FnMut(Series) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut since = 0;
        loop {
            let page: Vec<Series> = self.json(&format!("{base}/series?expand&since={since}&limit={PAGE}"))?;
            let count = page.len();
            page.into_iter().try_for_each(&mut each)?;
            if count < PAGE {
                return Ok(());
            }
            since += count;
        }
    }

    /// What changes when a series does: its instances, and when the last of them came.
    pub(crate) fn version(&self, archive: &str) -> Result<String, Miss> {
        let Some(series) = archive.strip_suffix("/archive") else {
            return Err(Miss::never("the input must be the archive of a series: http://HOST/series/ID/archive"));
        };
        let mut found: Series = self.json(series)?;
        found.instances.sort_unstable();
        Ok(format!("{}\n{}\n{}", found.id, found.last_update, found.instances.join("\n")))
    }

    /// Writes an archive into a file. Returns its length; `None` when `stops` says so.
    pub(crate) fn fetch(&self, archive: &str, to: &Path, stops: &dyn Fn() -> bool) -> Result<Option<u64>, Miss> {
        let mut response = self.get(archive)?;
        let disk = |e: io::Error| Miss::later(format!("the archive of the series cannot be stored: {}", e.kind()));
        let mut file = File::create_new(to).map_err(disk)?;
        let mut from = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 20];
        let mut length: u64 = 0;
        while !stops() {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(Some(length)),
                Ok(n) => {
                    length += n as u64;
                    if length > MOST_ARCHIVE {
                        return Err(Miss::never(format!("the series is larger than {} GiB", MOST_ARCHIVE >> 30)));
                    }
                    file.write_all(&buffer[..n]).map_err(disk)?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Miss::later(format!("the archive broke off: {}", e.kind()))),
            }
        }
        Ok(None)
    }
}

/// An error without the address, which records must not hold.
fn kind(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => e.kind().to_string(),
        ureq::Error::BadUri(_) => "its address is none".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_credentials() {
        assert_eq!(base("http://127.0.0.1:8042/"), Ok("http://127.0.0.1:8042"));
        assert_eq!(base("https://host/orthanc"), Ok("https://host/orthanc"));
        assert!(base("http://me:secret@host").unwrap_err().contains("ARTIR_ORTHANC_USER"));
        for bad in ["http://", "http:///series", "http://host/?x", "http://host/a b"] {
            assert!(base(bad).is_err(), "{bad}");
        }
        assert!(is_address("HTTP://x") && is_address("https://x") && !is_address("httpx/a") && !is_address("s3://x"));
    }

    #[test]
    fn what_another_try_may_change_is_tried_again() {
        let states = [401, 404, 410, 429, 500, 503].map(|status| Miss::of_status(status).state);
        use State::{Failed, Unusable};
        assert_eq!(states, [Failed, Unusable, Unusable, Failed, Failed, Failed]);
    }

    #[test]
    fn ids_that_would_change_an_address_are_refused() {
        let plain = |id: &str| serde_json::from_value::<Series>(serde_json::json!({"ID": id})).unwrap().has_plain_id();
        assert!(plain("6816cb19-844d5aee-85245eba-28e841e6-2414fae2"));
        assert!(!plain("../system") && !plain("") && !plain("a/b") && !plain("a?b"));
    }
}
