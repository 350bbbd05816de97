"""Measures PET models on whole-body series with the simulated noise of few counts.

    python -m lab.evaluate_pet models/zoo/pet-lowcount-3-t.onnx CHECKPOINT...

A filter can always buy less noise with lower hot spots. A model is therefore compared with Gaussian
filters along a curve: for each width the root mean squared error (RMSE) in the body, and the share
of the SUVpeak of hot spots that it keeps. ``of Gauss`` is the model's RMSE divided by that of the
Gaussian that keeps the same share, first of one within slices, then of one that is as wide in mm
along the body.

Neighbouring slices share noise, and the added noise is shared by as much
(``pet_volumes.shared_noise``). With noise of its own for every slice, a filter along the body would
seem to gain far more than it does on a scanner.

SUVpeak is the mean of a sphere of 1 ml, placed for the highest mean (Wahl et al., PERCIST, J. Nucl.
Med. 50, 2009). The reference is the full-count series, which has noise of its own. Its hot spots
are found where that noise is high, so that an image without noise keeps less than all of their
SUVpeak. ``--ideal`` says how much: it takes the series restored at full counts for the truth, adds
the noise of full counts anew, and measures the truth against that.

``lost`` counts hot spots whose SUVpeak is less than two thirds of the reference's, ``false`` those
of the result whose SUVpeak is half as high again as anything that the reference has there, and
``specks`` single voxels that are half as high again as any voxel of the reference there. Specks are
noise that looks like small lesions.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import convolve, correlate1d, gaussian_filter, maximum_filter

from artir_train.data import data_folder
from artir_train.degrade import pet
from artir_train.packs import kept
from artir_train.pet_slices import body_mask, full_counts, read_whole_body
from artir_train.pet_volumes import shared_noise

from .baselines.sets import read_pet
from .evaluate_pairs import Network

WIDTHS = np.arange(0.6, 2.41, 0.1)
"""Standard deviations of the Gaussians, in pixels."""
HOT = 3.0
"""Least SUVpeak of a hot spot."""
APART_MM = 15.0
"""A hot spot has the highest SUVpeak within this distance."""
NEAR_MM = 7.0
"""How far the sphere may move to the highest mean of the compared image."""
SPREAD = 6
"""Slices on each side that a slice's noise is mixed of."""
CLEARLY = 1.5
"""A hot spot is false if its SUVpeak is so many times the reference's there, and lost the other way
round."""
LEAST_SPECK = 1.0
"""Least SUV of a speck."""


@dataclass(frozen=True)
class Series:
    """A series [slice, row, column] in SUV; body: its attenuating pixels; spacing_mm: slice, row,
    column."""

    name: str
    suv: np.ndarray
    body: np.ndarray
    spacing_mm: tuple[float, float, float]

    @cached_property
    def peak(self) -> np.ndarray:
        """The mean of a sphere of 1 ml around each voxel."""
        return convolve(self.suv, sphere(self.spacing_mm), mode="nearest")

    @cached_property
    def spots(self) -> np.ndarray:
        """The places of its hot spots [N, 3]."""
        return hot_spots(self, self.peak)


def read_series(name: str, step: int = 1) -> Series:
    """``pet-ge-bqml``, or a series of ``train/pet-whole-body``; every ``step``-th slice of it."""
    if name == "pet-ge-bqml":
        suv, mm = read_pet(data_folder() / "dicom" / name)
        between = 3.27
    else:
        path = data_folder() / "train" / "pet-whole-body" / f"{name}.npz"
        suv, mm = read_whole_body(path)
        with np.load(path) as pack:
            between = float(pack["spacing_zyx"][0])
    suv = suv[::step]
    body = np.stack([body_mask(s) for s in suv])
    return Series(name, suv, body, (step * between, mm, mm))


def low_counts(series: Series, fraction: float) -> np.ndarray:
    """The series with the noise of 1 / ``fraction`` of its counts, without negative values.

    The series already has 1 / fraction of that variance.
    """
    return with_noise(series, series.suv, 1 / (fraction - 1))


