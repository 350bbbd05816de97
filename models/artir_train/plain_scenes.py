"""Clear scenes without texture: sea, sand, snow, forest, fields, bare soil, and their borders.

The tiles of real scenes contain few of these. A network easily mistakes such bright or blue ground
for haze, because nothing in it shows its true brightness.
"""

from __future__ import annotations

import numpy as np

from .degrade.haze import octaves

# Lowest and highest red, green and blue, display values 0 to 1.
GROUNDS = {
    "deep water": ((0.0, 0.03, 0.10), (0.12, 0.25, 0.42)),
    "blue water": ((0.05, 0.15, 0.30), (0.40, 0.48, 0.72)),
    "pale water": ((0.15, 0.25, 0.35), (0.45, 0.55, 0.70)),
    "shallow water": ((0.10, 0.30, 0.35), (0.45, 0.70, 0.75)),
    "muddy water": ((0.25, 0.25, 0.15), (0.55, 0.52, 0.42)),
    "sand": ((0.55, 0.45, 0.30), (0.92, 0.82, 0.68)),
    "snow and ice": ((0.72, 0.75, 0.78), (0.98, 0.98, 1.0)),
    "forest": ((0.04, 0.10, 0.04), (0.25, 0.35, 0.22)),
    "grass and crops": ((0.15, 0.22, 0.10), (0.40, 0.48, 0.32)),
    "soil and rock": ((0.28, 0.22, 0.15), (0.62, 0.55, 0.48)),
}


def draw(rng: np.random.Generator, size: int) -> np.ndarray:
    """A scene [3, size, size] of one ground, or of two that meet."""
    scene = _ground(rng, size)
    if rng.random() < 0.5:
        border = octaves(rng, size, int(rng.integers(1, 4)), 0.55)[None]
        width = rng.uniform(0.01, 0.2)
        share = np.clip((border - rng.uniform(0.3, 0.7)) / width + 0.5, 0, 1)
        scene = scene * (1 - share) + _ground(rng, size) * share
    return scene.clip(0, 1).astype(np.float32)


def painted(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A real scene [3, H, W] in the colour of one ground: its relief, with a little of its hues.
    Real deserts, snowfields and seas have such textures, and the tiles hardly show any."""
    grey = scene.mean(0, keepdims=True)
    relief = ((grey - grey.mean()) / max(float(grey.std()), 1e-3)).clip(-3, 3)
    hues = (scene - grey) * rng.uniform(0, 0.5)
    depth = np.exp(rng.uniform(np.log(0.06), np.log(0.3)))
    return (_colour(rng) * (1 + depth * relief) + hues).clip(0, 1).astype(np.float32)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """The colour of one ground, [3, 1, 1]."""
    # More than a third of the draws are open water, which is mistaken for haze most easily.
    low, high = GROUNDS[rng.choice([*GROUNDS, *2 * ["blue water", "pale water"]])]
    # One draw for all bands makes it darker or brighter; one for each gives it a hue.
    share = np.clip(rng.random() + rng.normal(0, 0.12, 3), 0, 1)
    return (np.array(low) + share * (np.array(high) - np.array(low)))[:, None, None]


def _ground(rng: np.random.Generator, size: int) -> np.ndarray:
    """One colour with a faint relief of brightness and almost none of hue."""
    colour = _colour(rng)
    relief = octaves(rng, size, int(rng.integers(2, 24)), rng.uniform(0.4, 0.9)) - 0.5
    relief += rng.uniform(0, 0.3) * (octaves(rng, size, size // 4, 0.5) - 0.5)
    depth = np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
    return colour * (1 + depth * relief[None])
