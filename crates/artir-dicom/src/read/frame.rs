//! The pixels of one frame: the Image Pixel module, and decoding and encoding of stored values.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use ndarray::Array2;

use super::{
    codec::{self, Layout},
    dataset::DataSet,
    file::DicomFile,
    hu::Padding,
};
use crate::{Reason, Repair, terms::quotable};

/// Largest frame that is decoded, pixels: no scanner makes more, and a damaged header may claim anything.
pub(crate) const MAX_PIXELS: usize = 8192 * 8192;

/// The Image Pixel module (PS3.3, C.7.6.3), as far as CT and PET use it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PixelFormat {
    pub(crate) layout: Layout,
    /// Lowest bit of a stored value within its word; 0 but in old files.
    shift: u16,
    pub(crate) signed: bool,
    /// Overlay planes lie in the unused bits (PS3.5, 8.1.2; retired).
    overlay_bits: bool,
    pub(crate) padding: Option<Padding>,
    pub(crate) frames: u32,
}

/// Stored values, and the words that they came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// `[row, column]`.
    pub(crate) stored: Array2<i32>,
    words: Vec<u16>,
}

impl PixelFormat {
    /// Reads and checks the module.
    ///
    /// # Errors
    /// Words that name the attribute that is missing or not supported.
    pub(crate) fn read(set: &DataSet) -> Result<Self, Reason> {
        let required = |tag: Tag, name: &str| {
            let value = set.integer(tag).and_then(|v| u16::try_from(v).ok());
            value.ok_or_else(|| Reason::Attribute(format!("{name} is missing or out of range")))
        };
        let rows = required(tags::ROWS, "Rows (0028,0010)")?;
        let columns = required(tags::COLUMNS, "Columns (0028,0011)")?;
        let bits_allocated = required(tags::BITS_ALLOCATED, "BitsAllocated (0028,0100)")?;
        let bits_stored = required(tags::BITS_STORED, "BitsStored (0028,0101)")?;
        let high_bit = required(tags::HIGH_BIT, "HighBit (0028,0102)")?;
        let signed = match required(tags::PIXEL_REPRESENTATION, "PixelRepresentation (0028,0103)")? {
            0 => false,
            1 => true,
            n => return Err(Reason::Attribute(format!("PixelRepresentation (0028,0103) is {n}"))),
        };
        if required(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel (0028,0002)")? != 1 {
            return Err(Reason::unsupported("a colour image"));
        }
        // MONOCHROME1 inverts the display, not the values.
        match set.text(tags::PHOTOMETRIC_INTERPRETATION) {
            Some("MONOCHROME2" | "MONOCHROME1") => {}
            other => {
                let reason = format!("PhotometricInterpretation (0028,0004) is {}, not monochrome", quotable(other));
                return Err(Reason::Unsupported(reason));
            }
        }
        if ![8, 16].contains(&bits_allocated) || !(8..=bits_allocated).contains(&bits_stored) {
            let reason = format!("{bits_stored} bits stored in {bits_allocated} are not supported");
            return Err(Reason::Unsupported(reason));
        }
        if high_bit >= bits_allocated || high_bit + 1 < bits_stored {
            let reason = format!("HighBit {high_bit} does not fit {bits_stored} bits stored in {bits_allocated}");
            return Err(Reason::Attribute(reason));
        }
        let layout = Layout { rows, columns, bits_allocated, bits_stored };
        if layout.pixels() == 0 || layout.pixels() > MAX_PIXELS {
            return Err(Reason::Unsupported(format!("a frame of {rows}x{columns} pixels")));
        }
        let frames = match set.numbers(tags::NUMBER_OF_FRAMES).map(|n| n[0]) {
            None => 1,
            Some(n) if n >= 1.0 && n.fract() == 0.0 && n <= 1e6 => n as u32,
            Some(n) => return Err(Reason::Attribute(format!("NumberOfFrames (0028,0008) is {n}"))),
        };
        let overlay_bits = set.iter().any(|(tag, _)| {
            // OverlayBitPosition of a group that has no OverlayData of its own.
            (0x6000..=0x60ff).contains(&tag.group())
                && tag.element() == 0x0102
                && !set.contains(Tag(tag.group(), 0x3000))
        });
        let padding = padding(set, bits_stored, signed);
        Ok(Self { layout, shift: high_bit + 1 - bits_stored, signed, overlay_bits, padding, frames })
    }

