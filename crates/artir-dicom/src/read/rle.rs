//! RLE Lossless: byte planes, the high bytes first, each packed row by row (PS3.5, annex G).

use crate::CodecError;

const EARLY: &str = "an RLE segment ends early";

fn error(reason: &str) -> CodecError {
    CodecError::new(reason)
}

/// Decodes one frame of a single sample per pixel into little-endian bytes.
///
/// # Errors
/// The reason, if the stream does not hold the frame.
pub(crate) fn decode(stream: &[u8], pixels: usize, bytes_per_pixel: usize) -> Result<Vec<u8>, CodecError> {
    let word = |i: usize| -> Option<usize> {
        let bytes = stream.get(4 * i..4 * i + 4)?;
        usize::try_from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).ok()
    };
    let segments = word(0).filter(|_| stream.len() >= 64).ok_or_else(|| error("an RLE frame without its header"))?;
    if segments != bytes_per_pixel {
        return Err(error(&format!("an RLE frame of {segments} segments where {bytes_per_pixel} are needed")));
    }
    let mut out = vec![0; pixels * bytes_per_pixel];
    for segment in 0..segments {
        let start = word(1 + segment).filter(|o| *o >= 64).ok_or_else(|| error("an RLE segment without a place"))?;
        let end = if segment + 1 < segments { word(2 + segment).unwrap_or(0) } else { stream.len() };
        let packed = stream.get(start..end).ok_or_else(|| error("an RLE segment that lies outside its frame"))?;
        // Segments go from the most significant byte down; words are little-endian.
        let plane = out.iter_mut().skip(bytes_per_pixel - 1 - segment).step_by(bytes_per_pixel);
        unpack(packed, plane)?;
    }
    Ok(out)
}

/// PackBits (PS3.5, G.3.2). Bytes after the last pixel are padding.
fn unpack<'a>(packed: &[u8], mut plane: impl ExactSizeIterator<Item = &'a mut u8>) -> Result<(), CodecError> {
    let mut at = 0;
    while plane.len() > 0 {
        let control = *packed.get(at).ok_or_else(|| error(EARLY))?;
        at += 1;
        match control {
            0..=127 => {
                let count = usize::from(control) + 1;
                let literal = packed.get(at..at + count).ok_or_else(|| error(EARLY))?;
                at += count;
                for (to, from) in plane.by_ref().take(count).zip(literal) {
                    *to = *from;
                }
            }
            128 => {}
            129.. => {
                let value = *packed.get(at).ok_or_else(|| error(EARLY))?;
                at += 1;
                for to in plane.by_ref().take(257 - usize::from(control)) {
                    *to = value;
                }
            }
        }
    }
    Ok(())
}

/// Encodes one frame of little-endian bytes. Runs do not cross rows (PS3.5, G.3.1).
pub(crate) fn encode(frame: &[u8], columns: usize, bytes_per_pixel: usize) -> Vec<u8> {
    let mut out = vec![0; 64];
    out[0] = bytes_per_pixel as u8;
    let mut plane = vec![0; columns];
    for segment in 0..bytes_per_pixel {
        let start = (out.len() as u32).to_le_bytes();
        out[4 + 4 * segment..8 + 4 * segment].copy_from_slice(&start);
        for row in frame.chunks_exact(columns * bytes_per_pixel) {
            let bytes = row.iter().skip(bytes_per_pixel - 1 - segment).step_by(bytes_per_pixel);
            plane.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            pack(&plane, &mut out);
        }
        if out.len() % 2 == 1 {
            out.push(0);
        }
    }
    out
}

fn pack(row: &[u8], out: &mut Vec<u8>) {
    let run = |from: usize| row[from..].iter().take(128).take_while(|b| **b == row[from]).count();
    let mut at = 0;
    while at < row.len() {
        let repeated = run(at);
        if repeated > 1 {
            out.extend([(257 - repeated) as u8, row[at]]);
            at += repeated;
            continue;
        }
        let start = at;
        // A pair costs as much packed as plain; three in a row end the literal.
        while at < row.len() && at - start < 128 && run(at) < 3 {
            at += 1;
        }
        out.push((at - start - 1) as u8);
        out.extend(&row[start..at]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_back(columns in 1usize..300, rows in 1usize..5, wide: bool, seed: u64, runs in 1u64..40) {
            let bytes = if wide { 2 } else { 1 };
            let mut state = seed | 1;
            let frame: Vec<u8> = (0..columns * rows * bytes).map(|i| {
                if (i as u64).is_multiple_of(runs) { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); }
                (state >> 56) as u8
            }).collect();
            let packed = encode(&frame, columns, bytes);
            prop_assert_eq!(packed.len() % 2, 0);
            prop_assert_eq!(decode(&packed, columns * rows, bytes).unwrap(), frame);
        }

        #[test]
        fn anything_is_survived(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(decode(&stream, 100, 2));
        }
    }

    #[test]
    fn the_standard_s_cases_are_read() {
        let mut stream = vec![0; 64];
        stream[0] = 1;
        stream[4] = 64;
        stream.extend([254, 7, 128, 2, 1, 2, 3]);
        assert_eq!(decode(&stream, 6, 1).unwrap(), [7, 7, 7, 1, 2, 3]);
        assert!(decode(&stream, 7, 1).unwrap_err().to_string().contains("ends early"));
        assert!(decode(&stream, 6, 2).is_err() && decode(&[], 1, 1).is_err());
    }
}
