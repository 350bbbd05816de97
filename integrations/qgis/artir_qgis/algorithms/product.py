"""Dehaze a product of a satellite, by its metadata file or its folder."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import QgsProcessingParameterFile

from .. import scene
from ..flags import Flag, parameter
from ..text import mark, tr
from .dehaze import DehazeRaster


class DehazeProduct(DehazeRaster):
    """`artir geo` on a product, whose bands the command stacks itself."""

    NAME = "product"
    LABEL = mark("Dehaze product")
    TAGS = mark("haze,thin cloud,satellite,Sentinel-2,Landsat,Pleiades,SPOT,SAFE,restoration")

    def summary(self):
        words = tr("Sentinel-2, Landsat, Pleiades and SPOT: artir stacks the bands of a product as its metadata say.")
        return f"{super().summary()} {words}"

    def add_source(self, flags: dict[str, Flag]) -> None:
        made = QgsProcessingParameterFile("INPUT", tr("Metadata file, such as MTD_MSIL2A.xml, or the folder's path"))
        # By default, QGIS takes names with a dot alone.
        made.setFileFilter(tr("All files (*)"))
        self.addParameter(made)
        for name in ("MASK_CLOUDS", "BANDS"):
            self.addParameter(parameter(replace(flags.pop(name), advanced=False), "geo"))

    def read_source(self, parameters, context) -> scene.Source:
        return scene.file_source(self.parameterAsString(parameters, "INPUT", context))
