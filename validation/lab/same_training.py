"""Trains the same network on the same batches by artir's own library and by PyTorch.

    python -m lab.same_training --runs models/runs

All runs share first weights, batches and schedule, so that their losses differ only by rounding.
How much that can be is shown by two PyTorch runs whose first weights differ by a millionth.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch

from artir_train import losses, native
from artir_train.data import REPOSITORY
from artir_train.settings import Settings
from artir_train.sources import source
from artir_train.trainer import Trainer

LIBRARY = {"library, bf16": "best", "library, f32": "f32"}
WAYS = (*LIBRARY, "PyTorch, f32", "PyTorch, f32, moved", "PyTorch, bf16 autocast")
HELD_OUT = 32
LAST = 100


class Run(Trainer):
    """A run that computes the network one way."""

    def __init__(self, settings: Settings, source, way: str):
        super().__init__(settings, source, Path())
        if way in LIBRARY:
            self.run_model = native.native(self.config, self.flat, LIBRARY[way])
            if self.run_model is None:
                raise SystemExit("the library is missing: cargo build --release -p artir-ops")
        else:
            self.run_model = self.model if way.endswith("autocast") else self._exact
        if way.endswith("moved"):
            with torch.no_grad():
                self.flat.values.mul_(1 + 1e-6 * torch.randn_like(self.flat.values))

    def _exact(self, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device, enabled=False):
            return self.model(images)

    def held_out(self, first: int) -> float:
        """Mean loss on batches that the run has not seen."""
        with torch.no_grad():
            found = []
            for number in range(first, first + HELD_OUT):
                pair = self.batches.of(number, self.settings.batch, self.settings.patch)
                noisy, clean = map(self.settings.to_network, pair)
                found.append(losses.total(self.settings.losses, self.model(noisy), clean, noisy))
        return float(torch.stack(found).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=REPOSITORY / "models/configs/ct-ldct-t.toml")
    parser.add_argument("--runs", type=Path, default=Path("models/runs"), help="folder of packs")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--patch", type=int, default=64)
    options = parser.parse_args()
    settings = Settings.read(options.config)
    # The rate of a run from random weights.
    settings = dataclasses.replace(settings, patch=options.patch, learning_rate=1e-3)
    images = source(settings.data, options.runs / "packs", settings.seed)
    for way in WAYS:
        run = Run(settings, images, way)
        found = [run.step(step / options.steps) for step in range(options.steps)]
        last, held_out = np.mean(found[-LAST:]), run.held_out(options.steps)
        print(f"{way:24} last {LAST} steps {last:.5f}, held out {held_out:.5f}", flush=True)


if __name__ == "__main__":
    main()
