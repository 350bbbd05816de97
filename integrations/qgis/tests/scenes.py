"""Scenes that the tests make: hazy ground of several kinds, and polygons."""

from pathlib import Path

import numpy as np
from osgeo import gdal, ogr, osr

gdal.UseExceptions()
CRS = "EPSG:32632"
ORIGIN = (500_000.0, 5_000_000.0)
PIXEL = 10.0


def values(columns: int, rows: int, bands: int = 3) -> np.ndarray:
    """Fields and roads under haze, as 8-bit values."""
    y, x = np.mgrid[0:rows, 0:columns]
    rng = np.random.default_rng(7)
    fields = rng.uniform(0.05, 0.5, (bands, rows // 16 + 1, columns // 16 + 1)).repeat(16, 1).repeat(16, 2)
    ground = fields[:, :rows, :columns] + rng.normal(0, 0.01, (bands, rows, columns))
    ground[:, (x + 2 * y) % 97 < 3] = 0.6
    haze = 0.25 + 0.3 * (x / max(columns - 1, 1))
    return np.clip(255 * (ground * (1 - haze) + 0.85 * haze), 0, 255).astype(np.uint8)


def write(path: Path, data: np.ndarray, colours: bool = True, driver: str = "GTiff", options=()) -> str:
    """Writes a raster on a grid of 10 m."""
    bands, rows, columns = data.shape
    kind = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "float32": gdal.GDT_Float32}[data.dtype.name]
    memory = gdal.GetDriverByName("MEM").Create("", columns, rows, bands, kind)
    memory.SetGeoTransform((ORIGIN[0], PIXEL, 0, ORIGIN[1], 0, -PIXEL))
    system = osr.SpatialReference()
    system.SetFromUserInput(CRS)
    memory.SetProjection(system.ExportToWkt())
    named = (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand)
    for i in range(bands):
        band = memory.GetRasterBand(i + 1)
        band.WriteArray(data[i])
        if colours and i < 3:
            band.SetColorInterpretation(named[i])
        elif i >= 3 or not colours:
            band.SetColorInterpretation(gdal.GCI_Undefined)
    gdal.GetDriverByName(driver).CreateCopy(str(path), memory, options=list(options))
    return str(path)


def scene(kind: str, folder: Path, columns: int = 112, rows: int = 96) -> str:
    """A scene of a kind: a GeoTIFF, a stack of single bands, a COG, or a JPEG 2000 file."""
    data = values(columns, rows)
    if kind == "geotiff":
        return write(folder / "hazy scene ä.tif", data, options=["TILED=YES", "COMPRESS=DEFLATE"])
    if kind == "cog":
        return write(folder / "hazy ü cog.tif", data, driver="COG", options=["COMPRESS=DEFLATE"])
    if kind == "jp2":
        return write(folder / "hazy.jp2", data, driver="JP2OpenJPEG", options=["REVERSIBLE=YES", "QUALITY=100"])
    if kind == "stack":
        parts = [write(folder / f"B{i}.tif", data[i : i + 1], colours=False) for i in range(3)]
        stack = gdal.BuildVRT(str(folder / "stack of bands.vrt"), parts, separate=True)
        for i, colour in enumerate((gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand)):
            stack.GetRasterBand(i + 1).SetColorInterpretation(colour)
        del stack
        return str(folder / "stack of bands.vrt")
    raise ValueError(kind)


def polygons(path: Path, first: int = 20, size: int = 60, driver: str = "GeoJSON") -> str:
    """A triangle over a part of the scene, in its reference system."""
    system = osr.SpatialReference()
    system.SetFromUserInput(CRS)
    file = ogr.GetDriverByName(driver).CreateDataSource(str(path))
    layer = file.CreateLayer("cut", system, ogr.wkbPolygon)
    at = lambda column, row: (ORIGIN[0] + column * PIXEL, ORIGIN[1] - row * PIXEL)  # noqa: E731
    ring = ogr.Geometry(ogr.wkbLinearRing)
    for point in (at(first, first), at(first + size, first), at(first, first + size), at(first, first)):
        ring.AddPoint_2D(*point)
    polygon = ogr.Geometry(ogr.wkbPolygon)
    polygon.AddGeometry(ring)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(polygon)
    layer.CreateFeature(feature)
    del layer, file
    return str(path)


def pixels(path: str) -> np.ndarray:
    """All values of a raster, in bands, rows and columns."""
    data = gdal.Open(str(path)).ReadAsArray()
    return data[None] if data.ndim == 2 else data
