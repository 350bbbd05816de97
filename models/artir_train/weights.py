"""The weights of a model file, so that training can continue from a committed model.

In a model file the residual scales are multiplied into the projections before them. Only the
products are known, so this module divides them again: every row of a projection gets the length of
a fresh one, and the scale gets the rest.
"""

from __future__ import annotations

import math
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from .network import ArtIR

SCALES = {"mixer.project": "beta", "feed.project": "gamma"}
"""The projections of a block, and the residual scales that follow them."""
ENDS = {"head.weight": 1, "tail.weight": 0, "tail.bias": 0}
"""The weights of the first and the last convolution, and their axis of the image's channels."""
FRESH_ROW = 1 / math.sqrt(3)
"""Length of a row of a fresh 1x1 convolution: n values of variance 1 / (3 n)."""


def load(path: Path, model: ArtIR, slices: int = 1, deeper: bool = False) -> None:
    """Loads a zoo file's weights into a network of the same shape.

    A network of one slice also starts one of several ``slices``: it does to the middle one what it
    did, and takes no notice of the others. If ``deeper``, a network of fewer blocks also starts one
    of more: its blocks become the first of their stages, and the fresh ones after them, whose
    residual scales are 0, change nothing.
    """
    graph = onnx.load(path).graph
    found = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    for name in [name for name in found if name.endswith("project.weight")]:
        layer = name.removesuffix(".weight")
        block, kind, _ = layer.rsplit(".", 2)
        weight = found[name]
        scale = weight.flatten(1).norm(dim=1) / FRESH_ROW
        # A row of zeros gets a scale of 0 and stays a row of zeros.
        divisor = torch.where(scale > 0, scale, 1)
        found[name] = weight / divisor.reshape(-1, 1, 1, 1)
        if f"{layer}.bias" in found:
            found[f"{layer}.bias"] = found[f"{layer}.bias"] / divisor
        found[f"{block}.{SCALES[f'{kind}.project']}"] = scale.reshape(1, -1, 1, 1)
    state = {}
    blocks = blocks_of(found) if deeper else {}
    for name, now in model.state_dict().items():
        value = found.get(name)
        if slices > 1 and value is not None and name in ENDS and value.shape[ENDS[name]] == 1:
            value = widened(value, ENDS[name], now.shape[ENDS[name]])
        stage, index = place(name)
        if value is None and index >= blocks.get(stage, math.inf):
            value = torch.zeros_like(now) if name.endswith(tuple(SCALES.values())) else now
        if value is None or value.shape != now.shape:
            raise ValueError(f"{path}: weight {name} is missing or has another shape")
        state[name] = value
    if more := found.keys() - state.keys():
        raise ValueError(f"{path}: the network has no {min(more)}")
    model.load_state_dict(state)


def place(name: str) -> tuple[str, int]:
    """The stage of a weight, and the number of its block there; -1 outside of a stage."""
    stage, _, rest = name.partition(".")
    index = rest.partition(".")[0]
    return stage, int(index) if index.isdigit() else -1


def blocks_of(found: dict[str, torch.Tensor]) -> dict[str, int]:
    """How many blocks each stage of a file has."""
    counts = {}
    for stage, index in map(place, found):
        if index >= 0:
            counts[stage] = max(counts.get(stage, 0), index + 1)
    return counts


def widened(weight: torch.Tensor, axis: int, channels: int) -> torch.Tensor:
    """Weights of one channel as those of the middle one of several."""
    shape = list(weight.shape)
    shape[axis] = channels
    wide = weight.new_zeros(shape)
    wide.narrow(axis, channels // 2, 1).copy_(weight)
    return wide
