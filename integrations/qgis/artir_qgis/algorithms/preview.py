"""Preview: dehaze only what an extent shows, at the resolution of the screen."""

from __future__ import annotations

import json
import os

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsRasterLayer,
)

from .. import crop, program, result, scene
from ..flags import INFERENCE, READING, STRENGTH, arguments, parameter
from ..run import Failed
from ..text import mark, tr
from .base import ArtirAlgorithm
from .describe import plain_range

# Descriptions of scenes, by program, name, flags and time of change.
described: dict[tuple, dict] = {}
# The longest edge of a preview: more than most map windows have.
LONGEST = 1600


class PreviewExtent(ArtirAlgorithm):
    """`artir geo` on a copy of the visible part, with the bands and the range of the whole scene."""

    NAME = "preview"
    LABEL = mark("Preview an extent")
    READING = tuple(flag for flag in READING if flag.kind == "text" or flag.parameter.startswith("ALLOW"))
    FLAGS = (*READING, STRENGTH, *INFERENCE)

    def summary(self):
        return tr(
            "Dehazes only what the extent shows, and a margin, with the bands and the range of the whole scene. Of a "
            "large scene without overviews, the range is estimated from some of its blocks, and the preview says so. "
            "Where the extent holds more pixels than the longest edge allows, it is reduced first: judge the haze, not "
            "fine detail."
        )

    def initAlgorithm(self, config=None):  # noqa: N802
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", tr("Raster")))
        self.addParameter(QgsProcessingParameterExtent("EXTENT", tr("Extent")))
        for flag in self.FLAGS:
            self.addParameter(parameter(flag, "geo"))
        made = QgsProcessingParameterNumber("LONGEST", tr("Longest edge in pixels"), defaultValue=LONGEST, minValue=64)
        made.setFlags(made.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(made)
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", tr("Preview")))
        self.addOutput(QgsProcessingOutputNumber("FACTOR", tr("Pixels of the raster for one of the preview")))

    def prepareAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Copies the layer's provider here, in the layer's thread, for use in the algorithm's."""
        self.source = self.scene(parameters, "INPUT", context)
        layer = self.source.layer
        self.provider = layer.dataProvider().clone() if layer is not None else None
        self.style = result.style_of(layer)
        self.before = layer.id() if self.style else ""
        try:
            self.shown = scene.shown_bands(layer)
        except scene.Refused:
            self.shown = ""
        return True

    def whole(self):
        """The provider of the raster that the extent is cut from."""
        if self.provider is not None:
            return self.provider
        options = QgsRasterLayer.LayerOptions()
        options.loadDefaultStyle = False
        self.opened = QgsRasterLayer(self.source.name, self.source.title, "gdal", options)
        if not self.opened.isValid():
            raise scene.Refused(tr("QGIS cannot open {name}.").format(name=self.source.name))
        return self.opened.dataProvider()

    def whole_scene(self, flags: list[str], feedback) -> dict:
        """What the whole scene states, and what would be restored. If the file names no colours, the layer's count."""
        found = self.described(flags, feedback)
        unnamed = "--bands" in (found.get("refused") or "")
        if unnamed and self.shown and not any(flag.startswith("--bands=") for flag in flags):
            feedback.pushInfo(tr("The file does not name its colours: the bands that the layer shows are taken."))
            found = self.described([*flags, f"--bands={self.shown}"], feedback)
        if not found.get("restores"):
            raise Failed(found.get("refused") or "", 3)
        return found

    def described(self, flags: list[str], feedback) -> dict:
        """The scene's description. It takes longer for larger scenes, so that it is kept for the next preview."""
        try:
            state = os.stat(self.source.name)
        except OSError:
            # A part of a file, or of an archive.
            state = None
        key = (program.find(self.SCENES), self.source.name, *flags, state and (state.st_mtime_ns, state.st_size))
        if state is None or key not in described:
            described[key] = self.inspect(self.source, [*flags, "--estimate"], feedback)[1]
        return described[key]

    def work(self, parameters, context, feedback):
        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        provider = self.whole()
        wanted = self.parameterAsExtent(parameters, "EXTENT", context, provider.crs())
        cut = crop.part(provider, wanted, self.parameterAsInt(parameters, "LONGEST", context))
        found = self.whole_scene(arguments(self, self.READING, parameters, context), feedback)
        bands = found["restores"]["bands"]
        nodata = found["bands"][bands[0] - 1].get("nodata")
        file = str(self.workplace / "part.tif")
        crop.write(provider, cut, file, nodata)
        reading = [f"--bands={','.join(map(str, bands))}", f"--range={plain_range(found['restores']['range'])}"]
        reading += arguments(self, [flag for flag in self.READING if flag.parameter == "NODATA"], parameters, context)
        flags = arguments(self, (STRENGTH, *INFERENCE), parameters, context)
        if not any(flag.startswith("--precision=") for flag in flags):
            # A difference that nobody sees, in two thirds of the time.
            flags.append("--precision=fast")
        report = self.workplace / "report.json"
        command = ["geo", *reading, *flags, f"--output={output}", "--overwrite", f"--report={report}", "--", file]
        self.run_program(command, feedback)
        told = json.loads(report.read_text(encoding="utf-8"))
        name = tr("{source}, preview")
        if found["restores"].get("range_is_estimate"):
            feedback.pushInfo(
                tr("Black and white are estimated from some blocks of the scene: colours may differ a little.")
            )
            name = tr("{source}, preview with an estimated range")
        name = name.format(
            source=result.title(self.source.title, told["model"], told["scenes"][0]["done"].get("strength"))
        )
        if context.willLoadLayerOnCompletion(output):
            layer = result.load(output, name, self.before, self.style)
            self.hand_over(layer, "OUTPUT", output, context)
        return {"OUTPUT": output, "FACTOR": cut.factor}
