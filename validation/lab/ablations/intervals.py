"""How far rows differ, and how sure that is.

The value of a run is the mean PSNR of the held-out images. Seeds change first weights and batches.
Their spread is taken to be the same for all rows, so that few seeds of each row suffice: it is
pooled, with as many degrees of freedom as there are seeds beyond each row's first.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .rows import Row
from .run import Run

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A row's PSNR minus another's, in dB, with half the widths of its 95 % intervals."""

    mean: float
    by_seeds: float | None
    """Spread of other first weights and batches; None with one seed of each row."""
    by_images: float
    """Spread of other held-out images, at these seeds."""

    def order(self) -> int:
        """1 or -1 if both intervals exclude 0, else 0. Without seeds nothing is known."""
        sure = self.by_seeds is not None and abs(self.mean) > max(self.by_seeds, self.by_images)
        return int(math.copysign(1, self.mean)) if sure else 0


class Runs:
    """All runs of one schedule."""

    def __init__(self, runs: list[Run]):
        self.by_row: dict[str, list[Run]] = {}
        for run in runs:
            self.by_row.setdefault(run.row, []).append(run)
        values = [[_mean(run) for run in found] for found in self.by_row.values()]
        self.freedom = sum(len(found) - 1 for found in values)
        squares = sum(float(np.square(np.array(v) - np.mean(v)).sum()) for v in values)
        self.spread = math.sqrt(squares / self.freedom) if self.freedom else None

    def psnr(self, row: str) -> float:
        return float(np.mean([_mean(run) for run in self.by_row[row]]))

    def difference(self, row: str, other: str) -> Difference:
        """``row`` minus ``other``."""
        ours, theirs = self.by_row[row], self.by_row[other]
        images = _of_images(ours) - _of_images(theirs)
        seeds = None
        if self.spread is not None:
            width = math.sqrt(1 / len(ours) + 1 / len(theirs))
            seeds = float(_quantile(self.freedom) * self.spread * width)
        error = images.std(ddof=1) / math.sqrt(len(images))
        return Difference(float(images.mean()), seeds, float(_quantile(len(images) - 1) * error))

    def agreement(self, rows: list[Row]) -> tuple[int, int, int]:
        """Pairs of trained rows that the paper orders: in its order, against it, and undecided."""
        known = [r for r in rows if r.name in self.by_row and r.published.psnr is not None]
        found = [0, 0, 0]
        for a, b in itertools.combinations(known, 2):
            papers = a.published.psnr - b.published.psnr
            if papers == 0:
                continue
            order = self.difference(a.name, b.name).order()
            found[2 if order == 0 else int(order * papers < 0)] += 1
        return tuple(found)


def _mean(run: Run) -> float:
    return float(np.mean(run.psnr))


def _of_images(runs: list[Run]) -> np.ndarray:
    """The PSNR of each image, over the seeds."""
    return np.mean([run.psnr for run in runs], axis=0)


def _quantile(freedom: int) -> float:
    return stats.t.ppf((1 + LEVEL) / 2, freedom)
