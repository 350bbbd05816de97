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
    result: np.ndarray, quarter: np.ndarray, full: np.ndarray
) -> tuple[list[int], float]:
    """Searches for structures of a lesion's size that are in the result, but have less than half of
    their height in both the quarter dose and the full dose.

    Returns their number at each threshold of ``NEW``, and the searched area of soft tissue in
    pixels.
    """
    smooth = gaussian_filter(full, SMOOTH)
    soft = binary_erosion((smooth > -150) & (smooth < 200), iterations=3)
    bands = [band(image) for image in (result, quarter, full)]
    counts = np.zeros(len(NEW), int)
    for sign in (1, -1):
        made, given, wanted = (sign * b for b in bands)
        peak = soft & (made >= maximum_filter(made, 7))
        # A structure may be displaced by two pixels.
        known = np.maximum(maximum_filter(given, 5), maximum_filter(wanted, 5))
        for i, height in enumerate(NEW):
            counts[i] += int((peak & (made > height) & (known < made / 2)).sum())
    return counts.tolist(), float(soft.sum())


def band(image: np.ndarray) -> np.ndarray:
    """The image's structures of a lesion's size, scaled so that a disc of 6 pixels keeps its
    contrast."""
    fine, coarse = (gaussian_filter(image.clip(-300, 400), sigma) for sigma in BLOB)
    return (fine - coarse) / DISC
