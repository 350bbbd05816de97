"""Reduces NVIDIA's fat binaries, splits them into small pieces, and joins these again.

A CUDA library holds every kernel for many architectures (section ``.nv_fatbin``). What a test on
one GPU does not need is overwritten with zeros, without moving a byte, so that the copy compresses
well. Such a copy is for one test and never to be shipped.
"""

from __future__ import annotations

import lzma
import struct
from collections import Counter
from pathlib import Path

# A container of kernels begins with this word, a version, and the lengths of header and body.
_CONTAINER = struct.Struct("<IHHQ")
_MAGIC = 0xBA55ED50
# Each entry: kind, version, lengths of header and payload.
_ENTRY = struct.Struct("<HHIQ")
# Offset of the architecture in an entry's header: 90 for sm_90.
_ARCHITECTURE = 28
PIECE = 45_000_000
"""Bytes of a piece: under the limit of 50 MB."""


def fatbin_section(elf: bytes) -> range:
    """The bytes of section .nv_fatbin in an ELF file of 64 bits."""
    if elf[:5] != b"\x7fELF\x02":
        raise ValueError("not an ELF file of 64 bits")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + i * size) for i in range(count)]
    strings = headers[names][4]
    for name, _, _, _, offset, length in headers:
        if elf[strings + name :].startswith(b".nv_fatbin\0"):
            return range(offset, offset + length)
    raise ValueError("no section .nv_fatbin: not a CUDA library")


def entries(elf: bytes, section: range):
    """(architecture, payload) of every entry; the payload as a range of bytes."""
    at = section.start
    while (at := elf.find(struct.pack("<I", _MAGIC), at, section.stop)) >= 0:
        _, _, header, length = _CONTAINER.unpack_from(elf, at)
        entry, at = at + header, at + header + length
        while entry < at:
            _, _, head, payload = _ENTRY.unpack_from(elf, entry)
            (architecture,) = struct.unpack_from("<I", elf, entry + _ARCHITECTURE)
            start = entry + head
            yield architecture, range(start, start + payload)
            entry = start + payload


def slim(library: bytes, architecture: int, largest: int) -> bytes:
    """The library with only the kernels of one architecture, up to ``largest`` bytes each."""
    found = list(entries(library, fatbin_section(library)))
    kept = [p for a, p in found if a == architecture and len(p) <= largest]
    if not kept:
        has = sorted(Counter(a for a, _ in found))
        raise ValueError(f"no kernels for architecture {architecture}; there are {has}")
    out = bytearray(library)
    for a, payload in found:
        if a != architecture or len(payload) > largest:
            out[payload.start : payload.stop] = bytes(len(payload))
    return bytes(out)


def split(data: bytes, folder: Path, name: str) -> list[Path]:
    """Compresses into numbered pieces of a bounded size."""
    packed = lzma.compress(data, preset=6)
    pieces = [packed[i : i + PIECE] for i in range(0, len(packed), PIECE)]
    paths = [folder / f"{name}.xz.{i:02}" for i in range(len(pieces))]
    for path, piece in zip(paths, pieces, strict=True):
        path.write_bytes(piece)
    return paths


def join(folder: Path, name: str) -> Path:
    """Undoes :func:`split`, unless that was done before."""
    target = folder / name
    if not target.exists():
        packed = b"".join(path.read_bytes() for path in sorted(folder.glob(f"{name}.xz.*")))
        if not packed:
            raise FileNotFoundError(f"{folder}: no pieces of {name}")
        unfinished = folder / f"{name}.part"
        unfinished.write_bytes(lzma.decompress(packed))
        unfinished.rename(target)
    return target
