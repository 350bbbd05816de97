"""Compares pixels and masks of two rasters bit for bit. Runs as a script.

    python -P pixels.py SOURCE OUTPUT SECONDS
    python -P pixels.py --cog FILE

A decoder may crash on damaged files, or ask for all memory: that must not end the harness. The
reader is rasterio's own GDAL, which is not the one that artir is linked to. The answer is JSON.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

EDGE = 4096
UNREADABLE = (rasterio.errors.RasterioError, rasterio.errors.RasterioIOError)
UNREADABLE += (OSError, ValueError, MemoryError, TypeError, KeyError)
SHOWN = 12


def windows(width: int, height: int) -> Iterator[Window]:
    """Windows that cover the raster and fit into memory."""
    for top in range(0, height, EDGE):
        for left in range(0, width, EDGE):
            wide, high = min(EDGE, width - left), min(EDGE, height - top)
            yield Window(left, top, wide, high)


def differing(a: np.ndarray, b: np.ndarray) -> int:
    """The number of pixels whose bits differ. Equal NaN bits are equal; -0 differs from 0."""
    if a.tobytes() == b.tobytes():
        return 0
    size = a.dtype.itemsize
    bits = [np.ascontiguousarray(x).view(np.uint8).reshape(-1, size) for x in (a, b)]
    return int((bits[0] != bits[1]).any(axis=1).sum())


def shape(dataset: Any) -> tuple:
    """Size, bands and types, which must agree before pixels are compared."""
    return dataset.width, dataset.height, dataset.count, dataset.dtypes


class SourceUnreadable(Exception):
    """The second reader has no codec for the source."""


def compare(source: Any, output: Any, seconds: float) -> dict:
    """Differences by band, and the share of pixels that were compared in the time."""
    if shape(source) != shape(output):
        return {"problems": [f"{shape(source)} became {shape(output)}"]}
    until = time.monotonic() + seconds
    counts: dict[str, int] = {}
    compared = 0
    for window in windows(source.width, source.height):
        for band in source.indexes:
            for what, read in (("pixels", "read"), ("mask", "read_masks")):
                try:
                    before = getattr(source, read)(band, window=window)
                except UNREADABLE as error:
                    raise SourceUnreadable(error) from error
                after = getattr(output, read)(band, window=window)
                if count := differing(before, after):
                    name = f"{what} of band {band}"
                    counts[name] = counts.get(name, 0) + count
            if time.monotonic() > until:
                break
        else:
            compared += window.width * window.height
            continue
        break
    told = [f"{name}: {count} differ" for name, count in counts.items()]
    share = compared / (source.width * source.height)
    return {"problems": told[:SHOWN], "share": share}


def answer(source: str, output: str, seconds: float) -> dict:
    """The comparison, or the reason why a file cannot be read."""
    try:
        before = rasterio.open(source)
    except UNREADABLE as error:
        return {"unreadable": str(error)}
    try:
        with before, rasterio.open(output) as after:
            return compare(before, after, seconds)
    except SourceUnreadable as error:
        return {"unreadable": str(error)}
    except UNREADABLE as error:
        return {"problems": [f"a second reader cannot read it: {error}"]}


def validate(path: str) -> dict:
    """Whether a file is a cloud-optimised GeoTIFF."""
    from rio_cogeo.cogeo import cog_validate

    try:
        valid, errors, noted = cog_validate(path, quiet=True)
    except UNREADABLE as error:
        return {"problems": [f"rio cogeo validate: {error}"]}
    wrong = [f"rio cogeo validate: {e}" for e in errors]
    return {
        "problems": wrong or ([] if valid else ["rio cogeo validate: invalid"]),
        "notes": noted,
    }


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    first, second, *rest = sys.argv[1:]
    if first == "--cog":
        told = validate(second)
    else:
        told = answer(first, second, float(rest[0]))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
