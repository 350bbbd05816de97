"""What neighbouring slices bring to CT, on series that train no network.

    python -m lab.neighbours --models ct-ldct-t.onnx ct-ldct-3-t.onnx --library libartir_ops.so
    python -m lab.neighbours --minutes 8

The first form measures model files. The second trains two networks equally, from random weights,
of which one sees a slice alone and the other its neighbours too, and measures both.

Noise is added that makes the slices a quarter dose. Neighbours share it by as much as they share
their own (see ``artir_train.ct_volumes``). A slice has noise of its own, of variance v. With noise
n of variance w added, the target is the slice minus (v / w) n, whose noise is unrelated to that of
the input (see ``artir_train.ct_data``). The error against it is the error against the slice without
noise plus v (1 + v / w), which is subtracted. Differences between networks do not depend on v.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from artir_train import ct_slices, ct_volumes
from artir_train.ct_volumes_data import CtVolumePatches
from artir_train.data import REPOSITORY, data_folder, read_series
from artir_train.neighbours import mixture
from artir_train.packs import kept
from artir_train.settings import Settings
from artir_train.trainer import Trainer

from .restorer import Restorer

SERIES = (("ct-abdomen-ge", "STANDARD"), ("ct-abdomen-siemens-partial", "B30"))
"""Test series, each with its kernel: 5 mm, and 3 mm every 2.5 mm."""
ADDED = 3.0
"""Variance of the added noise by that of the slice's own: a quarter dose."""

Restore = Callable[[np.ndarray], np.ndarray]
"""Three noisy neighbours [3, H, W] in HU as the middle one [H, W] restored."""


def pack() -> dict[str, np.ndarray]:
    """For each series its slices in HU, noise of its kernel at 1 HU in the body, the standard
    deviation of each slice's own noise, and how much of it slices one and two steps apart share."""
    made = {}
    for name, kernel in SERIES:
        hu, mm = read_series(data_folder() / "dicom" / name)
        half, steepness = ct_slices.KERNELS[kernel]
        half = min(ct_slices.SHARPEST, half * mm)
        window = ct_slices.kernel(half, steepness)
        spacing = np.full(len(hu), mm, np.float32)
        ramp = np.concatenate(
            [
                ct_slices._noise_of((first, hu[first : first + 4], spacing[first : first + 4]))
                for first in range(0, len(hu), 4)
            ]
        )
        slices = [ct_slices.Slice(one, mm, half, steepness, "singles") for one in hu]
        own = [ct_slices.own_sd(*each) for each in zip(slices, ramp, strict=True)]
        scale = ct_slices.share_left(window) ** -0.5
        noise = [scale * ct_slices.filtered(n.astype(np.float32), window) for n in ramp]
        made[f"{name} hu"] = hu.round().astype(np.int16)
        made[f"{name} noise"] = np.stack(noise).astype(np.float16)
        made[f"{name} own"] = np.where(np.isnan(own), np.nanmedian(own), own)
        made[f"{name} shared"] = np.array([ct_volumes.shared_noise(hu, lag) for lag in (1, 2)])
    return made


def errors(
    restores: list[Restore], arrays: dict[str, np.ndarray], name: str
) -> tuple[float, list[float], np.ndarray]:
    """Mean squared errors in HU of a series' soft tissue against slices without noise: of the
    input, of each way to restore it, and of each way and slice."""
    hu, noise, own, shared = (arrays[f"{name} {part}"] for part in ("hu", "noise", "own", "shared"))
    mix = mixture(tuple(shared))
    given, found = [], []
    for middle in range(1, len(hu) - 1):
        near = slice(middle - 1, middle + 2)
        clean = hu[near].astype(np.float32)
        smooth = ct_slices.gaussian_filter(clean[1], 2.0)
        body = (smooth > -60) & (smooth < 180)
        if body.sum() < 2000:
            continue
        added = np.tensordot(mix, noise[near].astype(np.float32), 1).astype(np.float32)
        added *= np.sqrt(ADDED) * own[middle]
        noisy, target = clean + added, clean[1] - added[1] / ADDED
        variance = own[middle] ** 2 * (1 + 1 / ADDED)
        given.append(((noisy[1] - target)[body] ** 2).mean() - variance)
        results = [restore(noisy) for restore in restores]
        found.append([((r - target)[body] ** 2).mean() - variance for r in results])
    return float(np.mean(given)), [float(v) for v in np.mean(found, 0)], np.array(found)


def of_model(path: Path, library: Path | None) -> Restore:
    """A model file, for one slice or three."""
    restorer = Restorer.onnx(path, library)
    if restorer.card["input"]["channels"] == 1:
        return lambda noisy: restorer(noisy[1])
    return lambda noisy: restorer(noisy.transpose(1, 2, 0))[..., 1]


def of_trainer(trainer: Trainer) -> Restore:
    """The averaged weights of a trainer, for one slice or three."""
    settings = trainer.settings

    def restore(noisy: np.ndarray) -> np.ndarray:
        seen = noisy if settings.channels == 3 else noisy[1:2]
        with torch.no_grad():
            result = trainer.run_average(settings.to_network(torch.from_numpy(seen)[None]))
        return settings.middle(settings.to_physical(result))[0, 0].numpy()

    return restore


class Middles(CtVolumePatches):
    """The same samples, without the neighbours."""

    channels = 1

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` pairs [count, 1, size, size] in HU."""
        noisy, target = super().batch(count, size)
        return noisy[:, 1:2].contiguous(), target


def trained(minutes: float, packs: Path) -> dict[str, Restore]:
    """Two networks after so many processor minutes each."""
    base = Settings.read(REPOSITORY / "models/configs/ct-ldct-3-t.toml")
    made = {}
    for channels, source in ((1, Middles), (3, CtVolumePatches)):
        settings = dataclasses.replace(base, channels=channels, slices=channels, learning_rate=1e-3)
        trainer = Trainer(settings, source(packs), Path())
        begun = time.process_time()
        while (spent := time.process_time() - begun) < 60 * minutes:
            trainer.step(spent / (60 * minutes))
        made[f"{channels} slice(s), {trainer.steps} steps"] = of_trainer(trainer)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, nargs="+", default=[], help="model files to measure")
    parser.add_argument("--library", type=Path, help="artir's operator library")
    parser.add_argument("--minutes", type=float, help="train for so many processor minutes each")
    parser.add_argument("--runs", type=Path, default=Path("models/runs"), help="folder of packs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ways = {path.stem: of_model(path, options.library) for path in options.models}
    if options.minutes:
        ways |= trained(options.minutes, options.runs / "packs")
    if not ways:
        parser.error("name models, or minutes of training")
    arrays = kept(options.runs / "packs" / "ct-neighbours.npz", pack)
    for name, _ in SERIES:
        own, shared = np.median(arrays[f"{name} own"]), arrays[f"{name} shared"][0]
        before, after, each = errors(list(ways.values()), arrays, name)
        print(
            f"{name}: own noise {own:.1f} HU, neighbours share {shared:.2f}; "
            f"error of soft tissue at a quarter dose {before**0.5:.2f} HU"
        )
        for i, way in enumerate(ways):
            gain = 10 * np.log10(after[0] / after[i])
            better = (each[:, i] < each[:, 0]).sum()
            print(
                f"  {way}: {max(after[i], 0) ** 0.5:.2f} HU, {gain:+.2f} dB by the first, "
                f"better on {better} of {len(each)} slices",
                flush=True,
            )


if __name__ == "__main__":
    main()
