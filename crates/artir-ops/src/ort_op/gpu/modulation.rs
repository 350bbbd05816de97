//! Nodes of `artir.Modulation` and `artir.RefinedModulation`.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use ort_sys::{
    ONNXTensorElementDataType, OrtApi, OrtCustomOpInputOutputCharacteristic, OrtKernelContext, OrtKernelInfo,
};

use super::super::options::Options;
use super::{Device, is_f16, others, provider};
use crate::Error;
use crate::cuda::Machine;
use crate::modulation;
use crate::ort_op::api::OrtElement;
use crate::ort_op::table::Kernel;

/// A step of the cascade on a machine `M`, for elements of type `E`.
pub(in crate::ort_op) struct GpuModulation<M, E, const REFINED: bool> {
    api: *const OrtApi,
    of: PhantomData<(M, E)>,
}

/// Inputs in their order; the last two where the step is refined.
const INPUTS: [&str; 8] =
    ["X", "spatial", "weigh", "segment", "local_weight", "local_bias", "refine_weight", "refine_bias"];

impl<M: Machine, E: OrtElement, const REFINED: bool> Kernel for GpuModulation<M, E, REFINED> {
    const NAME: &'static CStr = if REFINED { c"RefinedModulation" } else { c"Modulation" };
    const INPUTS: usize = if REFINED { INPUTS.len() } else { INPUTS.len() - 2 };
    const TYPE: ONNXTensorElementDataType = E::TYPE;
    const WIDER: i64 = if REFINED { 2 } else { 1 };

    fn provider() -> *const c_char {
        provider::<M>()
    }

    fn input(_: usize) -> OrtCustomOpInputOutputCharacteristic {
        OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
    }

    unsafe fn new(api: *const OrtApi, _: *const OrtKernelInfo, _: Options) -> Result<Self, Error> {
        Ok(Self { api, of: PhantomData })
    }

    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<(), Error> {
        let api = self.api;
        // SAFETY: valid pointers, by the caller's promise; the kernel gets tensors of the shapes that it is told.
        unsafe {
            let map = Device::input::<E>(api, context, 0, INPUTS[0])?;
            let &[batch, channels, height, width] = map.dimensions.as_slice() else {
                return Err(Error::MapShape(map.dimensions));
            };
            let c = channels;
            let wanted: [&[i64]; 7] = [
                &[batch, 1, height, width],
                &[batch, c, 1, 1],
                &[batch, c, height, width],
                &[c, 1, 3, 3],
                &[c],
                &[2 * c, 1, 7, 7],
                &[2 * c],
            ];
            let starts = others::<E, 7>(api, context, &INPUTS[..Self::INPUTS], wanted)?;
            let out = Device::output::<E>(api, context, &[batch, Self::WIDER * c, height, width])?;
            if map.dimensions.contains(&0) {
                return Ok(());
            }
            // Each fits, since their product did.
            let shape = [batch, channels, height, width].map(|n| n as usize);
            let launch = modulation::launch(REFINED, shape, is_f16::<E>())?;
            let mut inputs = [map.start.cast_const(); 8];
            inputs[1..].copy_from_slice(&starts);
            let arguments = modulation::Arguments::new(inputs, out.start, shape);
            M::current()?.launch(M::stream(api, context)?, &launch, std::ptr::from_ref(&arguments).cast())
        }
    }
}
