"""Special checks: transfer syntaxes, enhanced objects, SUV, slopes."""

import copy
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from . import images, outputs, validators
from .cases import MODEL_MEMORY, Bench

UNAVAILABLE = "not available"
ABSENT = "data not found"
SYNTAXES = "robustness/cornerstoneWADOImageLoader/testImages"
ENHANCED = "robustness/rse-panimg/dicom_enhanced_siemens_b60s"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
TOLERANCE = 1e-6
COMPRESSED = {
    "jpegls-lossless": "1.2.840.10008.1.2.4.80",
    "rle": "1.2.840.10008.1.2.5",
}
COMPRESSED_INPUTS = (("ct", "ct-head-ge-tilted"), ("pet", "pet-gml"))


class Special:
    """The checks. Each returns the text of its line."""

    def __init__(self, bench: Bench, data: Path, work: Path):
        self.bench, self.data, self.work = bench, data, work
        self.cell = bench.findings.cell

    def restore(self, command: str, source: Path, name: str, *more: object):
        """A run in its own folder: the run, and the files that it wrote."""
        out = self.work / "special" / name
        out.parent.mkdir(exist_ok=True)
        run = self.bench.run(command, source, out, *more, seconds=600)
        return run, sorted(out.rglob("*.dcm")) if out.exists() else []

    def transfer_syntaxes(self) -> str:
        """One image in 15 transfer syntaxes, each restored with the built-in model."""
        folder = self.data / SYNTAXES
        if not folder.is_dir():
            return ABSENT
        name = "one image in many transfer syntaxes"
        run, made = self.restore("ct", folder / "CTImage.dcm", "syntax-reference")
        if not made:
            told = "; ".join(run.reasons())
            return self.cell(name, "reference", [f"not restored: {told}"])
        reference = images.stored(made[0])
        problems, counts = [], {"equal": 0, "lossy restored": 0, "lossy refused": 0}
        for path in sorted(folder.glob("CTImage.dcm_*")):
            label = path.stem.removeprefix("CTImage.dcm_")
            run, made = self.restore("ct", path, f"syntax-{label}")
            problems += [f"{label}: {p}" for p in run.problems(MODEL_MEMORY)]
            lossy = images.syntax(images.read(path, pixels=False)) in images.LOSSY_SYNTAXES
            if lossy:
                counts["lossy restored" if made else "lossy refused"] += 1
            elif not made:
                problems.append(f"{label}: not restored: {'; '.join(run.reasons())}")
            elif np.array_equal(images.stored(made[0]), reference):
                counts["equal"] += 1
            else:
                worst = np.abs(images.stored(made[0]) - reference).max()
                problems.append(f"{label}: values differ by up to {worst}")
        words = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
        return self.cell(name, "values", problems, words)

    def compressed(self) -> str:
        """Outputs in compressed transfer syntaxes hold the values of the uncompressed ones."""
        if not self.bench.program.offers("ct", "--transfer-syntax"):
            return f"{UNAVAILABLE}: no --transfer-syntax"
        problems, counts = [], []
        for form, syntax in COMPRESSED.items():
            for command, folder in COMPRESSED_INPUTS:
                source, name = self.data / folder, f"{form}-{folder}"
                if not source.is_dir():
                    return ABSENT
                options = ("--strength", 0, "--model", self.bench.identity[command])
                options = (*options, "--transfer-syntax", form)
                run, made = self.restore(command, source, name, *options)
                problems += [f"{name}: {p}" for p in run.problems()]
                told = [images.syntax(images.read(path, pixels=False)) for path in made]
                if set(told) != {syntax}:
                    problems.append(f"{name}: transfer syntaxes are {sorted(set(told))}")
                    continue
                found, unpaired = outputs.pairs(made[0].parents[1], images.files(source))
                differing, _ = outputs.check_exact(found)
                files = [(pair.output, pair.source) for pair in found]
                problems += unpaired + differing
                problems += validators.check_objects(files) or []
                if self.bench.checker.archive:
                    series = outputs.folders(made[0].parents[1])
                    problems += self.bench.checker.archive.check(series)
                counts.append(f"{len(found)} slices of {folder} in {form}")
        return self.cell("compressed output", "values", problems, ", ".join(counts))

    def enhanced_file(self) -> str:
        """The multi-frame file of a scanner against its seven classic slices."""
        path = self.data / ENHANCED / "volume.dcm"
        if not path.is_file():
            return ABSENT
        return self._frames("multi-frame file of seven slices", path)

    def enhanced_made(self) -> str:
        """An Enhanced CT object made of the seven classic slices, against them."""
        folder = self.data / ENHANCED
        if not folder.is_dir():
            return ABSENT
        path = self.work / "enhanced.dcm"
        assemble([images.read(p) for p in sorted(folder.glob("slice*.dcm"))], path)
        return self._frames("Enhanced CT made of seven slices", path)

    def _frames(self, name: str, path: Path) -> str:
        label = path.stem
        run, made = self.restore("ct", path, f"enhanced-{label}")
        if not made and run.code == 3:
            return f"{UNAVAILABLE}: {'; '.join(run.reasons())}"
        slices = self.work / f"classic-{label}"
        slices.mkdir()
        for source in sorted((self.data / ENHANCED).glob("slice*.dcm")):
            (slices / source.name).symlink_to(source)
        classic_run, classic = self.restore("ct", slices, f"classic-{label}")
        problems = run.problems(MODEL_MEMORY) + classic_run.problems(MODEL_MEMORY)
        if len(made) != 1 or not classic:
            problems.append(f"{len(made)} files, {len(classic)} classic ones")
            return self.cell(name, "frames", problems)
        wanted = {}
        for one in classic:
            wanted[position(images.read(one, pixels=False))] = images.rescaled(one)[0]
        dataset, values = (
            images.read(made[0], pixels=False),
            images.rescaled(made[0]),
        )
        if len(values) != len(wanted):
            problems.append(f"{len(values)} frames, {len(wanted)} classic slices")
        places = frame_positions(dataset)
        for index, place in enumerate(places):
            if place not in wanted:
                problems.append(f"frame {index} has no classic slice at its place")
            elif not np.array_equal(values[index], wanted[place]):
                worst = np.abs(values[index] - wanted[place]).max()
                problems.append(f"frame {index}: values differ by up to {worst}")
        if not places:
            # Frames without positions are in the order of the slices.
            for index, values_there in enumerate(wanted.values()):
                if not np.array_equal(values[index], values_there):
                    problems.append(f"frame {index} is not slice {index}")
        problems += outputs.check_attributes([outputs.Pair("", made[0], path)])
        return self.cell(name, "frames", problems, f"equal ({len(wanted)} frames)")

    def suv(self) -> str:
        """SUV factors by slice, against the pseudo-code of the QIBA profile restated here."""
        name = "SUV factor"
        words = []
        for folder in ("pet-ge-bqml", "pet-gml"):
            source = self.data / folder
            if not source.is_dir():
                return ABSENT
            if not self.bench.program.offers("pet", "--list"):
                return f"{UNAVAILABLE}: no --list"
            run = self.bench.program.run("pet", source, "--list=json", "--show-paths")
            try:
                told = json.loads(run.stdout)
                slices = [s for series in told["series"] for s in series["slices"]]
                factors = {s["file"]: s["suv_factor"] for s in slices}
            except (ValueError, KeyError, TypeError) as error:
                why = f"{folder}: --list=json: {error!r}: {run.stderr[-300:]!r}"
                return self.cell(name, "list", [why])
            problems, worst = [], 0.0
            files = images.files(source)
            if len(factors) != len(files):
                problems.append(f"{len(factors)} slices listed of {len(files)}")
            for file, factor in factors.items():
                path = source / Path(file).name
                wanted = suv_factor(images.read(path, pixels=False))
                error = abs(float(factor or 0) / wanted - 1)
                worst = max(worst, error)
                if error > TOLERANCE:
                    problems.append(f"{file}: {factor} and not {wanted}")
            good = f"{len(factors)} slices of {folder}"
            words.append(self.cell(f"{name} {folder}", "value", problems, good))
        return f"within {TOLERANCE:g}: {', '.join(words)}"

    def slopes(self) -> str:
        """At strength 0 every PET slice keeps its slope and intercept, as text."""
        words = []
        for folder in ("pet-ge-bqml", "pet-gml"):
            source = self.data / folder
            if not source.is_dir():
                return ABSENT
            options = ("--strength", 0, "--model", self.bench.identity["pet"])
            run, made = self.restore("pet", source, f"slopes-{folder}", *options)
            if not made:
                words.append(f"{folder}: refused: {'; '.join(run.reasons())}")
                continue
            found, problems = outputs.pairs(made[0].parents[1], images.files(source))
            for pair in found:
                ours, theirs = images.read(pair.output), images.read(pair.source)
                for keyword in ("RescaleSlope", "RescaleIntercept"):
                    a, b = str(theirs[keyword].value), str(ours[keyword].value)
                    if a.strip() != b.strip():
                        problems.append(f"{pair.output.name}: {keyword} {a} became {b}")
            good = f"{len(found)} slices of {folder}"
            words.append(self.cell(f"slopes of {folder}", "slope", problems, good))
        return "kept: " + ", ".join(words)


