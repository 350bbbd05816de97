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


class Restore:
    """A model as a function of images, computed by PyTorch."""

    def __init__(self, file: Path, activations=None):
        self.card, _ = read_card(file)
        channels = self.card["input"]["channels"]
        self.model = ArtIR(Config.variant(self.card["variant"], channels)).eval()
        weights.load(file, self.model)
        if activations:
            quantised(self.model, activations)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Restores [H, W] or [H, W, 3] in the card's unit, at the card's strength."""
        (lo, hi), (low, high) = (self.card["input"][k] for k in ("range", "network_range"))
        gain = (high - low) / (hi - lo)
        planes = np.atleast_3d(image).transpose(2, 0, 1)[None]
        x = torch.from_numpy((low + (planes.clip(lo, hi) - lo) * gain).astype(np.float32))
        height, width = x.shape[-2:]
        with torch.no_grad():
            padded = F.pad(x, (0, -width % 4, 0, -height % 4), "reflect")
            change = (self.model(padded)[..., :height, :width] - x).numpy() / gain
        restored = planes + self.card.get("strength", 1.0) * change
        return restored[0].transpose(1, 2, 0).reshape(image.shape)


def row(name: str) -> str:
    """A set's line of the table."""
    test = SETS[name](WORK)
    ways = [Restore(test.model, way) for way in (None, by_pixel, by_tile)]
    card = ways[0].card
    found = np.array(
        [[test.psnr(key, way(image)) for way in ways] for key, image in test.degraded.items()]
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
