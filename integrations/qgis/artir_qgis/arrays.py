"""Writes bands of a raster as an array of NumPy's format, in display values: black is 0 and white is 1."""

from __future__ import annotations

import struct

from qgis.core import Qgis, QgsRectangle

from .run import Cancelled
from .scene import Refused
from .text import tr

ROWS = 256


def scaled(value: float, lo: float, hi: float) -> float:
    """A stored value as the array holds it, in 32 bits."""
    scale = 1 / (hi - lo)
    return struct.unpack("<f", struct.pack("<f", value * scale - lo * scale))[0]


def header(shape: tuple[int, ...]) -> bytes:
    """The beginning of a file with 32-bit numbers of this shape."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("ascii")


def write(provider, bands: list[int], lo: float, hi: float, path: str, title: str, feedback) -> None:
    """Writes the bands one after another, a few rows at a time. QGIS does the arithmetic: Python would take minutes."""
    columns, rows, whole = provider.xSize(), provider.ySize(), provider.extent()
    scale = 1 / (hi - lo)
    with open(path, "wb") as file:
        file.write(header((len(bands), rows, columns)))
        for band in bands:
            if not 1 <= band <= provider.bandCount():
                text = tr("{name} has {count} bands, and no band {band}.")
                raise Refused(text.format(name=title, count=provider.bandCount(), band=band))
            # Nodata is scaled with the values, and then left out by its value.
            provider.setUseSourceNoDataValue(band, False)
            for first in range(0, rows, ROWS):
                if feedback.isCanceled():
                    raise Cancelled
                count = min(ROWS, rows - first)
                height = whole.height() / rows
                top = whole.yMaximum() - first * height
                extent = QgsRectangle(whole.xMinimum(), top - count * height, whole.xMaximum(), top)
                block = provider.block(band, extent, columns, count)
                if not block.isValid() or not block.convert(Qgis.DataType.Float32):
                    raise Refused(tr("Band {band} of {name} cannot be read.").format(band=band, name=title))
                block.applyScaleOffset(scale, -lo * scale)
                file.write(bytes(block.data()))
