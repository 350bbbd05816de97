"""The figures as Markdown, and the chart of growth with image size."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

PEERS = ("ONNX Runtime", "OpenVINO", "PyTorch", "PyTorch, compiled")
NARROW = ("OpenVINO, bf16", "PyTorch, compiled, bf16", "ONNX Runtime, int8", "OpenVINO, int8")


STUDY = 300
"""Slices of a usual study."""


def mib(count: int | None) -> str:
    """Bytes as MiB."""
    return "unknown" if count is None else f"{count / 2**20:,.0f}"


def markdown(results: dict) -> str:
    """All tables."""
    machine = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    method = (
        "Written by `make bench`; do not edit. Every runtime has a process of its own; runs are"
        " taken in turn, figures are medians. The same model files for all: random weights, three"
        " channels; OpenVINO gets a copy with functions inlined, PyTorch the modules that the files"
        " were exported from. A first run checks that all make the same image."
    )
    if any(line["rows"] == 1024 for line in results["peers"]):
        method += " At 1024x1024, their first run counts for PyTorch and for OpenVINO in bf16."
    on = (
        f"{machine['processor']} ({', '.join(machine['instructions'])}), {machine['cores']} cores,"
        f" {machine['memory_gib']} GiB, {machine['system']}; {versions}; artir {results['artir']}."
    )
    counted = (
        "Peak: what as many threads do at nothing but multiply-adds out of registers,"
        " measured beforehand. Multiply-adds are counted as the network's definition has"
        " them; artir's operator makes fewer."
    )
    parts = [
        "# Speed and memory on one machine",
        "",
        method,
        "",
        on,
        "",
        "## f32: seconds, and how many times as long the others take",
        "",
        *peers_table(results["peers"], results["peak"]),
        "",
        counted,
        "",
        "## Fast (bfloat16 products, f32 sums): seconds, and how many times as long the others take",
        "",
        *fast_table(results["peers"]),
        "",
        "int8 without calibration: ONNX Runtime's is dynamic, OpenVINO's is of the weights.",
        "",
        "## What narrow products cost on real slices",
        "",
        *quality_table(results["quality"]),
        "",
        "## AVX2 alone: seconds, how many times as long as with all instructions, and how many"
        " times as long OpenVINO takes",
        "",
        *avx2_table(results["peers"]),
        "",
        "## Memory: largest resident size of the process, MiB",
        "",
        *memory_table(results["peers"]),
        "",
        "## A whole 4K frame, 3840x2160, variant T, one piece, first run",
        "",
        *frame_table(results["frame"]),
        "",
        "## A CT series, DICOM to DICOM",
        "",
        *series_table(results["series"]),
        "",
        "## Growth with image size",
        "",
        "Variant T, f32, every core; a line of slope 1 is linear in pixels.",
        "",
        f"![seconds and memory by pixels]({results['chart']})",
        "",
        *growth_table(results["growth"]),
    ]
    return "\n".join(parts) + "\n"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def groups(peers: list[dict]):
    """Lines of one variant, size and number of threads, by runtime."""
    key = itemgetter("variant", "rows", "threads")
    for (variant, rows, threads), lines in groupby(peers, key):
        yield variant, rows, threads, {line["runtime"]: line for line in lines}


def ratios(by: dict[str, dict], own: str, others: tuple[str, ...]) -> list[str]:
    """How many times as long others take; nothing for those that were not measured."""
    base = by[own]["seconds"]
    return [f"{by[other]['seconds'] / base:.2f}" if other in by else "" for other in others]


def peers_table(peers: list[dict], peak: dict[str, float]) -> list[str]:
    rows = []
    for variant, size, threads, by in groups(peers):
        own = by["artir"]
        speed = own["macs"] / own["seconds"] / 1e9
        share = 100 * speed / peak[str(threads)]
        cells = [variant, f"{size}x{size}", str(threads), f"{own['seconds']:.3f}"]
        rows.append([*cells, f"{speed:.1f}", f"{share:.0f} %", *ratios(by, "artir", PEERS)])
    head = [
        "variant",
        "pixels",
        "threads",
        "artir, s",
        "G multiply-adds/s",
        "of peak",
        *PEERS,
    ]
    return table(head, rows)


def fast_table(peers: list[dict]) -> list[str]:
    rows = []
    for variant, size, threads, by in groups(peers):
        fast = by["artir, fast"]["seconds"]
        times = ratios(by, "artir, fast", ("artir", *NARROW))
        rows.append([variant, f"{size}x{size}", str(threads), f"{fast:.3f}", *times])
    head = ["variant", "pixels", "threads", "artir fast, s", "artir f32", *NARROW]
    return table(head, rows)


def quality_table(measured: dict | None) -> list[str]:
    if measured is None:
        return ["Not measured: the real data were not at hand."]
    base = next(line for line in measured["ways"] if line["way"] == "artir, f32")
    rows = []
    for line in measured["ways"]:
        apart = np.subtract(line["psnr"], base["psnr"])
        cells = [line["way"], f"{line['seconds'] / base['seconds']:.2f}"]
        cells += [f"{np.mean(line['psnr']):.3f}", f"{apart.mean():+.3f}", f"{apart.min():+.3f}"]
        rows.append(cells)
    head = ["way", "times artir's f32", "dB", "difference", "worst slice"]
    text = (
        f"{measured['model']}, {measured['threads']} threads, {len(base['psnr'])} real quarter-dose"
        " slices of 512x512, in turn slice by slice; dB by `ldct-400`."
    )
    return [text, "", *table(head, rows)]


def avx2_table(peers: list[dict]) -> list[str]:
    rows = []
    for variant, size, threads, by in groups(peers):
        if "artir, AVX2" not in by:
            continue
        own, other = (by[name]["seconds"] for name in ("artir, AVX2", "OpenVINO, AVX2"))
        slower = f"{own / by['artir']['seconds']:.2f}"
        cells = [variant, f"{size}x{size}", str(threads), f"{own:.3f}", slower]
        rows.append([*cells, f"{other / own:.2f}"])
    head = ["variant", "pixels", "threads", "artir, s", "against all instructions", "OpenVINO"]
    return table(head, rows)


def memory_table(peers: list[dict]) -> list[str]:
    names = ("artir", "ONNX Runtime", "OpenVINO", "PyTorch")
    rows = [
        [
            variant,
            f"{size}x{size}",
            str(threads),
            *(mib(by[n]["memory"]) for n in names),
        ]
        for variant, size, threads, by in groups(peers)
    ]
    return [
        "Python, the runtime and its model included, and every runtime's first run.",
        "",
        *table(["variant", "pixels", "threads", *names], rows),
    ]


def frame_table(frame: list[dict]) -> list[str]:
    rows = []
    for line in frame:
        if "failed" in line:
            rows.append([line["runtime"], line["failed"], ""])
        else:
            rows.append([line["runtime"], f"{line['seconds']:.1f}", mib(line["memory"])])
    return table(["runtime", "seconds", "peak MiB"], rows)


def series_table(series: dict | None) -> list[str]:
    if series is None:
        return ["Not measured: the real data were not at hand."]
    over = 100 * (series["seconds"] / series["network_seconds"] - 1)
    text = (
        f"{series['series']}: {series['seconds']:.1f} s, against {series['network_seconds']:.1f} s"
        f" that the network alone takes for as many slices (`artir bench`, before and after each"
        f" run): {over:+.1f} %. {mib(series['memory'])} MiB resident."
    )
    times = STUDY / series["slices"]
    rows = [
        [
            line["precision"],
            str(line["threads"]),
            f"{times * line['seconds']:.0f}",
            f"{times * line['processor_seconds']:.0f}",
        ]
        for line in series["cost"]
    ]
    head = ["precision", "threads", "seconds", "processor seconds"]
    study = f"A study of {STUDY} slices, from one run of {series['slices']} each:"
    return [text, "", study, "", *table(head, rows)]


def growth_table(growth: list[dict]) -> list[str]:
    rows = [
        [
            f"{g['rows']}x{g['columns']}",
            f"{g['seconds']:.3f}",
            f"{1e9 * g['seconds'] / (g['rows'] * g['columns']):.0f}",
            mib(g["peak_memory_bytes"]),
        ]
        for g in growth
    ]
    return table(["pixels", "seconds", "ns a pixel", "peak MiB"], rows)


def chart(growth: list[dict], peers: list[dict], path: Path) -> None:
    """Seconds and memory by pixels, on logarithmic axes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "artir"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    pixels = [g["rows"] * g["columns"] for g in growth]
    left.loglog(pixels, [g["seconds"] for g in growth], "o-", label="artir")
    right.loglog(pixels, [g["peak_memory_bytes"] / 2**20 for g in growth], "o-", label="artir")
    threads = max(p["threads"] for p in peers)
    for name in ("ONNX Runtime", "OpenVINO", "PyTorch"):
        lines = [
            p
            for p in peers
            if p["runtime"] == name and p["variant"] == "T" and p["threads"] == threads
        ]
        sizes = [p["rows"] * p["columns"] for p in lines]
        left.loglog(sizes, [p["seconds"] for p in lines], ".--", label=name)
        right.loglog(sizes, [p["memory"] / 2**20 for p in lines], ".--", label=name)
    left.set(xlabel="pixels", ylabel="seconds")
    right.set(xlabel="pixels", ylabel="peak resident size, MiB")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, metadata={"Date": None})
