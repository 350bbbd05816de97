"""What neighbouring slices bring to CT: the middle slice from three slices, and from itself alone.

    python -m lab.neighbours --minutes 10

Two networks train equally, from random weights, on slices of 1 mm with simulated noise that makes
them a quarter dose. One sees a slice, the other also the slices before and after it. Noise is drawn
for each slice on its own. That favours neighbours: reconstructed slices that overlap share noise.

Both are measured on slices that neither has seen. These have noise of their own, of variance v.
With noise n of variance w added, the target is the slice minus (v / w) n, whose noise is unrelated
to that of the input (see ``artir_train.ct_data``). The error against it is the error against the
slice without noise plus v (1 + v / w), which is subtracted.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
import torch

from artir_train import ct_slices
from artir_train.data import REPOSITORY, data_folder, read_series
from artir_train.packs import kept
from artir_train.settings import Settings
from artir_train.trainer import Trainer

SERIES = (("ct-chest-philips-1mm", "D"), ("ct-chest-ge", "STANDARD"))
"""Thin series, each with its kernel. The second trains no network."""
HELD_OUT = 24
"""Slices at the end of the first series that no network sees, but for the border's one."""
ADDED = 3.0
"""Variance of the added noise by that of the slice's own: a quarter dose."""


def pack() -> dict[str, np.ndarray]:
    """For each series: its slices in HU, noise of its kernel at 1 HU in the body, and the standard
    deviation of each slice's own noise."""
    made = {}
    for name, kernel in SERIES:
        hu, mm = read_series(data_folder() / "train" / name)
        half, steepness = ct_slices.KERNELS[kernel]
        half = min(ct_slices.SHARPEST, half * mm)
        window = ct_slices.kernel(half, steepness)
        ramp = np.concatenate(
            [
                ct_slices._noise_of((first, part, np.full(len(part), mm, np.float32)))
                for first in range(0, len(hu), 4)
                for part in [hu[first : first + 4]]
            ]
        )
        slices = [ct_slices.Slice(one, mm, half, steepness, "singles") for one in hu]
        own = [ct_slices.own_sd(*each) for each in zip(slices, ramp, strict=True)]
        scale = ct_slices.share_left(window) ** -0.5
        noise = [scale * ct_slices.filtered(n.astype(np.float32), window) for n in ramp]
        made[f"{name} hu"] = hu.astype(np.int16)
        made[f"{name} noise"] = np.stack(noise).astype(np.float16)
        made[f"{name} own"] = np.where(np.isnan(own), np.nanmedian(own), own)
    return made


class Volume:
    """Thin slices as pairs of 1 or 3 noisy neighbours and the target of the middle one."""

    window = (-160.0, 240.0)

    def __init__(self, arrays: dict[str, np.ndarray], name: str, seen: slice, channels: int):
        self.hu = arrays[f"{name} hu"][seen]
        self.noise = arrays[f"{name} noise"][seen]
        self.own = arrays[f"{name} own"][seen]
        self.channels = channels
        self.rng = np.random.default_rng(0)

    def batch(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` pairs [count, channels, size, size] and [count, 1, size, size] in HU."""
        noisy, target = zip(*[self._draw(size) for _ in range(count)], strict=True)
        return torch.from_numpy(np.stack(noisy)), torch.from_numpy(np.stack(target))

    def _draw(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        middle = int(rng.integers(1, len(self.hu) - 1))
        while True:
            y, x = rng.integers(0, 512 - size + 1, 2)
            if (self.hu[middle, y : y + size, x : x + size] > -900).mean() > 0.6:
                break
        noisy, target, _ = self.at(middle, slice(y, y + size), slice(x, x + size), rng)
        both = np.rot90(np.concatenate([noisy, target]), rng.integers(4), (1, 2))
        both = np.ascontiguousarray(both[:, :, ::-1] if rng.integers(2) else both, np.float32)
        return both[:-1], both[-1:]

    def at(
        self, middle: int, rows: slice, columns: slice, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """The noisy slices, the target of the middle one, and the variance of the target's noise.

        The draws do not depend on the number of channels: the same slice gets the same noise.
        """
        part = (slice(middle - 1, middle + 2), rows, columns)
        clean = self.hu[part].astype(np.float32)
        own = self.own[middle]
        noise = np.empty_like(clean)
        for i, j in enumerate(rng.choice(len(self.noise), 3, replace=False)):
            angle = rng.uniform(0, 2 * np.pi)
            plain = self.noise[j].astype(np.float32)
            mixed = np.cos(angle) * plain + np.sin(angle) * plain[:, ::-1]
            noise[i] = np.sqrt(ADDED) * own * mixed[rows, columns]
        noisy, target = clean + noise, clean[1:2] - noise[1:2] / ADDED
        seen = noisy if self.channels == 3 else noisy[1:2]
        return seen, target, own**2 * (1 + 1 / ADDED)

    def validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.batch(2, 128)


class Middle(Trainer):
    """A trainer whose network gives the middle slice alone."""

    def _fastest(self, model, flat, products):
        run = super()._fastest(model, flat, products)
        middle = self.config.in_channels // 2
        return lambda x: run(x)[:, middle : middle + 1]


def errors(trainer: Trainer, volume: Volume) -> tuple[float, float]:
    """Mean squared errors in HU of the middle slices' bodies, of the input and of the result,
    against slices without noise."""
    found, rng = [], np.random.default_rng(5)
    whole = slice(0, 512)
    settings = trainer.settings
    for middle in range(1, len(volume.hu) - 1, 2):
        noisy, target, variance = volume.at(middle, whole, whole, rng)
        with torch.no_grad():
            seen = settings.to_network(torch.from_numpy(noisy)[None])
            result = settings.to_physical(trainer.run_average(seen))[0, 0].numpy()
        smooth = ct_slices.gaussian_filter(volume.hu[middle].astype(np.float32), 2.0)
        body = (smooth > -60) & (smooth < 180)
        if body.sum() < 2000:
            continue
        given = noisy[len(noisy) // 2]
        found.append([((v - target[0])[body] ** 2).mean() - variance for v in (given, result)])
    before, after = np.mean(found, axis=0)
    return float(before), float(after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="processor minutes of each")
    parser.add_argument("--runs", type=Path, default=Path("models/runs"), help="folder of packs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    arrays = kept(options.runs / "packs" / "ct-neighbours.npz", pack)
    first, other = (name for name, _ in SERIES)
    base = Settings.read(REPOSITORY / "models/configs/ct-ldct-t.toml")
    for channels in (1, 3):
        seen = Volume(arrays, first, slice(0, -HELD_OUT), channels)
        settings = dataclasses.replace(base, channels=channels, learning_rate=1e-3)
        trainer = Middle(settings, seen, Path())
        begun = time.process_time()
        while (spent := time.process_time() - begun) < 60 * options.minutes:
            trainer.step(spent / (60 * options.minutes))
        for name, part in ((first, slice(-HELD_OUT, None)), (other, slice(None))):
            before, after = errors(trainer, Volume(arrays, name, part, channels))
            print(
                f"{channels} slices, {trainer.steps} steps, {name}: error of soft tissue "
                f"{before**0.5:.2f} HU before, {max(after, 0) ** 0.5:.2f} HU after",
                flush=True,
            )


if __name__ == "__main__":
    main()
