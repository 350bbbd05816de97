//! GDAL functions that the gdal crate does not wrap.

mod band;
mod georef;
mod vsi;

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char},
};

use gdal::{Dataset, errors::GdalError, raster::RasterBand};
use gdal_sys::{self as sys, CPLErr, GDALMajorObjectH};

use crate::error::Reason;

pub(crate) use band::*;
pub(crate) use georef::*;
pub(crate) use vsi::*;

/// Something that has metadata.
#[derive(Clone, Copy)]
pub(crate) struct Object(GDALMajorObjectH);

impl Object {
    pub(crate) fn dataset(dataset: &Dataset) -> Self {
        Self(dataset.c_dataset())
    }

    /// # Panics
    /// Never; the handle is borrowed from a live band.
    pub(crate) fn band(band: &RasterBand<'_>) -> Self {
        // SAFETY: only the handle is taken, and it is used while the band's dataset is open.
        Self(unsafe { band.c_rasterband() })
    }

    /// The names of all metadata domains; the default one is empty.
    pub(crate) fn domains(self) -> Vec<String> {
        // SAFETY: the list is made for the caller, copied, and freed once.
        unsafe {
            let list = sys::GDALGetMetadataDomainList(self.0);
            let names = strings(list);
            sys::CSLDestroy(list);
            names
        }
    }

    /// All items of a metadata domain, as GDAL lists them: `KEY=VALUE`, or one whole document in `xml:` domains.
    pub(crate) fn domain(self, domain: &str) -> Vec<String> {
        self.domain_within(domain, usize::MAX).unwrap_or_default()
    }

    /// The same; `None` when they have more than so many bytes.
    pub(crate) fn domain_within(self, domain: &str, most: usize) -> Option<Vec<String>> {
        let Ok(domain) = CString::new(domain) else { return Some(Vec::new()) };
        // SAFETY: the list is owned by GDAL, ends in a null pointer, and is counted and copied at once.
        unsafe {
            let list = sys::GDALGetMetadata(self.0, domain.as_ptr());
            (bytes(list) <= most).then(|| strings(list))
        }
    }

    /// Replaces a metadata domain. False when GDAL refuses.
    pub(crate) fn set_domain(self, domain: &str, items: &[String]) -> bool {
        let (Ok(domain), Some(items)) = (CString::new(domain), List::new(items)) else { return false };
        // SAFETY: the list ends in a null pointer and outlives the call, which copies it.
        unsafe { sys::GDALSetMetadata(self.0, items.pointer(), domain.as_ptr()) < CPLErr::CE_Failure }
    }
}

/// A null-terminated list of C strings.
struct List {
    _items: Vec<CString>,
    pointers: Vec<*mut c_char>,
}

