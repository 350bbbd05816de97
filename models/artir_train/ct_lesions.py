"""Faint lesions for CT training: spots of low contrast drawn into soft tissue.

Real slices hold few spots of 10 to 40 HU, so a network that learns from them alone takes such a
spot for noise and removes it. Spots drawn into input and target alike, with the loss ``contrast``,
teach it to keep them. They lie in soft tissue, are brighter or darker than it, and are blurred by
the sample's kernel.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from .ct_slices import filtered, kernel

SHARE, MOST = 0.8, 12
"""Share of the patches that have lesions, and how many they have at most."""
RADIUS = (1.8, 9.0)
"""Longer half-axis, pixels, even in its logarithm."""
CONTRAST = (5.0, 60.0)
"""HU, even in its logarithm."""
SOFT = (-120.0, 220.0)
"""HU of the tissue around a lesion."""
EVEN = 15
"""Side in pixels of the square whose mean must be soft tissue."""
BORDER = 12
"""Pixels around the patch, so that the kernel's filter meets no lesion at its circular ends."""


def drawn(clean: np.ndarray, half: float, steepness: float, rng: np.random.Generator) -> np.ndarray:
    """Lesions [size, size] in HU to add to a patch, as a kernel shows them; zeros for some."""
    size = len(clean)
    sharp = np.zeros((size + 2 * BORDER, size + 2 * BORDER), np.float32)
    if rng.random() >= SHARE:
        return sharp[BORDER:-BORDER, BORDER:-BORDER]
    mean = uniform_filter(clean, EVEN, mode="nearest")
    places = np.argwhere((mean > SOFT[0]) & (mean < SOFT[1]))
    if not len(places):
        return sharp[BORDER:-BORDER, BORDER:-BORDER]
    for y, x in rng.choice(places, rng.integers(1, MOST + 1)):
        contrast = np.exp(rng.uniform(*np.log(CONTRAST))) * rng.choice([-1, 1])
        _add(sharp, (y + BORDER, x + BORDER), contrast, rng)
    return filtered(sharp, kernel(half, steepness))[BORDER:-BORDER, BORDER:-BORDER]


def _add(image: np.ndarray, at: tuple[int, int], contrast: float, rng: np.random.Generator) -> None:
    """Adds an ellipse, sharp or fading from its middle."""
    long = np.exp(rng.uniform(*np.log(RADIUS)))
    short = long * rng.uniform(0.5, 1)
    angle = rng.uniform(0, np.pi)
    y, x = (at[i] + rng.uniform(-0.5, 0.5) for i in (0, 1))
    reach = int(np.ceil(long)) + 2
    top, left = (max(0, at[i] - reach) for i in (0, 1))
    part = image[top : at[0] + reach + 1, left : at[1] + reach + 1]
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    distance = np.hypot(along / long, across / short)
    fades = rng.random() < 0.3
    # A sharp edge passes through a pixel, whose value is its covered share.
    profile = (1 - distance**2) if fades else (1 - distance) * short + 0.5
    part += contrast * profile.clip(0, 1)
