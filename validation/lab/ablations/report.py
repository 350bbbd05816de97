"""The table of ablations as Markdown."""

from __future__ import annotations

import numpy as np

from artir_train.count import Count

from .intervals import Runs
from .rows import WHOLE, Row
from .run import Run, Schedule


def page(rows: list[Row], counts: dict[str, Count], runs: list[Run], schedule: Schedule) -> str:
    """The whole page."""
    lines = [
        "# Ablations",
        "",
        "Written by `make ablations`; do not edit. What it means: [ablations](../docs/lab/ablations.md).",
        "",
        "Variants of T. Parameters and multiply-adds (256 x 256 pixels) are counted from the exported ONNX file. In a file the learned",
        "residual scales (1,152 parameters of T) are parts of other weights. The paper's multiply-adds are 0.06 G higher throughout.",
        "The paper's PSNR is that of RESIDE-Indoor after 100,000 steps.",
        "",
    ]
    trained = Runs(runs) if runs else None
    if trained:
        lines += [*_schedule(runs, schedule), ""]
    heads = ["variant", "M", "paper", "G", "paper", "paper's PSNR"]
    if trained:
        heads += ["PSNR here", "seeds", "minus full", "± seeds", "± images"]
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        found = counts[row.name]
        cells = [
            row.title,
            f"{found.parameters / 1e6:.3f}",
            _figure(row.published.millions),
            f"{found.multiply_adds / 1e9:.2f}",
            _figure(row.published.giga),
            _figure(row.published.psnr),
        ]
        if trained:
            cells += _trained(trained, row)
        lines.append(f"| {' | '.join(cells)} |")
    if trained:
        lines += ["", *_agreement(trained, rows)]
    return "\n".join(lines) + "\n"


def _schedule(runs: list[Run], schedule: Schedule) -> list[str]:
    before = np.mean([run.input_psnr for run in runs])
    images = len(runs[0].psnr)
    return [
        f"Each trained variant: {schedule.steps} steps of {schedule.batch} x {schedule.patch} x {schedule.patch} pixels, colour noise of",
        f"sigma 0 to 55, f32, the same batches for all variants of a seed. Measured on {images} held-out pictures at sigma 25 (input",
        f"{before:.2f} dB). Intervals are those of 95 %. The spread of seeds is pooled over all variants.",
    ]


def _trained(runs: Runs, row: Row) -> list[str]:
    if row.name not in runs.by_row:
        return [""] * 5
    cells = [f"{runs.psnr(row.name):.2f}", str(len(runs.by_row[row.name]))]
    if row.name == WHOLE or WHOLE not in runs.by_row:
        return [*cells, "", "", ""]
    apart = runs.difference(row.name, WHOLE)
    seeds = "" if apart.by_seeds is None else f"{apart.by_seeds:.2f}"
    return [*cells, f"{apart.mean:+.2f}", seeds, f"{apart.by_images:.2f}"]


def _agreement(runs: Runs, rows: list[Row]) -> list[str]:
    same, against, undecided = runs.agreement(rows)
    return [
        f"Of {same + against + undecided} pairs of variants that the paper orders, {same} are in its order here, {against} in the opposite",
        f"order, and {undecided} are not decided: 0 is inside one of the two intervals of their difference, or each has one seed alone.",
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
