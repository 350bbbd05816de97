"""Restore the photographs of a folder."""

from __future__ import annotations

import os

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
)

from ..flags import INFERENCE, STRENGTH, arguments, describe, parameter
from ..run import Failed
from ..scene import Refused
from ..text import mark, tr
from .base import ArtirAlgorithm

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
TASKS = ("dehaze", "denoise")
# Windows takes 32,767 characters in a command line.
MOST_CHARACTERS = 20_000


class RestorePhotographs(ArtirAlgorithm):
    """`artir image`."""

    NAME = "photographs"
    LABEL = mark("Restore photograph folder")
    TAGS = mark("photo,images,haze,noise,denoise,dehaze,PNG,JPEG,folder")
    COMMAND = "image"
    SCENES = False
    FLAGS = (STRENGTH, *INFERENCE)

    def initAlgorithm(self, config=None):  # noqa: N802
        self.addParameter(
            QgsProcessingParameterFile("INPUT", tr("Folder of photographs"), QgsProcessingParameterFile.Folder)
        )
        made = QgsProcessingParameterEnum(
            "TASK", tr("What is removed"), list(TASKS), defaultValue=TASKS[0], usesStaticStrings=True
        )
        self.addParameter(describe(made, "image", "--task", False))
        for flag in self.FLAGS:
            self.addParameter(parameter(flag, "image"))
        made = QgsProcessingParameterBoolean("OVERWRITE", tr("Overwrite existing results"), defaultValue=False)
        self.addParameter(describe(made, "image", "--overwrite", False))
        self.addParameter(QgsProcessingParameterFolderDestination("OUTPUT", tr("Restored photographs")))
        self.addOutput(QgsProcessingOutputNumber("WRITTEN", tr("Number of restored photographs")))
        self.addOutput(QgsProcessingOutputNumber("FAILED", tr("Number of photographs that failed")))

    def work(self, parameters, context, feedback):
        folder = self.parameterAsString(parameters, "INPUT", context)
        output = self.parameterAsString(parameters, "OUTPUT", context)
        photos = photographs(folder)
        if not photos:
            raise Refused(tr("{folder} holds no PNG, JPEG or TIFF file.").format(folder=folder))
        os.makedirs(output, exist_ok=True)
        flags = [f"--task={self.parameterAsEnumString(parameters, 'TASK', context)}"]
        flags += arguments(self, self.FLAGS, parameters, context)
        if self.parameterAsBool(parameters, "OVERWRITE", context):
            flags.append("--overwrite")
        errors, written, before = [], 0, 0
        for group in groups(photos):
            command = ["image", *flags, f"--output={output}", "--", *group]
            ended = self.run_program(command, feedback, items=len(photos), before=before, may_fail=True)
            if ended.code not in (0, 3, 4):
                raise Failed("\n".join(ended.errors), ended.code)
            for error in ended.errors:
                feedback.reportError(self.explained(error))
            errors += ended.errors
            written += len(group) - len(ended.errors)
            before += len(group)
        if not written:
            raise Failed("\n".join(errors), 3)
        return {"OUTPUT": output, "WRITTEN": written, "FAILED": len(errors)}


def photographs(folder: str) -> list[str]:
    """The photographs of a folder, without those of its folders."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as e:
        raise Refused(f"{folder}: {e.strerror}") from e
    paths = [os.path.join(folder, name) for name in names if name.lower().endswith(ENDINGS)]
    return [path for path in paths if os.path.isfile(path)]


def groups(photos: list[str]) -> list[list[str]]:
    """The photographs in as few command lines as possible."""
    out, length = [[]], 0
    for photo in photos:
        if out[-1] and length + len(photo) > MOST_CHARACTERS:
            out.append([])
            length = 0
        out[-1].append(photo)
        length += len(photo) + 1
    return out
