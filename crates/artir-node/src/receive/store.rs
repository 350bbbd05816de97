//! An object on its way to the disk, byte for byte as it comes.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::PoisonError,
};

use artir_files::sync_folder;
use sha2::{Digest, Sha256};

use crate::{
    config::{Config, Route},
    network::{
        VERSION_NAME,
        association::Context,
        dimse::{Command, element},
    },
    queue::{
        Key, SOURCE, State,
        names::{self, object},
    },
    state::Node,
};

pub(super) const OUT_OF_RESOURCES: u16 = 0xa700;
const DOES_NOT_MATCH: u16 = 0xa900;
const CANNOT_UNDERSTAND: u16 = 0xc000;
const INVALID_INSTANCE: u16 = 0x0117;

/// The free space is looked at again after this many bytes.
const STEP: u64 = 16 << 20;

/// Why an object is not stored.
pub(super) struct Refusal {
    pub(super) status: u16,
    /// In at most 64 characters, without a value of the object.
    pub(super) comment: String,
}

impl Refusal {
    pub(super) fn new(status: u16, comment: impl Into<String>) -> Self {
        Self { status, comment: comment.into() }
    }

    fn disk(e: &io::Error) -> Self {
        Self::new(OUT_OF_RESOURCES, format!("cannot write: {}", e.kind()))
    }
}

/// An object that is being received. Dropped before it is finished, it leaves nothing.
pub(super) struct Receiving<'a> {
    node: &'a Node,
    config: &'a Config,
    route: &'a Route,
    class: String,
    instance: String,
    path: PathBuf,
    file: Option<BufWriter<File>>,
    hash: Sha256,
    bytes: u64,
    checked: u64,
}

/// Starts an object.
pub(super) fn begin<'a>(
    node: &'a Node,
    config: &'a Config,
    route: &'a Route,
    context: &Context,
    command: &Command,
) -> Result<Receiving<'a>, Refusal> {
    let class = command.text(element::AFFECTED_CLASS).unwrap_or_default();
    if class != context.class {
        return Err(Refusal::new(DOES_NOT_MATCH, "the SOP class is not that of the presentation context"));
    }
    let instance = command.text(element::AFFECTED_INSTANCE).unwrap_or_default();
    if !is_uid(instance) {
        return Err(Refusal::new(INVALID_INSTANCE, "AffectedSOPInstanceUID is not a UID"));
    }
    let path = node.queue.receiving(&route.name);
    let mut receiving = Receiving {
        node,
        config,
        route,
        class: class.to_owned(),
        instance: instance.to_owned(),
        file: None,
        // The transfer syntax decides what the bytes mean.
        hash: node.queue.salt().hasher().chain_update(&context.syntax),
        bytes: 0,
        checked: 0,
        path,
    };
    receiving.check_space()?;
    let file = File::options().write(true).create_new(true).open(&receiving.path).map_err(|e| Refusal::disk(&e))?;
    let mut file = BufWriter::with_capacity(256 << 10, file);
    let written = file.write_all(&header(class, instance, &context.syntax));
    receiving.file = Some(file);
    written.map_err(|e| Refusal::disk(&e))?;
    Ok(receiving)
}

