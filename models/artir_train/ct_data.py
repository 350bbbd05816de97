"""Training pairs of CT: real slices and made-up bodies, with simulated noise of any kernel and
level.

The network learns the slice without noise, although hardly any real slice is free of it. Let y be a
slice whose own noise has variance v, and n the added noise of variance w. The network sees y + n,
and its target is y - (v / w) n. The noise of the target is then uncorrelated with the noise of the
input, so the best prediction is the slice without noise (Pang, Zheng, Quan, Ji:
Recorrupted-to-Recorrupted, CVPR 2021). Real anatomy from every scanner can thus be a target, and
the user chooses how much noise remains (``--strength``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from . import ct_lesions, ct_slices
from .ct_slices import filtered, kernel, share_left
from .data import stacked
from .packs import kept

MARGIN = 32
"""Pixels around a patch that a kernel's filter also sees, where its circular ends meet."""
SOFTEST, SHARP, SHARPEST = 0.16, 0.45, 0.64
"""Half-frequencies of the simulated kernels, cycles a pixel. Kernels from ``SHARP`` on are
sharp."""
FINER = 1.35
"""Largest ratio of the noise's sharpness to the slice's."""
SHARP_SHARE = 0.3
"""Share of the samples that have a sharp kernel."""
LOWEST, LITTLE_SHARE = 4.0, 0.15
"""Least added noise, HU, and the share of the samples that may have so little."""


@dataclass(frozen=True)
class Slices:
    """Slices to train on, with the arrays of ``ct_slices.pack`` for each."""

    clean: np.ndarray
    noise: np.ndarray
    own: np.ndarray
    half: np.ndarray
    steepness: np.ndarray

    def patch(
        self, i: int, at: tuple[int, int], size: int, half: float, steepness: float
    ) -> tuple[np.ndarray, float]:
        """A patch of a slice by a kernel, and the standard deviation of its own noise, HU."""
        outer, inner, _ = _with_margin(at, size)
        given, wanted = kernel(self.half[i], self.steepness[i]), kernel(half, steepness)

        def blur(f: np.ndarray) -> np.ndarray:
            return np.minimum(1, wanted(f) / np.maximum(given(f), 1e-6))

        clean = self.clean[i][outer].astype(np.float32)
        clean = filtered(clean + 1000, blur) - 1000
        left_of_own = share_left(lambda f: given(f) * blur(f)) / share_left(given)
        return clean[inner], float(self.own[i] * left_of_own**0.5)

    def noise_patches(
        self, i: int, at: tuple[int, int], size: int, half: float, steepness: float
    ) -> list[np.ndarray]:
        """Two independent noise patches of a kernel, of standard deviation 1."""
        outer, inner, mirrored = _with_margin(at, size)
        wanted = kernel(half, steepness)
        scale = share_left(wanted) ** -0.5
        return [
            scale * filtered(part.astype(np.float32), wanted)[inner]
            for part in (self.noise[i][outer], self.noise[i][mirrored][:, ::-1])
        ]

    def choose(
        self, members: np.ndarray, size: int, rng: np.random.Generator
    ) -> tuple[int, tuple[int, int]]:
        """One of some slices and the place of a patch in it, mostly in soft tissue."""
        while True:
            i = rng.choice(members)
            y, x = rng.integers(0, 512 - size + 1, 2)
            soft = self.clean[i, y : y + size, x : x + size]
            share = ((soft > -200) & (soft < 300)).mean()
            # Low contrasts are in soft tissue. Training learns almost nothing from air.
            if share > 0.5 or rng.random() < (0.35 if (soft > -900).mean() > 0.3 else 0.1):
                return i, (y, x)


def _with_margin(at: tuple[int, int], size: int) -> tuple[tuple, tuple, tuple]:
    """A patch with its margin, the patch within that, and the same columns of the mirror image."""
    wide = min(512, size + 2 * MARGIN)
    top, left = (min(max(0, start - MARGIN), 512 - wide) for start in at)
    rows = slice(top, top + wide)
    inner = tuple(slice(a - b, a - b + size) for a, b in zip(at, (top, left), strict=True))
    mirrored = slice(512 - left - wide, 512 - left)
    return (rows, slice(left, left + wide)), inner, (rows, mirrored)


