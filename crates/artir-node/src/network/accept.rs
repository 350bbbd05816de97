//! Accepting associations (PS3.8, 9.3).

use std::time::Duration;

use dicom_dictionary_std::uids;
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AbortRQSource, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceProviderASCEReason, AssociationRJServiceProviderPresentationReason,
    AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ, Pdu, PresentationContextResult,
    PresentationContextResultReason, RequestorRoles, UserVariableItem,
};

use super::{
    APPLICATION_CONTEXT, MOST_PDU, VERSION_NAME,
    association::{Association, Context},
    plain,
    wire::{Wire, WireError},
};

/// Why an association is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    Called,
    Calling,
    ApplicationContext,
    Version,
    /// For now: too many associations, or too little disk.
    Limit,
}

impl Rejection {
    fn pdu(self) -> Pdu {
        use AssociationRJServiceUserReason as User;
        let user = |reason| (AssociationRJResult::Permanent, AssociationRJSource::ServiceUser(reason));
        let (result, source) = match self {
            Self::Called => user(User::CalledAETitleNotRecognized),
            Self::Calling => user(User::CallingAETitleNotRecognized),
            Self::ApplicationContext => user(User::ApplicationContextNameNotSupported),
            Self::Version => (
                AssociationRJResult::Permanent,
                AssociationRJSource::ServiceProviderASCE(
                    AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported,
                ),
            ),
            Self::Limit => (
                AssociationRJResult::Transient,
                AssociationRJSource::ServiceProviderPresentation(
                    AssociationRJServiceProviderPresentationReason::LocalLimitExceeded,
                ),
            ),
        };
        Pdu::AssociationRJ(AssociationRJ { result, source })
    }
}

/// What a peer asks for.
pub(crate) struct Request {
    pub(crate) called: String,
    pub(crate) calling: String,
}

/// What is accepted of it.
pub(crate) struct Offer<'a> {
    /// SOP classes, each in the role that its requestor then has.
    pub(crate) classes: Vec<(&'static str, Role)>,
    pub(crate) syntaxes: &'a [&'static str],
}

/// The role of the peer that requests an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    /// It provides the service, as a target does that reports a storage commitment.
    Provider,
}

/// How an attempt to associate ended.
pub(crate) enum Accepted {
    Yes(Box<Association>),
    Rejected(Rejection, Request),
    Failed(WireError),
}

/// Reads an association request within a time and answers it. `decide` chooses by the titles what is accepted.
pub(crate) fn accept<'a>(
    mut wire: Wire,
    time: Duration,
    decide: impl FnOnce(&Request) -> Result<Offer<'a>, Rejection>,
) -> (Accepted, Option<Request>) {
    let abort = |reason| Pdu::AbortRQ { source: AbortRQSource::ServiceProvider(reason) };
    let asked = match wire.receive(time, Some(time)) {
        Ok(Pdu::AssociationRQ(asked)) => asked,
        Ok(Pdu::AbortRQ { .. }) => return (Accepted::Failed(WireError::Closed), None),
        Ok(_) => {
            wire.close(Some(&abort(AbortRQServiceProviderReason::UnexpectedPdu)));
            return (Accepted::Failed(WireError::Malformed), None);
        }
        Err(e) => {
            match e {
                WireError::Closed | WireError::Io(_) => {}
                _ => wire.close(Some(&abort(AbortRQServiceProviderReason::InvalidPduParameter))),
            }
            return (Accepted::Failed(e), None);
        }
    };
    let request = Request { called: title(&asked.called_ae_title), calling: title(&asked.calling_ae_title) };
    let decided = if asked.protocol_version & 1 == 0 {
        Err(Rejection::Version)
    } else if asked.application_context_name.trim_matches(['\0', ' ']) != APPLICATION_CONTEXT {
        Err(Rejection::ApplicationContext)
    } else {
        decide(&request)
    };
    let offer = match decided {
        Ok(offer) => offer,
        Err(rejection) => {
            wire.close(Some(&rejection.pdu()));
            return (Accepted::Rejected(rejection, request), None);
        }
    };
    let (answer, contexts, most) = negotiate(asked, &offer);
    match wire.send(&Pdu::AssociationAC(answer)) {
        Ok(()) => (Accepted::Yes(Box::new(Association::new(wire, contexts, most))), Some(request)),
        Err(e) => (Accepted::Failed(e), None),
    }
}

/// A title without its padding: blanks, or the zeros that some peers fill the rest of its 16 bytes with.
fn title(text: &str) -> String {
    plain(text.trim_matches(|c: char| c == '\0' || c.is_whitespace()))
}

/// A UID without the padding that some peers send with it.
fn trimmed(uid: &str) -> &str {
    uid.trim_matches(['\0', ' '])
}

