//! A sender that passes on the data sets of files byte for byte, as an archive does.

use std::{fs, path::PathBuf, time::Duration};

use dicom_object::{FileMetaTable, meta};
use dicom_ul::{
    ClientAssociation, ClientAssociationOptions, Pdu,
    association::Error,
    pdu::{PDataValue, PDataValueType},
};

/// A file as it is sent.
pub struct Sendable {
    class: String,
    instance: String,
    syntax: String,
    /// The data set.
    pub data: Vec<u8>,
}

impl Sendable {
    /// Reads a file; `None` for one without file meta information.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(path: &PathBuf) -> Option<Self> {
        let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let meta: FileMetaTable = meta::FileMetaTable::from_reader(bytes.get(128..)?).ok()?;
        // Element by element: the stated length of the header may be that of another UID.
        let mut at = 132;
        while bytes.get(at..at + 2)? == [2, 0] {
            let long = [b"OB", b"UN"].iter().any(|vr| bytes[at + 4..at + 6] == **vr);
            let length = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            at += if long { 12 + length(&bytes[at + 8..at + 12]) } else { 8 + length(&bytes[at + 6..at + 8]) };
        }
        let trimmed = |uid: &str| uid.trim_end_matches(['\0', ' ']).to_owned();
        Some(Self {
            class: trimmed(&meta.media_storage_sop_class_uid),
            instance: trimmed(&meta.media_storage_sop_instance_uid),
            syntax: trimmed(&meta.transfer_syntax),
            data: bytes.get(at..)?.to_vec(),
        })
    }
}

/// Sends files in one association and returns the status of each. Files in a context that is refused get none.
///
/// # Errors
/// Errors of the association.
pub fn send(port: u16, called: &str, files: &[PathBuf]) -> Result<Vec<Option<u16>>, Error> {
    send_with(port, called, files, |_| ())
}

/// As [`send`], with something to do before each file, which has this number.
///
/// # Errors
/// Errors of the association.
pub fn send_with(
    port: u16,
    called: &str,
    files: &[PathBuf],
    mut before: impl FnMut(usize),
) -> Result<Vec<Option<u16>>, Error> {
    let objects: Vec<Sendable> = files.iter().filter_map(Sendable::read).collect();
    let mut wanted: Vec<(&str, &str)> = objects.iter().map(|o| (o.class.as_str(), o.syntax.as_str())).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut options = ClientAssociationOptions::new()
        .calling_ae_title("SENDER")
        .called_ae_title(called)
        .read_timeout(Duration::from_secs(30))
        .write_timeout(Duration::from_secs(30));
    for (class, syntax) in &wanted {
        options = options.with_presentation_context(*class, vec![*syntax]);
    }
    let mut association = options.establish(("127.0.0.1", port))?;
    let mut out = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        before(i);
        // The library knows the accepted contexts in the order in which they were proposed: ids 1, 3, 5.
        let place = wanted.iter().position(|pair| *pair == (object.class.as_str(), object.syntax.as_str()));
        let id = place.map_or(0, |place| 2 * place as u8 + 1);
        let accepted = association.presentation_contexts().iter().any(|context| context.id == id);
        out.push(if accepted { Some(store(&mut association, id, i as u16, object)?) } else { None });
    }
    association.release()?;
    Ok(out)
}

fn element(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    value.resize(value.len().next_multiple_of(2), 0);
    [&[0, 0], &tag.to_le_bytes() as &[u8], &(value.len() as u32).to_le_bytes(), &value].concat()
}

fn store(
    association: &mut ClientAssociation<std::net::TcpStream>,
    id: u8,
    number: u16,
    object: &Sendable,
) -> Result<u16, Error> {
    let body = [
        element(0x0002, object.class.as_bytes()),
        element(0x0100, &1_u16.to_le_bytes()),
        element(0x0110, &number.to_le_bytes()),
        element(0x0700, &0_u16.to_le_bytes()),
        element(0x0800, &1_u16.to_le_bytes()),
        element(0x1000, object.instance.as_bytes()),
    ]
    .concat();
    let command = [element(0, &(body.len() as u32).to_le_bytes()), body].concat();
    let value = |value_type, is_last, data: &[u8]| Pdu::PData {
        data: vec![PDataValue { presentation_context_id: id, value_type, is_last, data: data.to_vec() }],
    };
    association.send(&value(PDataValueType::Command, true, &command))?;
    let most = (association.acceptor_max_pdu_length() as usize).clamp(1024, 65_536) - 64;
    let mut parts = object.data.chunks(most).peekable();
    while let Some(part) = parts.next() {
        association.send(&value(PDataValueType::Data, parts.peek().is_none(), part))?;
    }
    loop {
        if let Pdu::PData { data } = association.receive()? {
            let bytes: Vec<u8> = data.into_iter().flat_map(|value| value.data).collect();
            let status = bytes.windows(8).position(|window| window == [0, 0, 0, 9, 2, 0, 0, 0]);
            return Ok(status.map_or(u16::MAX, |at| u16::from_le_bytes([bytes[at + 8], bytes[at + 9]])));
        }
    }
}