/// A UID (PS3.5, 9.1).
fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl Receiving<'_> {
    fn check_space(&mut self) -> Result<(), Refusal> {
        self.checked = self.bytes;
        if self.node.free_mib() < self.config.disk.reserve_mib {
            return Err(Refusal::new(OUT_OF_RESOURCES, "the disk is full up to its reserve"));
        }
        Ok(())
    }

    pub(super) fn write(&mut self, part: &[u8]) -> Result<(), Refusal> {
        self.bytes += part.len() as u64;
        if self.bytes - self.checked > STEP {
            self.check_space()?;
        }
        self.hash.update(part);
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(part).map_err(|e| Refusal::disk(&e))
    }

    /// Puts the object into its series. It is on the disk when this returns.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = file.into_inner().map_err(|e| Refusal::disk(e.error()))?;
        let found = {
            let _one = self.node.header.lock().unwrap_or_else(PoisonError::into_inner);
            artir_dicom::identify(&self.path)
        };
        let found = found.map_err(|_| Refusal::new(CANNOT_UNDERSTAND, "the data set lacks one of its UIDs"))?;
        if found.sop_class_uid != self.class || found.sop_instance_uid != self.instance {
            return Err(Refusal::new(DOES_NOT_MATCH, "the UIDs of the data set are not those of the command"));
        }
        let queue = &self.node.queue;
        let key = queue.key(&self.route.name, &found.series_instance_uid);
        let name = object(&queue.salt().name(self.instance.as_bytes()), &names::name(std::mem::take(&mut self.hash)));
        let waiting = self.node.metrics.waiting(&self.route.name);
        if !queue.arrivals.storing(&key, waiting, self.config.disk.series) {
            return Err(Refusal::new(OUT_OF_RESOURCES, "the queue of this route is full"));
        }
        let put = self.put(&key, &name, &file);
        let folder = queue.path(&key, State::In);
        queue.arrivals.stored(&key, matches!(put, Ok(true)), found.objects_in_series, &folder);
        let new = put.map_err(|e| Refusal::disk(&e))?;
        self.node.metrics.received(&self.route.name, self.bytes, new);
        Ok(())
    }

    /// Whether the object is new. While it is put, its series stays where it is.
    fn put(&self, key: &Key, name: &str, file: &File) -> io::Result<bool> {
        let queue = &self.node.queue;
        // A series moves forward from `in` to `out`: looked for in this order, an object that is there is found. One that has
        // failed is received anew, which starts it again.
        for state in [State::In, State::Work, State::Out] {
            let known = queue.path(key, state).join(SOURCE).join(name);
            if known.exists() {
                if state == State::In {
                    // Another association may be putting the same object there at this moment.
                    File::open(known)?.sync_all()?;
                }
                return Ok(false);
            }
        }
        let series = queue.path(key, State::In);
        let source = series.join(SOURCE);
        if !source.exists() {
            fs::create_dir_all(&source)?;
            sync_folder(&series)?;
            series.parent().map_or(Ok(()), sync_folder)?;
        }
        // One write to the disk for both: journals of file systems hold the new name before or with the file's own data. Where
        // a power cut comes between, the name's hash shows that the bytes are not whole, and nobody was told they are kept.
        let place = source.join(name);
        fs::rename(&self.path, &place)?;
        if let Err(e) = file.sync_all() {
            // Found there when the sender repeats it, the object would be acknowledged without being on the disk.
            fs::remove_file(&place)?;
            return Err(e);
        }
        Ok(true)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        // After the object has got its place, there is nothing of this name.
        drop(fs::remove_file(&self.path));
    }
}

/// Preamble and file meta information (PS3.10, 7.1) of an object.
fn header(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let element = |tag: u16, vr: &[u8; 2], value: &str| {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        let mut out = [2_u16.to_le_bytes(), tag.to_le_bytes(), *vr, (value.len() as u16).to_le_bytes()].concat();
        out.extend(value);
        out
    };
    let meta = [
        // FileMetaInformationVersion.
        vec![2, 0, 1, 0, b'O', b'B', 0, 0, 2, 0, 0, 0, 0, 1],
        element(0x0002, b"UI", class),
        element(0x0003, b"UI", instance),
        element(0x0010, b"UI", syntax),
        element(0x0012, b"UI", artir_dicom::IMPLEMENTATION_CLASS_UID),
        element(0x0013, b"SH", VERSION_NAME),
    ]
    .concat();
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    out.extend([2, 0, 0, 0, b'U', b'L', 4, 0]);
    out.extend((meta.len() as u32).to_le_bytes());
    out.extend(meta);
    out
}
