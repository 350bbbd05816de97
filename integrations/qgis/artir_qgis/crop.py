"""Cuts the visible part out of a raster, at a resolution that a preview of some seconds can afford."""

from __future__ import annotations

import math
from typing import NamedTuple

from qgis.core import QgsRasterDataProvider, QgsRasterFileWriter, QgsRectangle

from .scene import Refused
from .text import tr

# Pixels around the visible part, the raster's and those of a reduced part: the network sees what lies around a pixel.
MARGIN = (48, 16)


class Part(NamedTuple):
    """A part of a raster on its own grid, and the size that it is read in."""

    extent: QgsRectangle
    columns: int
    rows: int
    # Pixels of the raster for one of the part, along each edge.
    factor: float
    # The same, if the longest edge alone had to be kept.
    finest: float


def part(provider, wanted: QgsRectangle, longest: int, most: float = math.inf) -> Part:
    """The pixels that an extent touches, and a margin.

    They are reduced where an edge of the extent has more than `longest` pixels, or the part more than `most` of them.
    """
    whole = provider.extent()
    seen = wanted.intersect(whole)
    if seen.isEmpty():
        raise Refused(tr("The extent does not touch the raster."))
    width, height = whole.width() / provider.xSize(), whole.height() / provider.ySize()
    factor = finest = max(seen.width() / width / longest, seen.height() / height / longest, 1.0)
    left, right, top, bottom = window(provider, seen, factor)
    while (right - left) * (bottom - top) > most * factor**2:
        factor *= 1.01
        left, right, top, bottom = window(provider, seen, factor)
    extent = QgsRectangle(
        whole.xMinimum() + left * width,
        whole.yMaximum() - bottom * height,
        whole.xMinimum() + right * width,
        whole.yMaximum() - top * height,
    )
    return Part(extent, max(round((right - left) / factor), 1), max(round((bottom - top) / factor), 1), factor, finest)


def window(provider, seen: QgsRectangle, factor: float) -> tuple[int, int, int, int]:
    """First column, end of columns, first row and end of rows of an extent and its margin."""
    whole, margin = provider.extent(), max(MARGIN[0], MARGIN[1] * factor)
    width, height = whole.width() / provider.xSize(), whole.height() / provider.ySize()
    return (
        max(math.floor((seen.xMinimum() - whole.xMinimum()) / width - margin + 1e-6), 0),
        min(math.ceil((seen.xMaximum() - whole.xMinimum()) / width + margin - 1e-6), provider.xSize()),
        max(math.floor((whole.yMaximum() - seen.yMaximum()) / height - margin + 1e-6), 0),
        min(math.ceil((whole.yMaximum() - seen.yMinimum()) / height + margin - 1e-6), provider.ySize()),
    )


def write(provider, cut: Part, path: str, nodata: float | None) -> None:
    """Writes the part's stored values, of all bands, to a GeoTIFF. `provider` is the caller's own: its settings change.

    A pixel of a reduced part is the mean of those that it stands for: the network finds even less haze where pixels are
    picked. Beyond its largest oversampling, QGIS picks pixels before it takes means.
    """
    if cut.factor > 1 and provider.enableProviderResampling(True):
        provider.setZoomedOutResamplingMethod(QgsRasterDataProvider.ResamplingMethod.Average)
        provider.setMaxOversampling(2 * cut.factor)
    writer = QgsRasterFileWriter(path)
    writer.setOutputProviderKey("gdal")
    writer.setOutputFormat("GTiff")
    kind = provider.dataType(1)
    target = writer.createMultiBandRaster(kind, cut.columns, cut.rows, cut.extent, provider.crs(), provider.bandCount())
    if target is None or not target.isValid():
        raise Refused(tr("The visible part cannot be written to {path}.").format(path=path))
    for band in range(1, provider.bandCount() + 1):
        if nodata is not None:
            target.setNoDataValue(band, nodata)
        block = provider.block(band, cut.extent, cut.columns, cut.rows)
        if not block.isValid() or not block.convert(kind) or not target.writeBlock(block, band):
            raise Refused(tr("Band {band} of the visible part cannot be read.").format(band=band))
    target.setEditable(False)