    /// Reads the module of a file, and looks at its pixels: some writers keep BitsStored although they store larger values,
    /// such as metal's. Frames of codecs are not looked at: see [`PixelFormat::exceeds`].
    pub(crate) fn of_file(file: &mut DicomFile) -> Result<Self, Reason> {
        let format = Self::read(&file.set)?;
        if !format.has_unused_bits() || codec::is_compressed(&file.transfer_syntax) {
            return Ok(format);
        }
        let mut found = Excess::default();
        for frame in 0..format.frames {
            // Missing or damaged pixels are an error of the frame that is read.
            let Ok(bytes) = file.frame_bytes(frame, format.frames, format.layout.bytes() as u64) else { break };
            let Ok(bytes) = codec::decode(&file.transfer_syntax, bytes, format.layout) else { break };
            found.look_at(&format, &bytes);
            if found.is_certain() {
                file.add_repair(Repair::BitsStored);
                let padding = padding(&file.set, 16, format.signed);
                return Ok(Self { layout: Layout { bits_stored: 16, ..format.layout }, padding, ..format });
            }
        }
        Ok(format)
    }

    /// Whether words have bits above the stored ones that mean nothing.
    fn has_unused_bits(&self) -> bool {
        let Layout { bits_allocated, bits_stored, .. } = self.layout;
        bits_allocated == 16 && bits_stored < 16 && self.shift == 0 && !self.overlay_bits
    }

    /// Whether a frame's words hold values that BitsStored does not.
    pub(crate) fn exceeds(&self, bytes: &[u8]) -> bool {
        let mut found = Excess::default();
        if self.has_unused_bits() {
            found.look_at(self, bytes);
        }
        found.is_certain()
    }

    /// Smallest and largest value that the stored bits hold.
    pub(crate) fn limits(&self) -> (i32, i32) {
        let bits = u32::from(self.layout.bits_stored);
        if self.signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
    }

    fn mask(&self) -> u16 {
        ((((1u32 << self.layout.bits_stored) - 1) << self.shift) & 0xffff) as u16
    }

    /// Stored values of decoded bytes, which must be `layout.bytes()` long.
    pub(crate) fn frame(&self, bytes: &[u8]) -> Result<Frame, Reason> {
        let words: Vec<u16> = if self.layout.bits_allocated == 8 {
            bytes.iter().map(|b| u16::from(*b)).collect()
        } else {
            bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect()
        };
        let up = 32 - u32::from(self.layout.bits_stored);
        let (signed, mask, shift) = (self.signed, self.mask(), self.shift);
        let value = |word: u16| {
            let raw = u32::from((word & mask) >> shift) << up;
            if signed { raw.cast_signed() >> up } else { (raw >> up).cast_signed() }
        };
        let shape = (self.layout.rows.into(), self.layout.columns.into());
        let stored = Array2::from_shape_vec(shape, words.iter().map(|w| value(*w)).collect());
        Ok(Frame { stored: stored.map_err(|e| Reason::Pixels(e.to_string()))?, words })
    }

    /// Stored values that a codec gave, whose unused bits mean nothing: negative values are sign-extended over them, as
    /// scanners write them and as readers that look at whole words expect.
    pub(crate) fn decoded_frame(&self, bytes: &[u8]) -> Result<Frame, Reason> {
        let mut frame = self.frame(bytes)?;
        if self.signed && !self.overlay_bits {
            let above = self.unused_above();
            for (word, value) in frame.words.iter_mut().zip(&frame.stored) {
                *word = if *value < 0 { *word | above } else { *word & !above };
            }
        }
        Ok(frame)
    }

    /// The bits of a word above the stored ones.
    fn unused_above(&self) -> u16 {
        let (allocated, used) =
            (u32::from(self.layout.bits_allocated), u32::from(self.shift + self.layout.bits_stored));
        (((1u32 << allocated) - 1) & !((1u32 << used) - 1)) as u16
    }

