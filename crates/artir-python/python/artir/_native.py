"""The native library: where it finds ONNX Runtime, and what else it serves."""

from __future__ import annotations

import atexit
import importlib.util
import os
import sys
import threading
from pathlib import Path

from artir import _artir
from artir._errors import DeviceError

# ONNX Runtime reads it when it begins. Its own function for this comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_lock = threading.Lock()
_chosen = False


def _package_folder() -> str | None:
    """The folder with the library of the installed onnxruntime package. The package itself is not imported."""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        return None
    return os.path.join(os.path.dirname(spec.origin), "capi")


def choose_runtime(path: str | None = None) -> bool:
    """Chooses ONNX Runtime once in this process: `path`, or what the search finds. False: it was chosen before."""
    global _chosen
    with _lock:
        if _chosen:
            return False
        _artir.search_runtime(path, _package_folder())
        _chosen = True
        return True


def use_runtime(path: str | os.PathLike[str]) -> None:
    """Loads ONNX Runtime from this library file, and from nowhere else.

    Without it, artir takes the library that ORT_DYLIB_PATH names, else that of the installed `onnxruntime` package, of
    which version 1.20 or later works. Call it before anything else.

    Raises:
        DeviceError: A runtime is already in use.
    """
    if not choose_runtime(os.fspath(path)):
        raise DeviceError(
            "another ONNX Runtime is in use: call artir.use_runtime before anything else", os.fspath(path)
        )


def ops_library() -> str:
    """The path of artir's operator library, for sessions of the onnxruntime package.

    A model of artir is an ONNX file that uses the operators of this library:

        options = onnxruntime.SessionOptions()
        options.register_custom_ops_library(artir.ops_library())
        session = onnxruntime.InferenceSession("model.onnx", options)

    Input and output are float32 [image, channel, row, column] in network units (see `Card.network_range`). Rows and
    columns are multiples of `Card.multiple`.
    """
    return str(_artir.__file__)


def program() -> tuple[str, list[str]] | None:
    """What starts the command `artir` in a process of its own, in which compressed frames are decoded."""
    # A host program that embeds Python may have no interpreter to start. Frames are then decoded in this process.
    if not sys.executable:
        return None
    # By its path, since `-m` would look into the current folder first.
    return sys.executable, [str(Path(__file__).resolve().with_name("__main__.py"))]


def end_workers_at_exit() -> None:
    """After an interrupted call, its workers finish their tile before the interpreter ends."""
    atexit.register(_artir.wait_for_workers)
