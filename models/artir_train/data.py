"""Training images: CT slices with simulated noise, and clear scenes from above.

The folder is ``ARTIR_REAL_DATA`` (default ``../shared/data`` beside the repository). Only its
``train`` part is read here; the rest is test data.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .degrade import ct, haze

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Where the real data lies."""
    given = os.environ.get("ARTIR_REAL_DATA")
    return Path(given) if given else REPOSITORY.parent / "shared" / "data"


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


def own_noise(hu: np.ndarray) -> float:
    """Standard deviation of the noise that a slice [512, 512] has already, in HU.

    The lower quartile of that of 8x8 blocks of soft tissue: blocks with an edge in them are above
    it. NaN for a slice without soft tissue.
    """
    blocks = hu.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(-1, 64)
    soft = blocks[((blocks > -50) & (blocks < 200)).all(1)]
    return float(np.quantile(soft.std(1, ddof=1), 0.25)) if len(soft) else float("nan")


def ct_targets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slices [N, 512, 512] int16 in HU, their pixel spacing [N] in mm, and their noise [N] in HU.

    Thin slices come as they are and averaged with up to seven neighbours, which is what a thicker
    slice is. Averaging blurs along the axis, so half of the averages are shrunk by 0.6 to 1, which
    makes them sharper for their pixels.
    """
    train = data_folder() / "train"
    rng = np.random.default_rng(1)
    slices, spacing, noise = [], [], []
    for folder, thicknesses, step in (
        ("ct-chest-philips-1mm", (1, 2, 4, 8), 2),
        ("ct-chest-ge", (1, 3, 5), 1),
        ("ct-body-ge-5mm", (1,), 1),
    ):
        hu, mm = read_series(train / folder)
        levels = []
        for neighbours in thicknesses:
            for first in range(0, len(hu) - neighbours + 1, step):
                mean = torch.from_numpy(hu[first : first + neighbours].mean(0))
                this_mm = mm
                if neighbours > 1 and rng.random() < 0.5:
                    mean, this_mm = shrunk(mean, mm, rng.uniform(0.6, 1.0))
                slices.append(mean.clamp(-1024, 3072).round().to(torch.int16).numpy())
                spacing.append(this_mm)
                levels.append(own_noise(slices[-1].astype(np.float32)))
        noise += list(np.where(np.isnan(levels), np.nanmedian(levels), levels))
    return np.stack(slices), np.array(spacing, np.float32), np.array(noise, np.float32)


def shrunk(hu: torch.Tensor, mm: float, share: float) -> tuple[torch.Tensor, float]:
    """A slice [512, 512] made smaller, air around it, and its pixel spacing in mm."""
    size = 8 * round(64 * share)
    small = F.interpolate(hu[None, None], size=(size, size), mode="bicubic", antialias=True)[0, 0]
    before = (512 - size) // 2
    after = 512 - size - before
    return F.pad(small, (before, after, before, after), value=-1000.0), mm * 512 / size


class CtPatches:
    """Pairs (low dose, full dose) of CT patches in HU.

    The low dose has the noise of the slice itself and what the missing photons add: 1 / dose - 1
    times its variance (noise variance goes as one over dose). Targets so keep their own noise, as
    the full-dose slices of real pairs do. The noise images are made once and kept in ``cache``;
    what is drawn anew for every sample is the place, the flip and rotation (of slice and noise
    together) and the dose: 10 to 50 %, and the whole for one in six.
    """

    channels = 1
    held_out = 8
    window = (-160.0, 240.0)
    dose = (0.1, 0.5)
    full_dose_share = 1 / 6

    def __init__(self, cache: Path, seed: int = 0):
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / "ct-dose.npz"
        if not path.exists():
            self._prepare(path)
        with np.load(path) as pack:
            self.clean, self.noise, self.own = pack["clean"], pack["noise"], pack["own"]
        self.rng = np.random.default_rng(seed)

    @staticmethod
    def _prepare(path: Path) -> None:
        clean, spacing, own = ct_targets()
        rng = np.random.default_rng(2)
        generator = torch.Generator().manual_seed(2)
        order = rng.permutation(len(clean))
        clean, spacing, own = clean[order], spacing[order], own[order]
        noise = np.empty(clean.shape, np.float16)
        for first in range(0, len(clean), 4):
            part = slice(first, first + 4)
            hu = torch.from_numpy(clean[part].astype(np.float32))
            n = len(hu)
            cut = torch.from_numpy(rng.uniform(0.4, 1.15, n).astype(np.float32))
            power = torch.from_numpy(rng.uniform(0.6, 1.2, n).astype(np.float32))
            made = ct.noise(
                hu, torch.from_numpy(spacing[part]), cut, power, generator, ct.Scan(views=300)
            )
            # Stored at a standard deviation of 1 in the body.
            made /= ct.body_sd(hu, made)[:, None, None].clamp(min=1e-3)
            noise[part] = made.clamp(-60000, 60000).numpy().astype(np.float16)
        temporary = path.with_suffix(".part.npz")
        np.savez(temporary, clean=clean, noise=noise, own=own)
        temporary.rename(path)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 1, size, size] in HU."""
        pairs = [self._draw(size) for _ in range(count)]
        clean = torch.stack([c for c, _ in pairs])[:, None]
        noisy = torch.stack([c + n for c, n in pairs])[:, None]
        return noisy, clean

    def _draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = self.rng
        while True:
            i = rng.integers(self.held_out, len(self.clean))
            y, x = rng.integers(0, 512 - size + 1, 2)
            clean = self.clean[i, y : y + size, x : x + size].astype(np.float32)
            # Air outside the body teaches little: three of four such patches are drawn again.
            if (clean > -900).mean() > 0.3 or rng.random() < 0.25:
                break
        noise = self.noise[i, y : y + size, x : x + size].astype(np.float32)
        dose = 1.0 if rng.random() < self.full_dose_share else rng.uniform(*self.dose)
        sd = added_noise(self.own[i], dose)
        turns, flip = rng.integers(4), rng.integers(2)
        both = np.rot90(np.stack([clean, noise * sd]), turns, (1, 2))
        both = torch.from_numpy(np.ascontiguousarray(both[:, :, ::-1] if flip else both))
        return both[0], both[1]

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out pairs at a quarter of the dose, [8, 1, 256, 256] in HU."""
        part = (slice(0, self.held_out), slice(128, 384), slice(128, 384))
        clean = torch.from_numpy(self.clean[part].astype(np.float32))[:, None]
        noise = torch.from_numpy(self.noise[part].astype(np.float32))[:, None]
        sd = torch.from_numpy(added_noise(self.own[: self.held_out], 0.25))
        return clean + sd[:, None, None, None] * noise, clean


def added_noise(own: np.ndarray | float, dose: float) -> np.ndarray:
    """Standard deviation, HU, of what a share of the dose adds to a slice's own noise."""
    return np.asarray(own * (1 / dose - 1) ** 0.5, np.float32)


