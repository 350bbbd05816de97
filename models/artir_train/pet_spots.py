"""Hot spots for PET training: small lesions drawn into the uptake of a patch.

Where counts are few, a small lesion looks like the noise around it, and a network that learns from
phantoms and patients alone flattens it. Spots drawn into input and target alike, with the loss
``contrast``, teach it to keep what they hold in the mean. The noise of a reconstruction grows with
the activity, so that of a spot is raised by what the spot adds.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

SHARE, MOST = 0.7, 8
"""Share of the patches that have spots, and how many they have at most."""
RADIUS = (1.0, 4.5)
"""Pixels, even in its logarithm: discs of 6 to 50 mm across. Smaller ones look like grains of
noise, and a network that keeps them shows grains as spots."""
CONTRAST = (0.7, 12.0)
"""SUV above the surroundings before the blur, even in its logarithm."""
HOTTEST = 13.0
"""Spots end at this SUV. A sample may become brighter by half, still within the range."""
BLUR = (0.8, 1.5)
"""Standard deviation of the point spread, pixels."""
BACKGROUND = (0.3, 6.0)
"""SUV around a spot: inside the body, outside organs that are hot themselves."""
EXTENT = (1.2, 6.0)
"""Full width at half maximum of hot spots along the body, in distances of slices."""
GROWTH = 0.7
"""Power of the activity by which the noise of iterative reconstructions grows, between 0.5 (counts)
and 1 (EM; Barrett, Wilson, Tsui, Phys. Med. Biol. 39, 1994)."""


def drawn(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spots [size, size] in SUV to add to a patch; zeros for some."""
    spots = np.zeros_like(clean)
    if rng.random() >= SHARE:
        return spots
    around = gaussian_filter(clean, 3)
    places = np.argwhere((around > BACKGROUND[0]) & (around < BACKGROUND[1]))
    if not len(places):
        return spots
    rows, columns = np.ogrid[: clean.shape[0], : clean.shape[1]]
    for y, x in rng.choice(places, rng.integers(1, MOST + 1)):
        radius, contrast = (np.exp(rng.uniform(*np.log(ends))) for ends in (RADIUS, CONTRAST))
        y, x = y + rng.uniform(-0.5, 0.5), x + rng.uniform(-0.5, 0.5)
        distance = np.hypot(rows - y, columns - x)
        # An edge passes through a pixel, whose value is its covered share.
        spots += (contrast * (radius - distance + 0.5).clip(0, 1)).astype(clean.dtype)
    return gaussian_filter(spots, rng.uniform(*BLUR)).clip(0, (HOTTEST - clean).clip(0))


def along(step: np.ndarray | float, extent: float) -> np.ndarray:
    """The share of a structure that is seen so many slices from its centre: a Gaussian."""
    return np.exp(-4 * np.log(2) * (step / extent) ** 2)


def drawn_along(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spots [3, size, size] in SUV to add to three neighbouring slices. Each of two groups has a
    centre and an extent along the body, so that a spot can be stronger beside the middle slice."""
    spots = np.zeros_like(clean)
    for _ in range(2):
        extent = np.exp(rng.uniform(*np.log(EXTENT)))
        centre = rng.uniform(-1.5, 1.5)
        group = drawn(clean[1], rng)
        spots += np.stack([along(step - centre, extent) * group for step in (-1, 0, 1)])
    return spots.clip(0, (HOTTEST - clean).clip(0))


def noise_gain(clean: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """How many times as much noise a patch has with the spots."""
    around = gaussian_filter(clean, 1.5).clip(BACKGROUND[0])
    return ((around + spots) / around) ** GROWTH
