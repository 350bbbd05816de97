//! The table of callbacks that describes the operator to ONNX Runtime.

use std::ffi::{c_char, c_int, c_void};

use ort_sys::{
    ONNXTensorElementDataType, ORT_API_VERSION, OrtApi, OrtCustomOp, OrtCustomOpInputOutputCharacteristic,
    OrtKernelContext, OrtKernelInfo, OrtMemType, OrtShapeInferContext, OrtStatusPtr,
};

use super::api::{OrtElement, check, guard};
use super::kernel::Kernel;

/// The operator for one element type. ONNX Runtime sees `base` alone, which therefore stands first.
#[repr(C)]
pub(super) struct Operator {
    base: OrtCustomOp,
    api: *const OrtApi,
}

unsafe extern "system" fn create<E: OrtElement>(
    _: *const OrtCustomOp,
    api: *const OrtApi,
    info: *const OrtKernelInfo,
    out: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: ONNX Runtime's own pointers; the kernel goes back to `destroy`.
    unsafe {
        guard(api, || {
            let kernel = Kernel::new::<E>(api, info)?;
            *out = Box::into_raw(Box::new((kernel, api))).cast();
            Ok(())
        })
    }
}

unsafe extern "system" fn compute<E: OrtElement>(kernel: *mut c_void, context: *mut OrtKernelContext) -> OrtStatusPtr {
    // SAFETY: the kernel is what `create` made, and is only read.
    unsafe {
        let (kernel, api) = &*kernel.cast::<(Kernel, *const OrtApi)>();
        guard(*api, || kernel.compute::<E>(context))
    }
}

unsafe extern "system" fn destroy(kernel: *mut c_void) {
    // SAFETY: the kernel is what `create` made, destroyed once.
    drop(unsafe { Box::from_raw(kernel.cast::<(Kernel, *const OrtApi)>()) });
}

unsafe extern "system" fn infer_shape(op: *const OrtCustomOp, context: *mut OrtShapeInferContext) -> OrtStatusPtr {
    // SAFETY: the operator is one of ours; the input's shape belongs to the context.
    unsafe {
        let api = (*op.cast::<Operator>()).api;
        guard(api, || {
            let mut shape = std::ptr::null_mut();
            check(api, ((*api).ShapeInferContext_GetInputTypeShape)(context, 0, &mut shape))?;
            check(api, ((*api).ShapeInferContext_SetOutputTypeShape)(context, 0, shape))
        })
    }
}

unsafe extern "system" fn name(_: *const OrtCustomOp) -> *const c_char {
    c"DynamicLargeKernel".as_ptr()
}

/// Null: the CPU.
unsafe extern "system" fn provider(_: *const OrtCustomOp) -> *const c_char {
    std::ptr::null()
}

unsafe extern "system" fn element<E: OrtElement>(_: *const OrtCustomOp, _: usize) -> ONNXTensorElementDataType {
    E::TYPE
}

unsafe extern "system" fn three(_: *const OrtCustomOp) -> usize {
    3
}

unsafe extern "system" fn single(_: *const OrtCustomOp) -> usize {
    1
}

unsafe extern "system" fn input(_: *const OrtCustomOp, index: usize) -> OrtCustomOpInputOutputCharacteristic {
    if index == 2 {
        OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_OPTIONAL
    } else {
        OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
    }
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

/// The operator for elements of type `E`.
pub(super) fn operator<E: OrtElement>(api: *const OrtApi) -> Operator {
    let base = OrtCustomOp {
        version: ORT_API_VERSION,
        CreateKernel: None,
        GetName: Some(name),
        GetExecutionProviderType: Some(provider),
        GetInputType: Some(element::<E>),
        GetInputTypeCount: Some(three),
        GetOutputType: Some(element::<E>),
        GetOutputTypeCount: Some(single),
        KernelCompute: None,
        KernelDestroy: Some(destroy),
        GetInputCharacteristic: Some(input),
        GetOutputCharacteristic: Some(output),
        GetInputMemoryType: Some(memory),
        GetVariadicInputMinArity: Some(one),
        GetVariadicInputHomogeneity: Some(one),
        GetVariadicOutputMinArity: Some(one),
        GetVariadicOutputHomogeneity: Some(one),
        CreateKernelV2: Some(create::<E>),
        KernelComputeV2: Some(compute::<E>),
        InferOutputShapeFn: Some(infer_shape),
        GetStartVersion: Some(one),
        GetEndVersion: Some(one),
        GetMayInplace: Some(no_pairs),
        ReleaseMayInplace: Some(release_pairs),
        GetAliasMap: Some(no_pairs),
        ReleaseAliasMap: Some(release_pairs),
    };
    Operator { base, api }
}
