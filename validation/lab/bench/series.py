"""Times a CT series from DICOM to DICOM, and the network alone."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .worker import peak_memory

SLICES = 100


def source(folder: Path, real: Path) -> str | None:
    """Writes 100 decoded slices of 512x512 of a real series. Returns their description, or None
    without the real data."""
    import pydicom

    series = real / "train" / "ct-chest-philips-1mm"
    if not series.is_dir():
        return None
    found = [pydicom.dcmread(f) for f in sorted(series.glob("**/*")) if f.is_file()]
    found = [d for d in found if "PixelData" in d][:SLICES]
    for number, data in enumerate(found):
        data.decompress()
        data.save_as(folder / f"{number:04}.dcm")
    return f"{len(found)} slices of a chest, 1 mm (LIDC-IDRI-0314), uncompressed"


def network_seconds(artir: Path, runs: int) -> float:
    """The network's own time for one slice, every core."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench.json"
        command = [artir, "bench", "--model", "ct-ldct-t", "--size", "512x512"]
        command += ["--precision", "f32", "--runs", str(runs), "--json", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = json.loads(out.read_text())["lines"]
    return max(lines, key=lambda line: line["threads"])["seconds"]


@dataclass(frozen=True)
class Used:
    """What a process took: seconds of the clock and of the processors, largest resident size in
    bytes if the system says."""

    seconds: float
    processor_seconds: float
    memory: int | None


def whole_command(artir: Path, given: Path, made: Path, *arguments: str) -> Used:
    """Runs ``artir ct`` over a folder."""
    shutil.rmtree(made, ignore_errors=True)
    begun = time.perf_counter()
    process = subprocess.Popen([artir, "ct", given, "-o", made, "-q", *arguments])
    memory = None
    while True:
        # The system's own figure for an ended process includes this one before it became artir.
        memory = peak_memory(process.pid) or memory
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"artir ct ended with {os.waitstatus_to_exitcode(status)}")
    return Used(seconds, used.ru_utime + used.ru_stime, memory)


def processor_time(artir: Path, given: Path, made: Path, precision: str, threads: int) -> dict:
    """Seconds of the clock and of the processors for the series."""
    arguments = ("--precision", precision, "--threads", str(threads))
    used = whole_command(artir, given, made, *arguments)
    return {
        "precision": precision,
        "threads": threads,
        "seconds": used.seconds,
        "processor_seconds": used.processor_seconds,
    }


def measure(artir: Path, real: Path, runs: int) -> dict | None:
    """Medians of whole commands, with the network measured before and after each; None without a
    series."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given", Path(folder) / "made"
        given.mkdir()
        what = source(given, real)
        if what is None:
            print("skipped: the CT series, for want of ARTIR_REAL_DATA")
            return None
        count = len(list(given.iterdir()))
        wall, own, memory = [], [], []
        own.append(network_seconds(artir, 9))
        for _ in range(runs):
            used = whole_command(artir, given, made)
            wall.append(used.seconds)
            memory.append(used.memory)
            own.append(network_seconds(artir, 9))
        cost = [
            processor_time(artir, given, made, precision, threads)
            for precision in ("f32", "fast")
            for threads in sorted({1, os.cpu_count()})
        ]
    return {
        "series": what,
        "slices": count,
        "seconds": statistics.median(wall),
        "network_seconds": count * statistics.median(own),
        "memory": max(filter(None, memory), default=None),
        "runs": wall,
        "cost": cost,
    }
