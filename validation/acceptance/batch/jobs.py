"""Manifests, runs and results of batches."""

import json
import time
from pathlib import Path

from ..program import Program, Run


def write(path: Path, jobs: list[dict]) -> Path:
    """Writes a manifest."""
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    return path


def read(path: Path) -> list[dict]:
    """The jobs of a manifest."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(
    program: Program, work: Path, environment: dict[str, str], *more: object
) -> tuple[Run, float]:
    """`artir batch` on the manifest of a folder, and the seconds that it took."""
    before, program.environment = program.environment, program.environment | environment
    begun = time.monotonic()
    try:
        done = program.run(
            "batch", work / "jobs.jsonl", "-o", work / "out", "--allow-remote", *more, seconds=600
        )
    finally:
        program.environment = before
    return done, time.monotonic() - begun


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def differ(what: str, found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """How results differ from those that were expected."""
    out = [f"{what}: {name} is missing" for name in expected.keys() - found.keys()]
    out += [f"{what}: {name} should not be there" for name in found.keys() - expected.keys()]
    both = found.keys() & expected.keys()
    return out + [
        f"{what}: {name} has other bytes" for name in both if found[name] != expected[name]
    ]
