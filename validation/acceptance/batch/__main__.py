"""Checks `artir batch` with a store and an archive on this machine, and prints what was measured.

    python -m acceptance.batch --artir target/debug/artir [PART...]

Parts: store (moto, which checks signatures), archive (Orthanc); both without a name. Variables of
the environment set how much is done: ARTIR_BATCH_SERIES (40), ARTIR_BATCH_KILLS (12). Exit status 1
if a check fails.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

from .. import parts
from ..conformance import models
from ..program import Program
from . import archive, store

CHECKS = {"store": store.check, "archive": archive.check}


def part(name: str, program: Program, work: Path, ct: Path) -> tuple[str, list[str]]:
    """Runs a check in a folder of its own."""
    (work / name).mkdir()
    return CHECKS[name](program, work / name, ct)


def main() -> int:
    chosen = parts.arguments(__doc__.splitlines()[0], tuple(CHECKS))
    with tempfile.TemporaryDirectory(prefix="artir-batch-check-") as folder:
        work = Path(folder)
        program = Program(chosen.artir, work)
        ct = models.write(work / "ct.onnx", "ct-denoise")
        runs = {name: partial(part, name, program, work, ct) for name in CHECKS}
        return parts.run("batch", runs, chosen.parts)


if __name__ == "__main__":
    sys.exit(main())
