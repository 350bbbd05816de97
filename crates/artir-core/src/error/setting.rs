//! Reasons why a setting is refused.

/// The reason why a setting is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The strength is not between 0 and 1.
    #[error("a strength of {0} is not within 0 to 1")]
    Strength(f32),
    /// More threads than ONNX Runtime should start.
    #[error("{threads} threads are more than {most}")]
    Threads {
        /// The threads asked for.
        threads: usize,
        /// The most.
        most: usize,
    },
    /// The tile's edge does not fit the network's stride.
    #[error("tiles of {tile} pixels: the edge must be a positive multiple of {multiple}")]
    Tile {
        /// The edge.
        tile: usize,
        /// The stride.
        multiple: usize,
    },
    /// Tiles of this size cannot keep the overlap.
    #[error("an overlap of {overlap} pixels exceeds {most}, the most for tiles of {tile} pixels")]
    Overlap {
        /// The overlap.
        overlap: usize,
        /// The largest one.
        most: usize,
        /// The edge of the tiles.
        tile: usize,
    },
    /// Tiles of the requested size exceed the memory limit.
    #[error("tiles of {tile} pixels need {needed_mib} MiB, but {allowed_mib} MiB are allowed")]
    TileMemory {
        /// The edge.
        tile: usize,
        /// Needed, in MiB.
        needed_mib: u64,
        /// Allowed, in MiB.
        allowed_mib: u64,
    },
    /// The images of a batch need tiles.
    #[error("images that need tiles are restored one by one")]
    NeedsTiles,
}
