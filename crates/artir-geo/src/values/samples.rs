//! Stored values in the scene's own data type.

use gdal::{Dataset, raster::GdalType};
use gdal_sys::GDALDataType as Number;

use super::decimated::{self, Decimated};
use crate::{
    error::Reason,
    ffi::{self, RawRows},
};

/// A type of pixel values that can be restored.
pub(crate) trait Sample: GdalType + Copy + Default + PartialEq + Send + 'static {
    /// Whether the type holds whole numbers alone.
    const INTEGER: bool;
    /// The value itself; exact for every type but 64-bit integers beyond 2^53.
    fn value(self) -> f64;
    /// The nearest value of this type, saturating.
    fn nearest(v: f64) -> Self;
    /// The next value above (or below), the other way at the end of the type.
    fn neighbour(self, above: bool) -> Self;
}

macro_rules! integer_sample {
    ($($t:ty),*) => {$(
        impl Sample for $t {
            const INTEGER: bool = true;
            fn value(self) -> f64 {
                self as f64
            }
            fn nearest(v: f64) -> Self {
                // `as` saturates.
                v.round() as $t
            }
            fn neighbour(self, above: bool) -> Self {
                if (above && self < <$t>::MAX) || self == <$t>::MIN { self + 1 } else { self - 1 }
            }
        }
    )*};
}
integer_sample!(u8, u16, i16, u32, i32, u64, i64);

macro_rules! float_sample {
    ($($t:ty),*) => {$(
        impl Sample for $t {
            const INTEGER: bool = false;
            fn value(self) -> f64 {
                f64::from(self)
            }
            fn nearest(v: f64) -> Self {
                v.clamp(f64::from(<$t>::MIN), f64::from(<$t>::MAX)) as $t
            }
            fn neighbour(self, above: bool) -> Self {
                let next = if above { self.next_up() } else { self.next_down() };
                if next.is_finite() { next } else if above { self.next_down() } else { self.next_up() }
            }
        }
    )*};
}
float_sample!(f32, f64);

/// A signed byte.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(transparent)]
pub(crate) struct Signed8(i8);

impl GdalType for Signed8 {
    fn gdal_ordinal() -> Number::Type {
        if ffi::has_signed_byte() { ffi::SIGNED_BYTE } else { Number::GDT_Byte }
    }
}

impl Sample for Signed8 {
    const INTEGER: bool = true;

    fn value(self) -> f64 {
        f64::from(self.0)
    }

    fn nearest(v: f64) -> Self {
        // `as` saturates.
        Self(v.round() as i8)
    }

    fn neighbour(self, above: bool) -> Self {
        Self(if (above && self.0 < i8::MAX) || self.0 == i8::MIN { self.0 + 1 } else { self.0 - 1 })
    }
}

impl Signed8 {
    fn to_ne_bytes(self) -> [u8; 1] {
        self.0.to_ne_bytes()
    }
}

/// Planes of one type, one for each restored band, each row after row.
#[derive(Clone, Debug)]
pub(crate) enum Planes {
    U8(Vec<Vec<u8>>),
    I8(Vec<Vec<Signed8>>),
    U16(Vec<Vec<u16>>),
    I16(Vec<Vec<i16>>),
    U32(Vec<Vec<u32>>),
    I32(Vec<Vec<i32>>),
    U64(Vec<Vec<u64>>),
    I64(Vec<Vec<i64>>),
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
}

/// Runs an expression on the planes, whatever their type.
macro_rules! on_planes {
    ($planes:expr, $p:ident => $body:expr) => {
        match $planes {
            $crate::values::samples::Planes::U8($p) => $body,
            $crate::values::samples::Planes::I8($p) => $body,
            $crate::values::samples::Planes::U16($p) => $body,
            $crate::values::samples::Planes::I16($p) => $body,
            $crate::values::samples::Planes::U32($p) => $body,
            $crate::values::samples::Planes::I32($p) => $body,
            $crate::values::samples::Planes::U64($p) => $body,
            $crate::values::samples::Planes::I64($p) => $body,
            $crate::values::samples::Planes::F32($p) => $body,
            $crate::values::samples::Planes::F64($p) => $body,
        }
    };
}
pub(crate) use on_planes;

