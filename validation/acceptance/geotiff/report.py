"""Writes the page: summary, checks, refusals with their reasons, and every file."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy
import rasterio
import rio_cogeo

from .cases import BESIDE, NAMED, Result
from .tools import ALLOWED, TOLD

HEAD = "# GeoTIFF conformance\n"
INTRODUCTION = (
    "`artir geo` at `--strength 0`, with a model that returns its input, over the TIFFs "
    "that GDAL, rasterio, libgeotiff and others test with, and over real scenes: the output "
    "must equal the input. Written by `make conformance`; do not edit."
)
CHECKED = f"""## What is checked

- Every run: exit code 0, or 3 with a reason. No crash. At most 120 s (300 s for files that the manifest calls large) and
  2.5 GiB resident. A refused file leaves nothing in the output folder. A restored one leaves only itself, a
  `{BESIDE.replace("restored", "FILE")}` for metadata that a TIFF cannot contain, and files for overviews or masks
  (`.ovr`, `.msk`) if the source has such files.
- Pixels of every band and mask, bit for bit (also NaN), as read by rasterio, whose GDAL is not artir's. If rasterio's
  decoder of a lossy stream rounds differently, or if it has none, `gdal_translate` decodes the source.
- Every field of `gdalinfo -json -mdd all`, including the sizes of overviews, except: names of files and values derived
  from them; statistics; the compression of blocks; names of conversions, axes and usages in a CRS, for which GeoTIFF has
  no keys; the form of an RPC's numbers; AREA_OR_POINT=Area where the source states nothing. Tiles keep their size. Strips
  may change theirs. A field may be missing if artir's warning names it: `--strict` refuses such a scene.
- A CRS may get the EPSG code of a UTM zone if its parameters are those of the source. Its numbers are equal to one unit in
  the fifteenth digit, since GDAL writes no more digits.
- The result of a cloud-optimised source is cloud-optimised. Its overviews have the sizes of the source's, or exactly those
  that GDAL's COG driver makes: half of the one before, until one fits a block. Its blocks have the size of the source's. Blocks
  that this driver does not make (under 128 pixels, or not square) become blocks of 512.
- `gdalcompare.py` reports no differences except those below. It compares no overviews of other sizes.
- `artir geo --compare` agrees, if the binary has it.
- As a cloud-optimised GeoTIFF (`--format cog`), for RGB of Byte, UInt16 or Float32: the same pixels and fields, except
  layout and overviews. `rio cogeo validate` passes.
"""


def escape(text: str) -> str:
    """Text that fits a cell."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def table(head: list[str], lines: Iterable[list[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(map(escape, row))} |\n" for row in rows)


def kind(reason: str) -> str:
    """A reason without its numbers, so that equal refusals are counted together."""
    return re.sub(r"(?<![A-Za-z\d.])-?\d[\d.,]*(?<![.,])", "N", reason)


def worst(results: list[Result]) -> list[list[str]]:
    """The heaviest and the longest run."""
    if not results:
        return []
    heavy = max(results, key=lambda r: r.peak)
    long = max(results, key=lambda r: r.seconds)
    return [
        ["largest resident size", f"{heavy.peak / 2**20:.0f} MiB, {heavy.entry.name}"],
        ["longest run", f"{long.seconds:.1f} s, {long.entry.name}"],
    ]


def summary(results: list[Result], cogs: list[Result], failures: int) -> str:
    """The figures that matter."""
    count = Counter(result.verdict for result in results)
    cog = Counter(result.verdict for result in cogs)
    decodable = sum(r.verdict == "refused" and r.entry.decode == "ok" for r in results)
    lines = [
        ["files", str(len(results))],
        ["equal", str(count["equal"])],
        ["of these with an `.aux.xml` beside", str(sum(r.beside for r in results))],
        ["refused", f"{count['refused']}, of which GDAL decodes {decodable}"],
        [
            "refused under their own name, equal under the names that the reason gives (the parts of "
            "a file, a palette that is expanded)",
            str(count[NAMED]),
        ],
        ["failed", str(count["FAILED"])],
        [
            "cloud-optimised",
            f"{len(cogs)}: {cog['equal']} equal, {cog['refused']} refused, {cog['FAILED']} failed",
        ],
        ["failed checks, the special ones included", str(failures)],
        *worst(results + cogs),
    ]
    return "## Summary\n\n" + table(["", ""], lines)


