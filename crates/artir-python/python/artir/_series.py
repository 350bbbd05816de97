"""CT and PET series."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artir import _artir, _native
from artir._errors import ArtirError, PartialError, UsageError
from artir._model import Model, Progress
from artir._restored import Restored

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Series:
    """A series in an array.

    Attributes:
        values: [slice, row, column], float32, in `unit`.
        mask: [slice, row, column], True at padding and outside the field of view, where the values mean nothing.
        unit: HU or SUV.
        positions: Position of each slice along the normal of its plane, mm.
        spacing: Distance of slices (0 for a single one), rows and columns, mm.
        files: The file of each slice.
        findings: What is unusual about the series.
    """

    values: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    unit: str
    positions: npt.NDArray[np.float64]
    spacing: tuple[float, float, float]
    files: list[str]
    findings: list[str]


def read_ct(path: Path, series: int | None = None) -> Series:
    """Reads the slices of a CT series below a file or folder, in HU.

    Args:
        path: A DICOM file, a folder (searched recursively) or a DICOMDIR.
        series: The number of the series, counted from 0 in the order of `artir ct --list`. None if there is only one.

    Raises:
        UsageError: There are several series, and none was chosen.
        InputError: A file is damaged or shares its SOPInstanceUID, or there is no CT series of single frames.
        KeyboardInterrupt: Within a second of Ctrl-C.
    """
    return _read(path, "CT", "HU", series)


def read_pet(path: Path, series: int | None = None) -> Series:
    """Reads the slices of a PET series below a file or folder, in SUV by body weight. As `read_ct`."""
    return _read(path, "PT", "SUV", series)


def _read(path: Path, modality: str, unit: str, number: int | None) -> Series:
    if number is not None and number < 0:
        raise UsageError(f"series is {number}, not a number from 0", os.fspath(path))
    found: dict[str, Any] = _artir.read_series(os.fspath(path), modality, number, _native.program())
    return Series(
        values=found["values"],
        mask=~found["valid"],
        unit=unit,
        positions=found["positions"],
        spacing=found["spacing"],
        files=found["files"],
        findings=found["findings"],
    )


def restore_series(
    inputs: Path | Iterable[Path],
    output: Path,
    model: Model | str | None = None,
    *,
    modality: str = "CT",
    strength: float | None = None,
    tile: int | None = None,
    threads: int = 0,
    units: str = "suv",
    overwrite: bool = False,
    resume: bool = False,
    allow_partial: bool = False,
    include_derived: bool = False,
    series_description: str | None = None,
    progress: Progress | None = None,
) -> list[Restored]:
    """Restores every series below the inputs into a derived DICOM series, with the bytes of `artir ct` or `artir pet`.

    Args:
        inputs: DICOM files, folders (searched recursively) or a DICOMDIR.
        output: The folder in which each derived series gets its own folder. A series appears whole or not at all.
        model: A model or its name. None takes that of `artir ct` or `artir pet`.
        modality: CT, or PT for PET.
        strength, tile, threads, progress: As for `Model.restore`. Progress counts for each series anew.
        units: For PET: suv, or native for the series' own unit scaled to a body mean of 1.
        overwrite: Replace existing results.
        resume: Continue an interrupted call, or update a derived series.
        allow_partial: Write a series without its unusable slices.
        include_derived: Also restore series that artir itself has derived.
        series_description: SeriesDescription of the results, 1 to 64 ASCII characters without a backslash.

    Returns:
        The series that were written.

    Raises:
        PartialError: Some series were written, and others, or slices of them, were not.
        InputError, OutputError, UsageError: Nothing was written.
        KeyboardInterrupt: After Ctrl-C, at the end of a tile. `resume=True` continues.
    """
    many = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not many:
        raise UsageError("no input: name a DICOM file or a folder")
    if model is None:
        model = _artir.default_model(modality)
    if not isinstance(model, Model):
        model = Model(model)
    settings = {
        "modality": modality,
        "units": units,
        "overwrite": overwrite,
        "resume": resume,
        "allow_partial": allow_partial,
        "include_derived": include_derived,
        "series_description": series_description,
        "program": _native.program(),
    }
    network = model.network(strength, tile, threads, None)
    paths = [os.fspath(path) for path in many]
    described, failed = _artir.restore_series(network, paths, os.fspath(output), settings, progress)
    written = [Restored(**one) for one in described]
    errors = [error for error in failed if isinstance(error, ArtirError)]
    if not errors:
        return written
    first = errors[0]
    if not written:
        raise first
    raise PartialError(first.reason, first.file, written, errors)
