"""Training pairs of three neighbouring CT slices and the middle one without noise.

Targets are made as in ``ct_data``. If the added noise is shared between neighbours by as much as
the slices' own noise is, then the noise of the target is uncorrelated with that of all three
slices of the input: its covariance with a neighbour is v r - (v / w) w r = 0, with the variances v
and w of the own and the added noise and their common correlation r.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import ct_volumes
from .ct_data import FINER, CtPatches, Slices, draw_kernel, level, turned
from .data import stacked
from .neighbours import mixture, moved, smooth_field
from .packs import kept

BORDER = 8
"""Pixels around a patch that its neighbours' shapes may come from."""


class CtVolumePatches:
    """Pairs of noisy neighbours [3, size, size] and the target [1, size, size] of the middle one,
    HU.

    ``neighbours``: real ones. ``ends``: real ones, where the slice before the middle one is missing
    and the slice after it stands for both. ``leaves``: made-up bodies whose shapes move from slice
    to slice. ``alone``: slices of many patients without neighbours, three times the same.
    """

    channels = 3
    window = CtPatches.window
    shares = {"neighbours": 0.45, "ends": 0.05, "leaves": 0.2, "alone": 0.3}
    held_out_share = 0.15
    """Share of each stack, at its end, that is no middle slice in training. Validation takes its
    middle slice there. Single slices of the series also train ``alone``, from all parts of it."""

    def __init__(self, cache: Path, seed: int = 0):
        self.single = CtPatches(cache, seed + 1)
        self.stacks = ct_volumes.stacks(kept(cache / "ct-volumes.npz", ct_volumes.pack))
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` pairs [count, 3, size, size] and [count, 1, size, size] in HU."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        kind = rng.choice(list(self.shares), p=list(self.shares.values()))
        if kind == "alone":
            self.single.rng = rng
            noisy, target = self.single.pair(size)
            return noisy.repeat(3, 0), target
        half, steepness = draw_kernel(rng)
        while kind != "leaves" and not self._sharp_enough(half):
            half, steepness = draw_kernel(rng)
        made = self._leaves if kind == "leaves" else self._neighbours
        clean, noise, own, shared = made(size, half, steepness)
        sd, kept_share = level(own, half, rng)
        noise = sd * np.tensordot(mixture(shared), noise, 1)
        noisy, target = clean + noise, clean[1:2] - kept_share * noise[1:2]
        if kind == "ends":
            noisy[0] = noisy[2]
        both = turned(np.concatenate([noisy, target]), rng)
        if rng.integers(2):
            both[:3] = both[2::-1].copy()
        return both[:3], both[3:]

    def _sharp_enough(self, half: float) -> list[ct_volumes.Stack]:
        return [stack for stack in self.stacks if stack.half * FINER >= half]

    def _neighbours(
        self, size: int, half: float, steepness: float
    ) -> tuple[np.ndarray, np.ndarray, float, tuple[float, float]]:
        """Three neighbours of a stack by a kernel, independent noise of standard deviation 1, the
        own noise of the middle one, and how much of it neighbours share."""
        rng = self.rng
        fit = self._sharp_enough(half)
        series = rng.choice(sorted({stack.series for stack in fit}))
        chosen = [stack for stack in fit if stack.series == series]
        stack = chosen[rng.integers(len(chosen))]
        slices = slices_of(stack)
        last = len(stack.hu) - round(self.held_out_share * len(stack.hu))
        middle, at = slices.choose(np.arange(1, last - 1), size, rng)
        parts, noise = [], []
        for i in range(middle - 1, middle + 2):
            clean, own = slices.patch(i, at, size, half, steepness)
            noise.append(self._mixed(slices, i, at, size, half, steepness))
            parts.append(clean)
            if i == middle:
                of_middle = own
        return np.stack(parts), np.stack(noise), of_middle, stack.shared

    def _leaves(
        self, size: int, half: float, steepness: float
    ) -> tuple[np.ndarray, np.ndarray, float, tuple[float, float]]:
        """The same of a made-up body."""
        rng, slices, members = self.rng, self.single.slices, self.single.members["leaves"]
        wide = size + 2 * BORDER
        i, at = slices.choose(members, wide, rng)
        whole, own = slices.patch(i, at, wide, half, steepness)
        inner = tuple(start + BORDER for start in at)
        way = smooth_field(wide, rng) * rng.uniform(0, 3)
        parts = [moved(whole, -way), whole, moved(whole, way + 0.3 * smooth_field(wide, rng))]
        clean = np.stack(parts)[:, BORDER:-BORDER, BORDER:-BORDER]
        others = rng.choice(members, 3, replace=False)
        noise = [self._mixed(slices, j, inner, size, half, steepness) for j in others]
        near = rng.uniform(0, 0.6)
        return clean, np.stack(noise), own, (near, near * near * rng.uniform())

    def _mixed(self, slices: Slices, i: int, *place) -> np.ndarray:
        """A random mixture of a noise patch with its mirror image."""
        one, mirrored = slices.noise_patches(i, *place)
        angle = self.rng.uniform(0, np.pi / 2)
        return np.cos(angle) * one + np.sin(angle) * mirrored

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Middles [N, 3, 256, 256] of held-out slices with 1.7 times their own noise added, by
        their own kernels; the references are the slices."""
        pairs = []
        for stack in self.stacks:
            slices, count = slices_of(stack), len(stack.hu)
            held = round(self.held_out_share * count)
            middle = count - 1 - held // 2
            place = ((128, 128), 256, stack.half, stack.steepness)
            clean = np.stack([slices.patch(middle + d, *place)[0] for d in (-1, 0, 1)])
            noise = np.stack([slices.noise_patches(middle + d, *place)[0] for d in (-1, 0, 1)])
            noise = np.tensordot(mixture(stack.shared), noise, 1)
            noisy = clean + 1.7 * stack.own[middle] * noise
            pairs.append((noisy.astype(np.float32), clean[1:2]))
        return stacked(pairs)


def slices_of(stack: ct_volumes.Stack) -> Slices:
    """A stack as slices, each with the stack's kernel."""
    each = [np.broadcast_to(value, len(stack.hu)) for value in (stack.half, stack.steepness)]
    return Slices(stack.hu, stack.noise, stack.own, *each)
