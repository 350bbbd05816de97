"""Training pairs of scenes from above: clear ground under simulated haze, and a few real pairs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from . import plain_scenes
from .data import data_folder, stacked, tiles, turned
from .degrade import haze
from .packs import kept

HELD_OUT = 24
"""The number of tiles at the beginning that only validation sees."""
ENLARGED = 4
"""Enlargement of EuroSAT's tiles of 64 pixels, which are used for the colours of their ground."""
VEILED = ("T6780", "T1302", "T581", "T316", "ROIs2017_winter_102_p926", "ROIs1868_summer_102_p500")
"""Real pairs of SEN12MS-CR with a translucent veil over unchanged ground. Pairs with opaque clouds,
shadows or changed fields are left out."""


class HazePatches:
    """Pairs (hazy, clear) of RGB patches, display values 0 to 1.

    The grounds are aerial tiles of 30 and 60 cm, Sentinel-2 (10 m), Landsat (30 m), pieces of a map
    of the Earth (5 km), and synthetic plain scenes; no photographs. Three in ten of the real
    grounds are painted in the colour of sand, snow, water or soil. Two samples in a hundred are
    real pairs. One in five has artefacts of JPEG compression.
    """

    channels = 3
    window = (0.0, 1.0)
    plain_share = 0.15
    pair_share = 0.02
    jpeg_share = 0.2
    painted_share = 0.3
    # How often each source of ground is drawn.
    shares = {"mixed": 0.5, "sentinel": 0.15, "ucmerced": 0.2, "eurosat": 0.15}

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "haze-ground.npz", ground)
        self.tiles, self.pairs = pack["tiles"], pack["pairs"]
        self.weight = np.zeros(len(self.tiles))
        for name, share in self.shares.items():
            members = np.flatnonzero(pack["source"][HELD_OUT:] == name) + HELD_OUT
            self.weight[members] = share / max(1, len(members))
        self.weight = self.weight.cumsum()
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 3, size, size]."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        kind = rng.random()
        if kind < self.pair_share:
            return self._pair(size)
        if kind < self.pair_share + self.plain_share:
            hazy, clear = haze.sample(plain_scenes.draw(rng, size), rng)
        else:
            at = rng.uniform(0, self.weight[-1])
            tile = self.tiles[np.searchsorted(self.weight, at, side="right")]
            # A part of the tile or the whole of it, made smaller. The cue that distinguishes haze
            # from bright ground can be anywhere in a scene.
            scene = turned(part_of(tile, size, rng), size, rng, "bilinear")
            if rng.random() < self.painted_share:
                scene = plain_scenes.painted(scene, rng)
            else:
                scene = haze.regrade(scene, rng)
            hazy, clear = haze.sample(scene, rng)
        if rng.random() < self.jpeg_share:
            hazy = jpeg(hazy, int(rng.integers(70, 96)))
        return hazy, clear

    def _pair(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        pair = self.pairs[self.rng.integers(len(self.pairs))]
        both = part_of(np.concatenate(list(pair), axis=2), size, self.rng)
        state = self.rng.bit_generator.state
        hazy = turned(both[..., :3], size, self.rng, "bilinear")
        # The same turn and flip for the other.
        self.rng.bit_generator.state = state
        return hazy, turned(both[..., 3:], size, self.rng, "bilinear")

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out scenes with haze of a fixed seed, [24, 3, 256, 256]."""
        rng = np.random.default_rng(77)
        pairs = [
            haze.add_haze(t.transpose(2, 0, 1).astype(np.float32) / 255, haze.draw(rng, 256), rng)
            for t in self.tiles[:HELD_OUT]
        ]
        return stacked(pairs)


def part_of(tile: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square part of a tile [256, 256, C], from ``size`` to the whole."""
    part = int(rng.integers(size, 256 + 1))
    y, x = rng.integers(0, 256 - part + 1, 2)
    return tile[y : y + part, x : x + part]


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """A picture [3, H, W], 0 to 1, after JPEG compression."""
    levels = (picture.transpose(1, 2, 0) * 255).round().clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        back = np.asarray(image.convert("RGB"), np.float32) / 255
    return np.ascontiguousarray(back.transpose(2, 0, 1))


def ground() -> dict[str, np.ndarray]:
    """Clear tiles [N, 256, 256, 3] uint8 with the source of each, and real pairs
    [P, 2, 256, 256, 3], hazy and clear."""
    mixed = clear_tiles()
    clear = "satellite-clear"
    sources = {
        "mixed": list(mixed),
        "sentinel": tiles(f"{clear}/sen12ms-cr"),
        "ucmerced": tiles(f"{clear}/ucmerced"),
        "eurosat": enlarged(data_folder() / "train" / clear / "eurosat"),
    }
    folder = data_folder() / "train" / "haze-pairs" / "sen12ms-cr"
    pairs = [
        [read_rgb(path), read_rgb(path.with_name(path.name.replace("_hazy", "_clear")))]
        for path in sorted(folder.glob("*_hazy.png"))
        if path.name.removesuffix("_hazy.png") in VEILED
    ]
    return {
        "tiles": np.stack([tile for found in sources.values() for tile in found]),
        "source": np.array([name for name, found in sources.items() for _ in found]),
        "pairs": np.stack([np.stack(pair) for pair in pairs]),
    }


def read_rgb(path: Path) -> np.ndarray:
    """A picture [H, W, 3] uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def enlarged(folder: Path) -> list[np.ndarray]:
    """The small tiles of a folder, each four times as wide."""
    found = []
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as image:
            size = tuple(ENLARGED * side for side in image.size)
            found.append(np.asarray(image.convert("RGB").resize(size, Image.BICUBIC)))
    return [tile for tile in found if tile.shape == (256, 256, 3)]


def clear_tiles() -> np.ndarray:
    """Clear scenes [N, 256, 256, 3] uint8, in a fixed random order."""
    Image.MAX_IMAGE_PIXELS = None
    made = tiles("aerial") + tiles("landsat")
    earth = read_rgb(data_folder() / "train" / "earth" / "8k_earth_daymap.jpg")
    rng = np.random.default_rng(3)
    count = 0
    while count < 150:
        # 60 degrees south to 75 north. The map's seas are a uniform blue and are left out.
        y, x = rng.integers(340, 3400 - 256), rng.integers(0, 8192 - 256)
        tile = earth[y : y + 256, x : x + 256]
        if tile.reshape(-1, 3).std(0).min() > 12 and tile[..., 0].mean() > tile[..., 2].mean() - 5:
            made.append(tile)
            count += 1
    return np.stack(made)[np.random.default_rng(4).permutation(len(made))]
