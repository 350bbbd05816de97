"""Training images: their folder, and functions that read them.

The folder is ``ARTIR_REAL_DATA`` (default ``../shared/data`` beside the repository). Only its
``train`` part is read here; the rest is test data.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """The folder of the real data."""
    given = os.environ.get("ARTIR_REAL_DATA")
    return Path(given) if given else REPOSITORY.parent / "shared" / "data"


def stacked(samples: list[tuple[np.ndarray, ...]]) -> tuple[torch.Tensor, ...]:
    """Samples (degraded, clean, and more in some data) as a batch of each."""
    return tuple(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))


def turned(part: np.ndarray, size: int, rng: np.random.Generator, mode: str) -> np.ndarray:
    """A square part [P, P, 3] uint8 of a picture as [3, size, size], 0 to 1: turned and flipped at
    random, and made smaller if it is larger than ``size``."""
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
    """Standard deviation of the noise of a slice [512, 512], in HU: lower quartile over 8x8 blocks
    of soft tissue. NaN for a slice without soft tissue.

    The quartile excludes blocks with edges, which deviate more.
    """
    blocks = hu.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(-1, 64)
    soft = blocks[((blocks > -50) & (blocks < 200)).all(1)]
    return float(np.quantile(soft.std(1, ddof=1), 0.25)) if len(soft) else float("nan")
