//! Storage commitment (PS3.4, J): a target says that it keeps objects before the node deletes its own.

use std::{
    fs,
    sync::PoisonError,
    time::{Duration, Instant},
};

use dicom_dictionary_std::uids;
use serde::{Deserialize, Serialize};

use super::{
    Progress, Sending,
    objects::Object,
    response::response,
    target::{self, Asked, Sent, TargetRecord, report_path},
};
use crate::{
    network::{
        association::{Association, Fault},
        dimse::{Command, CommitmentReport, N_ACTION, N_EVENT_REPORT, Reference, commitment_request, element},
        wire::WireError,
    },
    queue::{
        Key, Record, State,
        claims::Claim,
        record::{self, now},
    },
    state::Node,
};

/// The well-known instance of the class (PS3.4, J.3.5).
const INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// How long a report is waited for on the association of the request.
const SAME_ASSOCIATION: Duration = Duration::from_secs(5);
/// How often a report on another association is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// A report, as it waits for the target's thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    transaction: String,
    kept: Vec<String>,
    failed: Vec<(String, u16)>,
}

impl From<&CommitmentReport> for Report {
    fn from(report: &CommitmentReport) -> Self {
        let CommitmentReport { transaction, kept, failed } = report.clone();
        Self { transaction, kept, failed }
    }
}

/// A UID of the 2.25 form (PS3.5, B.2) that nobody can guess: a report with it comes from whoever was asked.
fn transaction() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers: {e}"))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(format!("2.25.{}", u128::from_be_bytes(bytes)))
}

/// Asks for commitment of all objects. The report may come at once.
pub(super) fn ask(
    sending: &Sending<'_>,
    association: &mut Association,
    all: &[Object],
    sent: &mut Sent,
    state: &mut TargetRecord,
    answer: Duration,
) -> Result<Result<Progress, String>, Fault> {
    let class = uids::STORAGE_COMMITMENT_PUSH_MODEL;
    let Some(context) = association.contexts.iter().find(|context| context.class == class).map(|context| context.id)
    else {
        return Ok(Err("the target does not accept requests for storage commitment".into()));
    };
    let name = sending.target.name.as_str();
    let prepared = transaction().and_then(|transaction| {
        // Written first: the report may be here before the answer.
        state.commitment =
            Some(Asked { transaction: transaction.clone(), until: now() + sending.target.commitment_seconds });
        state.write(sending.series, name).map_err(|e| format!("cannot write what was asked: {}", e.kind()))?;
        Ok(transaction)
    });
    let transaction = match prepared {
        Ok(transaction) => transaction,
        Err(reason) => {
            state.commitment = None;
            return Ok(Err(reason));
        }
    };
    let references: Vec<Reference> =
        all.iter().map(|object| Reference { class: object.class.clone(), instance: object.instance.clone() }).collect();
    let number = 1;
    let command = Command::new(N_ACTION)
        .number(element::MESSAGE_ID, number)
        .uid(element::REQUESTED_CLASS, class)
        .uid(element::REQUESTED_INSTANCE, INSTANCE)
        .number(element::ACTION_TYPE, 1)
        .with_data_set();
    let data = commitment_request(&transaction, &references);
    let asked = association
        .send_command(context, &command)
        .and_then(|()| association.send_data(context, data.as_slice(), data.len() as u64))
        .and_then(|()| response(association, N_ACTION, number, answer));
    match asked {
        Ok(0) => {}
        Ok(status) => {
            state.commitment = None;
            return Ok(Err(format!("the target refused to commit itself with status {status:04X}")));
        }
        Err(fault) => {
            state.commitment = None;
            return Err(fault);
        }
    }
    let elsewhere = report_path(sending.series, name);
    match wait(association, context, || elsewhere.exists())? {
        Some(report) => Ok(apply(sending, &Report::from(&report), all, sent, state)),
        None => Ok(Ok(Progress::Awaited)),
    }
}

