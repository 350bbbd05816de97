"""Makes the picture of the front page from the results of ``artir demo``.

    target/release/artir demo -o demo-out --overwrite
    .venv/bin/python scripts/before_after.py demo-out -o docs/images/before-after.jpg

Everything in it is made by artir's own phantoms, so no picture of a third party is in the project.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont

EDGE = 420
"""Edge of a panel, pixels."""
GAP = 8
BAR = 28
WINDOW = (-160.0, 240.0)
"""HU from black to white: an abdomen's."""
BACKGROUND, TEXT = (255, 255, 255), (40, 40, 40)


def slice_grey(path: Path) -> Image.Image:
    """The middle of a CT slice under the window."""
    data = pydicom.dcmread(path)
    hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    lo, hi = WINDOW
    grey = (np.clip((hu - lo) / (hi - lo), 0, 1) * 255).round().astype(np.uint8)
    return centre(Image.fromarray(grey).convert("RGB"))


def scene(path: Path) -> Image.Image:
    return centre(Image.open(path).convert("RGB"))


def centre(image: Image.Image) -> Image.Image:
    """A square from the middle, one pixel of the picture for one of the image."""
    left, top = (image.width - EDGE) // 2, (image.height - EDGE) // 2
    return image.crop((left, top, left + EDGE, top + EDGE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="the folder of artir demo")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    demo = options.demo
    restored = sorted(demo.glob("ct-restored/series-*/*.dcm"))
    panels = [
        ("low-dose CT phantom", slice_grey(sorted(demo.glob("ct-input/*"))[1])),
        ("restored", slice_grey(restored[1])),
        ("hazy scene", scene(demo / "hazy.tif")),
        ("restored", scene(demo / "dehazed.tif")),
    ]
    size = (len(panels) * (EDGE + GAP) - GAP, BAR + EDGE)
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for i, (caption, panel) in enumerate(panels):
        left = i * (EDGE + GAP)
        draw.text((left + 2, 4), caption, fill=TEXT, font=ImageFont.load_default(17))
        picture.paste(panel, (left, BAR))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture.save(options.output, quality=88, optimize=True)


if __name__ == "__main__":
    main()
