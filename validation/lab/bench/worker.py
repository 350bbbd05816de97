"""Runs one runtime with one model in its own process.

    python -m lab.bench.worker RUNTIME MODEL THREADS [LIBRARY]

Reads lines ``ROWS COLUMNS`` and answers each with a line of JSON: seconds of one run, and the
largest resident size in bytes of this process since the line came. Prints ``ready`` first.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


def onnx_runtime(
    model: Path, threads: int, library: str | None, precision: str = "f32", spinning: bool = True
) -> Run:
    """ONNX Runtime, with artir's operator library if ``library`` is set. Threads that spin after a
    run slow what comes next in the same process."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if library:
        # As artir sets it.
        options.enable_mem_pattern = False
        options.add_session_config_entry("artir.precision", precision)
        options.add_session_config_entry("artir.threads", str(threads))
        options.register_custom_ops_library(library)
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})[0]


def openvino(model: Path, threads: int, precision: str) -> Run:
    """OpenVINO, on a file with inlined functions, because it does not support functions."""
    return compiled(str(flattened(model)), threads, precision)


def compiled(model, threads: int, precision: str = "f32") -> Run:
    """A model of OpenVINO, or a file, compiled for a CPU."""
    import openvino as ov

    network = ov.Core().compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": 1,
        },
    )
    request = network.create_infer_request()
    return lambda image: request.infer([image])[0].copy()


def flattened(model: Path) -> Path:
    """Writes the same model without functions next to it."""
    import onnx
    from onnx.inliner import inline_local_functions

    flat = model.with_name(f"{model.stem}-flat.onnx")
    if not flat.exists():
        onnx.save(inline_local_functions(onnx.load(model)), flat)
    return flat


def dynamic_int8(plain: Path) -> Path:
    """Writes a model of standard operators in ONNX Runtime's dynamic quantisation next to it: int8
    weights for each channel, ranges of activations found in each run."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = plain.with_name(f"{plain.stem}-int8.onnx")
    if not quantised.exists():
        quantize_dynamic(plain, quantised, per_channel=True, weight_type=QuantType.QInt8)
    return quantised


def weights_int8(plain: Path):
    """OpenVINO's model of a file, compressed by NNCF without data: int8 weights, products in
    f32."""
    import nncf
    import openvino as ov

    return nncf.compress_weights(ov.Core().read_model(plain))


def pytorch(model: Path, threads: int, compiled: bool, bf16: bool = False) -> Run:
    """PyTorch on the module that the model was exported from."""
    import torch

    from artir_train import weights
    from artir_train.model_file import read_card
    from artir_train.network import ArtIR, Config

    torch.set_num_threads(threads)
    card, _ = read_card(model)
    network = ArtIR(Config.variant(card["variant"], channels=card["input"]["channels"])).eval()
    weights.load(model, network)
    call = torch.compile(network) if compiled else network

    def run(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return call(torch.from_numpy(image)).float().numpy()

    return run


def load(runtime: str, model: Path, threads: int, library: str | None) -> Run:
    """The runtime by its name in the report."""
    match runtime.removesuffix(", AVX2"):
        case "artir":
            return onnx_runtime(model, threads, library)
        case "artir, fast":
            return onnx_runtime(model, threads, library, "fast")
        case "ONNX Runtime":
            return onnx_runtime(model, threads, None)
        case "OpenVINO":
            return openvino(model, threads, "f32")
        case "OpenVINO, bf16":
            return openvino(model, threads, "bf16")
        case "ONNX Runtime, int8":
            return onnx_runtime(dynamic_int8(flattened(model)), threads, None)
        case "OpenVINO, int8":
            return compiled(weights_int8(flattened(model)), threads)
        case "PyTorch":
            return pytorch(model, threads, compiled=False)
        case "PyTorch, compiled":
            return pytorch(model, threads, compiled=True)
        case "PyTorch, compiled, bf16":
            return pytorch(model, threads, compiled=True, bf16=True)
    raise SystemExit(f"no runtime {runtime!r}")


def peak_memory(process: int | str = "self") -> int | None:
    """Largest resident size of a process in bytes since the last reset; None where Linux does not
    say, as for one that has ended."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    lines = [li for li in status.read_text().splitlines() if li.startswith("VmHWM")]
    return int(lines[0].split()[1]) << 10 if lines else None


def picture(rows: int, columns: int) -> np.ndarray:
    """[1, 3, rows, columns], 0 to 1, the same for every runtime."""
    return np.random.default_rng(0).random((1, 3, rows, columns), np.float32)


def main() -> None:
    runtime, model, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    library = sys.argv[4] if len(sys.argv) > 4 else None
    # Some libraries print what they do.
    with contextlib.redirect_stdout(sys.stderr):
        run = load(runtime, model, threads, library)
    print("ready", flush=True)
    for line in sys.stdin:
        image = picture(*(int(n) for n in line.split()))
        forget = Path("/proc/self/clear_refs")
        if forget.exists():
            forget.write_text("5")
        begun = time.perf_counter()
        result = run(image)
        seconds = time.perf_counter() - begun
        # These sums show that every runtime computed the same result.
        check = [
            float(result.sum(dtype=np.float64)),
            float(np.abs(result - image).mean()),
        ]
        print(
            json.dumps({"seconds": seconds, "memory": peak_memory(), "check": check}),
            flush=True,
        )


if __name__ == "__main__":
    main()
