//! Derived objects from restored frames: pixels are gathered frame by frame, then the file is written.

use std::{
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use ndarray::Array2;
use sha2::{Digest, Sha256};

use crate::{
    Error, Reason,
    read::{
        dataset::{DataSet, Element, Stop, Value},
        file::DicomFile,
        frame::PixelFormat,
        slice::Slice,
        view::View,
        worker::Decoder,
    },
    uid,
    write::{
        dataset as form,
        derive::{self, Derivation},
        encode::{OutputSyntax, encode},
        enhanced,
        mapping::{self, NewRescale},
        single::{self, SingleFrame},
        staging::{StagedFile, Staging},
    },
};

/// Properties of an object that are known before its frames.
pub(crate) struct Header {
    pub(crate) path: PathBuf,
    pub(crate) source: DataSet,
    pub(crate) format: PixelFormat,
    pub(crate) multi_frame: bool,
    /// Where it is a frame of a file that should hold one.
    pub(crate) single: Option<SingleFrame>,
}

/// Temporary file of encoded frames. The header depends on all of them.
trait Store: Read + Write + Seek + Send {}
impl<T: Read + Write + Seek + Send> Store for T {}

/// One object in the making.
pub(crate) struct Object {
    header: Header,
    /// The series that it is written for.
    target: PathBuf,
    store: Box<dyn Store>,
    /// Bytes of each encoded frame.
    lengths: Vec<u64>,
    /// Of the frames whose stored values have a new meaning.
    rescales: Vec<Option<NewRescale>>,
    /// Of the pixels, for the instance's UID.
    hash: Sha256,
    /// A frame's compression has lost information.
    lossy: bool,
}

impl Object {
    pub(crate) fn new(mut header: Header, syntax: OutputSyntax, staging: &Staging) -> Result<Self, Error> {
        if syntax == OutputSyntax::JpegLsLossless {
            header.format = header.format.for_jpeg_ls().map_err(|reason| Error::file(&header.path, reason))?;
        }
        // A slice fits memory many times over; an object of 2,000 frames need not.
        let store: Box<dyn Store> =
            if header.multi_frame { Box::new(staging.scratch()?) } else { Box::new(Cursor::new(Vec::new())) };
        let target = staging.target().to_owned();
        Ok(Self { header, target, store, lengths: Vec::new(), rescales: Vec::new(), hash: Sha256::new(), lossy: false })
    }

    /// Takes the next frame with its residual in network units.
    pub(crate) fn push(
        &mut self,
        mut slice: Slice,
        residual: Array2<f32>,
        derivation: &Derivation<'_>,
        syntax: OutputSyntax,
    ) -> Result<(), Error> {
        self.lossy |= slice.lossy;
        self.rescales.push(slice.add(residual, derivation.modality));
        // JPEG-LS holds the stored bits alone.
        let bytes = self.header.format.bytes(&slice.frame, syntax == OutputSyntax::JpegLsLossless);
        self.hash.update(&bytes);
        let encoded = if syntax == OutputSyntax::Native {
            bytes
        } else {
            encode(syntax, bytes, self.header.format.layout).map_err(|reason| Error::file(&self.header.path, reason))?
        };
        self.lengths.push(encoded.len() as u64);
        self.store.write_all(&encoded).map_err(|e| Error::write(&self.target, e))
    }

    /// Writes the object. Returns how many real-world value mappings were left out.
    pub(crate) fn finish(
        mut self,
        key: &str,
        derivation: &Derivation<'_>,
        syntax: OutputSyntax,
        staging: &mut Staging,
    ) -> Result<usize, Error> {
        let fail = |reason: Reason| Error::file(&self.header.path, reason);
        let source = &self.header.source;
        let mut set = derive::derive(source, derivation, self.lossy);
        let bits = self.header.format.layout.bits_stored;
        if source.integer(tags::BITS_STORED) != Some(i64::from(bits)) {
            set.put_us(tags::BITS_STORED, bits);
            set.put_us(tags::HIGH_BIT, bits - 1);
        }
        if let Some(single) = &self.header.single {
            single.put(&mut set, source);
        }
        let dropped_mappings = if self.header.multi_frame {
            enhanced::put_groups(&mut set, source, derivation, &self.rescales).map_err(fail)?
        } else {
            derive::put_source(&mut set, source, self.header.single.map(|single| single.frame + 1), derivation);
            match self.rescales.first().copied().flatten() {
                Some(rescale) => {
                    single::put_rescale(&mut set, &rescale);
                    rescale.restate(&mut set)
                }
                None => 0,
            }
        };
        let source_uid = source
            .text(tags::SOP_INSTANCE_UID)
            .ok_or_else(|| fail(Reason::attribute("SOPInstanceUID (0008,0018) is missing")))?;
        let digest = self.hash.clone().finalize();
        let mut parts =
            vec![b"instance".as_slice(), source_uid.as_bytes(), derivation.series_instance_uid.as_bytes(), &digest];
        // Frames of one source may have equal pixels.
        let frame = self.header.single.map(|single| single.frame.to_string());
        parts.extend(frame.as_ref().map(|frame| frame.as_bytes()));
        set.put_text(tags::SOP_INSTANCE_UID, VR::UI, &uid::derive(&parts));
        let mut file = staging.create(key)?;
        let written = self.store.seek(SeekFrom::Start(0)).and_then(|_| {
            write_object(
                &mut file,
                &set,
                syntax,
                &mut self.store,
                &self.lengths,
                self.header.format.layout.bits_allocated,
            )
        });
        written.and_then(|()| file.flush()).map_err(|e| Error::write(&self.target, e))?;
        let unfinished = staging.unfinished(key);
        if let Err(e) = self.check_mappings(&unfinished, derivation) {
            // A partial series may be published without this slice, and must not hold its file.
            std::fs::remove_file(&unfinished).map_err(|e| Error::write(&self.target, e))?;
            return Err(e);
        }
        staging.complete(key, file)?;
        Ok(dropped_mappings)
    }

    /// Reads the written file again and checks the real-world value mappings of the frames that have a new rescale.
    fn check_mappings(&self, written: &Path, derivation: &Derivation<'_>) -> Result<(), Error> {
        let source = &self.header.source;
        let first = self.header.single.map_or(0, |single| single.frame);
        let renewed = (0..).zip(&self.rescales).filter_map(|(frame, rescale)| Some((frame, rescale.as_ref()?)));
        let mapped: Vec<_> =
            renewed.filter(|(frame, _)| mapping::is_mapped(&View::new(source, first + *frame))).collect();
        if mapped.is_empty() {
            return Ok(());
        }
        let fail = |reason: Reason| Error::file(&self.header.path, reason);
        let mut file = DicomFile::open(written, Stop::AtEnd).map_err(|e| unreadable(&self.target, &e))?;
        let format = PixelFormat::of_file(&mut file).map_err(fail)?;
        let mut decoder = Decoder::in_process();
        for (frame, rescale) in mapped {
            let slice = Slice::read(&mut file, &format, frame, derivation.modality, 1.0, &mut decoder).map_err(fail)?;
            let (before, after) = (View::new(source, first + frame), View::new(&file.set, frame));
            rescale.check(&slice, &before, &after).map_err(fail)?;
        }
        Ok(())
    }
}

/// The error of a written file that cannot be read again.
fn unreadable(target: &Path, error: &Error) -> Error {
    Error::write(target, io::Error::other(error.to_string()))
}

fn write_object(
    out: &mut StagedFile,
    set: &DataSet,
    syntax: OutputSyntax,
    store: &mut dyn Store,
    lengths: &[u64],
    bits_allocated: u16,
) -> io::Result<()> {
    out.write_all(&[0; 128])?;
    out.write_all(b"DICM")?;
    let mut meta = Vec::new();
    form::write(&mut meta, &derive::meta(set, syntax.uid()))?;
    let mut group_length = DataSet::default();
    let length = (meta.len() as u32).to_le_bytes().to_vec();
    group_length.insert(Tag(2, 0), Element { vr: VR::UL, value: Value::Bytes(length) });
    form::write(out, &group_length)?;
    out.write_all(&meta)?;
    form::write_range(out, set, |tag| tag < tags::PIXEL_DATA)?;
    if syntax == OutputSyntax::Native {
        let total: u64 = lengths.iter().sum();
        let padding = total % 2;
        form::native_header(out, bits_allocated, (total + padding) as usize)?;
        io::copy(store, out)?;
        out.write_all(&[0][..padding as usize])?;
    } else {
        form::write_fragments(out, store, lengths)?;
    }
    form::write_range(out, set, |tag| tag > tags::PIXEL_DATA)
}
