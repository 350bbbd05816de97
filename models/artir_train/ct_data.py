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

from pathlib import Path

import numpy as np
import torch

from . import ct_slices
from .ct_slices import filtered, kernel, share_left
from .packs import kept

MARGIN = 32
"""Pixels around a patch that a kernel's filter also sees, where its circular ends meet."""
SOFTEST, SHARP, SHARPEST = 0.16, 0.45, 0.64
"""Half-frequencies of the simulated kernels, cycles a pixel. Kernels from ``SHARP`` on are
sharp."""
FINER = 1.35
"""Largest ratio of the noise's sharpness to the slice's."""


class CtPatches:
    """Pairs (noisy, target) of CT patches in HU; see the module.

    Each sample draws a kernel, a group of slices, a slice of the group that is sharp enough for the
    kernel, and a noise level. The slice is blurred to the kernel's sharpness, so that its edges
    match the grain of the noise. Noise images are reconstructed once with the bare ramp and kept in
    ``cache``. Each sample draws its own place, rotation, flip and mixture of a noise image with its
    mirror image, which is independent of it.
    """

    channels = 1
    window = (-160.0, 240.0)
    lowest = 4.0
    sharp_share = 0.3
    little_share = 0.15
    shares = {"leaves": 0.3, "singles": 0.4, "averages": 0.13, "smaller": 0.17}

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "ct-clean.npz", ct_slices.pack)
        self.clean, self.noise, self.own = pack["clean"], pack["noise"], pack["own"]
        self.half, self.steepness = pack["half"], pack["steepness"]
        self.held_out = int(pack["held_out"])
        groups = pack["group"][self.held_out :]
        self.members = {
            name: np.flatnonzero(groups == name) + self.held_out for name in self.shares
        }
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 1, size, size] in HU."""
        pairs = [self._draw(size) for _ in range(count)]
        noisy, target = (torch.from_numpy(np.stack(p))[:, None] for p in zip(*pairs, strict=True))
        return noisy, target

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        softest = SHARP if rng.random() < self.sharp_share else SOFTEST
        half = float(np.exp(rng.uniform(*np.log([softest, SHARPEST]))))
        steepness = steepness_of(half, rng)
        members = self._sharp_enough(half)
        while True:
            i = rng.choice(members)
            y, x = rng.integers(0, 512 - size + 1, 2)
            soft = self.clean[i, y : y + size, x : x + size]
            share = ((soft > -200) & (soft < 300)).mean()
            # Low contrasts are in soft tissue. Training learns almost nothing from air.
            if share > 0.5 or rng.random() < (0.35 if (soft > -900).mean() > 0.3 else 0.1):
                break
        clean, noise, own = self._simulate(i, y, x, size, half, steepness)
        sd, kept_share = self._level(own, half)
        angle = rng.uniform(0, np.pi / 2)
        noise = sd * (np.cos(angle) * noise[0] + np.sin(angle) * noise[1])
        pair = np.stack([clean + noise, clean - kept_share * noise])
        pair = np.rot90(pair, rng.integers(4), (1, 2))
        pair = np.ascontiguousarray(pair[:, :, ::-1] if rng.integers(2) else pair, np.float32)
        return pair[0], pair[1]

    def _simulate(
        self, i: int, y: int, x: int, size: int, half: float, steepness: float
    ) -> tuple[np.ndarray, list[np.ndarray], float]:
        """A patch of a slice by a kernel; two noise patches of that kernel, of standard deviation
        1; and the standard deviation of the patch's own noise, HU."""
        wide = min(512, size + 2 * MARGIN)
        top, left = (min(max(0, at - MARGIN), 512 - wide) for at in (y, x))
        rows, columns = slice(top, top + wide), slice(left, left + wide)
        # The same columns of the slice's mirror image.
        mirrored = slice(512 - left - wide, 512 - left)
        inner = (slice(y - top, y - top + size), slice(x - left, x - left + size))
        given, wanted = kernel(self.half[i], self.steepness[i]), kernel(half, steepness)

        def blur(f: np.ndarray) -> np.ndarray:
            return np.minimum(1, wanted(f) / np.maximum(given(f), 1e-6))

        clean = self.clean[i, rows, columns].astype(np.float32)
        clean = filtered(clean + 1000, blur) - 1000
        scale = share_left(wanted) ** -0.5
        made = [
            scale * filtered(part.astype(np.float32), wanted)[inner]
            for part in (self.noise[i, rows, columns], self.noise[i, rows, mirrored][:, ::-1])
        ]
        left_of_own = share_left(lambda f: given(f) * blur(f)) / share_left(given)
        return clean[inner], made, float(self.own[i] * left_of_own**0.5)

    def _sharp_enough(self, half: float) -> np.ndarray:
        """The slices of a random group that are sharp enough for a kernel. Groups without such
        slices are skipped."""
        found = {}
        for name, members in self.members.items():
            chosen = members[self.half[members] * FINER >= half]
            if len(chosen):
                found[name] = chosen
        shares = np.array([self.shares[name] for name in found])
        return found[self.rng.choice(list(found), p=shares / shares.sum())]

    def _level(self, own: float, half: float) -> tuple[float, float]:
        """Standard deviation of the added noise, HU, and the share of that noise which the target
        subtracts.

        Sharp kernels have more noise: at most 55 HU at 0.25 cycles a pixel and 115 HU at 0.57. Most
        samples have at least an eighth of that.
        """
        highest = 55 * (half / 0.25) ** 0.9
        little = self.rng.random() < self.little_share
        least = max(self.lowest if little else highest / 8, 1.2 * own)
        highest = max(highest, 2 * least)
        sd = float(np.exp(self.rng.uniform(np.log(least), np.log(highest))))
        return sd, (own / sd) ** 2

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Middles [N, 1, 256, 256] of slices of held-out patients with 1.7 times their own noise
        added, by their own kernels; the references are the slices."""
        pairs = []
        for i in range(self.held_out):
            half = min(float(self.half[i]), SHARPEST)
            clean, noise, own = self._simulate(i, 128, 128, 256, half, float(self.steepness[i]))
            pairs.append((clean + 1.7 * own * noise[0], clean))
        noisy, clean = (torch.from_numpy(np.stack(p))[:, None] for p in zip(*pairs, strict=True))
        return noisy, clean


def steepness_of(half: float, rng: np.random.Generator) -> float:
    """A random steepness for a kernel: soft ones fall slowly (1.4 to 2.4), sharp ones fast (2.5 to
    5)."""
    sharp = np.log(half / SOFTEST) / np.log(SHARPEST / SOFTEST)
    return float(rng.uniform(1.4 + 1.1 * sharp, 2.4 + 2.6 * sharp))
