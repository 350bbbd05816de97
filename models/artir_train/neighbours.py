"""Neighbouring slices made of single ones: noise that they share, and shapes that move."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates, zoom


def mixture(shared: tuple[float, float]) -> np.ndarray:
    """The matrix [3, 3] that makes noise of three neighbours, with these correlations one and two
    steps apart, out of three independent noises."""
    near, far = shared
    # The far correlation cannot fall below this for a given near one.
    far = max(far, 2 * near * near - 1 + 1e-3)
    return np.linalg.cholesky([[1, near, far], [near, 1, near], [far, near, 1]])


def smooth_field(size: int, rng: np.random.Generator) -> np.ndarray:
    """Two smooth random fields [2, size, size], of standard deviation 1 where they are drawn."""
    coarse = rng.standard_normal((2, 6, 6))
    return np.stack([zoom(part, size / 6, order=3, mode="nearest") for part in coarse])


def moved(image: np.ndarray, way: np.ndarray) -> np.ndarray:
    """An image whose pixels come from ``way`` pixels further down and right."""
    return map_coordinates(image, np.indices(image.shape) + way, order=3, mode="nearest")
