"""What weather, cameras and darkness do to photographs.

    haze      I = J t + A (1 - t), t = exp(-beta d): Koschmieder, Beitraege zur Physik der freien
              Atmosphaere 12, 1924; Narasimhan and Nayar, IJCV 48, 2002. beta and A as in RESIDE: Li
              et al., IEEE TIP 28, 2019
    rain      I = J + R, R a sum of layers of moving drops: Garg and Nayar, IJCV 75, 2007; Yang et
              al., CVPR 2017 (Rain100L)
    snow      I = J (1 - z) + a z, z the opacity of flakes in three sizes, a their colour: Liu, Jaw,
              Huang and Hwang, IEEE TIP 27, 2018 (Snow100K)
    low light I = e J / L x L^g + n, e the exposure, n noise, L the illumination: the largest colour
              of each pixel (Guo, Li and Ling, IEEE TIP 26, 2017), smoothed by a guided filter (He,
              Sun and Tang, IEEE TPAMI 35, 2013)
    noise     I = J + n, white and Gaussian
    motion    the mean of moved images in linear light, display values ^ 2.2: Nah, Kim and Lee, CVPR
              2017 (GoPro). The path has inertia and jerks: Boracchi and Foi, IEEE TIP 21, 2012
    defocus   the mean over a disc in linear light: Potmesil and Chakravarty, Computer Graphics
              15(3), 1981

Several at once, their order, and low light without the exposure: Guo, Gao, Lu, Zhu, Liu and He,
OneRestore, ECCV 2024 (CDD-11). The generators of depth, drops, flakes and paths are artir's own.

Arrays are [3, H, W] float32, display values 0 to 1, red first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.signal import fftconvolve

from .haze import octaves

GAMMA = 2.2
REACH = 20
"""Pixels from which a degraded pixel may be made: patches are cut after they are degraded."""


def haze(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    depth = depth_like(clear, rng)
    t = np.exp(-np.float32(rng.uniform(0.6, 1.8)) * depth)
    # Haze is grey, with a tint that is seldom seen.
    airlight = (rng.uniform(0.7, 1.0) + rng.normal(0, 0.01, (3, 1, 1))).astype(np.float32)
    return clear * t + airlight * (1 - t)


def depth_like(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distances [H, W], 0 (near) to about 1 (far): ground that recedes upwards, things in front of
    it, and borders that follow the picture's own."""
    height, width = image.shape[1:]
    size = max(height, width)
    rise = np.linspace(1, 0, height, dtype=np.float32)[:, None] ** rng.uniform(0.6, 1.6)
    field = octaves(rng, size, int(rng.integers(2, 5)), 0.5)[:height, :width]
    depth = 0.65 * rise + 0.35 * field
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(rng.integers(0, 6)):
        foot = rng.uniform(0.2, 1) * height
        half, tall = rng.uniform(0.03, 0.2) * width, rng.uniform(0.1, 0.8) * height
        inside = (np.abs(x - rng.uniform(0, width)) < half) & (y < foot) & (y > foot - tall)
        depth[inside] = np.minimum(depth[inside], 1 - foot / height)
    return guided(depth, image.mean(0), max(2, size // 24), 1e-3).clip(0, 1.2)


def guided(field: np.ndarray, guide: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """A guided filter: smooths a field [H, W], but not across the guide's borders."""

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, 2 * radius + 1, mode="nearest")

    middle, level = mean(guide), mean(field)
    slope = (mean(guide * field) - middle * level) / (mean(guide * guide) - middle**2 + eps)
    offset = level - slope * middle
    return (mean(slope) * guide + mean(offset)).astype(np.float32)


def rain(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = clear.shape[1:]
    angle = rng.normal(0, 0.25)
    layers = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 4)):
        # Drops that are near are large, long and few.
        near = rng.uniform(0.4, 1.4)
        drops = rng.random(shape, dtype=np.float32)
        drops = np.where(drops < 0.006 / near, rng.random(shape, dtype=np.float32), 0)
        drops = gaussian_filter(drops, 0.45 * near)
        streaks = convolved(drops, line(rng.uniform(9, 26) * near, angle + rng.normal(0, 0.03)))
        peak = np.quantile(streaks, 0.995)
        layers += rng.uniform(0.15, 0.5) * np.clip(streaks / max(float(peak), 1e-6), 0, 1.3)
    return clear + layers


def line(length: float, angle: float) -> np.ndarray:
    """A kernel of a straight path, ``angle`` from the vertical, of sum 1."""
    at = np.linspace(-0.5, 0.5, 4 * int(length) + 1)[:, None] * length
    return splat(at * np.array([np.cos(angle), np.sin(angle)]))


def splat(points: np.ndarray) -> np.ndarray:
    """Points [P, 2], in pixels from the middle, as a square kernel of sum 1 by bilinear weights."""
    radius = min(int(np.abs(points).max()) + 1, REACH)
    points = points.clip(-radius + 1e-3, radius - 1e-3) + radius
    kernel = np.zeros((2 * radius + 1,) * 2)
    low = points.astype(int)
    part = points - low
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            np.add.at(kernel, (low[:, 0] + dy, low[:, 1] + dx), weight)
    return (kernel / kernel.sum()).astype(np.float32)


def convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Maps [..., H, W] convolved with a kernel, mirrored at their borders."""
    radius = kernel.shape[0] // 2
    around = [(0, 0)] * (image.ndim - 2) + [(radius, radius)] * 2
    padded = np.pad(image, around, mode="symmetric")
    kernel = kernel.reshape((1,) * (image.ndim - 2) + kernel.shape)
    return fftconvolve(padded, kernel, mode="valid", axes=(-2, -1)).astype(np.float32)


def snow(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = clear.shape[1:]
    opacity = np.zeros((height, width), np.float32)
    angle, speed = rng.normal(0, 0.5), rng.uniform(0, 6)
    # Small, medium and large flakes. Large ones are near, and so fall faster through the picture.
    for size, share in ((0.7, 4e-3), (1.6, 1.2e-3), (3.2, 2.5e-4)):
        if size > 1 and rng.random() < 0.35:
            continue
        flakes = rng.random((height, width), dtype=np.float32) < share * rng.uniform(0.3, 1.6)
        strength = flakes * rng.uniform(0.5, 1, (height, width)).astype(np.float32)
        spread = gaussian_filter(strength, size * rng.uniform(0.8, 1.3, 2))
        # Height of a flake's blot, so that a single one is nearly opaque in its middle.
        spread *= 2 * np.pi * size**2
        ragged = 0.7 + 0.6 * rng.random((height, width), dtype=np.float32)
        spread = spread * gaussian_filter(ragged, 0.6)
        if speed * size > 2:
            spread = convolved(spread, line(speed * size, angle)) * 1.5
        opacity = 1 - (1 - opacity) * (1 - np.clip(spread, 0, 0.95))
    colour = (rng.uniform(0.85, 1.0) + rng.normal(0, 0.01, (3, 1, 1))).astype(np.float32)
    return clear * (1 - opacity) + colour * opacity


def low_light(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    light = guided(clear.max(0), clear.mean(0), 3, 0.01).clip(1e-3, 1)
    dark = clear / light * light ** np.float32(rng.uniform(2, 3))
    dark *= np.float32(rng.uniform(0.3, 1))
    noise = rng.standard_normal(clear.shape, dtype=np.float32)
    return dark + np.float32(rng.uniform(0, 0.05)) * noise


def noise(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sigma = np.float32(rng.uniform(0, 55) / 255)
    return clear + sigma * rng.standard_normal(clear.shape, dtype=np.float32)


def motion(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return in_linear_light(clear, splat(path(rng)))


def path(rng: np.random.Generator) -> np.ndarray:
    """A camera's path during an exposure, [P, 2] pixels from its mean."""
    steps, length = 240, rng.uniform(3, 22)
    speed = rng.standard_normal(2)
    inertia, jerk = rng.uniform(0.9, 0.995), rng.uniform(0.02, 0.3)
    at, found = np.zeros(2), []
    for _ in range(steps):
        speed = inertia * speed + jerk * rng.standard_normal(2)
        if rng.random() < 0.005:
            speed = -speed * rng.uniform(0.3, 1)
        at = at + speed
        found.append(at)
    points = np.array(found) - np.mean(found, axis=0)
    return points * (length / max(float(np.ptp(points, axis=0).max()), 1e-6))


def defocus(clear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return in_linear_light(clear, disc(rng.uniform(0.8, 5)))


def disc(radius: float) -> np.ndarray:
    """An even disc of sum 1, with soft borders."""
    reach = int(radius) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (radius + 0.5 - np.hypot(y, x)).clip(0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def in_linear_light(clear: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The image convolved as light adds up, not as display values do."""
    blurred = convolved(clear**GAMMA, kernel).clip(0, 1) ** (1 / GAMMA)
    return blurred.astype(np.float32)


SINGLE: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "haze": haze,
    "rain": rain,
    "snow": snow,
    "noise": noise,
    "motion": motion,
    "defocus": defocus,
    "low": low_light,
}
"""Each degradation by its name."""

ORDER = ("low", "rain", "snow", "haze")
"""Order of degradations that come together: light falls on the scene, weather lies before it."""

COMPOSITE = (
    *("low", "haze", "rain", "snow"),
    *("low_haze", "low_rain", "low_snow", "haze_rain", "haze_snow"),
    *("low_haze_rain", "low_haze_snow"),
)
"""The eleven combinations of CDD-11, by the names of its folders."""


def degraded(clear: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """The image under a degradation, or under several joined by "_", as an 8-bit file holds it."""
    parts = name.split("_")
    image = clear
    for part in sorted(parts, key=ORDER.index) if len(parts) > 1 else parts:
        image = SINGLE[part](image, rng).clip(0, 1)
    return (np.round(image * 255) / np.float32(255)).astype(np.float32)


__all__ = ["COMPOSITE", "REACH", "SINGLE", "degraded"]