impl Planes {
    /// Empty planes of GDAL's type of that number; `None` for types that cannot be restored.
    pub(crate) fn of_type(number: u32) -> Option<Self> {
        Some(match number {
            Number::GDT_Byte => Self::U8(Vec::new()),
            ffi::SIGNED_BYTE => Self::I8(Vec::new()),
            Number::GDT_UInt16 => Self::U16(Vec::new()),
            Number::GDT_Int16 => Self::I16(Vec::new()),
            Number::GDT_UInt32 => Self::U32(Vec::new()),
            Number::GDT_Int32 => Self::I32(Vec::new()),
            Number::GDT_UInt64 => Self::U64(Vec::new()),
            Number::GDT_Int64 => Self::I64(Vec::new()),
            Number::GDT_Float32 => Self::F32(Vec::new()),
            Number::GDT_Float64 => Self::F64(Vec::new()),
            _ => return None,
        })
    }

    /// Reads whole rows of bands as planes.
    pub(crate) fn read_rows(&mut self, dataset: &Dataset, bands: &[usize], at: &RawRows) -> Result<(), Reason> {
        fn read<T: Sample>(
            planes: &mut Vec<Vec<T>>,
            dataset: &Dataset,
            bands: &[usize],
            at: &RawRows,
        ) -> Result<(), Reason> {
            let values = ffi::read_planes(dataset, bands, at)?;
            planes.extend(values.chunks_exact((at.rows * at.columns).max(1)).map(<[T]>::to_vec));
            Ok(())
        }
        on_planes!(self, p => read(p, dataset, bands, at))
    }

    /// Reads parts of bands as planes, one part after another: see [`decimated::read`].
    pub(crate) fn read_decimated(
        &mut self,
        dataset: &Dataset,
        bands: &[usize],
        parts: &[Decimated],
    ) -> Result<(), Reason> {
        on_planes!(self, p => {
            p.extend(decimated::read(dataset, bands, parts)?);
            Ok(())
        })
    }

    /// A plane's bytes, in native order.
    pub(crate) fn bytes(&self, plane: usize) -> Vec<u8> {
        on_planes!(self, p => p[plane].iter().flat_map(|v| v.to_ne_bytes()).collect())
    }

    /// Values of a plane, as numbers.
    pub(crate) fn values(&self, plane: usize) -> Vec<f64> {
        on_planes!(self, p => p[plane].iter().map(|v| v.value()).collect())
    }
}

/// One band's nodata value among values of type `T`; `None` when no value can be equal to it.
pub(crate) fn nodata_as<T: Sample>(nodata: Option<f64>) -> Option<T> {
    let wanted = nodata?;
    let as_sample = T::nearest(wanted);
    // A float band's value is often written as a rounded decimal; the pixels hold the nearest float.
    let same = as_sample.value() == wanted || (size_of::<T>() == 4 && !T::INTEGER && wanted.is_finite());
    same.then_some(as_sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_saturate_and_never_wrap() {
        assert_eq!(u8::nearest(300.0), 255);
        assert_eq!(u8::nearest(-3.0), 0);
        assert_eq!(i16::nearest(-1e9), i16::MIN);
        assert_eq!(Signed8::nearest(-200.0).value(), -128.0);
        assert_eq!(u32::nearest(1e12), u32::MAX);
        assert_eq!(f32::nearest(1e300), f32::MAX);
        assert_eq!(u16::nearest(2.5), 3);
    }

    #[test]
    fn neighbours_stay_in_the_type() {
        assert_eq!([0u8.neighbour(false), 0u8.neighbour(true), 255u8.neighbour(true)], [1, 1, 254]);
        assert_eq!(i16::MAX.neighbour(true), i16::MAX - 1);
        let signed = |v: i8, above: bool| Signed8(v).neighbour(above).value();
        assert_eq!([signed(-128, false), signed(-1, true), signed(127, true)], [-127.0, 0.0, 126.0]);
        assert!(f32::MAX.neighbour(true) < f32::MAX);
        assert!(0f64.neighbour(true) > 0.0);
    }

    #[test]
    fn nodata_counts_only_where_a_value_can_hold_it() {
        assert_eq!(nodata_as::<u8>(Some(-9999.0)), None);
        assert_eq!(nodata_as::<u8>(Some(7.0)), Some(7));
        assert_eq!(nodata_as::<u8>(Some(7.5)), None);
        assert_eq!(nodata_as::<f32>(Some(-3.4e38)), Some(-3.4e38));
        assert_eq!(nodata_as::<u16>(None), None);
        assert_eq!(nodata_as::<f32>(Some(f64::NAN)), None, "values that are not finite are invalid anyway");
    }
}