def groups(results: list[Result]) -> dict[str, list[Result]]:
    """Refused files by kind of reason, the most frequent first."""
    found: dict[str, list[Result]] = {}
    for result in results:
        if result.verdict == "refused":
            found.setdefault(kind(result.reason), []).append(result)
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def refused(results: list[Result]) -> str:
    """A line for each reason, numbered for the list of files."""
    lines = []
    for number, (reason, which) in enumerate(groups(results).items(), 1):
        told = Counter(result.entry.told for result in which)
        gdal = ", ".join(f"{count} {word}" for word, count in sorted(told.items()))
        example = which[0].entry.name
        lines.append([str(number), reason, str(len(which)), gdal, example])
    return "## Refused\n\n" + table(["no.", "reason", "files", "GDAL", "example"], lines)


def notes(results: list[Result]) -> str:
    """Known differences, and their number."""
    count = Counter(note for result in results for note in result.notes)
    lines = [[note, str(number)] for note, number in sorted(count.items())]
    allowed = "; ".join(sorted({why for _, why in ALLOWED}))
    return (
        "## Known differences\n\n"
        f"Allowed of `gdalcompare.py`: {allowed}; NaN as nodata, which it calls different from "
        f"itself; {TOLD}.\n\n" + table(["difference", "files"], lines)
    )


def every(results: list[Result], cogs: list[Result]) -> str:
    """The complete list."""
    numbers = {reason: n for n, reason in enumerate(groups(results), 1)}
    as_cog = {result.entry.name: result for result in cogs}
    lines = []
    for result in results:
        name = result.entry.name
        if result.verdict == "refused":
            words = f"no. {numbers[kind(result.reason)]}"
        elif result.verdict == NAMED:
            words = result.reason
        elif result.verdict == "FAILED":
            words = f"{len(result.problems)}: {result.problems[0]}"
        else:
            words = f"{result.entry.compression} -> {result.compression}"
        cog = as_cog.get(name)
        said = ""
        if cog:
            said = cog.verdict
            if cog.verdict == "FAILED":
                said += f", {len(cog.problems)}: {cog.problems[0]}"
        lines.append([name, result.verdict, words[:200], said[:200]])
    return "## Every file\n\n" + table(
        ["file", "result", "compression, or reason", "as COG"], lines
    )


def tools(gdal: str) -> str:
    """Versions of the tools that check."""
    told = {
        "GDAL": f"{gdal} (tools)",
        "rasterio": f"{rasterio.__version__} (GDAL {rasterio.__gdal_version__})",
        "rio-cogeo": rio_cogeo.__version__,
        "numpy": numpy.__version__,
    }
    return "Checked with " + ", ".join(f"{k} {v}" for k, v in told.items()) + ".\n"


def write(
    path: Path,
    results: list[Result],
    cogs: list[Result],
    special: list[tuple[str, str]],
    gdal: str,
    failures: int,
    hidden: dict[str, str],
) -> None:
    """Writes the page; ``hidden`` maps paths of this machine to placeholders."""
    parts = [HEAD, INTRODUCTION + "\n", summary(results, cogs, failures), tools(gdal)]
    parts.append(CHECKED)
    if special:
        lines = [list(line) for line in special]
        parts.append("## Special checks\n\n" + table(["check", "outcome"], lines))
    parts += [refused(results), notes(results), every(results, cogs)]
    text = "\n".join(parts)
    for name, stand_in in hidden.items():
        text = text.replace(name, stand_in)
    path.write_text(text)
