"""The report against what other programs read: rasterio, `rio info`, gdalinfo and gdalcompare.py.

A hazy scene is stored in several layouts and restored by the built-in model with --report. QGIS
reads rasters with GDAL, as gdalinfo does.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine, from_origin

from .cases import Bench

ROWS, COLUMNS = 200, 240
COLLAR = 24
SECONDS = 300
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
OTHER = ColorInterp.undefined
GRID = from_origin(500000, 5200000, 10, 10)
ROTATED = Affine(8.66, -5, 500000, -5, -8.66, 5200000)
# What `rio info` must say of source and result alike.
FIELDS = (
    *("width", "height", "count", "dtype", "nodata", "crs", "transform", "interleave"),
    *("tiled", "blockxsize", "blockysize", "colorinterp", "descriptions", "units", "mask_flags"),
)
CHECKSUM = re.compile(r"gdalcompare: \"?Band (\d+) checksum difference")


def haze(count: int, white: float, kind: str) -> np.ndarray:
    """A texture under haze, black at 0."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    bands = [
        0.25
        + 0.2 * np.sin(x / (9 + band)) * np.cos(y / (7 + band))
        + 0.03 * ((x * 7 + y * 13) % 11) / 11
        for band in range(count)
    ]
    values = (np.stack(bands) * 0.55 + 0.38) * white
    return (values if kind.startswith("float") else values.round()).astype(kind)


@dataclass
class Layout:
    """A way to store a scene."""

    label: str
    kind: str = "uint8"
    white: float = 255
    colours: tuple[ColorInterp, ...] = RGB
    grid: Affine = GRID
    nodata: float | None = None
    profile: tuple[tuple[str, object], ...] = ()
    then: Callable[[rasterio.io.DatasetWriter], None] | None = None

    def store(self, path: Path) -> None:
        """Writes the scene."""
        values = haze(len(self.colours), self.white, self.kind)
        if self.nodata is not None:
            values[:, :, :COLLAR] = self.nodata
        if ColorInterp.alpha in self.colours:
            alpha = values[self.colours.index(ColorInterp.alpha)]
            alpha[:] = 255
            alpha[:, :COLLAR] = 0
        profile = {
            "driver": "GTiff",
            "count": len(values),
            "height": ROWS,
            "width": COLUMNS,
            "dtype": self.kind,
            "crs": None if self.grid == Affine.identity() else "EPSG:32614",
            "transform": self.grid,
            "nodata": self.nodata,
            **dict(self.profile),
        }
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as to:
            to.write(values)
            to.colorinterp = self.colours
            if self.then:
                self.then(to)


def masked(dataset: rasterio.io.DatasetWriter) -> None:
    """Marks a collar by a mask."""
    mask = np.full((ROWS, COLUMNS), 255, "uint8")
    mask[:, :COLLAR] = 0
    dataset.write_mask(mask)


def reflectance(dataset: rasterio.io.DatasetWriter) -> None:
    """Scale and offset of Landsat, Collection 2."""
    dataset.scales = [2.75e-5] * dataset.count
    dataset.offsets = [-0.2] * dataset.count
    dataset.descriptions = ["SR_B4", "SR_B3", "SR_B2", "SR_B5"][: dataset.count]


def overviews(dataset: rasterio.io.DatasetWriter) -> None:
    """Two overviews."""
    dataset.build_overviews([2, 4], Resampling.average)


def points(dataset: rasterio.io.DatasetWriter) -> None:
    """Control points in place of a grid."""
    corners = [(0, 0), (0, COLUMNS), (ROWS, 0), (ROWS, COLUMNS)]
    found = [GroundControlPoint(r, c, 5e5 + 9 * c + r, 5.2e6 - 9 * r + c) for r, c in corners]
    dataset.gcps = (found, rasterio.crs.CRS.from_epsg(32614))


TILES = (("tiled", True), ("blockxsize", 64), ("blockysize", 64), ("compress", "deflate"))
LAYOUTS = (
    Layout("bytes in strips", profile=(("photometric", "RGB"),)),
    Layout(
        "16 bits, nodata 0, tiles, predictor",
        "uint16",
        4000,
        nodata=0,
        profile=(*TILES, ("predictor", 2)),
    ),
    Layout(
        "floats, nodata NaN, planes",
        "float32",
        1,
        nodata=float("nan"),
        profile=(("interleave", "band"),),
    ),
    Layout("negative integers, a rotated grid", "int16", 3000, grid=ROTATED, nodata=-9999),
    Layout("alpha", colours=(*RGB, ColorInterp.alpha), profile=(("alpha", "non-premultiplied"),)),
    Layout("a mask, overviews", profile=TILES, then=lambda d: (masked(d), overviews(d))[0]),
    Layout(
        "reflectance, near infrared", "uint16", 14000, (*RGB, OTHER), nodata=0, then=reflectance
    ),
    Layout("blue, green, red, near infrared", "uint16", 4000, (*RGB[::-1], OTHER), profile=TILES),
    Layout("one band", "uint16", 4000, (ColorInterp.gray,), nodata=65535),
    Layout("control points", grid=Affine.identity(), then=points),
    Layout("a cloud-optimised file", profile=(("driver", "COG"), ("blocksize", 128))),
)


