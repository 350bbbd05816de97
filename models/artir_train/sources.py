"""Training data by the name that a configuration gives it."""

from __future__ import annotations

from pathlib import Path

from .aio_data import AioPatches, AioPhotoPatches, CompositePatches, SnowPatches
from .ct_data import CtPatches
from .ct_pairs_data import CtPairPatches
from .ct_volumes_data import CtVolumePatches
from .haze_data import HazePatches
from .pet_data import PetPatches
from .pet_volumes_data import PetVolumePatches
from .published_data import DATA_SETS, PublishedPatches
from .rgb_data import RgbFreePatches, RgbPatches

SOURCES = {
    "ct": CtPatches,
    "ct-pairs": CtPairPatches,
    "ct-volumes": CtVolumePatches,
    "haze": HazePatches,
    "pet": PetPatches,
    "pet-volumes": PetVolumePatches,
    "rgb": RgbPatches,
    "rgb-aio": AioPatches,
    "rgb-aio-photos": AioPhotoPatches,
    "rgb-cdd": CompositePatches,
    "rgb-free": RgbFreePatches,
    "rgb-snow": SnowPatches,
}

FOLDERS = {name: ("train",) for name in SOURCES} | {"ct-pairs": ("train", "ct-real-pairs")}
"""Folders of the real data that each source reads."""


def source(data: str, cache: Path, seed: int, folder: Path | None = None):
    """The source of a name; with a folder, from the published data sets in it.

    Raises ValueError for names without such data.
    """
    if folder is not None:
        if data not in DATA_SETS:
            raise ValueError(
                f"data {data!r} is not read from a folder of published data sets; "
                f"{', '.join(DATA_SETS)} are"
            )
        return PublishedPatches(data, folder, seed)
    if data in SOURCES:
        return SOURCES[data](cache, seed)
    if data in DATA_SETS:
        names = " and ".join(one.name for one in DATA_SETS[data])
        raise ValueError(f"data {data!r} needs a folder with {names} (--data)")
    raise ValueError(
        f"there is no data {data!r}; there are {', '.join(sorted({*SOURCES, *DATA_SETS}))}"
    )
