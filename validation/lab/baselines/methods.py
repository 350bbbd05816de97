"""The methods, each with the small grid of parameters to choose from.

Images are float64 arrays [row, column] or [row, column, 3]. Images and noise have the same unit: HU
for CT, SUV for PET, 0 to 255 for photographs, 0 to 1 for haze.
"""

import itertools
from dataclasses import dataclass, replace

import bm3d
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from ..dark_channel import dark_channel


@dataclass(frozen=True)
class Method:
    """A name, its reference, a function of (image, sigma, **parameters), and the grid."""

    name: str
    source: str
    restore: object
    grid: dict

    def settings(self) -> list[dict]:
        """Every combination of the grid."""
        return [
            dict(zip(self.grid, v, strict=True)) for v in itertools.product(*self.grid.values())
        ]


def block_matching(image: np.ndarray, sigma: float, strength: float) -> np.ndarray:
    """BM3D with a noise parameter of ``strength`` times sigma."""
    run = bm3d.bm3d_rgb if image.ndim == 3 else bm3d.bm3d
    return run(image, sigma * strength)


def non_local_means(image: np.ndarray, sigma: float, h: float) -> np.ndarray:
    """Filter strength ``h`` times sigma, patches of 5, search within 10 pixels."""
    axis = -1 if image.ndim == 3 else None
    return denoise_nl_means(
        image,
        patch_size=5,
        patch_distance=10,
        h=h * sigma,
        sigma=sigma,
        channel_axis=axis,
    )


def total_variation(image: np.ndarray, sigma: float, weight: float) -> np.ndarray:
    """Chambolle's projection, ``weight`` in units of sigma."""
    axis = -1 if image.ndim == 3 else None
    return denoise_tv_chambolle(image, weight=weight * sigma, channel_axis=axis, max_num_iter=400)


def gaussian(image: np.ndarray, _: float, width: float) -> np.ndarray:
    """A Gaussian filter, ``width`` its standard deviation in pixels."""
    return gaussian_filter(image, width)


DENOISERS = [
    Method(
        "BM3D",
        "Dabov et al., IEEE TIP 16, 2007 (package bm3d)",
        block_matching,
        {"strength": [1.0, 1.25, 1.5, 1.8, 2.2, 2.6]},
    ),
    Method(
        "NLM",
        "Buades, Coll, Morel, CVPR 2005 (scikit-image)",
        non_local_means,
        {"h": [0.4, 0.6, 0.8, 1.0, 1.3]},
    ),
    Method(
        "TV",
        "Chambolle, J. Math. Imaging Vis. 20, 2004 (scikit-image)",
        total_variation,
        {"weight": [0.4, 0.6, 0.8, 1.0, 1.4]},
    ),
]
# Noise of few counts is stronger, so the grids reach further.
PET_GRIDS = {
    "BM3D": {"strength": [1.8, 2.2, 2.6, 3.2, 4.0]},
    "NLM": {"h": [1.4, 2.0, 2.8, 4.0]},
    "TV": {"weight": [2.0, 2.8, 3.6, 4.8]},
}
SMOOTHERS = [
    Method("Gauss", "scipy", gaussian, {"width": [1.2, 1.5, 1.8, 2.2, 2.6, 3.2]}),
    *(replace(method, grid=PET_GRIDS[method.name]) for method in DENOISERS),
]
DEHAZERS = [
    Method(
        "DCP",
        "He, Sun, Tang, IEEE TPAMI 33, 2011",
        dark_channel,
        {"omega": [0.4, 0.6, 0.8, 0.95], "patch": [7, 15]},
    ),
]
