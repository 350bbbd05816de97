"""Side effects of a CT model on real slices: bias, remaining noise, new structures."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter, maximum_filter

from artir_train.ct_slices import noise_level

TISSUES = {
    "fat": (-120.0, -70.0),
    "fluid and muscle": (0.0, 70.0),
    "contrast": (90.0, 200.0),
    "bone": (250.0, 900.0),
}
"""Lowest and highest HU of the full dose, smoothed."""
SMOOTH = 3.0
"""Smoothing in pixels, so that the tissue masks do not follow noise in the result."""
BLOB = (2.0, 4.0)
"""Gaussians in pixels whose difference is a band that holds lesions of 4 to 8 mm."""
DISC = 0.43
"""Gain of that band at the centre of a disc 6 pixels wide."""
NEW = (10.0, 15.0, 20.0)
"""Thresholds in HU, in that band, for a structure."""


def tissue_bias(result: np.ndarray, full: np.ndarray) -> dict[str, float]:
    """Mean difference from the full dose by tissue, HU; NaN for absent tissues."""
    smooth = gaussian_filter(full, SMOOTH)
    found = {}
    for name, (low, high) in TISSUES.items():
        # Blur would look like bias at the tissue's border, so the border is excluded.
        inside = binary_erosion((smooth > low) & (smooth < high), iterations=2)
        enough = inside.sum() > 200
        found[name] = float((result - full)[inside].mean()) if enough else float("nan")
    return found


def noise_left(result: np.ndarray, full: np.ndarray) -> float:
    """Noise of the result in soft tissue as a share of the full dose's."""
    return noise_level(result, full) / noise_level(full)


def new_structures(
    result: np.ndarray, quarter: np.ndarray | None, full: np.ndarray
) -> tuple[list[int], float]:
    """Searches for structures of a lesion's size that are in the result, but have less than half of
    their height in both the quarter dose and the full dose. Without ``quarter``, only the full dose
    counts: then noise that the result keeps is found too.

    Returns their number at each threshold of ``NEW``, and the searched area of soft tissue in
    pixels.
    """
    soft = searched(full)
    counts = [0] * len(NEW)
    for sign in (1, -1):
        height = new_peaks(result, quarter, full, sign)[soft]
        counts = [c + int((height > least).sum()) for c, least in zip(counts, NEW, strict=True)]
    return counts, float(soft.sum())


def searched(full: np.ndarray) -> np.ndarray:
    """The mask of soft tissue that is searched for new structures."""
    smooth = gaussian_filter(full, SMOOTH)
    return binary_erosion((smooth > -150) & (smooth < 200), iterations=3)


def new_peaks(
    result: np.ndarray, quarter: np.ndarray | None, full: np.ndarray, sign: int
) -> np.ndarray:
    """The height of each new structure at its peak, HU; 0 elsewhere. ``sign`` -1 searches for dark
    ones."""
    made = sign * band(result)
    # A structure may be displaced by two pixels.
    known = maximum_filter(sign * band(full), 5)
    if quarter is not None:
        known = np.maximum(known, maximum_filter(sign * band(quarter), 5))
    return np.where((made >= maximum_filter(made, 7)) & (known < made / 2), made, 0)


def sensitivity(
    result: np.ndarray, quarter: np.ndarray, full: np.ndarray, contrast: float
) -> tuple[int, int]:
    """How many of 30 discs of 6 pixels, drawn into the result, the search finds at the lowest
    threshold of ``NEW``. Returns the numbers of found and of drawn discs."""
    size, apart, wanted = full.shape, 24, 30
    rng = np.random.default_rng(0)
    places: list[tuple[int, int]] = []
    candidates = np.argwhere(binary_erosion(searched(full), iterations=6))
    for y, x in rng.permutation(candidates):
        if all(abs(y - b) + abs(x - a) > apart for b, a in places):
            places.append((int(y), int(x)))
        if len(places) == wanted:
            break
    rows, columns = np.ogrid[: size[0], : size[1]]
    drawn = result.copy()
    for y, x in places:
        drawn[(rows - y) ** 2 + (columns - x) ** 2 <= 9] += contrast
    height = new_peaks(drawn, quarter, full, 1)
    found = sum(bool((height[y - 3 : y + 4, x - 3 : x + 4] > NEW[0]).any()) for y, x in places)
    return found, len(places)


def band(image: np.ndarray) -> np.ndarray:
    """The image's structures of a lesion's size, scaled so that a disc of 6 pixels keeps its
    contrast."""
    fine, coarse = (gaussian_filter(image.clip(-300, 400), sigma) for sigma in BLOB)
    return (fine - coarse) / DISC
