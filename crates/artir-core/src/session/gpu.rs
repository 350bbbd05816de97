//! Sessions on a GPU: batches, bound memory, and the reaction to full GPU memory.

use std::path::Path;

use ndarray::{Array4, ArrayView4, Axis, concatenate, s};
use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{Session as OrtSession, builder::SessionBuilder},
    value::Tensor,
};

use crate::{
    Error, Model, NodePlacement, Provider,
    error::{DeviceError, InferenceError, ProfileError},
    provider::{cuda, placement, tensorrt},
};

/// Out-of-memory messages of ONNX Runtime, CUDA, cuDNN and cuBLAS.
const OUT_OF_MEMORY: [&str; 5] = [
    "out of memory",
    "Failed to allocate memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA_ERROR_OUT_OF_MEMORY",
];

/// Whether an error is about the GPU's memory. ONNX Runtime has no code for it.
fn is_about_memory(e: &ort::Error) -> bool {
    let said = e.to_string();
    OUT_OF_MEMORY.iter().any(|text| said.contains(text))
}

fn failed(e: ort::Error) -> Error {
    if is_about_memory(&e) { Error::DeviceMemory { smaller_tiles: true } } else { InferenceError::from(e).into() }
}

/// A model on a GPU. TensorRT has a session for each shape, CUDA one for all.
pub(super) struct Gpu {
    provider: Provider,
    bytes: Vec<u8>,
    hash: String,
    threads: usize,
    made: Vec<(Option<[usize; 4]>, Ready)>,
    /// The largest batch that has not failed for lack of memory.
    most: usize,
}

/// An ONNX Runtime session with its input and output memory.
pub(super) struct Ready {
    session: OrtSession,
    memory: MemoryInfo<'static>,
    input: Option<Tensor<f32>>,
}

impl Gpu {
    pub(super) fn new(provider: Provider, model: &Model, threads: usize) -> Result<Self, Error> {
        let (bytes, hash) = (model.bytes().to_vec(), model.hash().to_owned());
        let mut made = Self { provider, bytes, hash, threads, made: Vec::new(), most: usize::MAX };
        let card = model.card();
        made.ready([1, card.input.channels, card.tile, card.tile])?;
        Ok(made)
    }

    /// Runs the network on `[image, channel, row, column]`; in smaller batches if the GPU's memory is too small.
    pub(super) fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<Array4<f32>, Error> {
        let mut most = self.most;
        let result = in_parts(input, &mut most, &mut |part| {
            let (images, channels, rows, columns) = part.dim();
            self.ready([images, channels, rows, columns])?.run(part)
        });
        self.most = most;
        result
    }

    /// The placement of nodes on providers for an image of this size.
    pub(super) fn placement(&mut self, shape: [usize; 4]) -> Result<Vec<NodePlacement>, Error> {
        let equip = |builder| self.equip(builder, shape);
        placed(&self.bytes, self.threads, shape, &equip)
    }

    fn ready(&mut self, shape: [usize; 4]) -> Result<&mut Ready, Error> {
        let key = matches!(self.provider, Provider::TensorRt(_)).then_some(shape);
        let at = match self.made.iter().position(|(of, _)| *of == key) {
            Some(at) => at,
            None => {
                let ready = self.make(shape)?;
                self.made.push((key, ready));
                self.made.len() - 1
            }
        };
        Ok(&mut self.made[at].1)
    }

    fn equip(&self, builder: SessionBuilder, shape: [usize; 4]) -> Result<SessionBuilder, DeviceError> {
        match self.provider {
            Provider::TensorRt(number) => {
                let engine = tensorrt::Engine::of_this_machine(&self.hash, shape, number)?;
                tensorrt::equip(builder, number, &engine, &tensorrt::cache())
            }
            Provider::Cuda(number) => cuda::equip(builder, number),
            Provider::Cpu => Err(DeviceError::NotAGpu),
        }
    }

