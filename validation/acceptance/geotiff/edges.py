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
# Transmission and airlight of the haze.
THROUGH, AIRLIGHT = 0.55, 215
# Grey levels of 255 by which pixels beside a collar may turn darker than they do without it.
DARKER = 2.0
SECONDS = 300


@dataclass
class Variant:
    """A scene, and how its collar is marked."""

    label: str
    hazy: bool
    nodata: float
    kind: str
    options: tuple[object, ...] = ()


VARIANTS = (
    Variant("as it is, nodata 0", False, 0, "uint8"),
    Variant("under even haze, nodata 0", True, 0, "uint8"),
    Variant(
        "under even haze, Float32, nodata NaN",
        True,
        float("nan"),
        "float32",
        ("--range", "0,1"),
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
    """Red, green and blue of a real scene, 1 to 255; 0 is for the collar."""
    with rasterio.open(path) as dataset:
        values = dataset.read((1, 2, 3)).astype(np.float64)
    if hazy:
        values = values * THROUGH + AIRLIGHT * (1 - THROUGH)
    return values.round().clip(1, 255)


def store(path: Path, values: np.ndarray, nodata: float | None) -> Path:
    """Writes a tiled scene with a plain grid."""
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
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values)
    return path


def load(path: Path) -> np.ndarray:
    """All bands as they are stored."""
    with rasterio.open(path) as dataset:
        return dataset.read()


def check(bench: Bench, folder: Path, data: Path) -> list[tuple[str, str]]:
    """A line for each variant."""
    if not (data / SCENE).is_file():
        return [("edges of a scene", "data not found")]
    return [one(bench, folder, data, variant) for variant in VARIANTS]


def one(bench: Bench, folder: Path, data: Path, variant: Variant) -> tuple[str, str]:
    """Both runs of a variant, and the changes."""
    name = f"restored beside a collar: {variant.label}"
    whole = scene(data / SCENE, variant.hazy)
    scale = 1.0
    if variant.kind == "float32":
        whole, scale = whole / 255, 255.0
    whole = whole.astype(variant.kind)
    inside = depth(*whole.shape[1:])
    valid = inside >= 0
    collared = np.where(valid, whole, np.array(variant.nodata, whole.dtype))
    changes, problems = [], []
    for label, values, nodata in (
        ("whole", whole, None),
        ("collared", collared, variant.nodata),
    ):
        source = store(folder / f"{label}.tif", values, nodata)
        out = folder / f"{label}-restored.tif"
        out.unlink(missing_ok=True)
        run = bench.program.run("geo", source, "-o", out, *variant.options, seconds=SECONDS)
        if run.code:
            told = " ".join(run.reasons()) or "no reason"
            return name, bench.findings.cell(name, "run", [f"{run.code}: {told}"])
        after = load(out)
        changes.append((after.astype(float) - values) * scale)
        if label == "collared":
            problems += collar(values, after, valid, variant.nodata)
    near, far = valid & (inside < NEAR), valid & (inside >= 4 * NEAR)
    beside = [float(change[:, near].mean()) for change in changes]
    elsewhere = [float(change[:, far].mean()) for change in changes]
    # The network may judge the whole scene differently without its surroundings. That is no fringe.
    fringe = (beside[1] - beside[0]) - (elsewhere[1] - elsewhere[0])
    if not fringe >= -DARKER:
        problems.append(f"{-fringe:.2f} levels darker beside the collar")
    words = (
        f"mean change within {NEAR} pixels of the collar {beside[1]:+.2f} of 255 levels, of the "
        f"same pixels without a collar {beside[0]:+.2f}; elsewhere {elsewhere[1]:+.2f} and "
        f"{elsewhere[0]:+.2f}; fringe {fringe:+.2f}"
    )
    outcome = bench.findings.cell(name, "change", problems, "ok")
    return name, f"{outcome}: {words}"


def collar(before: np.ndarray, after: np.ndarray, valid: np.ndarray, nodata: float) -> list[str]:
    """Faults: a changed collar, or ground that became nodata."""
    problems = []
    if before[:, ~valid].tobytes() != after[:, ~valid].tobytes():
        problems.append("the collar was changed")
    ground = after[:, valid]
    lost = np.isnan(ground) if np.isnan(nodata) else ground == nodata
    # A pixel is nodata where all its bands are.
    if lost.all(axis=0).any():
        problems.append(f"{lost.all(axis=0).sum()} pixels became nodata")
    return problems
