"""Small ONNX models with artir's card and checksum: an identity, and convolutions."""

import hashlib
import json
from pathlib import Path

import numpy as np
from onnx import StringStringEntryProto, TensorProto, checker, helper, numpy_helper

UNITS = {"ct-denoise": "HU", "pet-enhance": "SUV", "dehaze": "1"}
RANGES = {"ct-denoise": [-1024, 3072], "pet-enhance": [0, 4096], "dehaze": [0, 1]}
CHANNELS = {"dehaze": 3}
# The weights sum to more than 1, so that maxima grow and PET slopes must change.
SHARE = 1.25
KERNEL = SHARE * np.outer([1, 2, 1], [1, 2, 1]) / 16


def card(task: str, name: str, reach: int) -> dict:
    """A card of schema 1."""
    return {
        "schema": 1,
        "name": name,
        "version": "0",
        "task": task,
        "variant": "T",
        "parameters": 0,
        "macs_256": 0,
        "input": {
            "channels": CHANNELS.get(task, 1),
            "unit": UNITS[task],
            "range": RANGES[task],
            "network_range": [0, 4],
        },
        "tile": 512,
        "overlap": 64,
        "multiple": 1,
        "reach": reach,
        "training": {
            "summary": "",
            "data": [],
            "patches": 0,
            "patch_size": 0,
            "hours": 0,
            "hardware": "",
        },
        "figures": [],
        "limits": "",
        "licence": "MIT",
    }


def entry(key: str, value: str) -> bytes:
    """A serialised ``metadata_props`` entry."""
    body = StringStringEntryProto(key=key, value=value).SerializeToString()
    length, prefix = len(body), b""
    while length >= 128:
        prefix += bytes([length & 127 | 128])
        length >>= 7
    return bytes([14 << 3 | 2]) + prefix + bytes([length]) + body


def write(path: Path, task: str, kernel: np.ndarray | None = None) -> Path:
    """Writes the model of a task: the identity, or one convolution with borders of zeros."""
    weights = []
    if kernel is None:
        node = helper.make_node("Identity", ["image"], ["restored"])
    else:
        taps = kernel.astype(np.float32)[None, None]
        weights.append(numpy_helper.from_array(taps, "kernel"))
        node = helper.make_node(
            "Conv", ["image", "kernel"], ["restored"], pads=[len(kernel) // 2] * 4
        )
    ends = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["n", CHANNELS.get(task, 1), "h", "w"]
        )
        for name in ("image", "restored")
    ]
    graph = helper.make_graph([node], "test", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])
    checker.check_model(model)
    name = "identity" if kernel is None else "convolution"
    text = json.dumps(card(task, name, 0 if kernel is None else len(kernel) // 2))
    body = model.SerializeToString() + entry("artir.card", text)
    path.write_bytes(body + entry("artir.sha256", hashlib.sha256(body).hexdigest()))
    return path
