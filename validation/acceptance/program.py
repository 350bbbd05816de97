"""Runs the artir binary and finds faults of its exit."""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENTED = (0, 3, 4, 5)
GIB = 1 << 30
RUNTIME = "libonnxruntime.so"


@dataclass
class Run:
    """One run: its exit, its output, and the paths to remove from quotes."""

    code: int
    peak: int
    timed_out: bool
    stdout: str
    stderr: str
    command: str
    hidden: list[Path] = field(default_factory=list)

    def problems(self, memory: int = GIB) -> list[str]:
        """Faults that no run may have, regardless of its input."""
        found = []
        if self.timed_out:
            found.append("time limit")
        elif self.code < 0:
            found.append(f"crash by signal {-self.code}")
        elif self.code not in DOCUMENTED:
            found.append(f"undocumented exit code {self.code}")
        if "panicked" in self.stderr:
            found.append("panic")
        if self.peak > memory:
            found.append(f"more than {memory / GIB:g} GiB resident")
        return found

    def _lines(self) -> list[str]:
        text = self.stderr
        # Longer paths come first: a file's path contains its folder's.
        for path in sorted(map(str, self.hidden), key=len, reverse=True):
            text = re.sub(re.escape(path) + r"(/[^:\n]*)?", "@", text)
        lines = [line.removeprefix("artir: ") for line in text.splitlines()]
        return [line.replace("@: ", "").replace("@", "PATH") for line in lines if line]

    def set_aside(self) -> dict[str, int]:
        """Files that were left out, by reason."""
        out: dict[str, int] = {}
        for line in self._lines():
            if told := re.match(r"(\d+) file\(s\) skipped: (.*)", line):
                out[told[2]] = out.get(told[2], 0) + int(told[1])
        return out

    def reasons(self) -> list[str]:
        """Lines on standard error except those about skipped files, without paths."""
        return [line for line in self._lines() if "file(s) skipped:" not in line]


class Program:
    """The binary, with the environment that it runs in."""

    def __init__(self, path: Path, work: Path):
        self.path = path.resolve()
        self.work = work
        self.environment = dict(os.environ)
        root = Path(__file__).resolve().parents[2]
        runtime = sorted((root / ".runtime").glob(f"{RUNTIME}*"))
        if runtime and "ORT_DYLIB_PATH" not in self.environment:
            self.environment["ORT_DYLIB_PATH"] = str(runtime[-1])
        self._help: dict[str, str] = {}

    def command(self, *arguments: object) -> list[str]:
        """The command line."""
        return [str(self.path), *map(str, arguments)]

    def run(self, *arguments: object, seconds: float = 120) -> Run:
        """Runs it to its end or to the time limit."""
        command = self.command(*arguments)
        with tempfile.NamedTemporaryFile(dir=self.work, suffix=".json") as result:
            limits = Path(__file__).with_name("limits.py")
            wrapper = [sys.executable, "-I", "-S", limits, result.name, str(seconds)]
            done = subprocess.run(
                [*wrapper, *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=seconds + 60,
            )
            told = json.loads(Path(result.name).read_text())
        return Run(
            told["code"],
            told["peak"],
            told["timed_out"],
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
            " ".join(command),
        )

    def offers(self, command: str, flag: str) -> bool:
        """Whether a command's help names a flag."""
        if command not in self._help:
            self._help[command] = self.run(command, "--help").stdout
        return re.search(rf"{re.escape(flag)}\b", self._help[command]) is not None
