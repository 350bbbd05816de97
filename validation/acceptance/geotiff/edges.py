"""No dark fringe along a scene's border: pixels next to nodata are restored like all others.

A network would see the collar of a rotated scene as black ground and darken the pixels next to it.
The check restores a real scene twice, whole and with a collar, and compares the changes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from .cases import Bench

SCENE = "opengeos/naip/m_4709963_se_14_1_20200831.tif"
NEAR = 8
DEGREES = 20
HIGHEST = 255
# Transmission and airlight of the haze.
THROUGH, AIRLIGHT = 0.55, 215
# Share of the range by which pixels beside a collar may change otherwise than they do without it.
MOST = 0.01
SECONDS = 300
NAN = float("nan")


@dataclass
class Variant:
    """A scene, the value of its collar, and what marks it: nodata, alpha, a mask or nothing."""

    label: str
    hazy: bool
    value: float
    kind: str = "uint8"
    mark: str = "nodata"

    @property
    def options(self) -> tuple[object, ...]:
        """Black and white, where the type does not say them."""
        return ("--range", "0,1") if self.kind == "float32" else ()

    @property
    def nodata(self) -> float | None:
        """What the file declares."""
        return self.value if self.mark == "nodata" else None


VARIANTS = (
    Variant("as it is, nodata 0", False, 0),
    Variant("under even haze, nodata 0", True, 0),
    Variant("under even haze, nodata 255", True, HIGHEST),
    Variant("under even haze, zeros that are not declared", True, 0, mark="nothing"),
    Variant("under even haze, 255 that is not declared", True, HIGHEST, mark="nothing"),
    Variant("under even haze, alpha over zeros", True, 0, mark="alpha"),
    Variant("under even haze, alpha over grey", True, 128, mark="alpha"),
    Variant("under even haze, a mask over zeros", True, 0, mark="mask"),
    Variant("under even haze, Float32, nodata NaN", True, NAN, "float32"),
    Variant("under even haze, Float32, NaN that is not declared", True, NAN, "float32", "nothing"),
    Variant("under even haze, Float32, nodata -9999", True, -9999, "float32"),
    Variant(
        "under even haze, Float32, -9999 that is not declared", True, -9999, "float32", "nothing"
    ),
)


def depth(height: int, width: int) -> np.ndarray:
    """How far inside a rotated rectangle each pixel lies; negative in the collar."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    angle = np.radians(DEGREES)
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    return np.minimum(0.33 * width - abs(u), 0.33 * height - abs(v))


def scene(path: Path, hazy: bool) -> np.ndarray:
    """Red, green and blue of a real scene, 1 to 254; 0 and 255 are for the collar."""
    with rasterio.open(path) as dataset:
        values = dataset.read((1, 2, 3)).astype(np.float64)
    if hazy:
        values = values * THROUGH + AIRLIGHT * (1 - THROUGH)
    return values.round().clip(1, HIGHEST - 1)


def store(path: Path, values: np.ndarray, valid: np.ndarray, variant: Variant) -> Path:
    """Writes a tiled scene with a plain grid, and marks what is not valid."""
    marks = np.where(valid, HIGHEST, 0).astype(values.dtype)
    alpha = variant.mark == "alpha"
    if alpha:
        values = np.concatenate([values, marks[None]])
    count, height, width = values.shape
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": values.dtype,
        "crs": "EPSG:32614",
        "transform": from_origin(500000, 5200000, 1, 1),
        "photometric": "RGB",
        "tiled": True,
        "nodata": None if valid.all() else variant.nodata,
        **({"alpha": "non-premultiplied"} if alpha else {}),
    }
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile) as dataset,
    ):
        dataset.write(values)
        if variant.mark == "mask":
            dataset.write_mask(marks)
    return path


def load(path: Path) -> np.ndarray:
    """Red, green and blue as they are stored."""
    with rasterio.open(path) as dataset:
        return dataset.read((1, 2, 3))


def check(bench: Bench, folder: Path, data: Path) -> list[tuple[str, str]]:
    """A line for each variant."""
    if not (data / SCENE).is_file():
        return [("edges of a scene", "data not found")]
    return [one(bench, folder, data, variant) for variant in VARIANTS]


def one(bench: Bench, folder: Path, data: Path, variant: Variant) -> tuple[str, str]:
    """Both runs of a variant, and the changes."""
    name = f"restored beside a collar: {variant.label}"
    whole = scene(data / SCENE, variant.hazy)
    white = HIGHEST
    if variant.kind == "float32":
        whole, white = whole / HIGHEST, 1
    whole = whole.astype(variant.kind)
    inside = depth(*whole.shape[1:])
    valid = inside >= 0
    collared = np.where(valid, whole, np.array(variant.value, whole.dtype))
    changes, problems = [], []
    for label, values, marked in (
        ("whole", whole, np.ones_like(valid)),
        ("collared", collared, valid),
    ):
        source = store(folder / f"{label}.tif", values, marked, variant)
        out = folder / f"{label}-restored.tif"
        out.unlink(missing_ok=True)
        run = bench.program.run("geo", source, "-o", out, *variant.options, seconds=SECONDS)
        if run.code:
            told = " ".join(run.reasons()) or "no reason"
            return name, bench.findings.cell(name, "run", [f"{run.code}: {told}"])
        after = load(out)
        changes.append((after.astype(float) - values) / white)
        if label == "collared":
            problems += collar(values, after, valid, variant.value)
    near, far = valid & (inside < NEAR), valid & (inside >= 4 * NEAR)
    beside = [float(change[:, near].mean()) for change in changes]
    elsewhere = [float(change[:, far].mean()) for change in changes]
    # The network may judge the whole scene differently without its surroundings. That is no fringe.
    fringe = (beside[1] - beside[0]) - (elsewhere[1] - elsewhere[0])
    if not abs(fringe) < MOST:
        problems.append(f"a fringe of {fringe:+.2%} of the range beside the collar")
    words = (
        f"mean change within {NEAR} pixels of the collar {beside[1]:+.2%} of the range, of the "
        f"same pixels without a collar {beside[0]:+.2%}; elsewhere {elsewhere[1]:+.2%} and "
        f"{elsewhere[0]:+.2%}; fringe {fringe:+.2%}"
    )
    outcome = bench.findings.cell(name, "change", problems, "ok")
    return name, f"{outcome}: {words}"


def collar(before: np.ndarray, after: np.ndarray, valid: np.ndarray, value: float) -> list[str]:
    """Faults: a changed collar, or ground that took the collar's value."""
    problems = []
    if before[:, ~valid].tobytes() != after[:, ~valid].tobytes():
        problems.append("the collar was changed")
    ground = after[:, valid]
    lost = np.isnan(ground) if np.isnan(value) else ground == value
    # A pixel is part of the collar where all its bands are.
    if lost.all(axis=0).any():
        problems.append(f"{lost.all(axis=0).sum()} pixels became a part of the collar")
    return problems