def with_noise(series: Series, image: np.ndarray, share: float) -> np.ndarray:
    """An image of the series with the noise of this share of the series' counts, without negative
    values. Neighbouring slices share it by as much as they share that of the series."""
    noise = np.empty_like(image)
    generator = torch.Generator().manual_seed(0)
    mm = series.spacing_mm[1]
    scan = pet.Scan(post_mm=6.0)
    for first in range(0, len(image), 32):
        part = slice(first, first + 32)
        slices = torch.from_numpy(series.suv[part])
        body = torch.from_numpy(series.body[part])
        counts = full_counts(series.suv, slices, body, mm, scan) * share
        spacing = torch.full((len(slices),), mm)
        activity = torch.from_numpy(image[part])
        made = pet.noise(activity, body, spacing, counts, generator, scan)
        # A slice without any activity has no counts, and no noise.
        noise[part] = np.nan_to_num(made.numpy())
    weights = sharing(shared_noise(series.suv))
    return (image + correlate1d(noise, weights, axis=0, mode="mirror")).clip(0)


def sharing(shared: tuple[float, float]) -> np.ndarray:
    """Weights of slices that give independent noise these correlations one and two steps apart, and
    leave its variance."""
    steps = 64
    wanted = np.zeros(steps)
    wanted[[0, 1, 2, -1, -2]] = [1, *shared, *shared]
    # What no noise can have is left out: negative powers.
    power = np.fft.fft(wanted).real.clip(0)
    weights = np.roll(np.fft.ifft(np.sqrt(power)).real, SPREAD)[: 2 * SPREAD + 1]
    return weights / np.sqrt((weights**2).sum())


def ideal(series: Series, network: Network) -> Figures:
    """What an image without noise is worth against itself with the noise of full counts."""
    truth = (series.suv + restored(network, series.suv)).clip(0)
    return measure(replace(series, suv=with_noise(series, truth, 1.0)), truth)


