"""Times a CT series from DICOM to DICOM, and the network alone."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

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
            shutil.rmtree(made, ignore_errors=True)
            begun = time.perf_counter()
            process = subprocess.Popen([artir, "ct", given, "-o", made, "-q"])
            _, status, used = os.wait4(process.pid, 0)
            wall.append(time.perf_counter() - begun)
            if status:
                raise SystemExit(f"artir ct ended with {os.waitstatus_to_exitcode(status)}")
            # Linux counts in KiB.
            memory.append(used.ru_maxrss << 10)
            own.append(network_seconds(artir, 9))
    return {
        "series": what,
        "slices": count,
        "seconds": statistics.median(wall),
        "network_seconds": count * statistics.median(own),
        "memory": max(memory),
        "runs": wall,
    }
