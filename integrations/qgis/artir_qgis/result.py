"""Shows results: the source's style, a name that says what was done, and a style for what changed."""

from __future__ import annotations

from qgis.core import (
    QgsColorRampShader,
    QgsMapLayer,
    QgsProject,
    QgsRasterBandStats,
    QgsRasterLayer,
    QgsRasterShader,
    QgsReadWriteContext,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtXml import QDomDocument

from .text import tr

# A result's property: the id of the layer that it was made from, for the swipe.
BEFORE = "artir/before"
# Pixels from which the largest change is estimated.
SAMPLE = 250_000
STYLE = QgsMapLayer.Symbology | QgsMapLayer.Rendering


def style_of(layer: QgsRasterLayer | None) -> str:
    """The style of a layer of the project, as text. A layer that no one has looked at has none."""
    if layer is None or QgsProject.instance().mapLayer(layer.id()) is None:
        return ""
    document = QDomDocument()
    # Returns a message in some versions and takes one in others; the document says whether it worked.
    layer.exportNamedStyle(document, QgsReadWriteContext(), STYLE)
    return document.toString()


def load(path: str, name: str, before: str, style: str) -> QgsRasterLayer:
    """Opens a result, in the thread of the algorithm: statistics of a large raster would block the interface."""
    options = QgsRasterLayer.LayerOptions()
    options.loadDefaultStyle = False
    layer = QgsRasterLayer(path, name, "gdal", options)
    document = QDomDocument()
    if style and document.setContent(style):
        layer.importNamedStyle(document, STYLE)
    elif layer.isValid():
        layer.setDefaultContrastEnhancement()
    layer.setCustomProperty(BEFORE, before)
    return layer


def load_change(path: str, name: str, before: str) -> QgsRasterLayer:
    """Opens a change layer: blue where pixels became darker, red where brighter, clear where they stayed."""
    options = QgsRasterLayer.LayerOptions()
    options.loadDefaultStyle = False
    layer = QgsRasterLayer(path, name, "gdal", options)
    if not layer.isValid():
        return layer
    # The middle band: green of red, green and blue.
    band = (layer.bandCount() + 1) // 2
    provider = layer.dataProvider()
    kinds = QgsRasterBandStats.Min | QgsRasterBandStats.Max
    found = provider.bandStatistics(band, kinds, layer.extent(), SAMPLE)
    most = max(abs(found.minimumValue), abs(found.maximumValue)) or 1.0
    ramp = QgsColorRampShader(-most, most)
    ramp.setColorRampType(QgsColorRampShader.Interpolated)
    stops = [
        (-most, QColor(5, 48, 97), tr("darker")),
        (-most / 2, QColor(67, 147, 195), ""),
        (0.0, QColor(247, 247, 247, 0), tr("unchanged")),
        (most / 2, QColor(214, 96, 77), ""),
        (most, QColor(103, 0, 31), tr("brighter")),
    ]
    items = [
        QgsColorRampShader.ColorRampItem(value, colour, f"{value:.4g} {words}".strip())
        for value, colour, words in stops
    ]
    ramp.setColorRampItemList(items)
    shader = QgsRasterShader(-most, most)
    shader.setRasterShaderFunction(ramp)
    layer.setRenderer(QgsSingleBandPseudoColorRenderer(provider, band, shader))
    layer.setCustomProperty(BEFORE, before)
    return layer


def hand_over(layer: QgsRasterLayer, path: str, usual: str, context) -> None:
    """Gives an opened result to Processing, which then does not open it again in the main thread.

    `usual` is the name that Processing gives it by default. A name of a model's author stays.
    """
    if not (layer.isValid() and context.willLoadLayerOnCompletion(path)):
        return
    details = context.layerToLoadOnCompletionDetails(path)
    if details.name in ("", usual):
        details.name = layer.name()
        details.forceName = True
    context.temporaryLayerStore().addMapLayer(layer)


def title(source: str, model: str, strength) -> str:
    """The name of a result."""
    if strength is None or strength == 1:
        return tr("{source} dehazed ({model})").format(source=source, model=model)
    text = tr("{source} dehazed ({model}, strength {strength})")
    return text.format(source=source, model=model, strength=f"{strength:g}")
