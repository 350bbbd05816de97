"""GDAL's command-line tools and the second reader, each under limits of memory and time."""

import ast
import json
import re
import shutil
import sys
from pathlib import Path

from ..program import Program, Run
from . import metadata

SECONDS = 120
COMPARER = ("gdalcompare.py", "gdalcompare")
# gdalcompare.py compares no band where metadata differ. A result names artir in its metadata.
BANDS = """
import sys
from osgeo import gdal
from osgeo_utils.gdalcompare import compare_db
options = {"open_options": ["OVERVIEW_LEVEL=NONE"]} if sys.argv[3] == "without-overviews" else {}
pair = [gdal.OpenEx(path, gdal.OF_RASTER, **options) for path in sys.argv[1:3]]
print("Differences Found:", compare_db(*pair, ["SKIP_METADATA"]))
"""
# Differences that gdalcompare.py may report, with the reason.
ALLOWED = (
    (r"Files differ at the binary level\.", "compressed anew, with another layout"),
    (r".?Skipped binary file comparison", "a part of a file is no file"),
    (r"Band \d+.* overview \d+", "overviews are made anew from the restored pixels"),
    (r".*\"STATISTICS_\w+\"", "statistics of the pixels before"),
    (r".*\"(TIFFTAG_M(IN|AX)SAMPLEVALUE|actual_range)\"", "statistics of the pixels before"),
    (r".*\"TIFFTAG_SOFTWARE\"", "the result names the program that wrote it"),
)
VALUE = re.compile(r"  (?:Golden|New):")
COLOUR = re.compile(r"Band (\d+) color interpretation values differ\.")
TOLD = "a colour interpretation that a GeoTIFF cannot hold, as artir tells"


def missing() -> list[str]:
    """Tools that are not installed."""
    needed = ["gdalinfo", "gdal_translate"]
    absent = [tool for tool in needed if not shutil.which(tool)]
    return absent + ([] if comparer() else [COMPARER[0]])


def comparer() -> str | None:
    """The name of gdalcompare in this installation."""
    return next(filter(shutil.which, COMPARER), None)


def interpreter() -> str:
    """The Python that GDAL's tools run in."""
    script = Path(shutil.which(comparer() or "") or "")
    first = script.read_text().partition("\n")[0]
    return first.removeprefix("#!").split()[-1] if first.startswith("#!") else "python3"


class Tools:
    """Runs the checking tools."""

    def __init__(self, work: Path):
        # env finds each tool, and its own children count for the limits.
        self.program = Program(Path(shutil.which("env") or "/usr/bin/env"), work)

    def run(self, *command: object, seconds: float = SECONDS) -> Run:
        """Runs one tool."""
        return self.program.run(*command, seconds=seconds)

    def version(self) -> str:
        """GDAL's version, as its tools report it."""
        told = self.run("gdalinfo", "--version").stdout
        return told.partition(",")[0].removeprefix("GDAL ")

    def info(self, path: Path) -> metadata.Json | None:
        """gdalinfo's JSON, with every metadata domain."""
        return metadata.parse(self.run("gdalinfo", "-json", "-mdd", "all", path).stdout)

    def _script(self, *arguments: object, seconds: float) -> dict:
        script = Path(__file__).with_name("pixels.py")
        run = self.run(sys.executable, "-P", script, *arguments, seconds=seconds)
        try:
            return json.loads(run.stdout)
        except json.JSONDecodeError:
            told = run.stderr.strip().splitlines()[-1:] or [f"exit code {run.code}"]
            return {"unreadable": "time limit" if run.timed_out else told[0]}

    def pixels(self, source: Path, output: Path, seconds: float = SECONDS) -> dict:
        """Pixels and masks as rasterio reads them."""
        return self._script(source, output, seconds, seconds=2 * seconds + 60)

    def valid_cog(self, path: Path) -> dict:
        """The result of `rio cogeo validate`."""
        return self._script("--cog", path, seconds=SECONDS)

    def decoded(self, source: Path, to: Path) -> bool:
        """Decodes the source with GDAL's tools, for rasterio."""
        options = ("-co", "COMPRESS=DEFLATE", "-co", "BIGTIFF=IF_SAFER")
        run = self.run(
            *("gdal_translate", "-q", "--config", "GDAL_TIFF_INTERNAL_MASK", "YES"),
            *(*options, source, to),
            seconds=2 * SECONDS,
        )
        return run.code == 0 and "ERROR" not in run.stderr

    def compared(
        self, source: Path, output: Path, lost: str = "", overviews: bool = True
    ) -> tuple[list[str], list[str]]:
        """Faults that gdalcompare.py reports, and known differences.

        ``lost`` is what artir said that the result lacks. ``overviews`` is whether those of both
        files are compared: gdalcompare.py fails on those of other sizes.
        """
        run = self.run(comparer(), source, output)
        if run.timed_out:
            return [], ["gdalcompare: time limit"]
        if "Differences Found:" not in run.stdout:
            itself = self.run(comparer(), source, source)
            if "Differences Found:" not in itself.stdout:
                return [], ["gdalcompare fails on the source by itself"]
            return [f"gdalcompare: {run.stderr.strip().splitlines()[-1:]}"], []
        levels = "with-overviews" if overviews else "without-overviews"
        bands = self.run(interpreter(), "-c", BANDS, source, output, levels)
        if "Differences Found:" not in bands.stdout:
            return [f"gdalcompare, bands: {bands.stderr.strip().splitlines()[-1:]}"], []
        wrong, known = judged(run.stdout, lost)
        more, also = judged(bands.stdout, lost)
        return wrong + [one for one in more if one not in wrong], sorted({*known, *also})


