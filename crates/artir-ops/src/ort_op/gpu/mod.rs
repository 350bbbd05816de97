//! Nodes of the operators on a GPU. Weights are tensors of the device like the maps, so that a node keeps next to nothing.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;

use ort_sys::{
    ONNXTensorElementDataType, OrtAllocator, OrtApi, OrtCustomOpInputOutputCharacteristic, OrtKernelContext,
    OrtKernelInfo, OrtMemoryInfo, OrtValue,
};

mod modulation;

pub(super) use self::modulation::GpuModulation;
use super::api::{self, OrtElement, check};
use super::large_kernel::LargeKernel;
use super::options::Options;
use super::table::Kernel;
use crate::Error;
use crate::cuda::Machine;
use crate::gated_block::{self, Half};
use crate::large_kernel::{self, Shape};

/// A tensor of the device.
struct Device {
    dimensions: Vec<i64>,
    start: *mut c_void,
}

impl Device {
    /// # Safety
    /// `value` is one of the runtime's tensors of `E`.
    unsafe fn new<E: OrtElement>(
        api: *const OrtApi,
        value: *const OrtValue,
        name: &'static str,
    ) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        unsafe {
            let dimensions = api::dimensions(api, value)?;
            let count = api::count(&dimensions)?;
            let start = api::data::<E>(api, value.cast_mut(), name, count)?;
            Ok(Self { dimensions, start: start.cast() })
        }
    }

    /// An input that must be there.
    ///
    /// # Safety
    /// As for KernelComputeV2; the input is of `E`.
    unsafe fn input<E: OrtElement>(
        api: *const OrtApi,
        context: *const OrtKernelContext,
        index: usize,
        name: &'static str,
    ) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        unsafe { Self::new::<E>(api, api::input(api, context, index)?.ok_or(Error::MissingInput(name))?, name) }
    }

    /// The output, of this shape.
    ///
    /// # Safety
    /// As for KernelComputeV2; the output is of `E`.
    unsafe fn output<E: OrtElement>(
        api: *const OrtApi,
        context: *mut OrtKernelContext,
        shape: &[i64],
    ) -> Result<Self, Error> {
        let mut value = std::ptr::null_mut();
        // SAFETY: passed on to the caller.
        unsafe {
            check(api, ((*api).KernelContext_GetOutput)(context, 0, shape.as_ptr(), shape.len(), &mut value))?;
            Self::new::<E>(api, value, "the output")
        }
    }
}

fn provider<M: Machine>() -> *const c_char {
    M::PROVIDER.map_or(std::ptr::null(), CStr::as_ptr)
}

fn is_f16<E: OrtElement>() -> bool {
    E::TYPE == ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16
}

