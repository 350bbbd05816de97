"""Training images: CT slices, and abdomens made of leaves, with simulated noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import ct_leaves
from .data import data_folder, kept, own_noise, read_series
from .degrade import ct

LEAVES = 160
"""How many slices are made of leaves."""
HELD_OUT_DEEP = 12
"""Slices at the foot of the Philips series, in the liver, that only validation sees."""


def ct_targets() -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Slices [N, 512, 512] int16 in HU, their pixel spacing [N] in mm, their noise [N] in HU, and
    how many of them, the first, are held out.

    Thin slices come as they are and averaged with up to seven neighbours, which is what a thicker
    slice is. Averaging blurs along the axis, so half of the averages are shrunk by 0.6 to 1, which
    makes them sharper for their pixels.
    """
    train = data_folder() / "train"
    rng = np.random.default_rng(1)
    slices, spacing, noise = [], [], []
    held_out = 0
    for folder, thicknesses, step in (
        ("ct-chest-philips-1mm", (1, 2, 4, 8), 2),
        ("ct-chest-ge", (1, 3, 5), 1),
        ("ct-body-ge-5mm", (1,), 1),
    ):
        hu, mm = read_series(train / folder)
        levels = []
        if not slices:
            for neighbours in thicknesses:
                for first in (0, HELD_OUT_DEEP - neighbours):
                    mean = hu[first : first + neighbours].mean(0)
                    slices.append(mean.round().astype(np.int16))
                    spacing.append(mm)
                    levels.append(own_noise(mean))
            held_out = len(slices)
            hu = hu[HELD_OUT_DEEP:]
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
    arrays = (np.array(spacing, np.float32), np.array(noise, np.float32))
    return np.stack(slices), *arrays, held_out


def shrunk(hu: torch.Tensor, mm: float, share: float) -> tuple[torch.Tensor, float]:
    """A slice [512, 512] made smaller, air around it, and its pixel spacing in mm."""
    size = 8 * round(64 * share)
    small = F.interpolate(hu[None, None], size=(size, size), mode="bicubic", antialias=True)[0, 0]
    before = (512 - size) // 2
    after = 512 - size - before
    return F.pad(small, (before, after, before, after), value=-1000.0), mm * 512 / size