def check(bench: Bench, folder: Path, _data: Path) -> list[tuple[str, str]]:
    """A line for each layout."""
    found = []
    for layout in LAYOUTS:
        name = f"other programs agree with the report: {layout.label}"
        problems = one(bench, folder / re.sub(r"\W+", "-", layout.label), layout)
        found.append((name, bench.findings.cell(name, "agreement", problems)))
    return found


def one(bench: Bench, folder: Path, layout: Layout) -> list[str]:
    """Restores a layout, and compares."""
    out = folder / "out"
    out.mkdir(parents=True)
    source, result, told = folder / "scene.tif", out / "restored.tif", folder / "report.json"
    layout.store(source)
    run = bench.program.run("geo", source, "-o", result, "--report", told, seconds=SECONDS)
    if run.code:
        return [f"exit code {run.code}: {' '.join(run.reasons())}"]
    report = json.loads(told.read_text())
    entry = report["scenes"][0]
    done = entry["done"]
    problems = [] if entry["outcome"] == "written" else [f"outcome {entry['outcome']}"]
    beside = len(list(out.iterdir())) - 1
    if done["files_beside"] != beside:
        problems.append(f"{beside} files beside it, the report has {done['files_beside']}")
    problems += by_rio(bench, source, result, done)
    problems += by_gdal(bench, source, result, report)
    return problems + by_pixels(source, result, done)


def rio(bench: Bench, path: Path) -> dict:
    """What `rio info` prints."""
    code = "from rasterio.rio.main import main_group; main_group()"
    run = bench.tools.run(sys.executable, "-P", "-c", code, "info", path)
    return json.loads(run.stdout)


def by_rio(bench: Bench, source: Path, result: Path, done: dict) -> list[str]:
    """`rio info` says the same of source and result, and the size of the report."""
    before, after = rio(bench, source), rio(bench, result)
    problems = [
        f"rio info, {field}: {before.get(field)}, then {after.get(field)}"
        for field in FIELDS
        # NaN is no equal of itself.
        if repr(before.get(field)) != repr(after.get(field))
    ]
    size = [after["width"], after["height"], f"{after['width']}x{after['height']}"]
    if [done["columns"], done["rows"], done["size"]] != size:
        problems.append(f"rio info has {size}, the report {done['size']}")
    return problems


def by_gdal(bench: Bench, source: Path, result: Path, report: dict) -> list[str]:
    """gdalinfo shows how it was made as the report does, and gdalcompare.py the restored bands."""
    done = report["scenes"][0]["done"]
    info = bench.tools.info(result)
    if info is None:
        return ["gdalinfo cannot read it"]
    record = info["metadata"].get("ARTIR", {})
    ranges = [[float(v) for v in pair.split(",")] for pair in record.get("RANGE", "").split()]
    stated = {
        "size": info["size"],
        "bands": [int(band) for band in record.get("BANDS", "0").split(",")],
        "range": ranges,
        "strength": float(record.get("STRENGTH", "nan")),
        "model": record.get("MODEL", "").partition(" ")[0],
        "hash": record.get("MODEL_SHA256"),
    }
    reported = {
        "size": [done["columns"], done["rows"]],
        "bands": done["bands"],
        "range": done["range"],
        "strength": done["strength"],
        "model": report["model"],
        "hash": report["model_sha256"],
    }
    problems = [
        f"gdalinfo, {key}: {value}, the report has {reported[key]}"
        for key, value in stated.items()
        if value != reported[key]
    ]
    wrong, _ = bench.tools.compared(source, result)
    changed = {int(told[1]) for text in wrong if (told := CHECKSUM.match(text))}
    problems += [text for text in wrong if not CHECKSUM.match(text)]
    if changed != set(done["bands"]):
        problems.append(
            f"gdalcompare: bands {sorted(changed)} changed, the report has {done['bands']}"
        )
    return problems


def by_pixels(source: Path, result: Path, done: dict) -> list[str]:
    """rasterio reads changes in the restored bands alone, and the invalid pixels as reported."""
    with rasterio.open(source) as before, rasterio.open(result) as after:
        first, second = before.read(), after.read()
        valid = after.dataset_mask() != 0
        same_mask = (valid == (before.dataset_mask() != 0)).all()
    problems = [] if same_mask else ["the mask that rasterio reads changed"]
    if (count := int((~valid).sum())) != done["invalid_pixels"]:
        problems.append(f"{count} invalid pixels, the report has {done['invalid_pixels']}")
    for band, (old, new) in enumerate(zip(first, second, strict=True), 1):
        restored = band in done["bands"]
        if not restored and old.tobytes() != new.tobytes():
            problems.append(f"band {band} changed, and the report does not have it")
        if old[~valid].tobytes() != new[~valid].tobytes():
            problems.append(f"invalid pixels of band {band} changed")
        if restored and np.array_equal(old[valid], new[valid]):
            problems.append(f"band {band} did not change")
    return problems
