"""Restores series of several kinds, and writes what independent readers find in the results.

python -m acceptance.viewers --artir target/release/artir -o validation/viewers.md
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

from ..program import Program
from .cornerstone import Cornerstone
from .frames import Frame, differences, of_pydicom
from .libraries import READERS, real_world
from .report import page

# A folder of the real data, the command, and more flags: each kind of object that artir derives.
SERIES = [
    ("dicom/ct-abdomen-ge", "ct", []),
    ("dicom/ct-abdomen-ge", "ct", ["--transfer-syntax", "jpegls-lossless"]),
    ("dicom/ct-head-ge-tilted", "ct", []),
    ("dicom/pet-gml", "pet", []),
    ("cases/dicom/pet-rwvm-global-slope", "pet", []),
    ("cases/dicom/pet-enhanced", "pet", []),
    ("cases/dicom/ct-enhanced-two-phases", "ct", []),
    ("cases/dicom/ct-enhanced-fragments-bot", "ct", []),
]
# VTK's own reader knows neither compressed pixels nor functional groups, and takes negative stored
# values for large ones where the rescale is not whole.
ONLY_PLAIN = {"VTK"}
# Objects of a series that are read.
SAMPLES = 3


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artir", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    data = Path(os.environ.get("ARTIR_REAL_DATA", "../shared/data")).resolve()
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory() as work, Cornerstone() as cornerstone:
        program = Program(options.artir, Path(work))
        for n, (folder, command, flags) in enumerate(SERIES):
            out = Path(work) / f"out{n}"
            run = program.run(command, data / folder, "-o", out, *flags, seconds=600)
            files = sorted(out.rglob("*.dcm"))
            if run.code or not files:
                raise SystemExit(f"{folder}: {run.stderr}")
            count = min(SAMPLES, len(files))
            chosen = [files[i * (len(files) - 1) // max(count - 1, 1)] for i in range(count)]
            cells = []
            sources = by_instance(data / folder)
            for name, reader in [*READERS.items(), ("cornerstone", cornerstone)]:
                cell = read(name, reader, chosen, sources)
                wrong += not cell.startswith(("ok", "as its source", "-"))
                cells.append(cell)
            kind = pydicom.dcmread(chosen[0], stop_before_pixels=True).SOPClassUID.name
            mapped = mappings(chosen)
            wrong += mapped not in ("-", "equal")
            rows.append([" ".join([f"{folder}/", *flags]), kind, str(len(files)), *cells, mapped])
            print(*rows[-1], sep=" | ", flush=True)
    options.output.write_text(page(rows, SAMPLES))
    raise SystemExit(1 if wrong else 0)


def by_instance(folder: Path) -> dict[str, Path]:
    """Files by their SOPInstanceUID."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            found[pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID] = path
        except (pydicom.errors.InvalidDicomError, AttributeError):
            continue
    return found


def source_of(path: Path, sources: dict[str, Path]) -> Path | None:
    """The object that one was derived from."""
    data = pydicom.dcmread(path, stop_before_pixels=True)
    while "SourceImageSequence" not in data:
        # Multi-frame objects name it in the functional groups of a frame.
        groups = ("PerFrameFunctionalGroupsSequence", "DerivationImageSequence")
        inner = next((name for name in groups if name in data), None)
        if inner is None:
            return None
        data = data[inner][0]
    return sources.get(data.SourceImageSequence[0].ReferencedSOPInstanceUID)


def read(name: str, reader: Callable, paths: list[Path], sources: dict[str, Path]) -> str:
    """What a reader says of some objects."""
    told = []
    for path in paths:
        found = faults(name, reader, path)
        if found is None:
            return "-"
        source = source_of(path, sources) if found else None
        # A reader that misreads the source too has a limit of its own.
        if source and kinds(faults(name, reader, source) or []) >= kinds(found):
            return f"as its source: {', '.join(sorted(kinds(found)))} misread"
        told += found
    return "; ".join(dict.fromkeys(told)) if told else f"ok ({len(paths)})"


def kinds(told: list[str]) -> set[str]:
    """What is misread, without places and numbers."""
    words = ("values", "origin", "directions", "spacing", "frames", "Error")
    return {word for line in told for word in words if word in line}


def faults(name: str, reader: Callable, path: Path) -> list[str] | None:
    """How a reader departs from the reference; `None` for a kind that it does not know."""
    syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
    expected = of_pydicom(path)
    scaled = any((frame.values % 1).any() and frame.values.min() < 0 for frame in expected)
    if name in ONLY_PLAIN and (syntax.is_compressed or len(expected) > 1 or scaled):
        return None
    try:
        found = reader(path, len(expected)) if name == "cornerstone" else reader(path)
    except (ValueError, RuntimeError, OSError, AttributeError) as error:
        return [f"{type(error).__name__}: {error}"]
    # cornerstone places frames of functional groups by metadata that the viewer around it provides.
    if name == "cornerstone" and len(expected) > 1:
        found = [Frame(one.values) for one in found]
    return differences(expected, found)


def mappings(paths: list[Path]) -> str:
    """Whether highdicom's real-world values are those of pydicom's stored values and mapping."""
    found = "-"
    for path in paths:
        data = pydicom.dcmread(path)
        if "RealWorldValueMappingSequence" not in data:
            continue
        item = data.RealWorldValueMappingSequence[0]
        slope, intercept = float(item.RealWorldValueSlope), float(item.RealWorldValueIntercept)
        expected = data.pixel_array.astype(np.float64) * slope + intercept
        values, _ = real_world(path)
        worst = float(np.abs(values - expected).max() / max(np.abs(expected).max(), 1e-9))
        if worst > 1e-6:
            return f"differ by {worst:g}"
        found = "equal"
    return found


if __name__ == "__main__":
    main()