class CtPatches:
    """Pairs (low dose, full dose) of CT patches in HU.

    The low dose has the noise of the slice itself and, for two samples in three, what the missing
    photons add: 1 / dose - 1 times its variance (noise variance goes as one over dose). Targets so
    keep their own noise, as the full-dose slices of real pairs do. The others get noise of any
    level, so that the network knows more than a few ratios. Slices made of leaves have a noise of
    their own too, of the same texture as what is added. The noise images are made once and kept in
    ``cache``; what is drawn anew for every sample is the place, the flip and rotation (of slice and
    noise together) and the dose: 10 to 50 %, and the whole for one in six.
    """

    channels = 1
    window = (-160.0, 240.0)
    dose = (0.1, 0.5)
    full_dose_share = 1 / 6
    any_level_share = 1 / 6
    any_level = (5.0, 50.0)
    leaves_share = 0.4

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "ct-leaves.npz", self._prepare)
        self.clean, self.noise, self.own = pack["clean"], pack["noise"], pack["own"]
        self.held_out, self.leaves = int(pack["held_out"]), int(pack["leaves"])
        self.rng = np.random.default_rng(seed)

    @staticmethod
    def _prepare() -> dict[str, np.ndarray]:
        rng = np.random.default_rng(2)
        clean, spacing, own, held_out = ct_targets()
        mm = rng.uniform(0.6, 0.95, LEAVES)
        bodies = np.stack([ct_leaves.body(rng, each) for each in mm]).round().astype(np.int16)
        clean = np.concatenate([clean, bodies])
        spacing = np.concatenate([spacing, mm.astype(np.float32)])
        own = np.concatenate([own, np.exp(rng.uniform(np.log(4), np.log(16), LEAVES))])
        noise = make_noise(clean, spacing, rng)
        # Turned by half a turn, noise is independent of itself and looks the same.
        turned = noise[-LEAVES:, ::-1, ::-1].astype(np.float32)
        bodies = bodies + own[-LEAVES:, None, None] * turned
        clean[-LEAVES:] = bodies.clip(-1024, 3072).round()
        own = own.astype(np.float32)
        return {"clean": clean, "noise": noise, "own": own, "held_out": held_out, "leaves": LEAVES}

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 1, size, size] in HU."""
        pairs = [self._draw(size) for _ in range(count)]
        clean = torch.stack([c for c, _ in pairs])[:, None]
        noisy = torch.stack([c + n for c, n in pairs])[:, None]
        return noisy, clean

    def _draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = self.rng
        first_leaf = len(self.clean) - self.leaves
        bounds = (self.held_out, first_leaf)
        if rng.random() < self.leaves_share:
            bounds = (first_leaf, len(self.clean))
        while True:
            i = rng.integers(*bounds)
            y, x = rng.integers(0, 512 - size + 1, 2)
            clean = self.clean[i, y : y + size, x : x + size].astype(np.float32)
            # Soft tissue is where low contrasts are; air outside the body teaches hardly anything.
            soft = ((clean > -200) & (clean < 300)).mean()
            if soft > 0.5 or rng.random() < (0.35 if (clean > -900).mean() > 0.3 else 0.1):
                break
        noise = self.noise[i, y : y + size, x : x + size].astype(np.float32)
        sd = self._level(self.own[i])
        turns, flip = rng.integers(4), rng.integers(2)
        both = np.rot90(np.stack([clean, noise * sd]), turns, (1, 2))
        both = torch.from_numpy(np.ascontiguousarray(both[:, :, ::-1] if flip else both))
        return both[0], both[1]

    def _level(self, own: float) -> np.ndarray:
        """Standard deviation of the noise that a sample gets, HU."""
        kind = self.rng.random()
        if kind < self.full_dose_share:
            return np.float32(0)
        if kind < self.full_dose_share + self.any_level_share:
            return np.float32(np.exp(self.rng.uniform(*np.log(self.any_level))))
        return added_noise(own, self.rng.uniform(*self.dose))

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out pairs at a quarter of the dose, [8, 1, 256, 256] in HU."""
        part = (slice(0, self.held_out), slice(128, 384), slice(128, 384))
        clean = torch.from_numpy(self.clean[part].astype(np.float32))[:, None]
        noise = torch.from_numpy(self.noise[part].astype(np.float32))[:, None]
        sd = torch.from_numpy(added_noise(self.own[: self.held_out], 0.25))
        return clean + sd[:, None, None, None] * noise, clean


def make_noise(clean: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A noise image for each slice, kernels from soft to sharp, at a standard deviation of 1 in the
    body."""
    generator = torch.Generator().manual_seed(2)
    noise = np.empty(clean.shape, np.float16)
    for first in range(0, len(clean), 4):
        part = slice(first, first + 4)
        hu = torch.from_numpy(clean[part].astype(np.float32))
        n = len(hu)
        cut = torch.from_numpy(rng.uniform(0.4, 1.15, n).astype(np.float32))
        power = torch.from_numpy(rng.uniform(0.6, 1.2, n).astype(np.float32))
        mm = torch.from_numpy(spacing[part])
        made = ct.noise(hu, mm, cut, power, generator, ct.Scan(views=300))
        made /= ct.body_sd(hu, made)[:, None, None].clamp(min=1e-3)
        noise[part] = made.clamp(-60000, 60000).numpy().astype(np.float16)
    return noise


def added_noise(own: np.ndarray | float, dose: float) -> np.ndarray:
    """Standard deviation, HU, of what a share of the dose adds to a slice's own noise."""
    return np.asarray(own * (1 / dose - 1) ** 0.5, np.float32)
