"""What fast precision costs: PSNR of the models on their real test sets, in f32 and in bfloat16.

python -m lab.precisions --library target/release/libartir_ops.so
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .baselines.sets import SETS, WORK
from .restorer import Restorer

REAL = ("ct-real-b30", "ct-real-d45", "pet", "rgb", "haze")
"""Sets of real images. Noise and lost counts of PET and of the photographs are simulated."""
HEAD = (
    "set",
    "model",
    "images",
    "f32, dB",
    "fast, dB",
    "difference",
    "worst image",
    "largest change of a pixel, of the range",
)


def row(name: str, library: Path) -> str:
    """A set's line of the table."""
    test = SETS[name](WORK)
    exact, fast = (Restorer.onnx(test.model, library, precision) for precision in ("f32", "fast"))
    strength = exact.card.get("strength", 1.0)
    # A set may count in levels what the model counts as shares.
    unit = exact.card["input"]["range"][1] / test.span[1] if test.task == "rgb" else 1.0
    found, apart = [], 0.0
    for key, image in test.degraded.items():
        pair = [restore(image * unit, strength) / unit for restore in (exact, fast)]
        found.append([test.psnr(key, one) for one in pair])
        apart = max(apart, float(np.abs(pair[0] - pair[1]).max()))
    f32, bf16 = np.mean(found, axis=0)
    worst = min(b - a for a, b in found)
    span = test.span[1] - test.span[0]
    cells = [
        test.title,
        f"{exact.card['name']} {exact.card['version']}",
        str(len(found)),
        f"{f32:.3f}",
        f"{bf16:.3f}",
        f"{bf16 - f32:+.4f}",
        f"{worst:+.4f}",
        f"{apart / span:.2e}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("sets", nargs="*", help="default: sets of real images")
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("| --- " * len(HEAD) + "|")
    for name in arguments.sets or REAL:
        print(row(name, arguments.library), flush=True)


if __name__ == "__main__":
    main()
