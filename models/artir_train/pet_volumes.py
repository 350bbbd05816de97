"""Neighbouring PET slices to train on: whole series, and phantoms whose shapes move from slice to
slice.

Reconstruction and filters along the body make neighbours share noise: by 0.5 to 0.7 in the series
measured, at 3.3 mm.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import grey_opening, uniform_filter1d

from .data import data_folder
from .degrade import pet
from .neighbours import moved, smooth_field
from .pet_data import SERIES, reconstruction
from .pet_phantom import Bodies, Phantom, tumour_crops
from .pet_slices import body_mask, expected_counts, full_counts, read_whole_body
from .pet_spots import EXTENT, along

PHANTOMS, HELD_OUT = 192, 8
SIZE = 160
LEAST, MOST = (4, 10), (10, 20)
"""Two levels of noise: these fractions of the counts."""
WAY = 1.0
"""Most that shapes move from a slice to the next, standard deviation in pixels."""
CHANGE = 0.3
"""Most that uptake changes from a slice to the next, standard deviation of its logarithm."""
SMALL = 5
"""Pixels. Brighter structures that are narrower also end within few slices."""
REGION = 9
"""Pixels across the regions whose noise is compared."""
EVEN = 0.35
"""Share of the regions that are compared, the evenest ones by their uptake."""
FAR = 5
"""Slices so far apart share no noise, so that what they have in common is anatomy."""


def pack() -> dict[str, np.ndarray]:
    """Phantoms and series, their noise, and its power.

    ``made`` [P, 3, S, S] in SUV, ``made noise`` [P, 2, 3, S, S], ``made power`` [P, 2]: the
    variance by that of full counts. For each series k ``real k`` [N, S, S], ``real noise k``
    [N, 2, S, S], ``real power k`` [N, 2]: the variance of the added noise by that of the slice's
    own; ``shared k`` [2]: how much of it slices one and two steps apart share.
    """
    rng = np.random.default_rng(8)
    generator = torch.Generator().manual_seed(8)
    made = _phantoms(rng, generator)
    for k, name in enumerate(SERIES):
        file = data_folder() / "train" / "pet-whole-body" / f"{name}.npz"
        for part, array in _series(file, rng, generator).items():
            made[f"{part} {k}"] = array
    return made


def _phantoms(rng: np.random.Generator, generator: torch.Generator) -> dict[str, np.ndarray]:
    bodies = Bodies(tumour_crops(data_folder() / "train" / "pet-tumour-crops-suv.npz"), SIZE, 9)
    made = {"made": [], "made noise": [], "made power": []}
    for _ in range(0, PHANTOMS, 8):
        drawn = [bodies.draw() for _ in range(8)]
        near = [neighbours_of(phantom, rng) for phantom in drawn]
        suv, body = (torch.from_numpy(np.stack(part)) for part in zip(*near, strict=True))
        region = torch.from_numpy(np.stack([p.reference for p in drawn]))
        mm = torch.tensor([p.pixel_mm for p in drawn])
        variation = torch.from_numpy(rng.uniform(0.09, 0.30, 8).astype(np.float32))
        scan = reconstruction(rng)
        full = pet.calibrated(suv[:, 1], body[:, 1], region, mm, variation, scan)
        all_mm = mm.repeat_interleave(3)
        slices, bodies_of = suv.flatten(0, 1), body.flatten(0, 1)
        # One sensitivity holds for all three slices.
        expected = expected_counts(slices, bodies_of, all_mm, scan).reshape(8, 3)
        full = (full[:, None] * expected / expected[:, 1:2]).flatten()
        power = np.stack([rng.uniform(*LEAST, 8), rng.uniform(*MOST, 8)], 1)
        noises = []
        for column in power.T.astype(np.float32):
            counts = full / torch.from_numpy(column).repeat_interleave(3)
            noise = pet.noise(slices, bodies_of, all_mm, counts, generator, scan)
            noises.append(noise.reshape(suv.shape).numpy())
        made["made"].append(suv.numpy())
        made["made noise"].append(np.stack(noises, 1))
        made["made power"].append(power)
    return {name: _packed(name, np.concatenate(part)) for name, part in made.items()}


def _series(file, rng: np.random.Generator, generator: torch.Generator) -> dict[str, np.ndarray]:
    series, mm = read_whole_body(file)
    scan = reconstruction(rng)
    # Neighbours have nearly the same level, so that they can share noise.
    steps = np.linspace(0, 1, len(series))
    fractions = np.stack([_between(*LEAST, steps), _between(*MOST, 1 - steps)], 1)
    noises = np.empty((len(series), 2, *series.shape[1:]), np.float32)
    for first in range(0, len(series), 24):
        part = slice(first, first + 24)
        suv = torch.from_numpy(series[part])
        body = torch.from_numpy(np.stack([body_mask(s) for s in series[part]]))
        full = full_counts(series, suv, body, mm, scan)
        for level in range(2):
            counts = full / torch.from_numpy(fractions[part, level].astype(np.float32) - 1)
            spacing = torch.full((len(suv),), mm)
            noise = pet.noise(suv, body, spacing, counts, generator, scan)
            # A slice without any activity has no counts, and no noise.
            noises[part, level] = np.nan_to_num(noise.numpy())
    around = (SIZE - series.shape[-1]) // 2
    sides = ((around, around), (around, around))
    made = {
        "real": np.pad(series, ((0, 0), *sides)),
        "real noise": np.pad(noises, ((0, 0), (0, 0), *sides)),
        "real power": fractions - 1,
        "shared": np.array(shared_noise(series)),
    }
    return {name: _packed(name, array) for name, array in made.items()}


def _between(low: float, high: float, step: np.ndarray) -> np.ndarray:
    """Values even in their logarithm."""
    return low * (high / low) ** step


def _packed(name: str, array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32 if "power" in name or name == "shared" else np.float16)


def neighbours_of(phantom: Phantom, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A phantom as three neighbouring slices [3, S, S] in SUV, and their attenuating pixels.

    Shapes move and uptake changes from slice to slice. Small hot structures have a place and an
    extent along the body too, so that some are brighter in a neighbour than in the middle.
    """
    suv, size = phantom.suv, len(phantom.suv)
    way = WAY * rng.uniform() * smooth_field(size, rng)
    change = CHANGE * rng.uniform() * smooth_field(size, rng)
    small = suv - grey_opening(suv, SMALL)
    centre = 0.7 * smooth_field(size, rng)[0]
    extent = np.exp(rng.uniform(*np.log(EXTENT)))
    profile = np.stack([along(step - centre, extent) for step in (-1, 0, 1)])
    profile /= profile.max(0)
    slices, bodies = [], []
    for step, shown in zip((-1, 0, 1), profile, strict=True):
        there = suv - small + shown * small
        there = moved(there, step * way) * np.exp(step * change[0] + 0.5 * abs(step) * change[1])
        slices.append(there.clip(0).astype(np.float32))
        bodies.append(moved(phantom.body.astype(np.float32), step * way) > 0.5)
    return np.stack(slices), np.stack(bodies)


