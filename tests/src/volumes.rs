//! NIfTI files made in code.

/// A NIfTI-1 file in the making. Fields that are not set are 0, as most writers leave them.
#[derive(Clone, Debug)]
pub struct Nifti {
    header: Vec<u8>,
    big_endian: bool,
    voxels: Vec<u8>,
}

/// A voxel as bytes, little-endian.
pub trait Voxel: Copy {
    /// `datatype` of the format.
    const CODE: i16;
    /// Little-endian bytes.
    fn bytes(self) -> Vec<u8>;
}

macro_rules! voxel {
    ($($of:ty = $code:literal),*) => {$(
        impl Voxel for $of {
            const CODE: i16 = $code;
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        }
    )*};
}

voxel!(u8 = 2, i16 = 4, i32 = 8, f32 = 16, f64 = 64, i8 = 256, u16 = 512, u32 = 768);

impl Nifti {
    /// Voxels of some dimensions, the first the fastest.
    pub fn new<V: Voxel>(sizes: &[i16], voxels: &[V]) -> Self {
        Self::ordered(sizes, voxels, false)
    }

    /// As `new`, in a byte order.
    pub fn ordered<V: Voxel>(sizes: &[i16], voxels: &[V], big_endian: bool) -> Self {
        let bytes = voxels.iter().flat_map(|v| {
            let mut bytes = v.bytes();
            if big_endian {
                bytes.reverse();
            }
            bytes
        });
        let mut made = Self { header: vec![0; 352], big_endian, voxels: bytes.collect() };
        made.put(0, 348i32.to_le_bytes());
        made.header[344..348].copy_from_slice(b"n+1\0");
        for (i, size) in [sizes.len() as i16].iter().chain(sizes).enumerate() {
            made.put(40 + 2 * i, size.to_le_bytes());
        }
        made.put(70, V::CODE.to_le_bytes());
        made.put(72, (8 * (made.voxels.len() / voxels.len().max(1)) as i16).to_le_bytes());
        made.put(108, 352f32.to_le_bytes());
        made
    }

    fn put<const N: usize>(&mut self, at: usize, mut bytes: [u8; N]) {
        if self.big_endian {
            bytes.reverse();
        }
        self.header[at..at + N].copy_from_slice(&bytes);
    }

    /// `scl_slope` and `scl_inter`.
    pub fn rescale(mut self, slope: f32, intercept: f32) -> Self {
        self.put(112, slope.to_le_bytes());
        self.put(116, intercept.to_le_bytes());
        self
    }

    /// The sform: the three rows of the affine, to the right, the front and up.
    pub fn affine(mut self, rows: [[f32; 4]; 3]) -> Self {
        self.put(254, 1i16.to_le_bytes());
        for (i, value) in rows.iter().flatten().enumerate() {
            self.put(280 + 4 * i, value.to_le_bytes());
        }
        self
    }

    /// `datatype`, whatever the voxels are.
    pub fn datatype(mut self, code: i16) -> Self {
        self.put(70, code.to_le_bytes());
        self
    }

    /// `intent_code` and `intent_name`.
    pub fn intent(mut self, code: i16, name: &str) -> Self {
        self.put(68, code.to_le_bytes());
        self.header[328..328 + name.len()].copy_from_slice(name.as_bytes());
        self
    }

    /// `descrip`, and bytes of fields that mean nothing to artir.
    pub fn described(mut self, text: &str) -> Self {
        self.header[148..148 + text.len()].copy_from_slice(text.as_bytes());
        self.header[14..38].copy_from_slice(&[7; 24]);
        self
    }

    /// The header with its four bytes for extensions.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The voxels.
    pub fn voxels(&self) -> &[u8] {
        &self.voxels
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        [self.header.as_slice(), &self.voxels].concat()
    }
}

/// Header and voxels of a little- or big-endian NIfTI-1 file.
pub fn parts(file: &[u8]) -> (&[u8], &[u8]) {
    let field = [file[108], file[109], file[110], file[111]];
    let big = file[0] == 0;
    let offset = if big { f32::from_be_bytes(field) } else { f32::from_le_bytes(field) };
    file.split_at(offset as usize)
}
