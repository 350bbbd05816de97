"""Preview: dehaze only what an extent shows, as finely as a few seconds allow."""

from __future__ import annotations

import json
import math
import os
import time

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsRasterLayer,
    QgsSettings,
)
from qgis.PyQt.QtCore import QThread

from .. import crop, program, result, scene
from ..flags import INFERENCE, READING, STRENGTH, arguments, is_set, parameter
from ..run import Failed
from ..text import mark, tr
from .base import ArtirAlgorithm
from .describe import plain_range

# Descriptions of scenes, by program, name, flags and time of change.
described: dict[tuple, dict] = {}
# The longest edge of a preview: more than most map windows have.
LONGEST = 1600
# Megapixels for each processor core, until a preview has shown how fast this machine is.
PER_CORE = 0.5
# Seconds that the network may take. The whole preview is to take less than 5.
SECONDS = 3.5
# The setting that remembers the megapixels in a second, and the least preview that tells them.
SPEED = "artir/preview_megapixels_per_second"
TELLING = 0.1


class PreviewExtent(ArtirAlgorithm):
    """`artir geo` on a copy of the visible part, with the bands and the range of the whole scene."""

    NAME = "preview"
    LABEL = mark("Preview an extent")
    TAGS = mark("dehaze,haze,thin cloud,mist,smoke,quick look,extent")
    READING = tuple(flag for flag in READING if flag.kind == "text" or flag.parameter.startswith("ALLOW"))
    FLAGS = (*READING, STRENGTH, *INFERENCE)

    def summary(self):
        return tr(
            "Dehazes only what the extent shows, and a margin, with the bands and the range of the whole scene, "
            "within a few seconds. Where the extent holds more pixels than the preview may have, it is reduced first; "
            "the layer's name and the log say by how much. A reduced preview shows less of what the full run removes: "
            "zoom in, or allow more megapixels, to see it. Of a large scene without overviews, the range is estimated "
            "from some of its blocks, and the preview says so."
        )

    def initAlgorithm(self, config=None):  # noqa: N802
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", tr("Raster")))
        self.addParameter(QgsProcessingParameterExtent("EXTENT", tr("Extent")))
        for flag in self.FLAGS:
            self.addParameter(parameter(flag, "geo"))
        most = QgsProcessingParameterNumber(
            "MEGAPIXELS",
            tr("Most megapixels of the preview"),
            QgsProcessingParameterNumber.Double,
            optional=True,
            minValue=0,
        )
        most.setHelp(
            tr(
                "A larger preview takes longer and is closer to the full run. Not set: as many as this machine does "
                "in a few seconds, as earlier previews have shown; 0: no limit but the longest edge."
            )
        )
        longest = QgsProcessingParameterNumber(
            "LONGEST",
            tr("Longest edge of the preview in pixels"),
            QgsProcessingParameterNumber.Integer,
            defaultValue=LONGEST,
            minValue=64,
        )
        longest.setHelp(tr("The resolution of the screen: more pixels than that cannot be seen."))
        for made in (most, longest):
            made.setFlags(made.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
            self.addParameter(made)
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", tr("Preview")))
        self.addOutput(QgsProcessingOutputNumber("FACTOR", tr("Pixels of the raster for one of the preview")))
        self.addOutput(QgsProcessingOutputNumber("FINEST", tr("The same without a limit of megapixels")))

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
        most = 1e6 * self.megapixels(parameters, context)
        cut = crop.part(provider, wanted, self.parameterAsInt(parameters, "LONGEST", context), most)
        found = self.whole_scene(arguments(self, self.READING, parameters, context), feedback)
        bands = found["restores"]["bands"]
        nodata = found["bands"][bands[0] - 1].get("nodata")
        file = str(self.workplace / "part.tif")
        crop.write(provider, cut, file, nodata)
        reading = [f"--bands={','.join(map(str, bands))}", f"--range={plain_range(found['restores']['range'])}"]
        reading += arguments(self, [flag for flag in self.READING if flag.parameter == "NODATA"], parameters, context)
        inference = arguments(self, INFERENCE, parameters, context)
        flags = [*inference, *arguments(self, (STRENGTH,), parameters, context)]
        report = self.workplace / "report.json"
        # Nobody resumes a preview: rows of a cancelled one go with the folder.
        flags += [f"--work={self.workplace}", f"--output={output}", "--overwrite", f"--report={report}"]
        command = ["geo", *reading, *flags, "--", file]
        begun = time.monotonic()
        self.run_program(command, feedback)
        megapixels = cut.columns * cut.rows / 1e6
        if not inference and megapixels >= TELLING:
            QgsSettings().setValue(SPEED, megapixels / (time.monotonic() - begun))
        told = json.loads(report.read_text(encoding="utf-8"))
        is_estimate = found["restores"].get("range_is_estimate", False)
        for line in caveats(cut.factor, is_estimate):
            feedback.pushInfo(line)
        done = result.title(self.source.title, told["model"], told["scenes"][0]["done"].get("strength"))
        name = title(done, cut.factor, is_estimate)
        if context.willLoadLayerOnCompletion(output):
            layer = result.load(output, name, self.before, self.style)
            self.hand_over(layer, "OUTPUT", output, context)
        return {"OUTPUT": output, "FACTOR": cut.factor, "FINEST": cut.finest}

    def megapixels(self, parameters, context) -> float:
        """How many megapixels the network may see."""
        if is_set(parameters.get("MEGAPIXELS")):
            return self.parameterAsDouble(parameters, "MEGAPIXELS", context) or math.inf
        speed = QgsSettings().value(SPEED, 0.0, type=float)
        if speed > 0 and not arguments(self, INFERENCE, parameters, context):
            return SECONDS * speed
        threads = self.parameterAsInt(parameters, "THREADS", context) if is_set(parameters.get("THREADS")) else 0
        return PER_CORE * (threads or QThread.idealThreadCount())


def is_reduced(factor: float) -> bool:
    """Whether a preview shows less than its scene holds. Less than a tenth is not worth a word."""
    return factor > 1.1


def caveats(factor: float, is_estimate: bool) -> list[str]:
    """In which ways a preview differs from the full run."""
    out = []
    if is_reduced(factor):
        text = tr(
            "One pixel of the preview is the mean of {factor} x {factor} pixels of the raster. The network finds less "
            "haze in a reduced scene, and fine detail is not shown: zoom in for a preview that is closer to the full "
            "run."
        )
        out.append(text.format(factor=f"{factor:.1f}"))
    if is_estimate:
        out.append(tr("Black and white are estimated from some blocks of the scene: colours may differ a little."))
    return out


def title(done: str, factor: float, is_estimate: bool) -> str:
    """The name of a preview. It begins with the ways in which it differs from the full run: long names are cut."""
    kind = tr("Preview")
    if is_reduced(factor):
        kind = tr("Coarse preview 1:{factor}").format(factor=f"{factor:.1f}")
    if is_estimate:
        kind = tr("{preview}, estimated range").format(preview=kind)
    return f"{kind}: {done}"