def shared_noise(suv: np.ndarray) -> tuple[float, float]:
    """Correlation of the noise of slices [N, H, W] one and two steps apart, 0 to 0.95.

    Found in regions whose uptake is even in the mean of several slices, where noise hardly decides
    which are chosen. What slices far apart have in common there is anatomy, and is taken away.
    """
    level, rest = regions(uniform_filter1d(suv, 2 * FAR + 1, axis=0)), regions(suv)
    mean = level.mean((2, 3))
    inside = (mean > 0.8) & (mean < 4)
    if not inside.any():
        return 0.0, 0.0
    rest, sd = detrended(rest), detrended(level).std((2, 3))
    uneven = np.divide(sd, mean, out=np.full_like(sd, np.inf), where=inside)
    even = uneven < np.quantile(uneven[inside], EVEN)

    def correlation(lag: int) -> float:
        both = even[:-lag] & even[lag:]
        if not both.any():
            return 0.0
        one, other = rest[:-lag][both], rest[lag:][both]
        return (one * other).sum() / np.sqrt((one * one).sum() * (other * other).sum())

    anatomy = correlation(FAR)
    near, far = ((correlation(lag) - anatomy) / (1 - anatomy) for lag in (1, 2))
    return tuple(float(np.clip(value, 0, 0.95)) for value in (near, far))


def regions(suv: np.ndarray) -> np.ndarray:
    """Squares [N, M, REGION, REGION] that tile slices [N, H, W]."""
    whole = np.lib.stride_tricks.sliding_window_view(suv, (REGION, REGION), axis=(1, 2))
    return whole[:, ::REGION, ::REGION].reshape(len(suv), -1, REGION, REGION).astype(float)


def detrended(squares: np.ndarray) -> np.ndarray:
    """Squares without their means and slopes."""
    axis = np.arange(REGION) - REGION // 2
    rest = squares - squares.mean((2, 3), keepdims=True)
    for way in (axis, axis[:, None]):
        slope = (rest * way).sum((2, 3), keepdims=True) / (REGION * (axis**2).sum())
        rest = rest - slope * way
    return rest
