"""The test sets: degraded images, their references, and the suite that measures them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from artir_train.data import data_folder, read_series
from artir_train.degrade import ct
from PIL import Image

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


@dataclass
class TestSet:
    """Images by name, in the methods' units; and how `artir validate` measures them."""

    title: str
    suite: str
    data: Path
    degraded: dict[str, np.ndarray]
    clean: dict[str, np.ndarray]
    sigma: dict[str, float]
    span: tuple[float, float]
    task: str
    has_model: bool

    def save(self, folder: Path, name: str, image: np.ndarray) -> None:
        """A result, as the suite reads it."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.task == "ct":
            np.save(folder / f"{name}.npy", image.astype(np.float32))
        else:
            levels = image * (255 / self.span[1])
            Image.fromarray(levels.round().clip(0, 255).astype(np.uint8)).save(
                folder / f"{name}.png"
            )

    def psnr(self, name: str, image: np.ndarray) -> float:
        """What the best parameters are chosen by; the table's figures come from artir."""
        lo, hi = self.span
        difference = image.clip(lo, hi) - self.clean[name].clip(lo, hi)
        return 10 * np.log10((hi - lo) ** 2 / np.mean(difference**2))


def quarter_dose(work: Path) -> TestSet:
    """Every fifth slice, with the noise that a quarter of its dose adds to its own.

    Noise power goes with one over dose: three times the slice's own variance is added, made in the
    projection domain with a soft kernel. The reference keeps its own noise, as a real full-dose
    slice does, so no method can come near an infinite PSNR.
    """
    hu, spacing = read_series(data_folder() / "dicom" / "ct-abdomen-ge")
    hu = hu[::5]
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
    data = work / "quarter-dose"
    out = TestSet(
        "CT: ct-abdomen-ge at a simulated quarter dose",
        str(data / "suite.toml"),
        data,
        {},
        {},
        {},
        (-160.0, 240.0),
        "ct",
        True,
    )
    for i, (clean, noise) in enumerate(zip(hu, made.numpy(), strict=True)):
        name = f"{i:02}"
        sd = 3**0.5 * own_noise(clean)
        out.clean[name] = clean.astype(np.float64)
        out.degraded[name] = (clean + sd * noise).astype(np.float64)
        out.sigma[name] = sd
        out.save(data / "input", name, out.degraded[name])
        out.save(data / "reference", name, clean)
    (data / "suite.toml").write_text(CT_SUITE)
    return out


def own_noise(hu: np.ndarray) -> float:
    """Standard deviation of a slice's noise: the lower quartile of that of 8x8 soft-tissue blocks."""
    blocks = hu.reshape(64, 8, 64, 8).swapaxes(1, 2).reshape(-1, 64)
    soft = blocks[((blocks > -50) & (blocks < 200)).all(1)]
    return float(np.quantile(soft.std(1, ddof=1), 0.25))


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
        False,
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
    out = TestSet(
        "Haze: RICE1, thin cloud", "rice1", folder, {}, {}, {}, (0.0, 1.0), "haze", True
    )
    for path in sorted(folder.glob("*_real_A.png")):
        name = path.stem
        for side, letter in ((out.degraded, "A"), (out.clean, "B")):
            picture = Image.open(
                path.with_name(name.replace("_real_A", f"_real_{letter}") + ".png")
            ).convert("RGB")
            side[name] = np.asarray(picture, np.float64) / 255
        out.sigma[name] = 0.0
    return out


SETS = {"ct": quarter_dose, "rgb": mcmaster, "haze": rice}
