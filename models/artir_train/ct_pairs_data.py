"""Training pairs of CT from real slices at full and at a quarter of the dose.

The quarter-dose slices were made from the full-dose ones by adding noise, so both contain the noise
of the full dose. Targets are made as in ``ct_data``: the network learns the slice without noise.
The terms of the pairs allow research only, so models trained on them go to
``models/noncommercial``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .ct_data import CtPatches, turned
from .data import stacked
from .real_pairs import read_pairs

PATIENTS = ("L096", "L192", "L286")
"""Patients to train on. The other three (L143, L291, L333) are for measuring only."""
OWN_SHARE = 0.25
"""Variance of the full dose's noise / variance of the noise that the quarter dose adds. Measured
between 0.15 and 0.65 cycles a pixel: 0.22 to 0.30. Without electronic noise it would be 1/3."""


class CtPairPatches:
    """Pairs (noisy, target) of CT patches in HU: three of four from real pairs, one simulated.

    The added noise of a real pair is scaled by 0.6 to 1.2, so that the few slices represent several
    doses.
    """

    channels = 1
    window = CtPatches.window
    simulated_share = 0.25
    scale = (0.6, 1.2)

    def __init__(self, cache: Path, seed: int = 0):
        self.simulated = CtPatches(cache, seed + 1)
        self.rng = np.random.default_rng(seed)
        pairs = [p for p in read_pairs() if p.patient in PATIENTS]
        self.full = [p.full for p in pairs]
        self.added = [p.quarter - p.full for p in pairs]
        # Patients have 4 to 11 slices each. All patients have the same weight.
        counts = {patient: sum(p.patient == patient for p in pairs) for patient in PATIENTS}
        weight = np.array([1 / counts[p.patient] for p in pairs])
        self.weight = weight / weight.sum()

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` training pairs [count, 1, size, size] in HU."""
        noisy, target = stacked([self._draw(size) for _ in range(count)])
        return noisy, target

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        if rng.random() < self.simulated_share:
            self.simulated.rng = rng
            return self.simulated.pair(size)
        i = rng.choice(len(self.full), p=self.weight)
        while True:
            y, x = rng.integers(0, 512 - size + 1, 2)
            part = (slice(y, y + size), slice(x, x + size))
            full = self.full[i][part]
            if ((full > -200) & (full < 300)).mean() > 0.5 or rng.random() < 0.2:
                break
        scale = rng.uniform(*self.scale)
        added = self.added[i][part]
        pair = np.stack([full + scale * added, full - OWN_SHARE / scale * added])
        pair = turned(pair, rng)
        return pair[:1], pair[1:]

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Middles [7, 1, 256, 256] of real pairs of L143, which train no model."""
        pairs = [p for p in read_pairs() if p.patient == "L143"][::2]
        part = (None, slice(128, 384), slice(128, 384))
        return stacked([(p.quarter[part], p.full[part]) for p in pairs])
