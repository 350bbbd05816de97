"""Training images: where they lie, how CT series are read, and clear scenes from above.

The folder is ``ARTIR_REAL_DATA`` (default ``../shared/data`` beside the repository). Only its
``train`` part is read here; the rest is test data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import plain_scenes
from .degrade import haze

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Where the real data lies."""
    given = os.environ.get("ARTIR_REAL_DATA")
    return Path(given) if given else REPOSITORY.parent / "shared" / "data"


def kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a file, which is made if it is not there: beside, and renamed when whole."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part.npz")
        np.savez(temporary, **make())
        temporary.rename(path)
    with np.load(path) as pack:
        return {name: pack[name] for name in pack.files}


def stacked(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (degraded, clean) as two batches."""
    degraded, clean = (torch.from_numpy(np.stack(p)) for p in zip(*pairs, strict=True))
    return degraded, clean


def turned(part: np.ndarray, size: int, rng: np.random.Generator, mode: str) -> np.ndarray:
    """A square part [P, P, 3] uint8 of a picture, turned and flipped at random and made smaller if
    it is larger than ``size``: [3, size, size], 0 to 1."""
    part = np.rot90(part, rng.integers(4))
    if rng.integers(2):
        part = part[:, ::-1]
    picture = np.ascontiguousarray(part.transpose(2, 0, 1)).astype(np.float32) / 255
    if picture.shape[-1] == size:
        return picture
    small = torch.from_numpy(picture)[None]
    small = F.interpolate(small, size=(size, size), mode=mode, antialias=True)[0]
    return small.clamp(0, 1).numpy()


def tiles(folder: str) -> list[np.ndarray]:
    """The tiles [256, 256, 3] uint8 of a folder of ``train``, in the order of their names."""
    from PIL import Image

    found = []
    for path in sorted((data_folder() / "train" / folder).glob("**/*")):
        if path.suffix.lower() in (".tif", ".tiff", ".png", ".jpg"):
            tile = np.asarray(Image.open(path).convert("RGB"))
            if tile.shape[:2] == (256, 256):
                found.append(tile)
    return found


def read_series(folder: Path) -> tuple[np.ndarray, float]:
    """All 512x512 slices of a CT series in HU, [N, 512, 512] float32 from feet to head, and the
    pixel spacing in mm."""
    import pydicom

    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("**/*")) if path.is_file()]
    slices = [s for s in slices if "PixelData" in s and (s.Rows, s.Columns) == (512, 512)]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
    hu = np.stack(
        [
            s.pixel_array.astype(np.float32) * float(s.RescaleSlope) + float(s.RescaleIntercept)
            for s in slices
        ]
    )
    return hu.clip(-1024, 3072), float(slices[0].PixelSpacing[0])


def read_recompressed(path: Path) -> np.ndarray:
    """A slice in HU, float32, of a losslessly recompressed JPEG 2000 file (value = HU + 1024)."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image).astype(np.float32) - 1024


def own_noise(hu: np.ndarray) -> float:
    """Standard deviation of the noise that a slice [512, 512] has already, in HU.

    The lower quartile of that of 8x8 blocks of soft tissue: blocks with an edge in them are above
    it. NaN for a slice without soft tissue.
    """
    blocks = hu.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(-1, 64)
    soft = blocks[((blocks > -50) & (blocks < 200)).all(1)]
    return float(np.quantile(soft.std(1, ddof=1), 0.25)) if len(soft) else float("nan")


class HazePatches:
    """Pairs (hazy, clear) of RGB patches, display values 0 to 1.

    Clear scenes are aerial tiles (60 cm), Landsat tiles (30 m) and pieces of the whole Earth's map
    (5 km), so that the ground is not one kind of place; and plain scenes that are made up. No
    photographs.
    """

    channels = 3
    window = (0.0, 1.0)
    plain_share = 0.25

    def __init__(self, cache: Path, seed: int = 0):
        self.tiles = kept(cache / "haze.npz", lambda: {"tiles": clear_tiles()})["tiles"]
        self.rng = np.random.default_rng(seed)
        self.held_out = 24

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 3, size, size]."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        if rng.random() < self.plain_share:
            return haze.sample(plain_scenes.draw(rng, size), rng)
        tile = self.tiles[rng.integers(self.held_out, len(self.tiles))]
        # From a part of the tile to the whole of it, made smaller: what tells haze from a bright
        # ground may stand anywhere in a scene.
        part = int(rng.integers(size, 256 + 1))
        y, x = rng.integers(0, 256 - part + 1, 2)
        scene = turned(tile[y : y + part, x : x + part], size, rng, "bilinear")
        return haze.sample(haze.regrade(scene, rng), rng)

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out scenes with haze of a fixed seed, [24, 3, 256, 256]."""
        rng = np.random.default_rng(77)
        pairs = [
            haze.add_haze(t.transpose(2, 0, 1).astype(np.float32) / 255, haze.draw(rng, 256), rng)
            for t in self.tiles[: self.held_out]
        ]
        return stacked(pairs)


def clear_tiles() -> np.ndarray:
    """Clear scenes [N, 256, 256, 3] uint8, in a fixed random order."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    made = tiles("aerial") + tiles("landsat")
    earth = np.asarray(
        Image.open(data_folder() / "train" / "earth" / "8k_earth_daymap.jpg").convert("RGB")
    )
    rng = np.random.default_rng(3)
    count = 0
    while count < 150:
        # 60 degrees south to 75 north; the map's seas are one flat blue and are left out.
        y, x = rng.integers(340, 3400 - 256), rng.integers(0, 8192 - 256)
        tile = earth[y : y + 256, x : x + 256]
        if tile.reshape(-1, 3).std(0).min() > 12 and tile[..., 0].mean() > tile[..., 2].mean() - 5:
            made.append(tile)
            count += 1
    return np.stack(made)[np.random.default_rng(4).permutation(len(made))]