impl List {
    /// `None` when an item holds a NUL.
    fn new(items: &[String]) -> Option<Self> {
        let items = items.iter().map(|i| CString::new(i.as_str()).ok()).collect::<Option<Vec<_>>>()?;
        let pointers = items.iter().map(|i| i.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect();
        Some(Self { _items: items, pointers })
    }

    /// Valid as long as the list is; GDAL does not write through it.
    fn pointer(&self) -> *mut *mut c_char {
        self.pointers.as_ptr().cast_mut()
    }
}

/// Copies a null-terminated list of C strings.
///
/// # Safety
/// `list` is null or such a list.
unsafe fn strings(list: *mut *mut c_char) -> Vec<String> {
    let mut out = Vec::new();
    if list.is_null() {
        return out;
    }
    let mut at = list;
    // SAFETY: the list is read up to its null pointer.
    unsafe {
        while !(*at).is_null() {
            out.push(CStr::from_ptr(*at).to_string_lossy().into_owned());
            at = at.add(1);
        }
    }
    out
}

/// Bytes of a null-terminated list of C strings.
///
/// # Safety
/// `list` is null or such a list.
unsafe fn bytes(list: *mut *mut c_char) -> usize {
    let mut out = 0;
    let mut at = list;
    // SAFETY: the list is read up to its null pointer.
    unsafe {
        while !at.is_null() && !(*at).is_null() {
            out += CStr::from_ptr(*at).count_bytes();
            at = at.add(1);
        }
    }
    out
}

/// Copies a C string.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and so a C string by the caller's word.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Limits GDAL's block cache, bytes.
pub(crate) fn set_cache(bytes: i64) {
    // SAFETY: a plain setter.
    unsafe { sys::GDALSetCacheMax64(bytes) };
}

thread_local! {
    /// The first warning of damage since [`watch`] began. GDAL itself keeps its last message alone.
    static DAMAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes a message of GDAL's, as its error handler.
pub(crate) fn note(message: &str) {
    if is_damage(message) {
        DAMAGE.with_borrow_mut(|first| {
            first.get_or_insert_with(|| message.to_owned());
        });
    }
}

/// Forgets the last error, runs `work`, and returns the error that GDAL recorded meanwhile. This is the only
/// report of a full disk.
pub(crate) fn watch<T>(work: impl FnOnce() -> T) -> (T, Option<String>) {
    let outside = DAMAGE.take();
    // SAFETY: the error state is the thread's own, and the message is copied at once.
    unsafe { sys::CPLErrorReset() };
    let result = work();
    // SAFETY: as above.
    let (class, message) = unsafe {
        (sys::CPLGetLastErrorType(), CStr::from_ptr(sys::CPLGetLastErrorMsg()).to_string_lossy().into_owned())
    };
    let damage = DAMAGE.replace(outside);
    let failed = class >= CPLErr::CE_Failure || class == CPLErr::CE_Warning && is_damage(&message);
    (result, if failed { Some(message) } else { damage })
}

/// What libjpeg says of data from which it makes up pixels: it fills the rest of a JPEG that ends early with grey. Its other
/// warnings, such as of bytes between the data and a marker, change no pixel.
const JPEG_DAMAGE: [&str; 4] = ["premature end of", "bad huffman code", "bad arithmetic code", "instead of rst"];

/// Whether a warning of GDAL's tells of pixels that are not the file's. Neither its JPEG driver nor libtiff calls that an error.
fn is_damage(warning: &str) -> bool {
    let warning = warning.to_ascii_lowercase();
    ["jpeglib:", "libjpeg:"].iter().any(|library| warning.contains(library))
        && JPEG_DAMAGE.iter().any(|damage| warning.contains(damage))
}

/// Runs `work` and returns GDAL's error, from its result or its error state, as one reason.
pub(crate) fn checked<T>(work: impl FnOnce() -> gdal::errors::Result<T>) -> Result<T, Reason> {
    let (result, noted) = watch(work);
    let message = match (result, noted) {
        (Ok(value), None) => return Ok(value),
        (_, Some(message)) => message,
        (Err(e), None) => said(e),
    };
    Err(self::message(Some(message)))
}

/// GDAL's message in an error of the gdal crate, which takes it out of GDAL's error state.
pub(crate) fn said(error: GdalError) -> String {
    match error {
        GdalError::CplError { msg, .. } | GdalError::NullPointer { msg, .. } => msg,
        other => other.to_string(),
    }
}

/// GDAL's message as a reason.
pub(crate) fn message(noted: Option<String>) -> Reason {
    match noted.filter(|text| !text.is_empty()) {
        Some(text) => Reason::Gdal(text.replace('\n', " ")),
        None => Reason::Gdal("GDAL gives no reason".into()),
    }
}

/// Sets one of GDAL's options for this thread. Dropped, it gives the option its earlier value.
pub(crate) struct ThreadOption {
    key: CString,
    before: Option<CString>,
}

impl ThreadOption {
    pub(crate) fn set(key: &str, value: &str) -> Option<Self> {
        let (key, value) = (CString::new(key).ok()?, CString::new(value).ok()?);
        // SAFETY: the key outlives both calls, and the earlier value is copied before it is replaced.
        let before = unsafe { text(sys::CPLGetThreadLocalConfigOption(key.as_ptr(), std::ptr::null())) };
        // SAFETY: both texts outlive the call, which copies them.
        unsafe { sys::CPLSetThreadLocalConfigOption(key.as_ptr(), value.as_ptr()) };
        Some(Self { key, before: before.and_then(|text| CString::new(text).ok()) })
    }
}

impl Drop for ThreadOption {
    fn drop(&mut self) {
        let before = self.before.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        // SAFETY: both texts outlive the call, which copies them; a null value takes the option away.
        unsafe { sys::CPLSetThreadLocalConfigOption(self.key.as_ptr(), before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_missing_pixels_are_errors() {
        let (_, noted) = watch(|| {
            // SAFETY: both texts are C strings that outlive the call, and the format takes one.
            unsafe {
                sys::CPLError(CPLErr::CE_Warning, 1, c"%s".as_ptr(), c"JPEGLib:Premature end of JPEG file".as_ptr())
            };
        });
        assert_eq!(noted.as_deref(), Some("JPEGLib:Premature end of JPEG file"));
        let (_, noted) = watch(|| {
            note("JPEGLib:Corrupt JPEG data: bad Huffman code");
            let (_, inner) = watch(|| note("JPEGLib:Corrupt JPEG data: 36 extraneous bytes before marker 0xd9"));
            assert_eq!(inner, None);
        });
        assert_eq!(noted.as_deref(), Some("JPEGLib:Corrupt JPEG data: bad Huffman code"));
        assert_eq!(watch(|| ()).1, None);
        assert!(is_damage("libjpeg: Premature end of JPEG file (this warning can be turned as an error)"));
        assert!(is_damage("JPEGLib:Corrupt JPEG data: premature end of data segment"));
        assert!(!is_damage("JPEGLib:Corrupt JPEG data: 2 extraneous bytes before marker 0xd9"));
        assert!(!is_damage("TIFFReadDirectory:Unknown field with tag 42112"));
    }
}