/// Where the values of the inputs after the first stand, each of which must have its shape; null for those beyond the names.
///
/// # Safety
/// As for KernelComputeV2; the inputs are of `E`.
unsafe fn others<E: OrtElement, const N: usize>(
    api: *const OrtApi,
    context: *const OrtKernelContext,
    names: &[&'static str],
    wanted: [&[i64]; N],
) -> Result<[*const c_void; N], Error> {
    let mut starts = [std::ptr::null(); N];
    for (i, (name, wanted)) in names.iter().skip(1).zip(wanted).enumerate() {
        // SAFETY: passed on to the caller.
        let input = unsafe { Device::input::<E>(api, context, i + 1, name)? };
        if input.dimensions != wanted {
            let sizes = |shape: &[i64]| shape.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect();
            let (found, wanted) = (sizes(&input.dimensions), sizes(wanted));
            return Err(Error::WeightShape { name: (*name).into(), found, wanted });
        }
        starts[i] = input.start.cast_const();
    }
    Ok(starts)
}

fn integer(value: i64) -> Result<i32, Error> {
    i32::try_from(value).map_err(|_| Error::TooLarge(vec![value]))
}

/// `artir.DynamicLargeKernel` on a machine `M`, for elements of type `E`.
pub(super) struct GpuLargeKernel<M, E> {
    api: *const OrtApi,
    kernel_size: usize,
    of: PhantomData<(M, E)>,
}

impl<M: Machine, E: OrtElement> Kernel for GpuLargeKernel<M, E> {
    const NAME: &'static CStr = c"DynamicLargeKernel";
    const INPUTS: usize = 3;
    const TYPE: ONNXTensorElementDataType = E::TYPE;

    fn provider() -> *const c_char {
        provider::<M>()
    }

    fn input(index: usize) -> OrtCustomOpInputOutputCharacteristic {
        LargeKernel::<E>::input(index)
    }

    unsafe fn new(api: *const OrtApi, info: *const OrtKernelInfo, _: Options) -> Result<Self, Error> {
        let mut size = 0;
        // SAFETY: valid pointers, by the caller's promise.
        unsafe { check(api, ((*api).KernelInfoGetAttribute_int64)(info, c"kernel_size".as_ptr(), &mut size))? };
        Ok(Self { api, kernel_size: large_kernel::check_kernel_size(size)?, of: PhantomData })
    }

    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<(), Error> {
        let (api, size) = (self.api, self.kernel_size);
        let taps = |name: &'static str, tensor: Device| {
            let shape = tensor.dimensions;
            let fits = shape == [(size * size) as i64];
            if fits { Ok(tensor.start) } else { Err(Error::TapShape { input: name, shape, kernel_size: size }) }
        };
        // SAFETY: valid pointers, by the caller's promise; the kernel gets tensors of the shapes that it is told.
        unsafe {
            let map = Device::input::<E>(api, context, 0, "X")?;
            let &[batch, 1, height, width] = map.dimensions.as_slice() else {
                return Err(Error::MapShape(map.dimensions));
            };
            let scale = taps("w", Device::input::<E>(api, context, 1, "w")?)?;
            let add = match api::input(api, context, 2)? {
                Some(add) => taps("b", Device::new::<E>(api, add, "b")?)?,
                None => std::ptr::null_mut(),
            };
            let out = Device::output::<E>(api, context, &map.dimensions)?;
            if map.dimensions.contains(&0) {
                return Ok(());
            }
            // Each fits, since their product did.
            let shape = Shape { batch: batch as usize, height: height as usize, width: width as usize };
            let machine = M::current()?;
            let launch = large_kernel::cuda::launch(shape, size, is_f16::<E>(), &machine.limits())?;
            let arguments = large_kernel::cuda::Arguments {
                map: map.start,
                scale,
                add,
                out: out.start,
                batch: integer(batch)?,
                height: integer(height)?,
                width: integer(width)?,
                size: size as i32,
            };
            machine.launch(M::stream(api, context)?, &launch, std::ptr::from_ref(&arguments).cast())
        }
    }
}

/// `artir.GatedBlock` on a machine `M`, for elements of type `E`.
pub(super) struct GpuGatedBlock<M, E> {
    api: *const OrtApi,
    /// Hidden channels of both halves, after the gate.
    hidden: [usize; 2],
    of: PhantomData<(M, E)>,
}

/// Inputs in their order: the map, eight weights of the mixer, five of the feed-forward.
const BLOCK_INPUTS: [&str; 14] = [
    "x",
    "norm1_weight",
    "norm1_bias",
    "expand_weight",
    "expand_bias",
    "local_weight",
    "local_bias",
    "project_weight",
    "project_bias",
    "norm2_weight",
    "norm2_bias",
    "feed_expand",
    "feed_local",
    "feed_project",
];

impl<M: Machine, E: OrtElement> Kernel for GpuGatedBlock<M, E> {
    const NAME: &'static CStr = c"GatedBlock";
    const INPUTS: usize = BLOCK_INPUTS.len();
    const TYPE: ONNXTensorElementDataType = E::TYPE;

    fn provider() -> *const c_char {
        provider::<M>()
    }

    fn input(_: usize) -> OrtCustomOpInputOutputCharacteristic {
        OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
    }

