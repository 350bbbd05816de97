"""Compares runtimes: one process each, runs in turn, medians."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

TIMED = (
    "artir",
    "artir, fast",
    "ONNX Runtime",
    "OpenVINO",
    "OpenVINO, bf16",
    "PyTorch",
)
"""Timed at every size."""
INT8 = ("ONNX Runtime, int8", "OpenVINO, int8")
"""int8 without calibration, up to :data:`SMALL` pixels."""
AVX2 = ("artir, AVX2", "OpenVINO, AVX2")
"""Without the instructions beyond AVX2, up to :data:`SMALL` pixels."""
WITHOUT = {"ARTIR_MAX_CPU_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Variables of the environment that leave out instructions."""
COMPILED = ("PyTorch, compiled", "PyTorch, compiled, bf16")
"""Timed up to :data:`SMALL` pixels, because it is compiled again for every size."""
SMALL = 512 * 512
SLOW = ("OpenVINO, bf16", "PyTorch")
"""For images of more than :data:`SMALL` pixels, the first run of these counts."""
PAUSE = 0.2
"""Seconds between two runs. A thread pool spins for a while and would slow the next runtime."""
FRAME = (2160, 3840)
FRAME_RUNTIMES = ("artir", "artir, fast", "ONNX Runtime", "OpenVINO")


class Worker:
    """A runtime in a process of its own."""

    def __init__(self, runtime: str, model: Path, threads: int, library: Path):
        command = [
            sys.executable,
            "-m",
            "lab.bench.worker",
            runtime,
            str(model),
            str(threads),
        ]
        if runtime.startswith("artir"):
            command.append(str(library))
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (WITHOUT if runtime in AVX2 else {}),
        )
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{runtime} does not start")

    def run(self, rows: int, columns: int) -> dict:
        """One run: seconds, memory in bytes, and two sums over the result."""
        self.process.stdin.write(f"{rows} {columns}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            killed = status == -signal.SIGKILL
            raise RuntimeError("killed for want of memory" if killed else f"ended with {status}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(
    model: Path, size: tuple[int, int], threads: int, rounds: int, library: Path
) -> list[dict]:
    """A line for each runtime: median and all seconds, and the largest memory."""
    large = size[0] * size[1] > SMALL
    runtimes = [*TIMED] if large else [*TIMED, *INT8, *AVX2, *COMPILED]
    workers = {name: Worker(name, model, threads, library) for name in runtimes}
    first = {}
    for name, worker in workers.items():
        time.sleep(PAUSE)
        first[name] = worker.run(*size)
    same_work({name: run["check"] for name, run in first.items()})
    seconds = {name: [] for name in runtimes}
    memory = {name: run["memory"] for name, run in first.items()}
    if large:
        for name in SLOW:
            seconds[name].append(first[name]["seconds"])
    for _ in range(rounds):
        for name, worker in workers.items():
            if large and name in SLOW:
                continue
            time.sleep(PAUSE)
            run = worker.run(*size)
            seconds[name].append(run["seconds"])
            memory[name] = max(memory[name], run["memory"])
    for worker in workers.values():
        worker.close()
    return [
        {
            "runtime": name,
            "rows": size[0],
            "columns": size[1],
            "threads": threads,
            "seconds": statistics.median(seconds[name]),
            "runs": seconds[name],
            "memory": memory[name],
        }
        for name in runtimes
    ]


def tolerance(runtime: str) -> float:
    """By how much a runtime's mean change may differ, as a share. int8 shows only that it did the
    work: what it costs is measured on real slices."""
    if runtime in INT8:
        return 0.5
    return 2e-2 if runtime.endswith(("fast", "bf16")) else 1e-4


def same_work(checks: dict[str, list[float]]) -> None:
    """Raises SystemExit unless all results are equal to the requested precision."""
    (total, change) = checks["artir"]
    for name, (other_total, other_change) in checks.items():
        within = tolerance(name)
        most = max(1e-3, within / 10) * abs(total)
        if abs(other_change - change) > within * change or abs(other_total - total) > most:
            raise SystemExit(f"{name} made another image: {checks}")


def frame(model: Path, threads: int, library: Path) -> list[dict]:
    """A 4K frame in one piece: seconds and peak memory of the first run of each runtime."""
    lines = []
    for name in FRAME_RUNTIMES:
        worker = Worker(name, model, threads, library)
        try:
            run = worker.run(*FRAME)
            lines.append({"runtime": name, "seconds": run["seconds"], "memory": run["memory"]})
        except RuntimeError as error:
            lines.append({"runtime": name, "failed": str(error)})
        worker.close()
    return lines
