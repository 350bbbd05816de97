"""Training pairs of CT from real slices at full and at a quarter of the dose.

The quarter-dose slices were made from the full-dose ones by adding noise, so both contain the noise
of the full dose. Targets are made as in ``ct_data``: the network learns the slice without noise,
and most samples get faint lesions.
The terms of the pairs allow research only, so models trained on them go to
``models/noncommercial``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from . import ct_lesions
from .ct_data import CtPatches, turned
from .data import stacked
from .real_pairs import Pair, read_pairs

PATIENTS = ("L096", "L192", "L286")
"""Patients to train on. The other three (L143, L291, L333) are for measuring only."""
OWN_SHARE = 0.25
"""Variance of the full dose's noise / variance of the noise that the quarter dose adds. Measured
between 0.15 and 0.65 cycles a pixel: 0.22 to 0.30. Without electronic noise it would be 1/3."""
KERNELS = {"B30": (0.36, 2.2), "D45": (0.9, 2.0)}
"""Frequency that the kernel halves, cycles a millimetre, and its steepness: the median of fits to
the added noise of the pairs. A lesion that is drawn into a pair is as sharp."""
MIRRORED_SHARE = 0.5
"""Share of the samples whose noise is mixed with its mirror image. Few slices train the network,
which would learn their noise."""


class CtPairPatches:
    """Triples (noisy, target, lesions) of CT patches in HU: three of four from real pairs, one
    simulated.

    The added noise of a real pair is scaled by 0.6 to 1.2, so that the few slices represent several
    doses, and in half of the samples mixed with its mirror image, which is independent of it and
    has the same streaks where a body is symmetrical.
    """

    channels = 1
    window = CtPatches.window
    simulated_share = 0.25
    scale = (0.6, 1.2)

    def __init__(self, cache: Path, seed: int = 0):
        self.simulated = CtPatches(cache, seed + 1)
        self.rng = np.random.default_rng(seed)
        self.pairs = [p for p in read_pairs() if p.patient in PATIENTS]
        self.added = [p.quarter - p.full for p in self.pairs]
        self.weight = weights(self.pairs)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """``count`` training pairs [count, 1, size, size] in HU, and the lesions in both."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        if rng.random() < self.simulated_share:
            self.simulated.rng = rng
            return self.simulated.sample(size)
        i = rng.choice(len(self.pairs), p=self.weight)
        while True:
            y, x = rng.integers(0, 512 - size + 1, 2)
            part = (slice(y, y + size), slice(x, x + size))
            full = self.pairs[i].full[part]
            if ((full > -200) & (full < 300)).mean() > 0.5 or rng.random() < 0.2:
                break
        half, steepness = KERNELS[self.pairs[i].kernel]
        drawn = ct_lesions.drawn(full, half * self.pairs[i].mm, steepness, rng)
        scale = rng.uniform(*self.scale)
        added = self.added[i][part]
        if rng.random() < MIRRORED_SHARE:
            angle = rng.uniform(0, np.pi / 2)
            mirrored = self.added[i][:, ::-1][part]
            added = np.cos(angle) * added + np.sin(angle) * mirrored
        noisy = full + drawn + scale * added
        target = full + drawn - OWN_SHARE / scale * added
        made = turned(np.stack([noisy, target, drawn]).astype(np.float32), rng)
        return made[:1], made[1:2], made[2:]

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Middles [7, 1, 256, 256] of real pairs of L143, which train no model."""
        pairs = [p for p in read_pairs() if p.patient == "L143"][::2]
        part = (None, slice(128, 384), slice(128, 384))
        return stacked([(p.quarter[part], p.full[part]) for p in pairs])


def weights(pairs: list[Pair]) -> np.ndarray:
    """How often each pair is drawn: soft and sharp kernel equally often, and of a kernel each
    patient. Patients have 4 to 11 slices, and only one has the soft kernel."""
    slices = Counter((p.kernel, p.patient) for p in pairs)
    patients = Counter(kernel for kernel, _ in slices)
    weight = np.array([1 / (patients[p.kernel] * slices[p.kernel, p.patient]) for p in pairs])
    return weight / weight.sum()
