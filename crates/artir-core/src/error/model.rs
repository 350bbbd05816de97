//! Reasons why a model is refused.

/// The reason why a file is not a usable model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFault {
    /// It is longer than any model.
    #[error("it is longer than {0} MiB")]
    Length(u64),
    /// It does not end as artir's exporter ends a file.
    #[error("it does not end in artir's checksum (truncated, or not exported by artir)")]
    NoChecksum,
    /// Its bytes and its checksum differ.
    #[error("its checksum does not match: the file was changed or damaged")]
    Checksum,
    /// A tensor names another file for its values, or its graph cannot be read to its end.
    #[error("its weights lie in other files, or cannot be read: export it with its weights in one file")]
    Elsewhere,
    /// It carries no card.
    #[error("it has no card (artir.card)")]
    NoCard,
    /// Its card is wrong.
    #[error("its card {0}")]
    Card(#[from] CardError),
    /// ONNX Runtime refuses it.
    #[error("ONNX Runtime refuses it: {0}")]
    Refused(#[from] ort::Error),
    /// It is no network from one image to one image.
    #[error("it must have one input and one output, not {inputs} and {outputs}")]
    Signature {
        /// Number of inputs.
        inputs: usize,
        /// Number of outputs.
        outputs: usize,
    },
}

/// The reason why a card is refused, as the end of a sentence that begins with "its card".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// It is no JSON, or has other fields.
    #[error("does not parse: {0}")]
    Parse(#[from] serde_json::Error),
    /// Another version of the form.
    #[error("has schema {found}, this artir reads schema {read}")]
    Schema {
        /// Its version.
        found: u32,
        /// The version that this artir reads.
        read: u32,
    },
    /// No channels, or too many.
    #[error("names {0} channels")]
    Channels(usize),
    /// Neighbouring slices that cannot be the channels.
    #[error("names {slices} neighbouring slices and {channels} channels: slices must be odd, and as many as channels")]
    Slices {
        /// The slices.
        slices: usize,
        /// The channels.
        channels: usize,
    },
    /// A distance that is not above 0.
    #[error("names a distance of {0} mm between slices")]
    SlicesApart(f64),
    /// A range without length.
    #[error("names an empty or infinite range")]
    Range,
    /// A stride that no network has.
    #[error("names a size multiple of {0}")]
    Multiple(usize),
    /// Tiles that do not fit each other.
    #[error("names tiles of {tile} with an overlap of {overlap}")]
    Tiles {
        /// The edge.
        tile: usize,
        /// The overlap.
        overlap: usize,
    },
    /// A strength outside of 0 to 1.
    #[error("names a strength of {0}")]
    Strength(f32),
    /// A text that would control a terminal.
    #[error("holds control characters")]
    ControlCharacters,
}
