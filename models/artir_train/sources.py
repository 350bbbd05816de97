"""Training data by the name that a configuration gives it."""

from __future__ import annotations

from .ct_data import CtPatches
from .ct_pairs_data import CtPairPatches
from .haze_data import HazePatches
from .pet_data import PetPatches
from .rgb_data import RgbFreePatches, RgbPatches

SOURCES = {
    "ct": CtPatches,
    "ct-pairs": CtPairPatches,
    "haze": HazePatches,
    "pet": PetPatches,
    "rgb": RgbPatches,
    "rgb-free": RgbFreePatches,
}

FOLDERS = {name: ("train",) for name in SOURCES} | {"ct-pairs": ("train", "ct-real-pairs")}
"""Folders of the real data that each source reads."""
