"""Haze removal without training: He, Sun, Tang, IEEE TPAMI 33, 2011."""

import numpy as np
from scipy.ndimage import minimum_filter, uniform_filter


def dark_channel(image: np.ndarray, _: float, omega: float, patch: int) -> np.ndarray:
    """Dark channel prior, refined by a guided filter (radius 30, eps 1e-3)."""
    dark = minimum_filter(image.min(2), patch)
    brightest = np.argsort(dark.ravel())[-max(1, dark.size // 1000) :]
    airlight = image.reshape(-1, 3)[brightest].max(0).clip(0.05)
    t = 1 - omega * minimum_filter((image / airlight).min(2), patch)
    guide = image @ [0.299, 0.587, 0.114]

    def mean(x: np.ndarray) -> np.ndarray:
        return uniform_filter(x, 61, mode="reflect")

    covariance = mean(guide * t) - mean(guide) * mean(t)
    a = covariance / (mean(guide**2) - mean(guide) ** 2 + 1e-3)
    b = mean(t) - a * mean(guide)
    t = (mean(a) * guide + mean(b)).clip(0.1, 1)[..., None]
    return ((image - airlight) / t + airlight).clip(0, 1)
