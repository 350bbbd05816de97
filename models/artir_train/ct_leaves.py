"""Synthetic abdomens: overlapping shapes of tissue in a body of random outline.

Shapes that hide one another, with sizes by a power law (the dead-leaves model: Lee, Mumford, Huang,
Int. J. Comput. Vis. 41, 2001), give edges of every size and contrast. They keep a network from
learning the anatomy of few patients as that of all bodies, and they have no noise of their own.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

SIZE = 512
TISSUES = (
    # share, lowest and highest HU
    (0.34, -120, -80),  # fat
    (0.30, 20, 75),  # muscle, organs
    (0.20, 75, 190),  # organs and vessels with contrast agent
    (0.08, -5, 20),  # fluid
    (0.04, -950, -500),  # gas
    (0.04, 200, 900),  # bone, calcium, contrast agent in the bowel
)


BLUR = 0.4
"""Blur of the edges, standard deviation in pixels. It is less than any kernel's, whose blur is
applied later."""
HALF = 0.187 / BLUR
"""Spatial frequency that this blur halves, cycles a pixel."""


def body(rng: np.random.Generator, pixel_mm: float) -> np.ndarray:
    """A noise-free slice [512, 512] in HU."""
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    half = np.array([rng.uniform(95, 150), rng.uniform(140, 205)]) / pixel_mm
    half = np.minimum(half, 0.48 * SIZE)
    outline = (axis[:, None] / half[0]) ** 2 + (axis[None] / half[1]) ** 2
    image = np.full((SIZE, SIZE), -1000.0, np.float32)
    image[outline < 1] = rng.uniform(-120, -85)
    wall = 1 - rng.uniform(5, 45) / pixel_mm / half.min()
    inside = outline < wall**2
    filled = np.full((SIZE, SIZE), rng.uniform(-110, 60), np.float32)
    for _ in range(int(rng.uniform(300, 1500))):
        _leaf(filled, rng, half)
    image[inside] = _bent(filled, rng)[inside]
    # Parenchyma has a texture.
    texture = gaussian_filter(rng.standard_normal(image.shape), rng.uniform(1.5, 4))
    soft = (image > -150) & (image < 250)
    image += soft * (rng.uniform(0, 6) / texture.std()) * texture
    return gaussian_filter(image, BLUR).clip(-1024, 3072).astype(np.float32)


def _leaf(image: np.ndarray, rng: np.random.Generator, half: np.ndarray) -> None:
    """Draws an ellipse over the picture. Radii are 1.5 to 80 pixels, mostly small."""
    share, low, high = np.array(TISSUES).T
    tissue = rng.choice(len(share), p=share)
    # Density r^-2 between the bounds.
    radius = 1 / rng.uniform(1 / 80, 1 / 1.5)
    if tissue >= 4:
        radius = min(radius, 15)
    radii = radius * np.array([1.0, rng.uniform(0.3, 1.0)])
    centre = (SIZE - 1) / 2 + rng.uniform(-1, 1, 2) * half
    top, left = np.maximum(np.floor(centre - radius).astype(int), 0)
    bottom, right = np.minimum(np.ceil(centre + radius).astype(int) + 1, SIZE)
    y = np.arange(top, bottom)[:, None] - centre[0]
    x = np.arange(left, right)[None] - centre[1]
    turn = rng.uniform(0, np.pi)
    c, s = np.cos(turn), np.sin(turn)
    inside = ((c * x + s * y) / radii[0]) ** 2 + ((c * y - s * x) / radii[1]) ** 2 < 1
    image[top:bottom, left:right][inside] = rng.uniform(low[tissue], high[tissue])


def _bent(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image with its shapes distorted, so that none stays an ellipse."""
    shifts = [gaussian_filter(rng.standard_normal(image.shape), 14) for _ in range(2)]
    at = [
        grid + shift * (rng.uniform(2, 7) / shift.std())
        for grid, shift in zip(np.indices(image.shape), shifts, strict=True)
    ]
    return map_coordinates(image, at, order=1, mode="nearest")
