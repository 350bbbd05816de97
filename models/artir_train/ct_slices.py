"""CT slices to train on: real ones of many patients and synthetic bodies, each with its kernel and
noise level.

A slice's sharpness and noise determine its use in training. This module measures them or looks them
up. It reads only series whose licence permits training of built-in weights.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from . import ct_leaves
from .data import data_folder, read_recompressed, read_series
from .degrade import ct

LEAVES = 150
"""Number of slices made of leaves."""
LEFT_OUT = ("cptac_", "cptac-gbm_", "rtog0522_")
"""Sets of ``ct-many-patients`` that are not used: heads, whose licence has changed."""
HELD_OUT = ("StageII-Colorectal-CT-005", "TCGA-92-7341", "TCGA-51-6867", "A046441")
"""Patients that only validation sees."""
KERNELS = {
    # Frequency that the kernel halves, cycles a millimetre, and its steepness, both fitted to the
    # noise power spectra of these slices (median by kernel).
    "B20": (0.24, 1.6),
    "SOFT": (0.26, 1.6),
    "FC17": (0.24, 1.6),
    "B30": (0.31, 1.8),
    "B31": (0.33, 1.8),
    "AB50": (0.36, 1.6),
    "STANDARD": (0.39, 2.0),
    "B50s": (0.52, 1.8),
    "D": (0.54, 4.0),
    "LUNG": (0.57, 4.0),
    "B50f": (0.64, 4.0),
    "BONE": (0.85, 4.0),
    "B60": (0.95, 4.0),
}
SHARPEST = 0.64
"""Highest half-frequency, cycles a pixel. Making a slice smaller does not raise it above this."""
BLOCK = 8
QUIET = 11.0
"""Slices with less noise of their own than this, HU, are also used at a smaller size."""


@dataclass(frozen=True)
class Slice:
    """A slice [512, 512] in HU before noise is added."""

    hu: np.ndarray
    mm: float
    half: float
    steepness: float
    group: str


def kernel_of(name: str) -> tuple[float, float]:
    """The entry of ``KERNELS`` for a scanner's name of a kernel, or that of ``STANDARD``."""
    parts = name.split()[-1:] or [""]
    matches = [k for k in KERNELS if parts[0] == k or (len(k) > 1 and k in parts[0])]
    return KERNELS[max(matches, key=len)] if matches else KERNELS["STANDARD"]


def shrunk(hu: np.ndarray, share: float) -> np.ndarray:
    """A slice [512, 512] made smaller, with air around it."""
    size = 8 * round(64 * share)
    small = torch.from_numpy(np.ascontiguousarray(hu, np.float32))[None, None]
    small = F.interpolate(small, size=(size, size), mode="bicubic", antialias=True)[0, 0]
    before = (512 - size) // 2
    after = 512 - size - before
    return F.pad(small, (before, after, before, after), value=-1000.0).numpy()


def smaller(slice_: Slice, rng: np.random.Generator) -> Slice:
    """The slice at 0.45 to 0.85 of its size: quieter, and sharper for its pixels."""
    share = rng.uniform(0.45, 0.85)
    size = 8 * round(64 * share)
    half = min(SHARPEST, slice_.half * 512 / size)
    hu = shrunk(slice_.hu, share)
    return Slice(hu, slice_.mm * 512 / size, half, slice_.steepness, "smaller")


def series(folder: str, kernel: str, neighbours: int, step: int, skip: int = 0) -> list[Slice]:
    """Means of ``neighbours`` adjacent slices of a series of ``train``."""
    hu, mm = read_series(data_folder() / "train" / folder)
    half, steepness = KERNELS[kernel]
    group = "averages" if neighbours > 1 else "singles"
    return [
        Slice(hu[first : first + neighbours].mean(0), mm, half * mm, steepness, group)
        for first in range(skip, len(hu) - neighbours + 1, step)
    ]


def many_patients() -> tuple[list[Slice], list[Slice]]:
    """The slices of ``ct-many-patients`` to train on, and those held out."""
    folder = data_folder() / "train" / "ct-many-patients"
    kept, held = [], []
    entries = json.loads((folder / "manifest.json").read_text())
    for entry in sorted(entries, key=lambda e: e["file"]):
        if entry["file"].startswith(LEFT_OUT):
            continue
        hu = read_recompressed(folder / entry["file"])
        if hu.shape != (512, 512):
            continue
        mm = entry["spacing"][0]
        half, steepness = kernel_of(entry.get("kernel") or "")
        made = Slice(hu, mm, min(SHARPEST, half * mm), steepness, "singles")
        (held if entry["patient"] in HELD_OUT else kept).append(made)
    return kept, held


def all_slices() -> tuple[list[Slice], int]:
    """Every slice, and the number of those at the beginning that are held out."""
    rng = np.random.default_rng(1)
    patients, held = many_patients()
    averages = [
        *series("ct-chest-philips-1mm", "D", 4, 4),
        *series("ct-chest-philips-1mm", "D", 8, 4),
        *series("ct-chest-ge", "STANDARD", 5, 3),
    ]
    singles = [
        *series("ct-chest-philips-1mm", "D", 1, 4),
        *series("ct-chest-ge", "STANDARD", 1, 4),
        *series("ct-body-ge-5mm", "SOFT", 1, 1),
        *patients,
    ]
    quiet = [s for s in singles if noise_level(s.hu) < QUIET]
    small = [smaller(s, rng) for s in (*averages, *quiet)]
    leaves = []
    for _ in range(LEAVES):
        mm = rng.uniform(0.6, 0.95)
        leaves.append(Slice(ct_leaves.body(rng, mm), mm, ct_leaves.HALF, 2.0, "leaves"))
    return [*held, *averages, *singles, *small, *leaves], len(held)