    fn make(&self, shape: [usize; 4]) -> Result<Ready, Error> {
        let device = |source: DeviceError| match source {
            DeviceError::Session(e) if is_about_memory(&e) => Error::DeviceMemory { smaller_tiles: true },
            source => Error::Device { device: self.provider.name().into(), source },
        };
        let build = |alone: bool| -> Result<OrtSession, DeviceError> {
            let mut builder = self.equip(super::options(self.threads)?, shape)?;
            if alone {
                builder = builder.with_disable_cpu_fallback().map_err(ort::Error::from)?;
            }
            Ok(builder.commit_from_memory(&self.bytes)?)
        };
        let session = match build(true) {
            // ONNX Runtime does not name the nodes that would fall back.
            Err(DeviceError::Session(e)) if e.to_string().contains("fallback to CPU") => {
                let placed = placed(&self.bytes, self.threads, shape, &|builder| self.equip(builder, shape));
                let landed = placed.ok().and_then(|placed| placement::on_cpu(&placed));
                let nodes = landed.unwrap_or_else(|| "ONNX Runtime does not name them".into());
                tracing::warn!("some nodes run on the CPU, with copies both ways: {nodes}");
                build(false)
            }
            other => other,
        };
        Ok(Ready { session: session.map_err(device)?, memory: host_memory()?, input: None })
    }
}

impl Ready {
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<Array4<f32>, Error> {
        let shape = input.shape().to_vec();
        let fits = |tensor: &Tensor<f32>| tensor.shape().iter().map(|d| *d as usize).eq(shape.iter().copied());
        if !self.input.as_ref().is_some_and(fits) {
            let allocator = Allocator::new(&self.session, self.memory.clone()).map_err(failed)?;
            self.input = None;
            self.input = Some(Tensor::new(&allocator, shape.clone()).map_err(failed)?);
        }
        let Some(given) = &mut self.input else {
            return Err(InferenceError::NoInput.into());
        };
        let mut to = given.try_extract_array_mut::<f32>().map_err(failed)?;
        to.assign(&input.into_dyn());
        let [from, out] = [self.session.inputs()[0].name(), self.session.outputs()[0].name()].map(str::to_owned);
        let mut binding = self.session.create_binding().map_err(failed)?;
        binding.bind_input(from, given).map_err(failed)?;
        binding.bind_output_to_device(out, &self.memory).map_err(failed)?;
        let outputs = self.session.run_binding(&binding).map_err(failed)?;
        let output = outputs[0].try_extract_array::<f32>().map_err(failed)?;
        if output.shape() != shape {
            return Err(InferenceError::Shape { expected: shape, found: output.shape().to_vec() }.into());
        }
        Ok(output.to_owned().into_dimensionality()?)
    }
}

/// Ordinary host memory. Page-locked memory would transfer faster, but ONNX Runtime reports it as GPU memory since 1.23,
/// and then the `ort` crate denies the CPU access to it at the API level that artir is built for.
fn host_memory() -> Result<MemoryInfo<'static>, Error> {
    MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default).map_err(failed)
}

/// Runs a profiled session once and reads where its nodes ran.
fn placed(
    bytes: &[u8],
    threads: usize,
    shape: [usize; 4],
    equip: &dyn Fn(SessionBuilder) -> Result<SessionBuilder, DeviceError>,
) -> Result<Vec<NodePlacement>, Error> {
    let folder = tempfile::tempdir().map_err(|e| InferenceError::from(ProfileError::Folder(e)))?;
    let prefix = folder.path().join("profile");
    let builder = equip(super::options(threads)?).map_err(InferenceError::from)?;
    let builder = builder.with_profiling(&prefix).map_err(|e| failed(e.into()))?;
    let mut session = { builder }.commit_from_memory(bytes).map_err(failed)?;
    let image = Tensor::from_array(Array4::<f32>::zeros(shape)).map_err(failed)?;
    session.run(ort::inputs![image]).map_err(failed)?;
    let profile = session.end_profiling().map_err(failed)?;
    Ok(placement::read(Path::new(&profile)).map_err(InferenceError::from)?)
}

