"""Variants T and S with random weights, on which a network's time does not depend."""

from __future__ import annotations

from pathlib import Path

import torch

from artir_train.export import export
from artir_train.network import ArtIR, Config

CARD = {
    "schema": 1,
    "name": "bench",
    "version": "0.0.0",
    "task": "rgb-denoise",
    "tile": 512,
    "overlap": 64,
    "multiple": 4,
    "reach": 480,
    "input": {
        "channels": 3,
        "unit": "1",
        "range": [0.0, 1.0],
        "network_range": [0.0, 1.0],
    },
    "training": {
        "summary": "random weights",
        "data": [],
        "patches": 0,
        "patch_size": 128,
        "hours": 0.0,
        "hardware": "none",
    },
    "figures": [],
    "limits": "random weights, for measuring speed",
    "licence": "MIT OR Apache-2.0",
}


def write(variant: str, folder: Path) -> Path:
    """Exports a variant into a folder, unless the file exists."""
    path = folder / f"bench-{variant.lower()}.onnx"
    if not path.exists():
        torch.manual_seed(0)
        model = ArtIR(Config.variant(variant))
        with torch.no_grad():
            # Fresh residual scales are zero. Every block would do nothing.
            for name, parameter in model.named_parameters():
                if name.endswith(("beta", "gamma")):
                    parameter.copy_(0.2 * torch.randn_like(parameter))
        folder.mkdir(parents=True, exist_ok=True)
        export(model, CARD, path)
    return path
