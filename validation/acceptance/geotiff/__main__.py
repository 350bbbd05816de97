"""Writes validation/geotiff.md: artir over every kind of GeoTIFF, checked with other programs.

    python -m acceptance.geotiff --artir target/release/artir -o validation/geotiff.md \\
        [--data DIR] [--only PATTERN]... [--quick] [--jobs 2] [--interruption] [--disk]

``ARTIR_REAL_DATA`` names the folder of the data (default ``../shared/data``); these are in its
``geotiff``. Exit status 1 if a check fails. Failures are printed as they happen. --only takes a
shell pattern for files of the manifest (``rasterio/*``) or for special checks (``special:*``,
``special:edges``), and may be repeated; the page then contains only those. --quick makes only ten
cloud-optimised files. --interruption and --disk add special checks that take long or need root.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rasterio.errors import RasterioError

from ..findings import Findings
from ..program import Program
from . import agreement, disk, edges, interruption, manifest, models, report, tools
from .cases import Bench, Result

ROOT = Path(__file__).resolve().parents[3]
QUICK_COGS = 10
FAULTS = (OSError, ValueError, KeyError, RuntimeError, RasterioError)


def options() -> argparse.Namespace:
    """The command line."""
    where = os.environ.get("ARTIR_REAL_DATA", ROOT.parent / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, default=ROOT / "target/release/artir")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "validation/geotiff.md")
    parser.add_argument("--data", type=Path, default=Path(where) / "geotiff")
    parser.add_argument(
        "--only",
        action="append",
        metavar="PATTERN",
        help="files of the manifest (rasterio/*) or special checks (special:edges); repeatable",
    )
    parser.add_argument("--quick", action="store_true", help="few cloud-optimised")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--interruption", action="store_true", help="kill and resume")
    parser.add_argument("--disk", action="store_true", help="full and faulty storage")
    return parser.parse_args()


def special_checks(bench: Bench, data: Path, chosen: argparse.Namespace) -> list[tuple[str, str]]:
    """The lines of the special checks."""
    checks: dict[str, Callable[[Bench, Path, Path], list[tuple[str, str]]]] = {
        "edges": edges.check,
        "agreement": agreement.check,
    }
    if chosen.interruption:
        checks["killed"] = interruption.check
    if chosen.disk:
        checks["disk"] = disk.check
    lines = []
    for name, check in checks.items():
        if not manifest.matches(f"special:{name}", chosen.only):
            continue
        bench.findings.note(f"special:{name}")
        folder = bench.work / f"special-{name}"
        folder.mkdir()
        try:
            lines += check(bench, folder, data)
        except FAULTS as error:  # the other checks still run
            outcome = bench.findings.cell(name, "check", [repr(error)])
            lines.append((name, outcome))
    return lines


def files(
    bench: Bench, entries: list[manifest.Entry], chosen: argparse.Namespace
) -> tuple[list[Result], list[Result]]:
    """Every file, and some as cloud-optimised ones."""
    as_cog = [entry for entry in entries if entry.cog]
    if chosen.quick:
        as_cog = as_cog[:QUICK_COGS]
    if not bench.program.offers("geo", "--format"):
        bench.findings.note("this artir has no --format: nothing is cloud-optimised")
        as_cog = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        results = pool.map(bench.check, entries)
        cogs = pool.map(lambda entry: bench.check(entry, cog=True), as_cog)
        return list(results), list(cogs)


def main() -> int:
    chosen = options()
    data = chosen.data.resolve()
    if not (data / "manifest.csv").is_file():
        print(f"no data: {data} has no manifest.csv. Name a folder by --data or ARTIR_REAL_DATA")
        return 1
    if absent := tools.missing():
        print(f"not installed: {', '.join(absent)}")
        return 1
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="geotiff-") as folder:
        work = Path(folder).resolve()
        program = Program(chosen.artir, work)
        identity = {n: models.write(work / f"identity-{n}.onnx", n) for n in (1, 3)}
        threads = max(1, (os.cpu_count() or 1) // chosen.jobs)
        bench = Bench(program, work, identity, threads, findings)
        before = manifest.snapshot(data)
        results, cogs = files(bench, manifest.read(data, chosen.only), chosen)
        special = special_checks(bench, data, chosen)
        after = manifest.snapshot(data)
        changed = sorted(
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        )
        outcome = findings.cell("sources", "folder", changed, "unchanged")
        special.append(("the folder of the sources, before and after", outcome))
        hidden = {str(data): "DATA", str(work): "WORK", str(ROOT): "ROOT"}
        version = bench.tools.version()
        report.write(chosen.output, results, cogs, special, version, findings.failures, hidden)
    print(f"{len(results) + len(cogs)} runs, {findings.failures} failed checks")
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
