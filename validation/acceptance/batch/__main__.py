"""Checks `artir batch` with a store and an archive on this machine, and prints what was measured.

    python -m acceptance.batch --artir target/debug/artir [PART...]

Parts: store (moto, which checks signatures), archive (Orthanc); both without a name. Variables of
the environment set how much is done: ARTIR_BATCH_SERIES (40), ARTIR_BATCH_KILLS (12). Exit status 1
if a check fails.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from ..conformance import models
from ..findings import Findings
from ..program import Program
from . import archive, store

ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, default=ROOT / "target/release/artir")
    parser.add_argument("parts", nargs="*", metavar="PART")
    chosen = parser.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="artir-batch-check-") as folder:
        work = Path(folder)
        program = Program(chosen.artir, work)
        ct = models.write(work / "ct.onnx", "ct-denoise")
        unknown = set(chosen.parts) - {"store", "archive"}
        if unknown:
            parser.error(f"no such part: {', '.join(sorted(unknown))}")
        for name, check in {"store": store.check, "archive": archive.check}.items():
            if chosen.parts and name not in chosen.parts:
                continue
            findings.note(name)
            (work / name).mkdir()
            try:
                told, problems = check(program, work / name, ct)
            except (AssertionError, OSError, RuntimeError) as error:  # the other part still runs
                told, problems = "broken off", [repr(error)]
            print(f"{name}: {findings.cell('batch', name, problems)}: {told}", flush=True)
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
