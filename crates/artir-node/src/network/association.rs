//! An association: messages as commands and data, in both directions.

use std::{
    collections::VecDeque,
    io::Read,
    time::{Duration, Instant},
};

use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource, PDataValue, PDataValueType, Pdu};

use super::{
    MOST_PDU,
    dimse::{Command, MOST_COMMAND, MOST_DATA_SET},
    wire::{Wire, WireError},
};

/// A data set must come at this rate on average, bytes a second, once its first minute is over.
const LEAST_RATE: u64 = 1024;
const FIRST: Duration = Duration::from_secs(60);

/// A presentation context that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) id: u8,
    pub(crate) class: String,
    pub(crate) syntax: String,
}

/// Why an association ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the peer has aborted the association")]
    Aborted,
    #[error("the peer has released the association too early")]
    Released,
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
}

/// An association. It must be ended by [`Association::release`], [`Association::abort`] or [`Association::leave`].
pub(crate) struct Association {
    pub(crate) wire: Wire,
    pub(crate) contexts: Vec<Context>,
    /// The largest PDU that the peer takes.
    pub(crate) most: u32,
    /// Presentation data values that have come and were not yet read.
    pub(crate) pending: VecDeque<PDataValue>,
}

impl Association {
    pub(crate) fn new(wire: Wire, contexts: Vec<Context>, most: u32) -> Self {
        Self { wire, contexts, most, pending: VecDeque::new() }
    }

    pub(crate) fn context(&self, id: u8) -> Option<&Context> {
        self.contexts.iter().find(|context| context.id == id)
    }

    /// The next value. `None` when the peer asks for release, which is then granted.
    fn value(&mut self, idle: Duration) -> Result<Option<PDataValue>, Fault> {
        // PDUs without values do not count as messages.
        let until = Instant::now() + idle;
        loop {
            if let Some(value) = self.pending.pop_front() {
                return Ok(Some(value));
            }
            match self.wire.receive(until.saturating_duration_since(Instant::now()), None)? {
                Pdu::PData { data } => self.pending.extend(data),
                Pdu::ReleaseRQ => return Ok(None),
                Pdu::AbortRQ { .. } => return Err(Fault::Aborted),
                _ => return Err(Fault::Protocol("a PDU that has no place within an association")),
            }
        }
    }

    /// Waits until the first byte of a message is there. Whether it is.
    pub(crate) fn has_come(&mut self, time: Duration) -> Result<bool, WireError> {
        if self.pending.is_empty() { self.wire.has_come(time) } else { Ok(true) }
    }

    /// The next command, with its presentation context. `None` when the peer asks for release.
    pub(crate) fn command(&mut self, idle: Duration) -> Result<Option<(u8, Command)>, Fault> {
        let mut bytes = Vec::new();
        let mut context = None;
        let begun = Instant::now();
        loop {
            let Some(value) = self.value(idle)? else {
                return if context.is_none() { Ok(None) } else { Err(Fault::Protocol("a release within a message")) };
            };
            if value.value_type != PDataValueType::Command {
                return Err(Fault::Protocol("data where a command must come"));
            }
            if *context.get_or_insert(value.presentation_context_id) != value.presentation_context_id {
                return Err(Fault::Protocol("a message in two presentation contexts"));
            }
            if self.context(value.presentation_context_id).is_none() {
                return Err(Fault::Protocol("a presentation context that was not accepted"));
            }
            bytes.extend(value.data);
            if bytes.len() > MOST_COMMAND {
                return Err(Fault::Protocol("a command set of over 64 KiB"));
            }
            if value.is_last {
                let command = Command::read(&bytes).ok_or(Fault::Protocol("a malformed command set"))?;
                return Ok(Some((value.presentation_context_id, command)));
            }
            if begun.elapsed() > FIRST {
                return Err(WireError::Timeout.into());
            }
        }
    }

    /// Passes on the data set of a message in the pieces in which it comes.
    pub(crate) fn data(
        &mut self,
        context: u8,
        idle: Duration,
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let begun = Instant::now();
        let mut length = 0;
        loop {
            let value = self.value(idle)?.ok_or(Fault::Protocol("a release within a message"))?;
            if value.value_type != PDataValueType::Data || value.presentation_context_id != context {
                return Err(Fault::Protocol("another message within a data set"));
            }
            take(&value.data)?;
            if value.is_last {
                return Ok(());
            }
            length += value.data.len() as u64;
            // A peer that sends a byte now and then would keep its place for ever.
            let late = begun.elapsed().saturating_sub(FIRST).as_secs();
            if length < late.saturating_mul(LEAST_RATE) {
                return Err(WireError::Timeout.into());
            }
        }
    }

