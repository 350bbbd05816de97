"""Checks `artir node` as a whole, and prints what was measured.

    python -m acceptance.node --artir target/debug/artir [PART...]

Parts: flood, disk, kills, faults, full-disk, day, scan, senders, web, archive; all without a name.
Variables of the environment set how much is done: ARTIR_NODE_SLICES (2000),
ARTIR_NODE_ASSOCIATIONS (20), ARTIR_NODE_KILLS (100), ARTIR_NODE_SEED (27), ARTIR_NODE_SERIES of the
day (2400), ARTIR_NODE_PROBES of the scan (3000). Exit status 1 if a check fails.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from .. import parts
from ..conformance import models
from ..program import Program
from . import archive, day, fire, hostile, load, senders, web
from .peers import Node


def number(name: str, usual: int) -> int:
    """A count from the environment."""
    return int(os.environ.get(f"ARTIR_NODE_{name}", usual))


CHECKS = {
    "flood": lambda program, work, ct, pet: load.flood(
        program, work, ct, number("SLICES", 2000), number("ASSOCIATIONS", 20)
    ),
    "disk": lambda program, work, ct, pet: load.disk(program, work, ct, 300),
    "kills": lambda program, work, ct, pet: fire.kills(
        program, work, ct, number("KILLS", 100), number("SEED", 27)
    ),
    "faults": lambda program, work, ct, pet: fire.faults(program, work, ct),
    "full-disk": lambda program, work, ct, pet: fire.full_disk(program, work, ct),
    "day": lambda program, work, ct, pet: day.day(program, work, ct, number("SERIES", 2400)),
    "scan": lambda program, work, ct, pet: hostile.scan(program, work, ct, number("PROBES", 3000)),
    "senders": lambda program, work, ct, pet: senders.check(program, work, ct, pet),
    "web": lambda program, work, ct, pet: web.check(program, work, ct),
    "archive": lambda program, work, ct, pet: archive.check(program, work, ct, pet),
}


def end_nodes() -> None:
    """Ends the nodes that a part left running."""
    while Node.running:
        Node.running.pop().kill()


def main() -> int:
    chosen = parts.arguments(__doc__.splitlines()[0], tuple(CHECKS))
    with tempfile.TemporaryDirectory(prefix="artir-node-") as folder:
        work = Path(folder)
        program = Program(chosen.artir, work)
        ct = models.write(work / "ct.onnx", "ct-denoise")
        pet = models.write(work / "pet.onnx", "pet-enhance")
        runs = {name: partial(check, program, work, ct, pet) for name, check in CHECKS.items()}
        return parts.run("node", runs, chosen.parts, after=end_nodes)


if __name__ == "__main__":
    sys.exit(main())