def noise_level(hu: np.ndarray, like: np.ndarray | None = None) -> float:
    """Noise of a slice's soft tissue: standard deviation of 8x8 blocks after a high-pass filter,
    lower quartile. NaN for a slice without soft tissue.

    The quartile excludes blocks with edges, which deviate more. ``like`` chooses the blocks if it
    is given, so that an image of noise alone is measured in the same places.
    """
    shape = hu.shape[0] // BLOCK, BLOCK, hu.shape[1] // BLOCK, BLOCK

    def blocks(image: np.ndarray) -> np.ndarray:
        return image.reshape(shape).swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)

    smooth = blocks(gaussian_filter(hu if like is None else like, 2.0))
    soft = (smooth.min(1) > -60) & (smooth.max(1) < 180)
    if soft.sum() < 20:
        return float("nan")
    deviations = blocks(hu - gaussian_filter(hu, 2.0))[soft].std(1)
    return float(np.quantile(deviations, 0.25))


def share_left(window, size: int = 64) -> float:
    """The share of the variance of bare-ramp noise that a kernel, a function of frequency,
    leaves."""
    f = np.fft.fftfreq(size)
    radius = np.hypot(*np.meshgrid(f, f))
    return float((radius * window(radius) ** 2).sum() / radius.sum())


def filtered(image: np.ndarray, window) -> np.ndarray:
    """An image whose spectrum is multiplied by ``window``, a function of spatial frequency in
    cycles a pixel; circular."""
    spectrum = np.fft.rfft2(image)
    fy, fx = np.fft.fftfreq(image.shape[0]), np.fft.rfftfreq(image.shape[1])
    radius = np.hypot(fy[:, None], fx[None])
    return np.fft.irfft2(spectrum * window(radius), s=image.shape).astype(np.float32)


def kernel(half: float, steepness: float):
    """``degrade.ct.kernel_window`` as a function of frequency."""
    return lambda f: 2.0 ** -((f / half) ** steepness)


def _noise_of(job: tuple[int, np.ndarray, np.ndarray]) -> np.ndarray:
    """Bare-ramp noise for a few slices, at a standard deviation of 1 in their bodies."""
    seed, hu, mm = job
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    slices, n = torch.from_numpy(hu), len(hu)
    photons = np.exp(rng.uniform(*np.log([1.5e4, 2e5]), n))
    made = ct.ramp_noise(
        slices,
        torch.from_numpy(mm),
        torch.from_numpy(photons.astype(np.float32)),
        torch.from_numpy(rng.uniform(0, 1, n).astype(np.float32)),
        generator,
        ct.Scan(views=300),
    )
    made /= ct.body_sd(slices, made)[:, None, None].clamp(min=1e-3)
    return made.clamp(-60000, 60000).numpy().astype(np.float16)


def pack(workers: int = 2) -> dict[str, np.ndarray]:
    """The source data of all samples, as arrays.

    clean [N, 512, 512] int16 in HU; noise, float16, reconstructed with the bare ramp, with a
    standard deviation of 1 in the body; half and steepness [N] of each slice's kernel; own [N], the
    standard deviation of each slice's own noise, HU; group [N]; held_out, the number of slices at
    the beginning that are for validation.
    """
    slices, held_out = all_slices()
    clean = np.stack([s.hu.clip(-1024, 3072).round() for s in slices]).astype(np.int16)
    mm = np.array([s.mm for s in slices], np.float32)
    jobs = [
        (1000 + first, clean[first : first + 4].astype(np.float32), mm[first : first + 4])
        for first in range(0, len(slices), 4)
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        noise = np.concatenate(list(pool.map(_noise_of, jobs)))
    own = np.array([own_sd(*each) for each in zip(slices, noise, strict=True)], np.float32)
    group = np.array([s.group for s in slices])
    for name in np.unique(group):
        members = group == name
        own[members & np.isnan(own)] = np.nanmedian(own[members])
    return {
        "clean": clean,
        "noise": noise,
        "half": np.array([s.half for s in slices], np.float32),
        "steepness": np.array([s.steepness for s in slices], np.float32),
        "own": own,
        "group": group,
        "held_out": np.array(held_out),
    }


def own_sd(slice_: Slice, noise: np.ndarray) -> float:
    """Standard deviation of a slice's own noise over the body, HU.

    It follows from the ratio of the slice's noise level to that of simulated noise of the slice's
    kernel, measured in the same blocks.
    """
    if slice_.group == "leaves":
        return 0.0
    like = slice_.hu.astype(np.float32)
    own_kernel = kernel(slice_.half, slice_.steepness)
    simulated = filtered(noise.astype(np.float32), own_kernel)
    body = (like > ct.BODY_HU[0]) & (like < ct.BODY_HU[1])
    level = noise_level(simulated, like)
    if not body.any() or not level > 0:
        return float("nan")
    return noise_level(like) / level * float(simulated[body].std())
