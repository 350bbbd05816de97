//! Files as GDAL sees them: inside archives, over networks, in memory.

use std::ffi::{CString, c_char, c_void};

use gdal::Dataset;
use gdal_sys as sys;

use super::strings;

/// Up to `most` bytes of a file from `offset` on. `None` when it cannot be opened or is shorter than the offset.
pub(crate) fn read_part(path: &str, offset: u64, most: usize) -> Option<Vec<u8>> {
    let path = CString::new(path).ok()?;
    let mut bytes = vec![0u8; most];
    // SAFETY: the file is open between the first and the last call, and no more than the buffer holds is read.
    let read = unsafe {
        let file = sys::VSIFOpenL(path.as_ptr(), c"rb".as_ptr().cast::<c_char>());
        if file.is_null() {
            return None;
        }
        let there = sys::VSIFSeekL(file, offset, 0) == 0;
        let read = if there { sys::VSIFReadL(bytes.as_mut_ptr().cast::<c_void>(), 1, most, file) } else { 0 };
        sys::VSIFCloseL(file);
        read
    };
    if read == 0 && most > 0 {
        return None;
    }
    bytes.truncate(read);
    Some(bytes)
}

/// The length of a file, bytes. `None` when it cannot be opened.
pub(crate) fn file_bytes(path: &str) -> Option<u64> {
    const FROM_THE_END: i32 = 2; // SEEK_END
    let path = CString::new(path).ok()?;
    // SAFETY: the file is open between the first and the last call.
    unsafe {
        let file = sys::VSIFOpenL(path.as_ptr(), c"rb".as_ptr().cast::<c_char>());
        if file.is_null() {
            return None;
        }
        let bytes = if sys::VSIFSeekL(file, 0, FROM_THE_END) == 0 { Some(sys::VSIFTellL(file)) } else { None };
        sys::VSIFCloseL(file);
        bytes
    }
}

/// The files that a dataset is made of, the first its own.
pub(crate) fn file_list(dataset: &Dataset) -> Vec<String> {
    // SAFETY: the list is made for the caller, copied, and freed once.
    unsafe {
        let list = sys::GDALGetFileList(dataset.c_dataset());
        let names = strings(list);
        sys::CSLDestroy(list);
        names
    }
}
