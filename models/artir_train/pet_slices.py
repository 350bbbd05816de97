"""Whole-body PET series: reading them, and estimating their counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_closing, binary_fill_holes

from .degrade import pet


def read_whole_body(file: Path) -> tuple[np.ndarray, float]:
    """A series of ``pet-whole-body`` in SUV, [N, S, S] float32, and its pixel spacing in mm."""
    with np.load(file) as pack:
        return pack["suv"] * np.float32(pack["slope"]), float(pack["spacing_zyx"][1])


def body_mask(suv: np.ndarray) -> np.ndarray:
    """The mask of a slice's attenuating pixels."""
    return binary_fill_holes(binary_closing(suv > 0.15, iterations=3))


def typical_region(suv: np.ndarray) -> tuple[float, int, np.ndarray]:
    """The noise of a series: coefficient of variation, slice and mask of 9x9 pixels with an uptake
    of SUV 1.5 to 3.5.

    Noise = standard deviation of the difference of slices three apart / sqrt(2). Their noise is
    independent, and their anatomy nearly the same. The region at the lower quartile represents the
    series: regions whose anatomy differs are above it, and the least noisy of thousands would be so
    by chance.
    """
    found = []
    for i in range(len(suv) - 3):
        near, far = suv[i], suv[i + 3]
        mean, sd = (
            reduce(
                np.lib.stride_tricks.sliding_window_view(image, (9, 9))[::3, ::3],
                axis=(2, 3),
            )
            for reduce, image in ((np.mean, (near + far) / 2), (np.std, far - near))
        )
        for y, x in zip(*np.nonzero((mean > 1.5) & (mean < 3.5)), strict=True):
            found.append((float(sd[y, x] / mean[y, x] / 2**0.5), i, 3 * y, 3 * x))
    found.sort()
    variation, middle, y, x = found[len(found) // 4]
    mask = np.zeros(suv[0].shape, bool)
    mask[y : y + 9, x : x + 9] = True
    return variation, middle, mask


def full_counts(
    suv: np.ndarray, slices: torch.Tensor, body: torch.Tensor, mm: float, scan: pet.Scan
) -> torch.Tensor:
    """The counts [N] that slices [N, S, S] of a series ``suv`` were made from.

    The counts follow from the noise of a typical region of one slice. The sensitivity found there
    holds for all slices.
    """
    variation, middle, region = typical_region(suv)
    one = torch.from_numpy(suv[middle])[None]
    mask = torch.from_numpy(body_mask(suv[middle]))[None]
    counts = pet.calibrated(
        one,
        mask,
        torch.from_numpy(region)[None],
        torch.tensor([mm]),
        torch.tensor([variation], dtype=torch.float32),
        scan,
    )
    many = torch.full((len(slices),), mm)
    typical = expected_counts(one, mask, many[:1], scan)
    return counts / typical * expected_counts(slices, body, many, scan)


def expected_counts(
    images: torch.Tensor, masks: torch.Tensor, pixel_mm: torch.Tensor, scan: pet.Scan
) -> torch.Tensor:
    """The counts of each image by a scanner of sensitivity 1."""
    lines = pet.project(images.clamp(min=0), pet.angles(scan.views, images.device))
    return (lines * pet.survival(masks, pixel_mm, scan.views)).sum((0, 2))
