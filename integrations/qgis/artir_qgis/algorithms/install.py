"""Find artir, name it, or install its wheel with the user's consent."""

from __future__ import annotations

import os
import subprocess

from qgis.core import (
    QgsProcessingOutputBoolean,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterString,
)

from .. import install, program
from ..text import mark, tr
from .base import ArtirAlgorithm


class InstallArtir(ArtirAlgorithm):
    """Says which program is used, with what it can do, and changes that."""

    NAME = "install"
    LABEL = mark("Install or find artir")
    TAGS = mark("setup,settings,program,path,configure,version,doctor")
    SCENES = False

    def summary(self):
        return " ".join(
            [
                tr(
                    "Looks for the program artir: the one that you name, then PATH, the usual folders, and the "
                    "plugin's own folder. Prints what its own check of the installation finds."
                ),
                tr(
                    "With your consent, pip installs the wheel and what it needs (about 150 MB) into a new environment "
                    "in the plugin's own folder, {folder}. Each file must have the hash that this plugin or you "
                    "name. QGIS's Python is not changed; to remove everything, delete that folder."
                ).format(folder=program.own_folder()),
                program.without_scenes(),
            ]
        )

    def initAlgorithm(self, config=None):  # noqa: N802
        made = QgsProcessingParameterFile("PROGRAM", tr("Use this program from now on"), optional=True)
        # By default, QGIS takes names with a dot alone.
        made.setFileFilter(tr("All files (*)"))
        made.setHelp(tr("The file artir (artir.exe). It is remembered for this profile of QGIS."))
        self.addParameter(made)
        self.addParameter(QgsProcessingParameterBoolean("FORGET", tr("Forget the named program, and search"), False))
        made = QgsProcessingParameterBoolean("CONSENT", tr("I agree: download and install the wheel with pip"), False)
        self.addParameter(made)
        made = QgsProcessingParameterFile("WHEEL", tr("Wheel to install"), optional=True, extension="whl")
        made.setHelp(tr("A file artir-….whl, in place of the release that this plugin names."))
        self.addParameter(made)
        made = QgsProcessingParameterString("SHA256", tr("SHA-256 of the wheel"), optional=True)
        made.setHelp(tr("As the file SHA256SUMS of the release states it. A wheel with another hash is not installed."))
        self.addParameter(made)
        self.addOutput(QgsProcessingOutputString("FOUND", tr("Program in use")))
        self.addOutput(QgsProcessingOutputString("VERSION", tr("Version")))
        self.addOutput(QgsProcessingOutputBoolean("SCENES_WORK", tr("Whether it restores rasters")))

    def canExecute(self):  # noqa: N802
        return True, ""

    def work(self, parameters, context, feedback):
        wheel = self.parameterAsString(parameters, "WHEEL", context)
        consent = self.parameterAsBool(parameters, "CONSENT", context)
        if wheel and not consent:
            raise program.NotFound(tr("Nothing was installed: tick the box to agree."))
        if consent:
            install.install(wheel, self.parameterAsString(parameters, "SHA256", context), feedback)
        named = self.parameterAsString(parameters, "PROGRAM", context)
        if named:
            program.probe(named)
            program.choose(os.path.abspath(named))
        elif self.parameterAsBool(parameters, "FORGET", context):
            program.choose("")
        found = self.found()
        feedback.pushInfo(tr("In use: {path}, version {version}").format(path=found.path, version=found.version))
        if not found.scenes:
            feedback.pushWarning(program.without_scenes())
        self.doctor(found, feedback)
        return {"FOUND": found.path, "VERSION": found.version, "SCENES_WORK": found.scenes}

    def found(self) -> program.Program:
        """The program for rasters, or else one for photographs."""
        try:
            return program.find(scenes=True)
        except program.NotFound:
            return program.find(scenes=False)

    def doctor(self, found: program.Program, feedback) -> None:
        """Shows what the program's own check finds."""
        done = subprocess.run(
            [found.path, "doctor"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            env=found.environment(),
            creationflags=program.NO_WINDOW,
            check=False,
        )
        for line in (done.stdout + done.stderr).decode("utf-8", "replace").splitlines():
            feedback.pushConsoleInfo(line)
