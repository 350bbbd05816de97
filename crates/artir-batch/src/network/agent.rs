//! How a batch speaks HTTP.

use std::{env, sync::Arc, time::Duration};

use ureq::{
    Agent,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::Miss;

const ANSWER: Duration = Duration::from_secs(60);
/// Authorities of Debian and of most other systems, for https.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A client that asks the named host and no other. `body` bounds the time that one body may take, each way.
pub(super) fn agent(encrypted: bool, body: Option<Duration>) -> Result<Agent, Miss> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // Data comes from the address that the user named, and not from a proxy that an environment variable names.
        .proxy(None)
        .timeout_connect(Some(ANSWER))
        .timeout_send_body(body)
        .timeout_recv_response(Some(Duration::from_secs(600)))
        .timeout_recv_body(body)
        .user_agent("artir-batch");
    if encrypted {
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
    Ok(config.build().new_agent())
}

/// An error without the address, which records must not hold.
pub(super) fn kind(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => e.kind().to_string(),
        ureq::Error::BadUri(_) => "its address is not valid".into(),
        other => other.to_string(),
    }
}
