"""From QGIS's layers to the names of files, as artir reads them, and why some layers have none."""

from __future__ import annotations

import os
from typing import NamedTuple

from qgis.core import (
    QgsFeature,
    QgsFields,
    QgsMapLayer,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsWkbTypes,
)

from .text import tr


class Refused(Exception):
    """artir cannot read a layer. The text says why and what to do."""


class Source(NamedTuple):
    """A raster, by the name that artir opens it by, and its layer where it is open in QGIS."""

    name: str
    title: str
    layer: QgsRasterLayer | None


def source(value, text: str, context) -> Source:
    """The raster that a parameter's value names. `text` is the value as text.

    A file is not opened here: that can take seconds, and this runs in the main thread.
    """
    layer = value if isinstance(value, QgsMapLayer) else QgsProcessingUtils.mapLayerFromString(text, context, False)
    if layer is not None:
        return Source(scene_name(layer), layer.name(), layer)
    return file_source(strip(text))


def file_source(name: str) -> Source:
    """A raster that is no layer of the project, named after its file."""
    if not name:
        raise Refused(tr("No raster is given."))
    return Source(name, os.path.splitext(os.path.basename(name.rstrip("/\\")))[0] or name, None)


def scene_name(layer) -> str:
    """The name by which artir opens a layer's data."""
    name, provider, uri = layer.name(), layer.providerType(), layer.source()
    if not isinstance(layer, QgsRasterLayer):
        raise Refused(tr("The layer '{name}' is not a raster.").format(name=name))
    if provider != "gdal":
        text = tr(
            "The layer '{name}' is {kind}, and artir reads raster files only. Export the part that you need as "
            "raw data (Export > Save As…), and use that file."
        )
        raise Refused(text.format(name=name, kind=kind_of(provider, uri)))
    if uri.startswith("/vsimem/"):
        text = tr("The layer '{name}' exists in QGIS's memory only. Save it as a file first.")
        raise Refused(text.format(name=name))
    return strip(uri)


def kind_of(provider: str, uri: str) -> str:
    """What a layer is that GDAL does not read, in words."""
    if provider == "wms":
        return tr("a tile service (XYZ)") if "type=xyz" in uri.lower() else tr("a web map service (WMS, WMTS)")
    known = {
        "wcs": tr("a web coverage service (WCS)"),
        "arcgismapserver": tr("an ArcGIS map service"),
        "postgresraster": tr("a raster in a PostgreSQL database"),
        "virtualraster": tr("a virtual raster that QGIS computes"),
    }
    return known.get(provider, tr("a layer of the provider '{provider}'").format(provider=provider))


def strip(uri: str) -> str:
    """A GDAL source without the options that QGIS appends to it."""
    for mark in ("|option:", "|credential:", " authcfg="):
        uri = uri.split(mark)[0]
    return uri


def shown_bands(layer: QgsRasterLayer | None) -> str:
    """The bands that a layer shows as red, green and blue, or as grey."""
    if layer is None:
        raise Refused(tr("Bands as the layer shows them need a layer of the project: name the bands instead."))
    renderer = layer.renderer()
    kind = renderer.type() if renderer is not None else ""
    if kind == "multibandcolor":
        bands = [renderer.redBand(), renderer.greenBand(), renderer.blueBand()]
        if min(bands) > 0 and len(set(bands)) == 3:
            return ",".join(map(str, bands))
    if kind == "singlebandgray" and layer.bandCount() == 1:
        return "1"
    text = tr("The layer '{name}' does not show three different bands as red, green and blue: name the bands instead.")
    raise Refused(text.format(name=layer.name()))


def write_polygons(features, path: str, transform_context) -> str:
    """Writes the polygons of a feature source to a GeoPackage, as the project shows them.

    Unsaved edits, filters and selections count, and the layer may be of any kind.
    """
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = "cut"
    kind = QgsWkbTypes.multiType(QgsWkbTypes.flatType(features.wkbType()))
    writer = QgsVectorFileWriter.create(path, QgsFields(), kind, features.sourceCrs(), transform_context, options)
    if writer.hasError() != QgsVectorFileWriter.NoError:
        raise Refused(writer.errorMessage())
    count = 0
    for feature in features.getFeatures():
        if feature.hasGeometry():
            new = QgsFeature(QgsFields())
            new.setGeometry(feature.geometry())
            count += writer.addFeature(new)
    del writer
    if count == 0:
        raise Refused(tr("The cutting layer '{name}' has no polygon.").format(name=features.sourceName()))
    return path


def number(value: float) -> str:
    """A number with all of its digits."""
    return repr(float(value))


def box(extent) -> str:
    """An extent as artir reads it."""
    return ",".join(map(number, (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())))


def crs_text(crs) -> str:
    """A reference system as artir reads it: its code where it has one, else its definition."""
    code = crs.authid()
    # The codes of systems that the user defined are known to this QGIS alone.
    return crs.toWkt() if not code or code.startswith("USER:") else code