class CtPatches:
    """Pairs (noisy, target) of CT patches in HU; see the module.

    Each sample draws a kernel, a group of slices, a slice of the group that is sharp enough for the
    kernel, and a noise level. The slice is blurred to the kernel's sharpness, so that its edges
    match the grain of the noise. Most samples get faint lesions. Noise images are reconstructed
    once with the bare ramp and kept in ``cache``. Each sample draws its own place, rotation, flip
    and mixture of a noise image with its mirror image, which is independent of it.
    """

    channels = 1
    window = (-160.0, 240.0)
    shares = {"leaves": 0.3, "singles": 0.4, "averages": 0.13, "smaller": 0.17}

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "ct-clean.npz", ct_slices.pack)
        self.slices = Slices(*(pack[field.name] for field in fields(Slices)))
        self.held_out = int(pack["held_out"])
        groups = pack["group"][self.held_out :]
        self.members = {
            name: np.flatnonzero(groups == name) + self.held_out for name in self.shares
        }
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """``count`` training pairs [count, 1, size, size] in HU, and the lesions in both."""
        return stacked([self.sample(size) for _ in range(count)])

    def pair(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """A training pair [1, size, size] in HU, without drawn lesions."""
        noisy, target, _ = self.sample(size, lesions=False)
        return noisy, target

    def sample(self, size: int, lesions: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A training pair [1, size, size] in HU, and the lesions in both."""
        rng = self.rng
        half, steepness = draw_kernel(rng)
        i, at = self.slices.choose(self._sharp_enough(half), size, rng)
        clean, own = self.slices.patch(i, at, size, half, steepness)
        drawn = np.zeros_like(clean)
        if lesions:
            drawn = ct_lesions.drawn(clean, half, steepness, rng)
        clean += drawn
        noise = self.slices.noise_patches(i, at, size, half, steepness)
        sd, kept_share = level(own, half, rng)
        angle = rng.uniform(0, np.pi / 2)
        noise = sd * (np.cos(angle) * noise[0] + np.sin(angle) * noise[1])
        made = turned(np.stack([clean + noise, clean - kept_share * noise, drawn]), rng)
        return made[:1], made[1:2], made[2:]

    def _sharp_enough(self, half: float) -> np.ndarray:
        """The slices of a random group that are sharp enough for a kernel. Groups without such
        slices are skipped."""
        found = {}
        for name, members in self.members.items():
            chosen = members[self.slices.half[members] * FINER >= half]
            if len(chosen):
                found[name] = chosen
        shares = np.array([self.shares[name] for name in found])
        return found[self.rng.choice(list(found), p=shares / shares.sum())]

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Middles [N, 1, 256, 256] of slices of held-out patients with 1.7 times their own noise
        added, by their own kernels; the references are the slices."""
        pairs = []
        for i in range(self.held_out):
            half = min(float(self.slices.half[i]), SHARPEST)
            at = ((128, 128), 256, half, float(self.slices.steepness[i]))
            clean, own = self.slices.patch(i, *at)
            noise, _ = self.slices.noise_patches(i, *at)
            pairs.append(((clean + 1.7 * own * noise)[None], clean[None]))
        return stacked(pairs)


def draw_kernel(rng: np.random.Generator) -> tuple[float, float]:
    """Half-frequency and steepness of a random kernel."""
    softest = SHARP if rng.random() < SHARP_SHARE else SOFTEST
    half = float(np.exp(rng.uniform(*np.log([softest, SHARPEST]))))
    return half, steepness_of(half, rng)


def steepness_of(half: float, rng: np.random.Generator) -> float:
    """A random steepness for a kernel: soft ones fall slowly (1.4 to 2.4), sharp ones fast (2.5 to
    5)."""
    sharp = np.log(half / SOFTEST) / np.log(SHARPEST / SOFTEST)
    return float(rng.uniform(1.4 + 1.1 * sharp, 2.4 + 2.6 * sharp))


def level(own: float, half: float, rng: np.random.Generator) -> tuple[float, float]:
    """Standard deviation of the added noise, HU, and the share of that noise which the target
    subtracts.

    Sharp kernels have more noise: at most 55 HU at 0.25 cycles a pixel and 115 HU at 0.57. Most
    samples have at least an eighth of that.
    """
    highest = 55 * (half / 0.25) ** 0.9
    little = rng.random() < LITTLE_SHARE
    least = max(LOWEST if little else highest / 8, 1.2 * own)
    highest = max(highest, 2 * least)
    sd = float(np.exp(rng.uniform(np.log(least), np.log(highest))))
    return sd, (own / sd) ** 2


def turned(patches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patches [N, size, size], all turned and flipped alike."""
    patches = np.rot90(patches, rng.integers(4), (1, 2))
    return np.ascontiguousarray(patches[:, :, ::-1] if rng.integers(2) else patches, np.float32)
