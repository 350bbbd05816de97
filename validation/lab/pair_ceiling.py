"""The highest PSNR that a quarter dose can reach against its full dose.

    python -m lab.pair_ceiling models/zoo/ct-ldct-t.onnx

The full dose has noise of its own, which no result can have. With x the slice without noise, the
full dose is x + n, and the quarter dose x + n + d: its noise was added to the rays of the full dose
(``ct-real-pairs``), so that d is independent of n and has three times its variance. Who knows x and
sees the quarter dose expects the full dose to be x + (n + d) / 4. What is left of n has 3/4 of its
variance, which for values that are not clipped is 6.02 dB above the input.

The protocol clips values, so the rest is measured: d is that of each pair, scaled to be n + d, the
rest of n is d from elsewhere in the slice, of that variance, and x is the full dose as the model
restores it at strength 1. ``input made`` should be near ``input``, or the ceiling means nothing.
The noise of a scanner's electronics makes d larger, and the true ceiling lower.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from artir_train.real_pairs import Pair, psnr, read_pairs

from .evaluate_pairs import Network

ELSEWHERE = (17, 23)
"""Rows and columns from a pixel to the place whose noise stands for what is left: near enough to be
as strong, too far to be correlated."""


def ceiling(pair: Pair, clean: np.ndarray) -> np.ndarray:
    """PSNR in dB of the input, of the input made of ``clean``, and of the best result for it."""
    added = pair.quarter - pair.full
    quarter = clean + np.sqrt(4 / 3) * added
    best = clean + (quarter - clean) / 4
    full = best + 0.5 * np.roll(added, ELSEWHERE, (0, 1))
    return np.array([psnr(pair.quarter, pair.full), psnr(quarter, full), psnr(best, full)])


def summary(pairs: Iterable[Pair], restore: Callable[[np.ndarray], np.ndarray]) -> list[str]:
    """One line for each kernel, means over its pairs."""
    by_kernel: dict[str, list[np.ndarray]] = {}
    for pair in pairs:
        by_kernel.setdefault(pair.kernel, []).append(ceiling(pair, restore(pair.full)))
    return [
        "{:4} {:3} pairs  input {:.2f}  input made {:.2f}  ceiling {:.2f}".format(
            kernel, len(found), *np.mean(found, axis=0)
        )
        for kernel, found in sorted(by_kernel.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a zoo file or checkpoint that restores CT")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(*summary(read_pairs(), Network(options.model)), sep="\n")


if __name__ == "__main__":
    main()
