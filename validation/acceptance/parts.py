"""The parts of a check: which ones are chosen, and their runs."""

import argparse
from collections.abc import Callable
from pathlib import Path

from .findings import Findings

Part = Callable[[], tuple[str, list[str]]]
"""Runs a part: what it measured, and what is wrong."""

ROOT = Path(__file__).resolve().parents[2]


def arguments(description: str, names: tuple[str, ...]) -> argparse.Namespace:
    """``artir``, the program, and ``parts``, of these names; all of them without a name."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--artir", type=Path, default=ROOT / "target/release/artir")
    parser.add_argument("parts", nargs="*", metavar="PART")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    chosen.parts = chosen.parts or list(names)
    return chosen


def run(
    topic: str, parts: dict[str, Part], chosen: list[str], after: Callable[[], None] | None = None
) -> int:
    """Runs the chosen parts in their order and prints what each measured. ``after`` follows each
    part. Returns the exit status."""
    findings = Findings()
    for name, part in parts.items():
        if name not in chosen:
            continue
        findings.note(name)
        try:
            told, problems = part()
        except (AssertionError, OSError, RuntimeError) as error:  # the other parts still run
            told, problems = "broken off", [repr(error)]
        if after:
            after()
        print(f"{name}: {findings.cell(topic, name, problems)}: {told}", flush=True)
    return 1 if findings.failures else 0