/// The answer to a request, the contexts that were accepted, and the largest PDU that the peer takes.
fn negotiate(asked: AssociationRQ, offer: &Offer<'_>) -> (AssociationAC, Vec<Context>, u32) {
    let (mut results, mut contexts) = (Vec::new(), Vec::<Context>::new());
    for proposed in asked.presentation_contexts {
        let class = offer.classes.iter().find(|(class, _)| *class == trimmed(&proposed.abstract_syntax));
        // The peer's order is its preference: what it lists first needs no transcoding there, and none here. What the node
        // itself reads has the one syntax that every peer offers.
        let own = class.is_some_and(|(_, role)| *role == Role::Provider);
        let readable = |syntax: &&String| match own {
            true => trimmed(syntax) == uids::IMPLICIT_VR_LITTLE_ENDIAN,
            false => offer.syntaxes.contains(&trimmed(syntax)),
        };
        let syntax = proposed.transfer_syntaxes.iter().find(readable).map(|syntax| trimmed(syntax).to_owned());
        let odd = proposed.id % 2 == 1 && contexts.iter().all(|known| known.id != proposed.id);
        let (reason, syntax) = match (class, syntax) {
            _ if !odd => (PresentationContextResultReason::NoReason, None),
            (None, _) => (PresentationContextResultReason::AbstractSyntaxNotSupported, None),
            (_, None) => (PresentationContextResultReason::TransferSyntaxesNotSupported, None),
            (Some((class, _)), Some(syntax)) => {
                contexts.push(Context { id: proposed.id, class: (*class).to_owned(), syntax: syntax.clone() });
                (PresentationContextResultReason::Acceptance, Some(syntax))
            }
        };
        // Not significant in a refusal, but present (PS3.8, 9.3.3.2).
        let transfer_syntax = syntax.unwrap_or_else(|| uids::IMPLICIT_VR_LITTLE_ENDIAN.into());
        results.push(PresentationContextResult { id: proposed.id, reason, transfer_syntax });
    }
    let mut user_variables = vec![
        UserVariableItem::MaxLength(MOST_PDU),
        UserVariableItem::ImplementationClassUID(artir_dicom::IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(VERSION_NAME.to_owned()),
    ];
    for (class, _) in offer.classes.iter().filter(|(_, role)| *role == Role::Provider) {
        let asked_for = |item: &UserVariableItem| match item {
            UserVariableItem::ScuScpRoleSelectionSubItem(named, _) => trimmed(named) == *class,
            _ => false,
        };
        if contexts.iter().any(|context| context.class == *class) && asked.user_variables.iter().any(asked_for) {
            // PS3.7, D.3.3.4: roles are answered, and never offered. A peer that asks for none takes this one all the same.
            let roles = RequestorRoles { scu: false, scp: true };
            user_variables.push(UserVariableItem::ScuScpRoleSelectionSubItem((*class).to_owned(), roles));
        }
    }
    let answer = AssociationAC {
        protocol_version: 1,
        calling_ae_title: asked.calling_ae_title,
        called_ae_title: asked.called_ae_title,
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables,
    };
    (answer, contexts, most_of(&asked.user_variables))
}

/// The largest PDU that a peer takes; without a limit, the largest that the node sends.
pub(crate) fn most_of(variables: &[UserVariableItem]) -> u32 {
    let stated = variables.iter().find_map(|item| match item {
        UserVariableItem::MaxLength(most) => Some(*most),
        _ => None,
    });
    match stated {
        None | Some(0) => MOST_PDU,
        Some(most) => most.min(MOST_PDU),
    }
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::PresentationContextProposed;

    use super::*;

    #[test]
    fn titles_are_padded_with_blanks_or_zeros() {
        for text in ["ARTIR", "ARTIR           ", "  ARTIR         ", "ARTIR\0\0\0\0\0\0\0\0\0\0\0", "ARTIR\0 \0 "] {
            assert_eq!(title(text), "ARTIR", "{text:?}");
        }
        assert_eq!(title("MY NODE\0"), "MY NODE");
    }

    #[test]
    fn the_first_readable_syntax_of_a_known_class_is_accepted_and_the_rest_refused() {
        let context = |id, class: &str, syntaxes: &[&str]| PresentationContextProposed {
            id,
            abstract_syntax: class.into(),
            transfer_syntaxes: syntaxes.iter().map(|s| (*s).to_owned()).collect(),
        };
        let asked = AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "A".into(),
            called_ae_title: "B".into(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: vec![
                context(1, "1.2.1", &["9.9", "1.2.840.10008.1.2.5\0", "1.2.840.10008.1.2"]),
                context(3, "1.2.2", &["1.2.840.10008.1.2"]),
                context(5, "1.2.1\0", &["9.9"]),
                context(1, "1.2.1", &["1.2.840.10008.1.2"]),
                context(6, "1.2.1", &["1.2.840.10008.1.2"]),
                context(7, "1.2.3", &["1.2.840.10008.1.2.5", "1.2.840.10008.1.2"]),
            ],
            user_variables: vec![
                UserVariableItem::MaxLength(0),
                UserVariableItem::ScuScpRoleSelectionSubItem("1.2.3".into(), RequestorRoles { scu: true, scp: true }),
            ],
        };
        let classes = vec![("1.2.1", Role::User), ("1.2.3", Role::Provider)];
        let offer = Offer { classes, syntaxes: &["1.2.840.10008.1.2", "1.2.840.10008.1.2.5"] };
        let (answer, contexts, most) = negotiate(asked, &offer);
        let reasons: Vec<_> = answer.presentation_contexts.iter().map(|c| c.reason.clone()).collect();
        use PresentationContextResultReason as Reason;
        assert_eq!(
            reasons,
            [
                Reason::Acceptance,
                Reason::AbstractSyntaxNotSupported,
                Reason::TransferSyntaxesNotSupported,
                Reason::NoReason,
                Reason::NoReason,
                Reason::Acceptance
            ]
        );
        let accepted: Vec<_> = contexts.iter().map(|c| (c.id, c.class.as_str(), c.syntax.as_str())).collect();
        assert_eq!(accepted, [(1, "1.2.1", "1.2.840.10008.1.2.5"), (7, "1.2.3", "1.2.840.10008.1.2")]);
        let roles = RequestorRoles { scu: false, scp: true };
        let selected = UserVariableItem::ScuScpRoleSelectionSubItem("1.2.3".into(), roles);
        assert!(answer.user_variables.contains(&selected));
        assert_eq!(most, MOST_PDU);
        assert!(answer.user_variables.contains(&UserVariableItem::MaxLength(MOST_PDU)));
    }
}
