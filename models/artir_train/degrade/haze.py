"""Haze and thin cloud over clear scenes, by atmospheric scattering.

``I = J t + A (1 - t)`` for each colour (Koschmieder, Beitraege zur Physik der freien Atmosphaere
12, 1924; Narasimhan and Nayar, IJCV 48, 2002), with a transmission ``t = exp(-depth beta)`` whose
optical depth varies over the scene. Thin haze scatters blue more than red (Angstrom's law, beta
proportional to wavelength^-alpha). Thick haze scatters all colours alike.

Arrays are [3, H, W] float32, display values 0 to 1, red first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WAVELENGTHS = np.array([0.65, 0.55, 0.45], np.float32)
"""Centres of the red, green and blue band, micrometres."""


EVEN_SHARE = 0.4
"""How many veils are even sheets of cloud."""


@dataclass(frozen=True)
class Haze:
    """One veil: optical depth [H, W] at 0.55 micrometres, Angstrom's exponent, airlight [3]."""

    depth: np.ndarray
    alpha: float
    airlight: np.ndarray

    def transmission(self) -> np.ndarray:
        """t for each colour, [3, H, W]."""
        beta = (WAVELENGTHS / 0.55) ** -self.alpha
        return np.exp(-self.depth[None] * beta[:, None, None]).astype(np.float32)


def scatter(clear: np.ndarray, haze: Haze) -> np.ndarray:
    """The clear scene [3, H, W] through the veil."""
    t = haze.transmission()
    return clear * t + haze.airlight[:, None, None] * (1 - t)


def octaves(rng: np.random.Generator, size: int, coarsest: int, persistence: float) -> np.ndarray:
    """Smooth noise [size, size] scaled to 0..1: octaves of random grids, bilinearly enlarged."""
    total = np.zeros((size, size), np.float32)
    weight, cells = 1.0, coarsest
    while cells < size / 2 and weight > 0.03:
        grid = rng.random((cells + 2, cells + 2), dtype=np.float32)
        at = (np.arange(size, dtype=np.float32) + rng.random(dtype=np.float32)) * (cells / size)
        low = at.astype(int)
        part = at - low
        part = part * part * (3 - 2 * part)
        rows = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
        total += weight * (rows[:, low] * (1 - part) + rows[:, low + 1] * part)
        weight *= persistence
        cells *= 2
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def draw(rng: np.random.Generator, size: int) -> Haze:
    """A random veil: an even sheet, uneven haze, gradients, or clouds with edges; thin, moderate or
    thick."""
    if rng.random() < EVEN_SHARE:
        return _even(rng, size)
    field = octaves(rng, size, int(rng.integers(1, 4)), rng.uniform(0.35, 0.65))
    kind = rng.random()
    floor = rng.uniform(0, 0.9)
    if kind < 0.25:  # cloud-like: nothing below a threshold, soft edges above it
        edge = rng.uniform(0.1, 0.55)
        field = np.clip((field - edge) / rng.uniform(0.25, 0.6), 0, 1)
        floor = 0.1 * rng.random()
    elif kind < 0.45:  # a gradient across the scene
        angle = rng.uniform(0, 2 * np.pi)
        axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
        ramp = np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None] + 0.5
        field = 0.35 * field + 0.65 * np.clip(ramp, 0, 1)
    thickest = (0.35, 0.8, 1.6)[rng.integers(3)] * rng.uniform(0.6, 1.4)
    depth = (thickest * (floor + (1 - floor) * field)).astype(np.float32)
    if rng.random() < 0.6:
        # Thin cloud: drops scatter all colours alike. Products stretched for the ground show the
        # veil as mid-grey, often darker than bright ground.
        alpha, tint, brightness = 0.0, 0.01, rng.uniform(0.36, 0.7)
    else:
        # Small particles make thin haze blue; drops make thick haze grey.
        alpha = float(rng.uniform(0, 1.5) * np.exp(-thickest))
        tint, brightness = 0.03, rng.uniform(0.42, 1.0)
    airlight = np.clip(brightness * (1 + rng.normal(0, tint, 3)), 0, 1).astype(np.float32)
    return Haze(depth, alpha, airlight)


def _even(rng: np.random.Generator, size: int) -> Haze:
    """A sheet of thin cloud, the same over the whole scene or nearly so. It makes dark ground
    brighter, bright sand darker, and everything greyer."""
    unevenness = 0.2 * rng.random() * octaves(rng, size, int(rng.integers(1, 4)), 0.5)
    depth = -np.log(rng.uniform(0.25, 0.85)) * (1 + unevenness - unevenness.mean())
    airlight = rng.uniform(0.42, 0.78) * (1 + rng.normal(0, 0.01, 3))
    return Haze(depth.astype(np.float32), 0.0, airlight.clip(0, 1).astype(np.float32))


def regrade(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The clear scene as another sensor or product would show it: exposure, contrast, gamma,
    saturation and white balance."""
    scene = scene ** np.float32(np.exp(rng.normal(0, 0.2)))
    mean = scene.mean((1, 2), keepdims=True)
    grey = scene.mean(0, keepdims=True)
    scene = grey + (scene - grey) * np.float32(rng.uniform(0.8, 1.4))
    scene = mean + (scene - mean) * np.float32(rng.uniform(0.9, 1.7))
    flat = float(scene.std()) < 0.08
    if flat and rng.random() < 0.3:
        # Sand, snow and water have no texture that shows their brightness: any is possible.
        scene = scene - scene.mean() + rng.uniform(0.2, 0.85)
    else:
        scene = scene * rng.uniform(0.7, 1.3)
    scene = scene * (1 + rng.normal(0, 0.04, (3, 1, 1)))
    return np.clip(scene, 0, 1).astype(np.float32)


def add_haze(
    clear: np.ndarray, haze: Haze, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(hazy, clear): the veil, sensor noise, and 8-bit steps in both."""
    hazy = scatter(clear, haze) + rng.normal(0, rng.uniform(0, 0.008), clear.shape)
    hazy = np.round(np.clip(hazy, 0, 1) * 255) / 255
    return hazy.astype(np.float32), clear


def sample(clear: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A training pair (hazy, clear) from a clear scene. One scene in four stays clear, and three in
    ten without texture. The network so learns to leave scenes without haze unchanged, and not to
    darken bright sand, snow and water."""
    if rng.random() < (0.3 if clear.std() < 0.08 else 0.25):
        quantised = np.round(clear * 255) / 255
        return quantised.astype(np.float32), clear
    return add_haze(clear, draw(rng, clear.shape[-1]), rng)
