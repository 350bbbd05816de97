//! STOW-RS (PS3.18, 10.5): one object a request, so that each answer is about one.

use std::{io::BufReader, io::Read, sync::Arc, time::Duration};

use serde_json::Value;
use ureq::{
    Agent, SendBody,
    tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig},
};

use super::{
    Sending,
    objects::Object,
    target::{Sent, TargetRecord},
};
use crate::{
    config::{Target, seconds},
    network::tls,
};

/// The longest answer that is read, bytes.
const MOST_ANSWER: u64 = 1 << 20;
const FAILED: &str = "00081198";
const REFERENCED: &str = "00081199";
const INSTANCE: &str = "00081155";
const WARNING: &str = "00081196";
const FAILURE: &str = "00081197";

/// Sends objects until one is not accepted.
pub(super) fn send(
    sending: &Sending<'_>,
    todo: &[&Object],
    sent: &mut Sent,
    state: &mut TargetRecord,
) -> Result<(), String> {
    let target = sending.target;
    let url = target.url.as_deref().unwrap_or_default();
    let agent = agent(target)?;
    let authorization = target.authorization()?;
    for object in todo {
        if sending.node.stops() {
            return Err("the node is stopping".into());
        }
        let status = post(&agent, url, authorization.as_deref(), object)?;
        sending.accepted(object, status, sent, state)?;
    }
    Ok(())
}

fn agent(target: &Target) -> Result<Agent, String> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // Objects go where the configuration says, and not to a proxy that an environment variable names.
        .proxy(None)
        .timeout_connect(Some(seconds(target.answer_seconds)))
        // A large object may take its time, but not for ever.
        .timeout_send_body(Some(Duration::from_secs(3600)))
        .timeout_recv_response(Some(seconds(target.answer_seconds)))
        .timeout_recv_body(Some(seconds(target.answer_seconds)))
        .user_agent("artir-node");
    if let Some(tls) = &target.tls {
        let authorities = tls::certificates(&tls.authorities)?;
        let authorities = authorities.iter().map(|der| Certificate::from_der(der).to_owned());
        let mut builder = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(tls::provider())
            .root_certs(RootCerts::Specific(Arc::new(authorities.collect())));
        if let (Some(chain), Some(key)) = (&tls.certificate, &tls.key) {
            let chain: Vec<_> =
                tls::certificates(chain)?.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            let pem = std::fs::read(key).map_err(|e| format!("{}: {}", key.display(), e.kind()))?;
            let key = PrivateKey::from_pem(&pem).map_err(|e| format!("{}: {e}", key.display()))?;
            builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        config = config.tls_config(builder.build());
    }
    Ok(config.build().new_agent())
}

/// Sends an object. Returns 0, or the reason of a warning.
fn post(agent: &Agent, url: &str, authorization: Option<&str>, object: &Object) -> Result<u16, String> {
    // No data set holds this line: it is made of the hash of the object's own bytes.
    let boundary = format!("artir-{}", &object.sha256[..40]);
    // Without the transfer syntax, which the object's own header states: Orthanc skips parts of any other type than this.
    let head = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n");
    let tail = format!("\r\n--{boundary}--\r\n");
    let file =
        std::fs::File::open(&object.path).map_err(|e| format!("a derived object cannot be read: {}", e.kind()))?;
    let length = head.len() as u64 + object.bytes + tail.len() as u64;
    let mut body = head.as_bytes().chain(BufReader::new(file).take(object.bytes)).chain(tail.as_bytes());
    let mut request = agent
        .post(url)
        .header("Content-Type", format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"))
        .header("Content-Length", length.to_string())
        .header("Accept", "application/dicom+json");
    if let Some(value) = authorization {
        request = request.header("Authorization", value);
    }
    let mut response = request.send(SendBody::from_reader(&mut body)).map_err(|e| e.to_string())?;
    let status = response.status().as_u16();
    let mut answer = Vec::new();
    let read = response.body_mut().as_reader().take(MOST_ANSWER).read_to_end(&mut answer);
    read.map_err(|e| format!("the answer cannot be read: {}", e.kind()))?;
    judge(status, &answer, &object.instance)
}

/// What an answer says of an object: only one that lists it among those that are stored is a success (PS3.18, 10.5.3).
fn judge(status: u16, answer: &[u8], instance: &str) -> Result<u16, String> {
    let answer: Option<Value> = serde_json::from_slice(answer).ok();
    // Some servers put the data set into a list.
    let set = answer.as_ref().map(|answer| answer.get(0).unwrap_or(answer));
    let items = |tag: &str| set.and_then(|set| set[tag]["Value"].as_array()).cloned().unwrap_or_default();
    // Some servers return the padding of the UID with it.
    let uid = |item: &Value| item[INSTANCE]["Value"][0].as_str().map(|uid| uid.trim_matches(['\0', ' ']).to_owned());
    let is_own = |item: &&Value| uid(item).as_deref() == Some(instance);
    let number = |item: &Value, tag: &str| item[tag]["Value"][0].as_u64().and_then(|n| u16::try_from(n).ok());
    if let Some(failed) = items(FAILED).iter().find(is_own) {
        let reason = number(failed, FAILURE).map_or_else(String::new, |n| format!(" with reason {n:04X}"));
        return Err(format!("the web service refused the object{reason} (HTTP {status})"));
    }
    let stored = items(REFERENCED);
    match stored.iter().find(is_own) {
        Some(item) if status == 200 || status == 202 => Ok(number(item, WARNING).unwrap_or(0)),
        _ if status == 200 || status == 202 => {
            Err(format!("the web service does not say that the object is stored (HTTP {status})"))
        }
        _ => Err(format!("the web service answered with HTTP {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_that_is_listed_as_stored_was_accepted() {
        let stored = r#"{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}}]}}"#;
        let warned = r#"{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]},
            "00081196":{"vr":"US","Value":[45056]}}]}}"#;
        let failed = r#"{"00081198":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]},
            "00081197":{"vr":"US","Value":[272]}}]}}"#;
        let judged = |status, answer: &str| judge(status, answer.as_bytes(), "1.2");
        assert_eq!(judged(200, stored), Ok(0));
        assert_eq!(judged(200, &stored.replace("1.2\"", "1.2\\u0000\"")), Ok(0));
        assert_eq!(judged(200, &format!("[{stored}]")), Ok(0));
        assert_eq!(judged(202, warned), Ok(0xb000));
        assert!(judged(202, failed).unwrap_err().contains("reason 0110"));
        assert!(judged(409, failed).is_err());
        for (status, answer) in [(200, ""), (200, "{}"), (200, "<html>"), (204, stored), (500, stored), (301, stored)] {
            assert!(judged(status, answer).is_err(), "{status} {answer}");
        }
        assert!(judge(200, stored.as_bytes(), "1.3").is_err());
    }
}
