"""The test sets: degraded images, their references, and the suite that measures them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from artir_train.ct_pairs_data import PATIENTS
from artir_train.data import data_folder, own_noise, read_series
from artir_train.degrade import ct, pet
from artir_train.haze_data import HELD_OUT, HazePatches
from artir_train.pet_slices import body_mask, full_counts
from artir_train.real_pairs import WINDOW, Pair, read_pairs

ROOT = Path(__file__).resolve().parents[3]
WORK = ROOT / ".cache" / "baselines"
"""Where the images of the sets and the results are kept between runs."""
ZOO = ROOT / "models" / "zoo"
HAZE = ZOO / "geo-haze-t.onnx"
RGB = ZOO / "rgb-denoise-free-t.onnx"
NONCOMMERCIAL = ZOO.with_name("noncommercial")
AAPM = NONCOMMERCIAL / "ct-ldct-aapm-t.onnx"
CT_SUITE = """schema = 1
title = "Simulated quarter dose, ct-abdomen-ge"
task = "ct-denoise"
protocol = "ldct-400"
layout = "input/ and reference/ of NPY slices in HU"
layout_is_certain = true
[input]
files = "input/*"
[reference]
files = "reference/*"
"""

PET_SUITE = CT_SUITE.replace(
    "Simulated quarter dose, ct-abdomen-ge", "A twelfth of the counts, pet-ge-bqml"
)
PET_SUITE = PET_SUITE.replace("ct-denoise", "pet-enhance").replace("ldct-400", "pet-slice")
PET_SUITE = PET_SUITE.replace("in HU", "in SUV")


@dataclass
class TestSet:
    """Images by name, in the methods' units, and how `artir validate` measures them."""

    title: str
    suite: str
    data: Path
    degraded: dict[str, np.ndarray]
    clean: dict[str, np.ndarray]
    sigma: dict[str, float]
    span: tuple[float, float]
    task: str
    model: Path
    others: tuple[Path, ...] = ()
    """Further models to measure."""
    every: int = 1
    """Parameters are chosen on every n-th image,"""
    middle: int | None = None
    """and on squares of this edge from their middles, where restoring whole images takes long."""
    group: re.Pattern | None = None
    """What images whose names have the same match share: their mean is reported too."""

    def sample(self) -> list[str]:
        """The names of the images that parameters are chosen on."""
        return list(self.degraded)[:: self.every]

    def part(self, image: np.ndarray) -> np.ndarray:
        """The part of an image that parameters are chosen on."""
        if self.middle is None:
            return image
        top, left = ((side - self.middle) // 2 for side in image.shape[:2])
        return image[top : top + self.middle, left : left + self.middle]

    def folder(self, work: Path) -> Path:
        """The folder of the set's results."""
        return work / "results" / self.data.name

    def save(self, folder: Path, name: str, image: np.ndarray) -> None:
        """Saves a result as the suite reads it."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.task in ("ct", "pet"):
            np.save(folder / f"{name}.npy", image.astype(np.float32))
        else:
            levels = image * (255 / self.span[1])
            Image.fromarray(levels.round().clip(0, 255).astype(np.uint8)).save(
                folder / f"{name}.png"
            )

    def psnr(self, name: str, image: np.ndarray) -> float:
        """PSNR in dB of a whole result or of its part. The table's figures come from artir."""
        lo, hi = self.span
        clean = self.clean[name]
        clean = clean if clean.shape == image.shape else self.part(clean)
        difference = image.clip(lo, hi) - clean.clip(lo, hi)
        return 10 * np.log10((hi - lo) ** 2 / np.mean(difference**2))


def quarter_dose(work: Path, series: str, folder: str, step: int) -> TestSet:
    """Every ``step``-th slice of a series with the added noise of a quarter of its dose.

    The variance of noise is proportional to 1 / dose, so three times the slice's own variance is
    added, simulated in the projection domain with a soft kernel. The reference has noise of its
    own, as a real full-dose slice does, which bounds the PSNR.
    """
    hu, spacing = read_series(data_folder() / "dicom" / series)
    hu = hu[::step]
    slices = torch.from_numpy(hu)
    n = len(slices)
    generator = torch.Generator().manual_seed(0)
    made = ct.noise(
        slices,
        torch.full((n,), spacing),
        torch.full((n,), 0.8),
        torch.ones(n),
        generator,
    )
    made /= ct.body_sd(slices, made)[:, None, None]
    data = work / folder
    out = TestSet(
        f"CT: {series} at a simulated quarter dose",
        str(data / "suite.toml"),
        data,
        {},
        {},
        {},
        (-160.0, 240.0),
        "ct",
        ZOO / "ct-ldct-t.onnx",
    )
    for i, (clean, noise) in enumerate(zip(hu, made.numpy(), strict=True)):
        name = f"{i:02}"
        sd = 3**0.5 * own_noise(clean)
        out.clean[name] = clean.astype(np.float64)
        out.degraded[name] = (clean + sd * noise).astype(np.float64)
        out.sigma[name] = sd
        out.save(data / "input", name, out.degraded[name])
        out.save(data / "reference", name, clean)
    (data / "suite.toml").write_text(CT_SUITE.replace("ct-abdomen-ge", series))
    return out


def real_pairs(
    work: Path,
    folder: str,
    of: str,
    chosen: Callable[[Pair], bool],
    others: tuple[Path, ...] = (),
) -> TestSet:
    """Real slices at a quarter of the dose and at full dose: those chosen, which ``of`` names.

    The full dose has noise of its own, which bounds the PSNR. The methods get the true standard
    deviation of the added noise in soft tissue: at this noise it cannot be estimated from blocks.
    """
    data = work / folder
    title = f"Real quarter dose, {of}"
    out = TestSet(
        f"CT: real quarter-dose slices, {of}",
        str(data / "suite.toml"),
        data,
        {},
        {},
        {},
        WINDOW,
        "ct",
        ZOO / "ct-ldct-t.onnx",
        others=tuple(path for path in others if path.exists()),
        every=3,
        middle=256,
        group=re.compile(r"L\d+"),
    )
    for pair in read_pairs():
        if chosen(pair):
            out.clean[pair.name] = pair.full.astype(np.float64)
            out.degraded[pair.name] = pair.quarter.astype(np.float64)
            smooth = gaussian_filter(pair.full, 3.0)
            soft = (smooth > -150) & (smooth < 200)
            out.sigma[pair.name] = float((pair.quarter - pair.full)[soft].std())
            out.save(data / "input", pair.name, pair.quarter)
            out.save(data / "reference", pair.name, pair.full)
    suite = CT_SUITE.replace("Simulated quarter dose, ct-abdomen-ge", title)
    (data / "suite.toml").write_text(suite)
    return out


def twelfth_counts(work: Path) -> TestSet:
    """Every eighth slice of the body, with the noise of a twelfth of its counts.

    The number of counts follows from the noise of the series in regions of liver-like uptake. All
    slices share the sensitivity found there. The noise of a twelfth is simulated by projection and
    OSEM. The slice already contains a twelfth of its variance.
    """
    suv, mm = read_pet(data_folder() / "dicom" / "pet-ge-bqml")
    slices = torch.from_numpy(suv[4::8])
    body = torch.from_numpy(np.stack([body_mask(s) for s in suv[4::8]]))
    scan = pet.Scan(post_mm=6.0)

    counts = full_counts(suv, slices, body, mm, scan) / (12 - 1)
    generator = torch.Generator().manual_seed(0)
    made = pet.noise(slices, body, torch.full((len(slices),), mm), counts, generator, scan)
    data = work / "twelfth-counts"
    out = TestSet(
        "PET: pet-ge-bqml at a twelfth of its counts",
        str(data / "suite.toml"),
        data,
        {},
        {},
        {},
        (0.0, 20.0),
        "pet",
        ZOO / "pet-lowcount-3-t.onnx",
        others=(ZOO / "pet-lowcount-t.onnx",),
    )
    for i, (clean, noise) in enumerate(zip(suv[4::8], made.numpy(), strict=True)):
        if clean.max() < 1:
            continue
        name = f"{i:02}"
        out.clean[name] = clean.astype(np.float64)
        out.degraded[name] = (clean + noise).clip(0).astype(np.float64)
        out.sigma[name] = float((out.degraded[name] - clean)[body[i].numpy()].std())
        out.save(data / "input", name, out.degraded[name])
        out.save(data / "reference", name, clean)
    (data / "suite.toml").write_text(PET_SUITE)
    return out


def read_pet(folder: Path) -> tuple[np.ndarray, float]:
    """A BQML series in SUVbw, [N, S, S] from feet to head, and its pixel spacing in mm."""
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
    drug = slices[0].RadiopharmaceuticalInformationSequence[0]

    def seconds(time: str) -> float:
        return int(time[:2]) * 3600 + int(time[2:4]) * 60 + float(time[4:])

    elapsed = seconds(slices[0].SeriesTime) - seconds(drug.RadiopharmaceuticalStartTime)
    dose = float(drug.RadionuclideTotalDose) * 0.5 ** (elapsed / float(drug.RadionuclideHalfLife))
    factor = float(slices[0].PatientWeight) * 1000 / dose
    suv = [
        (s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept)) * factor for s in slices
    ]
    return np.stack(suv).astype(np.float32), float(slices[0].PixelSpacing[0])


