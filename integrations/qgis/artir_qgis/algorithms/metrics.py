"""PSNR, SSIM and RMSE of two rasters."""

from __future__ import annotations

import json
import os

from qgis.core import (
    Qgis,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterEnum,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsRasterLayer,
)

from .. import arrays
from ..flags import Flag, arguments, describe, parameter
from ..scene import Refused, Source
from ..text import mark, tr
from .base import ArtirAlgorithm

# Protocols for display values. Those with noise of their own, and those for CT and PET, are none for rasters.
PROTOCOLS = ("rgb", "rs-dehaze", "rs-dehaze-dehazeformer", "y-derain", "y-uhd")
PEAKS = {Qgis.DataType.Byte: 255.0, Qgis.DataType.UInt16: 65535.0}
FIGURES = {"PSNR": "psnr_db", "SSIM": "ssim", "RMSE": "rmse"}


class MeasureRasters(ArtirAlgorithm):
    """`artir metrics`. Rasters are handed over as arrays, since the command reads photographs."""

    NAME = "metrics"
    LABEL = mark("PSNR, SSIM and RMSE of two rasters")
    TAGS = mark("quality,accuracy,error,difference,image quality")
    COMMAND = "metrics"
    SCENES = False
    FLAGS = (Flag("MEMORY", "--memory", mark("Memory for one image"), "text"),)

    def initAlgorithm(self, config=None):  # noqa: N802
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", tr("Result")))
        self.addParameter(QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference")))
        made = QgsProcessingParameterString("BANDS", tr("Bands (one or three, such as 4,3,2)"), optional=True)
        made.setHelp(tr("The bands that are measured, counted from 1. By default the first three, or the only one."))
        self.addParameter(made)
        made = QgsProcessingParameterString("RANGE", tr("Black and white (LO,HI)"), optional=True)
        made.setHelp(
            tr(
                "Stored values that become 0 and 1: PSNR and RMSE depend on them. By default 0 and the largest value "
                "of 8 or 16 bits without a sign; other types need this parameter."
            )
        )
        self.addParameter(made)
        made = QgsProcessingParameterEnum(
            "PROTOCOL", tr("Protocol"), list(PROTOCOLS), defaultValue=PROTOCOLS[0], usesStaticStrings=True
        )
        made.setHelp(
            tr(
                "How the figures are computed (--protocol). rgb: over all bands, values between black and white; SSIM "
                "with a uniform window of 7 x 7 pixels. rs-dehaze: as papers on remote sensing do; SSIM with a "
                "Gaussian window of 11 x 11. rs-dehaze-dehazeformer: the same, with SSIM on reduced images. y-derain "
                "and y-uhd: on brightness in 8 bits. Figures of different protocols cannot be compared."
            )
        )
        self.addParameter(made)
        made = QgsProcessingParameterString("NODATA", tr("Nodata value of the reference"), optional=True)
        self.addParameter(describe(made, "metrics", "--nodata", True))
        for flag in self.FLAGS:
            self.addParameter(parameter(flag, "metrics"))
        for name in FIGURES:
            self.addOutput(QgsProcessingOutputNumber(name, name))
        self.addOutput(QgsProcessingOutputString("FIGURES", tr("All figures as JSON")))

    def prepareAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Copies the layers' providers here, in their own thread, for use in the algorithm's."""
        self.sources = [self.scene(parameters, name, context) for name in ("INPUT", "REFERENCE")]
        self.copies = [source.layer.dataProvider().clone() if source.layer else None for source in self.sources]
        return True

    def work(self, parameters, context, feedback):
        self.opened = [
            QgsRasterLayer(source.name, source.title, "gdal") if copy is None else None
            for source, copy in zip(self.sources, self.copies)
        ]
        providers = [provider(*found) for found in zip(self.sources, self.copies, self.opened)]
        bands = numbers(self.parameterAsString(parameters, "BANDS", context), int) or list(default_bands(providers[1]))
        if len(bands) not in (1, 3):
            raise Refused(tr("One band or three are measured: {bands}").format(bands=",".join(map(str, bands))))
        lo, hi = interval(self.parameterAsString(parameters, "RANGE", context), providers, self.sources)
        files = []
        nodata = numbers(self.parameterAsString(parameters, "NODATA", context), float)
        declared = providers[1].sourceNoDataValue(bands[0]) if providers[1].sourceHasNoDataValue(bands[0]) else None
        stored = nodata[0] if nodata else declared
        for source, one in zip(self.sources, providers):
            files.append(str(self.workplace / f"{len(files)}.npy"))
            arrays.write(one, bands, lo, hi, files[-1], source.title, feedback)
        flags = [f"--protocol={self.parameterAsEnumString(parameters, 'PROTOCOL', context)}"]
        flags += arguments(self, self.FLAGS, parameters, context)
        if stored is not None:
            flags.append(f"--nodata={arrays.scaled(stored, lo, hi)!r}")
        found = json.loads(self.run_program(["metrics", *files, "--json", *flags], feedback).out.splitlines()[0])
        # JSON has no infinity: equal rasters have a PSNR of "inf".
        out = {name: float(found[key]) for name, key in FIGURES.items() if found.get(key) is not None}
        for name, value in out.items():
            feedback.pushInfo(f"{name}: {value:.6g}{' dB' if name == 'PSNR' else ''}")
        feedback.pushInfo(
            tr("Protocol {name}; {count} pixels left out.").format(name=found["protocol"], count=found["left_out"])
        )
        return {**out, "FIGURES": json.dumps(found)}


def provider(source: Source, copy, opened):
    """The provider of a raster."""
    found = copy if copy is not None else opened.dataProvider()
    # A copy of a valid provider does not call itself valid.
    if found is None or found.xSize() == 0:
        raise Refused(tr("QGIS cannot open {name}.").format(name=source.name))
    return found


def default_bands(one) -> range:
    """The first three bands, or the only one."""
    return range(1, 4) if one.bandCount() >= 3 else range(1, 2)


def numbers(text: str, kind) -> list:
    """The numbers of a list, or an error that quotes it."""
    try:
        return [kind(part) for part in text.split(",")] if text.strip() else []
    except ValueError as e:
        raise Refused(tr("'{text}' is not a list of numbers.").format(text=text)) from e


def interval(text: str, providers, sources) -> tuple[float, float]:
    """The stored values of black and white."""
    found = numbers(text, float)
    if found:
        if len(found) != 2 or not found[0] < found[1]:
            raise Refused(tr("Black and white must be two numbers, the smaller first: {text}").format(text=text))
        return found[0], found[1]
    kinds = {one.sourceDataType(1) for one in providers}
    if len(kinds) == 1 and (peak := PEAKS.get(kinds.pop())):
        return 0.0, peak
    names = ", ".join(os.path.basename(source.name) for source in sources)
    raise Refused(
        tr("Say which stored values are black and white: {names} are not both 8 or both 16 bits.").format(names=names)
    )
