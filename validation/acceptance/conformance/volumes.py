"""NIfTI and NRRD volumes, written and read by nibabel and SimpleITK."""

import itertools
from pathlib import Path

import numpy as np

from .cases import Bench

try:
    import nibabel
    import SimpleITK as sitk
except ImportError:  # they are optional
    nibabel = sitk = None

SHAPE = (40, 36, 5)
# An affine with a shear and numbers that no float holds exactly.
AFFINE = np.array(
    [[-0.7, 0.01, 0, 12.3], [0.02, 0.71, 0, -45.6], [0, 0.003, 2.5, 1 / 3], [0, 0, 0, 1]]
)
TYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64")


def values(kind: str, frames: int) -> np.ndarray:
    """Voxels of a type, different in every place."""
    shape = (*SHAPE, frames) if frames > 1 else SHAPE
    steps = np.arange(np.prod(shape)).reshape(shape) * 37 % 120
    return steps.astype(kind) if np.dtype(kind).kind == "u" else (steps - 60).astype(kind)


class Volumes:
    """The checks. A volume goes through at strength 0, and must come back as it was."""

    def __init__(self, bench: Bench, work: Path):
        self.bench, self.work = bench, work / "volumes"
        self.work.mkdir()
        self.problems: list[str] = []
        self.count = 0

    def check(self) -> str:
        """All forms, written by one library and read by both."""
        if nibabel is None:
            return "not available"
        for kind, two, packed, frames in itertools.product(
            TYPES, (False, True), (False, True), (1, 3)
        ):
            self.nifti(kind, two, ".nii.gz" if packed else ".nii", frames)
        for kind, ending, packed in itertools.product(TYPES, (".nrrd", ".nhdr"), (False, True)):
            self.nrrd(kind, ending, packed)
        cell = self.bench.findings.cell("volumes", "values and affine", self.problems)
        return f"{cell} ({self.count} volumes)"

    def through(self, source: Path) -> Path | None:
        """The result of a run at strength 0."""
        self.count += 1
        out = source.with_name(f"out-{source.name}")
        more = ("--units", "hu", "--strength", "0", "--model", self.bench.identity["ct"])
        run = self.bench.program.run("ct", source, "-o", out, *more)
        if run.code:
            self.problems.append(f"{source.name}: {'; '.join(run.reasons())}")
            return None
        return out

    def nifti(self, kind: str, two: bool, ending: str, frames: int) -> None:
        """A file of nibabel, with both codes of the affine, a scale and an extension."""
        source = self.work / f"{kind}-{2 if two else 1}-{frames}{ending}"
        form = nibabel.Nifti2Image if two else nibabel.Nifti1Image
        image = form(values(kind, frames), AFFINE)
        image.header.set_slope_inter(0.5, -3)
        image.set_qform(AFFINE, code=1, strip_shears=True)
        image.set_sform(AFFINE, code=4)
        image.header["descrip"] = b"as it was"
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"one"))
        image.to_filename(source)
        out = self.through(source)
        if out is None:
            return
        before, after = nibabel.load(source), nibabel.load(out)
        fields = [f for f in before.header if f not in ("vox_offset", "magic")]
        same = {f: np.array_equal(before.header[f], after.header[f]) for f in fields}
        # A field of no number equals itself.
        wrong = [f for f, equal in same.items() if not equal and str(before.header[f]) != "nan"]
        if wrong:
            self.problems.append(f"{source.name}: other {', '.join(wrong)}")
        if not np.array_equal(before.affine, after.affine):
            self.problems.append(f"{source.name}: another affine")
        if not np.array_equal(np.asarray(before.dataobj), np.asarray(after.dataobj)):
            self.problems.append(f"{source.name}: other voxels")
        codes = [extension.get_code() for extension in after.header.extensions]
        if codes != [6, 6]:
            self.problems.append(f"{source.name}: extensions {codes}")
        if not two:  # ITK reads version 1 only
            self.compare(source, out)

    def nrrd(self, kind: str, ending: str, packed: bool) -> None:
        """A file of SimpleITK."""
        source = self.work / f"{kind}-{'gzip' if packed else 'raw'}{ending}"
        image = sitk.GetImageFromArray(values(kind, 1))
        image.SetSpacing((0.7, 0.71, 2.5))
        image.SetOrigin((12.3, -45.6, 1 / 3))
        image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
        image.SetMetaData("a key", "a value")
        sitk.WriteImage(image, str(source), useCompression=packed)
        if out := self.through(source):
            self.compare(source, out)

    def compare(self, source: Path, out: Path) -> None:
        """What SimpleITK reads of both."""
        before, after = sitk.ReadImage(str(source)), sitk.ReadImage(str(out))
        for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection", "GetPixelID"):
            if getattr(before, name)() != getattr(after, name)():
                self.problems.append(f"{source.name}: SimpleITK: {name} differs")
        voxels = [sitk.GetArrayViewFromImage(image) for image in (before, after)]
        if not np.array_equal(*voxels):
            self.problems.append(f"{source.name}: SimpleITK reads other voxels")
        lost = [key for key in before.GetMetaDataKeys() if not after.HasMetaDataKey(key)]
        if lost:
            self.problems.append(f"{source.name}: SimpleITK: {', '.join(lost)} missing")
