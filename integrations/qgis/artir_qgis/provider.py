"""The provider in the toolbox."""

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms import ALL
from .algorithms.base import ICON


class ArtirProvider(QgsProcessingProvider):
    """artir's algorithms."""

    def id(self):
        return "artir"

    def name(self):
        return "artir"

    def longName(self):  # noqa: N802
        return "artir"

    def icon(self):
        return QIcon(ICON)

    def loadAlgorithms(self):  # noqa: N802
        for algorithm in ALL:
            self.addAlgorithm(algorithm())

    def supportedOutputRasterLayerExtensions(self):  # noqa: N802
        return ["tif", "jp2", "png", "img", "vrt"]

    def defaultRasterFileExtension(self, format=None):  # noqa: N802
        return "tif"
