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

    def __init__(self, source, settings, workers: int = 1):
        self.made = _Made(source, settings)
        self.workers = workers
        self.next = None
        self.waiting = None

    def of(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pairs (degraded, clean) for a step. Fastest for consecutive steps."""
        if step != self.next:
            loader = DataLoader(
                self.made,
                batch_size=None,
                sampler=_From(step),
                num_workers=self.workers,
                prefetch_factor=AHEAD if self.workers else None,
            )
            self.waiting, self.next = iter(loader), step
        self.next += 1
        return next(self.waiting)


class _Made(Dataset):
    def __init__(self, source, settings):
        self.source = source
        self.settings = settings

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.source.rng = np.random.default_rng([self.settings.seed, step])
        return self.source.batch(self.settings.batch, self.settings.patch)


class _From:
    """All numbers from ``first`` on."""

    def __init__(self, first: int):
        self.first = first

    def __iter__(self):
        return itertools.count(self.first)
