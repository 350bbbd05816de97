//! Responses of a target to requests.

use std::time::Duration;

use crate::network::{
    association::{Association, Fault},
    dimse::{RESPONSE, element},
};

/// The status of the response to a request.
pub(super) fn response(association: &mut Association, to: u16, number: u16, answer: Duration) -> Result<u16, Fault> {
    let (context, command) = association.command(answer)?.ok_or(Fault::Released)?;
    if command.get(element::COMMAND) != Some(to | RESPONSE) || command.get(element::ANSWERED_ID) != Some(number) {
        return Err(Fault::Protocol("a response to something else"));
    }
    if command.has_data_set() {
        association.data(context, answer, |_| Ok(()))?;
    }
    // A response without a status is no success.
    command.get(element::STATUS).ok_or(Fault::Protocol("a response without a status"))
}
