//! NIfTI-1 and NIfTI-2 in one file (<https://nifti.nimh.nih.gov>). The header stays in its bytes; only fields that the result
//! changes are set in them.

use std::io::{self, Read};

use crate::{
    Reason,
    form::{Form, Unit},
    sample::{Sample, Storage},
};

/// The header of a NIfTI file with its extensions: all that comes before the voxels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    bytes: Vec<u8>,
    version: Version,
    big_endian: bool,
}

/// Places of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    /// `sizeof_hdr`.
    length: usize,
    /// Bytes of a dimension.
    dimension: usize,
    /// Bytes of a float.
    float: usize,
    dim: usize,
    datatype: usize,
    bitpix: usize,
    pixdim: usize,
    vox_offset: usize,
    scl_slope: usize,
    /// `cal_min` follows.
    cal_max: usize,
    intent_code: usize,
    intent_name: usize,
    qform_code: usize,
    sform_code: usize,
    quatern: usize,
    srow: usize,
    xyzt_units: usize,
}

const ONE: Version = Version {
    length: 348,
    dimension: 2,
    float: 4,
    dim: 40,
    datatype: 70,
    bitpix: 72,
    pixdim: 76,
    vox_offset: 108,
    scl_slope: 112,
    cal_max: 124,
    intent_code: 68,
    intent_name: 328,
    qform_code: 252,
    sform_code: 254,
    quatern: 256,
    srow: 280,
    xyzt_units: 123,
};

const TWO: Version = Version {
    length: 540,
    dimension: 8,
    float: 8,
    dim: 16,
    datatype: 12,
    bitpix: 14,
    pixdim: 104,
    vox_offset: 168,
    scl_slope: 176,
    cal_max: 192,
    intent_code: 504,
    intent_name: 508,
    qform_code: 344,
    sform_code: 348,
    quatern: 352,
    srow: 400,
    xyzt_units: 500,
};

/// Bytes that show the format: up to the magic of version 1.
pub(crate) const HEAD: usize = 348;
/// The longest header with extensions.
const MOST_HEADER: u64 = 64 << 20;
/// `NIFTI_ECODE_COMMENT`: plain text.
const COMMENT: i32 = 6;
/// The beginning of artir's comment.
const MARK: &[u8] = b"artir: ";
/// Intents of plain values: none, an estimate, one without a dimension, a time series.
const PLAIN_INTENTS: [i32; 4] = [0, 1001, 1011, 2001];

/// Version and byte order, by the first bytes of a file; `None` for one that is not NIfTI.
fn recognise(head: &[u8]) -> Option<(Version, bool)> {
    let size = <[u8; 4]>::try_from(head.get(..4)?).ok()?;
    [ONE, TWO].into_iter().find_map(|version| {
        let length = version.length as u32;
        let big_endian = size == length.to_be_bytes();
        let known = big_endian || size == length.to_le_bytes();
        let magic = if version == ONE { head.get(344..346) == Some(b"n+") } else { head.get(4..7) == Some(b"n+2") };
        (known && magic).then_some((version, big_endian))
    })
}

/// Whether a file begins as NIfTI does.
pub(crate) fn is_nifti(head: &[u8]) -> bool {
    recognise(head).is_some() || is_pair(head)
}

/// A header without its voxels: `.hdr` beside an `.img`, of NIfTI or of Analyze, which has no magic.
fn is_pair(head: &[u8]) -> bool {
    let length = ONE.length as u32;
    let sized = [length.to_le_bytes(), length.to_be_bytes()].iter().any(|size| head.starts_with(size));
    sized && head.get(344..346).is_some_and(|magic| magic == b"ni" || magic == [0, 0])
}

/// The reason why neither file of a header and its voxels can be used.
pub(crate) fn pair() -> Reason {
    Reason::unsupported("its header and its voxels are in two files (.hdr and .img): convert them to one, .nii")
}

impl Header {
    /// Reads all that comes before the voxels.
    ///
    /// # Errors
    /// [`Reason::Other`], and the reason why such a header cannot be used.
    pub(crate) fn read(from: &mut dyn Read) -> Result<Self, Reason> {
        let mut bytes = vec![0; HEAD];
        let damaged = |_: io::Error| Reason::damaged("it ends within its header");
        from.read_exact(&mut bytes).map_err(damaged)?;
        let Some((version, big_endian)) = recognise(&bytes) else {
            return Err(if is_pair(&bytes) { pair() } else { Reason::Other });
        };
        bytes.resize(version.length, 0);
        from.read_exact(&mut bytes[HEAD..]).map_err(damaged)?;
        let mut header = Self { bytes, version, big_endian };
        let at = header.vox_offset();
        let least = version.length as f64 + 4.0;
        // 0 means that the voxels follow the header.
        let end = if at == 0.0 { least } else { at };
        if !(least..=MOST_HEADER as f64).contains(&end) || end.fract() != 0.0 {
            return Err(Reason::damaged("its vox_offset is out of range"));
        }
        let known = header.bytes.len() as u64;
        let read = from.take(end as u64 - known).read_to_end(&mut header.bytes)?;
        if read as u64 != end as u64 - known {
            return Err(Reason::damaged("it ends before its voxels"));
        }
        Ok(header)
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field = [0; N];
        if let Some(bytes) = self.bytes.get(at..at + N) {
            field.copy_from_slice(bytes);
        }
        if self.big_endian {
            field.reverse();
        }
        field
    }