/// A run of the network on some images.
type Run<'a> = &'a mut dyn FnMut(ArrayView4<'_, f32>) -> Result<Array4<f32>, Error>;

/// Runs images in parts of at most `most`, which is halved for as long as the GPU's memory is too small, and stays so.
fn in_parts(input: ArrayView4<'_, f32>, most: &mut usize, run: Run<'_>) -> Result<Array4<f32>, Error> {
    let images = input.dim().0;
    let mut parts = Vec::new();
    let mut first = 0;
    while first < images {
        let count = (*most).min(images - first).max(1);
        match run(input.slice(s![first..first + count, .., .., ..])) {
            Ok(part) => {
                parts.push(part);
                first += count;
            }
            Err(Error::DeviceMemory { .. }) if count > 1 => {
                *most = count / 2;
                tracing::info!("the GPU's memory is too small for a batch of {count} images: continuing with {most}");
            }
            Err(e) => return Err(e),
        }
    }
    if let [one] = &mut parts[..] {
        return Ok(std::mem::take(one));
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    Ok(concatenate(Axis(0), &views)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    fn numbered(images: usize) -> Array4<f32> {
        Array4::from_shape_fn((images, 1, 2, 2), |(n, _, y, x)| (n * 4 + y * 2 + x) as f32)
    }

    #[test]
    fn too_many_images_go_in_smaller_parts_and_nothing_is_lost() {
        // The runtime makes its own errors.
        crate::environment().unwrap();
        for room in [1, 2, 3, 7, 20] {
            let (mut most, mut sizes) = (usize::MAX, Vec::new());
            let mut run = |part: ArrayView4<'_, f32>| {
                if part.dim().0 > room {
                    return Err(failed(ort::Error::new("CUDA failure 2: out of memory")));
                }
                sizes.push(part.dim().0);
                Ok(part.mapv(|v| v + 0.5))
            };
            let got = in_parts(numbered(13).view(), &mut most, &mut run).unwrap();
            assert_eq!(got, numbered(13).mapv(|v| v + 0.5), "room for {room}");
            assert_eq!(sizes.iter().sum::<usize>(), 13);
            // The reduced batch size is kept for the next run.
            let mut tried = 0;
            in_parts(numbered(13).view(), &mut most, &mut |part| {
                tried += 1;
                assert!(part.dim().0 <= room);
                Ok(part.to_owned())
            })
            .unwrap();
            assert!(tried >= 13usize.div_ceil(room));
        }
    }

    #[test]
    fn one_image_that_does_not_fit_is_an_error_that_says_so() {
        crate::environment().unwrap();
        let mut most = usize::MAX;
        let error = in_parts(numbered(4).view(), &mut most, &mut |_| {
            Err(failed(ort::Error::new("Failed to allocate memory for x")))
        });
        let error = error.unwrap_err();
        assert!(matches!(error, Error::DeviceMemory { .. }), "{error}");
        assert_eq!(most, 1);
        let other =
            in_parts(numbered(4).view(), &mut most, &mut |_| Err(failed(ort::Error::new("bad node")))).unwrap_err();
        assert!(matches!(other, Error::Inference(_)));
    }

    /// The binding and the reused input.
    #[test]
    fn bound_memory_gives_what_a_plain_run_gives() {
        let model = zoo::open("ct-ldct-t").unwrap();
        let plain = crate::Session::new(&model, crate::Device::Cpu, 1, crate::Precision::F32).unwrap();
        let mut builder = super::super::options(1).unwrap();
        artir_ops::register(&mut builder).unwrap();
        let mut bound = Ready {
            session: builder.commit_from_memory(model.bytes()).unwrap(),
            memory: host_memory().unwrap(),
            input: None,
        };
        for (shape, seed) in [((2, 1, 16, 20), 3), ((2, 1, 16, 20), 5), ((1, 1, 24, 8), 7)] {
            let image = Array4::from_shape_fn(shape, |(n, _, y, x)| ((n + y * seed + x * x) % 11) as f32 / 11.0);
            assert_eq!(bound.run(image.view()).unwrap(), plain.run(image.view()).unwrap());
        }
    }

    #[test]
    fn a_session_tells_where_its_nodes_ran() {
        let model = zoo::open("ct-ldct-t").unwrap();
        let shape = [1, 1, 8, 8];
        let with_operator = placed(model.bytes(), 1, shape, &|mut builder| {
            artir_ops::register(&mut builder)?;
            Ok(builder)
        });
        let with_operator = with_operator.unwrap();
        assert!(with_operator.iter().any(|p| p.operator == "Network" && p.nodes == 1), "{with_operator:?}");
        assert_eq!(placement::on_cpu(&with_operator).unwrap(), "1 Network");
        let inlined = placed(model.bytes(), 1, shape, &Ok).unwrap();
        assert!(inlined.iter().any(|p| p.operator.contains("Conv") && p.nodes > 10), "{inlined:?}");
    }
}