    /// The frame's bytes, little-endian. A pixel whose value has not changed keeps its word, unused bits and all, unless
    /// `bare` asks for the stored bits alone.
    pub(crate) fn bytes(&self, frame: &Frame, bare: bool) -> Vec<u8> {
        let mask = self.mask();
        // Where negative values were sign-extended over the unused bits, they are again.
        let above = self.unused_above();
        let negatives = || frame.words.iter().zip(&frame.stored).filter(|(_, v)| **v < 0);
        let extended = self.signed && !self.overlay_bits && above != 0 && negatives().any(|(w, _)| w & above == above);
        let word = |stored: i32, old: u16| {
            let value = ((stored.cast_unsigned() as u16) << self.shift) & mask;
            if self.overlay_bits {
                return value | (old & !mask);
            }
            if bare {
                return value;
            }
            if old & mask == value {
                return old;
            }
            if extended && stored < 0 { value | above } else { value }
        };
        let mut words = Vec::with_capacity(frame.words.len());
        // `for_each` goes through an array as through a slice; `next`, which `zip` would call, looks for the end of a row each time.
        let mut old = frame.words.iter();
        frame.stored.iter().for_each(|value| words.extend(old.next().map(|old| word(*value, *old))));
        if self.layout.bits_allocated == 8 {
            return words.into_iter().map(|w| w as u8).collect();
        }
        let mut bytes = vec![0; 2 * words.len()];
        bytes.chunks_exact_mut(2).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_le_bytes()));
        bytes
    }

    /// The format in which JPEG-LS holds the frames: words with nothing above the stored bits. The codec takes samples of up to
    /// eight bits for bytes, so that eight bits in a word are stated as nine.
    ///
    /// # Errors
    /// Words for frames that JPEG-LS cannot hold.
    pub(crate) fn for_jpeg_ls(self) -> Result<Self, Reason> {
        if self.shift != 0 {
            return Err(Reason::unsupported("its values do not start at bit 0, which JPEG-LS cannot hold"));
        }
        if self.overlay_bits {
            return Err(Reason::unsupported("its pixels hold overlays, which JPEG-LS cannot hold"));
        }
        let Layout { bits_allocated, bits_stored, .. } = self.layout;
        let bits_stored = if bits_allocated > 8 { bits_stored.max(9) } else { bits_stored };
        Ok(Self { layout: Layout { bits_stored, ..self.layout }, ..self })
    }
}

/// What the unused bits of words say of values beyond the stored bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Excess {
    /// A word is neither a value of the stored bits nor one whose sign was extended.
    beyond: bool,
    /// A negative value whose sign was extended over the unused bits.
    extended: bool,
    /// A word that is negative by the stored bits, with unused bits of 0. Beside extended signs it is a positive value of more bits.
    bare: bool,
}

impl Excess {
    fn is_certain(self) -> bool {
        self.beyond || self.extended && self.bare
    }

    fn look_at(&mut self, format: &PixelFormat, bytes: &[u8]) {
        let above = format.unused_above();
        let sign: u16 = if format.signed { 1 << (format.layout.bits_stored - 1) } else { 0 };
        for word in bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])) {
            let (upper, negative) = (word & above, word & sign != 0);
            // Padding may be written in another way than the values.
            let stored = i32::from(word & !above) - if negative { 2 * i32::from(sign) } else { 0 };
            if format.padding.is_some_and(|padding| padding.contains(stored)) && (upper == 0 || upper == above) {
                continue;
            }
            self.extended |= upper == above && negative;
            self.bare |= upper == 0 && negative;
            self.beyond |= upper != 0 && !(upper == above && negative);
        }
    }
}

