"""The short, equal training of a row, and its PSNR.

All rows see the same batches in the same number of steps, computed by PyTorch in f32: artir's own
library knows the paper's blocks only, and its rounding must not favour them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from artir_train import export
from artir_train.settings import Settings
from artir_train.trainer import Trainer

from .rows import Row


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What is equal for all rows."""

    steps: int
    patch: int
    batch: int


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained row."""

    row: str
    seed: int
    schedule: Schedule
    settings: dict
    """Settings of the row, as the run used them."""
    input_psnr: list[float]
    """PSNR of each held-out image before restoration, in dB."""
    psnr: list[float]
    """And after it."""
    seconds: float
    """Processor time of the training."""


class Plain(Trainer):
    """A run without artir's own library and without bf16."""

    def _fastest(self, model, flat, products):
        def exact(images: torch.Tensor) -> torch.Tensor:
            with torch.autocast(self.device, enabled=False):
                return model(images)

        return exact


def path_of(folder: Path, row: str, seed: int) -> Path:
    return folder / f"{row}-{seed}.json"


def settings_of(row: Row, seed: int, schedule: Schedule) -> Settings:
    """The row's settings with the size of this schedule's batches."""
    return dataclasses.replace(
        row.settings(), seed=seed, patch=schedule.patch, batch=schedule.batch
    )


def kept(folder: Path, row: Row, seed: int, schedule: Schedule) -> Run | None:
    """An earlier run of the same settings and schedule; None if there is none."""
    path = path_of(folder, row.name, seed)
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    run = Run(**(found | {"schedule": Schedule(**found["schedule"])}))
    # A run may be older than some settings, which it then had by default.
    had = Settings.of_checkpoint(run.settings)
    same = run.schedule == schedule and not had.differences(settings_of(row, seed, schedule))
    return run if same else None


def plain(settings: Settings) -> dict:
    """Settings as JSON holds them."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def train(folder: Path, row: Row, seed: int, schedule: Schedule, source) -> Run:
    """Trains a row, exports it, and measures the exported file on the source's held-out images."""
    settings = settings_of(row, seed, schedule)
    trainer = Plain(settings, source, folder / f"{row.name}-{seed}")
    begun = time.process_time()
    for step in range(schedule.steps):
        trainer.step(step / schedule.steps)
    seconds = time.process_time() - begun
    degraded, clean = (x.numpy() for x in source.validation())
    restored = restore(trainer, settings, degraded)
    run = Run(
        row.name,
        seed,
        schedule,
        plain(settings),
        psnr(degraded, clean, source.window),
        psnr(restored, clean, source.window),
        round(seconds, 1),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, row.name, seed)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(dataclasses.asdict(run), indent=1) + "\n")
    os.replace(temporary, path)
    return run


def restore(trainer: Trainer, settings: Settings, degraded: np.ndarray) -> np.ndarray:
    """The images as the exported file restores them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        export.build(trainer.average.cpu()).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    given = settings.to_network(torch.from_numpy(degraded)).numpy()
    results = [session.run(None, {"image": image[None]})[0] for image in given]
    return settings.to_physical(torch.from_numpy(np.concatenate(results))).numpy()


def psnr(images: np.ndarray, clean: np.ndarray, window: tuple[float, float]) -> list[float]:
    """PSNR of each image inside a window of values, in dB."""
    lo, hi = window
    error = np.clip(images, lo, hi).astype(np.float64) - np.clip(clean, lo, hi)
    return [float(x) for x in 10 * np.log10((hi - lo) ** 2 / np.square(error).mean((1, 2, 3)))]
