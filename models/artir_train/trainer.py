"""The trainer: Adam, cosine schedule, averaged weights, checkpoints, and the loop around them."""

from __future__ import annotations

import copy
import csv
import dataclasses
import logging
import math
import time
from pathlib import Path

import numpy as np
import torch

from . import curve, losses, mixer_start, native, weights
from .batches import Batches
from .macs import multiply_adds
from .network import ArtIR
from .settings import OtherSettings, Settings

LEAST_RATE = 1e-6
"""Learning rate at the end of the schedule."""
AVERAGE = 0.999
"""Largest decay of the averaged weights."""
CHECKPOINT = "checkpoint.pt"
VALIDATION_SHARE = 0.03
"""Most of a run's time that validation may take."""
_log = logging.getLogger(__name__)


def average_decay(steps: int) -> float:
    """Decay of the averaged weights after so many steps.

    The average covers about the last ninth of the run, at most 1000 steps. With a fixed decay of
    0.999, a run of 1000 steps would average in its first weights.
    """
    return min(AVERAGE, (1 + steps) / (10 + steps))


class Trainer:
    """A network with its optimiser, averaged weights and place in the schedule."""

    def __init__(self, settings: Settings, source, folder: Path, workers: int = 1):
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.source = source
        self.folder = folder
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.config = settings.config()
        self.model = ArtIR(self.config)
        mixer_start.open_mixers(self.model)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.flat, self.flat_average = native.Flat(self.model), native.Flat(self.average)
        self.run_model = self._fastest(self.model, self.flat, "best")
        # Scores are those of f32.
        self.run_average = self._fastest(self.average, self.flat_average, "f32")
        # Gradients are about 1e-6. The usual epsilon of 1e-8 would slow the smaller ones down.
        self.optimiser = torch.optim.Adam(
            mixer_start.parameter_groups(self.model),
            lr=settings.learning_rate,
            eps=1e-12,
            fused=True,
        )
        self.batches = Batches(source, settings.seed, workers)
        self.peak = self._peak()
        self.steps = self.patches = 0
        self.multiply_adds = 0
        """Those of forward passes since this process began."""
        self.seconds = 0.0

    def _fastest(self, model: ArtIR, flat: native.Flat, products: str):
        """The model in artir's own library on a CPU, compiled on a GPU, else unchanged."""
        if self.device == "cuda":
            return torch.compile(model)
        return native.native(self.config, flat, products) or model

    def _peak(self) -> float | None:
        """The most multiply-adds a second that artir's own library could do; None without it."""
        if not isinstance(self.run_model, native.Native):
            return None
        # The library gives each image of a batch to a thread.
        threads = torch.get_num_threads()
        if self.settings.batch % threads:
            _log.warning(
                "%d images a batch on %d threads: some threads wait for others in every step",
                self.settings.batch,
                threads,
            )
        return self.run_model.peak(threads)

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def save(self) -> None:
        """Writes a temporary file and renames it, so that a kill leaves a complete checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "config": dataclasses.asdict(self.config),
            "settings": dataclasses.asdict(self.settings),
            "weights": self.average.state_dict(),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "patches": self.patches,
            "hours": self.seconds / 3600,
        }
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(state, temporary)
        temporary.rename(self.checkpoint)

    def resume(self) -> None:
        """Loads the checkpoint. Raises OtherSettings if it was made with other settings."""
        check_resumable(self.folder, self.settings)
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.patches = state["steps"], state["patches"]
        self.seconds = state["hours"] * 3600

    def start_from(self, path: Path) -> None:
        """Loads the weights of a zoo file. Optimiser and schedule start over."""
        weights.load(path, self.model, self.settings.slices, deeper=True)
        mixer_start.open_dead_mixers(self.model)
        self.average.load_state_dict(self.model.state_dict())

    def step(self, progress: float) -> float:
        """One optimiser step at this share (0 to 1) of the schedule; returns the loss."""
        settings = self.settings
        rate = settings.learning_rate
        warm = min(1.0, (self.steps + 1) / 50)
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        for group in self.optimiser.param_groups:
            now = warm * (LEAST_RATE + (rate - LEAST_RATE) * cosine)
            group["lr"] = now * group["scale"]
        stage = settings.stage(progress)
        noisy, clean, *drawn = self.batches.of(self.steps, stage.batch, stage.patch)
        x = settings.to_network(noisy).to(self.device)
        y = settings.to_network(clean).to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            result = settings.middle(self.run_model(x))
        lesions = settings.scaled(drawn[0]).to(self.device) if drawn else None
        loss = losses.total(settings.losses, result, y, settings.middle(x), lesions)
        self.flat.values.grad.zero_()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([self.flat.values], 0.5)
        self.optimiser.step()
        self.steps += 1
        self.patches += stage.batch
        once = multiply_adds(self.config, stage.patch, stage.patch)
        self.multiply_adds += stage.batch * once
        decay = average_decay(self.steps)
        with torch.no_grad():
            self.flat_average.values.lerp_(self.flat.values, 1 - decay)
        return float(loss.detach())

    def validate(self) -> tuple[float, float]:
        """Mean PSNR in dB, inside the source's window of values, of the held-out inputs and of the
        averaged weights' results."""
        noisy, clean = self.source.validation()
        # The library gives each image to a thread.
        at_once = torch.get_num_threads() if self.device == "cpu" else 1
        with torch.no_grad():
            parts = [
                self.run_average(self.settings.to_network(n).to(self.device))
                for n in noisy.split(at_once)
            ]
        result = self.settings.to_physical(torch.cat(parts).cpu())
        window, middle = self.source.window, self.settings.middle
        return mean_psnr(middle(noisy), clean, window), mean_psnr(middle(result), clean, window)


