"""Training images for networks that remove several degradations: haze, rain, snow, noise, blur, low
light, one at a time or together.

The pictures are those of ``RgbFreePatches``, which nobody's terms restrict, degraded by
``degrade.photo``. ``published_data`` reads the published data sets instead.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .data import stacked, turned
from .degrade import photo
from .rgb_data import RgbFreePatches, RgbPatches


class AioPatches:
    """Pairs (degraded, clear) of RGB patches, display values 0 to 1, one degradation each.

    One patch in twenty is clear, so that the network leaves clear photographs alone.
    """

    channels = 3
    window = (0.0, 1.0)
    tasks: tuple[str, ...] = tuple(photo.SINGLE)
    scene_share = 0.4
    clear_share = 0.05
    each = 2
    """Held-out images of each task."""

    def __init__(self, cache: Path, seed: int = 0):
        pictures = RgbFreePatches(cache, seed)
        self.held_out = pictures.photos[: pictures.held_out]
        self.drawn = pictures.photos[pictures.held_out :]
        self.scenes = pictures.aerial
        self.groups: list[str] = []
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 3, size, size]."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng, picture = self.rng, self._picture()
        # Degraded with a border that is cut off, since blur brings in what lies beyond a patch.
        wide = min(size + 2 * photo.REACH, *picture.shape[:2])
        y, x = (int(rng.integers(0, side - wide + 1)) for side in picture.shape[:2])
        clear = turned(picture[y : y + wide, x : x + wide], wide, rng, "bicubic")
        degraded = clear
        if rng.random() >= self.clear_share:
            degraded = photo.degraded(clear, self.tasks[rng.integers(len(self.tasks))], rng)
        cut = (wide - size) // 2
        part = (slice(None), slice(cut, cut + size), slice(cut, cut + size))
        return np.ascontiguousarray(degraded[part]), np.ascontiguousarray(clear[part])

    def _picture(self) -> np.ndarray:
        pictures = self.scenes if self.rng.random() < self.scene_share else self.drawn
        return pictures[self.rng.integers(len(pictures))]

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out pictures under each degradation by a fixed seed, [2 x tasks, 3, 256, 256];
        ``groups`` then names their tasks."""
        rng, found, self.groups = np.random.default_rng(77), [], []
        for task in self.tasks:
            for _ in range(self.each):
                picture = self.held_out[len(found) % len(self.held_out)]
                clear = np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32) / 255
                found.append((photo.degraded(clear, task, rng), clear))
                self.groups.append(task)
        return stacked(found)


class AioPhotoPatches(AioPatches):
    """As AioPatches, mostly on the photographs of ``RgbPatches``, whose terms forbid commercial
    use. Networks that saw no photograph take much in them for a degradation."""

    photo_share = 0.6

    def __init__(self, cache: Path, seed: int = 0):
        super().__init__(cache, seed)
        photos = RgbPatches(cache, seed)
        self.photos = photos.photos[photos.held_out :]
        self.held_out = photos.photos[: photos.held_out, 32:288, 112:368]

    def _picture(self) -> np.ndarray:
        if self.rng.random() < self.photo_share:
            return self.photos[self.rng.integers(len(self.photos))]
        return super()._picture()


class CompositePatches(AioPatches):
    """As AioPatches, with the eleven combinations of CDD-11."""

    tasks = photo.COMPOSITE


class SnowPatches(AioPatches):
    """As AioPatches, with snow alone."""

    tasks = ("snow",)
    each = 12