    /// A data set that the node itself reads.
    pub(crate) fn small_data(&mut self, context: u8, idle: Duration) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.data(context, idle, |part| {
            bytes.extend(part);
            if bytes.len() > MOST_DATA_SET { Err(Fault::Protocol("a data set of over 2 MiB")) } else { Ok(()) }
        })?;
        Ok(bytes)
    }

    fn send_value(&mut self, value: PDataValue) -> Result<(), Fault> {
        Ok(self.wire.send(&Pdu::PData { data: vec![value] })?)
    }

    /// The bytes of a value that fit a PDU of the peer beside the value's header of six.
    fn room(&self) -> usize {
        (self.most.min(MOST_PDU) as usize).saturating_sub(6).max(64) & !1
    }

    pub(crate) fn send_command(&mut self, context: u8, command: &Command) -> Result<(), Fault> {
        let bytes = command.bytes();
        let mut parts = bytes.chunks(self.room()).peekable();
        while let Some(part) = parts.next() {
            self.send_value(PDataValue {
                presentation_context_id: context,
                value_type: PDataValueType::Command,
                is_last: parts.peek().is_none(),
                data: part.to_vec(),
            })?;
        }
        Ok(())
    }

    /// Sends a data set of a known length.
    pub(crate) fn send_data(&mut self, context: u8, mut data: impl Read, length: u64) -> Result<(), Fault> {
        let mut left = length;
        loop {
            let mut part = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(self.room())];
            data.read_exact(&mut part).map_err(WireError::Io)?;
            left -= part.len() as u64;
            self.send_value(PDataValue {
                presentation_context_id: context,
                value_type: PDataValueType::Data,
                is_last: left == 0,
                data: part,
            })?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Grants the release that the peer has asked for.
    pub(crate) fn leave(self) {
        self.wire.close(Some(&Pdu::ReleaseRP));
    }

    /// Asks for release and waits for the answer. Whatever comes instead, the work is done.
    pub(crate) fn release(mut self, time: Duration) {
        if self.wire.send(&Pdu::ReleaseRQ).is_err() {
            return;
        }
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.wire.receive(left, Some(left)) {
                // The peer may ask at the same moment (PS3.8, 7.2.2.7).
                Ok(Pdu::ReleaseRQ) if self.wire.send(&Pdu::ReleaseRP).is_ok() => {}
                Ok(Pdu::PData { .. }) => {}
                Ok(Pdu::ReleaseRP) => return self.wire.close(None),
                _ => return,
            }
        }
    }

    /// Ends the association at once.
    pub(crate) fn abort(self, fault: &Fault) {
        let source = match fault {
            // Nobody is there to hear it.
            Fault::Wire(WireError::Closed | WireError::Io(_)) | Fault::Aborted => return,
            Fault::Protocol(_) | Fault::Wire(WireError::TooLong(_) | WireError::Malformed) => {
                AbortRQSource::ServiceProvider(AbortRQServiceProviderReason::InvalidPduParameter)
            }
            _ => AbortRQSource::ServiceUser,
        };
        self.wire.close(Some(&Pdu::AbortRQ { source }));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
        sync::Arc,
    };

    use super::*;
    use crate::network::wire::Tls;

    #[test]
    fn pdus_without_values_do_not_keep_an_association_open() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Wire::new(listener.accept().unwrap().0, Tls::None, Arc::default()).unwrap();
        let mut association = Association::new(wire, Vec::new(), MOST_PDU);
        let sender = std::thread::spawn(move || {
            for _ in 0..100 {
                // The association may have ended.
                drop(peer.write_all(&[4, 0, 0, 0, 0, 0]));
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let ended = association.command(Duration::from_millis(300));
        assert!(matches!(ended, Err(Fault::Wire(WireError::Timeout))), "and not the end of the sender: {ended:?}");
        assert!(matches!(association.has_come(Duration::from_millis(100)), Ok(true)), "bytes are there, if no message");
        sender.join().unwrap();
    }
}
