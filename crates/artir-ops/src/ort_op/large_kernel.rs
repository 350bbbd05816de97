//! One node of `artir.DynamicLargeKernel`.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use ort_sys::{
    ONNXTensorElementDataType, OrtApi, OrtCustomOpInputOutputCharacteristic, OrtKernelContext, OrtKernelInfo,
};

use super::api::{self, OrtElement, Pool, check};
use super::options::Options;
use super::table::Kernel;
use crate::Error;
use crate::large_kernel::{Engine, Shape, Taps};

/// State of a node for elements of type `E`.
pub(super) struct LargeKernel<E> {
    api: *const OrtApi,
    kernel_size: i64,
    /// The engine, when the weights are constants of the model.
    fixed: Option<Engine>,
    /// The engine of the last run's weights, when they are not.
    latest: Mutex<Option<Arc<Engine>>>,
    element: PhantomData<E>,
}

impl<E: OrtElement> Kernel for LargeKernel<E> {
    const NAME: &'static CStr = c"DynamicLargeKernel";
    const INPUTS: usize = 3;
    const TYPE: ONNXTensorElementDataType = E::TYPE;

    fn input(index: usize) -> OrtCustomOpInputOutputCharacteristic {
        if index == 2 {
            OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_OPTIONAL
        } else {
            OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
        }
    }

    unsafe fn new(api: *const OrtApi, info: *const OrtKernelInfo, _: Options) -> Result<Self, Error> {
        let mut kernel_size = 0;
        // SAFETY: valid pointers, by the caller's promise.
        unsafe {
            check(api, ((*api).KernelInfoGetAttribute_int64)(info, c"kernel_size".as_ptr(), &mut kernel_size))?;
            let mut inputs = 0;
            check(api, ((*api).KernelInfo_GetInputCount)(info, &mut inputs))?;
            let weight = constant::<E>(api, info, 1, "w", kernel_size)?;
            let has_bias = inputs > 2 && is_named(api, info, 2)?;
            let bias = if has_bias { constant::<E>(api, info, 2, "b", kernel_size)? } else { None };
            let fixed = match (weight, bias) {
                (Some(weight), None) if !has_bias => Some(Taps::new(kernel_size, weight, None)?),
                (Some(weight), Some(bias)) => Some(Taps::new(kernel_size, weight, Some(bias))?),
                _ => {
                    // The weights come later, but the size can be checked now.
                    crate::large_kernel::check_kernel_size(kernel_size)?;
                    None
                }
            };
            Ok(Self { api, kernel_size, fixed: fixed.map(Engine::new), latest: Mutex::default(), element: PhantomData })
        }
    }

    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<(), Error> {
        let api = self.api;
        // SAFETY: valid pointers, by the caller's promise; input and output are distinct tensors, since the operator
        // does not ask for in-place execution.
        unsafe {
            let map = api::input(api, context, 0)?.ok_or(Error::MissingInput("X"))?;
            let dimensions = api::dimensions(api, map)?;
            let &[batch, 1, height, width] = dimensions.as_slice() else {
                return Err(Error::MapShape(dimensions));
            };
            let count = api::count(&dimensions)?;
            // `count` has shown that each fits.
            let shape = Shape { batch: batch as usize, height: height as usize, width: width as usize };
            let mut output = std::ptr::null_mut();
            let create = (*api).KernelContext_GetOutput;
            check(api, create(context, 0, dimensions.as_ptr(), dimensions.len(), &mut output))?;
            let from = api::data::<E>(api, map.cast_mut(), "X", count)?;
            let to = api::data::<E>(api, output, "Y", count)?;
            let from = std::slice::from_raw_parts(from, count);
            let to = std::slice::from_raw_parts_mut(to, count);
            let pool = Pool { api, context };
            match &self.fixed {
                Some(engine) => engine.run(from, to, shape, &pool),
                None => self.dynamic(context)?.run(from, to, shape, &pool),
            }
        }
    }
}

impl<E: OrtElement> LargeKernel<E> {
    /// The engine for weights that are inputs of this run.
    unsafe fn dynamic(&self, context: *mut OrtKernelContext) -> Result<Arc<Engine>, Error> {
        // SAFETY: passed on to the caller.
        let (weight, bias) = unsafe {
            let weight = api::input(self.api, context, 1)?.ok_or(Error::MissingInput("w"))?;
            let (shape, weight) = api::widened::<E>(self.api, weight, "w")?;
            check_shape("w", shape, self.kernel_size)?;
            let bias = match api::input(self.api, context, 2)? {
                None => None,
                Some(bias) => {
                    let (shape, bias) = api::widened::<E>(self.api, bias, "b")?;
                    check_shape("b", shape, self.kernel_size)?;
                    Some(bias)
                }
            };
            (weight, bias)
        };
        let taps = Taps::new(self.kernel_size, weight, bias)?;
        let known = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(engine) = known.filter(|engine| *engine.taps() == taps) {
            return Ok(engine);
        }
        let engine = Arc::new(Engine::new(taps));
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
        Ok(engine)
    }
}

/// A weight that is a constant of the model.
unsafe fn constant<E: OrtElement>(
    api: *const OrtApi,
    info: *const OrtKernelInfo,
    index: usize,
    name: &'static str,
    kernel_size: i64,
) -> Result<Option<Vec<f32>>, Error> {
    let mut is_constant: c_int = 0;
    let mut value = std::ptr::null();
    // SAFETY: passed on to the caller.
    unsafe {
        check(api, ((*api).KernelInfoGetConstantInput_tensor)(info, index, &mut is_constant, &mut value))?;
        if is_constant == 0 || value.is_null() {
            return Ok(None);
        }
        let (shape, values) = api::widened::<E>(api, value, name)?;
        check_shape(name, shape, kernel_size)?;
        Ok(Some(values))
    }
}

/// Whether an optional input is present: its name is then not empty (length 1 is the terminating zero).
unsafe fn is_named(api: *const OrtApi, info: *const OrtKernelInfo, index: usize) -> Result<bool, Error> {
    let mut length = 0;
    // SAFETY: passed on to the caller; a null buffer asks for the length alone.
    unsafe { check(api, ((*api).KernelInfo_GetInputName)(info, index, std::ptr::null_mut(), &mut length))? };
    Ok(length > 1)
}

fn check_shape(input: &'static str, shape: Vec<i64>, kernel_size: i64) -> Result<(), Error> {
    let size = crate::large_kernel::check_kernel_size(kernel_size)?;
    if shape == [kernel_size * kernel_size] { Ok(()) } else { Err(Error::TapShape { input, shape, kernel_size: size }) }
}
