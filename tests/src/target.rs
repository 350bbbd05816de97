//! A DICOM node that takes objects and behaves as it is told.

use std::{
    collections::BTreeMap,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dicom_ul::{
    ClientAssociationOptions, Pdu, ServerAssociationOptions,
    pdu::{PDataValue, PDataValueType},
};
use sha2::{Digest, Sha256};

const COMMITMENT: &str = "1.2.840.10008.1.20.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// What it does with a storage commitment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// It says at once, on the same association, that it keeps everything.
    #[default]
    AtOnce,
    /// It says so later, on an association of its own, to the node at this port.
    Later(u16),
    /// It says that it keeps nothing.
    Nothing,
    /// It never reports.
    Never,
}

/// What it does.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// It closes connections at once.
    pub gone: bool,
    /// It takes connections and is silent.
    pub silent: bool,
    /// The status of every response to C-STORE.
    pub status: u16,
    /// It takes this many objects of an association, and closes the connection without an answer to the next.
    pub breaks_after: Option<usize>,
    /// It takes nothing but Implicit VR Little Endian.
    pub implicit_only: bool,
    /// What it does with a storage commitment.
    pub commit: Commit,
}

#[derive(Default)]
struct Shared {
    behaviour: Behaviour,
    /// Objects by SOPInstanceUID: how often they came, and the hash of the last.
    objects: BTreeMap<String, (usize, String)>,
    /// Transfer syntaxes that objects came in.
    syntaxes: Vec<String>,
    associations: usize,
    commitments: usize,
}

/// A target that runs until the test ends.
pub struct Target {
    /// Its port.
    pub port: u16,
    shared: Arc<Mutex<Shared>>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        let port = listener.local_addr().unwrap_or_else(|e| panic!("{e}")).port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || serve(socket, &shared));
            }
        });
        Self { port, shared }
    }

    /// Changes what it does.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.shared).behaviour);
    }

    /// The SOPInstanceUIDs of the objects that it has accepted, each with how often it came.
    pub fn objects(&self) -> BTreeMap<String, usize> {
        lock(&self.shared).objects.iter().map(|(uid, (times, _))| (uid.clone(), *times)).collect()
    }

    /// The hash of the data set of each object.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        lock(&self.shared).objects.iter().map(|(uid, (_, hash))| (uid.clone(), hash.clone())).collect()
    }

    /// The transfer syntaxes that objects came in.
    pub fn syntaxes(&self) -> Vec<String> {
        let mut out = lock(&self.shared).syntaxes.clone();
        out.sort();
        out.dedup();
        out
    }

    /// Associations so far.
    pub fn associations(&self) -> usize {
        lock(&self.shared).associations
    }

    /// Storage commitments that it was asked for.
    pub fn commitments(&self) -> usize {
        lock(&self.shared).commitments
    }

    /// The key of a `[[target]]` named `pacs` that leads here.
    pub fn table(&self, more: &str) -> String {
        let port = self.port;
        format!("[[target]]\nname = 'pacs'\naddress = '127.0.0.1:{port}'\nae_title = 'PACS'\n{more}\n")
    }
}

fn elements(bytes: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut at = bytes;
    while at.len() >= 8 {
        let tag = u16::from_le_bytes([at[2], at[3]]);
        let length = u32::from_le_bytes([at[4], at[5], at[6], at[7]]) as usize;
        out.insert(tag, at[8..8 + length].to_vec());
        at = &at[8 + length..];
    }
    out
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches(['\0', ' ']).to_owned()
}

fn element(tag: (u16, u16), value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    value.resize(value.len().next_multiple_of(2), 0);
    [&tag.0.to_le_bytes(), &tag.1.to_le_bytes(), &(value.len() as u32).to_le_bytes() as &[u8], &value].concat()
}

fn command(elements: &[(u16, &[u8])]) -> Vec<u8> {
    let body: Vec<u8> = elements.iter().flat_map(|(tag, value)| element((0, *tag), value)).collect();
    [element((0, 0), &(body.len() as u32).to_le_bytes()), body].concat()
}

fn value(context: u8, value_type: PDataValueType, data: Vec<u8>) -> Pdu {
    Pdu::PData { data: vec![PDataValue { presentation_context_id: context, value_type, is_last: true, data }] }
}

fn serve(socket: TcpStream, shared: &Arc<Mutex<Shared>>) {
    let behaviour = lock(shared).behaviour.clone();
    if behaviour.gone {
        return;
    }
    if behaviour.silent {
        return std::thread::sleep(Duration::from_secs(60));
    }
    // A node that is killed leaves the target in the middle of something.
    drop(attend(socket, shared, &behaviour));
}