    fn short(&self, at: usize) -> i64 {
        i16::from_le_bytes(self.field(at)).into()
    }

    /// An integer that has two bytes in version 1, and `wide` in version 2.
    fn code(&self, at: usize) -> i32 {
        if self.version == ONE { self.short(at) as i32 } else { i32::from_le_bytes(self.field(at)) }
    }

    /// Millimetres of the unit of lengths. The formats have metres, millimetres and micrometres, and most headers without a unit
    /// mean millimetres.
    fn millimetres(&self) -> f64 {
        let at = self.version.xyzt_units;
        let units = if self.version == ONE { i32::from(self.bytes[at]) } else { self.code(at) };
        match units & 7 {
            1 => 1e3,
            3 => 1e-3,
            _ => 1.0,
        }
    }

    fn float(&self, at: usize) -> f64 {
        if self.version.float == 4 {
            f32::from_le_bytes(self.field(at)).into()
        } else {
            f64::from_le_bytes(self.field(at))
        }
    }

    fn floats<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| self.float(at + i * self.version.float))
    }

    fn vox_offset(&self) -> f64 {
        if self.version == ONE {
            self.float(self.version.vox_offset)
        } else {
            i64::from_le_bytes(self.field(self.version.vox_offset)) as f64
        }
    }

    /// # Errors
    /// The reason why the volume cannot be restored.
    pub(crate) fn form(&self) -> Result<Form, Reason> {
        let sample = self.sample()?;
        let dim = |i: usize| {
            let at = self.version.dim + i * self.version.dimension;
            if self.version == ONE { self.short(at) } else { i64::from_le_bytes(self.field(at)) }
        };
        let count = usize::try_from(dim(0)).ok().filter(|n| (1..=7).contains(n));
        let count = count.ok_or_else(|| Reason::damaged("dim[0] is not within 1 to 7"))?;
        let sizes = (1..=count).map(|i| usize::try_from(dim(i)).ok().filter(|n| *n > 0)).collect::<Option<Vec<_>>>();
        let mut sizes = sizes.ok_or_else(|| Reason::damaged("a dimension is not positive"))?;
        if sizes.iter().skip(4).any(|n| *n > 1) {
            let reason = "it has more than four dimensions: vectors, or several quantities in a voxel";
            return Err(Reason::unsupported(reason));
        }
        sizes.truncate(4);
        sizes.resize(sizes.len().max(3), 1);
        let intent = self.code(self.version.intent_code);
        if !PLAIN_INTENTS.contains(&intent) {
            let reason = format!("its intent_code {intent} is that of labels, vectors, statistics or the like");
            return Err(Reason::Unsupported(reason));
        }
        let name = &self.bytes[self.version.intent_name..self.version.intent_name + 16];
        let [slope, intercept] = self.floats(self.version.scl_slope);
        // 0 stands for values that are not scaled, and so does what is no number.
        let scaled = slope != 0.0 && slope.is_finite();
        if scaled && !intercept.is_finite() {
            return Err(Reason::damaged("scl_inter is no number, although scl_slope scales the values"));
        }
        let pixdim: [f64; 4] = self.floats(self.version.pixdim);
        let spacing = [pixdim[1], pixdim[2], pixdim[3]].map(|d| if d.is_finite() && d != 0.0 { d.abs() } else { 1.0 });
        let millimetres = self.millimetres();
        let directions = self.directions(pixdim[0], spacing);
        Ok(Form {
            storage: Storage { sample, big_endian: self.big_endian },
            sizes,
            space: [0, 1, 2],
            directions: directions.map(|axes| axes.map(|axis| axis.map(|d| d * millimetres))),
            spacing: spacing.map(|d| d * millimetres),
            slope: if scaled { slope } else { 1.0 },
            intercept: if scaled { intercept } else { 0.0 },
            unit: Unit::read(&String::from_utf8_lossy(name)),
            restored: self.extensions().iter().any(|(code, text)| *code == COMMENT && text.starts_with(MARK)),
        })
    }

    fn sample(&self) -> Result<Sample, Reason> {
        Ok(match self.short(self.version.datatype) {
            2 => Sample::U8,
            4 => Sample::I16,
            8 => Sample::I32,
            16 => Sample::F32,
            64 => Sample::F64,
            256 => Sample::I8,
            512 => Sample::U16,
            768 => Sample::U32,
            128 | 2304 => return Err(Reason::unsupported("its voxels are colours (RGB)")),
            32 | 1792 | 2048 => return Err(Reason::unsupported("its voxels are complex numbers")),
            1024 | 1280 | 1536 => return Err(Reason::unsupported("its voxels have 64-bit integers or 128-bit floats")),
            other => return Err(Reason::Damaged(format!("datatype {other} is not of NIfTI"))),
        })
    }

    /// The steps of the axes, from the sform, or the qform where there is none. The formats count to the right and the front,
    /// DICOM to the left and the back.
    fn directions(&self, qfac: f64, spacing: [f64; 3]) -> Option<[[f64; 3]; 3]> {
        let usable = |columns: &[[f64; 3]; 3]| {
            columns.iter().all(|d| d.iter().all(|v| v.is_finite()) && d.iter().any(|v| *v != 0.0))
        };
        let sform = || {
            let rows: [[f64; 4]; 3] =
                std::array::from_fn(|i| self.floats(self.version.srow + 4 * i * self.version.float));
            std::array::from_fn(|axis| [-rows[0][axis], -rows[1][axis], rows[2][axis]])
        };
        let qform = || {
            let [b, c, d]: [f64; 3] = self.floats(self.version.quatern);
            let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
            let turned = [
                [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
                [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
                [2.0 * (b * d + a * c), 2.0 * (c * d - a * b), a * a + d * d - b * b - c * c],
            ];
            let handed = if qfac < 0.0 { -1.0 } else { 1.0 };
            std::array::from_fn(|axis| {
                let step = spacing[axis] * if axis == 2 { handed } else { 1.0 };
                let [x, y, z] = turned[axis].map(|v| v * step);
                [-x, -y, z]
            })
        };
        let stated = |code| self.code(code) > 0;
        let found = stated(self.version.sform_code).then(sform).filter(usable);
        found.or_else(|| stated(self.version.qform_code).then(qform).filter(usable))
    }

    /// Code and contents of each extension.
    fn extensions(&self) -> Vec<(i32, &[u8])> {
        self.walk_extensions().0
    }

    /// The extensions, and where they end.
    fn walk_extensions(&self) -> (Vec<(i32, &[u8])>, usize) {
        let mut at = self.version.length + 4;
        let mut found = Vec::new();
        if self.bytes.get(self.version.length) == Some(&0) {
            return (found, at);
        }
        while let Ok(size) = usize::try_from(i32::from_le_bytes(self.field(at))) {
            let Some(contents) = self.bytes.get(at + 8..at + size).filter(|_| size >= 8) else { break };
            found.push((i32::from_le_bytes(self.field(at + 4)), contents));
            at += size;
        }
        (found, at)
    }

    fn set<const N: usize>(&mut self, at: usize, mut field: [u8; N]) {
        if self.big_endian {
            field.reverse();
        }
        if let Some(place) = self.bytes.get_mut(at..at + N) {
            place.copy_from_slice(&field);
        }
    }

    fn set_floats(&mut self, at: usize, values: &[f64]) {
        for (i, value) in values.iter().enumerate() {
            let at = at + i * self.version.float;
            if self.version.float == 4 {
                self.set(at, (*value as f32).to_le_bytes())
            } else {
                self.set(at, value.to_le_bytes())
            }
        }
    }

    /// States another rescale.
    pub(crate) fn set_rescale(&mut self, slope: f64, intercept: f64) {
        self.set_floats(self.version.scl_slope, &[slope, intercept]);
    }

    /// Takes the display range, which is one of values, from one rescale to another: slope and intercept of each.
    pub(crate) fn carry_display_range(&mut self, (slope, intercept): (f64, f64), to: (f64, f64)) {
        let [most, least]: [f64; 2] = self.floats(self.version.cal_max);
        // Equal ones, mostly 0, state none.
        if least < most && least.is_finite() && most.is_finite() {
            let [a, b] = [most, least].map(|value| (value - intercept) / slope * to.0 + to.1);
            self.set_floats(self.version.cal_max, &[a.max(b), a.min(b)]);
        }
    }

    /// States that voxels are 32-bit floats of values as they are.
    pub(crate) fn set_float(&mut self) {
        self.set(self.version.datatype, 16i16.to_le_bytes());
        self.set(self.version.bitpix, 32i16.to_le_bytes());
        self.set_rescale(1.0, 0.0);
    }

    /// Adds a comment that names artir, behind the other extensions.
    pub(crate) fn add_comment(&mut self, text: &str) {
        let (_, end) = self.walk_extensions();
        // Padding between extensions and voxels goes: it would be read as an extension.
        self.bytes.truncate(end);
        self.bytes[self.version.length] = 1;
        let contents = [MARK, text.as_bytes(), &[0]].concat();
        // The size of an extension is a multiple of 16.
        let size = (8 + contents.len()).next_multiple_of(16);
        let at = self.bytes.len();
        self.bytes.resize(at + size, 0);
        self.set(at, (size as i32).to_le_bytes());
        self.set(at + 4, COMMENT.to_le_bytes());
        self.bytes[at + 8..at + 8 + contents.len()].copy_from_slice(&contents);
        let offset = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(offset, 0);
        if self.version == ONE {
            self.set(self.version.vox_offset, (offset as f32).to_le_bytes());
        } else {
            self.set(self.version.vox_offset, (offset as i64).to_le_bytes());
        }
    }

    /// The bytes before the voxels.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.version == ONE { "NIfTI-1" } else { "NIfTI-2" }
    }
}

#[cfg(test)]
mod tests;
