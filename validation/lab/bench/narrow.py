"""Narrow products elsewhere: what int8 brings to other runtimes, and what it costs in dB.

    python -m lab.bench.narrow --artir target/release/artir --library target/release/libartir_ops.so

Needs nncf besides the packages of ``--bench``. Every way restores the real quarter-dose slices with
the soft kernel by the same model. Ways take turns slice by slice. The seconds are the medians of
the network's runs, the dB those of ``ldct-400`` at the card's strength. Two ways of int8 need no
data. The third is calibrated on slices from the training data, as its makers advise.
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
from .worker import Run, compiled, onnx_runtime

CALIBRATION = 32
"""Training slices that calibrate activations."""
quiet = partial(onnx_runtime, spinning=False)
"""All ways share a process."""


def dynamic_int8(plain: Path, threads: int) -> Run:
    """ONNX Runtime's dynamic quantisation: int8 weights for each channel, ranges of activations
    found in each run."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = plain.with_stem("dynamic")
    quantize_dynamic(plain, quantised, per_channel=True, weight_type=QuantType.QInt8)
    return quiet(quantised, threads, None)


def weights_int8(plain: Path, threads: int) -> Run:
    """NNCF without data: int8 weights, products in f32."""
    import nncf
    import openvino as ov

    return compiled(nncf.compress_weights(ov.Core().read_model(plain)), threads)


def calibrated_int8(plain: Path, threads: int, images: list[np.ndarray]) -> Run:
    """NNCF with data: int8 weights and activations."""
    import nncf
    import openvino as ov

    model = ov.Core().read_model(plain)
    return compiled(nncf.quantize(model, nncf.Dataset(images), subset_size=len(images)), threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--model", type=Path, default=Path("models/zoo/ct-ldct-t.onnx"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    folder = data_folder() / "train" / "ct-many-patients"
    slices = map(read_recompressed, sorted(folder.glob("tcga_*.jp2"))[:CALIBRATION])
    with tempfile.TemporaryDirectory() as work:
        plain = Path(work) / "plain.onnx"
        command = [options.artir, "models", "export-plain", options.model, "-o", plain]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        n = options.threads
        exact = quiet(options.model, n, options.library)
        values = Restorer(options.model, exact).values
        calibration = [values(hu) for hu in slices if hu.shape == (512, 512)]
        ways = {
            "artir, f32": exact,
            "artir, fast": quiet(options.model, n, options.library, "fast"),
            "ONNX Runtime, f32": quiet(plain, n, None),
            "ONNX Runtime, dynamic int8": dynamic_int8(plain, n),
            "OpenVINO, f32": compiled(plain, n),
            "OpenVINO, bf16": compiled(plain, n, "bf16"),
            "OpenVINO, int8 weights, without data": weights_int8(plain, n),
            "OpenVINO, int8, calibrated": calibrated_int8(plain, n, calibration),
        }
        measure(options.model, ways)


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


def measure(model: Path, ways: dict[str, Run]) -> None:
    """Prints the table."""
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
    seconds = {name: restore.run.seconds for name, restore in restorers.items()}
    base = np.median(seconds["artir, f32"])
    exact = np.mean(decibels["artir, f32"])
    print("| way | times artir's f32 | dB | difference | worst slice |")
    print("|---|---|---|---|---|")
    for name in ways:
        apart = np.array(decibels[name]) - decibels["artir, f32"]
        ratio, mean = np.median(seconds[name]) / base, np.mean(decibels[name])
        print(f"| {name} | {ratio:.2f} | {mean:.3f} | {mean - exact:+.3f} | {apart.min():+.3f} |")


if __name__ == "__main__":
    main()
