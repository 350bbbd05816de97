"""What a reader finds in a file, and how two readers agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

# Decimal strings of the standard have at most 16 characters.
PLACE_MM = 1e-3
ANGLE = 1e-6


@dataclass
class Frame:
    """One image: values in the modality's unit [row, column], and its place in the patient, mm."""

    values: np.ndarray
    origin: Sequence[float] | None = None
    # Direction of growing columns, then of growing rows.
    directions: Sequence[float] | None = None
    # Between rows, then between columns.
    spacing: Sequence[float] | None = None


def of_pydicom(path: Path) -> list[Frame]:
    """The reference: stored values by pydicom, the rescale and the place by hand."""
    data = pydicom.dcmread(path)
    stored = data.pixel_array.astype(np.float64)
    if "PerFrameFunctionalGroupsSequence" not in data:
        return [_single(data, stored)]
    shared = data.SharedFunctionalGroupsSequence[0]
    frames = []
    for image, own in zip(stored, data.PerFrameFunctionalGroupsSequence, strict=True):

        def item(name: str, own: pydicom.Dataset = own) -> pydicom.Dataset:
            return (own if name in own else shared)[name][0]

        scale = item("PixelValueTransformationSequence")
        pixel = item("PixelMeasuresSequence")
        frames.append(
            Frame(
                image * float(scale.RescaleSlope) + float(scale.RescaleIntercept),
                _numbers(item("PlanePositionSequence").ImagePositionPatient),
                _numbers(item("PlaneOrientationSequence").ImageOrientationPatient),
                _numbers(pixel.PixelSpacing),
            )
        )
    return frames


def _single(data: pydicom.Dataset, stored: np.ndarray) -> Frame:
    return Frame(
        stored * float(data.RescaleSlope) + float(data.RescaleIntercept),
        _numbers(data.ImagePositionPatient),
        _numbers(data.ImageOrientationPatient),
        _numbers(data.PixelSpacing),
    )


def _numbers(values: Sequence) -> list[float]:
    return [float(value) for value in values]


def differences(expected: list[Frame], found: list[Frame]) -> list[str]:
    """How a reader departs from the reference. What it does not state is not compared."""
    if len(found) != len(expected):
        return [f"{len(found)} frames for {len(expected)}"]
    told = []
    for n, (a, b) in enumerate(zip(expected, found, strict=True)):
        if a.values.shape != b.values.shape:
            told.append(f"frame {n}: {b.values.shape} for {a.values.shape}")
            continue
        # A reader may hold values as 32-bit floats.
        scale = max(1.0, float(np.abs(a.values).max()))
        worst = float(np.abs(a.values - b.values).max())
        if not worst <= 1e-6 * scale:
            told.append(f"frame {n}: values differ by {worst:g}")
        for name, limit in (("origin", PLACE_MM), ("directions", ANGLE), ("spacing", PLACE_MM)):
            one, two = getattr(a, name), getattr(b, name)
            if one is None or two is None:
                continue
            if not np.allclose(one, two, rtol=0, atol=limit):
                told.append(f"frame {n}: {name} {list(two)} for {list(one)}")
    return told
