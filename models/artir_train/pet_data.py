"""Training images: PET phantoms with the noise of few and of full counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .data import data_folder, kept, stacked
from .degrade import pet
from .pet_phantom import Bodies, tumour_crops


class PetPatches:
    """Pairs (low-count, full-count) of PET patches in SUV.

    Phantoms and their noise are made once and kept in ``cache``: for each, the noise of a scan with
    a 4th to a 10th of the counts, that of one with a 10th to a 20th, and that of the full counts,
    at which an even organ varies by 9 to 30 %. Livers vary by 7 to 22 %, small areas of a thin
    slice by more. Three targets in four have the noise of the full counts, as the full-count scan
    of a real pair does, and their low-count partners have it too beside their own: the highest
    value of a lesion then is what a reader of the full-count scan sees. The other targets have
    none. Place, flip, rotation and brightness (of image and noise together) are drawn anew for
    every sample; one in eight gets a fifth of the noise, so that a full-count scan is known too.
    In hot areas, from an uptake of 2 on and in full from 4 on, the target keeps a fifth of the
    low-count noise: without any, hot spots come out too smooth and their SUVmax too low.
    """

    channels = 1
    held_out = 8
    phantoms = 320
    full_noise_share = 0.75
    hot = (2.0, 4.0)
    hot_noise = 0.2
    size = 160
    window = (0.0, 20.0)

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "pet-noisier.npz", self._prepare)
        self.clean, self.noise = pack["clean"], pack["noise"]
        self.twelfth, self.full = pack["twelfth"], pack["full"]
        self.rng = np.random.default_rng(seed)

    @classmethod
    def _prepare(cls) -> dict[str, np.ndarray]:
        crops = tumour_crops(data_folder() / "train" / "pet-tumour-crops-suv.npz")
        bodies = Bodies(crops, cls.size, 5)
        rng = np.random.default_rng(6)
        generator = torch.Generator().manual_seed(6)
        clean, noise, twelfth, whole = [], [], [], []
        for first in range(0, cls.phantoms, 8):
            drawn = [bodies.draw() for _ in range(8)]
            suv = torch.from_numpy(np.stack([p.suv for p in drawn]))
            body = torch.from_numpy(np.stack([p.body for p in drawn]))
            region = torch.from_numpy(np.stack([p.reference for p in drawn]))
            mm = torch.tensor([p.pixel_mm for p in drawn])
            scan = pet.Scan(iterations=int(rng.integers(2, 4)), post_mm=float(rng.uniform(3, 8)))
            variation = torch.from_numpy(rng.uniform(0.09, 0.30, 8).astype(np.float32))
            slices = (suv, body, mm)
            full = pet.calibrated(suv, body, region, mm, variation, scan)
            few = _thinned(slices, full, rng.uniform(4, 10, 8), generator, scan)
            fewer = _thinned(slices, full, rng.uniform(10, 20, 8), generator, scan)
            clean.append(suv.numpy())
            noise.append(np.stack([few, fewer], 1))
            whole.append(_thinned(slices, full, np.ones(8), generator, scan))
            if first == 0:
                twelfth.append(_thinned(slices, full, np.full(8, 12.0), generator, scan))
        packed = {"clean": clean, "noise": noise, "twelfth": twelfth, "full": whole}
        return {name: np.concatenate(v).astype(np.float16) for name, v in packed.items()}

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 1, size, size] in SUV."""
        low, full = stacked([self._draw(size) for _ in range(count)])
        return low[:, None], full[:, None]

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        i = rng.integers(self.held_out, len(self.clean))
        y, x = rng.integers(0, self.size - size + 1, 2)
        part = (slice(y, y + size), slice(x, x + size))
        clean = self.clean[i][part].astype(np.float32)
        if rng.random() < self.full_noise_share:
            clean = (clean + self.full[i][part].astype(np.float32)).clip(0)
        noise = self.noise[i, rng.integers(2)][part].astype(np.float32)
        if rng.random() < 0.125:
            noise *= 0.2
        both = np.rot90(np.stack([clean, noise]), rng.integers(4), (1, 2))
        both = both[:, :, ::-1] if rng.integers(2) else both
        clean, noise = both * np.float32(np.exp(rng.uniform(-0.4, 0.4)))
        lo, hi = self.hot
        kept = self.hot_noise * ((clean - lo) / (hi - lo)).clip(0, 1) * noise
        return (clean + noise).clip(0), (clean + kept).clip(0)

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out phantoms at a twelfth of the counts and at all of them, [8, 1, 160, 160]."""
        held = self.clean[: self.held_out].astype(np.float32) + self.full[: self.held_out]
        clean = torch.from_numpy(held)[:, None].clamp(min=0)
        noise = torch.from_numpy(self.twelfth.astype(np.float32))[:, None]
        return (clean + noise).clamp(min=0), clean


def _thinned(
    slices: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    full: torch.Tensor,
    fractions: np.ndarray,
    generator: torch.Generator,
    scan: pet.Scan,
) -> np.ndarray:
    """Noise of scans with full counts divided by these fractions."""
    counts = full / torch.from_numpy(fractions.astype(np.float32))
    return pet.noise(*slices, counts, generator, scan).numpy()