def sphere(spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Weights of a sphere of 1 ml: the share of each voxel that lies in it, in sum 1."""
    radius = (3000 / (4 * np.pi)) ** (1 / 3)
    fine = 5
    sides = [int(np.ceil(radius / mm)) for mm in spacing_mm]
    axes = [
        (np.arange((2 * side + 1) * fine) + 0.5 - (2 * side + 1) * fine / 2) / fine * mm
        for side, mm in zip(sides, spacing_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (z**2 + y**2 + x**2 <= radius**2).astype(float)
    shape = [n for side in sides for n in (2 * side + 1, fine)]
    weights = inside.reshape(shape).mean((1, 3, 5))
    return weights / weights.sum()


def highest_at(
    image: np.ndarray, places: np.ndarray, within_mm: float, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """The highest value of the image within a distance of each of the places [N, 3]."""
    sides = [int(within_mm / mm) for mm in spacing_mm]
    steps = [np.arange(-side, side + 1) for side in sides]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    offsets = offsets[((offsets * spacing_mm) ** 2).sum(1) <= within_mm**2]
    wide = np.pad(image, [(side, side) for side in sides], constant_values=-np.inf)
    found = np.full(len(places), -np.inf)
    for offset in offsets + sides:
        np.maximum(found, wide[tuple((places + offset).T)], out=found)
    return found


def hot_spots(series: Series, peak: np.ndarray) -> np.ndarray:
    """The places [N, 3] where the SUVpeak of a hot spot is found."""
    places = np.argwhere((peak >= HOT) & series.body)
    highest = highest_at(peak, places, APART_MM, series.spacing_mm)
    return places[peak[tuple(places.T)] >= highest]


@dataclass(frozen=True)
class Figures:
    """What a result is worth: RMSE in the body in SUV; mean of the body divided by the reference's;
    mean and standard deviation of the shares of SUVpeak, mean share of SUVmax; how many hot spots
    the reference has, how many of them are lost, and how many false ones and specks the result
    has."""

    rmse: float
    mean: float
    peak: float
    peak_sd: float
    largest: float
    spots: int
    lost: int
    false: int
    specks: int


def measure(series: Series, result: np.ndarray) -> Figures:
    """A result [slice, row, column] in SUV against the full counts."""

    def near(image: np.ndarray, places: np.ndarray) -> np.ndarray:
        return highest_at(image, places, NEAR_MM, series.spacing_mm)

    peak, spots = series.peak, series.spots
    own_peak = convolve(result, sphere(series.spacing_mm), mode="nearest")
    own_spots = hot_spots(series, own_peak)
    kept_peaks = near(own_peak, spots) / peak[tuple(spots.T)]
    false = own_peak[tuple(own_spots.T)] > CLEARLY * near(peak, own_spots)
    tops = (result == maximum_filter(result, 3)) & (result >= LEAST_SPECK) & series.body
    specks = result[tops] > CLEARLY * near(series.suv, np.argwhere(tops))
    inside = series.body
    difference = (result - series.suv)[inside].astype(float)
    return Figures(
        float(np.sqrt(np.mean(difference**2))),
        float(result[inside].mean(dtype=float) / series.suv[inside].mean(dtype=float)),
        float(kept_peaks.mean()),
        float(kept_peaks.std()),
        float((near(result, spots) / near(series.suv, spots)).mean()),
        len(kept_peaks),
        int((kept_peaks < 1 / CLEARLY).sum()),
        int(false.sum()),
        int(specks.sum()),
    )


def gaussians(series: Series, low: np.ndarray) -> dict[str, list[Figures]]:
    """The curves of Gaussians of all widths: within slices, and as wide along the body too."""
    between, mm, _ = series.spacing_mm
    along = {"slices": 0.0, "volume": mm / between}
    return {
        name: [measure(series, gaussian_filter(low, (factor * w, w, w))) for w in WIDTHS]
        for name, factor in along.items()
    }


def of_gauss(curve: list[Figures], model: Figures) -> float:
    """The model's RMSE divided by that of the Gaussian that keeps as much of SUVpeak. The curve's
    ends stand for what lies beyond them."""
    by_peak = sorted((f.peak, f.rmse) for f in curve)
    peaks, errors = zip(*by_peak, strict=True)
    return model.rmse / float(np.interp(model.peak, peaks, errors))


def line(name: str, figures: Figures, ratios: Sequence[float] = ()) -> str:
    """One line of the report."""
    end = f"  of Gauss {', '.join(f'{ratio:.3f}' for ratio in ratios)}" if ratios else ""
    return (
        f"  {name:24} RMSE {figures.rmse:.4f}  mean {figures.mean:.4f}  SUVpeak "
        f"{figures.peak:.3f} (sd {figures.peak_sd:.3f})  SUVmax {figures.largest:.3f}  "
        f"lost {figures.lost}  false {figures.false}  specks {figures.specks}{end}"
    )


def restored(network: Network, low: np.ndarray, alone: bool = False) -> np.ndarray:
    """The change of every slice at strength 1. Networks that see neighbours see the series mirrored
    at its ends, or each slice several times if ``alone``."""
    beside = network.slices // 2
    if alone:
        return np.stack([network(np.stack([s] * network.slices)) - s for s in low])
    wide = np.pad(low, ((beside, beside), (0, 0), (0, 0)), "reflect")
    return np.stack([network(wide[i : i + network.slices]) - s for i, s in enumerate(low)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*", help="zoo files or checkpoints")
    parser.add_argument(
        "--series", nargs="+", default=["pet-ge-bqml", "qin-headneck-0024"], metavar="NAME"
    )
    parser.add_argument("--fractions", type=float, nargs="+", default=[12.0], metavar="N")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.8, 0.9, 1.0])
    parser.add_argument("--alone", action="store_true", help="without neighbouring slices")
    parser.add_argument(
        "--step",
        type=int,
        default=1,
        metavar="N",
        help="take every N-th slice, N times as far apart",
    )
    parser.add_argument("--ideal", action="store_true", help="also an image without noise")
    parser.add_argument("--cache", type=Path, default=Path("models/runs/packs"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    networks = [Network(path) for path in options.models]
    for name in options.series:
        series = read_series(name, options.step)
        if options.ideal:
            for network in networks:
                print(line(f"{name}, without noise", ideal(series, network)), flush=True)
        for fraction in options.fractions:
            key = hashlib.sha256(f"{name} {options.step} {fraction}".encode()).hexdigest()[:8]
            file = options.cache / f"pet-low-{key}.npz"
            low = kept(file, lambda s=series, f=fraction: {"low": low_counts(s, f)})["low"]
            given = measure(series, low)
            print(f"{name}, 1/{fraction:g} of the counts, {given.spots} hot spots")
            print(line("input", given))
            curves = gaussians(series, low)
            for where, curve in curves.items():
                for width, figures in list(zip(WIDTHS, curve, strict=True))[::4]:
                    print(line(f"Gauss {width:.1f}, {where}", figures))
            for network in networks:
                change = restored(network, low, options.alone)
                for strength in options.strengths:
                    figures = measure(series, (low + strength * change).clip(0))
                    title = f"{network.name} at {strength:g}"
                    ratios = [of_gauss(curve, figures) for curve in curves.values()]
                    print(line(title, figures, ratios), flush=True)


if __name__ == "__main__":
    main()
