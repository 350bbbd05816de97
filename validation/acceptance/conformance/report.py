"""Writes the page: tables of restored inputs, of refused inputs and of special checks."""

from pathlib import Path

import pydicom

from . import outputs, validators
from .cases import Row

COLUMNS = (*outputs.COLUMNS, "with a model")
HEAD = """# DICOM conformance

artir over real DICOM files of many makers and transfer syntaxes. Written by `make conformance`; do not edit. Every
output is checked with programs that are not artir's own. A cell is `ok` if the output has no fault that its source
does not have.

- pixels: at `--strength 0`, stored and rescaled values of the output equal those of the source, as pydicom decodes them.
- attributes: every attribute that a derivation does not change is equal byte by byte, including nested and private ones.
  The changed ones are as PS3.3 requires.
- dciodvfy, dcentvfy: dicom3tools, for each object and for each series. dcmtk: dcmdump and dcm2pnm read every frame.
- Orthanc: an archive accepts and counts the files, and decodes first and last frames to the same values.
- with a model: the same checks except pixels, on a few slices, with the built-in CT model, or for PET with a small
  convolution whose result is compared with NumPy's.

Every run stayed within 1 GiB (2.5 GiB with the built-in model) and its time limit, and returned a documented exit code,
unless its line says otherwise.
"""
COLLECTIONS = """# DICOM conformance: series of public packages

Real CT and PET series that packages of PyPI and npm carry as test data. Written by `make conformance`; do not edit. Each line is one
series: package and version, its first file, maker, model and transfer syntax. The checks and columns are those of [dicom.md](dicom.md).
"""


def tools(archive: str) -> str:
    """Versions of the checking programs."""
    told = {
        "pydicom": pydicom.__version__,
        "dcmtk": validators.version("dcmdump", "--version"),
        "dicom3tools": validators.version("dciodvfy", "-version"),
        "Orthanc": archive,
    }
    return ", ".join(f"{name} {version}" for name, version in told.items())


def escape(text: str) -> str:
    """Text that fits a cell."""
    return " ".join(text.replace("|", "\\|").split())


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(map(escape, row))} |\n" for row in rows)


def restored(rows: list[Row]) -> str:
    """A line for each input of which something was restored."""
    lines = []
    for row in rows:
        if row.refused:
            continue
        cells = [row.cells.get(column, "") for column in COLUMNS]
        lines.append([row.case.label, row.case.command, row.outcome, *cells])
    return table(["input", "command", "outcome", *COLUMNS], lines)


def refused(rows: list[Row]) -> str:
    """A line for each reason, with all inputs that were refused for it."""
    groups: dict[tuple[str, int, str], list[str]] = {}
    for row in rows:
        if row.refused:
            key = (row.case.command, row.code, row.outcome)
            groups.setdefault(key, []).append(row.case.label)
    lines = [
        [command, str(code), reason, str(len(labels)), grouped(labels)]
        for (command, code, reason), labels in sorted(groups.items())
    ]
    return table(["command", "exit code", "reason", "inputs", "which"], lines)


def grouped(labels: list[str]) -> str:
    """Names by folder: FOLDER/{a, b}."""
    folders: dict[str, list[str]] = {}
    out = []
    for label in labels:
        if label.endswith("/"):
            out.append(label)
        else:
            folder, _, name = label.rpartition("/")
            folders.setdefault(folder, []).append(name)
    for folder, names in folders.items():
        text = names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"
        out.append(f"{folder}/{text}")
    return "; ".join(out)


def write(
    path: Path,
    head: str,
    rows: list[Row],
    special: list[tuple[str, str]],
    archive: str,
    failures: int,
) -> None:
    """Writes the page."""
    done = sum(not row.refused for row in rows)
    total = (
        f"{len(rows)} runs: {done} restored something, {len(rows) - done} were refused. "
        f"Failed checks: {failures}.\n\nChecked with {tools(archive)}.\n"
    )
    parts = [head, total, "## Restored\n", restored(rows)]
    if special:
        lines = [list(line) for line in special]
        parts += ["## Special checks\n", table(["check", "outcome"], lines)]
    parts += ["## Refused\n", refused(rows)]
    path.write_text("\n".join(parts))
