"""Narrow products elsewhere: what int8 brings to other runtimes, and what it costs in dB.

    python -m lab.bench.narrow --artir target/release/artir --library target/release/libartir_ops.so

Every way restores the real quarter-dose slices with the soft kernel by the same model. Ways take
turns slice by slice. The seconds are the medians of the network's runs, the dB those of
``ldct-400`` at the card's strength. Two ways of int8 need no data. The third is calibrated on
slices from the training data, as its makers advise.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from artir_train.data import data_folder, read_recompressed
from artir_train.real_pairs import psnr, read_pairs

from ..restorer import Restorer
from .peers import PAUSE
from .report import quality_table
from .worker import Run, compiled, dynamic_int8, onnx_runtime, pytorch, weights_int8

CALIBRATION = 32
"""Training slices that calibrate activations."""
quiet = partial(onnx_runtime, spinning=False)
"""All ways share a process."""


def calibrated_int8(plain: Path, threads: int, images: list[np.ndarray]) -> Run:
    """NNCF with data: int8 weights and activations."""
    import nncf
    import openvino as ov

    model = ov.Core().read_model(plain)
    return compiled(nncf.quantize(model, nncf.Dataset(images), subset_size=len(images)), threads)


class Timed:
    """A network that notes how long it takes."""

    def __init__(self, run: Run):
        self.run = run
        self.seconds = []

    def __call__(self, image: np.ndarray) -> np.ndarray:
        begun = time.perf_counter()
        result = self.run(image)
        self.seconds.append(time.perf_counter() - begun)
        return result


def turns(model: Path, ways: dict[str, Run]) -> list[dict]:
    """A line for each way: median seconds, mean dB, and dB by slice."""
    pairs = [pair for pair in read_pairs() if pair.kernel == "B30"]
    restorers = {name: Restorer(model, Timed(run)) for name, run in ways.items()}
    decibels = {name: [] for name in ways}
    for restore in restorers.values():
        restore.run.run(restore.values(pairs[0].quarter))
    for pair in pairs:
        for name, restore in restorers.items():
            time.sleep(PAUSE)
            restored = restore(pair.quarter, restore.card.get("strength", 1.0))
            decibels[name].append(psnr(restored, pair.full))
    return [
        {
            "way": name,
            "seconds": float(np.median(restorers[name].run.seconds)),
            "psnr": [float(db) for db in decibels[name]],
        }
        for name in ways
    ]


def measure(artir: Path, library: Path, model: Path, threads: int) -> dict | None:
    """All ways with one model: its name and version, the number of threads, and a line for each
    way. None without the real slices."""
    folder = data_folder() / "train" / "ct-many-patients"
    if not folder.is_dir():
        print("skipped: narrow products on real slices, for want of ARTIR_REAL_DATA")
        return None
    slices = map(read_recompressed, sorted(folder.glob("tcga_*.jp2"))[:CALIBRATION])
    with tempfile.TemporaryDirectory() as work:
        plain = Path(work) / "plain.onnx"
        command = [artir, "models", "export-plain", model, "-o", plain]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        exact = quiet(model, threads, str(library))
        given = Restorer(model, exact)
        calibration = [given.values(hu) for hu in slices if hu.shape == (512, 512)]
        ways = {
            "artir, f32": exact,
            "artir, fast": quiet(model, threads, str(library), "fast"),
            "ONNX Runtime, f32": quiet(plain, threads, None),
            "ONNX Runtime, dynamic int8": quiet(dynamic_int8(plain), threads, None),
            "OpenVINO, f32": compiled(plain, threads),
            "OpenVINO, bf16": compiled(plain, threads, "bf16"),
            "OpenVINO, int8 weights, without data": compiled(weights_int8(plain), threads),
            "OpenVINO, int8, calibrated": calibrated_int8(plain, threads, calibration),
            "PyTorch, bf16": pytorch(model, threads, compiled=False, bf16=True),
        }
        name = f"{given.card['name']} {given.card['version']}"
        return {"model": name, "threads": threads, "ways": turns(model, ways)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("models/zoo/ct-ldct-t.onnx"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    made = measure(options.artir, options.library, options.model, options.threads)
    print("\n".join(quality_table(made)))


if __name__ == "__main__":
    main()