fn attend(
    socket: TcpStream,
    shared: &Arc<Mutex<Shared>>,
    behaviour: &Behaviour,
) -> Result<(), dicom_ul::association::Error> {
    let mut options = ServerAssociationOptions::new().accept_any().promiscuous(true).ae_title("PACS");
    if behaviour.implicit_only {
        options = options.with_transfer_syntax(IMPLICIT);
    }
    let mut association = options.establish(socket)?;
    lock(shared).associations += 1;
    let contexts: BTreeMap<u8, String> =
        association.presentation_contexts().iter().map(|c| (c.id, c.transfer_syntax.clone())).collect();
    let (mut request, mut asked, mut data, mut taken) = (Vec::new(), BTreeMap::new(), Vec::new(), 0);
    loop {
        let values = match association.receive()? {
            Pdu::PData { data } => data,
            Pdu::ReleaseRQ => {
                association.send(&Pdu::ReleaseRP)?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        for part in values {
            let context = part.presentation_context_id;
            match part.value_type {
                PDataValueType::Command => {
                    request.extend(part.data);
                    if part.is_last {
                        asked = elements(&std::mem::take(&mut request));
                    }
                    continue;
                }
                PDataValueType::Data => data.extend(part.data),
            }
            if !part.is_last {
                continue;
            }
            let body = std::mem::take(&mut data);
            let field = u16::from_le_bytes([asked[&0x100][0], asked[&0x100][1]]);
            match field {
                0x0001 => {
                    if behaviour.breaks_after == Some(taken) {
                        return Ok(());
                    }
                    taken += 1;
                    // As a PACS does: kept first, then answered.
                    if behaviour.status == 0 || behaviour.status >> 12 == 0xb {
                        let mut shared = lock(shared);
                        let object = shared.objects.entry(text(&asked[&0x1000])).or_default();
                        object.0 += 1;
                        object.1 = format!("{:x}", Sha256::digest(&body));
                        shared.syntaxes.push(contexts[&context].clone());
                    }
                    let response = command(&[
                        (0x0002, &asked[&0x0002]),
                        (0x0100, &0x8001_u16.to_le_bytes()),
                        (0x0120, &asked[&0x0110]),
                        (0x0800, &0x0101_u16.to_le_bytes()),
                        (0x0900, &behaviour.status.to_le_bytes()),
                        (0x1000, &asked[&0x1000]),
                    ]);
                    association.send(&value(context, PDataValueType::Command, response))?;
                }
                0x0130 => {
                    let response = command(&[
                        (0x0002, COMMITMENT.as_bytes()),
                        (0x0100, &0x8130_u16.to_le_bytes()),
                        (0x0120, &asked[&0x0110]),
                        (0x0800, &0x0101_u16.to_le_bytes()),
                        (0x0900, &0_u16.to_le_bytes()),
                    ]);
                    association.send(&value(context, PDataValueType::Command, response))?;
                    lock(shared).commitments += 1;
                    let report = report(&body, behaviour.commit == Commit::Nothing);
                    match behaviour.commit {
                        Commit::AtOnce | Commit::Nothing => {
                            association.send(&value(context, PDataValueType::Command, event()))?;
                            association.send(&value(context, PDataValueType::Data, report))?;
                        }
                        Commit::Later(port) => {
                            std::thread::spawn(move || report_later(port, report));
                        }
                        Commit::Never => {}
                    }
                }
                // The response to a report.
                _ => {}
            }
        }
    }
}

fn event() -> Vec<u8> {
    command(&[
        (0x0002, COMMITMENT.as_bytes()),
        (0x0100, &0x0100_u16.to_le_bytes()),
        (0x0110, &1_u16.to_le_bytes()),
        (0x0800, &1_u16.to_le_bytes()),
        (0x1000, b"1.2.840.10008.1.20.1.1"),
        (0x1002, &1_u16.to_le_bytes()),
    ])
}

/// The report for a request: the same data set, or one that lists its objects as failed.
fn report(request: &[u8], failed: bool) -> Vec<u8> {
    let mut out = request.to_vec();
    if failed {
        let tag = [8, 0, 0x99, 0x11];
        if let Some(at) = out.windows(4).position(|window| window == tag) {
            out[at + 2] = 0x98;
        }
    }
    out
}

fn report_later(port: u16, report: Vec<u8>) {
    std::thread::sleep(Duration::from_millis(300));
    let association = ClientAssociationOptions::new()
        .calling_ae_title("PACS")
        .called_ae_title("ARTIR")
        .with_presentation_context(COMMITMENT, vec![IMPLICIT])
        .with_role_selection(COMMITMENT, false, true)
        .establish(("127.0.0.1", port));
    // The node may be down: then it asks again.
    let Ok(mut association) = association else { return };
    let sent = association
        .send(&value(1, PDataValueType::Command, event()))
        .and_then(|()| association.send(&value(1, PDataValueType::Data, report)))
        .and_then(|()| association.receive().map(|_| ()));
    if sent.is_ok() {
        drop(association.release());
    }
}
