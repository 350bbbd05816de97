"""The inputs, and one row of the table for each."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ..findings import Findings
from ..program import GIB, Program, Run
from . import images, models, outputs
from .outputs import Checker

WHOLE, SAMPLE = 8, 3
TASKS = {"ct": "ct-denoise", "pet": "pet-enhance"}
# The built-in model takes an image of 512x512 in one piece, which is more than the limit for
# everything else.
MODEL_MEMORY = 5 * GIB // 2


@dataclass
class Case:
    """An input and a command."""

    path: Path
    label: str
    command: str

    @property
    def title(self) -> str:
        """Its name in failures."""
        return f"{self.command} {self.label}"


@dataclass
class Row:
    """A line of the table. ``refused`` replaces all cells if nothing was written."""

    case: Case
    outcome: str
    refused: bool
    code: int
    cells: dict[str, str] = field(default_factory=dict)


def inputs(data: Path) -> list[tuple[Path, str]]:
    """Every folder with files, and each file of the robustness folders, with relative names.

    A DICOMDIR is an index, whose series are those of its folder: not a case of its own.
    """
    out = []
    for folder in sorted(p for p in data.rglob("*") if p.is_dir()):
        files = sorted(p for p in folder.iterdir() if p.is_file())
        if not files:
            continue
        out.append((folder, f"{folder.relative_to(data)}/"))
        if "robustness" in folder.relative_to(data).parts:
            out += [(p, str(p.relative_to(data))) for p in files if p.name != "DICOMDIR"]
    return out


class Bench:
    """Runs cases and fills their rows."""

    def __init__(self, program: Program, checker: Checker, work: Path, quick: bool):
        self.program, self.checker, self.work = program, checker, work
        self.findings: Findings = checker.findings
        self.quick = quick
        self.identity, self.convolution = {}, {}
        for command, task in TASKS.items():
            path = work / f"identity-{command}.onnx"
            self.identity[command] = models.write(path, task)
            path = work / f"convolution-{command}.onnx"
            self.convolution[command] = models.write(path, task, models.KERNEL)

    def run(
        self, command: str, source: Path, out: Path, *more: object, seconds: float = 300
    ) -> Run:
        """One run of artir over a source."""
        run = self.program.run(command, source, "-o", out, *more, seconds=seconds)
        models_used = [*self.identity.values(), *self.convolution.values()]
        run.hidden = [source, out, *models_used]
        return run

    def row(self, case: Case) -> Row:
        """Runs and checks one case."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            out = Path(folder) / "out"
            model = self.identity[case.command]
            options = ("--strength", 0, "--model", model)
            run = self.run(case.command, case.path, out, *options)
            problems = run.problems()
            count = sum(map(len, outputs.folders(out).values()))
            problems += self.contradictions(run, count)
            if count and run.code == 0:
                problems += self.unaccounted(case, run, count)
            if problems:
                problems.append(f"{run.command}: {run.stderr[-600:]!r}")
            flagged = self.findings.cell(case.title, "run", problems, "")
            row = Row(case, self.outcome(run, count), count == 0, run.code)
            if flagged:
                row.outcome += f" {flagged}: {problems[0]}"
            if not count:
                return row
            sources = images.records(case.path) or images.files(case.path)
            cells, found = self.checker.unchanged(case.title, out, sources)
            shutil.rmtree(out)
            cells["with a model"] = self.with_model(case, found, Path(folder))
            row.cells = cells
            return row

    @staticmethod
    def contradictions(run: Run, count: int) -> list[str]:
        """Faults: exit codes that contradict what was written."""
        if count and run.code not in (0, 4):
            return [f"exit code {run.code}, and {count} files were written"]
        if not count and run.code in (0, 4):
            return [f"exit code {run.code}, and nothing was written"]
        if run.code and not run.reasons():
            return ["the reason is missing"]
        return []

    @staticmethod
    def unaccounted(case: Case, run: Run, count: int) -> list[str]:
        """Faults: files that are neither restored nor counted as skipped."""
        listed = images.records(case.path) or images.files(case.path)
        there, aside = len(listed), sum(run.set_aside().values())
        if count + aside == there:
            return []
        return [f"{there} files: {count} restored and {aside} set aside"]

    @staticmethod
    def outcome(run: Run, count: int) -> str:
        """The outcome of the input, in words."""
        aside = [f"{n} set aside: {why}" for why, n in sorted(run.set_aside().items())]
        reasons = list(dict.fromkeys(run.reasons()))
        if count:
            return "; ".join([f"restored {count}", *aside, *reasons])
        return "; ".join(reasons) or "reason missing"

    def with_model(self, case: Case, found: list[outputs.Pair], folder: Path) -> str:
        """The same checks after a model that changes pixels, on a few slices."""
        sources = sorted({pair.source for pair in found})
        if self.quick or not sources:
            return ""
        if len(sources) > WHOLE:
            sources = [sources[0], sources[len(sources) // 2], sources[-1]]
        some = folder / "some"
        some.mkdir()
        for index, source in enumerate(sources):
            (some / f"{index:02}.dcm").symlink_to(source)
        out = folder / "restored"
        if case.command == "pet":
            more = ("--model", self.convolution["pet"])
            check, besides = outputs.check_convolved, frozenset({"RescaleSlope"})
        else:
            more, check, besides = (), outputs.check_restored, frozenset()
        run = self.run(case.command, some, out, *more, seconds=600)
        problems = run.problems(MODEL_MEMORY)
        if run.code != 0:
            problems.append(f"exit code {run.code}: {run.stderr[-600:]!r}")
        if self.findings.cell(case.title, "run with a model", problems) != "ok":
            return "FAILED"
        return self.checker.restored(case.title, out, sources, check, besides)
