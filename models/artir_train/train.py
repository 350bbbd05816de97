"""Training: Adam, cosine schedule, pixel and Fourier L1, averaged weights, resumable.

    python -m artir_train.train --config models/configs/ct-ldct-t.toml --minutes 60
    python -m artir_train.train --config models/configs/ct-ldct-t.toml --minutes 60 --resume

The run lives in ``models/runs/NAME``: ``checkpoint.pt`` (everything that resuming and exporting
need), ``log.csv`` and its picture ``curve.png``. ``--steps`` makes the schedule follow the step
count, and so the run reproducible from its seed; ``--minutes`` makes it follow the clock.
"""

from __future__ import annotations

import argparse
import copy
import csv
import dataclasses
import logging
import math
import time
import tomllib
from pathlib import Path

import numpy as np
import torch

from . import curve, mixer_start, native, weights
from .batches import Batches
from .ct_data import CtPatches
from .ct_pairs_data import CtPairPatches
from .data import REPOSITORY, data_folder
from .haze_data import HazePatches
from .macs import multiply_adds
from .network import ArtIR, Config
from .pet_data import PetPatches
from .rgb_data import RgbFreePatches, RgbPatches

LEAST_RATE = 1e-6
"""Learning rate at the end of the schedule."""
AVERAGE = 0.999
"""Largest decay of the averaged weights."""
_log = logging.getLogger(__name__)

