"""Measures artir and its peers on this machine.

    python -m lab.bench --artir target/release/artir --library target/release/libartir_ops.so \\
        -o validation/lab/bench/results/NAME

Writes NAME.json, NAME.md and NAME.svg. ``--quick`` takes small sizes and few runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from artir_train.macs import multiply_adds
from artir_train.network import Config

from . import machine, models, narrow, peers, report, series

SIZES = (256, 512, 1024)
CT = Path("models/zoo/ct-ldct-t.onnx")
"""The model of the real slices."""
GROWTH = (256, 384, 512, 768, 1024, 1536, 2048, 4096)


def own_figures(artir: Path, *arguments: str) -> list[dict]:
    """The figures of ``artir bench``."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench.json"
        command = [artir, "bench", *arguments, "--json", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())["lines"]


def own_version(artir: Path) -> str:
    """The version that the binary states."""
    said = subprocess.run([artir, "--version"], check=True, capture_output=True, text=True)
    return said.stdout.split()[-1]


def rounds(size: int, quick: bool) -> int:
    """The number of runs: fewer for sizes that take minutes."""
    if quick:
        return 1
    return {256: 7, 512: 3, 1024: 2}[size]


def peak(artir: Path, model: Path, cores: int) -> dict[str, float]:
    """The most 10^9 multiply-adds a second by number of threads, in f32."""
    found = {}
    for threads in sorted({1, cores}):
        arguments = (
            "--model",
            str(model),
            "--size",
            "256x256",
            "--threads",
            str(threads),
        )
        lines = own_figures(artir, *arguments, "--precision", "f32", "--runs", "15")
        found[str(threads)] = lines[0]["peak_gmacs_per_second"]
    return found


def side_by_side(
    files: dict[str, Path], cores: int, library: Path, quick: bool, sizes: list[int]
) -> list[dict]:
    """Every runtime at every size."""
    lines = []
    for variant, model in files.items():
        for size in sizes[:1] if quick else sizes:
            for threads in sorted({1, cores}):
                count = rounds(size, quick)
                made = peers.compare(model, (size, size), threads, count, library)
                macs = multiply_adds(Config.variant(variant), size, size)
                lines += [{"variant": variant, "macs": macs, **line} for line in made]
                print(
                    *(f"{m['runtime']} {m['seconds']:.3f}" for m in made),
                    sep="; ",
                    flush=True,
                )
    return lines


def growth(artir: Path, model: Path, cores: int, quick: bool) -> list[dict]:
    """artir alone, from small to large images."""
    sizes = [f"--size={n}x{n}" for n in (GROWTH[:3] if quick else GROWTH)]
    fixed = (
        "--model",
        str(model),
        "--threads",
        str(cores),
        "--precision",
        "f32",
        "--runs",
        "3",
    )
    return own_figures(artir, *fixed, *sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artir", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="without extension")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--resume", action="store_true", help="keep the sections that are there")
    parser.add_argument("--variants", default="TS", help="letters (default: TS)")
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    options = parser.parse_args()
    cores = os.cpu_count()
    library = options.library.resolve()
    files = {v: models.write(v, Path(".cache/bench")) for v in options.variants}
    small = models.write("T", Path(".cache/bench"))
    real = Path(os.environ.get("ARTIR_REAL_DATA", "../shared/data"))
    results = {
        "machine": machine.describe(),
        "artir": own_version(options.artir),
        "chart": f"{options.output.name}.svg",
    }
    sections = {
        "quality": lambda: narrow.measure(options.artir, library, CT, cores),
        "series": lambda: series.measure(options.artir, real, 1 if options.quick else 3),
        "frame": lambda: peers.frame(small, cores, library),
        "growth": lambda: growth(options.artir, small, cores, options.quick),
        "peak": lambda: peak(options.artir, small, cores),
        "peers": lambda: side_by_side(files, cores, library, options.quick, options.sizes),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    kept = options.output.with_suffix(".json")
    if options.resume and kept.exists():
        results = json.loads(kept.read_text()) | results
    for name, measured in sections.items():
        if name not in results:
            results[name] = measured()
            kept.write_text(json.dumps(results, indent=1) + "\n")
    report.chart(results["growth"], results["peers"], options.output.with_suffix(".svg"))
    options.output.with_suffix(".md").write_text(report.markdown(results))


if __name__ == "__main__":
    main()
