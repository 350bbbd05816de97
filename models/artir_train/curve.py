"""Draws a run's log: PSNR of the held-out images over the steps.

python -m artir_train.curve models/runs/ct-ldct-t
"""

import csv
import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = (900, 420)
MARGIN = 60


def draw(rows: list[tuple[int, float, float]]) -> Image.Image:
    """rows: steps, PSNR of the input, PSNR of the result, dB."""
    image = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(image)
    values = [v for _, before, after in rows for v in (before, after)]
    low, high = min(values) - 0.5, max(values) + 0.5
    last = max(1, rows[-1][0])

    def at(step: int, psnr: float) -> tuple[float, float]:
        x = MARGIN + (SIZE[0] - 2 * MARGIN) * step / last
        return x, SIZE[1] - MARGIN - (SIZE[1] - 2 * MARGIN) * (psnr - low) / (high - low)

    for i in range(5):
        psnr, step = low + (high - low) * i / 4, round(last * i / 4)
        pen.line([at(0, psnr), at(last, psnr)], "lightgray")
        pen.text((8, at(0, psnr)[1] - 6), f"{psnr:.1f}", "black")
        pen.text((at(step, low)[0] - 12, SIZE[1] - MARGIN + 10), str(step), "black")
    pen.text(
        (MARGIN, 12), "held-out images: PSNR in dB over steps; grey input, blue result", "black"
    )
    for column, colour in ((1, "gray"), (2, "blue")):
        pen.line([at(r[0], r[column]) for r in rows], colour, 2)
    return image


def write(folder: Path) -> None:
    """Draws ``curve.png`` into the folder of ``log.csv``, once there are two rows."""
    with (folder / "log.csv").open(newline="") as file:
        rows = [(int(r[0]), float(r[3]), float(r[4])) for r in csv.reader(file)]
    if len(rows) > 1:
        draw(rows).save(folder / "curve.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
