//! Calls to ONNX Runtime and back: statuses, panics, tensors, its thread pool.

use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use half::f16;
use ort_sys::{
    ONNXTensorElementDataType, OrtApi, OrtErrorCode, OrtKernelContext, OrtStatusPtr, OrtTensorTypeAndShapeInfo,
    OrtValue,
};

use crate::Error;
use crate::large_kernel::{Element, Parallel};
pub(super) use crate::status::check;

/// An element type that the operator exists for.
pub(super) trait OrtElement: Element + Default {
    const TYPE: ONNXTensorElementDataType;
}

impl OrtElement for f32 {
    const TYPE: ONNXTensorElementDataType = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

impl OrtElement for f16 {
    const TYPE: ONNXTensorElementDataType = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
}

/// A failure status with this message.
///
/// # Safety
/// `api` is a valid table.
pub(super) unsafe fn status(api: *const OrtApi, message: &str) -> OrtStatusPtr {
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: the table is valid, the message a C string that the call copies.
    unsafe { ((*api).CreateStatus)(OrtErrorCode::ORT_FAIL, message.as_ptr()) }
}

/// Runs a callback's body: its error, or a panic, becomes a status that names the operator.
///
/// # Safety
/// `api` is a valid table.
pub(super) unsafe fn guard(
    api: *const OrtApi,
    operator: &CStr,
    body: impl FnOnce() -> Result<(), Error>,
) -> OrtStatusPtr {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Error::Panicked));
    match result {
        Ok(()) => OrtStatusPtr(std::ptr::null_mut()),
        // SAFETY: passed on to the caller.
        Err(e) => unsafe { status(api, &format!("artir.{}: {e}", operator.to_string_lossy())) },
    }
}

/// An input of a run; `None` where the node leaves it out.
///
/// # Safety
/// Valid pointers, as ONNX Runtime hands them to KernelComputeV2.
pub(super) unsafe fn input(
    api: *const OrtApi,
    context: *const OrtKernelContext,
    index: usize,
) -> Result<Option<*const OrtValue>, Error> {
    let mut inputs = 0;
    let mut value = std::ptr::null();
    // SAFETY: passed on to the caller; the index is checked first.
    unsafe {
        check(api, ((*api).KernelContext_GetInputCount)(context, &mut inputs))?;
        if index < inputs {
            check(api, ((*api).KernelContext_GetInput)(context, index, &mut value))?;
        }
    }
    Ok((!value.is_null()).then_some(value))
}

/// A tensor's dimensions.
///
/// # Safety
/// `api` is a valid table, `value` one of its tensors.
pub(super) unsafe fn dimensions(api: *const OrtApi, value: *const OrtValue) -> Result<Vec<i64>, Error> {
    let mut info = std::ptr::null_mut();
    // SAFETY: the out-pointers are valid; the info is released on every way out.
    unsafe {
        check(api, ((*api).GetTensorTypeAndShape)(value, &mut info))?;
        let result = shape_of(api, info);
        ((*api).ReleaseTensorTypeAndShapeInfo)(info);
        result
    }
}

/// The dimensions that a description of a shape holds; -1 is an unknown one.
///
/// # Safety
/// `api` is a valid table, `shape` of its making.
pub(super) unsafe fn shape_of(api: *const OrtApi, shape: *const OrtTensorTypeAndShapeInfo) -> Result<Vec<i64>, Error> {
    let mut rank = 0;
    // SAFETY: the out-pointers are valid, the buffer as long as said.
    unsafe {
        check(api, ((*api).GetDimensionsCount)(shape, &mut rank))?;
        let mut dimensions = vec![0; rank];
        check(api, ((*api).GetDimensions)(shape, dimensions.as_mut_ptr(), rank))?;
        Ok(dimensions)
    }
}

/// The number of elements, unless it overflows.
pub(super) fn count(dimensions: &[i64]) -> Result<usize, Error> {
    let product = dimensions.iter().try_fold(1usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?));
    // A slice may not span more than isize::MAX bytes, and elements have up to four.
    product.filter(|n| *n <= isize::MAX as usize / 4).ok_or_else(|| Error::TooLarge(dimensions.to_vec()))
}

/// The start of a tensor's elements, checked for their alignment; a dangling pointer where there are none.
///
/// # Safety
/// `api` is a valid table, `value` one of its tensors of `E`.
pub(super) unsafe fn data<E: OrtElement>(
    api: *const OrtApi,
    value: *mut OrtValue,
    name: &'static str,
    count: usize,
) -> Result<*mut E, Error> {
    if count == 0 {
        return Ok(std::ptr::NonNull::dangling().as_ptr());
    }
    let mut start: *mut c_void = std::ptr::null_mut();
    // SAFETY: the out-pointer is valid.
    unsafe { check(api, ((*api).GetTensorMutableData)(value, &mut start))? };
    let start = start.cast::<E>();
    if start.is_null() || !start.is_aligned() {
        return Err(Error::Memory(name));
    }
    Ok(start)
}

/// A small tensor's elements, widened.
///
/// # Safety
/// As for [`data`].
pub(super) unsafe fn widened<E: OrtElement>(
    api: *const OrtApi,
    value: *const OrtValue,
    name: &'static str,
) -> Result<(Vec<i64>, Vec<f32>), Error> {
    // SAFETY: passed on to the caller; the slice is as long as the tensor says.
    unsafe {
        let dimensions = dimensions(api, value)?;
        let count = count(&dimensions)?;
        let start = data::<E>(api, value.cast_mut(), name, count)?;
        let mut out = vec![0.0; count];
        E::widen(std::slice::from_raw_parts(start, count), &mut out);
        Ok((dimensions, out))
    }
}

/// ONNX Runtime's own thread pool, for the length of one call.
pub(super) struct Pool {
    pub(super) api: *const OrtApi,
    pub(super) context: *mut OrtKernelContext,
}

// SAFETY: the two pointers are only handed back to ONNX Runtime, whose ParallelFor may be called from any thread.
unsafe impl Sync for Pool {}

struct Jobs<'a> {
    job: &'a (dyn Fn(usize) + Sync),
    panicked: AtomicBool,
}

unsafe extern "C" fn run_job(jobs: *mut c_void, index: usize) {
    // SAFETY: `Pool::run` passes a `Jobs` that outlives the call.
    let jobs = unsafe { &*jobs.cast::<Jobs<'_>>() };
    if catch_unwind(AssertUnwindSafe(|| (jobs.job)(index))).is_err() {
        jobs.panicked.store(true, Ordering::Relaxed);
    }
}

impl Parallel for Pool {
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) -> Result<(), Error> {
        let jobs = Jobs { job, panicked: AtomicBool::new(false) };
        let user = std::ptr::from_ref(&jobs).cast_mut().cast::<c_void>();
        // SAFETY: ParallelFor returns when every job has run, so `jobs` outlives its uses; 0 lets it choose batches.
        unsafe { check(self.api, ((*self.api).KernelContext_ParallelFor)(self.context, run_job, count, 0, user))? };
        if jobs.panicked.into_inner() { Err(Error::Panicked) } else { Ok(()) }
    }
}
