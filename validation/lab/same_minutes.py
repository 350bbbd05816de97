"""Trains a task for the same minutes in several ways, from random weights, one after the other.

    git worktree add ../before a79a197
    python -m lab.same_minutes --runs models/runs --before ../before 128x2@1e-3 before

A way is the patch, the batch and the learning rate. With a comma it is progressive:
``96x4,128x2@1e-3`` has patches of 96 for half of the time and then patches of 128. ``before`` is
the trainer of the tree that ``--before`` names, with its own step, optimiser and average, on the
same data and losses; it takes its patches from the configuration and its rate from ``--rate``.

The clock stands while the held-out images are measured. Everything else counts, so nothing else
should run. With ``--cpu`` the minutes are the processor's, those of one thread, without the process
that prepares batches: other work then disturbs little.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from artir_train.data import REPOSITORY
from artir_train.settings import Settings, Stage
from artir_train.sources import source
from artir_train.trainer import Trainer


def settings_of(way: str, base: Settings) -> Settings:
    """The base's settings with the patches, batches and rate of a way, in stages of equal time."""
    stages, rate = way.split("@")
    sizes = [tuple(map(int, stage.split("x"))) for stage in stages.split(",")]
    earlier = [Stage((i + 1) / len(sizes), *size) for i, size in enumerate(sizes[:-1])]
    patch, batch = sizes[-1]
    return dataclasses.replace(
        base, stages=earlier, patch=patch, batch=batch, learning_rate=float(rate)
    )


def trainer_before(tree: Path, settings: Settings, rate: float, images):
    """The trainer of another tree, at the time when settings had one field for each loss."""
    package = tree / "models" / "artir_train"
    spec = importlib.util.spec_from_file_location(
        "before", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    sys.modules["before"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["before"])
    train = importlib.import_module("before.train")
    if settings.losses.keys() != {"dual_domain"} or settings.losses["dual_domain"]["weight"] != 1:
        raise SystemExit("same_minutes: before losses had names there was one of weight 1")
    fields = dataclasses.asdict(settings)
    fourier = fields.pop("losses")["dual_domain"]["fourier"]
    fields.pop("network")
    then = train.Settings(**{**fields, "fourier_weight": fourier, "learning_rate": rate})
    return train.Trainer(then, images, Path())


def run(
    trainer, minutes: float, at: list[float], clock: Callable[[], float] = time.monotonic
) -> list[tuple[float, int, float]]:
    """Trains, and measures after so many minutes: minutes, steps and dB of the held-out images."""
    found, waited, begun = [], 0.0, clock()
    while True:
        seconds = clock() - begun - waited
        while len(found) < len(at) and seconds >= 60 * at[len(found)]:
            stopped = clock()
            found.append((at[len(found)], trainer.steps, trainer.validate()[1]))
            waited += clock() - stopped
        if seconds >= 60 * minutes:
            return found
        trainer.step(seconds / (60 * minutes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="+", metavar="WAY")
    parser.add_argument("--config", type=Path, default=REPOSITORY / "models/configs/ct-ldct-t.toml")
    parser.add_argument("--runs", type=Path, default=Path("models/runs"), help="folder of packs")
    parser.add_argument("--before", type=Path, metavar="TREE")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of before")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--at", type=float, nargs="+", default=[5, 10, 20, 30], metavar="MINUTES")
    parser.add_argument("--cpu", action="store_true", help="one thread, by the processor's clock")
    options = parser.parse_args()
    if options.cpu:
        torch.set_num_threads(1)
    clock = time.process_time if options.cpu else time.monotonic
    if "before" in options.ways and options.before is None:
        raise SystemExit("same_minutes: before needs --before TREE")
    settings = Settings.read(options.config)
    at = sorted(minutes for minutes in options.at if minutes <= options.minutes)
    for name in options.ways:
        images = source(settings.data, options.runs / "packs", settings.seed)
        if name == "before":
            trainer = trainer_before(options.before, settings, options.rate, images)
        else:
            trainer = Trainer(settings_of(name, settings), images, Path())
        for minutes, steps, psnr in run(trainer, options.minutes, at, clock):
            print(f"{name:24} {minutes:g} min {steps:6} steps {psnr:.3f} dB", flush=True)


if __name__ == "__main__":
    main()
