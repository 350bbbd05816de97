//! Resource limits of the decoder process, which stop a runaway codec.

use std::io;

use crate::read::codec::Layout;

/// Processor time of a child. artir replaces a child long before an honest one comes here: see `worker.rs`.
#[cfg(unix)]
const SECONDS: u64 = 120;
/// Files that may be open: the three pipes, and a few for the C library.
#[cfg(unix)]
const FILES: u64 = 16;
/// Address space for the program itself and a small frame.
#[cfg(unix)]
const FIXED_BYTES: u64 = 1 << 30;
/// Address space for each pixel: JPEG 2000, the codec with the largest memory, holds two copies as 32-bit words in
/// addition to input and output.
#[cfg(unix)]
const BYTES_PER_PIXEL: u64 = 16;

/// Limits this process for the rest of its life. A lower limit that it was started under stays.
///
/// # Errors
/// The limit that cannot be set: a decoder without limits must not run.
#[cfg(unix)]
pub(super) fn apply() -> io::Result<()> {
    use rlimit::Resource;
    let most = FIXED_BYTES + BYTES_PER_PIXEL * crate::read::frame::MAX_PIXELS as u64;
    for (resource, most) in [
        (Resource::AS, most),
        (Resource::CPU, SECONDS),
        (Resource::NOFILE, FILES),
        // No core file, which would hold a patient's pixels, and no other file either.
        (Resource::CORE, 0),
        (Resource::FSIZE, 0),
    ] {
        let set = rlimit::getrlimit(resource).and_then(|(_, hard)| {
            let most = most.min(hard);
            rlimit::setrlimit(resource, most, most)
        });
        set.map_err(|e| io::Error::other(format!("its limit {} cannot be set: {e}", resource.as_name())))?;
    }
    Ok(())
}

/// Limits the address space to the needs of a frame of this size.
///
/// # Errors
/// As [`apply`].
#[cfg(unix)]
pub(super) fn for_frame(layout: Layout) -> io::Result<()> {
    use rlimit::Resource;
    let (_, hard) = rlimit::getrlimit(Resource::AS)?;
    let wanted = FIXED_BYTES + BYTES_PER_PIXEL * layout.pixels() as u64;
    rlimit::setrlimit(Resource::AS, wanted.min(hard), hard)
}

#[cfg(not(unix))]
pub(super) fn apply() -> io::Result<()> {
    Err(io::Error::other("its resources cannot be limited on this system"))
}

#[cfg(not(unix))]
pub(super) fn for_frame(_: Layout) -> io::Result<()> {
    apply()
}
