//! The table of callbacks that describes an operator to ONNX Runtime.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use ort_sys::{
    ONNXTensorElementDataType, ORT_API_VERSION, OrtApi, OrtCustomOp, OrtCustomOpInputOutputCharacteristic,
    OrtKernelContext, OrtKernelInfo, OrtMemType, OrtShapeInferContext, OrtStatusPtr, OrtTensorTypeAndShapeInfo,
};

use super::api::{check, guard, shape_of};
use super::options::Options;
use crate::Error;

/// A node of an operator: made once a session, run from any number of threads.
pub(super) trait Kernel: Sized {
    /// The operator's name in domain `artir`.
    const NAME: &'static CStr;
    /// Declared inputs; the last one may be variadic.
    const INPUTS: usize;
    /// Element type of all inputs and of the output, whose shape is that of the first input but for [`Self::WIDER`].
    const TYPE: ONNXTensorElementDataType;
    /// How many channels (dimension 1) the output has for one of the first input.
    const WIDER: i64 = 1;

    /// The provider whose nodes these are, by ONNX Runtime's name; null is the CPU.
    fn provider() -> *const c_char {
        std::ptr::null()
    }

    /// Whether an input must be there, may be left out, or is variadic.
    fn input(index: usize) -> OrtCustomOpInputOutputCharacteristic;

    /// Reads the attributes, the constant inputs and the session's options; errors in them are reported before the first run.
    ///
    /// # Safety
    /// Called with ONNX Runtime's arguments of CreateKernelV2.
    unsafe fn new(api: *const OrtApi, info: *const OrtKernelInfo, options: Options) -> Result<Self, Error>;

    /// Runs the operator once.
    ///
    /// # Safety
    /// Called with ONNX Runtime's arguments of KernelComputeV2.
    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<(), Error>;
}

/// An operator. ONNX Runtime accesses only `base`, which must be the first field.
#[repr(C)]
pub(super) struct Operator {
    base: OrtCustomOp,
    api: *const OrtApi,
    options: Options,
}

unsafe extern "system" fn create<K: Kernel>(
    op: *const OrtCustomOp,
    api: *const OrtApi,
    info: *const OrtKernelInfo,
    out: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: ONNX Runtime's own pointers; the operator is one of ours; the kernel goes back to `destroy`.
    unsafe {
        guard(api, K::NAME, || {
            let kernel = K::new(api, info, (*op.cast::<Operator>()).options)?;
            *out = Box::into_raw(Box::new((kernel, api))).cast();
            Ok(())
        })
    }
}

unsafe extern "system" fn compute<K: Kernel>(kernel: *mut c_void, context: *mut OrtKernelContext) -> OrtStatusPtr {
    // SAFETY: the kernel is what `create` made, and is only read.
    unsafe {
        let (kernel, api) = &*kernel.cast::<(K, *const OrtApi)>();
        guard(*api, K::NAME, || kernel.compute(context))
    }
}

unsafe extern "system" fn destroy<K: Kernel>(kernel: *mut c_void) {
    // SAFETY: the kernel is what `create` made, destroyed once.
    drop(unsafe { Box::from_raw(kernel.cast::<(K, *const OrtApi)>()) });
}

/// Makes the first input's shape the output's: dimension 1 `times` over, and a name for each dimension that has neither a value
/// nor a name, since ONNX Runtime would treat -1 as a real size.
///
/// # Safety
/// `api` is a valid table, `shape` of its making.
unsafe fn describe(api: *const OrtApi, shape: *mut OrtTensorTypeAndShapeInfo, times: i64) -> Result<(), Error> {
    static NAMED: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the buffers are as long as said, and names are copied before they go.
    unsafe {
        let mut values = shape_of(api, shape)?;
        let rank = values.len();
        let mut names = vec![std::ptr::null::<c_char>(); rank];
        check(api, ((*api).GetSymbolicDimensions)(shape, names.as_mut_ptr(), rank))?;
        if times != 1
            && let (Some(channels), Some(name)) = (values.get_mut(1), names.get_mut(1))
        {
            *channels = if *channels < 0 { -1 } else { channels.saturating_mul(times) };
            // Not as many as of the input: no name of the input's.
            *name = std::ptr::null();
        }
        let known: Vec<CString> = (0..rank)
            .map(|i| match (values[i] >= 0, names[i].is_null()) {
                (true, _) => CString::default(),
                (false, false) if !CStr::from_ptr(names[i]).is_empty() => CStr::from_ptr(names[i]).to_owned(),
                // A unique name: equal names would mean that two dimensions are equal.
                _ => CString::new(format!("artir.{}", NAMED.fetch_add(1, Ordering::Relaxed))).unwrap_or_default(),
            })
            .collect();
        let mut names: Vec<*const c_char> = known.iter().map(|name| name.as_ptr()).collect();
        if times != 1 {
            check(api, ((*api).SetDimensions)(shape, values.as_ptr(), rank))?;
        }
        check(api, ((*api).SetSymbolicDimensions)(shape, names.as_mut_ptr(), rank))
    }
}