SOURCES = {
    "ct": CtPatches,
    "ct-pairs": CtPairPatches,
    "haze": HazePatches,
    "pet": PetPatches,
    "rgb": RgbPatches,
    "rgb-free": RgbFreePatches,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a file in ``models/configs``."""

    data: str
    variant: str
    channels: int
    range: tuple[float, float]
    network_range: tuple[float, float]
    patch: int
    batch: int
    learning_rate: float
    fourier_weight: float
    seed: int
    psnr_weight: float = 0.0
    worse_weight: float = 0.0
    bright_weight: float = 0.0
    peak_weight: float = 0.0
    peak_least: float = 0.0
    peak_aim: float = 1.0

    @classmethod
    def read(cls, path: Path) -> Settings:
        with path.open("rb") as file:
            return cls(**tomllib.load(file))

    def to_network(self, physical: torch.Tensor) -> torch.Tensor:
        """Physical values, clamped to ``range``, as network values."""
        (lo, hi), (low, high) = self.range, self.network_range
        return low + (physical.clamp(lo, hi) - lo) * ((high - low) / (hi - lo))

    def to_physical(self, network: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`to_network`, without clamping."""
        (lo, hi), (low, high) = self.range, self.network_range
        return lo + (network - low) * ((hi - lo) / (high - low))


def dual_domain_loss(
    result: torch.Tensor, target: torch.Tensor, weight: float, bright: float = 0.0
) -> torch.Tensor:
    """Mean absolute error of the pixels, plus ``weight`` times that of the orthonormal spectra.

    Errors are weighted by 1 + ``bright`` x the target's value, because hot spots are few pixels but
    the purpose of a PET image."""
    difference = result.float() - target
    spectrum = torch.fft.rfft2(difference, norm="ortho")
    fourier = (spectrum.real.abs() + spectrum.imag.abs()).mean()
    pixels = difference.abs() * (1 + bright * target.clamp(min=0)) if bright else difference.abs()
    return pixels.mean() + weight * fourier


def psnr_loss(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over images of log10 of the mean squared error, which is what a mean PSNR counts: a
    scene that can be restored well, or be left as it is, is worth more than hedging in one that
    tells nothing. Errors under 1 % are good enough."""
    squared = (result.float() - target).square().flatten(1).mean(1)
    return torch.log10(squared + 1e-4).mean()


def worse_loss(result: torch.Tensor, target: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Excess of the results' error over the inputs', where it is positive: mean absolute errors of
    areas of 32x32 pixels. With this loss a network leaves the ground unchanged where it cannot
    distinguish haze from bright ground."""
    after = torch.nn.functional.avg_pool2d((result.float() - target).abs().mean(1, True), 32)
    before = torch.nn.functional.avg_pool2d((given - target).abs().mean(1, True), 32)
    return (after - before).clamp(min=0).mean()


def peak_shares(
    result: torch.Tensor, target: torch.Tensor, least: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """For each hot spot of the target: the ratio of the result's highest value to its own (SUVmax),
    and the spot's contrast, its relative height above the mean of
    its surroundings. A hot spot is a value of ``least`` or more that none within 4 pixels exceeds;
    in the result it may have moved by 2."""
    highest = torch.nn.functional.max_pool2d(target, 9, stride=1, padding=4)
    spots = (target >= least) & (target >= highest)
    found = torch.nn.functional.max_pool2d(result.float(), 5, stride=1, padding=2)
    around = torch.nn.functional.avg_pool2d(target, 9, stride=1, padding=4)
    return found[spots] / target[spots], 1 - around[spots] / target[spots]


def average_decay(steps: int) -> float:
    """Decay of the averaged weights after so many steps: the average reaches back over the last
    ninth of the run, and over 1000 steps at most. A fixed 0.999 would hold a run of 1000 steps to
    its first weights."""
    return min(AVERAGE, (1 + steps) / (10 + steps))


class Trainer:
    """A network with its optimiser, averaged weights and place in the schedule."""

    def __init__(self, settings: Settings, source, folder: Path):
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.source = source
        self.folder = folder
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.config = Config.variant(settings.variant, channels=settings.channels)
        self.model = ArtIR(self.config)
        mixer_start.open_mixers(self.model)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.flat, self.flat_average = native.Flat(self.model), native.Flat(self.average)
        self.run_model = self._fastest(self.model, self.flat, "best")
        # Scores are those of f32.
        self.run_average = self._fastest(self.average, self.flat_average, "f32")
        # Gradients are about 1e-6: the usual epsilon of 1e-8 would hold the smaller ones back.
        self.optimiser = torch.optim.Adam(
            mixer_start.parameter_groups(self.model),
            lr=settings.learning_rate,
            eps=1e-12,
            fused=True,
        )
        self.batches = Batches(source, settings)
        self.peak = self._peak()
        self.steps = 0
        self.seconds = 0.0

    def _fastest(self, model: ArtIR, flat: native.Flat, products: str):
        """The model in artir's own library on a CPU, compiled on a GPU, else unchanged."""
        if self.device == "cuda":
            return torch.compile(model)
        return native.native(self.config, flat, products) or model

    def _peak(self) -> float | None:
        """Multiply-adds a second that artir's own library could do at most, if it does the work. It
        gives each image of a batch to a thread."""
        if not isinstance(self.run_model, native.Native):
            return None
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
        return self.folder / "checkpoint.pt"

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
            "patches": self.steps * self.settings.batch,
            "hours": self.seconds / 3600,
        }
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(state, temporary)
        temporary.rename(self.checkpoint)

    def resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]
        self.seconds = state["hours"] * 3600

    def start_from(self, path: Path) -> None:
        """Loads the weights of a zoo file. Optimiser and schedule start over."""
        weights.load(path, self.model)
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
        noisy, clean = self.batches.of(self.steps)
        x = settings.to_network(noisy).to(self.device)
        y = settings.to_network(clean).to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            result = self.run_model(x)
        loss = dual_domain_loss(result, y, settings.fourier_weight, settings.bright_weight)
        if settings.psnr_weight:
            loss = loss + settings.psnr_weight * psnr_loss(result, y)
        if settings.worse_weight:
            loss = loss + settings.worse_weight * worse_loss(result, y, x)
        if settings.peak_weight:
            # A small lesion is all contrast; the highest pixel of a hot organ is mostly noise.
            shares, contrast = peak_shares(result, y, settings.peak_least)
            if len(shares):
                missed = (contrast * (shares - settings.peak_aim).square()).mean()
                loss = loss + settings.peak_weight * missed
        self.flat.values.grad.zero_()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([self.flat.values], 0.5)
        self.optimiser.step()
        self.steps += 1
        decay = average_decay(self.steps)
        with torch.no_grad():
            self.flat_average.values.lerp_(self.flat.values, 1 - decay)
        return float(loss.detach())

    def validate(self) -> tuple[float, float]:
        """Mean PSNR in dB of the held-out inputs and of the averaged weights' results, by the
        task's window of values."""
        noisy, clean = self.source.validation()
        # The library gives each image to a thread.
        at_once = torch.get_num_threads() if self.device == "cpu" else 1
        with torch.no_grad():
            parts = [
                self.run_average(self.settings.to_network(n).to(self.device))
                for n in noisy.split(at_once)
            ]
        result = self.settings.to_physical(torch.cat(parts).cpu())
        window = self.source.window
        return mean_psnr(noisy, clean, window), mean_psnr(result, clean, window)


def mean_psnr(images: torch.Tensor, truth: torch.Tensor, window: tuple[float, float]) -> float:
    """Mean over images of the PSNR in dB inside a window of values."""
    lo, hi = window
    error = (images.clamp(lo, hi) - truth.clamp(lo, hi)).double().square().flatten(1).mean(1)
    return float((10 * torch.log10((hi - lo) ** 2 / error)).mean())


def pace(trainer: Trainer, seconds: float, steps: int, progress: float) -> str:
    """Patches and multiply-adds a second since this process began, their share of the processor's
    peak, and the time that is left of the schedule. A backward pass counts as two forward ones."""
    settings = trainer.settings
    rate = steps * settings.batch / max(seconds, 1e-9)
    work = 3e-9 * rate * multiply_adds(trainer.config, settings.patch, settings.patch)
    left = trainer.seconds * (1 / progress - 1) / 60 if progress else math.inf
    share = f" ({100e9 * work / trainer.peak:.0f} % of the peak)" if trainer.peak else ""
    return f"{rate:.1f} patches/s, {work:.0f} G multiply-adds/s{share}, {max(left, 0):.0f} min left"


def train(trainer: Trainer, minutes: float | None, steps: int | None, every: float = 300.0) -> None:
    """Runs to the end of the schedule; validates and saves at regular intervals and at the end.
    The log of an earlier run in the same folder is deleted when this one starts at step 0."""
    trainer.folder.mkdir(parents=True, exist_ok=True)
    log = trainer.folder / "log.csv"
    if not trainer.steps:
        log.unlink(missing_ok=True)
    before, begun, begun_at = trainer.seconds, time.monotonic(), trainer.steps
    saved, losses = begun, []
    while True:
        trainer.seconds = before + time.monotonic() - begun
        progress = trainer.steps / steps if steps else trainer.seconds / (60 * minutes)
        done = progress >= 1
        if done or time.monotonic() - saved > every:
            saved = time.monotonic()
            input_psnr, psnr = trainer.validate()
            trainer.save()
            row = [
                trainer.steps,
                round(trainer.seconds),
                np.mean(losses) if losses else math.nan,
                input_psnr,
                psnr,
            ]
            losses.clear()
            with log.open("a", newline="") as file:
                csv.writer(file).writerow(row)
            curve.write(trainer.folder)
            print("steps {} seconds {} loss {:.5f} input {:.3f} dB result {:.3f} dB".format(*row))
            print(pace(trainer, trainer.seconds - before, trainer.steps - begun_at, progress))
        if done:
            return
        losses.append(trainer.step(progress))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="the schedule follows the clock")
    length.add_argument("--steps", type=int, help="the schedule follows the steps: reproducible")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="continue from the run's checkpoint")
    begin.add_argument("--start", type=Path, help="start with the weights of a zoo file")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--every", type=float, default=300, help="seconds between checkpoints")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "models" / "runs")
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    if not (data_folder() / "train").is_dir():
        raise SystemExit(f"no training data at {data_folder() / 'train'} (ARTIR_REAL_DATA)")
    if options.threads:
        torch.set_num_threads(options.threads)
    settings = Settings.read(options.config)
    source = SOURCES[settings.data](options.runs / "packs", settings.seed)
    trainer = Trainer(settings, source, options.runs / options.config.stem)
    if options.resume:
        trainer.resume()
    elif options.start:
        trainer.start_from(options.start)
    train(trainer, options.minutes, options.steps, options.every)


if __name__ == "__main__":
    main()
