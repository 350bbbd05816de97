//! DICOM's upper layer (PS3.8) and messages (PS3.7), for both ends of an association.
//!
//! PDUs are read and written by dicom-ul. What this module adds are deadlines that a peer cannot stretch, bounds on whatever
//! a peer declares, and negotiation by artir's own list of transfer syntaxes.

pub(crate) mod accept;
pub(crate) mod association;
pub(crate) mod dimse;
pub(crate) mod request;
pub(crate) mod tls;
pub(crate) mod wire;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// The version name that the node gives itself.
pub(crate) const VERSION_NAME: &str = "ARTIR_NODE";

/// The name of the only application context (PS3.7, A.2.1).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// The largest PDU that is taken or sent, bytes after its header of six.
pub(crate) const MOST_PDU: u32 = 262_138;

/// Wakes a listener of this node that waits for a connection.
pub(crate) fn knock(mut address: SocketAddr) {
    if address.ip().is_unspecified() {
        let own = if address.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(own);
    }
    // It listens no more if this fails.
    drop(TcpStream::connect_timeout(&address, Duration::from_secs(1)));
}

/// A text of a peer for a log line: printable ASCII, and not too long.
pub(crate) fn plain(text: &str) -> String {
    text.chars().take(64).map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}
