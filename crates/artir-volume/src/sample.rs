//! Datatypes of voxels.

/// The datatype of voxels, where each has one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Sample {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Bytes of a value.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Smallest and largest value of an integer type.
    pub(crate) fn limits(self) -> Option<(f64, f64)> {
        let limits = |lo: i64, hi: i64| Some((lo as f64, hi as f64));
        match self {
            Self::U8 => limits(0, u8::MAX.into()),
            Self::I8 => limits(i8::MIN.into(), i8::MAX.into()),
            Self::I16 => limits(i16::MIN.into(), i16::MAX.into()),
            Self::U16 => limits(0, u16::MAX.into()),
            Self::I32 => limits(i32::MIN.into(), i32::MAX.into()),
            Self::U32 => limits(0, u32::MAX.into()),
            Self::F32 | Self::F64 => None,
        }
    }
}

/// How voxels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) sample: Sample,
    pub(crate) big_endian: bool,
}

impl Storage {
    /// The value of a voxel. Every value of the types is one of `f64`.
    pub(crate) fn get(self, bytes: &[u8], index: usize) -> f64 {
        let width = self.sample.width();
        let mut value = [0; 8];
        let Some(stored) = bytes.get(index * width..(index + 1) * width) else { return f64::NAN };
        value[..width].copy_from_slice(stored);
        if self.big_endian {
            value[..width].reverse();
        }
        let [a, b, c, d, ..] = value;
        match self.sample {
            Sample::U8 => a.into(),
            Sample::I8 => a.cast_signed().into(),
            Sample::I16 => i16::from_le_bytes([a, b]).into(),
            Sample::U16 => u16::from_le_bytes([a, b]).into(),
            Sample::I32 => i32::from_le_bytes([a, b, c, d]).into(),
            Sample::U32 => u32::from_le_bytes([a, b, c, d]).into(),
            Sample::F32 => f32::from_le_bytes([a, b, c, d]).into(),
            Sample::F64 => f64::from_le_bytes(value),
        }
    }

    /// Stores a value, which must be whole and within the limits of an integer type.
    pub(crate) fn put(self, bytes: &mut [u8], index: usize, value: f64) {
        let width = self.sample.width();
        let mut stored = match self.sample {
            Sample::F32 => {
                let mut out = [0; 8];
                out[..4].copy_from_slice(&(value as f32).to_le_bytes());
                out
            }
            Sample::F64 => value.to_le_bytes(),
            // Two's complement has the lower bytes of every width.
            _ => (value as i64).to_le_bytes(),
        };
        if self.big_endian {
            stored[..width].reverse();
        }
        if let Some(place) = bytes.get_mut(index * width..(index + 1) * width) {
            place.copy_from_slice(&stored[..width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_every_type_and_order() {
        for sample in
            [Sample::U8, Sample::I8, Sample::I16, Sample::U16, Sample::I32, Sample::U32, Sample::F32, Sample::F64]
        {
            let (lo, hi) = sample.limits().unwrap_or((-1.5e9, 0.25));
            for big_endian in [false, true] {
                let storage = Storage { sample, big_endian };
                let mut bytes = vec![0; 3 * sample.width()];
                for value in [lo, hi, 0.0, 1.0, 100.0] {
                    storage.put(&mut bytes, 1, value);
                    assert_eq!((storage.get(&bytes, 1), storage.get(&bytes, 0)), (value, 0.0), "{sample:?}");
                }
                assert!(storage.get(&bytes, 3).is_nan());
            }
        }
        let mut bytes = [0; 2];
        Storage { sample: Sample::I16, big_endian: true }.put(&mut bytes, 0, -2.0);
        assert_eq!(bytes, [0xff, 0xfe]);
    }
}
