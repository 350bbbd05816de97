"""Runs a GPU kit in its own folder: operators, networks, time and memory, PyTorch on the same GPU.

    python run.py [--device cuda:0] [--rehearse]

Needs a driver for CUDA 13 and PyTorch with its CUDA libraries from pip; nothing else, no network.
Everything goes into gpu-check.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import slim
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "models"))
from artir_train.network import ArtIR, Config  # noqa: E402

BUDGET = 6.0
"""Time limit of PyTorch for one case, in seconds, without its first run."""


def environment() -> dict[str, str]:
    """The environment with the CUDA libraries of pip's packages in the loader's path."""
    import importlib.util

    spec = importlib.util.find_spec("nvidia")
    roots = spec.submodule_search_locations if spec else []
    folders = {str(p.parent) for root in roots for p in Path(root).glob("**/lib*.so.*")}
    paths = [str(HERE), *sorted(folders), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(p for p in paths if p)}


def check_sums() -> None:
    """Checks every file of the kit before any runs."""
    wrong = []
    for line in (HERE / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split("  ", 1)
        if hashlib.sha256((HERE / name).read_bytes()).hexdigest() != wanted:
            wrong.append(name)
    if wrong:
        sys.exit(f"damaged on the way: {', '.join(wrong)}")


def call(arguments: list[str], limit: float) -> dict:
    """A program's exit code and the end of its output."""
    begun = time.monotonic()
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=limit,
            cwd=HERE,
        )
        code, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        code, said = (
            None,
            f"ran past {limit} s: {late.stdout or ''} {late.stderr or ''}",
        )
    return {
        "code": code,
        "seconds": round(time.monotonic() - begun, 2),
        "said": said[-6000:],
    }


def load(case: dict) -> ArtIR:
    kept = torch.load(HERE / case["weights"], map_location="cpu", weights_only=True)
    model = ArtIR(Config(**kept["config"])).eval()
    model.load_state_dict(kept["weights"])
    return model


def timed(run, on_gpu: bool, most: int) -> dict:
    """Milliseconds from host memory to host memory."""
    begun = time.monotonic()
    run()
    first, times = (time.monotonic() - begun) * 1e3, []
    begun = time.monotonic()
    while len(times) < min(3, most) or (time.monotonic() - begun < BUDGET and len(times) < most):
        start = time.monotonic()
        run()
        times.append((time.monotonic() - start) * 1e3)
    memory = torch.cuda.max_memory_reserved() if on_gpu else None
    return {
        "median_ms": float(np.median(times)),
        "least_ms": min(times),
        "runs": len(times),
        "first_ms": first,
        "gpu_bytes": memory,
    }


def pytorch(case: dict, device: str, compiled: bool, tf32: bool, most: int) -> dict:
    """One case in PyTorch, eager or compiled; single precision, with TF32 only if asked for."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    model = load(case).to(device)
    if compiled:
        torch._dynamo.reset()
        model = torch.compile(model)
    image = torch.rand(case["shape"])
    image = image.pin_memory() if on_gpu else image

    def run():
        with torch.inference_mode():
            return model(image.to(device, non_blocking=True)).cpu()

    return timed(run, on_gpu, most)


def parity(case: dict, device: str) -> dict:
    """Compares PyTorch with artir's CPU result: both must be the same network."""
    read = [
        np.fromfile(HERE / case[k], "<f4").reshape(case["shape"]) for k in ("input", "expected")
    ]
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    with torch.inference_mode():
        got = load(case).to(device)(torch.from_numpy(read[0]).to(device)).cpu().numpy()
    error = float(np.abs(got - read[1]).max() / np.abs(read[1]).max())
    return {"error": error, "ok": error <= 1e-3}


