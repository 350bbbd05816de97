"""Batches prepared ahead of time in a separate process.

The random draws of a step depend only on the run's seed and the step's number, so that a run that
continues from a checkpoint sees the same batches as an uninterrupted one.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

AHEAD = 8
"""Length of the queue of prepared batches."""


class Batches:
    """The batches of a run, by the number of their step."""

    def __init__(self, source, seed: int, workers: int = 1):
        self.source = source
        self.seed = seed
        self.workers = workers
        self.next = None
        self.waiting = None

    def of(self, step: int, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """``count`` pairs (degraded, clean) of patches of ``size`` for a step, and what the source
        has drawn into both, if it draws. Fastest for consecutive steps with equal patches."""
        if (step, count, size) != self.next:
            loader = DataLoader(
                _Made(self.source, self.seed, count, size),
                batch_size=None,
                sampler=_From(step),
                num_workers=self.workers,
                prefetch_factor=AHEAD if self.workers else None,
            )
            self.waiting = iter(loader)
        self.next = step + 1, count, size
        return next(self.waiting)


class _Made(Dataset):
    def __init__(self, source, seed: int, count: int, size: int):
        self.source = source
        self.seed = seed
        self.count, self.size = count, size

    def __getitem__(self, step: int) -> tuple[torch.Tensor, ...]:
        self.source.rng = np.random.default_rng([self.seed, step])
        return self.source.batch(self.count, self.size)


class _From:
    """All numbers from ``first`` on."""

    def __init__(self, first: int):
        self.first = first

    def __iter__(self):
        return itertools.count(self.first)