def judged(text: str, lost: str = "") -> tuple[list[str], list[str]]:
    """gdalcompare.py's differences; those of ALLOWED, and those that artir told, separately."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if blocks and _is_open(blocks[-1]) and not VALUE.match(line):
            # A value of several lines.
            blocks[-1][-1] += f"\n{line}"
        elif line.startswith("  ") and blocks:
            blocks[-1].append(line.strip())
        elif line.strip() and not line.startswith("Differences Found:"):
            blocks.append([line.strip()])
    wrong, known = [], set()
    for head, *details in blocks:
        reason = next((why for what, why in ALLOWED if re.match(what, head)), None)
        if reason is None and head.endswith("metadata key count"):
            reason = _keys(details)
        if head == "Difference in SRS!" and any("IsSame() reports" in d for d in details):
            reason = "names of conversions and axes, for which GeoTIFF has no keys"
        if reason is None and head.endswith("nodata values differ."):
            values = {detail.partition(":")[2].strip() for detail in details}
            reason = "NaN is no equal of itself" if values == {"nan"} else None
        if reason is None and (colour := COLOUR.fullmatch(head)):
            field = rf"\bcolour interpretation of band {colour[1]}(?!\d)"
            reason = TOLD if re.search(field, lost) else None
        if reason:
            known.add(reason)
        else:
            wrong.append(f"gdalcompare: {metadata.short(' '.join([head, *details]))}")
    return wrong, [f"gdalcompare: {why}" for why in sorted(known)]


def _is_open(block: list[str]) -> bool:
    """Whether the last value of a difference has no closing quote yet."""
    last = block[-1]
    begun = re.match(r'(?:Golden|New):\s*"', last)
    return begun is not None and (len(last) == begun.end() or not last.endswith('"'))


def _keys(details: list[str]) -> str | None:
    """The reason why two lists of keys may differ, if there is one."""
    lists = []
    for detail in details[:2]:
        try:
            lists.append(set(ast.literal_eval(detail.partition(":")[2].strip())))
        except (SyntaxError, ValueError):
            return None
    if len(lists) != 2:
        return None
    own = {"TIFFTAG_SOFTWARE"}
    lost, added = lists[0] - lists[1] - own, lists[1] - lists[0] - own
    if not lost and not added:
        return "the result names the program that wrote it"
    if not lost and added == {"AREA_OR_POINT"}:
        return "pixels are areas where nothing is said, and a GeoTIFF says so of itself"
    if not lost and added == {"METADATATYPE"}:
        return "GDAL names the kind of a sidecar file only once it has read it"
    if all(key.startswith(metadata.FIGURES) for key in lost | added):
        return "statistics of the pixels before"
    return None
