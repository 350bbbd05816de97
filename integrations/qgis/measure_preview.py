"""Measures how far a reduced preview is from the full run: the haze that each removes from the same scenes.

    /usr/bin/python3 integrations/qgis/measure_preview.py PROGRAM SCENE... [--factors 1.5,2,3,4]

Needs GDAL's Python and NumPy. Figures are in levels of 255, over 8-bit scenes, reduced as the plugin reduces them.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from osgeo import gdal

gdal.UseExceptions()


def reduced(path: str, factor: float, target: Path) -> np.ndarray:
    """The means of a scene's pixels, as a file and as an array of red, green and blue."""
    source = gdal.Open(path)
    size = {"width": round(source.RasterXSize / factor), "height": round(source.RasterYSize / factor)}
    options = {"bandList": [1, 2, 3], "resampleAlg": "average", **size}
    gdal.Translate(str(target), source, options=gdal.TranslateOptions(**options))
    return gdal.Open(str(target)).ReadAsArray().astype(float)


def dehazed(program: str, scenes: list[Path], folder: Path) -> list[str]:
    """The results of the command, all in one run."""
    folder.mkdir()
    command = [program, "geo", *map(str, scenes), "-o", str(folder), "--range=0,255"]
    subprocess.run(command, check=True, capture_output=True)
    return [str(folder / scene.name) for scene in scenes]


def main() -> None:
    """Prints a row of a table for each factor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--factors", default="1.5,2,3,4")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "whole").mkdir()
        whole = [work / "whole" / f"{i}.tif" for i in range(len(chosen.scenes))]
        for scene, target in zip(chosen.scenes, whole):
            reduced(scene, 1, target)
        full = dehazed(chosen.program, whole, work / "full")
        print("| factor | haze removed by the preview, by the full run | rms difference | worst scene |")
        print("|---|---|---|---|")
        for factor in map(float, chosen.factors.split(",")):
            parts, haze = work / f"part {factor}", work / f"haze {factor}"
            parts.mkdir()
            haze.mkdir()
            small = [parts / target.name for target in whole]
            before = [reduced(str(a), factor, b) for a, b in zip(whole, small)]
            coarse = [gdal.Open(path).ReadAsArray() for path in dehazed(chosen.program, small, work / f"out {factor}")]
            fine = [reduced(path, factor, haze / "fine.tif") for path in full]
            here = np.array([(a - b).mean() for a, b in zip(before, coarse)])
            there = np.array([(a - b).mean() for a, b in zip(before, fine)])
            away = np.sqrt(np.mean([((a - b) ** 2).mean() for a, b in zip(coarse, fine)]))
            worst = abs(here - there).argmax()
            row = f"| {factor:g} | {here.mean():.1f}, {there.mean():.1f} | {away:.1f} "
            print(row + f"| {here[worst]:.1f} in place of {there[worst]:.1f} |")


if __name__ == "__main__":
    main()