unsafe extern "system" fn infer_shape<K: Kernel>(
    op: *const OrtCustomOp,
    context: *mut OrtShapeInferContext,
) -> OrtStatusPtr {
    // SAFETY: the operator is one of ours; the input's shape belongs to the context.
    unsafe {
        let api = (*op.cast::<Operator>()).api;
        guard(api, K::NAME, || {
            let mut shape = std::ptr::null_mut();
            check(api, ((*api).ShapeInferContext_GetInputTypeShape)(context, 0, &mut shape))?;
            describe(api, shape, K::WIDER)?;
            check(api, ((*api).ShapeInferContext_SetOutputTypeShape)(context, 0, shape))
        })
    }
}

unsafe extern "system" fn name<K: Kernel>(_: *const OrtCustomOp) -> *const c_char {
    K::NAME.as_ptr()
}

unsafe extern "system" fn provider<K: Kernel>(_: *const OrtCustomOp) -> *const c_char {
    K::provider()
}

unsafe extern "system" fn element<K: Kernel>(_: *const OrtCustomOp, _: usize) -> ONNXTensorElementDataType {
    K::TYPE
}

unsafe extern "system" fn inputs<K: Kernel>(_: *const OrtCustomOp) -> usize {
    K::INPUTS
}

unsafe extern "system" fn single(_: *const OrtCustomOp) -> usize {
    1
}

unsafe extern "system" fn input<K: Kernel>(
    _: *const OrtCustomOp,
    index: usize,
) -> OrtCustomOpInputOutputCharacteristic {
    K::input(index)
}

unsafe extern "system" fn output(_: *const OrtCustomOp, _: usize) -> OrtCustomOpInputOutputCharacteristic {
    OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
}

unsafe extern "system" fn memory(_: *const OrtCustomOp, _: usize) -> OrtMemType {
    OrtMemType::OrtMemTypeDefault
}

unsafe extern "system" fn one(_: *const OrtCustomOp) -> c_int {
    1
}

/// No input may be overwritten by an output, none is its alias.
unsafe extern "system" fn no_pairs(inputs: *mut *mut c_int, outputs: *mut *mut c_int) -> usize {
    // SAFETY: ONNX Runtime's own out-pointers.
    unsafe {
        *inputs = std::ptr::null_mut();
        *outputs = std::ptr::null_mut();
    }
    0
}

unsafe extern "system" fn release_pairs(_: *mut c_int, _: *mut c_int) {}

/// The operator whose nodes are `K`s.
pub(super) fn operator<K: Kernel>(api: *const OrtApi, options: Options) -> Operator {
    let base = OrtCustomOp {
        version: ORT_API_VERSION,
        CreateKernel: None,
        GetName: Some(name::<K>),
        GetExecutionProviderType: Some(provider::<K>),
        GetInputType: Some(element::<K>),
        GetInputTypeCount: Some(inputs::<K>),
        GetOutputType: Some(element::<K>),
        GetOutputTypeCount: Some(single),
        KernelCompute: None,
        KernelDestroy: Some(destroy::<K>),
        GetInputCharacteristic: Some(input::<K>),
        GetOutputCharacteristic: Some(output),
        GetInputMemoryType: Some(memory),
        GetVariadicInputMinArity: Some(one),
        GetVariadicInputHomogeneity: Some(one),
        GetVariadicOutputMinArity: Some(one),
        GetVariadicOutputHomogeneity: Some(one),
        CreateKernelV2: Some(create::<K>),
        KernelComputeV2: Some(compute::<K>),
        InferOutputShapeFn: Some(infer_shape::<K>),
        GetStartVersion: Some(one),
        GetEndVersion: Some(one),
        GetMayInplace: Some(no_pairs),
        ReleaseMayInplace: Some(release_pairs),
        GetAliasMap: Some(no_pairs),
        ReleaseAliasMap: Some(release_pairs),
    };
    Operator { base, api, options }
}
