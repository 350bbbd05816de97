"""Makes a contact sheet of a model's results: input, result, reference and error of every image.

    python -m lab.sheets haze models/zoo/geo-haze-t.onnx -o sheet.jpg

The sets are those of the baselines. Sheets contain test images, so they are not kept; the model's
card says what was seen. CT is shown from -160 to 240 HU, PET from SUV 0 to 7. The error is three
times the absolute difference. For clear scenes, whose reference is the input, it is the change.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .baselines.sets import SETS, WORK, TestSet
from .restorer import Restorer

SHOWN = {
    "ct": (-160.0, 240.0),
    "pet": (0.0, 7.0),
    "rgb": (0.0, 255.0),
    "haze": (0.0, 1.0),
}


def panel(image: np.ndarray, lo: float, hi: float, edge: int) -> Image.Image:
    """The middle of an image as 8-bit RGB."""
    height, width = image.shape[:2]
    y, x = max(0, (height - edge) // 2), max(0, (width - edge) // 2)
    part = image[y : y + edge, x : x + edge]
    levels = ((part - lo) * (255 / (hi - lo))).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB")


def sheet(test: TestSet, restore: Restorer, strength: float, every: int, edge: int) -> Image.Image:
    """Every n-th image, two in a row, as panels of so many pixels."""
    lo, hi = SHOWN[test.task]
    # The RGB noise set counts in levels of 255, its model from 0 to 1.
    scale = 255.0 if test.task == "rgb" else 1.0
    names = sorted(test.degraded)[::every]
    rows = -(-len(names) // 2)
    page = Image.new("RGB", (8 * (edge + 4), rows * (edge + 18)), "white")
    draw = ImageDraw.Draw(page)
    for i, name in enumerate(names):
        given, wanted = test.degraded[name], test.clean[name]
        got = restore(given / scale, strength) * scale
        error = np.abs(got - wanted) * 3 + lo
        left, top = i % 2 * 4 * (edge + 4), i // 2 * (edge + 18)
        for j, image in enumerate((given, got, wanted, error)):
            page.paste(panel(image, lo, hi, edge), (left + j * (edge + 4), top + 16))
        with np.errstate(divide="ignore"):
            figures = f"{test.psnr(name, given):.2f} -> {test.psnr(name, got):.2f} dB"
        draw.text((left, top + 2), f"{name}: {figures}", fill="black")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("model", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--library", type=Path, help="libartir_ops.so: quicker")
    parser.add_argument("--strength", type=float, help="default: the model's own")
    parser.add_argument("--every", type=int, default=1, help="show every n-th image")
    parser.add_argument("--edge", type=int, default=256, help="pixels of a panel, from the middle")
    options = parser.parse_args()
    restore = Restorer.onnx(options.model, options.library)
    strength = options.strength
    if strength is None:
        strength = restore.card.get("strength", 1.0)
    page = sheet(SETS[options.set](WORK), restore, strength, options.every, options.edge)
    page.save(options.output)


if __name__ == "__main__":
    main()
