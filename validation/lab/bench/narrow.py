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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from artir_train.data import data_folder, read_recompressed
from artir_train.model_file import read_card
from artir_train.real_pairs import psnr, read_pairs

from .peers import PAUSE

Run = Callable[[np.ndarray], np.ndarray]
CALIBRATION = 32
"""Training slices that calibrate activations."""


def onnx_runtime(model: Path, threads: int, library: Path | None, precision: str = "f32") -> Run:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if library:
        options.add_session_config_entry("artir.precision", precision)
        options.add_session_config_entry("artir.threads", str(threads))
        options.register_custom_ops_library(str(library))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def dynamic_int8(plain: Path, threads: int) -> Run:
    """ONNX Runtime's dynamic quantisation: int8 weights for each channel, ranges of activations
    found in each run."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = plain.with_stem("dynamic")
    quantize_dynamic(plain, quantised, per_channel=True, weight_type=QuantType.QInt8)
    return onnx_runtime(quantised, threads, None)


def openvino(model, threads: int, precision: str = "f32") -> Run:
    import openvino as ov

    hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
    compiled = ov.Core().compile_model(model, "CPU", hints | {"NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    return lambda image: request.infer([image])[0].copy()


def weights_int8(plain: Path, threads: int) -> Run:
    """NNCF without data: int8 weights, products in f32."""
    import nncf
    import openvino as ov

    return openvino(nncf.compress_weights(ov.Core().read_model(plain)), threads)


def calibrated_int8(plain: Path, threads: int, images: list[np.ndarray]) -> Run:
    """NNCF with data: int8 weights and activations."""
    import nncf
    import openvino as ov

    model = ov.Core().read_model(plain)
    return openvino(nncf.quantize(model, nncf.Dataset(images), subset_size=len(images)), threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("models/zoo/ct-ldct-t.onnx"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    card, _ = read_card(options.model)
    (lo, hi), (low, high) = (card["input"][k] for k in ("range", "network_range"))
    gain, strength = (high - low) / (hi - lo), card.get("strength", 1.0)

    def values(hu: np.ndarray) -> np.ndarray:
        return (low + (hu.clip(lo, hi) - lo) * gain).astype(np.float32)[None, None]

    folder = data_folder() / "train" / "ct-many-patients"
    files = sorted(folder.glob("tcga_*.jp2"))
    calibration = [values(read_recompressed(file)) for file in files[:CALIBRATION]]
    calibration = [image for image in calibration if image.shape[-2:] == (512, 512)]
    with tempfile.TemporaryDirectory() as work:
        plain = Path(work) / "plain.onnx"
        command = [options.artir, "models", "export-plain", options.model, "-o", plain]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        n = options.threads
        ways = {
            "artir, f32": onnx_runtime(options.model, n, options.library),
            "artir, fast": onnx_runtime(options.model, n, options.library, "fast"),
            "ONNX Runtime, f32": onnx_runtime(plain, n, None),
            "ONNX Runtime, dynamic int8": dynamic_int8(plain, n),
            "OpenVINO, f32": openvino(plain, n),
            "OpenVINO, bf16": openvino(plain, n, "bf16"),
            "OpenVINO, int8 weights, without data": weights_int8(plain, n),
            "OpenVINO, int8, calibrated": calibrated_int8(plain, n, calibration),
        }
        measure(ways, values, gain, strength)


def measure(ways: dict[str, Run], values: Callable, gain: float, strength: float) -> None:
    """Prints the table."""
    pairs = [pair for pair in read_pairs() if pair.kernel == "B30"]
    seconds, decibels = ({name: [] for name in ways} for _ in range(2))
    for run in ways.values():
        run(values(pairs[0].quarter))
    for pair in pairs:
        x = values(pair.quarter)
        for name, run in ways.items():
            time.sleep(PAUSE)
            begun = time.perf_counter()
            y = run(x)
            seconds[name].append(time.perf_counter() - begun)
            change = (y - x)[0, 0].astype(np.float64) / gain
            decibels[name].append(psnr(pair.quarter + strength * change, pair.full))
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