class HazePatches:
    """Pairs (hazy, clear) of RGB patches, display values 0 to 1.

    Clear scenes are aerial tiles (60 cm), Landsat tiles (30 m) and pieces of the whole Earth's map
    (5 km), so that the ground is not one kind of place. No photographs.
    """

    channels = 3
    window = (0.0, 1.0)

    def __init__(self, cache: Path, seed: int = 0):
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / "haze.npz"
        if not path.exists():
            temporary = path.with_suffix(".part.npz")
            np.savez(temporary, tiles=clear_tiles())
            temporary.rename(path)
        with np.load(path) as pack:
            self.tiles = pack["tiles"]
        self.rng = np.random.default_rng(seed)
        self.held_out = 24

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 3, size, size]."""
        pairs = [self._draw(size) for _ in range(count)]
        hazy, clear = (torch.from_numpy(np.stack(p)) for p in zip(*pairs, strict=True))
        return hazy, clear

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        tile = self.tiles[rng.integers(self.held_out, len(self.tiles))]
        y, x = rng.integers(0, 256 - size + 1, 2)
        scene = np.rot90(tile[y : y + size, x : x + size], rng.integers(4))
        if rng.integers(2):
            scene = scene[:, ::-1]
        scene = np.ascontiguousarray(scene.transpose(2, 0, 1)).astype(np.float32) / 255
        return haze.sample(scene, rng)

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out scenes with haze of a fixed seed, [24, 3, 256, 256]."""
        rng = np.random.default_rng(77)
        pairs = [
            haze.add_haze(t.transpose(2, 0, 1).astype(np.float32) / 255, haze.draw(rng, 256), rng)
            for t in self.tiles[: self.held_out]
        ]
        hazy, clear = (torch.from_numpy(np.stack(p)) for p in zip(*pairs, strict=True))
        return hazy, clear


def clear_tiles() -> np.ndarray:
    """Clear scenes [N, 256, 256, 3] uint8, in a fixed random order."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    train = data_folder() / "train"
    tiles = []
    for folder in ("aerial", "landsat"):
        for path in sorted((train / folder).glob("**/*")):
            if path.suffix.lower() not in (".tif", ".tiff", ".png", ".jpg"):
                continue
            tile = np.asarray(Image.open(path).convert("RGB"))
            if tile.shape[:2] == (256, 256):
                tiles.append(tile)
    earth = np.asarray(Image.open(train / "earth" / "8k_earth_daymap.jpg").convert("RGB"))
    rng = np.random.default_rng(3)
    kept = 0
    while kept < 150:
        # 60 degrees south to 75 north; the map's seas are one flat blue and are left out.
        y, x = rng.integers(340, 3400 - 256), rng.integers(0, 8192 - 256)
        tile = earth[y : y + 256, x : x + 256]
        if tile.reshape(-1, 3).std(0).min() > 12 and tile[..., 0].mean() > tile[..., 2].mean() - 5:
            tiles.append(tile)
            kept += 1
    return np.stack(tiles)[np.random.default_rng(4).permutation(len(tiles))]
