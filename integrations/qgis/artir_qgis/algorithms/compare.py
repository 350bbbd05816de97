"""Compare two rasters, field by field and pixel by pixel."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
)

from ..flags import READING, Flag, arguments, parameter
from ..run import Failed, sentence
from ..text import mark, tr
from .base import ArtirAlgorithm
from .describe import table


class CompareRasters(ArtirAlgorithm):
    """`artir geo --compare`."""

    NAME = "compare"
    LABEL = mark("Compare rasters")
    TAGS = mark("difference,equal,identical,check,metadata,pixels")
    FLAGS = (
        Flag("EXCEPT_BANDS", "--except-bands", mark("Bands whose pixels may differ"), "text", advanced=False),
        *(flag for flag in READING if flag.parameter.startswith("ALLOW")),
    )

    def summary(self):
        return tr(
            "Lists every difference of two rasters: georeferencing, metadata, nodata, bands and pixels ({flag}). To "
            "see that a result differs from its source in the restored bands alone, name these as those that may "
            "differ."
        ).format(flag="artir geo --compare")

    def initAlgorithm(self, config=None):  # noqa: N802
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", tr("First raster")))
        self.addParameter(QgsProcessingParameterRasterLayer("OTHER", tr("Second raster")))
        for flag in self.FLAGS:
            self.addParameter(parameter(flag, "geo"))
        self.addParameter(
            QgsProcessingParameterFileDestination(
                "OUTPUT", tr("Differences"), tr("HTML files (*.html)"), optional=True, createByDefault=True
            )
        )
        self.addOutput(QgsProcessingOutputBoolean("EQUAL", tr("Whether they are equal")))
        self.addOutput(QgsProcessingOutputNumber("DIFFERENCES", tr("Number of differences")))

    def work(self, parameters, context, feedback):
        first, second = (self.scene(parameters, name, context) for name in ("INPUT", "OTHER"))
        flags = arguments(self, self.FLAGS, parameters, context)
        ended = self.run_program(["geo", *flags, "--compare", first.name, second.name], feedback, may_fail=True)
        # Exit code 1 without an error means that they differ.
        if ended.code not in (0, 1) or ended.errors:
            raise Failed(sentence(ended), ended.code)
        found = [line for line in ended.out.splitlines() if line]
        for line in found or [tr("No difference.")]:
            feedback.pushInfo(line)
        page = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        if page:
            rows = [tuple((line + ": ").split(": ", 1)) for line in found] or [(tr("No difference."), "")]
            with open(page, "w", encoding="utf-8") as file:
                file.write(table(f"{first.title} | {second.title}", rows))
        return {"OUTPUT": page, "EQUAL": not found, "DIFFERENCES": len(found)}
