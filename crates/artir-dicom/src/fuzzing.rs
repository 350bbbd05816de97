//! Entry points for fuzzers: parsers of untrusted bytes, without files.

use std::path::Path;

use crate::{
    Modality,
    find::place,
    read::{
        codec::{self, Reading},
        dataset::Stop,
        file::{DicomFile, Opened},
        frame::PixelFormat,
        rle,
        slice::Slice,
        worker::{
            Decoder,
            protocol::{Request, read_answer, write_answer},
        },
    },
};

/// RLE: any stream as a frame, and any bytes as a frame that must come back.
pub fn rle(bytes: &[u8]) {
    let [rows, columns, samples, rest @ ..] = bytes else { return };
    let (rows, columns, width) = (usize::from(*rows) + 1, usize::from(*columns) + 1, usize::from(samples % 2) + 1);
    if let Ok(frame) = rle::decode(rest, rows * columns, width) {
        assert_eq!(frame.len(), rows * columns * width, "a frame of another size");
    }
    let frame: Vec<u8> = rest.iter().copied().chain(std::iter::repeat(7)).take(rows * columns * width).collect();
    let back = rle::decode(&rle::encode(&frame, columns, width), rows * columns, width);
    assert_eq!(back.as_ref(), Ok(&frame), "RLE loses bytes");
}

/// The decoder process's protocol, in both directions: a parsed message is encoded and parsed again.
pub fn protocol(bytes: &[u8]) {
    let mut from = bytes;
    while let Ok(Some(request)) = Request::read(&mut from) {
        let again = request.bytes().ok().and_then(|bytes| Request::read(&mut bytes.as_slice()).ok().flatten());
        assert_eq!(again.as_ref(), Some(&request), "a request changes on its way");
        // As the child does, without the codecs that are known to crash.
        if codec::reading(&request.syntax) == Reading::Fragile {
            drop(codec::check_claim(&request.syntax, &request.stream, request.layout));
        } else if request.layout.pixels() <= 1 << 20 {
            drop(codec::decode(&request.syntax, request.stream, request.layout));
        }
    }
    let mut from = bytes;
    while let Ok(answer) = read_answer(&mut from) {
        let mut written = Vec::new();
        let again = write_answer(&mut written, &answer).and_then(|()| read_answer(&mut written.as_slice()));
        assert_eq!(again.ok(), Some(answer), "an answer changes on its way");
    }
}

/// The scan of a header.
pub fn header(bytes: &[u8]) {
    if let Ok(Opened::Dicom(file)) = DicomFile::from_bytes(bytes.to_vec(), Stop::AtPixels) {
        for modality in [Modality::Ct, Modality::Pet] {
            // Both results are valid: a place in a series, or a reason.
            drop(place(&file.set, Path::new("fuzz"), modality));
        }
    }
}

/// The decoding of the first frames. Codecs of other crates are not entered, only the checks before them: they run in a
/// process of their own, since they are known to panic.
pub fn frame(bytes: &[u8]) {
    let Ok(Opened::Dicom(mut file)) = DicomFile::from_bytes(bytes.to_vec(), Stop::AtEnd) else { return };
    let Ok(format) = PixelFormat::read(&file.set) else { return };
    // Large frames cost a fuzzer's time without covering more code.
    if format.layout.pixels() > 1 << 20 {
        return;
    }
    for frame in 0..format.frames.min(3) {
        if codec::reading(&file.transfer_syntax) == Reading::Fragile {
            let stream = file.frame_bytes(frame, format.frames, format.layout.bytes() as u64);
            drop(stream.map(|s| codec::check_claim(&file.transfer_syntax, &s, format.layout)));
            continue;
        }
        let mut decoder = Decoder::in_process();
        let slice = Slice::read(&mut file, &format, frame, Modality::Pet, 1.0, &mut decoder);
        drop(slice.map(|s| (s.values(), s.valid())));
    }
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::uids;

    use super::*;

    /// The seeds are the objects that the tests of restoring make, in every encoding that is written and read.
    /// Leaves a seed in the folder of a target below ARTIR_FUZZ_CORPUS, where that is set.
    fn keep(target: &str, name: &str, bytes: &[u8]) {
        if let Some(root) = std::env::var_os("ARTIR_FUZZ_CORPUS") {
            let folder = Path::new(&root).join(target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    #[test]
    fn seeds_of_rle_and_of_the_protocol_are_read() {
        for (name, rows, columns, width) in [("small", 3u8, 5u8, 2u8), ("bytes", 20, 30, 1), ("runs", 63, 63, 2)] {
            let pixels = (usize::from(rows) + 1) * (usize::from(columns) + 1);
            let frame: Vec<u8> = (0..pixels * usize::from(width))
                .map(|i| if name == "runs" { (i / 90) as u8 } else { (i * 37) as u8 })
                .collect();
            let stream = rle::encode(&frame, usize::from(columns) + 1, width.into());
            assert_eq!(rle::decode(&stream, pixels, width.into()), Ok(frame));
            let seed = [vec![rows, columns, width - 1], stream].concat();
            rle(&seed);
            keep("rle", name, &seed);
        }
        let layout = codec::Layout { rows: 4, columns: 6, bits_allocated: 16, bits_stored: 12 };
        let syntaxes = [
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            uids::RLE_LOSSLESS,
            uids::JPEG_LOSSLESS_SV1,
            uids::JPEGLS_LOSSLESS,
            uids::JPEG2000_LOSSLESS,
        ];
        for syntax in syntaxes {
            let stream = match syntax {
                uids::RLE_LOSSLESS => rle::encode(&[9; 48], 6, 2),
                uids::JPEG2000_LOSSLESS => [&[0xff, 0x4f, 0xff, 0x51][..], &[0; 40]].concat(),
                uids::JPEG_LOSSLESS_SV1 => vec![0xff, 0xd8, 0xff, 0xc3, 0, 11, 12, 0, 4, 0, 6, 1],
                uids::JPEGLS_LOSSLESS => vec![0xff, 0xd8, 0xff, 0xf7, 0, 11, 12, 0, 4, 0, 6, 1],
                _ => vec![9; 48],
            };
            let request = Request { syntax: syntax.into(), layout, stream };
            let seed = request.bytes().unwrap();
            assert_eq!(Request::read(&mut seed.as_slice()).unwrap(), Some(request));
            protocol(&seed);
            keep("protocol", &format!("request-{syntax}"), &seed);
        }
        for (name, answer) in
            [("pixels", Ok(vec![1; 48])), ("reason", Err(crate::CodecError::new("its pixels are damaged")))]
        {
            let mut seed = Vec::new();
            write_answer(&mut seed, &answer).unwrap();
            protocol(&seed);
            keep("protocol", &format!("answer-{name}"), &seed);
        }
    }

    #[test]
    fn seeds_are_read_by_both_targets() {
        let seeds = crate::restore::tests::seeds();
        assert!(seeds.len() >= 5);
        for (name, bytes) in &seeds {
            header(bytes);
            frame(bytes);
            let opened = DicomFile::from_bytes(bytes.clone(), Stop::AtEnd).unwrap();
            assert!(matches!(opened, Opened::Dicom(_)), "{name}");
            keep("dicom_header", name, bytes);
            keep("dicom_frame", name, bytes);
        }
    }
}