/// Waits for a report on the same association, unless it has come on another one.
fn wait(
    association: &mut Association,
    context: u8,
    came_elsewhere: impl Fn() -> bool,
) -> Result<Option<CommitmentReport>, Fault> {
    let until = Instant::now() + SAME_ASSOCIATION;
    loop {
        match association.has_come(LOOK) {
            Ok(true) => break,
            Ok(false) if Instant::now() < until && !came_elsewhere() => {}
            // It has come on another association, or will.
            Ok(false) | Err(WireError::Closed) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    }
    let command = match association.command(SAME_ASSOCIATION) {
        Ok(Some((id, command))) if id == context => command,
        Ok(Some(_)) => return Err(Fault::Protocol("a request in another presentation context")),
        Ok(None) | Err(Fault::Aborted | Fault::Wire(WireError::Timeout | WireError::Closed)) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    if command.get(element::COMMAND) != Some(N_EVENT_REPORT) || !command.has_data_set() {
        return Err(Fault::Protocol("another request than a report"));
    }
    let bytes = association.small_data(context, SAME_ASSOCIATION)?;
    let report = CommitmentReport::read(&bytes).ok_or(Fault::Protocol("a malformed report"))?;
    association.send_command(context, &Command::response(&command, 0))?;
    Ok(Some(report))
}

/// The report that has come for a request, if there is one.
pub(super) fn report(series: &std::path::Path, name: &str, state: &TargetRecord) -> Option<Report> {
    let path = report_path(series, name);
    let report: Report = record::read(&path)?;
    // Read once, whatever it says.
    drop(fs::remove_file(&path));
    (state.commitment.as_ref()?.transaction == report.transaction).then_some(report)
}

/// Does what a report says: what is not kept is sent again.
pub(super) fn apply(
    sending: &Sending<'_>,
    report: &Report,
    all: &[Object],
    sent: &mut Sent,
    state: &mut TargetRecord,
) -> Result<Progress, String> {
    if state.commitment.as_ref().is_none_or(|asked| asked.transaction != report.transaction) {
        return Ok(Progress::Awaited);
    }
    state.commitment = None;
    let failed = |object: &&Object| {
        !report.kept.contains(&object.instance) || report.failed.iter().any(|(uid, _)| *uid == object.instance)
    };
    let lost: Vec<&Object> = all.iter().filter(failed).collect();
    if lost.is_empty() {
        return Ok(Progress::Done);
    }
    sent.remove(&lost).map_err(|e| format!("cannot write what is not kept: {}", e.kind()))?;
    let reason = report.failed.first().map_or(String::new(), |(_, reason)| format!(", reason {reason:04X}"));
    tracing::warn!(series = sending.key.series, target = sending.target.name, "the target does not keep all objects");
    Err(format!("the target reports that it does not keep {} of {} object(s){reason}", lost.len(), all.len()))
}

fn claim<'a>(node: &'a Node, key: &Key) -> Option<Claim<'a>> {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        match node.queue.claims.shared(key) {
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            claim => return claim,
        }
    }
}

/// Takes a report that came on an association of its own. `false` if nobody asked for it.
pub(crate) fn take(node: &Node, report: &CommitmentReport) -> bool {
    let _one = node.reports.lock().unwrap_or_else(PoisonError::into_inner);
    let config = node.config();
    for route in &config.routes {
        for key in node.queue.series(&route.name, State::Out).unwrap_or_default() {
            let series = node.queue.path(&key, State::Out);
            let generation = Record::read(&series).generation;
            for name in target::names(&series).unwrap_or_default() {
                let state = TargetRecord::read(&series, &name, generation);
                if state.commitment.is_none_or(|asked| asked.transaction != report.transaction) {
                    continue;
                }
                // Held so that the series does not move meanwhile. If it moves for longer, late objects have come, and the target
                // is asked again when it has those.
                let Some(_claim) = claim(node, &key) else { return false };
                let written = record::write(&report_path(&series, &name), &Report::from(report));
                node.wake();
                return written.is_ok();
            }
        }
    }
    false
}
