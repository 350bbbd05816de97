//! Certificates, and encryption by rustls with the ring provider.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::wire::Tls;
use crate::config::{ListenTls, TargetTls};

/// The cryptography of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn named(path: &Path, reason: impl std::fmt::Display) -> String {
    format!("{}: {reason}", path.display())
}

/// The certificates of a PEM file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).map_err(|e| named(path, e))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|e| named(path, e))?;
    if found.is_empty() { Err(named(path, "it holds no certificate")) } else { Ok(found) }
}

/// The private key of a PEM file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| named(path, e))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|e| named(path, e))?;
    }
    Ok(store)
}

/// Encryption of associations that are accepted.
pub(crate) fn server(tls: &ListenTls) -> Result<Arc<ServerConfig>, String> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?;
    let builder = match &tls.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| named(path, e))?)
        }
    };
    let made = builder.with_single_cert(certificates(&tls.certificate)?, key(&tls.key)?);
    made.map(Arc::new).map_err(|e| named(&tls.certificate, e))
}

/// Encryption of an association with a target.
pub(crate) fn client(tls: &TargetTls) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?.with_root_certificates(authorities(&tls.authorities)?);
    let made = match (&tls.certificate, &tls.key) {
        (Some(chain), Some(path)) => {
            builder.with_client_auth_cert(certificates(chain)?, key(path)?).map_err(|e| named(chain, e))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(made))
}

/// Encryption of one connection that was accepted.
pub(crate) fn accepted(config: Option<&Arc<ServerConfig>>) -> Result<Tls, rustls::Error> {
    Ok(match config {
        None => Tls::None,
        Some(config) => Tls::Server(Box::new(ServerConnection::new(Arc::clone(config))?)),
    })
}

/// Encryption of one connection to `HOST:PORT`.
pub(crate) fn requested(tls: Option<&TargetTls>, address: &str) -> Result<Tls, String> {
    let Some(tls) = tls else { return Ok(Tls::None) };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = tls.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no name of a host"))?;
    let session = ClientConnection::new(client(tls)?, name).map_err(|e| e.to_string())?;
    Ok(Tls::Client(Box::new(session)))
}
