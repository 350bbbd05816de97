"""Writes validation/dicom.md: artir over all real DICOM data, checked with other programs.

    python -m acceptance.conformance --artir target/release/artir -o validation/dicom.md \\
        [--only PATTERN] [--skip-orthanc] [--quick] [--collections]

``ARTIR_REAL_DATA`` names the folder of the data (default ``../shared/data``). Exit status 1 if a
check fails. Failures are printed as they happen. --only takes a shell pattern (``pet-*``,
``special:*``) for inputs or for names of special checks; the page then contains only those.
--collections takes the series that packages of PyPI and npm carry as test data instead, and makes
no special checks.
"""

import argparse
import contextlib
import fnmatch
import os
import sys
import tempfile
from pathlib import Path

from ..findings import Findings
from ..program import Program
from . import collections, interruption, privacy, report, validators
from .cases import TASKS, Bench, Case, inputs
from .images import UNREADABLE
from .orthanc import Orthanc, executable
from .outputs import Checker
from .special import Special
from .volumes import Volumes

ROOT = Path(__file__).resolve().parents[3]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, default=ROOT / "target/release/artir")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "validation/dicom.md")
    parser.add_argument("--only", default="*", metavar="PATTERN")
    parser.add_argument("--skip-orthanc", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without the models' runs")
    parser.add_argument("--collections", action="store_true", help="series of public packages")
    return parser.parse_args()


def wanted(label: str, pattern: str) -> bool:
    """Whether the pattern selects an input or a special check."""
    return fnmatch.fnmatchcase(label, pattern) or fnmatch.fnmatchcase(label.rstrip("/"), pattern)


def special_checks(bench: Bench, data: Path, work: Path, pattern: str) -> list[tuple[str, str]]:
    """The lines of the special checks."""
    special = Special(bench, data, work)
    checks = {
        "transfer-syntaxes": special.transfer_syntaxes,
        "multi-frame-file": special.enhanced_file,
        "enhanced-ct": special.enhanced_made,
        "compressed-output": special.compressed,
        "suv-factor": special.suv,
        "pet-slopes": special.slopes,
        "privacy": lambda: privacy.check(bench, data, work),
        "killed": lambda: interruption.check(bench, data, work),
        "volumes": lambda: Volumes(bench, work).check(),
    }
    told = {
        "transfer-syntaxes": "one image in 15 transfer syntaxes gives the same restored values",
        "multi-frame-file": "multi-frame secondary capture of seven slices, against the slices",
        "enhanced-ct": "Enhanced CT object made of seven slices, against the slices",
        "compressed-output": "the same values in compressed transfer syntaxes",
        "suv-factor": "SUV factor against the pseudo-code of QIBA, slice by slice",
        "pet-slopes": "RescaleSlope of every PET slice at strength 0",
        "privacy": "a marker in every text attribute, looked for in all that artir prints",
        "killed": "killed by SIGKILL at ten moments",
        "volumes": "NIfTI and NRRD of nibabel and SimpleITK at strength 0, read by both",
    }
    lines = []
    for name, check in checks.items():
        if not wanted(f"special:{name}", pattern):
            continue
        bench.findings.note(f"special:{name}")
        try:
            outcome = check()
        except (
            AssertionError,
            *UNREADABLE,
        ) as error:  # the other checks still run
            outcome = bench.findings.cell(name, "check", [repr(error)])
        lines.append((told[name], outcome))
    return lines


def main() -> int:
    chosen = options()
    where = os.environ.get("ARTIR_REAL_DATA", ROOT.parent / "shared" / "data")
    data = Path(where).resolve() / "dicom"
    if not data.is_dir():
        print(f"no data at {data}: set ARTIR_REAL_DATA")
        return 1
    findings = Findings()
    absent = "skipped" if chosen.skip_orthanc else validators.MISSING
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        archive = None
        if not chosen.skip_orthanc and executable():
            archive = stack.enter_context(Orthanc())
        program = Program(chosen.artir, work)
        checker = Checker(findings, archive, absent)
        bench = Bench(program, checker, work, chosen.quick)
        rows = []
        if chosen.collections:
            collections.fetch(work)
            cases = list(collections.series(work))
        else:
            cases = [Case(*found, command) for found in inputs(data) for command in TASKS]
        for case in cases:
            if wanted(case.label, chosen.only):
                findings.note(case.title)
                rows.append(bench.row(case))
        special = [] if chosen.collections else special_checks(bench, data, work, chosen.only)
        version = archive.version if archive else absent
        head = report.COLLECTIONS if chosen.collections else report.HEAD
        report.write(chosen.output, head, rows, special, version, findings.failures)
    print(f"{len(rows)} runs, {findings.failures} failed checks: {chosen.output}")
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
