"""Dehaze a raster."""

from __future__ import annotations

import json
import os
import shutil

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingUtils,
)

from .. import result, scene
from ..flags import INFERENCE, RANGES, READING, STRENGTH, WRITING, Flag, arguments, describe, parameter
from ..text import mark, tr
from .base import ArtirAlgorithm
from .describe import plain_range


class DehazeRaster(ArtirAlgorithm):
    """`artir geo`."""

    NAME = "dehaze"
    LABEL = mark("Dehaze raster")
    TAGS = mark("haze,thin cloud,mist,smoke,atmosphere,satellite,aerial,restoration,neural network")
    FLAGS = (*READING, STRENGTH, *WRITING, *INFERENCE)
    OTHERS = (
        Flag("RANGE", "--range", mark("Value range (black and white)"), "text"),
        Flag("EXTENT", "--bbox", mark("Change only this extent"), "text"),
        Flag("POLYGONS", "--cutline", mark("Change only these polygons"), "text"),
        Flag("CHANGE", "--change", mark("Change layer"), "text"),
        Flag("REPORT", "--report", mark("Report of the run"), "text"),
    )

    def __init__(self):
        super().__init__()
        self.bands = self.output = ""

    def initAlgorithm(self, config=None):  # noqa: N802
        folded = {flag.parameter: flag for flag in self.FLAGS}
        self.add_source(folded)
        made = QgsProcessingParameterEnum(
            "RANGE", tr("Value range (black and white)"), list(RANGES), defaultValue=RANGES[0], usesStaticStrings=True
        )
        self.addParameter(describe(made, "geo", "--range", False))
        made = QgsProcessingParameterString("RANGE_VALUES", tr("Value range in numbers (LO,HI)"), optional=True)
        made.setHelp(
            tr(
                "Stored values that become black and white, in place of the choice above: two numbers, or six, a pair "
                "each for red, green and blue (--range)."
            )
        )
        self.addParameter(made)
        for name in ("STRENGTH", "ALL_BANDS"):
            self.addParameter(parameter(folded.pop(name), "geo"))
        made = QgsProcessingParameterExtent("EXTENT", tr("Change only this extent"), optional=True)
        self.addParameter(describe(made, "geo", "--bbox", False))
        kinds = [QgsProcessing.TypeVectorPolygon]
        made = QgsProcessingParameterFeatureSource("POLYGONS", tr("Change only these polygons"), kinds, optional=True)
        self.addParameter(describe(made, "geo", "--cutline", False))
        for flag in folded.values():
            self.addParameter(parameter(flag, "geo"))
        made = QgsProcessingParameterBoolean("PREVIEW", tr("HTML page of before and after, next to the result"), False)
        self.addParameter(describe(made, "geo", "--preview", False))
        made = QgsProcessingParameterBoolean("STAC", tr("STAC item, next to the result"), False)
        self.addParameter(describe(made, "geo", "--stac", True))
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", tr("Dehazed raster")))
        made = QgsProcessingParameterRasterDestination(
            "CHANGE", tr("Change layer"), optional=True, createByDefault=False
        )
        self.addParameter(describe(made, "geo", "--change", False))
        made = QgsProcessingParameterFileDestination(
            "REPORT", tr("Report of the run"), tr("JSON files (*.json)"), optional=True, createByDefault=False
        )
        self.addParameter(describe(made, "geo", "--report", True))
        self.addOutput(QgsProcessingOutputHtml("PREVIEW_PAGE", tr("HTML page of before and after")))
        self.addOutput(QgsProcessingOutputFile("STAC_ITEM", tr("STAC item")))
        self.addOutput(QgsProcessingOutputString("BANDS_RESTORED", tr("Restored bands")))
        self.addOutput(QgsProcessingOutputString("RANGE_USED", tr("Stored values for black and white")))
        self.addOutput(QgsProcessingOutputNumber("STRENGTH_USED", tr("Strength")))

    def add_source(self, flags: dict[str, Flag]) -> None:
        """Adds the parameters that name the scene and its bands, and takes their flags out."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", tr("Raster")))
        self.addParameter(parameter(flags.pop("BANDS"), "geo"))
        shown = QgsProcessingParameterBoolean("SHOWN", tr("Bands as the layer shows them"), defaultValue=False)
        shown.setHelp(tr("The bands that the layer shows as red, green and blue (--bands)."))
        self.addParameter(shown)

    def read_source(self, parameters, context) -> scene.Source:
        """The scene that the parameters name. Sets the bands if the layer is to say them."""
        source, self.bands = self.scene(parameters, "INPUT", context), ""
        if self.parameterAsBool(parameters, "SHOWN", context):
            self.bands = scene.shown_bands(source.layer)
        return source

    def checkParameterValues(self, parameters, context):  # noqa: N802
        if parameters.get("EXTENT") and parameters.get("POLYGONS"):
            return False, tr("Give an extent or polygons, not both.")
        if parameters.get("BANDS") and self.parameterAsBool(parameters, "SHOWN", context):
            return False, tr("Name the bands, or take those that the layer shows, not both.")
        try:
            self.read_source(parameters, context)
        except scene.Refused as e:
            return False, str(e)
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Reads what belongs to layers here, in their own thread."""
        try:
            self.source = self.read_source(parameters, context)
        except scene.Refused as e:
            feedback.reportError(str(e), True)
            return False
        self.style = result.style_of(self.source.layer)
        self.before = self.source.layer.id() if self.style else ""
        return True

    def where(self, parameters, context) -> list[str]:
        """The part of the scene that may change."""
        if parameters.get("EXTENT"):
            extent = self.parameterAsExtent(parameters, "EXTENT", context)
            crs = self.parameterAsExtentCrs(parameters, "EXTENT", context)
            if extent.isEmpty():
                raise scene.Refused(tr("The extent is empty."))
            return [f"--bbox={scene.box(extent)}", *([f"--bbox-crs={scene.crs_text(crs)}"] if crs.isValid() else [])]
        features = self.parameterAsSource(parameters, "POLYGONS", context) if parameters.get("POLYGONS") else None
        if features is None:
            return []
        file = scene.write_polygons(features, str(self.workplace / "cut.gpkg"), context.transformContext())
        return [f"--cutline={file}"]

    def reading(self, parameters, context) -> list[str]:
        """The bands and the range, from the parameters that say them in two ways."""
        values = self.parameterAsString(parameters, "RANGE_VALUES", context).strip()
        out = [f"--range={values or self.parameterAsEnumString(parameters, 'RANGE', context)}"]
        return out + ([f"--bands={self.bands}"] if self.bands else [])

    def work(self, parameters, context, feedback):
        self.output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        change = self.parameterAsOutputLayer(parameters, "CHANGE", context) if parameters.get("CHANGE") else ""
        report = self.parameterAsFileOutput(parameters, "REPORT", context)
        # The report says which model, bands and range were used, for the result's name and the outputs.
        told = report or str(self.workplace / "report.json")
        flags = arguments(self, self.FLAGS, parameters, context)
        extras = {"--preview": "PREVIEW", "--stac": "STAC"}
        flags += [flag for flag, name in extras.items() if self.parameterAsBool(parameters, name, context)]
        flags += [f"--change={change}"] if change else []
        flags += [*self.reading(parameters, context), *self.where(parameters, context)]
        # Processing asks before it replaces a file.
        flags += [f"--output={self.output}", "--overwrite", f"--report={told}"]
        self.run_program(["geo", *flags, "--", self.source.name], feedback)
        with open(told, encoding="utf-8") as file:
            found = json.load(file)
        done = found["scenes"][0]["done"]
        name = result.title(self.source.title, found["model"], done.get("strength"))
        self.show(name, change, context)
        stem = os.path.splitext(self.output)[0]
        return {
            "OUTPUT": self.output,
            "CHANGE": change or None,
            "REPORT": report or None,
            "PREVIEW_PAGE": f"{stem}.html" if "--preview" in flags else None,
            "STAC_ITEM": f"{stem}.stac.json" if "--stac" in flags else None,
            "BANDS_RESTORED": ",".join(map(str, done["bands"])),
            "RANGE_USED": plain_range(done["range"]),
            "STRENGTH_USED": done.get("strength"),
        }

    def show(self, name: str, change: str, context) -> None:
        """Opens the results that Processing is to add to the project."""
        if context.willLoadLayerOnCompletion(self.output):
            layer = result.load(self.output, name, self.before, self.style)
            self.hand_over(layer, "OUTPUT", self.output, context)
        if change and context.willLoadLayerOnCompletion(change):
            layer = result.load_change(change, tr("{name}, change").format(name=name), self.before)
            self.hand_over(layer, "CHANGE", change, context)

    def cancelled(self, feedback) -> None:
        folder = os.path.join(os.path.dirname(self.output), f".artir-{os.path.basename(self.output)}")
        if not self.output or not os.path.isdir(folder):
            return
        if os.path.realpath(folder).startswith(os.path.realpath(QgsProcessingUtils.tempFolder())):
            # Nobody runs the same temporary output again.
            shutil.rmtree(folder, ignore_errors=True)
            return
        text = tr("Finished rows are kept in {folder}. To go on, run again with 'Continue an interrupted run'.")
        feedback.pushInfo(text.format(folder=folder))

    def explained(self, sentence: str) -> str:
        text = super().explained(sentence)
        if "--bands" in sentence and not self.bands:
            text += " " + tr("'Bands as the layer shows them' names them as well.")
        return text