    unsafe fn new(api: *const OrtApi, info: *const OrtKernelInfo, _: Options) -> Result<Self, Error> {
        let hidden = |attribute: &CStr, name: &'static str| {
            let mut value = 0;
            // SAFETY: valid pointers, by the caller's promise.
            unsafe { check(api, ((*api).KernelInfoGetAttribute_int64)(info, attribute.as_ptr(), &mut value))? };
            let half = usize::try_from(value).ok().filter(|n| *n > 0 && n.is_multiple_of(2)).map(|n| n / 2);
            half.ok_or(Error::HiddenChannels { name, value })
        };
        let hidden = [hidden(c"mixer_channels", "mixer_channels")?, hidden(c"feed_channels", "feed_channels")?];
        Ok(Self { api, hidden, of: PhantomData })
    }

    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<(), Error> {
        let api = self.api;
        // SAFETY: valid pointers, by the caller's promise; the kernels get tensors of the shapes that they are told.
        unsafe {
            let map = Device::input::<E>(api, context, 0, BLOCK_INPUTS[0])?;
            let &[batch, channels, height, width] = map.dimensions.as_slice() else {
                return Err(Error::MapShape(map.dimensions));
            };
            let [mixer, feed] = self.hidden.map(|n| n as i64);
            let c = channels;
            let wanted: [&[i64]; 13] = [
                &[c],
                &[c],
                &[2 * mixer, c, 1, 1],
                &[2 * mixer],
                &[2 * mixer, 1, 3, 3],
                &[2 * mixer],
                &[c, mixer, 1, 1],
                &[c],
                &[c],
                &[c],
                &[2 * feed, c, 1, 1],
                &[2 * feed, 1, 3, 3],
                &[c, feed, 1, 1],
            ];
            let weights = others::<E, 13>(api, context, &BLOCK_INPUTS, wanted)?;
            let out = Device::output::<E>(api, context, &map.dimensions)?;
            if map.dimensions.contains(&0) {
                return Ok(());
            }
            let [w1, b1, expand, expand_bias, local, local_bias, project, project_bias, w2, b2, wide, near, narrow] =
                weights;
            // Each fits, since their product did.
            let shape = [batch, channels, height, width].map(|n| n as usize);
            let machine = M::current()?;
            let stream = M::stream(api, context)?;
            let between = Scratch::new(api, context, 4 * api::count(&map.dimensions)?)?;
            let none = std::ptr::null();
            let mut arguments = gated_block::Arguments {
                input: map.start,
                norm_weight: w1,
                norm_bias: b1,
                expand,
                expand_bias,
                local,
                local_bias,
                project,
                project_bias,
                output: between.start,
                batch: integer(batch)?,
                channels: integer(channels)?,
                hidden: integer(mixer)?,
                height: integer(height)?,
                width: integer(width)?,
            };
            let launch = |half| gated_block::launch(half, shape, is_f16::<E>(), &machine.limits());
            machine.launch(stream, &launch(Half::Mixer)?, std::ptr::from_ref(&arguments).cast())?;
            arguments = gated_block::Arguments {
                input: between.start,
                norm_weight: w2,
                norm_bias: b2,
                expand: wide,
                expand_bias: none,
                local: near,
                local_bias: none,
                project: narrow,
                project_bias: none,
                output: out.start,
                hidden: integer(feed)?,
                ..arguments
            };
            machine.launch(stream, &launch(Half::Feed)?, std::ptr::from_ref(&arguments).cast())
        }
    }
}

/// Memory of the device for the length of one call. It goes back to ONNX Runtime's arena when the launches are on their
/// stream: the arena knows the stream, and gives the block to nobody on another one before it is through.
struct Scratch {
    api: *const OrtApi,
    allocator: *mut OrtAllocator,
    start: *mut c_void,
}

impl Scratch {
    /// # Safety
    /// As for KernelComputeV2, in a node whose first input lies on its device.
    unsafe fn new(api: *const OrtApi, context: *mut OrtKernelContext, bytes: usize) -> Result<Self, Error> {
        let mut memory: *const OrtMemoryInfo = std::ptr::null();
        let mut scratch = Self { api, allocator: std::ptr::null_mut(), start: std::ptr::null_mut() };
        // SAFETY: passed on to the caller; the memory's description belongs to the input.
        unsafe {
            let value = api::input(api, context, 0)?.ok_or(Error::MissingInput("x"))?;
            check(api, ((*api).GetTensorMemoryInfo)(value, &mut memory))?;
            check(api, ((*api).KernelContext_GetAllocator)(context, memory, &mut scratch.allocator))?;
            check(api, ((*api).KernelContext_GetScratchBuffer)(context, memory, bytes, &mut scratch.start))?;
        }
        if scratch.start.is_null() { Err(Error::Memory("scratch")) } else { Ok(scratch) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: allocator and block came from the runtime, and each goes back once.
        unsafe {
            if let Some(allocator) = self.allocator.as_mut() {
                if let (false, Some(free)) = (self.start.is_null(), allocator.Free) {
                    free(self.allocator, self.start);
                }
                ((*self.api).ReleaseAllocator)(self.allocator);
            }
        }
    }
}
