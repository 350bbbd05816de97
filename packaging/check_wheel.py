"""Checks a wheel without running it: what it holds, how it was built, and which glibc it needs.

python packaging/check_wheel.py WHEEL...
"""

import re
import struct
import sys
import zipfile

#: The newest glibc that manylinux_2_28 promises.
NEWEST = (2, 28)
#: Files that must be there, as patterns.
NEEDED = [
    r"artir/__init__\.py",
    r"artir/_artir\.abi3\.so",
    r"artir/_artir\.pyi",
    r"artir/py\.typed",
    r"artir-[^/]*\.dist-info/entry_points\.txt",
]
#: The largest wheel, in bytes. The libraries that it needs come from other packages.
LARGEST = 20 << 20


def sections(library: bytes) -> dict[int, tuple[int, int, int, int]]:
    """Sections of a 64-bit little-endian ELF file: type, and offset, size, link and info of the last of each type."""
    if library[:6] != b"\x7fELF\x02\x01":
        raise ValueError("it is no 64-bit little-endian ELF file")
    start, size, count = (
        struct.unpack_from("<Q", library, 0x28)[0],
        *struct.unpack_from("<HH", library, 0x3A),
    )
    found = {}
    for i in range(count):
        _, kind, _, _, offset, length, link, info, _, _ = struct.unpack_from("<IIQQQQIIQQ", library, start + i * size)
        found[kind] = (offset, length, link, info)
    return found


def glibc_versions(library: bytes) -> set[tuple[int, ...]]:
    """The versions of glibc's symbols that a library asks for."""
    if 0x6FFFFFFE not in sections(library):  # SHT_GNU_verneed
        raise ValueError("it asks for no versions of symbols")
    return {tuple(map(int, m.split(b"."))) for m in re.findall(rb"GLIBC_(\d+\.\d+(?:\.\d+)?)\0", library)}


def check(path: str) -> str:
    """Returns a summary.

    Raises:
        ValueError: The wheel must not be published, and why.
    """
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        missing = [p for p in NEEDED if not any(re.fullmatch(p, name) for name in names)]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        library = wheel.read("artir/_artir.abi3.so")
        size = sum(info.compress_size for info in wheel.infolist())
    if b"artir-build: release" not in library:
        raise ValueError("its library is not a release build")
    if b"RegisterCustomOps\0" not in library:
        raise ValueError("its library does not export RegisterCustomOps")
    newest = max(glibc_versions(library))
    if newest > NEWEST:
        raise ValueError(f"it needs glibc {'.'.join(map(str, newest))}, newer than {'.'.join(map(str, NEWEST))}")
    if size > LARGEST:
        raise ValueError(f"it has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    return f"{size / 1e6:.1f} MB, glibc {'.'.join(map(str, newest))}, release build"


def main() -> int:
    failed = 0
    for path in sys.argv[1:]:
        try:
            print(f"{path}: good: {check(path)}")
        except (ValueError, KeyError, zipfile.BadZipFile) as e:
            print(f"{path}: {e}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
