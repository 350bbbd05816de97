"""What the algorithms share: finding the program, running it, and saying what failed."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from qgis.core import QgsProcessingAlgorithm, QgsProcessingException, QgsProcessingParameterRasterLayer
from qgis.PyQt.QtGui import QIcon

from .. import program, result, scene
from ..flags import Flag
from ..run import Cancelled, Ended, Failed, run
from ..text import about, tr

ICON = str(Path(__file__).parents[1] / "icon.svg")


class ArtirAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs a command of artir."""

    NAME = ""
    LABEL = ""
    # Further words that the toolbox's search finds the algorithm by, separated by commas.
    TAGS = ""
    COMMAND = "geo"
    # Whether the command reads rasters, which not every build can.
    SCENES = True
    FLAGS: tuple[Flag, ...] = ()
    # Flags that parameters of another kind set.
    OTHERS: tuple[Flag, ...] = ()

    def createInstance(self):  # noqa: N802
        return type(self)()

    def name(self):
        return self.NAME

    def displayName(self):  # noqa: N802
        return tr(self.LABEL)

    def tags(self):
        return [*super().tags(), *filter(None, tr(self.TAGS).split(","))]

    def icon(self):
        return QIcon(ICON)

    def summary(self) -> str:
        """What the algorithm does, in the words of its command."""
        return about(self.COMMAND)

    def shortDescription(self):  # noqa: N802
        return self.summary()

    def shortHelpString(self):  # noqa: N802
        parts = [f"<p>{html.escape(self.summary())}</p>"]
        for parameter in self.parameterDefinitions():
            if parameter.help():
                parts.append(f"<h3>{html.escape(parameter.description())}</h3><p>{html.escape(parameter.help())}</p>")
        return "".join(parts)

    def canExecute(self):  # noqa: N802
        try:
            program.find(self.SCENES)
        except program.NotFound as e:
            return False, str(e)
        return True, ""

    def checkParameterValues(self, parameters, context):  # noqa: N802
        """Refuses layers that artir cannot read before anything runs."""
        for parameter in self.parameterDefinitions():
            if isinstance(parameter, QgsProcessingParameterRasterLayer) and parameters.get(parameter.name()):
                try:
                    self.scene(parameters, parameter.name(), context)
                except scene.Refused as e:
                    return False, str(e)
        return super().checkParameterValues(parameters, context)

    def scene(self, parameters, name: str, context) -> scene.Source:
        """The raster that a parameter names."""
        return scene.source(parameters.get(name), self.parameterAsString(parameters, name, context), context)

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Runs the algorithm's own work in a temporary folder, and turns its errors into Processing's."""
        self.workplace = Path(tempfile.mkdtemp(prefix="artir-"))
        try:
            return self.work(parameters, context, feedback)
        except Cancelled:
            feedback.pushInfo(tr("Cancelled: artir has ended, and no result was written."))
            self.cancelled(feedback)
            return {}
        except Failed as e:
            raise QgsProcessingException(self.explained(str(e))) from e
        except (scene.Refused, program.NotFound) as e:
            raise QgsProcessingException(str(e)) from e
        finally:
            shutil.rmtree(self.workplace, ignore_errors=True)

    def work(self, parameters, context, feedback) -> dict:
        """Does the work and returns the outputs."""
        raise NotImplementedError

    def cancelled(self, feedback) -> None:
        """Says what a cancelled run left, where it leaves anything."""

    def run_program(
        self, arguments: list[str], feedback, items: int = 1, before: int = 0, may_fail: bool = False
    ) -> Ended:
        """Runs the program and shows its command line, which can be typed in a terminal as well."""
        found = program.find(self.SCENES)
        feedback.pushCommandInfo(shlex.join([found.path, *arguments]))
        command, *rest = arguments
        more = ["--progress=json", "--log-format=json"]
        return run(found, [command, *more, *rest], feedback, items, before, may_fail)

    def inspect(self, source: scene.Source, flags: list[str], feedback) -> tuple[str, dict]:
        """What a raster states, as the program prints it and as an object."""
        out = self.run_program(["geo", "--inspect", *flags, "--", source.name], feedback).out
        found = json.loads(out)
        if not found.get("restores") and not found.get("refused"):
            raise Failed(tr("artir described the raster in a form that this plugin does not know."), 0)
        return out, found

    def hand_over(self, layer, name: str, path: str, context) -> None:
        """Gives an opened result to Processing as the value of a parameter."""
        result.hand_over(layer, path, self.parameterDefinition(name).description(), context)

    def explained(self, sentence: str) -> str:
        """The program's sentence, and what the flags that it names are called in the dialog."""
        labels = []
        for flag in (*self.FLAGS, *self.OTHERS):
            # --bands is no part of --bands-from, nor of --all-bands.
            if re.search(rf"(?<![\w-]){re.escape(flag.flag)}(?![\w-])", sentence):
                labels.append(tr("{flag} is '{label}' here.").format(flag=flag.flag, label=tr(flag.label)))
        return " ".join([sentence, *labels])
