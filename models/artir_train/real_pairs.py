"""Real CT slices at full and at a quarter of the dose (``ct-real-pairs``).

Versions of the CT models are measured on them and chosen by them. Protocol ``ldct-400``: values are
clipped to -160 to 240 HU, and the PSNR refers to that range.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .data import data_folder, read_recompressed

WINDOW = (-160.0, 240.0)


@dataclass(frozen=True)
class Pair:
    """One slice of one patient at both doses, in HU."""

    name: str
    kernel: str
    patient: str
    mm: float
    quarter: np.ndarray
    full: np.ndarray


def read_pairs(folder: Path | None = None) -> list[Pair]:
    """All pairs, in the order of their names."""
    folder = folder or data_folder() / "ct-real-pairs"
    by_pair: dict[str, dict[str, dict]] = {}
    for entry in json.loads((folder / "manifest.json").read_text()):
        if "pair" in entry:
            by_pair.setdefault(entry["pair"], {})[entry["dose"]] = entry
    found = []
    for name, doses in sorted(by_pair.items()):
        full, quarter = (read_recompressed(folder / doses[d]["file"]) for d in ("full", "quarter"))
        kernel = doses["full"]["set"].removeprefix("full_")
        entry = doses["full"]
        # Two pairs have no spacing in the manifest.
        mm = entry.get("spacing", [float("nan")])[0]
        found.append(Pair(name, kernel, entry["patient"], mm, quarter, full))
    return found


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """PSNR in dB inside the window."""
    lo, hi = WINDOW
    error = np.clip(image, lo, hi).astype(np.float64) - np.clip(reference, lo, hi)
    return float(10 * np.log10((hi - lo) ** 2 / np.mean(error**2)))
