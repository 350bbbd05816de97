"""The command's flags as parameters of Processing, one to one."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from . import scene
from .text import flag_help, mark, tr


@dataclass(frozen=True)
class Flag:
    """A flag of the command, and the parameter that sets it. A parameter without a value leaves its flag out."""

    parameter: str
    flag: str
    label: str
    kind: str
    advanced: bool = True
    choices: tuple[str, ...] = ()
    most: float | None = None


MODEL = Flag("MODEL", "--model", mark("Model (name or .onnx file)"), "text")
STRENGTH = Flag("STRENGTH", "--strength", mark("Strength"), "real", advanced=False, most=1)
INFERENCE = (
    MODEL,
    Flag("ENSEMBLE", "--ensemble", mark("Average eight flips and rotations (eight times the work)"), "switch"),
    Flag("DEVICE", "--device", mark("Device"), "text"),
    Flag("PRECISION", "--precision", mark("Precision"), "choice", choices=("f32", "fast")),
    Flag("THREADS", "--threads", mark("Threads"), "whole"),
    Flag("MEMORY", "--memory", mark("Memory for inference"), "text"),
    Flag("TILE", "--tile", mark("Tile edge in pixels"), "whole"),
    Flag("OVERLAP", "--overlap", mark("Overlap of tiles in pixels"), "whole"),
)
RANGES = ("auto", "percentile", "reflectance")
# How the scene is read. The order is that of the dialog.
READING = (
    Flag("BANDS", "--bands", mark("Bands for red, green, blue (such as 4,3,2)"), "text", advanced=False),
    Flag("NODATA", "--nodata", mark("Nodata value (or none)"), "text"),
    Flag("MASK", "--mask", mark("Mask raster"), "raster"),
    Flag("MASK_CLOUDS", "--mask-clouds", mark("Leave the product's clouds unchanged"), "switch"),
    Flag("ALLOW_PATH", "--allow-path", mark("Further folder of a virtual raster's files"), "folder"),
    Flag("ALLOW_REMOTE", "--allow-remote", mark("Trust the scene: networks, and any file that it names"), "switch"),
)
WRITING = (
    Flag(
        "ALL_BANDS",
        "--all-bands",
        mark("Remove haze from the other reflective bands as well"),
        "switch",
        advanced=False,
    ),
    Flag("FORMAT", "--format", mark("Format"), "choice", choices=("gtiff", "cog")),
    Flag("CREATION", "--co", mark("Creation options (KEY=VALUE, separated by |)"), "texts"),
    Flag("STRICT", "--strict", mark("Refuse a scene if its result would lose something"), "switch"),
    Flag("RESUME", "--resume", mark("Continue an interrupted run"), "switch"),
    Flag("WORK", "--work", mark("Folder for unfinished work"), "folder"),
    Flag("SHOW_PATHS", "--show-paths", mark("Whole paths in the report"), "switch"),
)


def describe(parameter, command: str, flag: str, advanced: bool):
    """Gives a parameter its tooltip, and folds it away where only a few need it."""
    parameter.setHelp(f"{flag_help(command, flag)} ({flag})")
    if advanced:
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
    return parameter


def parameter(flag: Flag, command: str):
    """The parameter of a flag."""
    name, label = flag.parameter, tr(flag.label)
    if flag.kind == "switch":
        made = QgsProcessingParameterBoolean(name, label, defaultValue=False)
    elif flag.kind == "choice":
        made = QgsProcessingParameterEnum(name, label, list(flag.choices), optional=True, usesStaticStrings=True)
    elif flag.kind in ("real", "whole"):
        kind = QgsProcessingParameterNumber.Double if flag.kind == "real" else QgsProcessingParameterNumber.Integer
        made = QgsProcessingParameterNumber(name, label, kind, optional=True, minValue=0)
        if flag.most is not None:
            made.setMaximum(flag.most)
    elif flag.kind == "folder":
        made = QgsProcessingParameterFile(name, label, QgsProcessingParameterFile.Folder, optional=True)
    elif flag.kind == "raster":
        made = QgsProcessingParameterRasterLayer(name, label, optional=True)
    else:
        made = QgsProcessingParameterString(name, label, optional=True)
    return describe(made, command, flag.flag, flag.advanced)


def is_set(value) -> bool:
    """Whether a parameter has a value. Models and expressions give QGIS's NULL, which reads as the number 0."""
    return value not in (None, "") and not (hasattr(value, "isNull") and value.isNull())


def arguments(algorithm, flags, parameters, context) -> list[str]:
    """The command's arguments for the parameters that have a value.

    A value follows its flag after an equals sign, so that none that begins with a hyphen is taken for a flag.
    """
    out = []
    for flag in flags:
        name = flag.parameter
        if flag.kind == "switch":
            if algorithm.parameterAsBool(parameters, name, context):
                out.append(flag.flag)
            continue
        if not is_set(parameters.get(name)):
            continue
        if flag.kind == "real":
            text = scene.number(algorithm.parameterAsDouble(parameters, name, context))
        elif flag.kind == "whole":
            text = str(algorithm.parameterAsInt(parameters, name, context))
        elif flag.kind == "choice":
            text = algorithm.parameterAsEnumString(parameters, name, context)
        elif flag.kind == "raster":
            text = algorithm.scene(parameters, name, context).name
        elif flag.kind == "texts":
            parts = algorithm.parameterAsString(parameters, name, context).replace("\n", "|").split("|")
            out += [f"{flag.flag}={part.strip()}" for part in parts if part.strip()]
            continue
        else:
            text = algorithm.parameterAsString(parameters, name, context).strip()
        if text:
            out.append(f"{flag.flag}={text}")
    return out
