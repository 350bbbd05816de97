//! Requesting associations (PS3.8, 9.3).

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResultReason, UserVariableItem,
};

use super::{
    APPLICATION_CONTEXT, MOST_PDU, VERSION_NAME,
    accept::most_of,
    association::{Association, Context, Fault},
    wire::{Tls, Wire},
};

/// Why no association came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("its address cannot be resolved: {0}")]
    Address(io::Error),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the association was rejected: {0}")]
    Rejected(String),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What an association is asked for.
pub(crate) struct Wanted<'a> {
    /// HOST:PORT.
    pub(crate) address: &'a str,
    pub(crate) called: &'a str,
    pub(crate) calling: &'a str,
    /// SOP classes, each with one transfer syntax.
    pub(crate) contexts: &'a [(String, String)],
    /// Time for the connection and for the answer.
    pub(crate) time: Duration,
}

/// The contexts of one association: odd numbers from 1 to 255.
pub(crate) const MOST_CONTEXTS: usize = 128;

/// Connects to a peer.
pub(crate) fn connect(address: &str, time: Duration) -> Result<TcpStream, RequestError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs().map_err(RequestError::Address)? {
        match TcpStream::connect_timeout(&address, time) {
            Ok(socket) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(RequestError::Connect(last))
}

/// Requests an association.
pub(crate) fn request(wanted: &Wanted<'_>, tls: Tls, stop: &Arc<AtomicBool>) -> Result<Association, RequestError> {
    let socket = connect(wanted.address, wanted.time)?;
    let mut wire = Wire::new(socket, tls, Arc::clone(stop)).map_err(RequestError::Connect)?;
    let proposed = |(i, (class, syntax)): (usize, &(String, String))| PresentationContextProposed {
        id: (2 * i + 1) as u8,
        abstract_syntax: class.clone(),
        transfer_syntaxes: vec![syntax.clone()],
    };
    let rq = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: wanted.calling.to_owned(),
        called_ae_title: wanted.called.to_owned(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: wanted.contexts.iter().take(MOST_CONTEXTS).enumerate().map(proposed).collect(),
        user_variables: vec![
            UserVariableItem::MaxLength(MOST_PDU),
            UserVariableItem::ImplementationClassUID(artir_dicom::IMPLEMENTATION_CLASS_UID.to_owned()),
            UserVariableItem::ImplementationVersionName(VERSION_NAME.to_owned()),
        ],
    };
    wire.send(&Pdu::AssociationRQ(rq)).map_err(Fault::from)?;
    match wire.receive(wanted.time, Some(wanted.time)).map_err(Fault::from)? {
        Pdu::AssociationAC(answer) => {
            let most = most_of(&answer.user_variables);
            Ok(Association::new(wire, accepted(answer, wanted.contexts), most))
        }
        Pdu::AssociationRJ(rejected) => {
            let reason = format!("{} ({:?})", rejected.source, rejected.result).to_lowercase();
            wire.close(None);
            Err(RequestError::Rejected(reason))
        }
        Pdu::AbortRQ { .. } => Err(Fault::Aborted.into()),
        _ => {
            let fault = Fault::Protocol("no answer to an association request");
            Association::new(wire, Vec::new(), MOST_PDU).abort(&fault);
            Err(fault.into())
        }
    }
}

/// The contexts that the peer accepted, of those that were proposed.
fn accepted(answer: AssociationAC, proposed: &[(String, String)]) -> Vec<Context> {
    let accepted = answer.presentation_contexts.into_iter().filter_map(|result| {
        let yes = result.reason == PresentationContextResultReason::Acceptance && result.id % 2 == 1;
        let (class, syntax) = proposed.get(usize::from(result.id / 2)).filter(|_| yes)?;
        // A peer that accepts a syntax which was not proposed would read the data set wrongly.
        (result.transfer_syntax.trim_matches(['\0', ' ']) == syntax).then(|| Context {
            id: result.id,
            class: class.clone(),
            syntax: syntax.clone(),
        })
    });
    accepted.collect()
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::PresentationContextResult;

    use super::*;

    #[test]
    fn only_what_was_proposed_and_accepted_is_used() {
        let result =
            |id, reason, syntax: &str| PresentationContextResult { id, reason, transfer_syntax: syntax.into() };
        use PresentationContextResultReason as Reason;
        let answer = AssociationAC {
            protocol_version: 1,
            calling_ae_title: String::new(),
            called_ae_title: String::new(),
            application_context_name: String::new(),
            presentation_contexts: vec![
                result(1, Reason::Acceptance, "1.2\0"),
                result(3, Reason::Acceptance, "1.9"),
                result(5, Reason::NoReason, "1.2"),
                result(7, Reason::Acceptance, "1.2"),
                result(2, Reason::Acceptance, "1.2"),
            ],
            user_variables: Vec::new(),
        };
        let proposed: Vec<_> = ["a", "b", "c"].map(|class| (class.to_owned(), "1.2".to_owned())).into();
        assert_eq!(accepted(answer, &proposed), [Context { id: 1, class: "a".into(), syntax: "1.2".into() }]);
    }
}