/// PixelPaddingValue and PixelPaddingRangeLimit; some scanners write a negative value as if it were unsigned, and some
/// an unsigned one as if it were signed.
fn padding(set: &DataSet, bits_stored: u16, signed: bool) -> Option<Padding> {
    let read = |tag| {
        let value = set.integer(tag).and_then(|v| i32::try_from(v).ok())?;
        let whole = 1 << bits_stored.max(16);
        Some(match (signed, value) {
            (true, v) if v >= whole / 2 => v - whole,
            (false, v) if v < 0 => v + whole,
            (_, v) => v,
        })
    };
    let value = read(tags::PIXEL_PADDING_VALUE)?;
    let limit = read(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    Some(Padding { lo: value.min(limit), hi: value.max(limit) })
}

#[cfg(test)]
pub(crate) mod tests {
    use dicom_core::VR;

    use super::*;
    use crate::read::{dataset::Stop, file::Opened};

    /// The format of one row of four pixels.
    pub(crate) fn format(allocated: u16, stored: u16, high: u16, signed: bool) -> PixelFormat {
        let mut set = DataSet::default();
        for (tag, value) in [
            (tags::ROWS, 1),
            (tags::COLUMNS, 4),
            (tags::BITS_ALLOCATED, allocated),
            (tags::BITS_STORED, stored),
            (tags::HIGH_BIT, high),
            (tags::PIXEL_REPRESENTATION, u16::from(signed)),
            (tags::SAMPLES_PER_PIXEL, 1),
        ] {
            set.put_us(tag, value);
        }
        set.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        PixelFormat::read(&set).unwrap()
    }

    fn bytes(words: [u16; 4]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn values_are_found_wherever_their_bits_lie() {
        for (stored, high, signed, word, value) in [
            (12, 11, false, 0xf123, 0x123),
            (12, 11, true, 0x0fff, -1),
            (12, 15, true, 0xfff7, -1),
            (12, 15, false, 0x1234, 0x123),
            (16, 15, true, 0x8000, -32768),
        ] {
            let frame = format(16, stored, high, signed).frame(&bytes([word; 4])).unwrap();
            assert_eq!(frame.stored[(0, 0)], value, "{stored} {high} {signed}");
        }
    }

    #[test]
    fn untouched_words_keep_every_bit() {
        for (stored, high, signed) in [(12, 11, false), (12, 11, true), (12, 15, true), (10, 12, true), (16, 15, true)]
        {
            let format = format(16, stored, high, signed);
            let input = bytes([0xf123, 0x0fff, 0x8001, 0x7abc]);
            let frame = format.frame(&input).unwrap();
            assert_eq!(format.bytes(&frame, false), input, "{stored} {high} {signed}");
        }
        let odd = format(8, 8, 7, false).frame(&[1, 2, 3, 255]).unwrap();
        assert_eq!(format(8, 8, 7, false).bytes(&odd, false), [1, 2, 3, 255]);
    }

    #[test]
    fn signs_are_extended_as_in_the_source() {
        let format = format(16, 12, 11, true);
        let mut frame = format.frame(&bytes([0xffff, 0x0001, 0x0002, 0x0003])).unwrap();
        frame.stored[(0, 1)] = -2;
        assert_eq!(format.bytes(&frame, false)[2..4], 0xfffeu16.to_le_bytes());
        assert_eq!(format.bytes(&frame, true)[2..4], 0x0ffeu16.to_le_bytes());
        let mut plain = format.frame(&bytes([0x0fff, 1, 2, 3])).unwrap();
        plain.stored[(0, 1)] = -2;
        assert_eq!(format.bytes(&plain, false)[2..4], 0x0ffeu16.to_le_bytes());
    }

    #[test]
    fn a_codec_says_nothing_with_unused_bits() {
        let format = format(16, 13, 12, true);
        let frame = format.decoded_frame(&bytes([0x1830, 0xf830, 0x0001, 0xe001])).unwrap();
        assert_eq!(format.bytes(&frame, false), bytes([0xf830, 0xf830, 1, 1]));
        assert_eq!(frame.stored.as_slice().unwrap(), [-2000, -2000, 1, 1]);
    }

    #[test]
    fn values_beyond_the_stored_bits_are_seen() {
        // Air of -1000, its sign extended or not, and metal of 3071 and of -3000.
        for (words, exceeds) in [
            ([0xfc18, 40, 100, 2000], false),
            ([0x0c18, 40, 100, 2000], false),
            ([0xfc18, 40, 100, 3071], true),
            ([0x0c18, 40, 0x1234, 0], true),
            ([0xf448, 40, 100, 0], true),
        ] {
            assert_eq!(format(16, 12, 11, true).exceeds(&bytes(words)), exceeds, "{words:x?}");
        }
        let mut padded = format(16, 12, 11, true);
        padded.padding = Some(Padding { lo: -2048, hi: -2048 });
        assert!(!padded.exceeds(&bytes([0xfc18, 40, 0x0800, 0xf800])), "padding with and without its sign extended");
        assert!(format(16, 12, 11, false).exceeds(&bytes([0x1000, 0, 0, 0])));
        assert!(!format(16, 12, 11, false).exceeds(&bytes([0x0fff, 0, 0, 0])));
        assert!(!format(16, 12, 15, false).exceeds(&bytes([0xffff; 4])), "no bits above the stored ones");
    }

    #[test]
    fn overlays_in_high_bits_stay() {
        let mut format = format(16, 12, 11, false);
        format.overlay_bits = true;
        let mut frame = format.frame(&bytes([0x8123, 0, 0x1000, 5])).unwrap();
        frame.stored.fill(7);
        assert_eq!(format.bytes(&frame, false), bytes([0x8007, 7, 0x1007, 7]));
        assert!(format.for_jpeg_ls().is_err());
    }

    #[test]
    fn padding_is_read_in_its_wrongly_signed_form() {
        let mut set = DataSet::default();
        set.put_us(tags::PIXEL_PADDING_VALUE, 63536);
        assert_eq!(padding(&set, 16, true), Some(Padding { lo: -2000, hi: -2000 }));
        assert_eq!(padding(&set, 16, false), Some(Padding { lo: 63536, hi: 63536 }));
        set.put_us(tags::PIXEL_PADDING_RANGE_LIMIT, 63530);
        assert_eq!(padding(&set, 12, true), Some(Padding { lo: -2006, hi: -2000 }));
    }

    /// A file of a modality and of pixels, which are an element's length and value.
    fn file(length: u32, pixels: &[u8]) -> DicomFile {
        let mut bytes = b"\x08\0\x60\0CS\x02\0CT\xe0\x7f\x10\0OW\0\0".to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(pixels);
        match DicomFile::from_bytes(bytes, Stop::AtEnd) {
            Ok(Opened::Dicom(file)) => *file,
            Ok(Opened::Other) => panic!("not DICOM"),
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn more_frames_than_the_header_has_are_refused() {
        // Frames of 12 bytes.
        let read = |length: u32, frames: u32| {
            let bytes = file(length, &vec![0; length as usize]).frame_bytes(0, frames, 12);
            bytes.map(|bytes| bytes.len()).map_err(|e| e.to_string())
        };
        for (length, frames) in [(12, 1), (13, 1), (20, 1), (24, 2), (30, 2), (38, 2)] {
            assert_eq!(read(length, frames), Ok(12), "{length} {frames}");
        }
        for (length, frames) in [(24, 1), (25, 1), (48, 1), (36, 2), (37, 2)] {
            assert!(read(length, frames).unwrap_err().contains("(0028,0008)"), "{length} {frames}");
        }
        assert!(read(11, 1).unwrap_err().contains("truncated"));
        // A frame of one byte, padded.
        assert_eq!(file(2, &[7, 0]).frame_bytes(0, 1, 1).unwrap(), [7]);
    }

    #[test]
    fn fragments_of_one_frame_are_joined_and_several_frames_refused() {
        let item = |bytes: &[u8]| [&b"\xfe\xff\0\xe0"[..], &(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
        let read = |second: &[u8]| {
            let start = [0xff, 0xd8, 0xff, 0xc3];
            let end = b"\xfe\xff\xdd\xe0\0\0\0\0".to_vec();
            file(u32::MAX, &[item(&[]), item(&start), item(second), end].concat()).frame_bytes(0, 1, 12)
        };
        assert_eq!(read(&[1, 2, 3, 4]).unwrap(), [0xff, 0xd8, 0xff, 0xc3, 1, 2, 3, 4]);
        assert!(read(&[0xff, 0xd8, 0xff, 0xc3]).unwrap_err().to_string().contains("several compressed frames"));
    }
}