def check_resumable(folder: Path, settings: Settings) -> None:
    """Raises OtherSettings if a run's checkpoint was made with other settings, and
    FileNotFoundError if there is none."""
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        raise FileNotFoundError(f"{checkpoint} does not exist: start the run without --resume")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    made_with = Settings.of_checkpoint(state["settings"])
    if changed := made_with.differences(settings):
        raise OtherSettings(
            f"{checkpoint} was made with other settings ({'; '.join(changed)}): restore them to "
            "resume, or start a new run in another folder (--runs), which may begin with the "
            "exported weights of this one (--start)"
        )


def mean_psnr(images: torch.Tensor, truth: torch.Tensor, window: tuple[float, float]) -> float:
    """Mean over images of the PSNR in dB inside a window of values."""
    lo, hi = window
    error = (images.clamp(lo, hi) - truth.clamp(lo, hi)).double().square().flatten(1).mean(1)
    return float((10 * torch.log10((hi - lo) ** 2 / error)).mean())


def pace(trainer: Trainer, seconds: float, patches: int, progress: float) -> str:
    """Patches and multiply-adds a second since this process began, as a share of the processor's
    peak too, and the rest of the schedule. A backward pass counts as two forward passes."""
    rate, work = (n / max(seconds, 1e-9) for n in (patches, 3e-9 * trainer.multiply_adds))
    left = trainer.seconds * (1 / progress - 1) / 60 if progress else math.inf
    share = f" ({100e9 * work / trainer.peak:.0f} % of the peak)" if trainer.peak else ""
    return f"{rate:.1f} patches/s, {work:.0f} G multiply-adds/s{share}, {max(left, 0):.0f} min left"


def train(trainer: Trainer, minutes: float | None, steps: int | None, every: float = 300.0) -> None:
    """Runs to the end of the schedule. Validates and saves every so many seconds, or less often if
    that would take more than 3 % of the time, and at the end. Deletes the log of an earlier run in
    the same folder when this one starts at step 0."""
    trainer.folder.mkdir(parents=True, exist_ok=True)
    log = trainer.folder / "log.csv"
    if not trainer.steps:
        log.unlink(missing_ok=True)
    before, begun, begun_at = trainer.seconds, time.monotonic(), trainer.patches
    saved, recent = begun, []
    while True:
        trainer.seconds = before + time.monotonic() - begun
        progress = trainer.steps / steps if steps else trainer.seconds / (60 * minutes)
        done = progress >= 1
        if done or time.monotonic() - saved > every:
            saved = time.monotonic()
            input_psnr, psnr = trainer.validate()
            trainer.save()
            every = max(every, (time.monotonic() - saved) / VALIDATION_SHARE)
            row = [
                trainer.steps,
                round(trainer.seconds),
                np.mean(recent) if recent else math.nan,
                input_psnr,
                psnr,
            ]
            recent.clear()
            with log.open("a", newline="") as file:
                csv.writer(file).writerow(row)
            curve.write(trainer.folder)
            print("steps {} seconds {} loss {:.5f} input {:.3f} dB result {:.3f} dB".format(*row))
            now = pace(trainer, trainer.seconds - before, trainer.patches - begun_at, progress)
            print(now, flush=True)
        if done:
            return
        recent.append(trainer.step(progress))
