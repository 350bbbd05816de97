"""Synthetic colour pictures: shapes that hide one another, shaded, textured and lit.

Networks trained on such pictures denoise photographs nearly as well as those trained on
photographs (Achddou, Gousseau, Ladjal: Synthetic images as a regularity prior for image restoration
neural networks, SSVM 2021), and nobody holds rights in them.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from .degrade.haze import octaves

SMALLEST, LARGEST = (3.0, 16.0), 250.0
"""Radii of the shapes in pixels of the picture before it is halved, with a density proportional to
r^-3. Each picture draws its smallest radius."""


def picture(rng: np.random.Generator, size: int = 256) -> np.ndarray:
    """A picture [size, size, 3], 0 to 1."""
    wide = 2 * size
    image = np.empty((wide, wide, 3), np.float32)
    image[:] = colour(rng)
    palette = [colour(rng) for _ in range(rng.integers(3, 12))]
    smallest = np.exp(rng.uniform(*np.log(SMALLEST)))
    for radius in _radii(rng, smallest, 2.5 * wide**2):
        tone = palette[rng.integers(len(palette))] + rng.normal(0, 0.05, 3)
        _leaf(image, radius, tone.astype(np.float32), rng)
    light = 0.7 + 0.6 * octaves(rng, wide, 2, 0.4)
    image = image * light[..., None]
    # A lens is never sharper than its pixels.
    image = gaussian_filter(image, (rng.uniform(0.6, 1.6),) * 2 + (0,))
    return image.reshape(size, 2, size, 2, 3).mean((1, 3)).clip(0, 1).astype(np.float32)


def colour(rng: np.random.Generator) -> np.ndarray:
    """A random colour, distributed as in photographs: mostly near grey, rarely vivid."""
    grey = rng.beta(1.2, 1.5)
    spread = rng.gamma(1.2, 0.07)
    return np.clip(grey + spread * rng.normal(0, 1, 3), 0, 1).astype(np.float32)


def _radii(rng: np.random.Generator, smallest: float, area: float) -> np.ndarray:
    """Radii whose number above r is proportional to r^-2, enough of them to cover an area."""
    ends = smallest**-2.0, LARGEST**-2.0
    mean_square = 2 * np.log(LARGEST / smallest) / (ends[0] - ends[1])
    # A shape covers about half of its circle.
    share = rng.random(int(area / (0.5 * np.pi * mean_square)))
    return (ends[0] + share * (ends[1] - ends[0])) ** -0.5


def _leaf(image: np.ndarray, radius: float, tone: np.ndarray, rng: np.random.Generator) -> None:
    """Draws an ellipse, a stripe or a polygon over the image."""
    size = image.shape[0]
    centre = rng.uniform(0, size, 2)
    top, left = (max(0, int(c - radius)) for c in centre)
    bottom, right = (min(size, int(c + radius) + 2) for c in centre)
    if bottom - top < 2 or right - left < 2:
        return
    y = (np.arange(top, bottom)[:, None] - centre[0]) / radius
    x = (np.arange(left, right)[None] - centre[1]) / radius
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    u, v = c * x + s * y, c * y - s * x
    kind = rng.random()
    if kind < 0.5:
        inside = u**2 + (v / rng.uniform(0.25, 1)) ** 2 < 1
    elif kind < 0.75:
        inside = (np.abs(u) < 0.95) & (np.abs(v) < rng.uniform(0.03, 0.5)) & (x**2 + y**2 < 1)
    else:
        sides = rng.integers(3, 7)
        at = np.arange(sides) * 2 * np.pi / sides
        reach = np.max([np.cos(a) * u + np.sin(a) * v for a in at], axis=0)
        inside = reach < 0.6
    part = image[top:bottom, left:right]
    shade = 1 + rng.uniform(-0.3, 0.3) * u + rng.uniform(-0.3, 0.3) * v
    if radius > 12 and rng.random() < 0.6:
        shade = shade * (1 + _texture(rng, inside.shape, radius, u))
    part[inside] = (tone * shade[..., None])[inside]


def _texture(
    rng: np.random.Generator, shape: tuple[int, int], radius: float, across: np.ndarray
) -> np.ndarray:
    """Grain of any scale, or stripes."""
    depth = rng.uniform(0.02, 0.3)
    if rng.random() < 0.3:
        period = rng.uniform(5, 30) / radius
        return depth * np.sin(2 * np.pi * across / period)
    grain = rng.uniform(1, 8)
    small = rng.standard_normal([int(side / grain) + 2 for side in shape])
    return depth * zoom(small, grain * 1.3, order=1)[: shape[0], : shape[1]]
