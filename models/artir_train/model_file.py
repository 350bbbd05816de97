"""The end of a model file: the card, and a checksum of everything before it.

The graph is serialised without metadata, and two ``metadata_props`` entries are appended as bytes.
Protobuf allows a repeated field anywhere, so the file stays an ordinary ONNX file. A reader can
check every bit of it without parsing the graph.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from onnx import ModelProto, StringStringEntryProto

CARD_KEY = "artir.card"
HASH_KEY = "artir.sha256"
_METADATA_TAG = bytes([14 << 3 | 2])

_FIELDS = {
    "schema": int,
    "name": str,
    "version": str,
    "task": str,
    "variant": str,
    "parameters": int,
    "macs_256": int,
    "input": dict,
    "tile": int,
    "overlap": int,
    "multiple": int,
    "reach": int,
    "training": dict,
    "figures": list,
    "limits": str,
    "licence": str,
}
TASKS = ("ct-denoise", "pet-enhance", "dehaze", "rgb-denoise", "rgb-restore")


class DamagedModel(ValueError):
    """The file was not exported by artir, or was changed since."""


def check_card(card: dict) -> None:
    """Raises ValueError, naming the field, unless the card follows schema 1."""
    for field, kind in _FIELDS.items():
        if not isinstance(card.get(field), kind):
            raise ValueError(
                f"card field {field!r} must be {kind.__name__}, got {card.get(field)!r}"
            )
    if card["schema"] != 1:
        raise ValueError(f"card schema must be 1, got {card['schema']}")
    if card["task"] not in TASKS:
        raise ValueError(f"card task must be one of {', '.join(TASKS)}, got {card['task']!r}")
    for field in ("channels", "unit", "range", "network_range"):
        if field not in card["input"]:
            raise ValueError(f"card field input.{field} is missing")
    for field in ("summary", "data", "patches", "patch_size", "hours", "hardware"):
        if field not in card["training"]:
            raise ValueError(f"card field training.{field} is missing")


def _entry(key: str, value: str) -> bytes:
    body = StringStringEntryProto(key=key, value=value).SerializeToString(deterministic=True)
    length, prefix = len(body), b""
    while length >= 128:
        prefix += bytes([length & 127 | 128])
        length >>= 7
    return _METADATA_TAG + prefix + bytes([length]) + body


def write(model: ModelProto, card: dict, path: Path) -> str:
    """Writes the model with its card under a temporary name, renames it, and returns its hash."""
    check_card(card)
    if model.metadata_props:
        raise ValueError("the model must not have metadata of its own")
    body = model.SerializeToString(deterministic=True)
    body += _entry(CARD_KEY, json.dumps(card, separators=(",", ":"), ensure_ascii=False))
    digest = hashlib.sha256(body).hexdigest()
    temporary = path.with_suffix(".part")
    temporary.write_bytes(body + _entry(HASH_KEY, digest))
    os.replace(temporary, path)
    return digest


def replace_card(path: Path, card: dict) -> str:
    """Writes another card into a model file, whose graph stays the same; returns the new hash."""
    read_card(path)
    model = ModelProto.FromString(path.read_bytes())
    del model.metadata_props[:]
    return write(model, card, path)


def read_card(path: Path) -> tuple[dict, str]:
    """The card and the hash of a model file, after checking its checksum."""
    content = path.read_bytes()
    size = len(_entry(HASH_KEY, "0" * 64))
    body, end = content[:-size], content[-size:]
    digest = hashlib.sha256(body).hexdigest()
    if end != _entry(HASH_KEY, digest):
        raise DamagedModel(f"{path}: its checksum is missing or does not match")
    model = ModelProto.FromString(content)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    card = json.loads(metadata[CARD_KEY])
    check_card(card)
    return card, digest