def position(dataset: Dataset) -> tuple[float, ...]:
    """The position of a plane, rounded to micrometres."""
    return tuple(round(float(v), 3) for v in dataset.ImagePositionPatient)


def frame_positions(dataset: Dataset) -> list[tuple[float, ...]]:
    """The positions of the frames; empty if they have none of their own."""
    groups = images.items(dataset, "PerFrameFunctionalGroupsSequence")
    planes = [images.first(g, "PlanePositionSequence") for g in groups]
    return [position(p) for p in planes if "ImagePositionPatient" in p]


def moment(date: str, time: str) -> datetime:
    """DA and TM; fractions of a second may be missing."""
    whole, _, fraction = str(time).partition(".")
    start = datetime.strptime(str(date) + whole.ljust(6, "0"), "%Y%m%d%H%M%S")
    return start + timedelta(seconds=float(f"0.{fraction or 0}"))


def suv_factor(dataset: Dataset) -> float:
    """g/mL of SUVbw for each rescaled unit (QIBA, vendor-neutral pseudo-code, "happy path")."""
    if dataset.Units == "GML":
        return 1.0
    if dataset.Units != "BQML" or dataset.DecayCorrection != "START":
        raise ValueError("not the happy path")
    series = moment(dataset.SeriesDate, dataset.SeriesTime)
    acquired = moment(dataset.AcquisitionDate, dataset.AcquisitionTime)
    if series <= acquired:
        scan = series
    else:
        text = str(dataset[0x0009, 0x100D].value)
        scan = moment(text[:8], text[8:])
    drug = dataset.RadiopharmaceuticalInformationSequence[0]
    # The date of the injection is explicitly that of the scan.
    date = scan.strftime("%Y%m%d")
    given = moment(date, drug.RadiopharmaceuticalStartTime)
    half_life = float(drug.RadionuclideHalfLife)
    decayed = float(drug.RadionuclideTotalDose) * 2 ** (-(scan - given).total_seconds() / half_life)
    return float(dataset.PatientWeight) * 1000 / decayed


