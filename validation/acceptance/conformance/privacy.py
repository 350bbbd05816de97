"""artir writes patient data only into objects: a marker in every text is in no other output."""

import random
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from . import images
from .cases import Bench

MARK = "ZZPATIENTZZ"
BIRTH = "18871231"
TEXT = {"PN", "LO", "SH", "ST", "LT", "UT", "UC"}
# Attributes that identify a patient in practice. They are added to slices that lack them.
ADDED = (
    *("PatientName", "PatientID", "OtherPatientNames", "PatientComments"),
    *("PatientAddress", "Occupation", "AdditionalPatientHistory", "AccessionNumber"),
    *("InstitutionName", "ReferringPhysicianName", "OperatorsName", "StudyID"),
    *("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments"),
    *("StationName", "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"),
    *("PatientBirthName", "MedicalAlerts", "RequestedProcedureDescription"),
)
# Numbers that artir reads. A message might quote one that it cannot read.
NUMBERS = {
    "RescaleSlope": "DS",
    "RescaleIntercept": "DS",
    "ImagePositionPatient": "DS",
    "ImageOrientationPatient": "DS",
    "PixelSpacing": "DS",
    "InstanceNumber": "IS",
    "SeriesNumber": "IS",
    "NumberOfFrames": "IS",
}
DELETED = ("Rows", "PixelSpacing", "ImagePositionPatient", "BitsStored", "PixelData")
# What --list shows of a series, so that a person can choose: its description and its kernel.
SHOWN = re.compile(r'"(description|kernel)": "[^"]*"')
EXTRAS = ("--list", "--report", "--preview")
FLIPS, FLIPPED = 16, 12
# artir reads these words. Others make a slice unusable, so each has its own copy.
READ = ("RescaleType",)
SLICES = ("1-01.dcm", "1-02.dcm", "1-03.dcm")


def mark(dataset: Dataset) -> None:
    """Puts the marker into every text, nested and private ones included."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                mark(item)
        elif element.tag.is_private_creator or element.keyword in READ:
            continue
        elif element.VR in TEXT:
            element.value = MARK


def marked(source: Path) -> Dataset:
    """A copy of a slice whose texts are the marker."""
    dataset = images.read(source)
    mark(dataset)
    for keyword in ADDED:
        setattr(dataset, keyword, MARK)
    dataset.PatientBirthDate = BIRTH
    return dataset


def spoil(dataset: Dataset, keyword: str, vr: str) -> None:
    """Puts the marker where a number belongs."""
    tag = Tag(keyword)
    value = f"{MARK} ".encode()
    dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)


def copies(source: Path) -> Iterator[tuple[str, bytes]]:
    """A good copy, then broken ones, each with a name."""

    def file(change: object = None) -> bytes:
        path = source.parent / "copy.tmp"
        dataset = images.read(source)
        if change:
            change(dataset)
        dataset.save_as(path)
        content = path.read_bytes()
        path.unlink()
        return content

    good = file()
    yield "good", good
    for keyword, vr in NUMBERS.items():
        yield f"{keyword} spoilt", file(lambda d, k=keyword, v=vr: spoil(d, k, v))
    for keyword in READ:
        yield f"{keyword} marked", file(lambda d, k=keyword: setattr(d, k, MARK))
    for keyword in DELETED:
        yield f"{keyword} deleted", file(lambda d, k=keyword: d.pop(Tag(k)))
    yield (
        "character set unknown",
        file(lambda d: setattr(d, "SpecificCharacterSet", "ISO_IR 999")),
    )
    pixels = good.rindex(b"\xe0\x7f\x10\x00")
    for length in (140, 400, pixels // 2, pixels - 3, pixels + 9, len(good) * 2 // 3):
        yield f"cut at {length}", good[:length]
    chance = random.Random(1)
    for index in range(FLIPS):
        changed = bytearray(good)
        for _ in range(FLIPPED):
            changed[chance.randrange(132, pixels)] = chance.randrange(256)
        yield f"damaged {index}", bytes(changed)
    # A name in the wrong place: its length runs into what follows.
    at = good.index(MARK.encode())
    changed = bytearray(good)
    changed[at - 2 : at] = b"\xff\xff"
    yield "a length too long", bytes(changed)


def check(bench: Bench, data: Path, work: Path) -> str:
    """Looks for the marker in all that artir prints, over good and broken copies."""
    folder = data / "ct-abdomen-ge"
    if not folder.is_dir():
        return "data not found"
    base = work / "privacy"
    base.mkdir()
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in SLICES:
            marked(folder / name).save_as(base / name)
        variants = list(copies(base / SLICES[1]))
    config.settings.writing_validation_mode = before
    offered = [f for f in EXTRAS if bench.program.offers("ct", f)]
    problems, runs = [], 0
    for index, (label, content) in enumerate(variants):
        place = work / f"privacy-{index}"
        series = place / "series"
        series.mkdir(parents=True)
        (series / "1.dcm").write_bytes((base / SLICES[0]).read_bytes())
        (series / "2.dcm").write_bytes(content)
        for name, source, options in attempts(series, offered):
            out = place / name
            model = ("--strength", 0, "--model", bench.identity["ct"])
            if "--report" in options:
                options = (*options, out / "report.json")
                out.mkdir()
            run = bench.program.run("ct", source, "-o", out, *model, *options)
            runs += 1
            shown = SHOWN.sub("", run.stdout) if "--list=json" in options else run.stdout
            told = shown + run.stderr + written(out)
            found = leaks(told) + run.problems()
            problems += [f"{label}: {problem}: {run.command}" for problem in found]
            if label == "good" and run.code:
                problems.append(f"the good copy is refused: {run.stderr[-300:]!r}")
    good = f"nothing in {runs} runs over {len(variants)} copies"
    good += f", with {', '.join(offered)}" if offered else ""
    return bench.findings.cell("privacy", "marker", problems, good)


def attempts(series: Path, offered: list[str]) -> Iterator[tuple[str, Path, tuple]]:
    """A name, an input and options of each run over a pair of slices."""
    lone = series / "2.dcm"
    for name, source in (("both", series), ("lone", lone)):
        yield f"{name}-json", source, ("-vv", "--log-format", "json")
        if "--list" in offered:
            yield f"{name}-list", source, ("-vv", "--list=json")
    extras = tuple(f for f in ("--preview", "--report") if f in offered)
    yield "lone-text", lone, ("-vv", *extras)


def written(out: Path) -> str:
    """Files of a run other than objects, and the names of all its files."""
    paths = images.files(out) if out.exists() else []
    names = [str(path.relative_to(out)) for path in paths]
    texts = [p.read_text(errors="replace") for p in paths if p.suffix != ".dcm"]
    return "\n".join(names + texts)


def leaks(told: str) -> list[str]:
    """The marker in a text, with its context."""
    out = []
    for word in (MARK, BIRTH):
        at = told.upper().find(word)
        if at >= 0:
            out.append(repr(told[max(0, at - 80) : at + 40]))
    return out
