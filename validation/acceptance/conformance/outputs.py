"""The objects of one run against their sources: pixels, attributes, validators, archive."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..findings import Findings
from . import attributes, derived, images, models, validators
from .orthanc import Orthanc

COLUMNS = ("pixels", "attributes", "dciodvfy", "dcentvfy", "dcmtk", "Orthanc")
# Two decoders of a stream with loss may round differently.
LOSSY_DIFFERENCE = 1
# Limits for changes of a CT slice, HU. They catch wrong scales and offsets, not bad models.
MEAN_CHANGE, MEAN_SHIFT = 100.0, 20.0


@dataclass
class Pair:
    """An output and the source that it names."""

    folder: str
    output: Path
    source: Path


def folders(out: Path) -> dict[str, list[Path]]:
    """Output files by series folder."""
    found: dict[str, list[Path]] = {}
    for path in sorted(out.rglob("*.dcm")):
        found.setdefault(str(path.parent.relative_to(out)), []).append(path)
    return found


def pairs(out: Path, sources: list[Path]) -> tuple[list[Pair], list[str]]:
    """Every output with its source, and faults of outputs without one."""
    known = images.by_instance(sources)
    found, problems = [], []
    for folder, paths in folders(out).items():
        for path in paths:
            try:
                references = images.source_references(images.read(path))
            except images.UNREADABLE as error:
                problems.append(f"{path.name}: pydicom cannot read it: {error}")
                continue
            named = [str(r.get("ReferencedSOPInstanceUID")) for r in references]
            candidates = [source for uid in named for source in known.get(uid, [])]
            if not candidates:
                problems.append(f"{path.name}: names no source among the input")
                continue
            found.append(Pair(folder, path, nearest(path, candidates)))
    return found, problems


def nearest(output: Path, candidates: list[Path]) -> Path:
    """The file, of several with the same instance UID, that the output was made from."""
    candidates = list(dict.fromkeys(candidates))
    if len(candidates) == 1:
        return candidates[0]

    def distance(source: Path) -> tuple[int, int]:
        pixels = bool(exact(output, source))
        told = attributes.compare(images.read(source), images.read(output))
        return pixels, len(told)

    return min(candidates, key=distance)


def decoded(path: Path) -> np.ndarray | None:
    """Stored values; None if no codec here decodes the file."""
    try:
        return images.stored(path)
    except images.UNREADABLE:
        return None


def exact(output: Path, source: Path) -> str | None:
    """How the pixels differ from the source's; an empty text if no codec here decodes those."""
    before, after = decoded(source), decoded(output)
    if after is None:
        return "its pixels cannot be decoded"
    if before is None:
        return ""
    if before.shape != after.shape:
        return f"pixels {before.shape} became {after.shape}"
    difference = np.abs(after - before)
    lossy = images.syntax(images.read(source, pixels=False)) in images.LOSSY_SYNTAXES
    if lossy and difference.max() <= LOSSY_DIFFERENCE:
        return None
    if difference.any():
        count = np.count_nonzero(difference)
        return f"{count} stored values differ, by up to {difference.max()}"
    if not np.array_equal(images.rescaled(source), images.rescaled(output)):
        return "rescaled values differ"
    return None


def check_exact(found: list[Pair]) -> tuple[list[str], str]:
    """Faults of pixels at strength 0, and the text of the cell if there are none."""
    out, unknown, near = [], 0, 0
    for pair in found:
        problem = exact(pair.output, pair.source)
        if problem == "":
            unknown += 1
        elif problem:
            out.append(f"{pair.output.name}: {problem}")
        elif not np.array_equal(decoded(pair.source), decoded(pair.output)):
            near += 1
    words = []
    if equal := len(found) - unknown - near:
        words.append(f"equal ({equal})")
    if near:
        words.append(f"within {LOSSY_DIFFERENCE} ({near}, lossy source)")
    if unknown:
        words.append(f"no second decoder ({unknown})")
    return out, ", ".join(words)


def check_attributes(found: list[Pair], besides: frozenset[str] = frozenset()) -> list[str]:
    """Faults of kept attributes, derived ones, and those that a folder shares."""
    out = []
    series: dict[str, list] = {}
    for pair in found:
        label = pair.output.name
        for problem in attributes.compare(
            images.read(pair.source), images.read(pair.output), besides
        ):
            out.append(f"{label}: {problem}")
        ours = images.read(pair.output, pixels=False)
        for problem in derived.check(images.read(pair.source), ours, pair.output):
            out.append(f"{label}: {problem}")
        series.setdefault(pair.folder, []).append(ours)
    for folder, datasets in series.items():
        out += [f"{folder}: {p}" for p in derived.check_series(datasets)]
    uids = [{d.SeriesInstanceUID for d in datasets} for datasets in series.values()]
    if len(set().union(*uids)) < len(uids):
        out.append("two folders share a SeriesInstanceUID")
    return out


