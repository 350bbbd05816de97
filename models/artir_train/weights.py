"""The weights of a model file, so that training can go on from what is committed."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from .network import ArtIR

RENAMED = {"up1.conv.weight": "up1.weight", "up2.conv.weight": "up2.weight"}
"""Weights that the graph knows by another name than the network."""


def load(path: Path, model: ArtIR) -> None:
    """Loads a zoo file's weights into a network of the same shape."""
    graph = onnx.load(path).graph
    found = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    state = {}
    for name, now in model.state_dict().items():
        value = found.get(RENAMED.get(name, name))
        if value is None or value.shape != tuple(now.shape):
            raise ValueError(f"{path}: its weight {name} is missing or of another shape")
        state[name] = torch.from_numpy(value.copy())
    model.load_state_dict(state)
