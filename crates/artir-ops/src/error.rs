//! Errors of an operator's attributes, inputs or environment.

use std::path::PathBuf;

/// Why an operator refused to be built or to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `kernel_size` is even, zero, negative or above 127.
    #[error("kernel_size is {0}; it must be odd and from 1 to 127")]
    KernelSize(i64),
    /// A kernel input does not hold `kernel_size` squared taps in one dimension.
    #[error("input {input} has shape {shape:?}; kernel_size {kernel_size} needs [{}]", kernel_size * kernel_size)]
    TapShape {
        /// Name of the operator's input: `w` or `b`.
        input: &'static str,
        /// Shape found; -1 is a dimension that is not known yet.
        shape: Vec<i64>,
        /// Side of the kernel in taps.
        kernel_size: usize,
    },
    /// A kernel input holds a NaN or an infinity.
    #[error("input {input} holds a NaN or an infinity; the model's weights are damaged")]
    TapValue {
        /// Name of the operator's input: `w` or `b`.
        input: &'static str,
    },
    /// The map input is not `[N, 1, H, W]`.
    #[error("input X has shape {0:?}; it must be [N, 1, H, W] with one channel")]
    MapShape(Vec<i64>),
    /// A buffer's length does not match its shape.
    #[error("a buffer holds {got} elements where the shape {shape:?} asks for {want}")]
    BufferLength {
        /// Elements found.
        got: usize,
        /// Elements that the shape asks for.
        want: usize,
        /// Batch, height, width.
        shape: [usize; 3],
    },
    /// The shape's number of elements does not fit the address space.
    #[error("the shape {0:?} has more elements than this machine can address")]
    TooLarge(Vec<i64>),
    /// A required input is missing.
    #[error("input {0} is missing")]
    MissingInput(&'static str),
    /// A tensor's memory is not aligned for its type.
    #[error("the memory of {0} is missing or not aligned to its element type")]
    Memory(&'static str),
    /// ONNX Runtime reported a failure; its message follows.
    #[error("ONNX Runtime: {0}")]
    Runtime(String),
    /// The runtime is too old for this library.
    #[error("ONNX Runtime is older than version 1.{0}, which these operators need")]
    OldRuntime(u32),
    /// A file is not an ONNX Runtime that can be loaded.
    #[error("{}: {reason}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The session option has another value.
    #[error("the session option artir.precision must be f32 or fast, not '{0}'")]
    Precision(String),
    /// `artir.threads` is not a number from 1 up.
    #[error("the session option artir.threads must be a number from 1 up, not '{0}'")]
    Threads(String),
    /// A worker panicked: a fault in this crate.
    #[error("internal fault: a worker panicked")]
    Panicked,
    /// A list in training has another length than the network and its images ask for.
    #[error("a list holds {got} numbers where {want} are needed")]
    ListLength {
        /// Numbers found.
        got: usize,
        /// Numbers needed.
        want: usize,
    },
    /// Gradients were requested without a kept forward pass.
    #[error("backward needs a kept forward pass, and can use it only once")]
    NothingKept,
    /// The network has widths that the loops do not have.
    #[error("the network's widths are not multiples of 16, or too large: use the model without these operators")]
    Architecture,
    /// Too few or too many weights.
    #[error("the network has {} weights than its attributes ask for", if *more { "more" } else { "fewer" })]
    WeightCount {
        /// Whether there are too many.
        more: bool,
    },
    /// A weight has another shape than the network's attributes ask for.
    #[error("weight {name} has shape {found:?}; it must be {wanted:?}")]
    WeightShape {
        /// Name of the input.
        name: String,
        /// Shape found.
        found: Vec<usize>,
        /// Requested shape.
        wanted: Vec<usize>,
    },
    /// A weight holds a NaN or an infinity.
    #[error("weight {name} holds a NaN or an infinity; the model is damaged")]
    WeightValue {
        /// Name of the input.
        name: String,
    },
    /// A weight is not part of the model.
    #[error("weight {0} must be a constant of the model")]
    WeightNotConstant(String),
    /// The image does not fit the network.
    #[error(
        "the image has shape {shape:?}; it must be [N, {channels}, H, W] with H and W multiples of 4 above zero: pad by \
         reflection and crop"
    )]
    ImageShape {
        /// Batch, channels, rows, columns.
        shape: [usize; 4],
        /// Channels of the network.
        channels: usize,
    },
    /// The CUDA driver, or a library of CUDA, reported a failure.
    #[error("CUDA: {call}: {reason}")]
    Cuda {
        /// The call that failed.
        call: &'static str,
        /// The message.
        reason: String,
    },
    /// A gated block has a number of channels that the CUDA kernel does not have.
    #[error("a gated block of {0} channels: the CUDA kernel supports multiples of 16 up to 128")]
    BlockChannels(usize),
    /// A gated block's hidden channels make no two halves.
    #[error("{name} is {value}; it must be even and above zero")]
    HiddenChannels {
        /// The attribute.
        name: &'static str,
        /// Its value.
        value: i64,
    },
    /// The GPU has too little shared memory for a kernel.
    #[error("the GPU has {has} bytes of shared memory per block, the kernel needs {needed}")]
    SharedMemory {
        /// Bytes that the kernel needs.
        needed: usize,
        /// Bytes that the GPU has per block.
        has: u32,
    },
}