def check_stored(found: list[Pair]) -> list[str]:
    """Faults: stored values out of range, changed padding."""
    out = []
    for pair in found:
        dataset = images.read(pair.output)
        words = dataset.pixel_array
        least, greatest = images.limits(dataset)
        if words.min() < least or words.max() > greatest:
            out.append(f"{pair.output.name}: values beyond {least} to {greatest}")
        before, after = decoded(pair.source), decoded(pair.output)
        if before is None or (span := images.padding(dataset)) is None:
            continue
        blank = (before >= span[0]) & (before <= span[1])
        if (after[blank] != before[blank]).any():
            out.append(f"{pair.output.name}: padding was changed")
        image = ~blank & (before != after)
        if ((after[image] >= span[0]) & (after[image] <= span[1])).any():
            out.append(f"{pair.output.name}: image became padding")
    return out


def check_restored(found: list[Pair]) -> list[str]:
    """Faults: a CT model that changed nothing, or changed values implausibly."""
    out, changed = [], False
    for pair in found:
        if decoded(pair.source) is None:
            changed = True
            continue
        change = images.rescaled(pair.output) - images.rescaled(pair.source)
        changed |= np.count_nonzero(change) > change.size / 100
        if np.abs(change).mean() > MEAN_CHANGE or abs(change.mean()) > MEAN_SHIFT:
            words = f"{np.abs(change).mean():.1f}, shift {change.mean():.1f}"
            out.append(f"{pair.output.name}: mean change {words}")
    if not changed:
        out.append("no slice was changed")
    return out + check_stored(found)


def check_convolved(found: list[Pair]) -> list[str]:
    """A PET slice after the convolution model, against the same convolution in NumPy."""
    out = []
    for pair in found:
        before, after = images.rescaled(pair.source), images.rescaled(pair.output)
        # Values below the card's range are clamped for the network only.
        seen = before.clip(0)
        rows, columns = seen.shape[1:]
        padded = np.pad(seen, ((0, 0), (1, 1), (1, 1)))
        wanted = before - seen
        for row in range(3):
            for column in range(3):
                part = padded[:, row : row + rows, column : column + columns]
                wanted += models.KERNEL[row, column] * part
        source = images.read(pair.source, pixels=False)
        ours = images.transformations(images.read(pair.output, pixels=False))[0][0]
        theirs = images.transformations(source)[0][0]
        # A slope that holds the largest value is kept, unless a step is over 0.1 % of that value.
        largest = wanted.max()
        if ours < theirs and theirs <= 0.999e-3 * largest:
            out.append(f"{pair.output.name}: the slope became smaller")
        if ours <= theirs and largest > (images.limits(source)[1] + 1) * theirs:
            out.append(f"{pair.output.name}: the slope did not grow, although its maximum did")
        worst = np.abs(after - wanted).max()
        if worst > 0.5 * ours + 1e-5 * np.abs(before).max():
            out.append(f"{pair.output.name}: off by {worst / ours:.2f} steps")
    return out + check_stored(found)


class Checker:
    """Fills the cells of one run."""

    def __init__(self, findings: Findings, archive: Orthanc | None, absent: str):
        self.findings, self.archive, self.absent = findings, archive, absent

    def validators(self, case: str, found: list[Pair], out: Path) -> dict[str, str]:
        """The columns of the tools that are not Python."""
        files = [(p.output, p.source) for p in found]
        by_folder: dict[str, list] = {}
        for pair in found:
            by_folder.setdefault(pair.folder, []).append((pair.output, pair.source))
        entities: list[str] | None = []
        for one in by_folder.values():
            told = validators.check_entities(one)
            entities = None if told is None else (entities or []) + told
        cell = self.findings.cell
        cells = {
            "dciodvfy": cell(case, "dciodvfy", validators.check_objects(files)),
            "dcentvfy": cell(case, "dcentvfy", entities),
            "dcmtk": cell(case, "dcmtk", validators.check_toolkit(files)),
            "Orthanc": self.absent,
        }
        if self.archive:
            told = self.archive.check(folders(out))
            cells["Orthanc"] = cell(case, "Orthanc", told)
        return cells

    def unchanged(self, case: str, out: Path, sources: list[Path]) -> tuple:
        """The cells of a run at strength 0, and its pairs."""
        found, unpaired = pairs(out, sources)
        problems, words = check_exact(found)
        cells = {
            "pixels": self.findings.cell(case, "pixels", unpaired + problems, words),
            "attributes": self.findings.cell(
                case, "attributes", unpaired + check_attributes(found)
            ),
        }
        return cells | self.validators(case, found, out), found

    def restored(
        self,
        case: str,
        out: Path,
        sources: list[Path],
        pixels: Callable[[list[Pair]], list[str]],
        besides: frozenset[str],
    ) -> str:
        """One cell for a run with a model that changes pixels."""
        case += ", model"
        found, problems = pairs(out, sources)
        if len(found) < len(sources):
            problems.append(f"{len(found)} of {len(sources)} slices")
        problems += pixels(found) + check_attributes(found, besides)
        cells = self.validators(case, found, out)
        failed = [c for c in cells.values() if c.startswith("FAILED")]
        word = self.findings.cell(case, "pixels, attributes", problems)
        return "FAILED" if failed or word != "ok" else f"ok ({len(found)})"
