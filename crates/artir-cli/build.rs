//! Keeps the symbols of libraries that are linked into the program to itself.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The openjp2 crate (JPEG 2000 in DICOM) has the names of the C library that GDAL's JPEG 2000 driver was built with. A linker
    // exports what a shared library asks for, and GDAL would call the crate in place of its own library, or a mixture of both.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--exclude-libs,ALL");
    }
}