def mcmaster(_: Path) -> TestSet:
    """Gaussian noise of sigma 25 as the suite mcmaster18-25 adds it: seed 0 for each image."""
    folder = data_folder() / "images" / "mcmaster18"
    out = TestSet(
        "Photographs: McMaster, sigma 25",
        "mcmaster18-25",
        folder,
        {},
        {},
        {},
        (0.0, 255.0),
        "rgb",
        RGB,
    )
    for path in sorted(folder.glob("*.tif")):
        clean = np.asarray(Image.open(path).convert("RGB"), np.float64)
        noise = np.random.RandomState(0).normal(0, 25 / 255, clean.shape) * 255
        out.clean[path.stem], out.degraded[path.stem] = clean, clean + noise
        out.sigma[path.stem] = 25.0
    return out


def rice(_: Path) -> TestSet:
    """Real thin cloud."""
    folder = data_folder() / "images" / "rice1-thin-cloud"
    out = TestSet("Haze: RICE1, thin cloud", "rice1", folder, {}, {}, {}, (0.0, 1.0), "haze", HAZE)
    for path in sorted(folder.glob("*_real_A.png")):
        name = path.stem
        for side, letter in ((out.degraded, "A"), (out.clean, "B")):
            picture = Image.open(
                path.with_name(name.replace("_real_A", f"_real_{letter}") + ".png")
            ).convert("RGB")
            side[name] = np.asarray(picture, np.float64) / 255
        out.sigma[name] = 0.0
    return out


