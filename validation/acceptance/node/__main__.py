"""Checks `artir node` as a whole, and prints what was measured.

    python -m acceptance.node --artir target/debug/artir [PART...]

Parts: flood, disk, kills, faults, full-disk, day, scan, senders, web, archive; all without a name.
Variables of the environment set how much is done: ARTIR_NODE_SLICES (2000),
ARTIR_NODE_ASSOCIATIONS (20), ARTIR_NODE_KILLS (100), ARTIR_NODE_SEED (27), ARTIR_NODE_SERIES of the
day (2400), ARTIR_NODE_PROBES of the scan (3000). Exit status 1 if a check fails.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from ..conformance import models
from ..findings import Findings
from ..program import Program
from . import archive, day, fire, hostile, load, senders, web
from .peers import Node

ROOT = Path(__file__).resolve().parents[3]


def number(name: str, usual: int) -> int:
    """A count from the environment."""
    return int(os.environ.get(f"ARTIR_NODE_{name}", usual))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, default=ROOT / "target/release/artir")
    parser.add_argument("parts", nargs="*", metavar="PART")
    chosen = parser.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="artir-node-") as folder:
        work = Path(folder)
        program = Program(chosen.artir, work)
        ct = models.write(work / "ct.onnx", "ct-denoise")
        pet = models.write(work / "pet.onnx", "pet-enhance")
        seed = number("SEED", 27)
        parts = {
            "flood": lambda: load.flood(
                program, work, ct, number("SLICES", 2000), number("ASSOCIATIONS", 20)
            ),
            "disk": lambda: load.disk(program, work, ct, 300),
            "kills": lambda: fire.kills(program, work, ct, number("KILLS", 100), seed),
            "faults": lambda: fire.faults(program, work, ct),
            "full-disk": lambda: fire.full_disk(program, work, ct),
            "day": lambda: day.day(program, work, ct, number("SERIES", 2400)),
            "scan": lambda: hostile.scan(program, work, ct, number("PROBES", 3000)),
            "senders": lambda: senders.check(program, work, ct, pet),
            "web": lambda: web.check(program, work, ct),
            "archive": lambda: archive.check(program, work, ct, pet),
        }
        unknown = set(chosen.parts) - parts.keys()
        if unknown:
            parser.error(f"no such part: {', '.join(sorted(unknown))}")
        for name, part in parts.items():
            if chosen.parts and name not in chosen.parts:
                continue
            findings.note(name)
            try:
                told, problems = part()
            except (AssertionError, OSError) as error:  # the other parts still run
                told, problems = "broken off", [repr(error)]
            while Node.running:
                Node.running.pop().kill()
            print(f"{name}: {findings.cell('node', name, problems)}: {told}", flush=True)
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
