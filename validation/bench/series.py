"""A CT series end to end, DICOM in and DICOM out, beside the network's own time."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

SLICES = 100


def source(folder: Path, real: Path | None) -> str:
    """Writes 100 slices of 512x512: a real series if there is one, decoded beforehand, or copies of
    the phantom's. Returns what they are."""
    import pydicom

    series = real / "train" / "ct-chest-philips-1mm" if real else None
    if series and series.is_dir():
        files = [f for f in sorted(series.glob("**/*")) if f.is_file()]
        found = [pydicom.dcmread(f) for f in files]
        found = [d for d in found if "PixelData" in d][:SLICES]
        for number, data in enumerate(found):
            data.decompress()
            data.save_as(folder / f"{number:04}.dcm")
        return f"{len(found)} slices of a chest, 1 mm (LIDC-IDRI-0314), uncompressed"
    raise SystemExit("the series benchmark needs ARTIR_REAL_DATA")


def network_seconds(artir: Path, runs: int) -> float:
    """The network's own time for one slice, every core."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench.json"
        command = [artir, "bench", "--model", "ct-ldct-t", "--size", "512x512"]
        command += ["--precision", "f32", "--runs", str(runs), "--json", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = json.loads(out.read_text())["lines"]
    return max(lines, key=lambda line: line["threads"])["seconds"]


def measure(artir: Path, real: Path | None, runs: int) -> dict:
    """Medians of whole commands, the network measured before and after each."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given", Path(folder) / "made"
        given.mkdir()
        what = source(given, real)
        count = len(list(given.iterdir()))
        wall, own, memory = [], [], []
        own.append(network_seconds(artir, 9))
        for _ in range(runs):
            shutil.rmtree(made, ignore_errors=True)
            begun = time.perf_counter()
            command = ["/usr/bin/time", "-v", artir, "ct", given, "-o", made, "-q"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall.append(time.perf_counter() - begun)
            resident = re.search(
                r"Maximum resident set size \(kbytes\): (\d+)", done.stderr
            )
            memory.append(int(resident[1]) << 10)
            own.append(network_seconds(artir, 9))
    return {
        "series": what,
        "slices": count,
        "seconds": statistics.median(wall),
        "network_seconds": count * statistics.median(own),
        "memory": max(memory),
        "runs": wall,
    }
