//! Small TIFF files, byte for byte, with whatever tags a test needs.

/// An uncompressed TIFF of 8-bit or 32-bit float values in one strip, without any georeference.
#[derive(Clone, Debug)]
pub struct Tiff {
    columns: u16,
    rows: u16,
    bands: u16,
    bits: u16,
    /// Tag, type, number of values, and their bytes.
    more: Vec<(u16, u16, u32, Vec<u8>)>,
}

impl Tiff {
    /// 8-bit values.
    pub fn bytes(columns: u16, rows: u16, bands: u16) -> Self {
        Self { columns, rows, bands, bits: 8, more: Vec::new() }
    }

    /// 32-bit float values.
    pub fn floats(columns: u16, rows: u16, bands: u16) -> Self {
        Self { bits: 32, ..Self::bytes(columns, rows, bands) }
    }

    /// With one more tag, whose values must have more than four bytes.
    #[must_use]
    pub fn with(mut self, tag: u16, kind: u16, count: u32, values: Vec<u8>) -> Self {
        self.more.push((tag, kind, count, values));
        self
    }

    /// The file; its pixels are a gradient.
    pub fn build(&self) -> Vec<u8> {
        let (columns, rows, bands) = (usize::from(self.columns), usize::from(self.rows), usize::from(self.bands));
        let mut out = b"II\x2a\0\0\0\0\0".to_vec();
        for i in 0..columns * rows * bands {
            let value = ((i / bands) % columns * 3 + i % bands * 20) % 250;
            if self.bits == 8 {
                out.push(value as u8);
            } else {
                out.extend((value as f32 / 250.0).to_le_bytes());
            }
        }
        let length = out.len() as u32 - 8;
        let short = |v: u16| u32::from(v).to_le_bytes();
        let colours = if self.bands >= 3 { 2 } else { 1 };
        let mut entries: Vec<(u16, u16, u32, [u8; 4])> = vec![
            (256, 3, 1, short(self.columns)),
            (257, 3, 1, short(self.rows)),
            (259, 3, 1, short(1)),
            (262, 3, 1, short(colours)),
            (273, 4, 1, 8u32.to_le_bytes()),
            (277, 3, 1, short(self.bands)),
            (278, 3, 1, short(self.rows)),
            (279, 4, 1, length.to_le_bytes()),
            (284, 3, 1, short(1)),
        ];
        let bits: Vec<u8> = (0..bands).flat_map(|_| self.bits.to_le_bytes()).collect();
        let format: Vec<u8> = (0..bands).flat_map(|_| [if self.bits == 8 { 1u8 } else { 3 }, 0]).collect();
        let mut placed = self.more.clone();
        for (tag, values) in [(258, bits), (339, format)] {
            placed.push((tag, 3, u32::from(self.bands), values));
        }
        for (tag, kind, count, values) in placed {
            let mut place = [0; 4];
            if values.len() <= 4 {
                place[..values.len()].copy_from_slice(&values);
            } else {
                out.extend(vec![0; out.len() % 2]);
                place = (out.len() as u32).to_le_bytes();
                out.extend(values);
            }
            entries.push((tag, kind, count, place));
        }
        entries.sort_by_key(|e| e.0);
        out.extend(vec![0; out.len() % 2]);
        let directory = (out.len() as u32).to_le_bytes();
        out[4..8].copy_from_slice(&directory);
        out.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend(value);
        }
        out.extend([0; 4]);
        out
    }
}
