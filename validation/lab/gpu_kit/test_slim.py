"""Slimming a fat binary: on a made-up library, whose every byte is known."""

import struct

import pytest

from . import slim


def entry(architecture: int, payload: bytes) -> bytes:
    header = bytearray(64)
    struct.pack_into("<HHIQ", header, 0, 2, 0x101, len(header), len(payload))
    struct.pack_into("<I", header, 28, architecture)
    return bytes(header) + payload


def container(*entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def elf(sections: dict[str, bytes]) -> bytes:
    """An ELF file of 64 bits with these sections and a table of their names."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*sections, ".shstrtab"])
    contents = {**sections, ".shstrtab": names}
    out = bytearray(64)
    headers = []
    for name, content in contents.items():
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        headers.append(struct.pack("<IIQQQQIIQQ", at, 1, 0, 0, len(out), len(content), 0, 0, 1, 0))
        out += content
    out[:5] = b"\x7fELF\x02"
    struct.pack_into("<Q", out, 0x28, len(out))
    struct.pack_into("<HHH", out, 0x3A, 64, len(headers), len(headers) - 1)
    return bytes(out) + b"".join(headers)


KEPT, LARGE, OTHER = b"K" * 100, b"L" * 5000, b"O" * 300


@pytest.fixture
def library() -> bytes:
    fat = container(entry(80, OTHER), entry(90, KEPT)) + bytes(24) + container(entry(90, LARGE))
    # The same magic word elsewhere is no container.
    return elf({".text": struct.pack("<I", 0xBA55ED50) * 3, ".nv_fatbin": fat})


def test_kernels_of_one_architecture_stay_and_nothing_moves(library):
    out = slim.slim(library, 90, 1 << 30)
    assert len(out) == len(library)
    assert KEPT in out and LARGE in out and OTHER not in out
    changed = [i for i, (a, b) in enumerate(zip(library, out, strict=True)) if a != b]
    assert len(changed) == len(OTHER) and changed[0] == library.index(OTHER)


def test_large_kernels_go_when_asked(library):
    out = slim.slim(library, 90, 1000)
    assert KEPT in out and LARGE not in out and OTHER not in out


def test_what_cannot_be_slimmed_is_refused(library):
    with pytest.raises(ValueError, match=r"no kernels for architecture 75; there are \[80, 90\]"):
        slim.slim(library, 75, 1 << 30)
    with pytest.raises(ValueError, match="no section"):
        slim.slim(elf({".text": b"x"}), 90, 1 << 30)
    with pytest.raises(ValueError, match="not an ELF"):
        slim.slim(b"#!/bin/sh", 90, 1 << 30)


def test_pieces_join_to_what_was_split(library, tmp_path, monkeypatch):
    monkeypatch.setattr(slim, "PIECE", 64)
    pieces = slim.split(library, tmp_path, "library.so")
    assert len(pieces) > 1 and all(p.stat().st_size <= 64 for p in pieces)
    assert slim.join(tmp_path, "library.so").read_bytes() == library
    with pytest.raises(FileNotFoundError):
        slim.join(tmp_path, "other.so")