def literal(device: str) -> dict:
    """Memory of the paper's form, a kernel for every pixel, for one 63 x 63 LKM of a 4K frame."""
    rows, columns, size = 540, 960, 63
    by_its_formula = rows * columns * size**2 * 4
    if not device.startswith("cuda"):
        return {"bytes_by_formula": by_its_formula, "measured": "no GPU"}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        with torch.inference_mode():
            layer = torch.nn.Conv2d(1, size**2, 1, device=device)
            kernels = layer(torch.rand(1, 1, rows, columns, device=device))
            del kernels
        return {
            "bytes_by_formula": by_its_formula,
            "gpu_bytes": torch.cuda.max_memory_allocated(),
        }
    except torch.OutOfMemoryError as e:
        return {"bytes_by_formula": by_its_formula, "out_of_memory": str(e)[:200]}


def attempt(run, *arguments):
    """The result, or the error in its place, so that other measurements continue."""
    try:
        return run(*arguments)
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"[:500]}


def verdicts(report: dict) -> dict:
    """The acceptance criteria: each true, false, or null if it was not measured."""
    artir = report.get("artir", {})

    def all_ok(name):
        done = [c["result"] for c in artir.get(name, []) if "left_out" not in c["result"]]
        return all(r.get("ok") is True for r in done) if done else None

    parities = list(report.get("pytorch_parity", {}).values())
    faster = {}
    ours = {c["case"]: c["result"].get("median_ms") for c in artir.get("speed", [])}
    for name, theirs in report.get("pytorch", {}).items():
        for kind in ("eager", "compiled", "eager_tf32"):
            a, b = ours.get(name), theirs.get(kind, {}).get("median_ms")
            faster[f"{name}, {kind}"] = round(b / a, 3) if a and b else None
    return {
        "operators_within_bounds": all_ok("operators"),
        "networks_within_bounds_and_none_on_cpu": all_ok("networks"),
        "pytorch_means_the_same_networks": all(p.get("ok") is True for p in parities)
        if parities
        else None,
        "times_faster_than_pytorch": faster,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda:0", help="cuda[:N]; cpu only to rehearse")
    parser.add_argument("--rehearse", action="store_true", help="few runs of the small sizes")
    options = parser.parse_args()
    begun = time.monotonic()
    check_sums()
    on_gpu = options.device.startswith("cuda")
    if on_gpu:
        slim.join(HERE, "libonnxruntime_providers_cuda.so")
    cases = json.loads((HERE / "cases.json").read_text())
    report = {
        "device": options.device,
        "rehearsal": options.rehearse,
        "gpu": torch.cuda.get_device_name(options.device) if on_gpu else None,
        "torch": torch.__version__,
        "machine": platform.platform(),
        "doctor": call(["./artir", "doctor"], 60),
    }
    target = HERE / "gpu-check.json"

    def note() -> None:
        report["verdicts"] = verdicts(report)
        report["seconds"] = round(time.monotonic() - begun, 1)
        target.write_text(json.dumps(report, indent=1))

    own = HERE / "artir.json"
    own.unlink(missing_ok=True)
    flags = ["--rehearse"] if options.rehearse else []
    report["device_check"] = call(["./device_check", ".", options.device, own.name, *flags], 300)
    report["artir"] = json.loads(own.read_text()) if own.exists() else {}
    note()
    report["pytorch_parity"] = {
        c["name"]: attempt(parity, c, options.device) for c in cases["networks"]
    }
    report["pytorch"] = {}
    most = 2 if options.rehearse else 50
    for case in cases["speed"]:
        if options.rehearse and not case["rehearse"]:
            continue
        # Each note writes a usable file, in case the time runs out.
        report["pytorch"][case["name"]] = done = {}
        done["eager"] = attempt(pytorch, case, options.device, False, False, most)
        if on_gpu:
            done["eager_tf32"] = attempt(pytorch, case, options.device, False, True, most)
        note()
    report["literal_kernels"] = attempt(literal, options.device)
    for case in cases["speed"]:
        # Compiling takes long. Cases that are left after nine minutes are skipped.
        if case["name"] in report["pytorch"] and time.monotonic() - begun < 540:
            done = report["pytorch"][case["name"]]
            done["compiled"] = attempt(pytorch, case, options.device, True, False, most)
            note()
    note()
    print(json.dumps(report["verdicts"], indent=1))
    print(f"{target}: {report['seconds']} s")


if __name__ == "__main__":
    main()
