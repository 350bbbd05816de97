//! Entry points for fuzzers: what reads a stranger's bytes, without files.

use std::path::Path;

use crate::{
    Modality,
    codec::{self, Reading},
    dataset::Stop,
    file::{DicomFile, Opened},
    find::place,
    frame::PixelFormat,
    slice::Slice,
    worker::Decoder,
};

/// The scan of a header.
pub fn header(bytes: &[u8]) {
    if let Ok(Opened::Dicom(file)) = DicomFile::from_bytes(bytes.to_vec(), Stop::AtPixels) {
        for modality in [Modality::Ct, Modality::Pet] {
            // Either answer is right: a place, or why there is none.
            drop(place(&file.set, Path::new("fuzz"), modality));
        }
    }
}

/// The decoding of the first frames. Codecs of other crates are not entered, only the checks before them: they run in a
/// process of their own, since they are known to panic.
pub fn frame(bytes: &[u8]) {
    let Ok(Opened::Dicom(mut file)) = DicomFile::from_bytes(bytes.to_vec(), Stop::AtEnd) else { return };
    let Ok(format) = PixelFormat::read(&file.set) else { return };
    // Large frames say nothing new, and take a fuzzer's time.
    if format.layout.pixels() > 1 << 20 {
        return;
    }
    for frame in 0..format.frames.min(3) {
        if codec::reading(&file.transfer_syntax) == Reading::Fragile {
            let stream = file.frame_bytes(frame, format.frames, format.layout.bytes() as u64);
            drop(stream.and_then(|s| codec::check_claim(&file.transfer_syntax, &s, format.layout)));
            continue;
        }
        let mut decoder = Decoder::in_process();
        let slice = Slice::read(&mut file, &format, frame, Modality::Pet, 1.0, &mut decoder);
        drop(slice.map(|s| s.source().data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds are the objects that the tests of restoring make, in every encoding that is written and read; with
    /// ARTIR_FUZZ_CORPUS they are left in that folder.
    #[test]
    fn seeds_are_read_by_both_targets() {
        let seeds = crate::restore::seeds();
        assert!(seeds.len() >= 5);
        for (name, bytes) in &seeds {
            header(bytes);
            frame(bytes);
            let opened = DicomFile::from_bytes(bytes.clone(), Stop::AtEnd).unwrap();
            assert!(matches!(opened, Opened::Dicom(_)), "{name}");
            if let Some(folder) = std::env::var_os("ARTIR_FUZZ_CORPUS") {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
            }
        }
    }
}
