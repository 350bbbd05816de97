//! Series of an Orthanc: listed by its REST API, and fetched as ZIP archives. Nothing else is asked of it.

use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use ureq::{Agent, Body, http::Response};

use super::{
    Miss,
    address::is_encrypted,
    agent::{agent, kind},
};

/// Series that are asked for at once.
const PAGE: usize = 200;
/// The longest list of series that is read, bytes.
const MOST_LIST: u64 = 256 << 20;
/// The largest archive of a series that is fetched, bytes.
const MOST_ARCHIVE: u64 = 16 << 30;

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

/// A connection to an Orthanc.
#[derive(Debug)]
pub(crate) struct Orthanc {
    agent: Agent,
    authorization: Option<String>,
}

impl Orthanc {
    /// With the credentials of the environment.
    pub(crate) fn new(address: &str) -> Result<Self, Miss> {
        // An archive of many gigabytes takes its time.
        let agent = agent(is_encrypted(address), None)?;
        let user = env::var("ARTIR_ORTHANC_USER").ok();
        let authorization = user.map(|user| {
            let password = env::var("ARTIR_ORTHANC_PASSWORD").unwrap_or_default();
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        });
        Ok(Self { agent, authorization })
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
            401 | 403 => Err(Miss::later(
                "the archive asks for other credentials: set ARTIR_ORTHANC_USER and ARTIR_ORTHANC_PASSWORD",
            )),
            status => Err(Miss::of_status("the archive", status)),
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

    /// Writes an archive into a file; `false` when `stops` says so.
    pub(crate) fn fetch(&self, archive: &str, to: &Path, stops: &dyn Fn() -> bool) -> Result<bool, Miss> {
        let mut response = self.get(archive)?;
        let disk = |e: io::Error| Miss::later(format!("the archive of the series cannot be stored: {}", e.kind()));
        let mut file = File::create_new(to).map_err(disk)?;
        let mut from = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 20];
        let mut length: u64 = 0;
        while !stops() {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(true),
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
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_would_change_an_address_are_refused() {
        let plain = |id: &str| serde_json::from_value::<Series>(serde_json::json!({"ID": id})).unwrap().has_plain_id();
        assert!(plain("6816cb19-844d5aee-85245eba-28e841e6-2414fae2"));
        assert!(!plain("../system") && !plain("") && !plain("a/b") && !plain("a?b"));
    }
}
