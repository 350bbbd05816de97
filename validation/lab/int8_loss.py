"""What int8 products would cost artir's models in dB, on their real test sets.

    python -m lab.int8_loss

The sums over channels (1x1 convolutions, most of the multiply-adds) get operands of 8 bits: weights
with a scale for each output channel, activations with a scale found on the fly, for each pixel, or
for each tile of 8 x 8 pixels. Everything else is f32. Sums of products of such operands are exact
in int32, so that rounding the operands is all that int8 products would change. This measures the
loss alone. It is not a fast program.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from artir_train import weights
from artir_train.config import Config
from artir_train.model_file import read_card
from artir_train.network import ArtIR

from .baselines.sets import SETS, WORK
from .restorer import Restorer

HEAD = ("set", "model", "images", "f32, dB", "scale a pixel", "worst", "scale a tile", "worst")
REAL = ("ct-real-b30", "ct-real-d45", "haze")
MOST = 127
"""Largest int8 of a symmetric scale."""


def rounded(values: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """Values that int8 can hold, at a scale that keeps the largest."""
    scale = largest.clamp(min=1e-12) / MOST
    return (values / scale).round() * scale


def by_pixel(x: torch.Tensor) -> torch.Tensor:
    return rounded(x, x.abs().amax(1, keepdim=True))


def by_tile(x: torch.Tensor) -> torch.Tensor:
    rows, columns = x.shape[-2:]
    largest = F.max_pool2d(x.abs().amax(1, keepdim=True), 8, ceil_mode=True)
    largest = largest.repeat_interleave(8, 2).repeat_interleave(8, 3)
    return rounded(x, largest[..., :rows, :columns])


def quantised(model: ArtIR, activations) -> ArtIR:
    """Rounds the operands of all sums over channels."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (1, 1):
            with torch.no_grad():
                w = layer.weight
                w.copy_(rounded(w, w.abs().amax((1, 2, 3), keepdim=True)))
            layer.register_forward_pre_hook(lambda _, given: (activations(given[0]),))
    return model


def in_pytorch(file: Path, activations=None) -> Restorer:
    """A model file computed by PyTorch, with rounded operands if ``activations`` says how."""
    card, _ = read_card(file)
    model = ArtIR(Config.variant(card["variant"], card["input"]["channels"])).eval()
    weights.load(file, model)
    if activations:
        quantised(model, activations)

    def run(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(image)).numpy()

    return Restorer(file, run)


def row(name: str) -> str:
    """A set's line of the table."""
    test = SETS[name](WORK)
    ways = [in_pytorch(test.model, way) for way in (None, by_pixel, by_tile)]
    card = ways[0].card
    strength = card.get("strength", 1.0)
    found = np.array(
        [
            [test.psnr(key, way(image, strength)) for way in ways]
            for key, image in test.degraded.items()
        ]
    )
    exact, mean = found[:, 0], found.mean(0)
    cells = [test.title, f"{card['name']} {card['version']}", str(len(found)), f"{mean[0]:.3f}"]
    for way in (1, 2):
        cells += [f"{mean[way] - mean[0]:+.3f}", f"{(found[:, way] - exact).min():+.3f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", help="default: the real sets of CT and haze")
    options = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("|---" * len(HEAD) + "|")
    for name in options.sets or REAL:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
