"""Training images: photographs and aerial tiles with white Gaussian noise.

The photographs (BSDS500) are for non-commercial research and education. Weights trained on them are
a separate file with its own notice and are never built into the program.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import rgb_leaves
from .data import data_folder, stacked, tiles, turned
from .packs import kept


class RgbPatches:
    """Pairs (noisy, clean) of RGB patches, display values 0 to 1.

    The noise has a standard deviation of 0 to 55 levels of 255, constant within a patch and unknown
    to the network. As in the published protocols it is neither clipped nor rounded, except in one
    sample of four, which is both, as in a file. Four photographs in ten are made smaller first,
    which makes them sharper. A third of the samples get a different saturation.
    """

    channels = 3
    window = (0.0, 1.0)
    sigma = (0.0, 55.0)
    aerial_share = 0.1
    smaller_share = 0.4
    saturation_share = 1 / 3
    rounded_share = 0.25
    held_out = 12

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(
            cache / "rgb.npz",
            lambda: {"photos": photographs(), "aerial": np.stack(tiles("aerial"))},
        )
        self.photos, self.aerial = pack["photos"], pack["aerial"]
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 3, size, size]."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        clean = self._clean(size)
        sigma = rng.uniform(*self.sigma) / 255
        noisy = clean + np.float32(sigma) * rng.standard_normal(clean.shape, dtype=np.float32)
        if rng.random() < self.rounded_share:
            noisy = np.round(noisy.clip(0, 1) * 255) / np.float32(255)
        return noisy, clean

    def _clean(self, size: int) -> np.ndarray:
        rng, part = self.rng, size
        if rng.random() < self.aerial_share:
            image = self.aerial[rng.integers(len(self.aerial))]
        else:
            image = self.photos[rng.integers(self.held_out, len(self.photos))]
            if rng.random() < self.smaller_share:
                part = int(rng.integers(size, min(2 * size, image.shape[0]) + 1))
        y, x = (int(rng.integers(0, side - part + 1)) for side in image.shape[:2])
        patch = turned(image[y : y + part, x : x + part], size, rng, "bicubic")
        if rng.random() < self.saturation_share:
            grey = patch.mean(0, keepdims=True)
            patch = (grey + (patch - grey) * np.float32(rng.uniform(0.3, 1.8))).clip(0, 1)
        return patch

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out photographs at sigma 25 of a fixed seed, [12, 3, 256, 256]."""
        held = self.photos[: self.held_out, 32:288, 112:368].transpose(0, 3, 1, 2)
        return at_25(np.ascontiguousarray(held).astype(np.float32) / 255)


def at_25(clean: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures with noise of sigma 25 by a fixed seed, and the pictures themselves."""
    noise = np.random.default_rng(25).standard_normal(clean.shape, dtype=np.float32)
    return torch.from_numpy(clean + noise * np.float32(25 / 255)), torch.from_numpy(clean)


class RgbFreePatches(RgbPatches):
    """As RgbPatches, but with synthetic pictures and aerial scenes instead of photographs, whose
    terms forbid commercial use. Weights trained on this source may be built in."""

    aerial_share = 0.4
    smaller_share = 0.0
    leaves = 500

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "rgb-free.npz", self._prepare)
        self.photos, self.aerial = pack["leaves"], pack["scenes"]
        self.rng = np.random.default_rng(seed)

    @classmethod
    def _prepare(cls) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(8)
        made = [(rgb_leaves.picture(rng) * 255).round() for _ in range(cls.leaves)]
        scenes = tiles("aerial") + tiles("landsat") + tiles("satellite-clear/sen12ms-cr")
        return {"leaves": np.stack(made).astype(np.uint8), "scenes": np.stack(scenes)}

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out synthetic pictures at sigma 25 by a fixed seed, [12, 3, 256, 256]."""
        held = self.photos[: self.held_out].transpose(0, 3, 1, 2)
        return at_25(np.ascontiguousarray(held).astype(np.float32) / 255)


def photographs() -> np.ndarray:
    """All photographs, turned to landscape, [N, 321, 481, 3] uint8, in a fixed random order."""
    from PIL import Image

    images = []
    for path in sorted((data_folder() / "train" / "photos").glob("*.jpg")):
        image = np.asarray(Image.open(path).convert("RGB"))
        images.append(image if image.shape[0] < image.shape[1] else np.rot90(image))
    return np.stack(images)[np.random.default_rng(7).permutation(len(images))]
