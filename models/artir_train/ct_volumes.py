"""Neighbouring CT slices to train on, and how much noise they share.

Slices that overlap, or that were interpolated from the same rays, share noise. Thicker slices are
made as means of thin neighbours. Only series whose licence permits training of built-in weights
are read.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from scipy.ndimage import gaussian_filter

from . import ct_slices
from .data import data_folder, read_series

SERIES = (
    ("ct-chest-philips-1mm", "D"),
    ("ct-chest-ge", "STANDARD"),
    ("ct-body-ge-5mm", "SOFT"),
)
"""Folders of ``train``, each with its kernel."""
STACKS = (
    # series, slices averaged, slices from one mean to the next
    (0, 1, 1),  # 1 mm
    (0, 2, 2),
    (0, 3, 2),  # 3 mm every 2 mm
    (0, 4, 4),
    (1, 1, 1),  # 1.25 mm every 0.8 mm
    (1, 2, 2),
    (1, 3, 3),
    (2, 1, 1),  # 5 mm
)
EVEN = 0.25
"""Share of the blocks, the evenest after blurring, whose noise is compared. The others show
anatomy, which neighbouring slices have in common."""


@dataclass(frozen=True)
class Stack:
    """Neighbouring slices of one thickness.

    hu [N, 512, 512]; noise of the bare ramp for each, of standard deviation 1 in the body; own [N],
    the standard deviation of their own noise, HU; shared, the correlation of the noise of slices
    one and two steps apart.
    """

    series: int
    hu: np.ndarray
    noise: np.ndarray
    own: np.ndarray
    half: float
    steepness: float
    shared: tuple[float, float]


def pack(workers: int = 2) -> dict[str, np.ndarray]:
    """For each series its slices in HU and their noise, and what is measured of each stack."""
    made = {}
    for s, (folder, name) in enumerate(SERIES):
        hu, mm = read_series(data_folder() / "train" / folder)
        spacing = np.full(len(hu), mm, np.float32)
        jobs = [
            (7000 + 1000 * s + first, hu[first : first + 4], spacing[first : first + 4])
            for first in range(0, len(hu), 4)
        ]
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            noise = np.concatenate(list(pool.map(ct_slices._noise_of, jobs)))
        half, steepness = ct_slices.KERNELS[name]
        made[f"hu {s}"], made[f"noise {s}"] = hu.round().astype(np.int16), noise
        made[f"kernel {s}"] = np.array([min(ct_slices.SHARPEST, half * mm), steepness, mm])
    for n, (s, mean, step) in enumerate(STACKS):
        hu, noise = stacked(made, s, mean, step)
        half, steepness, mm = made[f"kernel {s}"]
        own = [
            ct_slices.own_sd(ct_slices.Slice(one, mm, half, steepness, "singles"), its)
            for one, its in zip(hu.astype(np.float32), noise, strict=True)
        ]
        made[f"own {n}"] = np.where(np.isnan(own), np.nanmedian(own), own)
        made[f"shared {n}"] = np.array([shared_noise(hu, lag) for lag in (1, 2)])
    return made


def stacked(
    arrays: dict[str, np.ndarray], series: int, mean: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means of ``mean`` neighbours, ``step`` slices apart, and a noise image for each."""
    hu, noise = arrays[f"hu {series}"], arrays[f"noise {series}"]
    if mean == 1 and step == 1:
        return hu, noise
    first = range(0, len(hu) - mean + 1, step)
    means = [hu[i : i + mean].mean(0).round().astype(np.int16) for i in first]
    return np.stack(means), noise[: len(hu) - mean + 1 : step]


def stacks(arrays: dict[str, np.ndarray]) -> list[Stack]:
    """The stacks of a pack."""
    found = []
    for n, (s, mean, step) in enumerate(STACKS):
        half, steepness, _ = arrays[f"kernel {s}"]
        hu, noise = stacked(arrays, s, mean, step)
        shared = tuple(arrays[f"shared {n}"])
        found.append(Stack(s, hu, noise, arrays[f"own {n}"], half, steepness, shared))
    return found


def shared_noise(hu: np.ndarray, lag: int) -> float:
    """Correlation of the noise of slices [N, H, W] that are ``lag`` steps apart, 0 to 1: the median
    over all pairs with enough soft tissue, 0 if there is none."""
    block, found = ct_slices.BLOCK, []
    fine, flat, slope = [], [], []
    for image in hu.astype(np.float32):
        smooth = gaussian_filter(image, 2.0)
        rows, columns = (n // block * block for n in image.shape)

        def blocks(part: np.ndarray, rows=rows, columns=columns) -> np.ndarray:
            cut = part[:rows, :columns].reshape(rows // block, block, columns // block, block)
            return cut.swapaxes(1, 2).reshape(-1, block * block)

        levels = blocks(smooth)
        fine.append(blocks(image - smooth))
        flat.append((levels.min(1) > -60) & (levels.max(1) < 180))
        slope.append(levels.max(1) - levels.min(1))
    for i in range(len(hu) - lag):
        both = flat[i] & flat[i + lag]
        if both.sum() < 40:
            continue
        steepest = np.maximum(slope[i], slope[i + lag])[both]
        even = steepest <= np.quantile(steepest, EVEN)
        a, b = fine[i][both][even], fine[i + lag][both][even]
        found.append((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    return float(np.clip(np.median(found), 0, 0.95)) if found else 0.0
