"""Reads DICOM files with pydicom: identities, and pixels as numbers."""

import contextlib
import struct
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import pixel_array

# Exceptions of pydicom and the codecs for files that they cannot read.
UNREADABLE = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError),
    *(RuntimeError, TypeError, ValueError, struct.error, InvalidDicomError),
)
SOURCE_PURPOSE = "121322"
DIRECTORY = "1.2.840.10008.1.3.10"
LOSSY_SYNTAXES = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 55, 81, 91, 93, 203)}


def read(path: Path, pixels: bool = True) -> Dataset:
    """A file, with or without the DICOM prefix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True, stop_before_pixels=not pixels)


def syntax(dataset: Dataset) -> str:
    """The transfer syntax that the file declares, or None."""
    return str(getattr(dataset.file_meta, "TransferSyntaxUID", ""))


def files(folder: Path) -> list[Path]:
    """All files of a folder, or the file itself."""
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.is_file())


def records(path: Path) -> list[Path] | None:
    """The files that a DICOMDIR lists; nothing for another file or a folder."""
    if path.is_dir():
        return None
    with contextlib.suppress(*UNREADABLE):
        dataset = read(path, pixels=False)
        if dataset.file_meta.get("MediaStorageSOPClassUID") == DIRECTORY:
            listed = items(dataset, "DirectoryRecordSequence")
            names = [r.get("ReferencedFileID") for r in listed]
            parts = [[n] if isinstance(n, str) else n for n in names if n]
            return [path.parent.joinpath(*part) for part in parts]
    return None


def by_instance(paths: list[Path]) -> dict[str, list[Path]]:
    """Files by SOPInstanceUID. A test folder may contain one instance several times."""
    out: dict[str, list[Path]] = {}
    for path in paths:
        # Files that pydicom cannot read are not looked up.
        with contextlib.suppress(*UNREADABLE):
            if uid := str(read(path, pixels=False).get("SOPInstanceUID", "")):
                out.setdefault(uid, []).append(path)
    return out


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """A sequence's items; none when it is absent or empty."""
    return list(dataset.get(keyword) or [])


def first(dataset: Dataset, keyword: str) -> Dataset:
    """A sequence's first item, or an empty one."""
    return (items(dataset, keyword) or [Dataset()])[0]


def functional_groups(dataset: Dataset) -> list[Dataset]:
    """The shared functional groups and those of each frame."""
    return items(dataset, "SharedFunctionalGroupsSequence") + items(
        dataset, "PerFrameFunctionalGroupsSequence"
    )


def derivations(dataset: Dataset) -> list[Dataset]:
    """The item that describes the derivation: the object, or the macro of an enhanced one."""
    groups = functional_groups(dataset)
    nested = [d for g in groups for d in items(g, "DerivationImageSequence")]
    return [dataset, *nested]


def source_references(dataset: Dataset) -> list[Dataset]:
    """The references to source images of this processing."""
    out = []
    for told in derivations(dataset):
        for item in items(told, "SourceImageSequence"):
            purpose = first(item, "PurposeOfReferenceCodeSequence")
            if str(purpose.get("CodeValue", "")) == SOURCE_PURPOSE:
                out.append(item)
    return out


def frames(dataset: Dataset) -> int:
    """The number of frames."""
    return int(dataset.get("NumberOfFrames") or 1)


@lru_cache(maxsize=24)
def stored(path: Path) -> np.ndarray:
    """Stored values [frame, row, column], without the bits above the stored ones."""
    dataset = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = pixel_array(dataset, raw=True).astype(np.int64)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    values = values.reshape(-1, rows, columns)
    bits = int(dataset.BitsStored)
    values >>= int(dataset.HighBit) + 1 - bits
    values &= (1 << bits) - 1
    if dataset.PixelRepresentation == 1:
        values -= (values >> (bits - 1)) << bits
    return values


def transformations(dataset: Dataset) -> list[tuple[float, float]]:
    """Rescale slope and intercept of each frame."""
    shared = first(dataset, "SharedFunctionalGroupsSequence")
    own = items(dataset, "PerFrameFunctionalGroupsSequence")
    out = []
    for index in range(frames(dataset)):
        places = [own[index]] if index < len(own) else []
        for place in [*places, shared]:
            if items(place, "PixelValueTransformationSequence"):
                place = first(place, "PixelValueTransformationSequence")
                break
        else:
            place = dataset
        slope, intercept = place.get("RescaleSlope"), place.get("RescaleIntercept")
        out.append((float(slope or 1), float(intercept or 0)))
    return out


def rescaled(path: Path) -> np.ndarray:
    """Values after the modality's rescale, [frame, row, column]."""
    slopes = np.array(transformations(read(path, pixels=False)))
    return stored(path) * slopes[:, 0, None, None] + slopes[:, 1, None, None]


def limits(dataset: Dataset) -> tuple[int, int]:
    """The lowest and highest stored value that an object can contain."""
    bits = int(dataset.BitsStored)
    if dataset.PixelRepresentation == 1:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def padding(dataset: Dataset) -> tuple[int, int] | None:
    """The stored values that are declared as padding."""
    if dataset.get("PixelPaddingValue") is None:
        return None
    value = int(dataset.PixelPaddingValue)
    end = dataset.get("PixelPaddingRangeLimit")
    end = value if end is None else int(end)
    return min(value, end), max(value, end)
