"""Measures how far a result made of tiles is from the one made in one piece.

    python -m lab.tile_borders --data ../shared/data [--only ct pet geo]

Each network runs once over the whole image and once over the tiles. The tiles are then blended in
several ways: over the asked overlap up to their edges (how artir did it until algorithm 1), without
the outer quarter of what two tiles share (algorithm 2), and cut in the middle. The columns are the
worst pixel, the 99.9th percentile and the root mean square of the difference to the whole image.
The last table shows how the difference of a single tile falls with the distance from its edge.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from pydicom import dcmread
from scipy.ndimage import zoom

STRIDE = 4
ZOO = Path(__file__).resolve().parents[2] / "models/zoo"
DISTANCES = (0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 1 << 20)
Image.MAX_IMAGE_PIXELS = None

Span = tuple[int, int]
"""First pixel of a tile and one past its last."""


def spans(length: int, tile: int, overlap: int) -> list[Span]:
    """Tiles along an axis whose length is a multiple of the stride, as artir plans them."""
    if length <= tile:
        return [(0, length)]
    advance = max(tile - overlap - (STRIDE - 1), STRIDE)
    count = -(-(length - tile) // advance) + 1
    starts = (i * (length - tile) // (count - 1) for i in range(count))
    return [(start - start % STRIDE, start - start % STRIDE + tile) for start in starts]


def ramp(distance: np.ndarray, trimmed: int, width: int) -> np.ndarray:
    """Weights by the distance from an edge: none in the trimmed part, then a ramp."""
    return np.where(distance < trimmed, 0, np.minimum(1, (distance - trimmed + 1) / (width + 1)))


WAYS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "to the edge": lambda distance, asked, _: ramp(distance, 0, asked),
    "without quarters": lambda distance, _, shared: ramp(
        distance, shared // 4, shared - shared // 4 * 2
    ),
    "cut in the middle": lambda distance, _, shared: ramp(distance, shared // 2, 0),
}


def weights(tiles: list[Span], asked: int, way: str) -> list[np.ndarray]:
    """The weights of all tiles along an axis, which add up to 1."""
    found = []
    for i, (start, end) in enumerate(tiles):
        own = np.ones(end - start)
        if i > 0:
            distance = np.arange(end - start)
            own = np.minimum(own, WAYS[way](distance, asked, tiles[i - 1][1] - start))
        if i + 1 < len(tiles):
            distance = np.arange(end - start)[::-1]
            own = np.minimum(own, WAYS[way](distance, asked, end - tiles[i + 1][0]))
        found.append(own)
    total = np.zeros(tiles[-1][1])
    for (start, end), own in zip(tiles, found, strict=True):
        total[start:end] += own
    return [own / total[start:end] for (start, end), own in zip(tiles, found, strict=True)]


class Network:
    """A built-in model on images in its own units, `[channel, row, column]`."""

    def __init__(self, name: str):
        self.session = onnxruntime.InferenceSession(str(ZOO / f"{name}.onnx"))

    def change(self, image: np.ndarray) -> np.ndarray:
        """What the network adds to an image."""
        return self.session.run(None, {"image": image[None]})[0][0] - image


def borders(name: str, image: np.ndarray, unit: float, tile: int, overlap: int, model: str) -> None:
    """Prints the differences of one image, in units of `unit`."""
    network = Network(model)
    whole = network.change(image)
    rows, columns = (spans(n, tile, overlap) for n in image.shape[1:])
    changes = [[network.change(image[:, a:b, c:d]) for c, d in columns] for a, b in rows]
    shared = rows[0][1] - rows[1][0]
    print(f"{name}, tiles of {tile}, overlap {overlap} ({shared} shared)")
    for way in WAYS:
        blended = np.zeros_like(whole, dtype=np.float64)
        down, across = weights(rows, overlap, way), weights(columns, overlap, way)
        for (a, b), wy, line in zip(rows, down, changes, strict=True):
            for (c, d), wx, change in zip(columns, across, line, strict=True):
                blended[:, a:b, c:d] += change * wy[:, None] * wx
        away = np.abs(blended - whole) * unit
        worst, high, rms = away.max(), np.quantile(away, 0.999), np.sqrt((away**2).mean())
        print(f"  {way:18} {worst:9.4f} {high:9.4f} {rms:9.5f}", flush=True)


def reach(name: str, image: np.ndarray, unit: float, tile: int, model: str) -> None:
    """Prints the difference of the tile in the middle by the distance from its edge."""
    network = Network(model)
    top, left = ((n - tile) // 2 // STRIDE * STRIDE for n in image.shape[1:])
    part = np.s_[:, top : top + tile, left : left + tile]
    away = np.abs(network.change(image[part]) - network.change(image)[part]) * unit
    along = np.minimum(np.arange(tile), np.arange(tile)[::-1])
    distance = np.minimum(along[:, None], along)
    print(f"{name}, one tile of {tile}: worst and mean by the distance from its edge")
    for low, high in zip(DISTANCES, DISTANCES[1:], strict=False):
        chosen = away[:, (distance >= low) & (distance < high)]
        if chosen.size:
            print(f"  from {low:4} {chosen.max():9.4f} {chosen.mean():9.5f}", flush=True)


def ct(data: Path) -> Iterator[tuple[str, np.ndarray, float, int, int, str]]:
    for number in ("05", "20", "35"):
        file = dcmread(data / f"dicom/ct-abdomen-ge/1-{number}.dcm")
        hu = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
        image = ((np.clip(hu, -1024, 3072) + 1024) / 1024).astype(np.float32)[None]
        for tile in (384, 256):
            yield f"CT {number}, HU", image, 1024, tile, 64, "ct-ldct-t"


def pet(data: Path) -> Iterator[tuple[str, np.ndarray, float, int, int, str]]:
    files = [
        dcmread(path) for path in sorted((data / "dicom/pet-ge-bqml").glob("*.dcm"))[60:220:10]
    ]
    slices = [file.pixel_array * float(file.RescaleSlope) for file in files]
    drug = files[0].RadiopharmaceuticalInformationSequence[0]
    # Decay is left out: only the order of magnitude of the SUV matters here.
    suv = float(files[0].PatientWeight) * 1000 / float(drug.RadionuclideTotalDose)
    lines = [np.concatenate(slices[i : i + 4], 1) for i in range(0, 16, 4)]
    image = (np.clip(np.concatenate(lines) * suv, 0, 20) / 5).astype(np.float32)[None]
    yield "16 PET slices, SUV", image, 5, 384, 64, "pet-lowcount-t"


def hazy(image: np.ndarray) -> np.ndarray:
    """A scene under a cloudy veil of up to 60 %."""
    noise = np.random.default_rng(1).normal(size=(6, 8))
    rows, columns = image.shape[1:]
    veil = zoom(noise, (rows / 6, columns / 8), order=3)[:rows, :columns]
    clear = 1 - 0.6 * (veil - veil.min()) / np.ptp(veil)
    return (image * clear + 0.8 * (1 - clear)).astype(np.float32)


def scene(data: Path, edge: int) -> np.ndarray:
    earth = Image.open(data / "train/earth/8k_earth_daymap.jpg").convert("RGB")
    crop = earth.crop((4200, 900, 4200 + edge, 900 + edge))
    return hazy(np.asarray(crop).transpose(2, 0, 1) / 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", default=["ct", "pet", "geo"])
    chosen = parser.parse_args()
    cases = [
        case
        for name, kind in (("ct", ct), ("pet", pet))
        if name in chosen.only
        for case in kind(chosen.data)
    ]
    for case in cases:
        borders(*case)
    if "geo" in chosen.only:
        large = scene(chosen.data, 956)
        for tile, overlap in ((512, 64), (640, 320)):
            borders("hazy scene, levels of 255", large, 255, tile, overlap, "geo-haze-t")
        reach("hazy scene, levels of 255", scene(chosen.data, 1024), 255, 512, "geo-haze-t")


if __name__ == "__main__":
    main()
