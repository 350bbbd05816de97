"""Shows and measures a network's held-out images of several degradations, each apart.

    python -m lab.degradations rgb-aio -o sheet.jpg
    python -m lab.degradations rgb-cdd -o sheet.jpg --model rgb-cdd-s.onnx
    python -m lab.degradations rgb-aio -o sheet.jpg --data FOLDER
    python -m lab.degradations rgb-aio -o sheet.jpg --pictures PHOTOGRAPHS

A row of the sheet is one image: degraded, by a method without training, restored by the model, and
clear. There are four of each degradation at most. The methods' parameters are the best of a small
grid on the measured images, which flatters them. With --data the images are those of published data
sets; such sheets are not kept. With --pictures the middles of the pictures of a folder are
degraded, each in every way.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, grey_opening, median_filter
from skimage.restoration import denoise_tv_chambolle

from artir_train import sources
from artir_train.degrade import photo

from .dark_channel import dark_channel
from .restorer import Restorer


@dataclass(frozen=True)
class Method:
    """A method without training, for images [H, W, 3] from 0 to 1, and its parameters."""

    name: str
    restore: Callable[[np.ndarray, float], np.ndarray]
    grid: tuple[float, ...]


def opening(image: np.ndarray, width: float) -> np.ndarray:
    """Removes what is brighter than its surroundings and narrower than ``width``."""
    return grey_opening(image, (1, int(width), 1))


def median(image: np.ndarray, size: float) -> np.ndarray:
    """The median of each colour in a square."""
    return median_filter(image, (int(size), int(size), 1))


def total_variation(image: np.ndarray, weight: float) -> np.ndarray:
    """Chambolle's projection."""
    return denoise_tv_chambolle(image, weight, channel_axis=-1)


def sharper(image: np.ndarray, radius: float) -> np.ndarray:
    """An unsharp mask."""
    return image + (image - gaussian_filter(image, (radius, radius, 0)))


SHOWN = 4
"""Most images of a degradation on the sheet."""
METHODS = {
    "haze": Method("dark channel", lambda x, omega: dark_channel(x, 0, omega, 15), (0.4, 0.6, 0.8)),
    "rain": Method("opening", opening, (2, 3, 4, 5)),
    "snow": Method("median", median, (3, 5, 7)),
    "noise": Method("TV", total_variation, (0.03, 0.06, 0.1, 0.15)),
    "motion": Method("unsharp mask", sharper, (1, 2, 4)),
    "defocus": Method("unsharp mask", sharper, (1, 2, 4)),
    "low": Method("gamma", lambda x, gamma: x**gamma, (0.2, 0.3, 0.4, 0.5, 0.7)),
}
"""The method for each single degradation. There is none for several at once."""


def of_pictures(folder: Path, tasks: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Middles [256, 256, 3] of the pictures of a folder, each degraded in every way by a fixed
    seed; the same undegraded; and the names of the degradations."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".tif"))
    rng, given, clear, groups = np.random.default_rng(77), [], [], []
    for task in tasks:
        for path in paths:
            with Image.open(path) as image:
                picture = np.asarray(image.convert("RGB"), np.float32) / 255
            top, left = ((side - 256) // 2 for side in picture.shape[:2])
            if min(top, left) < 0:
                raise ValueError(f"{path} has fewer than 256 x 256 pixels")
            part = np.ascontiguousarray(picture[top : top + 256, left : left + 256])
            given.append(photo.degraded(part.transpose(2, 0, 1).copy(), task, rng))
            clear.append(part)
            groups.append(task)
    if not paths:
        raise ValueError(f"{folder} holds no picture (.png, .jpg, .tif)")
    return np.stack(given).transpose(0, 2, 3, 1), np.stack(clear), groups


def psnr(image: np.ndarray, clear: np.ndarray) -> float:
    """PSNR in dB of an image clipped to 0 to 1."""
    return float(-10 * np.log10(np.square(image.clip(0, 1) - clear, dtype=np.float64).mean()))


def best(method: Method, pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """The method's results with the parameter of the highest mean PSNR."""
    tried = [[method.restore(given, value) for given, _ in pairs] for value in method.grid]
    means = [
        np.mean([psnr(got, clear) for got, (_, clear) in zip(results, pairs, strict=True)])
        for results in tried
    ]
    return tried[int(np.argmax(means))]


def sheet(rows: list[tuple[str, list[np.ndarray | None]]]) -> Image.Image:
    """One row for each image, its name above it."""
    edge = rows[0][1][0].shape[0]
    width = max(len(images) for _, images in rows)
    page = Image.new("RGB", (2 * width * (edge + 4), -(-len(rows) // 2) * (edge + 18)), "white")
    draw = ImageDraw.Draw(page)
    for i, (name, images) in enumerate(rows):
        left, top = i % 2 * width * (edge + 4), i // 2 * (edge + 18)
        draw.text((left, top + 2), name, fill="black")
        for j, image in enumerate(images):
            if image is not None:
                levels = (image.clip(0, 1) * 255).round().astype(np.uint8)
                page.paste(Image.fromarray(levels), (left + j * (edge + 4), top + 16))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", help="the data of a configuration, such as rgb-aio or rgb-cdd")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="published data sets")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="pictures to degrade")
    parser.add_argument("--model", type=Path, help="a model file to show beside the methods")
    parser.add_argument("--library", type=Path, help="libartir_ops.so: quicker")
    parser.add_argument("--runs", type=Path, default=Path("models/runs"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    try:
        source = sources.source(options.set, options.runs / "packs", 0, options.data)
        if options.pictures:
            given, clear, names = of_pictures(options.pictures, source.tasks)
        else:
            given, clear = (x.numpy().transpose(0, 2, 3, 1) for x in source.validation())
            names = source.groups
    except ValueError as error:
        raise SystemExit(f"lab.degradations: {error}") from error
    restore = Restorer.onnx(options.model, options.library) if options.model else None
    groups = np.array(names)
    rows = []
    print(
        "| degradation | images | input, dB | method | dB |" + (" model, dB |" if restore else "")
    )
    print("|---|---|---|---|---|" + ("---|" if restore else ""))
    for group in dict.fromkeys(names):
        pairs = [(given[i], clear[i]) for i in np.flatnonzero(groups == group)]
        method = METHODS.get(group)
        columns = [[x for x, _ in pairs], best(method, pairs) if method else [None] * len(pairs)]
        columns += [[restore(x) for x, _ in pairs]] if restore else []
        figures = [
            ""
            if column[0] is None
            else f"{np.mean([psnr(x, c) for x, (_, c) in zip(column, pairs, strict=True)]):.2f}"
            for column in columns
        ]
        name = method.name if method else ""
        print(f"| {' | '.join([group, str(len(pairs)), figures[0], name, *figures[1:]])} |")
        for number, (_, wanted) in enumerate(pairs[:SHOWN]):
            rows.append((group, [*(column[number] for column in columns), wanted]))
    sheet(rows).save(options.output)


if __name__ == "__main__":
    main()