def held_out(work: Path) -> HazePatches:
    """The source of the haze model's training. Its first tiles train no model."""
    return HazePatches(work / "haze-tiles")


def simulated_haze(work: Path) -> TestSet:
    """Held-back tiles under simulated haze."""
    hazy, clear = (
        pictures.permute(0, 2, 3, 1).numpy().astype(np.float64)
        for pictures in held_out(work).validation()
    )
    return haze_pairs(
        "Haze: held-back tiles under simulated haze",
        work / "simulated-haze",
        {f"{i:02}": pair for i, pair in enumerate(zip(hazy, clear, strict=True))},
    )


def clear_scenes(work: Path) -> TestSet:
    """Scenes without haze, which should stay nearly unchanged: held-back tiles, and an aerial scene
    that trained no model."""
    source = held_out(work)
    scenes = {f"{i:02}": t for i, t in enumerate(source.tiles[:HELD_OUT])}
    naip = data_folder() / "geotiff" / "opengeos" / "naip"
    for path in sorted(naip.glob("*.tif")):
        scenes[path.stem] = np.asarray(Image.open(path))[..., :3]
    return haze_pairs(
        "Haze: clear scenes",
        work / "clear-scenes",
        {name: (scene / 255, scene / 255) for name, scene in scenes.items()},
    )


def haze_pairs(title: str, data: Path, pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> TestSet:
    """Writes a set of (hazy, clear) pairs for its suite."""
    out = TestSet(title, str(data / "suite.toml"), data, {}, {}, {}, (0.0, 1.0), "haze", HAZE)
    for name, (hazy, clear) in pairs.items():
        out.degraded[name], out.clean[name], out.sigma[name] = hazy, clear, 0.0
        out.save(data / "input", name, hazy)
        out.save(data / "reference", name, clear)
    suite = CT_SUITE.replace("Simulated quarter dose, ct-abdomen-ge", title)
    suite = suite.replace("ct-denoise", "dehaze").replace("ldct-400", "rgb")
    (data / "suite.toml").write_text(suite.replace("NPY slices in HU", "PNG pictures"))
    return out


SETS = {
    # Real pairs. Versions of the CT models are chosen by these.
    "ct-real-b30": partial(
        real_pairs,
        folder="real-pairs-b30",
        of="kernel B30",
        chosen=lambda pair: pair.kernel == "B30",
    ),
    "ct-real-d45": partial(
        real_pairs,
        folder="real-pairs-d45",
        of="kernel D45",
        chosen=lambda pair: pair.kernel == "D45",
    ),
    # The patients who train no model at all, of every kernel.
    "ct-real-test": partial(
        real_pairs,
        folder="real-pairs-test",
        of="patients L143, L291 and L333",
        chosen=lambda pair: pair.patient not in PATIENTS,
        others=(AAPM,),
    ),
    # An abdomen at 5 mm, and a part of one at 3 mm with contrast medium.
    "ct": partial(quarter_dose, series="ct-abdomen-ge", folder="quarter-dose", step=5),
    "ct-siemens": partial(
        quarter_dose,
        series="ct-abdomen-siemens-partial",
        folder="quarter-dose-siemens",
        step=2,
    ),
    "pet": twelfth_counts,
    "rgb": mcmaster,
    "haze": rice,
    "simulated-haze": simulated_haze,
    "clear": clear_scenes,
}