FRAME_ATTRIBUTES = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope"),
}


def assemble(slices: list[Dataset], path: Path) -> None:
    """Writes one Enhanced CT object with the frames of classic slices."""
    out = copy.deepcopy(slices[0])
    for keywords in FRAME_ATTRIBUTES.values():
        for keyword in keywords:
            del out[keyword]
    for keyword in ("ImagePositionPatient", "SliceLocation"):
        if keyword in out:
            del out[keyword]
    # A UID of the 2.25 form, the same at every run.
    out.SOPClassUID, out.SOPInstanceUID = ENHANCED_CT, "2.25.1000000000000001"
    out.SeriesInstanceUID = "2.25.1000000000000002"
    out.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    out.PixelPresentation, out.VolumetricProperties = "MONOCHROME", "VOLUME"
    out.VolumeBasedCalculationTechnique = "NONE"
    out.NumberOfFrames = len(slices)
    shared = Dataset()
    for sequence, keywords in FRAME_ATTRIBUTES.items():
        item = Dataset()
        for keyword in keywords:
            setattr(item, keyword, slices[0][keyword].value)
        if sequence == "PixelValueTransformationSequence":
            item.RescaleType = "HU"
        setattr(shared, sequence, Sequence([item]))
    kind = Dataset()
    kind.FrameType = out.ImageType
    kind.PixelPresentation, kind.VolumetricProperties = "MONOCHROME", "VOLUME"
    kind.VolumeBasedCalculationTechnique = "NONE"
    shared.CTImageFrameTypeSequence = Sequence([kind])
    out.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for index, one in enumerate(slices, 1):
        place, content, frame = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = one.ImagePositionPatient
        content.StackID, content.InStackPositionNumber = "1", index
        content.DimensionIndexValues = [1, index]
        frame.PlanePositionSequence = Sequence([place])
        frame.FrameContentSequence = Sequence([content])
        frames.append(frame)
    out.PerFrameFunctionalGroupsSequence = Sequence(frames)
    out.PixelData = b"".join(one.PixelData for one in slices)
    out["PixelData"].VR = "OW"
    meta = copy.deepcopy(slices[0].file_meta)
    meta.MediaStorageSOPClassUID = out.SOPClassUID
    meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), out, preamble=b"\0" * 128, file_meta=meta)
    file.save_as(path, little_endian=True, implicit_vr=False)
