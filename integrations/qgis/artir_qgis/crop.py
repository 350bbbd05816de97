"""Cuts the visible part out of a raster, at the resolution of the screen: a preview takes seconds for any scene."""

from __future__ import annotations

import math
from typing import NamedTuple

from qgis.core import QgsRasterFileWriter, QgsRectangle

from .scene import Refused
from .text import tr

# Pixels around the visible part: the network sees what lies around a pixel.
MARGIN = 48


class Part(NamedTuple):
    """A part of a raster on its own grid, and the size that it is read in."""

    extent: QgsRectangle
    columns: int
    rows: int
    # Pixels of the raster for one of the part, along each edge.
    factor: float


def part(provider, wanted: QgsRectangle, longest: int) -> Part:
    """The pixels that an extent touches, and a margin; reduced where an edge of the extent has more than `longest`."""
    whole = provider.extent()
    seen = wanted.intersect(whole)
    if seen.isEmpty():
        raise Refused(tr("The extent does not touch the raster."))
    width, height = whole.width() / provider.xSize(), whole.height() / provider.ySize()
    factor = max(seen.width() / width / longest, seen.height() / height / longest, 1.0)
    margin = MARGIN * factor
    left = max(math.floor((seen.xMinimum() - whole.xMinimum()) / width - margin + 1e-6), 0)
    right = min(math.ceil((seen.xMaximum() - whole.xMinimum()) / width + margin - 1e-6), provider.xSize())
    top = max(math.floor((whole.yMaximum() - seen.yMaximum()) / height - margin + 1e-6), 0)
    bottom = min(math.ceil((whole.yMaximum() - seen.yMinimum()) / height + margin - 1e-6), provider.ySize())
    columns, rows = right - left, bottom - top
    extent = QgsRectangle(
        whole.xMinimum() + left * width,
        whole.yMaximum() - (top + rows) * height,
        whole.xMinimum() + (left + columns) * width,
        whole.yMaximum() - top * height,
    )
    return Part(extent, max(round(columns / factor), 1), max(round(rows / factor), 1), factor)


def write(provider, cut: Part, path: str, nodata: float | None) -> None:
    """Writes the part's stored values, of all bands, to a GeoTIFF."""
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
