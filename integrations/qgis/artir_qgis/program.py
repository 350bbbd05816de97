"""Where the artir program is, which version it has, and the environment that it runs in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .text import tr

# The first version whose flags the algorithms use.
MINIMUM = (0, 2, 0)
SETTING = "artir/program"
WINDOWS = sys.platform == "win32"
NAME = "artir.exe" if WINDOWS else "artir"
# Without this flag, Windows opens a console window for each run.
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
# QGIS sets these for its own Python. A program of another Python would load the wrong packages.
PYTHON_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
# QGIS on Windows and macOS sets these to its own copies. Another GDAL needs its own.
GDAL_VARIABLES = ("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")


class NotFound(Exception):
    """No program can be used. The text says why and what to do."""


class Program(NamedTuple):
    """An artir program that answered."""

    path: str
    version: str
    scenes: bool

    def environment(self) -> dict[str, str]:
        """The environment for this program: that of QGIS, without the variables that are meant for QGIS alone."""
        return environment(self.path)


def environment(program: str) -> dict[str, str]:
    """This process's environment, without the variables that QGIS sets for its own libraries."""
    out = {key: value for key, value in os.environ.items() if key not in PYTHON_VARIABLES}
    prefix = _qgis_prefix()
    for key in GDAL_VARIABLES:
        if prefix and key in out and _is_below(out[key], prefix) and not _is_below(program, prefix):
            del out[key]
    return out


def _qgis_prefix() -> str:
    from qgis.core import QgsApplication

    return QgsApplication.prefixPath()


def _is_below(path: str, folder: str) -> bool:
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def own_folder() -> Path:
    """The folder in which this plugin may install artir: in the user's profile, outside of the plugin and of QGIS."""
    from qgis.core import QgsApplication

    return Path(QgsApplication.qgisSettingsDirPath()) / "artir"


def own_program() -> Path:
    """The program as the plugin installs it."""
    return own_folder() / "env" / ("Scripts" if WINDOWS else "bin") / NAME


def chosen() -> str:
    """The program that the user named, or an empty text."""
    from qgis.core import QgsSettings

    return QgsSettings().value(SETTING, "", type=str)


def choose(path: str) -> None:
    """Remembers the program that the user named; an empty text forgets it."""
    from qgis.core import QgsSettings

    QgsSettings().setValue(SETTING, path)


def candidates() -> list[str]:
    """Programs that exist, in the order of the search: PATH, the usual folders, the plugin's own folder."""
    home = Path.home()
    folders = [
        home / ".local/bin",
        Path("/usr/local/bin"),
        Path("/usr/bin"),
        Path("/opt/artir/bin"),
        Path("/opt/homebrew/bin"),
        home / ".cargo/bin",
    ]
    for conda in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX"):
        if conda in os.environ:
            folders += [Path(os.environ[conda]) / "bin", Path(os.environ[conda]) / "envs/artir/bin"]
    for base in ("miniconda3", "miniforge3", "mambaforge", "anaconda3"):
        folders += [home / base / "envs/artir/bin", home / base / "bin"]
    if WINDOWS:
        folders = [Path(os.environ[v]) / "artir" for v in ("LOCALAPPDATA", "PROGRAMFILES") if v in os.environ]
    found = [shutil.which("artir")] + [str(folder / NAME) for folder in folders] + [str(own_program())]
    out: list[str] = []
    for path in found:
        if path and os.path.isfile(path) and os.access(path, os.X_OK) and path not in out:
            out.append(path)
    return out


# Answers of programs, by path and time of change.
_known: dict[tuple[str, int, int], Program] = {}


def probe(path: str) -> Program:
    """Asks a program for its version, and whether it was built with scenes."""
    try:
        state = os.stat(path)
    except OSError as e:
        raise NotFound(f"{path}: {e.strerror}") from e
    key = (path, state.st_mtime_ns, state.st_size)
    if key not in _known:
        _known[key] = _ask(path)
    return _known[key]


def _ask(path: str) -> Program:
    answer = _output(path, ["--version"])
    found = re.match(r"artir (\d+)\.(\d+)\.(\d+)", answer)
    if not found:
        raise NotFound(tr("{path} is not artir: it does not answer --version.").format(path=path))
    version = tuple(int(n) for n in found.groups())
    if version < MINIMUM:
        text = tr("{path} is artir {version}, and this plugin needs {minimum} or later.")
        minimum = ".".join(map(str, MINIMUM))
        raise NotFound(text.format(path=path, version=".".join(found.groups()), minimum=minimum))
    return Program(path, ".".join(found.groups()), "--bands" in _output(path, ["geo", "--help"]))


def _output(path: str, arguments: list[str]) -> str:
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            env=environment(path),
            creationflags=NO_WINDOW,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise NotFound(tr("{path} cannot be started: {reason}").format(path=path, reason=e)) from e
    return done.stdout.decode("utf-8", "replace")


def find(scenes: bool) -> Program:
    """The program to use: the one that the user named, else the first that has what is needed.

    A named program that cannot be used is an error, so that no other version runs unnoticed.
    """
    named = chosen()
    reasons = []
    for path in [named] if named else candidates():
        try:
            program = probe(path)
        except NotFound as e:
            reasons.append(str(e))
            continue
        if program.scenes or not scenes:
            return program
        reasons.append(tr("{path} was built without scenes.").format(path=path))
    advice = tr("Run the algorithm 'Install or find artir'.")
    if scenes:
        advice += " " + without_scenes()
    if not reasons:
        reasons.append(tr("The program artir was not found in PATH or in the usual folders."))
    return _fail(" ".join([*reasons, advice]))


def _fail(text: str) -> Program:
    raise NotFound(text)


def without_scenes() -> str:
    """What a user of the wheel must know."""
    return tr(
        "Rasters need a build of artir with GDAL: the Debian package, the conda package, the container image "
        "with scenes, or a build from source. The wheel from PyPI has no GDAL and restores photographs only."
    )
