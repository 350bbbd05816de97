//! One node of `artir.Network`: the image first, then the weights, all of them constants of the model.

use std::ffi::{CStr, c_int};

use ort_sys::{
    ONNXTensorElementDataType, OrtApi, OrtCustomOpInputOutputCharacteristic, OrtKernelContext, OrtKernelInfo,
};

use super::api::{self, Pool, check};
use super::options::Options;
use super::table::Kernel;
use crate::Error;
use crate::network::{Architecture, Network, Tensor};

/// State of a node.
pub(super) struct NetworkKernel {
    api: *const OrtApi,
    network: Network,
}

impl Kernel for NetworkKernel {
    const NAME: &'static CStr = c"Network";
    const INPUTS: usize = 2;
    const TYPE: ONNXTensorElementDataType = ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;

    fn input(index: usize) -> OrtCustomOpInputOutputCharacteristic {
        if index == 0 {
            OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
        } else {
            OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_VARIADIC
        }
    }

    unsafe fn new(api: *const OrtApi, info: *const OrtKernelInfo, options: Options) -> Result<Self, Error> {
        // SAFETY: valid pointers, by the caller's promise.
        unsafe {
            let mut inputs = 0;
            check(api, ((*api).KernelInfo_GetInputCount)(info, &mut inputs))?;
            let tensors = (1..inputs).map(|index| weight(api, info, index)).collect::<Result<Vec<_>, _>>()?;
            let head = tensors.first().ok_or(Error::WeightCount { more: false })?;
            let &[width, image_channels, ..] = head.shape.as_slice() else { return Err(Error::Architecture) };
            let depths = integers(api, info, c"depths")?.try_into().map_err(|_| Error::Architecture)?;
            let kernel_sizes = integers(api, info, c"kernel_sizes")?;
            let of = Architecture { depths, width, image_channels, kernel_sizes };
            let mut network = Network::new(of, tensors, options.precision)?;
            if let Some(threads) = options.threads {
                network.divide_for(threads);
            }
            Ok(Self { api, network })
        }
    }

    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<(), Error> {
        let api = self.api;
        // SAFETY: valid pointers, by the caller's promise; input and output are distinct tensors, since the operator
        // does not ask for in-place execution.
        unsafe {
            let mut image = std::ptr::null();
            check(api, ((*api).KernelContext_GetInput)(context, 0, &mut image))?;
            let dimensions = api::dimensions(api, image)?;
            let count = api::count(&dimensions)?;
            let sizes: Vec<usize> = dimensions.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect();
            let channels = self.network.architecture().image_channels;
            let shape = sizes.try_into().map_err(|_| Error::ImageShape { shape: [0; 4], channels })?;
            let mut output = std::ptr::null_mut();
            let create = (*api).KernelContext_GetOutput;
            check(api, create(context, 0, dimensions.as_ptr(), dimensions.len(), &mut output))?;
            let from = api::data::<f32>(api, image.cast_mut(), "image", count)?;
            let to = api::data::<f32>(api, output, "restored", count)?;
            let from = std::slice::from_raw_parts(from, count);
            let to = std::slice::from_raw_parts_mut(to, count);
            self.network.run(from, to, shape, &Pool { api, context })
        }
    }
}

/// A list of sizes.
unsafe fn integers(api: *const OrtApi, info: *const OrtKernelInfo, name: &CStr) -> Result<Vec<usize>, Error> {
    let read = |to: *mut i64, count: &mut usize| {
        // SAFETY: valid pointers, by the caller's promise; a null buffer asks for the length alone.
        unsafe { check(api, ((*api).KernelInfoGetAttributeArray_int64)(info, name.as_ptr(), to, count)) }
    };
    let mut count = 0;
    read(std::ptr::null_mut(), &mut count)?;
    let mut values = vec![0; count];
    read(values.as_mut_ptr(), &mut count)?;
    values.into_iter().map(|v| usize::try_from(v).map_err(|_| Error::Architecture)).collect()
}

/// A weight with its name.
unsafe fn weight(api: *const OrtApi, info: *const OrtKernelInfo, index: usize) -> Result<Tensor, Error> {
    let mut length = 0;
    let mut is_constant: c_int = 0;
    let mut value = std::ptr::null();
    // SAFETY: passed on to the caller; a null buffer asks for the length alone, the terminating zero included.
    unsafe {
        check(api, ((*api).KernelInfo_GetInputName)(info, index, std::ptr::null_mut(), &mut length))?;
        let mut name = vec![0u8; length];
        check(api, ((*api).KernelInfo_GetInputName)(info, index, name.as_mut_ptr().cast(), &mut length))?;
        let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
        check(api, ((*api).KernelInfoGetConstantInput_tensor)(info, index, &mut is_constant, &mut value))?;
        if is_constant == 0 || value.is_null() {
            return Err(Error::WeightNotConstant(name));
        }
        let (shape, values) = api::widened::<f32>(api, value, "a weight")?;
        let shape = shape.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect();
        Ok(Tensor { name, shape, values })
    }
}
