//! C-STORE as a user of the service (PS3.4, B), and the request for storage commitment (PS3.4, J).

use std::{
    collections::BTreeSet,
    io::{self, BufReader},
    time::Duration,
};

use dicom_dictionary_std::uids;

use super::{
    Progress, Sending, commitment,
    implicit::Implicit,
    objects::Object,
    response::response,
    target::{Sent, TargetRecord},
};
use crate::{
    config::seconds,
    network::{
        association::{Association, Context, Fault},
        dimse::{C_STORE, Command, element},
        request::{MOST_CONTEXTS, RequestError, Wanted, request},
        tls,
    },
    queue::object::data_set,
};

const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;

/// The range of the statuses of a class.
fn is_warning(status: u16) -> bool {
    // PS3.4, table B.2-1; PS3.7, annex C.4.
    status >> 12 == 0xb || [0x0001, 0x0107, 0x0116].contains(&status)
}

/// Whether the target has no room for anything now.
fn is_out_of_resources(status: u16) -> bool {
    status >> 8 == 0xa7
}

/// A status in words, as far as the standard names it.
fn words(status: u16) -> &'static str {
    match status {
        0x0110 => "processing failure",
        0x0111 => "duplicate SOP instance",
        0x0112 => "no such object instance",
        0x0117 => "invalid object instance",
        0x0122 => "SOP class not supported",
        0x0124 => "not authorized",
        0xa700..=0xa7ff => "out of resources",
        0xa900..=0xa9ff => "data set does not match SOP class",
        0xc000..=0xcfff => "cannot understand",
        _ => "failure",
    }
}

/// Sends objects, and asks for storage commitment of all of them when they are there.
pub(super) fn send(
    sending: &Sending<'_>,
    all: &[Object],
    todo: &[&Object],
    sent: &mut Sent,
    state: &mut TargetRecord,
) -> Result<Progress, String> {
    let target = sending.target;
    let address = target.address.as_deref().unwrap_or_default();
    let mut contexts: BTreeSet<(String, String)> = BTreeSet::new();
    for object in todo {
        contexts.insert((object.class.clone(), object.syntax.clone()));
        if object.syntax == uids::EXPLICIT_VR_LITTLE_ENDIAN {
            contexts.insert((object.class.clone(), IMPLICIT.to_owned()));
        }
    }
    if target.commitment {
        contexts.insert((uids::STORAGE_COMMITMENT_PUSH_MODEL.to_owned(), IMPLICIT.to_owned()));
    }
    if contexts.len() > MOST_CONTEXTS {
        return Err(format!("its objects need {} presentation contexts, more than an association has", contexts.len()));
    }
    let answer = seconds(target.answer_seconds);
    let wanted = Wanted {
        address,
        called: target.ae_title.as_deref().unwrap_or_default(),
        calling: &sending.config.listen.ae_title,
        contexts: &contexts.into_iter().collect::<Vec<_>>(),
        time: answer,
    };
    let tls = tls::requested(target.tls.as_ref(), address)?;
    let mut association = request(&wanted, tls, &sending.node.stop).map_err(|e: RequestError| e.to_string())?;
    let done = store_all(sending, &mut association, todo, sent, state, answer).and_then(|refused| match refused {
        Some(reason) => Ok(Err(reason)),
        None if target.commitment => commitment::ask(sending, &mut association, all, sent, state, answer),
        None => Ok(Ok(Progress::Done)),
    });
    match done {
        Ok(result) => {
            association.release(answer.min(Duration::from_secs(10)));
            result
        }
        Err(fault) => {
            let reason = fault.to_string();
            association.abort(&fault);
            Err(reason)
        }
    }
}

/// Sends objects. Returns why some were not accepted.
fn store_all(
    sending: &Sending<'_>,
    association: &mut Association,
    todo: &[&Object],
    sent: &mut Sent,
    state: &mut TargetRecord,
    answer: Duration,
) -> Result<Option<String>, Fault> {
    let mut refused = Vec::new();
    for (number, object) in todo.iter().enumerate() {
        let Some(context) = context(association, object) else {
            return Ok(Some(format!(
                "the target accepts the SOP class {} neither in the transfer syntax {} nor in Implicit VR Little Endian",
                object.class, object.syntax
            )));
        };
        let status = match store(association, &context, object, number as u16, answer)? {
            Ok(status) => status,
            Err(e) => return Ok(Some(format!("a derived object cannot be read: {e}"))),
        };
        if status == 0 || is_warning(status) {
            if let Err(reason) = sending.accepted(object, status, sent, state) {
                return Ok(Some(reason));
            }
        } else {
            refused.push(status);
            if is_out_of_resources(status) {
                break;
            }
        }
    }
    let first = refused.first();
    Ok(first.map(|status| {
        let (refused, of) = (refused.len(), todo.len());
        format!("the target refused {refused} of {of} object(s) with status {status:04X} ({})", words(*status))
    }))
}

/// The context for an object: in its own transfer syntax, or else in the one that every node has.
fn context(association: &Association, object: &Object) -> Option<Context> {
    let find = |syntax: &str| {
        association.contexts.iter().find(|context| context.class == object.class && context.syntax == syntax).cloned()
    };
    let fallback = || if object.syntax == uids::EXPLICIT_VR_LITTLE_ENDIAN { find(IMPLICIT) } else { None };
    find(&object.syntax).or_else(fallback)
}

/// Sends an object and returns the target's status. The inner error is of the object's file.
fn store(
    association: &mut Association,
    context: &Context,
    object: &Object,
    number: u16,
    answer: Duration,
) -> Result<io::Result<u16>, Fault> {
    let (file, length) = match data_set(&object.path) {
        Ok(found) => found,
        Err(e) => return Ok(Err(e)),
    };
    let recoded = context.syntax != object.syntax;
    let length = if recoded {
        // Counted first: the last part of a message is marked.
        match io::copy(&mut Implicit::new(BufReader::new(file)), &mut io::sink()) {
            Ok(length) => length,
            Err(e) => return Ok(Err(e)),
        }
    } else {
        length
    };
    let file = match data_set(&object.path) {
        Ok((file, _)) => BufReader::with_capacity(256 << 10, file),
        Err(e) => return Ok(Err(e)),
    };
    let command = Command::new(C_STORE)
        .number(element::MESSAGE_ID, number)
        .number(element::PRIORITY, 0)
        .uid(element::AFFECTED_CLASS, &object.class)
        .uid(element::AFFECTED_INSTANCE, &object.instance)
        .with_data_set();
    association.send_command(context.id, &command)?;
    if recoded {
        association.send_data(context.id, Implicit::new(file), length)?;
    } else {
        association.send_data(context.id, file, length)?;
    }
    response(association, C_STORE, number, answer).map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_is_taken_for_a_warning() {
        for status in [0xb000, 0xb006, 0xb007, 0x0107, 0x0116, 0x0001] {
            assert!(is_warning(status), "{status:04x}");
        }
        for status in [0x0110, 0x0122, 0xa700, 0xa701, 0xa900, 0xc000, 0xcfff, 0xfe00, 0xff00, 0x0000] {
            assert!(!is_warning(status), "{status:04x}");
        }
        assert!(is_out_of_resources(0xa7ff) && !is_out_of_resources(0xa900));
    }
}
