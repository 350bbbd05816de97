"""Training pairs of three neighbouring PET slices and the middle one with more counts.

Targets are made as in ``pet_data``. Neighbours share the added noise by as much as they share their
own, which makes the noise of the target uncorrelated with that of all three slices of the input
(see ``ct_volumes_data``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import pet_spots, pet_volumes
from .ct_data import turned
from .data import stacked
from .neighbours import mixture
from .packs import kept
from .pet_data import PetPatches


@dataclass(frozen=True)
class Near:
    """Three neighbours and their noise.

    clean [3, S, S] in SUV; noise [2, 3, S, S]: two independent ones of each slice; power [2]: the
    variance of each by that of full counts. own: whether the slices have noise of their own.
    shared: how much of it, and of the added one, neighbours share.
    """

    clean: np.ndarray
    noise: np.ndarray
    power: np.ndarray
    own: bool
    shared: tuple[float, float]


class PetVolumePatches:
    """Pairs of neighbours [3, size, size] with little counts and the target [1, size, size] of the
    middle one, in SUV, and the hot spots drawn into both.

    ``neighbours``: those of real series. ``ends``: the same, where the slice before the middle one
    is missing and the slice after it stands for both. ``made``: phantoms. ``alone``: a real or
    made-up slice without neighbours, three times the same.
    """

    channels = 3
    window = PetPatches.window
    shares = {"neighbours": 0.35, "ends": 0.05, "made": 0.5, "alone": 0.1}
    levels = (0.8, 2.0)
    """How many times the noise of the pack real series get, even in its logarithm. Theirs is less
    than that of phantoms and of noisy scanners."""
    size = pet_volumes.SIZE

    def __init__(self, cache: Path, seed: int = 0):
        self.pack = kept(cache / "pet-volumes.npz", pet_volumes.pack)
        self.rng = np.random.default_rng(seed)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """``count`` pairs [count, 3, size, size] and [count, 1, size, size] in SUV, and the spots
        of the middle slices."""
        return stacked([self._draw(size) for _ in range(count)])

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        kind = rng.choice(list(self.shares), p=list(self.shares.values()))
        made_up = kind == "made" or (kind == "alone" and rng.integers(2))
        near = self._made() if made_up else self._real()
        part = self._place(near.clean[1], size)
        clean = near.clean[:, *part].astype(np.float32)
        spots = pet_spots.drawn_along(clean, rng)
        scale = np.exp(rng.uniform(*np.log(self.levels if near.own else (0.8, 1.2))))
        if made_up and rng.random() < PetPatches.little_share:
            scale *= 0.2
        which = rng.integers(2)
        noise, other = self._noises(near, which, part)
        gain = np.stack([pet_spots.noise_gain(*pair) for pair in zip(clean, spots, strict=True)])
        # Noise of its own raises that of the spots (see ``pet_data``).
        low = clean + spots + scale * (noise + np.sqrt(gain**2 - 1) * other)
        target = clean[1] + spots[1]
        if near.own:
            target = target - noise[1] / (near.power[which] * scale)
        if kind == "ends":
            low[0] = low[2]
        elif kind == "alone":
            low[:] = low[1]
        if rng.integers(2):
            low = low[::-1]
        both = turned(np.stack([*low, target, spots[1]]).astype(np.float32), rng)
        both = both * np.float32(np.exp(rng.uniform(-0.4, 0.4)))
        # A scanner's images are not negative. Clipping the target would bias it.
        return both[:3].clip(0), both[3:4], both[4:]

    def _real(self) -> Near:
        """Three neighbours of a series, of which the middle one has some activity."""
        rng, pack = self.rng, self.pack
        k = rng.integers(len(pet_volumes.SERIES))
        series = pack[f"real {k}"]
        while series[(i := rng.integers(1, len(series) - 1))].max() <= 1:
            pass
        near = slice(i - 1, i + 2)
        noise = pack[f"real noise {k}"][near].swapaxes(0, 1)
        shared = tuple(pack[f"shared {k}"])
        return Near(series[near], noise, pack[f"real power {k}"][i], True, shared)

    def _made(self) -> Near:
        """A phantom whose neighbours share any part of their noise."""
        rng, pack = self.rng, self.pack
        i = rng.integers(pet_volumes.HELD_OUT, len(pack["made"]))
        near = rng.uniform(0, 0.7)
        shared = (near, near * near * rng.uniform(0.2, 1))
        made = (pack[name][i] for name in ("made", "made noise", "made power"))
        return Near(*made, False, shared)

    def _place(self, middle: np.ndarray, size: int) -> tuple[slice, slice]:
        """A random part with some activity; in one of ten draws any part."""
        rng = self.rng
        while True:
            y, x = rng.integers(0, self.size - size + 1, 2)
            part = (slice(y, y + size), slice(x, x + size))
            if middle[part].max() > 1 or rng.random() < 0.1:
                return part

    def _noises(
        self, near: Near, which: int, part: tuple[slice, slice]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two noises [3, size, size] of the level ``which``, independent of each other, each of
        them shared by neighbours."""
        one, other = near.noise[:, :, *part].astype(np.float32)
        one, other = (one, other) if which == 0 else (other, one)
        other = other * np.sqrt(near.power[which] / near.power[1 - which])
        angle = self.rng.uniform(0, 2 * np.pi)
        c, s = np.cos(angle), np.sin(angle)
        mix = mixture(near.shared)
        return tuple(np.tensordot(mix, n, 1) for n in (c * one + s * other, c * other - s * one))

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out phantoms [8, 3, 160, 160] at a 10th to a 20th of the counts, neighbours sharing
        0.5 of their noise, and their middles without noise."""
        held = slice(pet_volumes.HELD_OUT)
        clean = torch.from_numpy(self.pack["made"][held].astype(np.float32))
        noise = self.pack["made noise"][held, 1].astype(np.float32)
        mix = mixture((0.5, 0.2)).astype(np.float32)
        noise = torch.from_numpy(np.einsum("ij,njyx->niyx", mix, noise))
        return (clean + noise).clamp(min=0), clean[:, 1:2]
