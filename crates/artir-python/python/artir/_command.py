"""The command `artir`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Runs the command line of this process and returns its exit code."""
    from artir import _artir, _native

    # The command handles Ctrl-C itself. Python's own handler would wait until the command ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = _native.program()
    if program is None:
        print("artir: the Python interpreter has no path, so that frames cannot be decoded", file=sys.stderr)
        return 5
    arguments = sys.argv[1:]
    # The process that decodes frames needs no runtime, and starts often.
    if arguments != ["decode-frames"]:
        _native.choose_runtime()
    sys.stdout.flush()
    code: int = _artir.command(["artir", *arguments], program[0], program[1])
    # Threads of a run that was interrupted may still be inside ONNX Runtime: end without its destructors.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
