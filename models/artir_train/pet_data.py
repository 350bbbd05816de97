"""Training images: PET phantoms and whole-body slices with the noise of few counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import pet_spots
from .data import data_folder
from .degrade import pet
from .packs import kept
from .pet_phantom import Bodies, tumour_crops
from .pet_slices import body_mask, full_counts, read_whole_body

SERIES = ("qin-breast-01", "qin-breast-02", "qin-breast-03", "qin-breast-04")
"""Series of ``pet-whole-body`` whose licence lets them train built-in weights."""


class PetPatches:
    """Pairs (low-count, target) of PET patches in SUV.

    Phantoms have no noise and are their own targets. Slices of real series have the noise of their
    counts, of variance v. A scan with 1/f of the counts has variance f v, so noise of variance
    (f - 1) v is added. The target is the slice minus 1 / (f - 1) of the added noise, which makes
    the noise of target and input uncorrelated (see ``ct_data``). The network learns the image
    without noise, with hot spots that are right in the mean. The user chooses how much noise
    remains.

    Images and their noise are made once and kept in ``cache``. Each image has two noise images: of
    scans with 1/4 to 1/10 and with 1/10 to 1/20 of the counts. At full counts an even organ of a
    phantom varies by 9 to 30 %. The noise is that of OSEM with or without a model of the point
    spread, with filters of 3 to 8 mm. Each sample draws its place, flip, rotation, brightness and
    level, and most get hot spots.
    """

    channels = 1
    held_out = 8
    phantoms = 320
    every = 3
    real_share = 0.35
    little_share = 0.125
    size = 160
    window = (0.0, 20.0)

    def __init__(self, cache: Path, seed: int = 0):
        pack = kept(cache / "pet-clean.npz", self._prepare)
        self.clean, self.noise, self.share = pack["clean"], pack["noise"], pack["share"]
        self.twelfth = pack["twelfth"]
        self.real = np.flatnonzero(self.share[:, 0] > 0)
        self.made_up = np.arange(self.held_out, len(self.clean) - len(self.real))
        self.rng = np.random.default_rng(seed)

    @classmethod
    def _prepare(cls) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(6)
        generator = torch.Generator().manual_seed(6)
        made = {"clean": [], "noise": [], "share": [], "twelfth": []}
        crops = tumour_crops(data_folder() / "train" / "pet-tumour-crops-suv.npz")
        bodies = Bodies(crops, cls.size, 5)
        for first in range(0, cls.phantoms, 8):
            drawn = [bodies.draw() for _ in range(8)]
            suv = torch.from_numpy(np.stack([p.suv for p in drawn]))
            body = torch.from_numpy(np.stack([p.body for p in drawn]))
            region = torch.from_numpy(np.stack([p.reference for p in drawn]))
            mm = torch.tensor([p.pixel_mm for p in drawn])
            variation = torch.from_numpy(rng.uniform(0.09, 0.30, 8).astype(np.float32))
            scan = reconstruction(rng)
            full = pet.calibrated(suv, body, region, mm, variation, scan)
            noise, _ = two_noises((suv, body, mm), full, rng, generator, scan)
            made["clean"].append(suv.numpy())
            made["noise"].append(noise)
            made["share"].append(np.zeros((8, 2), np.float32))
            if first == 0:
                twelfth = pet.noise(suv, body, mm, full / 12, generator, scan)
                made["twelfth"].append(twelfth.numpy())
        for name in SERIES:
            series, mm = read_whole_body(data_folder() / "train" / "pet-whole-body" / f"{name}.npz")
            chosen = series[:: cls.every]
            chosen = chosen[chosen.max((1, 2)) > 1]
            scan = reconstruction(rng)
            suv = torch.from_numpy(chosen)
            body = torch.from_numpy(np.stack([body_mask(s) for s in chosen]))
            full = full_counts(series, suv, body, mm, scan)
            spacing = torch.full((len(suv),), mm)
            noise, fractions = two_noises(
                (suv, body, spacing), full, rng, generator, scan, own=True
            )
            around = (cls.size - suv.shape[-1]) // 2
            sides = ((0, 0), (around, around), (around, around))
            made["clean"].append(np.pad(chosen, sides))
            made["noise"].append(np.pad(noise, ((0, 0), *sides)))
            made["share"].append(1 / (fractions - 1))
        return {
            name: np.concatenate(v).astype(np.float32 if name == "share" else np.float16)
            for name, v in made.items()
        }

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """``count`` training pairs [count, 1, size, size] in SUV, and the hot spots in both."""
        samples = [self._draw(size) for _ in range(count)]
        return tuple(
            torch.from_numpy(np.stack(part))[:, None] for part in zip(*samples, strict=True)
        )

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = self.rng
        real = rng.random() < self.real_share
        i, which = rng.choice(self.real if real else self.made_up), rng.integers(2)
        while True:
            y, x = rng.integers(0, self.size - size + 1, 2)
            part = (slice(y, y + size), slice(x, x + size))
            clean = self.clean[i][part].astype(np.float32)
            if clean.max() > 1 or rng.random() < 0.1:
                break
        scale = np.float32(rng.uniform(0.8, 1.2))
        if not real and rng.random() < self.little_share:
            scale *= np.float32(0.2)
        noise = scale * self.noise[i, which][part].astype(np.float32)
        spots = pet_spots.drawn(clean, rng)
        gain = pet_spots.noise_gain(clean, spots)
        if real:
            # Noise of its own raises that of the spots: a gain of the added noise, which a target
            # gives back a share of, would correlate neighbouring pixels of input and target.
            other = scale * self.noise[i, 1 - which][part].astype(np.float32)
            other *= np.sqrt(self.share[i, 1 - which] / self.share[i, which])
            raised = noise + np.sqrt(gain**2 - 1) * other
        else:
            raised = gain * noise
        given_back = self.share[i, which] / scale**2 * noise
        clean = clean + spots
        made = np.stack([clean + raised, clean - given_back, spots]).astype(np.float32)
        made = np.rot90(made, rng.integers(4), (1, 2))
        made = made[:, :, ::-1] if rng.integers(2) else made
        low, target, spots = made * np.float32(np.exp(rng.uniform(-0.4, 0.4)))
        # A scanner's images are not negative. Clipping the target would bias it.
        return low.clip(0), target, spots

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out phantoms at 1/12 of the counts, and without noise, [8, 1, 160, 160]."""
        clean = torch.from_numpy(self.clean[: self.held_out].astype(np.float32))[:, None]
        noise = torch.from_numpy(self.twelfth.astype(np.float32))[:, None]
        return (clean + noise).clamp(min=0), clean


def reconstruction(rng: np.random.Generator) -> pet.Scan:
    """A random reconstruction: OSEM of 2 or 3 iterations, any filter, and in four of ten a model
    of the point spread."""
    psf = float(rng.uniform(4, 6.5)) if rng.random() < 0.4 else 0.0
    return pet.Scan(
        iterations=int(rng.integers(2, 4)), post_mm=float(rng.uniform(3, 8)), psf_mm=psf
    )


def two_noises(
    slices: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    full: torch.Tensor,
    rng: np.random.Generator,
    generator: torch.Generator,
    scan: pet.Scan,
    own: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Noise [N, 2, S, S] of scans with 1/f of the counts, and f [N, 2]: 4 to 10, and 10 to 20.

    ``own``: the slices already have the noise of their full counts, so only the rest is added.
    """
    count = len(full)
    fractions = np.stack([rng.uniform(4, 10, count), rng.uniform(10, 20, count)], 1)
    noises = []
    for column in fractions.T.astype(np.float32):
        counts = full / torch.from_numpy(column - 1 if own else column)
        noises.append(pet.noise(*slices, counts, generator, scan).numpy())
    return np.stack(noises, 1), fractions
