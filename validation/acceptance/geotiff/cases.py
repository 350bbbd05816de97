"""Runs artir on one file and checks the result in every way."""

import re
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..findings import Findings
from ..program import Program, Run
from . import metadata
from .manifest import Entry
from .tools import Tools

MEMORY = 5 << 29
SECONDS, SECONDS_BIG = 120, 300
DONE, REFUSED = 0, 3
# Refused under its own name, and equal under the names that the refusal gives.
NAMED = "by another name"
# Two decoders of these may round differently. GDAL's own tools then decide.
LOSSY = ("JPEG", "YCbCr JPEG", "OJPEG", "WEBP", "LERC", "JXL")
NAME = "restored.tif"
BESIDE = f"{NAME}.aux.xml"
BESIDE_TOO = (".ovr", ".msk")


@dataclass
class Result:
    """The outcome for one file."""

    entry: Entry
    verdict: str = "equal"
    reason: str = ""
    compression: str = ""
    code: int = 0
    peak: int = 0
    seconds: float = 0.0
    beside: bool = False
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Bench:
    """Runs artir over entries, in folders of their own."""

    def __init__(
        self,
        program: Program,
        work: Path,
        models: dict[int, Path],
        threads: int,
        findings: Findings,
    ):
        self.program, self.work, self.models = program, work, models
        self.threads, self.findings = threads, findings
        self.tools = Tools(work)
        self.compares = program.offers("geo", "--compare")

    def options(self, entry: Entry) -> list[object]:
        """The command line after the paths."""
        model = self.models[entry.channels]
        options = ["--strength", 0, "--model", model, "--threads", self.threads]
        return [*options, *entry.band_options]

    def check(self, entry: Entry, cog: bool = False) -> Result:
        """Runs and checks one file. The output is deleted afterwards."""
        result = Result(entry)
        label = f"{'cog ' if cog else ''}{entry.name}"
        folder = self.work / re.sub(r"\W", "-", label)
        out = folder / "out"
        out.mkdir(parents=True)
        try:
            options = self.options(entry) + (["--format", "cog"] if cog else [])
            limit = SECONDS_BIG if entry.big else SECONDS
            begun = time.monotonic()
            run = self.program.run("geo", entry.path, "-o", out / NAME, *options, seconds=limit)
            result.seconds = time.monotonic() - begun
            result.code, result.peak = run.code, run.peak
            result.problems = [p for p in run.problems(MEMORY) if "exit code" not in p]
            left = sorted(path.name for path in out.iterdir())
            lost = re.search(r"the result cannot hold the scene's (.*)", run.stderr)
            if run.code == DONE:
                self.done(result, out / NAME, left, cog, lost.group(1) if lost else "")
            else:
                self.refused(result, run, out, left)
                self.by_other_names(result, folder, cog)
        finally:
            shutil.rmtree(folder)
        if result.problems:
            result.verdict = "FAILED"
            self.findings.cell(label, "geo", result.problems)
        self.findings.note(f"{result.verdict} {label}: {result.reason}")
        return result

    def refused(self, result: Result, run: Run, out: Path, left: list[str]) -> None:
        """Checks a refusal: exit code 3, a reason, and no files."""
        result.verdict = "refused"
        told = reasons(run, result.entry, out)
        result.reason = "; ".join(told)
        if run.code != REFUSED:
            said = run.stderr.strip().splitlines()[:1]
            words = result.reason or " ".join(said) or "without a reason"
            result.problems.append(f"exit code {run.code}: {words}")
        elif not told:
            result.problems.append("refused without a reason")
        if left:
            result.problems.append(f"refused, and left {', '.join(left)}")

    def by_other_names(self, result: Result, folder: Path, cog: bool) -> None:
        """Restores a refused file under the names that the refusal gives, if it gives any."""
        if cog or result.problems:
            return
        found = [self.named(entry, result) for entry in self.other_names(result, folder)]
        if not found or any(part.code != DONE for part in found):
            return
        problems = [problem for part in found for problem in part.problems]
        if problems:
            result.notes.append(f"under the names that the refusal gives: {problems[0]}")
        else:
            result.verdict = NAMED

    def other_names(self, result: Result, folder: Path) -> list[Entry]:
        """The images of a file of several, and the colours of a palette."""
        source, names = result.entry.path, []
        if "gdal_translate -expand rgb" in result.reason:
            names.append(folder / "expanded.vrt")
            form = ("-of", "VRT", "-expand", "rgb")
            self.tools.run("gdal_translate", "-q", *form, source, names[0])
        for part in sorted(set(re.findall(r"GTIFF_DIR:\d+", result.reason))):
            names.append(Path(f"{part}:{source}"))
        found = []
        for name in names:
            bands = (self.tools.info(name) or {}).get("bands", [])
            colours = tuple(band.get("colorInterpretation", "") for band in bands)
            types = tuple(band.get("type", "") for band in bands)
            # A virtual raster lies elsewhere than the file that it names.
            found.append(
                replace(
                    result.entry,
                    path=name,
                    allowed=source.parent,
                    bands=len(bands),
                    types=types,
                    colours=colours,
                )
            )
        return found

    def named(self, entry: Entry, like: Result) -> Result:
        """Runs and checks a file under another name."""
        found = Result(entry)
        out = self.work / re.sub(r"\W", "-", f"named {entry.name} {entry.path.name}")
        out.mkdir()
        try:
            options = [*self.options(entry), "--allow-path", entry.allowed]
            run = self.program.run("geo", entry.path, "-o", out / NAME, *options, seconds=SECONDS)
            found.code, found.peak = run.code, run.peak
            like.peak = max(like.peak, run.peak)
            if run.code == DONE:
                left = sorted(path.name for path in out.iterdir())
                lost = re.search(r"the result cannot hold the scene's (.*)", run.stderr)
                self.done(found, out / NAME, left, False, lost.group(1) if lost else "")
        finally:
            shutil.rmtree(out)
        return found

    def done(self, result: Result, out: Path, left: list[str], cog: bool, lost: str) -> None:
        """Compares a result with its source."""
        result.beside = BESIDE in left
        # Overviews and masks that lie beside the source may lie beside the result.
        source = result.entry.path
        allowed = {NAME + s for s in BESIDE_TOO if Path(f"{source}{s}").exists()}
        if set(left) - allowed - {BESIDE} != {NAME}:
            result.problems.append(f"the folder holds {', '.join(left) or 'nothing'}")
        if not out.exists():
            return
        self.pixels(result, out)
        overviews = self.fields(result, out, cog, lost)
        if cog:
            told = self.tools.valid_cog(out)
            result.problems += told.get("problems", [str(told.get("unreadable"))])
            return
        wrong, known = self.tools.compared(result.entry.path, out, lost, overviews)
        result.problems += wrong
        result.notes += known
        if self.compares and not lost:
            may = ("--allow-path", result.entry.allowed) if result.entry.allowed else ()
            run = self.program.run("geo", "--compare", result.entry.path, out, *may)
            if run.code:
                said = " ".join((run.stdout + run.stderr).split())[:200]
                result.problems.append(f"--compare: exit code {run.code}: {said}")

    def pixels(self, result: Result, out: Path) -> None:
        """Compares pixels bit for bit. GDAL's tools decode the source if the second reader cannot,
        or rounds a lossy stream differently."""
        source = result.entry.path
        told = self.tools.pixels(source, out)
        lossy = result.entry.compression.startswith(LOSSY)
        if "unreadable" in told or (told["problems"] and lossy):
            plain = out.with_name("decoded.tif")
            if self.tools.decoded(source, plain):
                result.notes.append("source decoded by gdal_translate")
                told = self.tools.pixels(plain, out)
            plain.unlink(missing_ok=True)
        if "unreadable" in told:
            words = f"written, but no reader decodes it: {told['unreadable']}"
            result.problems.append(words)
            return
        result.problems += told["problems"]
        if told.get("share", 1) < 1:
            result.notes.append("pixels compared in part, for time")

    def fields(self, result: Result, out: Path, cog: bool, lost: str) -> bool:
        """Compares the fields of gdalinfo. `lost` is what artir said that the result lacks.

        Returns whether overviews must have the sizes of the source's.
        """
        source = result.entry.path
        before, after = self.tools.info(source), self.tools.info(out)
        if before is None or after is None:
            if before is not None:
                result.problems.append("gdalinfo cannot read it")
            else:
                result.notes.append("gdalinfo cannot tell the source's fields")
            return True
        result.compression = metadata.compression(after)
        if after.get("driverShortName") != "GTiff":
            result.problems.append(f"driver {after.get('driverShortName')}")
        if (cog or metadata.is_cog(before)) and not metadata.is_cog(after):
            result.problems.append("LAYOUT is not COG")
        scrubbed = (
            metadata.scrub(before, str(source), cog),
            metadata.scrub(after, str(out), cog),
        )
        made_anew = not cog and metadata.cog_overviews(before, after)
        if made_anew:
            scrubbed = tuple(map(metadata.without_overviews, scrubbed))
            result.notes.append("a COG of a COG: the overviews that GDAL's COG driver makes")
        if reason := metadata.other_words(*scrubbed):
            result.notes.append(reason)
        found = list(metadata.differences(*scrubbed))
        result.problems += [text for text in found if not metadata.told(text, lost)]
        if lost:
            result.notes.append("artir tells what a GeoTIFF cannot hold")
        if not cog:
            wrong, told = metadata.layout(before, after)
            result.problems += wrong
            result.notes += told
        return not made_anew


def reasons(run: Run, entry: Entry, out: Path) -> list[str]:
    """artir's own messages, without paths. Libraries write to the same stream."""
    found = []
    for line in run.stderr.splitlines():
        if not line.startswith("artir: "):
            continue
        line = line.removeprefix("artir: ")
        names = (out / NAME, out, entry.path, entry.path.parent, entry.path.name)
        for name in map(str, names):
            line = line.replace(name, "@")
        found.append(re.sub(r"^@: ", "", line).replace("@", "FILE"))
    return found
